//! What the node as a whole has counted that is not a sum over its parts: what came and went.

use super::{Counter, KINDS, Latency, place_of};
use crate::{dead_letter::Reason, topology::QueueKind};

/// What came and went since the node started.
#[derive(Debug)]
pub struct NodeCounts {
    pub(crate) connection_created: Counter,
    pub(crate) connection_closed: Counter,
    pub(crate) session_created: Counter,
    pub(crate) session_closed: Counter,
    pub(crate) queue_declared: Counter,
    pub(crate) queue_created: Counter,
    pub(crate) queue_deleted: Counter,
    pub(crate) logins: Counter,
    pub(crate) logins_refused: Counter,
    flush_times: Latency,
    confirm_times: Latency,
    queue_times: Latency,
    ack_times: Latency,
    letters: [[[Counter; 4]; 2]; 3],
}

impl Default for NodeCounts {
    fn default() -> Self {
        Self {
            connection_created: Counter::default(),
            connection_closed: Counter::default(),
            session_created: Counter::default(),
            session_closed: Counter::default(),
            queue_declared: Counter::default(),
            queue_created: Counter::default(),
            queue_deleted: Counter::default(),
            logins: Counter::default(),
            logins_refused: Counter::default(),
            flush_times: Latency::of_disk(),
            confirm_times: Latency::of_wait(),
            queue_times: Latency::of_wait(),
            ack_times: Latency::of_wait(),
            letters: Default::default(),
        }
    }
}

/// What queues have given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeadLettered {
    /// The type of those queues.
    pub kind: QueueKind,
    /// Whether there was a place for it to go; else it was dropped.
    pub is_moved: bool,
    /// Why.
    pub reason: Reason,
    /// How many messages.
    pub messages: u64,
}

const REASONS: [Reason; 4] = [Reason::Rejected, Reason::Expired, Reason::MaxLength, Reason::DeliveryLimit];

impl NodeCounts {
    /// Connections that have entered a vhost, and those that have left.
    pub fn connections(&self) -> (u64, u64) {
        (self.connection_created.get(), self.connection_closed.get())
    }

    /// Sessions that were opened, and those that have ended.
    pub fn sessions(&self) -> (u64, u64) {
        (self.session_created.get(), self.session_closed.get())
    }

    /// Declarations of queues that succeeded, queues that were made by them, and those that are gone.
    pub fn queues(&self) -> (u64, u64, u64) {
        (self.queue_declared.get(), self.queue_created.get(), self.queue_deleted.get())
    }

    /// Logins that succeeded, and those that did not.
    pub fn logins(&self) -> (u64, u64) {
        (self.logins.get(), self.logins_refused.get())
    }

    /// How long groups of the log took to be written and synced: for whoever does that to keep.
    pub fn flush_times(&self) -> &Latency {
        &self.flush_times
    }

    /// From when a message was published until its confirm was on its way: of each confirm, for the first message that
    /// it stands for.
    pub fn confirm_times(&self) -> &Latency {
        &self.confirm_times
    }

    /// From when a message came into its queue until it left it for a consumer: at most one of each queue in a
    /// millisecond, none of streams.
    pub fn queue_times(&self) -> &Latency {
        &self.queue_times
    }

    /// From when a message was delivered until it was accepted: one of each session at a time.
    pub fn ack_times(&self) -> &Latency {
        &self.ack_times
    }

    /// A queue has given a message up.
    pub(crate) fn count_letter(&self, kind: QueueKind, is_moved: bool, reason: Reason) {
        if kind == QueueKind::Delay {
            return;
        }
        let at = REASONS.iter().position(|other| *other == reason).unwrap_or_default();
        let by_reason = self.letters.get(place_of(kind)).and_then(|both| both.get(usize::from(is_moved)));
        if let Some(counter) = by_reason.and_then(|counters| counters.get(at)) {
            counter.add_shared(1);
        }
    }

    /// What queues have given up, by type, by whether it went on, and by reason.
    pub fn dead_lettered(&self) -> impl Iterator<Item = DeadLettered> {
        self.letters.iter().zip(KINDS).flat_map(|(both, kind)| {
            both.iter().zip([false, true]).flat_map(move |(counters, is_moved)| {
                counters.iter().zip(REASONS).map(move |(counter, reason)| DeadLettered {
                    kind,
                    is_moved,
                    reason,
                    messages: counter.get(),
                })
            })
        })
    }
}
