//! Gathering: what a connection has to say that nobody has asked for just now. Confirms and answers whose writes are on disk,
//! mail, the end of an alarm.

use std::{collections::VecDeque, sync::Arc};

use model::{Delivered, Event, SessionEvent, SessionId};
use storage::Lsn;

use super::Client;
use crate::{
    mailbox::{Delivery, Notice},
    queue::Queue,
    session::{Held, Moment, confirms::Verdict},
};

/// The earlier one, if there are two.
pub(super) fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

impl Client {
    /// Collects what has become sayable: durable answers, confirms, mail, the end of an alarm.
    pub(super) fn gather(&mut self) {
        self.mailbox.answer();
        if let Some(reason) = self.mailbox.take_forced() {
            self.events.push_back(Event::Forced { reason });
        }
        let (held, due_ms) = self.gather_durable();
        // The mailbox fills while a session has more than enough to say, and its limit is what holds queues back.
        if self.in_hand.is_empty() && held != Held::Full {
            self.fetch_mail(held);
        }
        self.carry_out();
        self.arm(due_ms);
        if self.blocked_by.is_some_and(|alarm| self.broker.alarms.is_over(alarm)) {
            self.blocked_by = None;
            self.show_blocked(false);
            self.events.push_back(Event::Unblocked);
        }
    }

    /// Says how much is held, and when the first of the sessions that were looked at is due.
    fn gather_durable(&mut self) -> (Held, Option<u64>) {
        let (mut held, mut due_ms) = (Held::Nothing, None);
        let flushed = self.broker.engine.flushed();
        if self.awaited.is_some_and(|lsn| lsn <= flushed) {
            self.awaited = None;
        }
        let mut first: Option<Lsn> = None;
        let mut ended = Vec::new();
        let (events, broker, now_ms) = (&mut self.events, &self.broker, self.now_ms);
        self.sessions.look(|session| {
            let mut confirmed = 0;
            while let Some(event) = session.release(flushed) {
                if matches!(event, SessionEvent::Closed) {
                    ended.push(session.id);
                }
                events.push_back(Event::Session(session.id, event));
            }
            let confirms = session.confirms.as_mut().filter(|_| !session.has_failed);
            let verdicts =
                confirms.into_iter().flat_map(|confirms| std::iter::from_fn(|| confirms.reached(flushed)));
            for Verdict { publish, multiple, is_taken, publishes, since_ms } in verdicts {
                if let Some(since_ms) = since_ms {
                    broker.node_counts().confirm_times().note_since(since_ms, now_ms);
                }
                let event = if is_taken {
                    confirmed += publishes;
                    SessionEvent::Confirmed { publish, multiple }
                } else {
                    SessionEvent::NotConfirmed { publish, multiple }
                };
                events.push_back(Event::Session(session.id, event));
            }
            session.view().count_confirms(confirmed);
            session.show();
            held = held.max(session.held());
            due_ms = earlier(due_ms, session.due_ms());
            let waits_for = session.waits_for();
            first = earlier(first, waits_for);
            waits_for.is_some()
        });
        for id in ended {
            self.sessions.remove(&id);
            self.mailbox.ring();
        }
        if self.broker.is_behind() && self.published_at > flushed {
            // Whoever asks for no confirms has to wait all the same.
            first = earlier(first, Some(self.published_at));
            if let Some(connected) = &self.connected {
                connected.restraint.note_flow(self.now_ms);
            }
        }
        self.await_durable(first);
        (held, due_ms)
    }

    /// Sees to it that the bell rings when the log is durable up to there.
    fn await_durable(&mut self, first: Option<Lsn>) {
        if let Some(lsn) = first
            && self.awaited.is_none_or(|awaited| lsn < awaited)
        {
            if self.broker.durability.wait(&self.broker.engine, lsn, &self.mailbox) {
                self.awaited = Some(lsn);
            } else {
                // It became durable this very moment: look again.
                self.mailbox.ring();
            }
        }
    }

    /// Takes the mail. Deliveries stay in hand if nothing else has to be said of them or after them.
    fn fetch_mail(&mut self, held: Held) {
        self.mailbox.take(&mut self.mail);
        let has_others = !self.mail.replies.is_empty() || !self.mail.notices.is_empty();
        if has_others || self.is_traced() || held != Held::Nothing {
            self.open_mail();
            return;
        }
        if !self.mail.deliveries.is_empty() {
            self.in_hand = VecDeque::from(std::mem::take(&mut self.mail.deliveries));
        }
        self.resume_stalled();
    }

