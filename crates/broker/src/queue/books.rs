//! The books of a queue: what it has counted, and its part in the sums of its vhost.
//!
//! Balanced whenever the lock of the queue is given back, so that no way through a queue can forget it. A queue on which
//! nothing happens has a few words here, and is not looked at by anybody.

use std::sync::Arc;

use super::{Got, Queue, State, locked::Guarded};
use crate::{
    counts::{Consumed, Entry, Ledger, QueueCounts, Sums},
    dead_letter::Reason,
    topology::{QueueId, QueueKind, QueueRecord},
};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Books {
    queue: QueueId,
    kind: QueueKind,
    ledger: Arc<Ledger>,
    /// None until there is something to count.
    counts: Option<Box<QueueCounts>>,
    carried: Entry,
    /// When the time of a message in the queue was told last.
    told_ms: u64,
    /// Something was counted since the books were balanced.
    has_counted: bool,
    /// Whoever looks at what has changed knows of it.
    is_noted: bool,
    /// The queue is gone, or nobody is to see it.
    is_closed: bool,
}

impl Books {
    pub(super) fn new(record: &QueueRecord, ledger: Arc<Ledger>) -> Self {
        Self {
            queue: record.id,
            kind: record.kind,
            ledger,
            counts: None,
            carried: Entry::default(),
            told_ms: 0,
            has_counted: false,
            is_noted: false,
            is_closed: record.kind == QueueKind::Delay,
        }
    }

    fn counts(&mut self) -> &mut QueueCounts {
        self.has_counted = true;
        self.counts.get_or_insert_default()
    }

    /// Publishers have sent so many messages.
    pub(super) fn count_publishes(&mut self, messages: usize) {
        let counts = self.counts();
        counts.publish = counts.publish.wrapping_add(messages as u64);
    }

    /// Messages went out, or were accepted.
    pub(super) fn count_consumed(&mut self, consumed: Consumed) {
        let counts = self.counts();
        counts.consumed = counts.consumed.plus(consumed);
    }

    /// A message leaves for a consumer that came in at `arrived_ms`: how long that took is told, unless another one left in
    /// this very millisecond, or nobody knows.
    pub(super) fn note_leaving(&mut self, now_ms: u64, arrived_ms: impl FnOnce() -> u64) {
        if self.told_ms == now_ms {
            return;
        }
        self.told_ms = now_ms;
        let arrived_ms = arrived_ms();
        if arrived_ms != 0 {
            self.ledger.node.queue_times().note_since(arrived_ms, now_ms);
        }
    }

    /// One message was handed to the log.
    pub(super) fn count_disk_write(&mut self) {
        let counts = self.counts();
        counts.disk_writes = counts.disk_writes.wrapping_add(1);
    }

    /// So many messages were read back.
    pub(super) fn count_disk_reads(&mut self, messages: usize) {
        let counts = self.counts();
        counts.disk_reads = counts.disk_reads.wrapping_add(messages as u64);
    }

    /// A message was given up.
    pub(super) fn count_letter(&self, is_moved: bool, reason: Reason) {
        self.ledger.node.count_letter(self.kind, is_moved, reason);
    }

    /// The queue is gone: it has no part in any sum any more.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }
}

impl State {
    /// A get was answered, unless that is still to come.
    pub(super) fn count_got(&mut self, no_ack: bool, got: &Got) {
        let redelivered = match got {
            Got::Parcel(parcel, _) => Some(parcel.redelivered),
            Got::Nothing => None,
            Got::Later => return,
        };
        self.books.count_consumed(Consumed::of_get(no_ack, redelivered));
    }

    fn sums(&self) -> Sums {
        let counts = self.books.counts.as_deref();
        let disk_reads = counts.map_or(0, |counts| counts.disk_reads);
        let disk_writes = counts.map_or(0, |counts| counts.disk_writes);
        if self.books.is_closed {
            return Sums { disk_reads, disk_writes, ..Sums::default() };
        }
        let ready = self.stream.as_ref().map_or_else(|| self.levels.ready(), |stream| stream.amount());
        let unsettled = self.levels.unsettled();
        Sums {
            ready: ready.messages,
            unsettled: unsettled.messages,
            ready_bytes: ready.bytes,
            unsettled_bytes: unsettled.bytes,
            consumers: self.consumers.len() as u64,
            disk_reads,
            disk_writes,
        }
    }
}

impl Guarded for State {
    fn put_in_order(&mut self) {
        let sums = self.sums();
        let books = &mut self.books;
        if sums != books.carried {
            books.ledger.carry(&books.carried, &sums);
            books.carried = sums;
        } else if !books.has_counted {
            return;
        }
        books.has_counted = false;
        if !books.is_noted && !books.is_closed {
            books.is_noted = true;
            books.ledger.note(books.queue);
        }
    }
}

impl Queue {
    /// What it has counted.
    pub fn counted(&self) -> QueueCounts {
        self.state.lock().books.counts.as_deref().copied().unwrap_or_default()
    }

    /// What it has counted and how it stands.
    pub fn glance(&self) -> (QueueCounts, Sums) {
        let state = self.state.lock();
        (state.books.counts.as_deref().copied().unwrap_or_default(), state.sums())
    }

    /// What it has counted and how it stands. From now on it is told anew when that changes.
    pub fn look(&self) -> (QueueCounts, Sums) {
        let mut state = self.state.lock();
        state.books.is_noted = false;
        (state.books.counts.as_deref().copied().unwrap_or_default(), state.sums())
    }
}
