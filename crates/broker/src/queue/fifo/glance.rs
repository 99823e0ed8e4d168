//! Looking for a message by its number, without moving anything.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use model::Message;

use super::{Entry, Fifo, Ticket};

/// What is there from some number on.
#[derive(Debug)]
pub(crate) enum Glance {
    /// A message in memory, and whether it was delivered before.
    InMemory(Ticket, bool, Arc<Message>),
    /// Storage must be asked for these numbers.
    OnDisk {
        range: Range<u64>,
        /// What has a lower number may have been delivered before.
        redelivered_below: u64,
    },
}

impl Fifo {
    /// The first message that is ready from this number on.
    pub(crate) fn glance(&self, from: u64) -> Option<Glance> {
        let first_of = |part: &VecDeque<Entry>| {
            let at = part.partition_point(|entry| entry.ticket.seq < from);
            let entry = part.range(at..).find(|entry| !entry.is_gone)?;
            let seq = entry.ticket.seq;
            Some(match &entry.message {
                Some(message) => Glance::InMemory(entry.ticket, entry.redelivered, Arc::clone(message)),
                None => {
                    let next = seq.saturating_add(1);
                    let redelivered_below = if entry.redelivered { next } else { 0 };
                    Glance::OnDisk { range: seq..next, redelivered_below }
                }
            })
        };
        let cold = || {
            let rest = from.max(self.cold.from)..self.cold.to;
            let redelivered_below = self.redelivered_below;
            (!self.cold.is_empty() && !rest.is_empty())
                .then_some(Glance::OnDisk { range: rest, redelivered_below })
        };
        first_of(&self.front).or_else(cold).or_else(|| first_of(&self.tail))
    }

    /// The number from which on the message stands that has `skip` others before it, and how many of those it still has to be
    /// looked for behind that number: there, only storage knows them. None if there are not so many; `skip` is then less by
    /// those there are.
    pub(crate) fn place_of(&self, skip: &mut u64) -> Option<u64> {
        if let Some(seq) = nth(&self.front, skip) {
            return Some(seq);
        }
        let cold = self.cold.amount.messages;
        if *skip < cold {
            return Some(self.cold.from);
        }
        *skip = skip.saturating_sub(cold);
        nth(&self.tail, skip)
    }
}

/// The number of the message that has `skip` others before it in this part; else `skip` is less by those.
fn nth(part: &VecDeque<Entry>, skip: &mut u64) -> Option<u64> {
    for entry in part.iter().filter(|entry| !entry.is_gone) {
        if *skip == 0 {
            return Some(entry.ticket.seq);
        }
        *skip = skip.saturating_sub(1);
    }
    None
}
