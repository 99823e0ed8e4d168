//! The sums over the queues of a vhost, kept as they change, and the queues that have changed since somebody looked.
//!
//! A queue carries its part in whenever its lock is given back: see `queue::books`. Nobody has to walk 100,000 queues to say
//! how many messages there are.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use model::Name;
use parking_lot::Mutex;

use super::{Counter, NodeCounts};
use crate::topology::QueueId;

/// The part of one queue, or the sum over queues.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sums {
    /// Messages that wait.
    pub ready: u64,
    /// Messages that were delivered and not settled.
    pub unsettled: u64,
    /// Bytes of the former.
    pub ready_bytes: u64,
    /// Bytes of the latter.
    pub unsettled_bytes: u64,
    /// Consumers.
    pub consumers: u64,
    /// Messages that were read back from the disk. Those of queues that are gone stay in the sum.
    pub disk_reads: u64,
    /// Messages that were handed to the log; likewise.
    pub disk_writes: u64,
}

impl Sums {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            ready: self.ready.wrapping_add(other.ready),
            unsettled: self.unsettled.wrapping_add(other.unsettled),
            ready_bytes: self.ready_bytes.wrapping_add(other.ready_bytes),
            unsettled_bytes: self.unsettled_bytes.wrapping_add(other.unsettled_bytes),
            consumers: self.consumers.wrapping_add(other.consumers),
            disk_reads: self.disk_reads.wrapping_add(other.disk_reads),
            disk_writes: self.disk_writes.wrapping_add(other.disk_writes),
        }
    }
}

/// What one queue has carried in.
pub(crate) type Entry = Sums;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Ledger {
    ready: Counter,
    unsettled: Counter,
    ready_bytes: Counter,
    unsettled_bytes: Counter,
    consumers: Counter,
    disk_reads: Counter,
    disk_writes: Counter,
    pub(crate) node: Arc<NodeCounts>,
    changed: Arc<Mutex<Vec<QueueId>>>,
}

impl Ledger {
    pub(crate) fn new(node: &Arc<NodeCounts>, changed: &Arc<Mutex<Vec<QueueId>>>) -> Self {
        Self {
            ready: Counter::default(),
            unsettled: Counter::default(),
            ready_bytes: Counter::default(),
            unsettled_bytes: Counter::default(),
            consumers: Counter::default(),
            disk_reads: Counter::default(),
            disk_writes: Counter::default(),
            node: Arc::clone(node),
            changed: Arc::clone(changed),
        }
    }

    /// A queue's part is another now. A decrease is an addition that wraps: the sums come out right.
    pub(crate) fn carry(&self, before: &Entry, now: &Entry) {
        for (counter, before, now) in [
            (&self.ready, before.ready, now.ready),
            (&self.unsettled, before.unsettled, now.unsettled),
            (&self.ready_bytes, before.ready_bytes, now.ready_bytes),
            (&self.unsettled_bytes, before.unsettled_bytes, now.unsettled_bytes),
            (&self.consumers, before.consumers, now.consumers),
            (&self.disk_reads, before.disk_reads, now.disk_reads),
            (&self.disk_writes, before.disk_writes, now.disk_writes),
        ] {
            if before != now {
                counter.0.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
            }
        }
    }

    /// This queue is to be looked at.
    pub(crate) fn note(&self, queue: QueueId) {
        self.changed.lock().push(queue);
    }

    pub(crate) fn sums(&self) -> Sums {
        Sums {
            ready: self.ready.get(),
            unsettled: self.unsettled.get(),
            ready_bytes: self.ready_bytes.get(),
            unsettled_bytes: self.unsettled_bytes.get(),
            consumers: self.consumers.get(),
            disk_reads: self.disk_reads.get(),
            disk_writes: self.disk_writes.get(),
        }
    }
}

/// The ledgers of all vhosts, and what belongs to the node.
#[derive(Default, Debug)]
pub(crate) struct Ledgers {
    node: Arc<NodeCounts>,
    changed: Arc<Mutex<Vec<QueueId>>>,
    by_vhost: Mutex<BTreeMap<Name, Arc<Ledger>>>,
}

impl Ledgers {
    pub(crate) fn node(&self) -> &Arc<NodeCounts> {
        &self.node
    }

    /// The ledger of a vhost, for a queue in it.
    pub(crate) fn of(&self, vhost: &Name) -> Arc<Ledger> {
        let mut ledgers = self.by_vhost.lock();
        let ledger = ledgers.entry(vhost.clone()).or_insert_with(|| {
            let ledger = Ledger::new(&self.node, &self.changed);
            Arc::new(ledger)
        });
        Arc::clone(ledger)
    }

    /// A vhost is gone: one of the same name begins anew.
    pub(crate) fn forget(&self, vhost: &str) {
        self.by_vhost.lock().remove(vhost);
    }

    pub(crate) fn sums(&self, vhost: &str) -> Sums {
        self.by_vhost.lock().get(vhost).map(|ledger| ledger.sums()).unwrap_or_default()
    }

    /// The queues on which something has happened since, each once.
    pub(crate) fn take_changed(&self) -> Vec<QueueId> {
        std::mem::take(&mut *self.changed.lock())
    }
}
