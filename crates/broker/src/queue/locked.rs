//! The lock of a queue, what is put in order before it is given back, and what happens when code panics under it.

use std::{
    ops::{Deref, DerefMut},
    thread,
};

use parking_lot::{Mutex, MutexGuard};

/// What a [`Lock`] guards.
pub(super) trait Guarded {
    /// The lock is about to be given back.
    fn put_in_order(&mut self);
}

/// A lock under which a panic stops the node: what it guards may be half changed, what is on disk is not.
#[derive(Debug)]
pub(super) struct Lock<T>(Mutex<T>);

/// The guard of a [`Lock`].
#[derive(Debug)]
pub(super) struct Locked<'a, T: Guarded> {
    guard: MutexGuard<'a, T>,
    /// A connection whose task has panicked gives back what it held on its way out: that panic was not under this lock.
    was_panicking: bool,
}

impl<T: Guarded> Lock<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(super) fn lock(&self) -> Locked<'_, T> {
        Locked { guard: self.0.lock(), was_panicking: thread::panicking() }
    }
}

impl<T: Guarded> Deref for Locked<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: Guarded> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: Guarded> Drop for Locked<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() && !self.was_panicking {
            tracing::error!("a panic under the lock of a queue: the node stops at once");
            std::process::abort();
        }
        self.guard.put_in_order();
    }
}
