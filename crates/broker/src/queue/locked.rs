//! The lock of a queue, and what happens when code panics under it.

use std::ops::{Deref, DerefMut};

use parking_lot::{Mutex, MutexGuard};

/// A lock under which a panic stops the node: what it guards may be half changed, what is on disk is not.
#[derive(Debug)]
pub(super) struct Lock<T>(Mutex<T>);

/// The guard of a [`Lock`].
#[derive(Debug)]
pub(super) struct Locked<'a, T>(MutexGuard<'a, T>);

impl<T> Lock<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(super) fn lock(&self) -> Locked<'_, T> {
        Locked(self.0.lock())
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Locked<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a panic under the lock of a queue: the node stops at once");
            std::process::abort();
        }
    }
}
