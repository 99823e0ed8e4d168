//! What a worker was to do next, offered to the others.
//!
//! A task that is woken by the one that runs is what its worker does next, and no other worker may take it over. A worker
//! that is going to wait wakes an idle task: that takes the place, and what stood there is told to the others.

use std::{
    future::poll_fn,
    sync::{Arc, OnceLock},
    task::{Poll, Waker},
};

use tokio::runtime::Handle;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Nudge {
    /// Of the idle task, once that has run.
    idle: Arc<OnceLock<Waker>>,
    has_others: bool,
}

impl Nudge {
    /// To be called by a worker of the runtime that is meant.
    pub(super) fn start() -> Self {
        let idle = Arc::new(OnceLock::new());
        let place = Arc::clone(&idle);
        tokio::spawn(poll_fn(move |cx| -> Poll<()> {
            place.get_or_init(|| cx.waker().clone());
            Poll::Pending
        }));
        Self { idle, has_others: Handle::current().metrics().num_workers() > 1 }
    }

    /// Whether there are other workers.
    pub(super) fn has_others(&self) -> bool {
        self.has_others
    }

    pub(super) fn give(&self) {
        if let Some(idle) = self.idle.get().filter(|_| self.has_others) {
            idle.wake_by_ref();
        }
    }
}
