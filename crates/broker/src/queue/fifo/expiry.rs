//! Which messages expire before those that stand in front of them.
//!
//! In most queues messages expire in the order in which they stand: it is enough to look at the head. Only those that
//! expire earlier than something before them need an entry here, so that a queue of millions with one time to live
//! costs nothing.

use std::collections::BTreeSet;

use super::Ticket;

/// See the module's documentation. All times are milliseconds since 1970; 0 stands for never.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// The latest of all; `u64::MAX` once there is a message that never expires.
    latest: u64,
    /// Something that expires was seen.
    is_seen: bool,
    /// (when, which): those that do not expire in order.
    early: BTreeSet<(u64, u64)>,
}

impl Expiry {
    /// For a queue in which there are messages of which nothing is known.
    pub(super) fn unknown() -> Self {
        Self { latest: u64::MAX, ..Self::default() }
    }

    /// A message has come in at the end.
    pub(super) fn note_last(&mut self, ticket: &Ticket) {
        let expires_at_ms = ticket.expires_at_ms;
        if expires_at_ms == 0 {
            self.latest = u64::MAX;
            return;
        }
        self.is_seen = true;
        if expires_at_ms < self.latest {
            self.early.insert((expires_at_ms, ticket.seq));
        } else {
            self.latest = expires_at_ms;
        }
    }

    /// A message has come in somewhere else.
    pub(super) fn note(&mut self, ticket: &Ticket) {
        if ticket.expires_at_ms != 0 {
            self.note_at(ticket.seq, ticket.expires_at_ms);
        } else {
            self.latest = u64::MAX;
        }
    }

    /// A message that is there expires then.
    pub(super) fn note_at(&mut self, seq: u64, expires_at_ms: u64) {
        self.is_seen = true;
        self.early.insert((expires_at_ms, seq));
        self.latest = self.latest.max(expires_at_ms);
    }

    /// A message has left in its turn.
    pub(super) fn forget(&mut self, ticket: &Ticket) {
        if ticket.expires_at_ms != 0 && !self.early.is_empty() {
            self.forget_at(ticket.seq, ticket.expires_at_ms);
        }
    }

    /// A message that was noted has left.
    pub(super) fn forget_at(&mut self, seq: u64, expires_at_ms: u64) {
        self.early.remove(&(expires_at_ms, seq));
    }

    /// All messages have left, but for those that may come back.
    pub(super) fn clear(&mut self) {
        self.early.clear();
    }

    /// Those that do not expire in order: when, and which; the first to expire first.
    pub(super) fn early(&self) -> impl Iterator<Item = (u64, u64)> {
        self.early.iter().copied()
    }

    pub(super) fn is_seen(&self) -> bool {
        self.is_seen
    }
}