    /// Tells deliveries that are in hand while there is room.
    pub(super) fn tell_in_hand(&mut self, mut deliver: impl FnMut(SessionId, Delivered<'_>) -> bool) {
        let now = self.moment();
        let mut has_room = true;
        while has_room && let Some(first) = self.in_hand.front() {
            let id = first.session;
            match self.sessions.get_quietly(&id) {
                Some(session) => {
                    let unsettled = session.deliveries.count();
                    has_room = session.deliver_run(&mut self.in_hand, now, &mut deliver);
                    if session.deliveries.count() != unsettled {
                        self.sessions.touch(&id);
                    }
                }
                None => drop(self.in_hand.pop_front()),
            }
        }
        self.keep_buffer();
    }

    /// Deliveries that are in hand get their numbers at once, and are told by events.
    pub(super) fn number_in_hand(&mut self) {
        let now = self.moment();
        while let Some(delivery) = self.in_hand.pop_front() {
            self.number(delivery, now);
        }
        self.keep_buffer();
    }

    /// What deliveries were in is used for the next ones.
    fn keep_buffer(&mut self) {
        if self.in_hand.is_empty() && self.mail.deliveries.capacity() == 0 {
            self.mail.deliveries = Vec::from(std::mem::take(&mut self.in_hand));
        }
    }

    fn number(&mut self, delivery: Delivery, now: Moment) {
        let Some(session) = self.sessions.get_mut(&delivery.session) else { return };
        // A consumer that is gone has left no deliveries behind: see `cancel`.
        if let Ok(event) = session.deliver(delivery.slot, delivery.parcel, now)
            && let Some(event) = session.hold(Lsn(0), now.flushed, event)
        {
            self.events.push_back(Event::Session(delivery.session, event));
        }
    }

    /// All that has come so far gets its place among the events.
    pub(super) fn gather_mail(&mut self) {
        self.number_in_hand();
        self.mailbox.take(&mut self.mail);
        self.open_mail();
    }

    fn open_mail(&mut self) {
        let mut mail = std::mem::take(&mut self.mail);
        let now = self.moment();
        let is_traced = self.is_traced();
        for delivery in mail.deliveries.drain(..) {
            if is_traced && let Some(queue) = self.consumed_queue(&delivery) {
                self.trace_delivery(delivery.session, &queue, &delivery.parcel);
            }
            self.number(delivery, now);
        }
        for reply in mail.replies.drain(..) {
            let id = reply.session;
            if let Some(event) = self.sessions.get(&id).and_then(|session| session.deliver_reply(reply)) {
                self.say(id, event);
            }
        }
        for notice in mail.notices.drain(..) {
            self.handle_notice(notice);
        }
        self.mail = mail;
        self.resume_stalled();
        if is_traced {
            self.hand_over();
        }
    }

    /// Consumers whose mailbox was full go on.
    fn resume_stalled(&mut self) {
        for (queue, consumer) in self.mail.stalled.drain(..) {
            queue.resume(consumer, &mut self.effects);
        }
    }

    fn consumed_queue(&self, delivery: &Delivery) -> Option<Arc<Queue>> {
        let consumer = self.sessions.get(&delivery.session)?.consumer_in(delivery.slot)?;
        Some(Arc::clone(&consumer.queue))
    }

    pub(super) fn handle_notice(&mut self, notice: Notice) {
        match notice {
            Notice::ConsumerLost { session: id, slot } => {
                let Some(session) = self.sessions.get_mut(&id) else { return };
                let is_told = session.has_let_go;
                let Some(consumer) = session.remove_slot(slot) else { return };
                if !is_told {
                    self.tell_consumer_gone(id, &consumer);
                }
                self.say(id, SessionEvent::ConsumerLost { consumer: consumer.tag });
            }
            Notice::Got { session: id, queue, parcel, left } => {
                let no_ack = self.waiting_get.take().is_some_and(|(_, no_ack)| no_ack);
                if let Some(parcel) = parcel.as_ref().filter(|_| self.is_traced()) {
                    self.trace_delivery(id, &queue, parcel);
                }
                let now = self.moment();
                let Some(session) = self.sessions.get_mut(&id) else { return };
                let event = match parcel {
                    Some(parcel) => session.got(&queue, no_ack, parcel, left, now),
                    None => session.got_nothing(&queue),
                };
                self.say(id, event);
            }
        }
    }
}
