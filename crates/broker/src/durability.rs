//! Who waits for which position of the log to be on disk.
//!
//! A connection enters once with the first position it waits for and is rung when that is durable; so does a stream whose
//! consumers have got all that is. The WAL thread calls [`Durability::reached`] after each flush.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use storage::{Engine, Lsn};

use crate::{mailbox::Mailbox, queue::Queue};

/// Those who wait.
#[derive(Debug, Default)]
pub(crate) struct Durability {
    waiting: Mutex<Vec<(Lsn, Waiting)>>,
    /// Rung after each flush, for threads that wait.
    flushed: Condvar,
}

#[derive(Debug)]
enum Waiting {
    Connection(Arc<Mailbox>),
    Queue(Arc<Queue>),
}

impl Durability {
    /// Rings `mailbox` once `lsn` is durable. False if it is already.
    pub(crate) fn wait(&self, engine: &Engine, lsn: Lsn, mailbox: &Arc<Mailbox>) -> bool {
        self.enter(engine, lsn, || Waiting::Connection(Arc::clone(mailbox)))
    }

    /// Has [`Durability::reached`] return `queue` once `lsn` is durable. False if it is already.
    pub(crate) fn wait_for_queue(&self, engine: &Engine, lsn: Lsn, queue: &Arc<Queue>) -> bool {
        self.enter(engine, lsn, || Waiting::Queue(Arc::clone(queue)))
    }

    fn enter(&self, engine: &Engine, lsn: Lsn, who: impl FnOnce() -> Waiting) -> bool {
        let mut waiting = self.waiting.lock();
        // Looked at under the lock: a flush that ends now finds the entry, one that ended is seen.
        if engine.flushed() >= lsn {
            return false;
        }
        waiting.push((lsn, who()));
        true
    }

    /// Blocks until `lsn` is durable.
    pub(crate) fn block(&self, engine: &Engine, lsn: Lsn) {
        let mut waiting = self.waiting.lock();
        while engine.flushed() < lsn {
            self.flushed.wait(&mut waiting);
        }
    }

    /// Everything up to `lsn` is durable: rings the connections and returns the queues that waited for it.
    pub(crate) fn reached(&self, lsn: Lsn) -> Vec<Arc<Queue>> {
        let reached: Vec<_> = self.waiting.lock().extract_if(.., |(wanted, _)| *wanted <= lsn).collect();
        self.flushed.notify_all();
        let mut queues = Vec::new();
        for (_, waiting) in reached {
            match waiting {
                Waiting::Connection(mailbox) => mailbox.ring(),
                Waiting::Queue(queue) => queues.push(queue),
            }
        }
        queues
    }
}
