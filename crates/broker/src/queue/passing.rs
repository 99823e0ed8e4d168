//! Passing: while nothing waits and a consumer is free, what comes in goes straight to it.
//!
//! The same as taking a message in and delivering it at once, without a place in between. Most queues are in this state
//! most of the time. Whatever has a say in what becomes of a message that waits (a time to live, priorities, counts of
//! returns) is left to the long way.

use std::{sync::Arc, vec};

use model::{Message, message::flag};
use storage::{Lsn, Staging};

use super::{Books, Effects, Levels, Queue, State, consumers::Supply};
use crate::{mailbox::Parcel, topology::QueueKind};

/// What has come in and may pass.
struct Incoming<'q, 'a, 'm> {
    queue: &'q Queue,
    levels: &'a mut Levels,
    books: &'a mut Books,
    messages: &'a mut vec::Drain<'m, Arc<Message>>,
    staging: &'a mut Option<Staging<'q>>,
    /// What passes is settled at once.
    no_ack: bool,
}

impl Supply for Incoming<'_, '_, '_> {
    fn has_next(&self) -> bool {
        self.messages.as_slice().first().is_some_and(|message| {
            // What is kept and settled at once has to be written and removed.
            message.flags() & flag::EXPIRATION == 0 && !(self.no_ack && self.queue.keeps(message))
        })
    }

    fn next(&mut self) -> Option<Parcel> {
        let message = self.messages.next()?;
        let place = self.queue.stage(self.levels, self.books, self.staging, &message, (0, 0));
        let ticket = self.levels.pass(&message, place, self.no_ack);
        Some(Parcel { ticket, redelivered: false, message })
    }
}

impl Queue {
    /// Passes the first of `messages` on, as many as consumers take now. Returns when they are safe.
    pub(super) fn pass(
        self: &Arc<Self>,
        state: &mut State,
        messages: &mut vec::Drain<'_, Arc<Message>>,
        out: &mut Effects,
    ) -> Lsn {
        let mut safe_at = Lsn(0);
        if self.record.kind != QueueKind::Classic || !state.rules.are_plain() {
            return safe_at;
        }
        while state.levels.is_bare() && self.pass_run(state, messages, &mut safe_at, out) {
            state.note_progress(out.now_ms);
        }
        safe_at
    }

    /// Passes to the consumers whose turn it is, as long as they are those of one connection; false if nothing more can be
    /// passed.
    fn pass_run(
        self: &Arc<Self>,
        state: &mut State,
        messages: &mut vec::Drain<'_, Arc<Message>>,
        safe_at: &mut Lsn,
        out: &mut Effects,
    ) -> bool {
        let State { levels, consumers, books, .. } = state;
        let Some(address) = consumers.address(self) else { return false };
        let no_ack = address.no_ack;
        levels.note_arrival(out.now_ms);
        let mut staging = None;
        let mut incoming = Incoming { queue: self, levels, books, messages, staging: &mut staging, no_ack };
        let last = consumers.take_turns(&address, &mut incoming, &mut out.run);
        if let Some(staging) = staging {
            *safe_at = staging.lsn().max(*safe_at);
        }
        let has_passed = !out.run.is_empty();
        if has_passed {
            books.note_leaving(out.now_ms, || out.now_ms);
        }
        if let Some(last) = last {
            self.send_run(state, (&address, last), out);
        }
        has_passed
    }
}
