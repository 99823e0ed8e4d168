//! Who makes the log durable. Mostly its own thread does, for all connections at once, while the workers read on. But whoever
//! waits for each confirm, and is alone with that, waits for threads to be woken rather than for the disk: then the worker
//! that has read what came writes and syncs it itself.
//!
//! A worker that waits for the disk serves none of its other connections. So it does so only while nobody else has anything
//! for the disk, and the disk is quick; what it was to do next it leaves to the others meanwhile. And since such a publisher
//! mostly goes on at once, the worker looks for that a moment longer, for as long as it comes true.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use broker::{Broker, Client};
use storage::{Engine, Fault, Lead};

use crate::threads::give_up;
use nudge::Nudge;

mod nudge;
mod waiter;

pub(crate) use waiter::Waiter;

/// What a quick disk takes for a write and a sync, on average, in microseconds.
const QUICK_US: u64 = 300;
/// What a disk is taken to need that has not been seen at work, in microseconds.
const UNKNOWN_US: u64 = 10_000;

/// See the module's documentation. One for a node.
#[derive(Debug)]
pub(crate) struct Leader {
    broker: Arc<Broker>,
    engine: Arc<Engine>,
    /// The number of the next connection.
    next: AtomicU64,
    /// The last connection that waited for the disk.
    last: AtomicU64,
    /// What a flush takes, in microseconds: of the last eight, roughly.
    usual_us: AtomicU64,
    /// What it takes at most where a worker may wait for it.
    quick_us: u64,
    nudge: OnceLock<Nudge>,
}

impl Leader {
    pub(crate) fn new(broker: &Arc<Broker>, engine: &Arc<Engine>) -> Self {
        Self {
            broker: Arc::clone(broker),
            engine: Arc::clone(engine),
            next: AtomicU64::new(1),
            last: AtomicU64::new(0),
            usual_us: AtomicU64::new(UNKNOWN_US),
            quick_us: QUICK_US,
            nudge: OnceLock::new(),
        }
    }

    /// One to whom every disk is quick.
    #[cfg(test)]
    pub(crate) fn bold(broker: &Arc<Broker>, engine: &Arc<Engine>) -> Self {
        Self { quick_us: u64::MAX, ..Self::new(broker, engine) }
    }

    /// Of a new connection.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter::new(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Before what came is acted on: a lead, if its connection is alone and the disk is quick.
    pub(crate) fn lead(&self, waiter: &Waiter) -> Option<Lead<'_>> {
        let is_alone = waiter.is_alone() && self.last.load(Ordering::Relaxed) == waiter.number;
        (is_alone && self.usual_us.load(Ordering::Relaxed) <= self.quick_us)
            .then(|| self.engine.lead())
            .flatten()
    }

    /// After that: makes durable what the connection waits for, if it leads.
    pub(crate) fn finish(&self, waiter: &mut Waiter, client: &Client, lead: Option<Lead<'_>>) {
        if !client.is_owed() {
            return;
        }
        let is_first = self.last.load(Ordering::Relaxed) != waiter.number;
        if is_first {
            self.last.store(waiter.number, Ordering::Relaxed);
        }
        waiter.note_turn(is_first);
        let Some(lead) = lead else { return };
        let nudge = self.nudge.get_or_init(Nudge::start);
        nudge.give();
        let begun = Instant::now();
        match lead.flush() {
            Ok(Some(lsn)) => {
                self.note(begun.elapsed());
                self.broker.handle_flushed(lsn);
                if nudge.has_others() {
                    waiter.note_told();
                }
            }
            Ok(None) => {}
            Err(fault) => give_up(&fault),
        }
    }

    /// Waits for something to flush, at most this long, and flushes it. For the thread whose task that is.
    ///
    /// # Errors
    /// As of [`Engine::flush`].
    pub(crate) fn follow(&self, timeout: Duration) -> Result<(), Fault> {
        if self.engine.wait_for_work(timeout) {
            let begun = Instant::now();
            let lsn = self.engine.flush()?;
            self.broker.handle_flushed(lsn);
            self.note(begun.elapsed());
        }
        Ok(())
    }

    fn note(&self, took: Duration) {
        self.broker.node_counts().flush_times().note(took);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(UNKNOWN_US).min(UNKNOWN_US);
        let usual_us = self.usual_us.load(Ordering::Relaxed);
        self.usual_us.store((usual_us * 7 + took_us) / 8, Ordering::Relaxed);
    }
}
