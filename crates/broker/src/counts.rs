//! What was counted since the node started: for queues, exchanges, sessions, connections and the node.
//!
//! Counting is to cost next to nothing where messages pass. What a queue counts stands behind its lock and is plain; a
//! session's and a connection's counts have one writer, the task that owns them, and are read by whoever shows them;
//! what several connections share (exchanges, the sums of vhosts) is added to once for a batch.
//!
//! The words are RabbitMQ's: `deliver_get` is the sum of the four ways out, a redelivery is counted as a delivery too,
//! and only what was accepted counts as `ack`.

use std::sync::atomic::{AtomicU64, Ordering};

mod exchange;
mod latency;
mod ledger;
mod node;
mod session;

pub use exchange::ExchangeCounts;
pub(crate) use exchange::{Origin, Origins};
pub use latency::Latency;
pub use ledger::Sums;
pub(crate) use ledger::{Entry, Ledger, Ledgers};
pub use node::{DeadLettered, NodeCounts};
pub use session::{SessionGauges, SessionTotals, SessionView, Traffic};

use crate::topology::QueueKind;

/// A count with one writer at a time, and any number of readers.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// As it stands.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// For its one writer: this is no atomic addition.
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.get().wrapping_add(count), Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// For several writers.
    pub(crate) fn add_shared(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// What went out of queues.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Consumed {
    /// To consumers that settle.
    pub deliver: u64,
    /// To consumers that do not.
    pub deliver_no_ack: u64,
    /// To gets that are settled.
    pub get: u64,
    /// To gets that are not.
    pub get_no_ack: u64,
    /// Gets that found nothing.
    pub get_empty: u64,
    /// Of all these, what had been delivered before.
    pub redeliver: u64,
    /// What was accepted by its consumer.
    pub ack: u64,
}

impl Consumed {
    /// All that went out.
    pub fn deliver_get(&self) -> u64 {
        let Self { deliver, deliver_no_ack, get, get_no_ack, .. } = *self;
        deliver.wrapping_add(deliver_no_ack).wrapping_add(get).wrapping_add(get_no_ack)
    }

    /// One more delivery to a consumer.
    pub(crate) fn note(&mut self, no_ack: bool, redelivered: bool) {
        let count = if no_ack { &mut self.deliver_no_ack } else { &mut self.deliver };
        *count = count.wrapping_add(1);
        self.redeliver = self.redeliver.wrapping_add(redelivered.into());
    }

    /// One get, and whether it got something that had been delivered before; None if it got nothing.
    pub(crate) fn of_get(no_ack: bool, redelivered: Option<bool>) -> Self {
        let Some(redelivered) = redelivered else { return Self { get_empty: 1, ..Self::default() } };
        Self {
            get: (!no_ack).into(),
            get_no_ack: no_ack.into(),
            redeliver: redelivered.into(),
            ..Self::default()
        }
    }

    /// So many deliveries were accepted.
    pub(crate) fn of_acks(ack: usize) -> Self {
        Self { ack: ack as u64, ..Self::default() }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            deliver: self.deliver.wrapping_add(other.deliver),
            deliver_no_ack: self.deliver_no_ack.wrapping_add(other.deliver_no_ack),
            get: self.get.wrapping_add(other.get),
            get_no_ack: self.get_no_ack.wrapping_add(other.get_no_ack),
            get_empty: self.get_empty.wrapping_add(other.get_empty),
            redeliver: self.redeliver.wrapping_add(other.redeliver),
            ack: self.ack.wrapping_add(other.ack),
        }
    }
}

/// What a queue has counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct QueueCounts {
    /// Messages that publishers sent here; not dead letters.
    pub publish: u64,
    /// What went out.
    pub consumed: Consumed,
    /// Messages that were read back from the disk.
    pub disk_reads: u64,
    /// Messages that were handed to the log.
    pub disk_writes: u64,
}

/// Types of queues whose counts are kept apart.
pub const KINDS: [QueueKind; 3] = [QueueKind::Classic, QueueKind::Quorum, QueueKind::Stream];

/// The place of a type in what is kept for [`KINDS`].
pub(crate) fn place_of(kind: QueueKind) -> usize {
    match kind {
        QueueKind::Classic | QueueKind::Delay => 0,
        QueueKind::Quorum => 1,
        QueueKind::Stream => 2,
    }
}

/// Bounds of the sizes of messages that are told apart, in bytes; beyond the last there is one more class. RabbitMQ's.
pub const SIZE_BOUNDS: [u64; 8] =
    [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000];
