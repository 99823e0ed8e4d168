//! Passing: while nothing waits and a consumer is free, what comes in goes straight to it.
//!
//! The same as taking a message in and delivering it at once, without a place in between. Most queues are in this state
//! most of the time. Whatever has a say in what becomes of a message that waits (a time to live, priorities, counts of
//! returns) is left to the long way.

use std::{sync::Arc, vec};

use model::{Message, message::flag};
use storage::Lsn;

use super::{Effects, Queue, State, delivery::RUN_DELIVERIES_MAX};
use crate::{
    counts::Consumed,
    mailbox::{Delivery, MAILBOX_BYTES_MAX, Parcel},
    topology::QueueKind,
};

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
        let Some(address) = consumers.address() else { return false };
        let no_ack = address.no_ack;
        let may_pass = |message: &Arc<Message>| {
            // What is kept and settled at once has to be written and removed.
            message.flags() & flag::EXPIRATION == 0 && !(no_ack && self.keeps(message))
        };
        let next_may = |messages: &vec::Drain<'_, _>| messages.as_slice().first().is_some_and(may_pass);
        let (mut last, mut room, mut staging) = (None, MAILBOX_BYTES_MAX, None);
        levels.note_arrival(out.now_ms);
        while out.run.len() < RUN_DELIVERIES_MAX
            && room > 0
            && next_may(messages)
            && let Some((key, is_alone, consumer)) = consumers.turn_at(&address)
        {
            let mut is_limited = false;
            let turn_max = if is_alone { RUN_DELIVERIES_MAX } else { 1 };
            for _ in out.run.len()..RUN_DELIVERIES_MAX.min(out.run.len().saturating_add(turn_max)) {
                if room == 0 || !next_may(messages) || !consumer.has_room() {
                    break;
                }
                is_limited = !consumer.charge();
                if is_limited {
                    break;
                }
                let Some(message) = messages.next() else { break };
                let place = self.stage(levels, books, &mut staging, &message, (0, 0));
                let ticket = levels.pass(&message, place, no_ack);
                room = room.saturating_sub(message.bytes());
                let parcel = Parcel { ticket, redelivered: false, message };
                out.run.push(Delivery { session: consumer.session, slot: consumer.slot, parcel });
            }
            consumers.end_turn(key, is_limited);
            last = Some(key);
        }
        if let Some(staging) = staging {
            *safe_at = staging.lsn().max(*safe_at);
        }
        let passed = out.run.len();
        if passed > 0 {
            books.note_leaving(out.now_ms, || out.now_ms);
        }
        if let Some(last) = last {
            self.send_run(state, (&address, last), Consumed::of_deliveries(passed, no_ack), out);
        }
        passed > 0
    }
}
