//! What a session and its connection have counted, and how a session stands: written by the task that owns it, read by
//! whoever shows it.

use std::sync::atomic::{AtomicU64, Ordering};

use model::SessionId;

use super::{Consumed, Counter, KINDS, SIZE_BOUNDS, place_of};
use crate::topology::QueueKind;

/// Bytes and the like of a connection.
#[derive(Default, Debug)]
pub struct Traffic {
    /// Bytes that came in.
    pub received_bytes: Counter,
    /// How often something came in.
    pub received_times: Counter,
    /// Bytes that went out.
    pub sent_bytes: Counter,
    /// How often something went out.
    pub sent_times: Counter,
    sizes: [Counter; SIZE_BOUNDS.len() + 1],
    size_sum: Counter,
    turns: AtomicU64,
}

impl Traffic {
    /// The connection has done something, or looked for something to do. For its one writer.
    pub(crate) fn note_turn(&self) {
        let turns = self.turns.load(Ordering::Relaxed);
        self.turns.store(turns.wrapping_add(1), Ordering::Release);
    }

    /// How often it has done something: as long as this stays as it is, its sessions count nothing.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    /// Bytes came in. For the driver of the connection.
    pub fn received(&self, bytes: usize) {
        self.received_bytes.add(bytes as u64);
        self.received_times.add(1);
    }

    /// Bytes went out. For the driver of the connection.
    pub fn sent(&self, bytes: usize) {
        self.sent_bytes.add(bytes as u64);
        self.sent_times.add(1);
    }

    /// A message of so many bytes was published.
    pub(crate) fn note_size(&self, bytes: u64) {
        let class = SIZE_BOUNDS.iter().position(|bound| bytes <= *bound).unwrap_or(SIZE_BOUNDS.len());
        if let Some(counter) = self.sizes.get(class) {
            counter.add(1);
        }
        self.size_sum.add(bytes);
    }

    /// How many messages there were of each class of [`SIZE_BOUNDS`] and beyond, and their bytes.
    pub fn sizes(&self) -> ([u64; SIZE_BOUNDS.len() + 1], u64) {
        (std::array::from_fn(|at| self.sizes.get(at).map_or(0, Counter::get)), self.size_sum.get())
    }
}

#[derive(Default, Debug)]
struct ConsumedCounters {
    deliver: Counter,
    deliver_no_ack: Counter,
    get: Counter,
    get_no_ack: Counter,
    get_empty: Counter,
    redeliver: Counter,
    ack: Counter,
}

/// How a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SessionGauges {
    /// Its consumers.
    pub consumers: u64,
    /// Deliveries that are not settled.
    pub unsettled: u64,
    /// Publishes that are not confirmed.
    pub unconfirmed: u64,
    /// Publishes that wait for a commit.
    pub uncommitted: u64,
    /// Verdicts that wait for a commit.
    pub verdicts_uncommitted: u64,
    /// What a new consumer may have unsettled; 0 for no limit.
    pub prefetch: u64,
    /// What all consumers together may have unsettled; 0 for no limit.
    pub prefetch_shared: u64,
    /// Publishes are confirmed.
    pub confirms: bool,
    /// There are transactions.
    pub transactional: bool,
}

const GAUGES: usize = 7;
const CONFIRMS: u64 = 1;
const TRANSACTIONAL: u64 = 2;

/// A session as others see it.
#[derive(Debug)]
pub struct SessionView {
    /// Its number in its connection.
    pub id: SessionId,
    /// When something happened last, in milliseconds since 1970.
    used_ms: Counter,
    publish: Counter,
    publish_to_confirm: Counter,
    confirm: Counter,
    routed: Counter,
    return_unroutable: Counter,
    drop_unroutable: Counter,
    consumed: [ConsumedCounters; KINDS.len()],
    gauges: [AtomicU64; GAUGES],
    flags: AtomicU64,
}

/// What sessions have counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SessionTotals {
    /// Messages published.
    pub publish: u64,
    /// Of them, those that are to be confirmed.
    pub publish_to_confirm: u64,
    /// Messages confirmed.
    pub confirm: u64,
    /// Messages published, once for each queue that they reached.
    pub routed: u64,
    /// Messages that reached nobody and went back.
    pub return_unroutable: u64,
    /// Messages that reached nobody and were dropped.
    pub drop_unroutable: u64,
    /// What was consumed, by type of queue as in [`KINDS`].
    pub consumed: [Consumed; KINDS.len()],
}

impl SessionTotals {
    /// What was consumed from queues of all types.
    pub fn consumed(&self) -> Consumed {
        self.consumed.iter().fold(Consumed::default(), |sum, one| sum.plus(*one))
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        let mut consumed = self.consumed;
        for (one, other) in consumed.iter_mut().zip(other.consumed) {
            *one = one.plus(other);
        }
        Self {
            publish: self.publish.wrapping_add(other.publish),
            publish_to_confirm: self.publish_to_confirm.wrapping_add(other.publish_to_confirm),
            confirm: self.confirm.wrapping_add(other.confirm),
            routed: self.routed.wrapping_add(other.routed),
            return_unroutable: self.return_unroutable.wrapping_add(other.return_unroutable),
            drop_unroutable: self.drop_unroutable.wrapping_add(other.drop_unroutable),
            consumed,
        }
    }
}

