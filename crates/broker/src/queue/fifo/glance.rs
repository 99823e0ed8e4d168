//! Looking for a message by its number, without moving anything.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use model::Message;

use super::{Entry, Fifo, Ticket};

/// What is there from some number on.
#[derive(Debug)]
pub(crate) enum Glance {
    /// A message in memory.
    InMemory(Ticket, Arc<Message>),
    /// Storage must be asked for these numbers.
    OnDisk(Range<u64>),
}

impl Fifo {
    /// The first message that is ready from this number on.
    pub(crate) fn glance(&self, from: u64) -> Option<Glance> {
        let first_of = |part: &VecDeque<Entry>| {
            let at = part.partition_point(|entry| entry.ticket.seq < from);
            let entry = part.range(at..).find(|entry| !entry.is_gone)?;
            let seq = entry.ticket.seq;
            Some(match &entry.message {
                Some(message) => Glance::InMemory(entry.ticket, Arc::clone(message)),
                None => Glance::OnDisk(seq..seq.saturating_add(1)),
            })
        };
        let cold = || {
            let rest = from.max(self.cold.from)..self.cold.to;
            (!self.cold.is_empty() && !rest.is_empty()).then_some(Glance::OnDisk(rest))
        };
        first_of(&self.front).or_else(cold).or_else(|| first_of(&self.tail))
    }
}
