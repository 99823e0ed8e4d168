//! Who waits for which position of the log to be on disk.
//!
//! A connection enters once with the first position it waits for and is rung when that is durable. The WAL thread
//! calls [`Durability::reached`] after each flush.

use std::sync::Arc;

use parking_lot::Mutex;
use storage::{Engine, Lsn};

use crate::mailbox::Mailbox;

/// The waiting connections.
#[derive(Debug, Default)]
pub(crate) struct Durability {
    waiting: Mutex<Vec<(Lsn, Arc<Mailbox>)>>,
}

impl Durability {
    /// Rings `mailbox` once `lsn` is durable. False if it is already.
    pub(crate) fn wait(&self, engine: &Engine, lsn: Lsn, mailbox: &Arc<Mailbox>) -> bool {
        let mut waiting = self.waiting.lock();
        // Looked at under the lock: a flush that ends now finds the entry, one that ended is seen.
        if engine.flushed() >= lsn {
            return false;
        }
        waiting.push((lsn, Arc::clone(mailbox)));
        true
    }

    /// Everything up to `lsn` is durable.
    pub(crate) fn reached(&self, lsn: Lsn) {
        let mut rung = Vec::new();
        self.waiting.lock().retain(|(wanted, mailbox)| {
            let is_reached = *wanted <= lsn;
            if is_reached {
                rung.push(Arc::clone(mailbox));
            }
            !is_reached
        });
        for mailbox in rung {
            mailbox.ring();
        }
    }
}