impl SessionView {
    pub(crate) fn new(id: SessionId) -> Self {
        Self {
            id,
            used_ms: Counter::default(),
            publish: Counter::default(),
            publish_to_confirm: Counter::default(),
            confirm: Counter::default(),
            routed: Counter::default(),
            return_unroutable: Counter::default(),
            drop_unroutable: Counter::default(),
            consumed: Default::default(),
            gauges: Default::default(),
            flags: AtomicU64::new(0),
        }
    }

    /// When its connection last did anything for it, in milliseconds since 1970.
    pub fn used_ms(&self) -> u64 {
        self.used_ms.get()
    }

    /// What it has counted.
    pub fn totals(&self) -> SessionTotals {
        let read = |counters: &ConsumedCounters| Consumed {
            deliver: counters.deliver.get(),
            deliver_no_ack: counters.deliver_no_ack.get(),
            get: counters.get.get(),
            get_no_ack: counters.get_no_ack.get(),
            get_empty: counters.get_empty.get(),
            redeliver: counters.redeliver.get(),
            ack: counters.ack.get(),
        };
        SessionTotals {
            publish: self.publish.get(),
            publish_to_confirm: self.publish_to_confirm.get(),
            confirm: self.confirm.get(),
            routed: self.routed.get(),
            return_unroutable: self.return_unroutable.get(),
            drop_unroutable: self.drop_unroutable.get(),
            consumed: self.consumed.each_ref().map(read),
        }
    }

    /// How it stands.
    pub fn gauges(&self) -> SessionGauges {
        let [consumers, unsettled, unconfirmed, uncommitted, verdicts_uncommitted, prefetch, prefetch_shared] =
            self.gauges.each_ref().map(|gauge| gauge.load(Ordering::Relaxed));
        let flags = self.flags.load(Ordering::Relaxed);
        SessionGauges {
            consumers,
            unsettled,
            unconfirmed,
            uncommitted,
            verdicts_uncommitted,
            prefetch,
            prefetch_shared,
            confirms: flags & CONFIRMS != 0,
            transactional: flags & TRANSACTIONAL != 0,
        }
    }

    /// It stands so now.
    pub(crate) fn show(&self, now: SessionGauges) {
        let values = [
            now.consumers,
            now.unsettled,
            now.unconfirmed,
            now.uncommitted,
            now.verdicts_uncommitted,
            now.prefetch,
            now.prefetch_shared,
        ];
        for (gauge, value) in self.gauges.iter().zip(values) {
            gauge.store(value, Ordering::Relaxed);
        }
        let confirms = if now.confirms { CONFIRMS } else { 0 };
        let transactional = if now.transactional { TRANSACTIONAL } else { 0 };
        self.flags.store(confirms | transactional, Ordering::Relaxed);
    }

    pub(crate) fn touch(&self, now_ms: u64) {
        self.used_ms.set(now_ms);
    }

    /// Messages were published that reached so many queues together.
    pub(crate) fn count_publishes(&self, messages: u64, routed: u64, are_to_confirm: bool) {
        self.publish.add(messages);
        self.routed.add(routed);
        self.publish_to_confirm.add(if are_to_confirm { messages } else { 0 });
    }

    pub(crate) fn count_unroutable(&self, is_returned: bool) {
        if is_returned { &self.return_unroutable } else { &self.drop_unroutable }.add(1);
    }

    pub(crate) fn count_confirms(&self, messages: u64) {
        self.confirm.add(messages);
    }

    fn of_kind(&self, kind: QueueKind) -> Option<&ConsumedCounters> {
        self.consumed.get(place_of(kind))
    }

    /// Messages went out to a consumer.
    pub(crate) fn count_deliveries(&self, kind: QueueKind, told: Consumed) {
        let Some(counters) = self.of_kind(kind) else { return };
        counters.deliver.add(told.deliver);
        counters.deliver_no_ack.add(told.deliver_no_ack);
        counters.redeliver.add(told.redeliver);
    }

    pub(crate) fn count_get(&self, kind: QueueKind, no_ack: bool, redelivered: bool) {
        let Some(counters) = self.of_kind(kind) else { return };
        if no_ack { &counters.get_no_ack } else { &counters.get }.add(1);
        counters.redeliver.add(redelivered.into());
    }

    pub(crate) fn count_get_empty(&self, kind: QueueKind) {
        if let Some(counters) = self.of_kind(kind) {
            counters.get_empty.add(1);
        }
    }

    pub(crate) fn count_acks(&self, kind: QueueKind, messages: u64) {
        if let Some(counters) = self.of_kind(kind) {
            counters.ack.add(messages);
        }
    }
}
