//! Consuming: prefetch, consumers, gets, verdicts.

use std::sync::Arc;

use model::{
    Name, Outcome, Refusal, SessionEvent, SessionId,
    command::Consume,
    refusal::{Named, Resource},
};

use super::Client;
use crate::{
    access::Wish,
    dead_letter::Reason,
    mailbox::Mail,
    queue::{Consumer, ConsumerKey, Entry, Got, Queue, Unfit, seek},
    replies::REPLY_TO,
    session::{
        Session, SessionConsumer,
        deliveries::{Unsettled, consumed},
    },
    topology::QueueKind,
};

/// A delivery on its way back, and the consumer that gets its credit.
type Returned = (Option<ConsumerKey>, Entry);

impl Client {
    pub(super) fn set_prefetch(&mut self, id: SessionId, count: u16, global: bool) {
        if global {
            // What is on its way counts like what is there.
            self.gather_mail();
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if global {
            session.limit.set(count.into(), session.consumed());
            self.resume_consumers(id);
        } else {
            session.prefetch = count;
        }
        self.say(id, SessionEvent::PrefetchSet);
    }

    /// The session's shared limit has room again, perhaps.
    pub(super) fn resume_consumers(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let limit = Arc::clone(&session.limit);
        for consumer in session.consumers_in_turn() {
            if !limit.has_room() {
                break;
            }
            consumer.queue.resume_limited(&limit, &mut self.effects);
        }
    }

    pub(super) fn consume(&mut self, id: SessionId, mut wish: Consume) -> Result<(), Refusal> {
        let name = self.queue_name(id, wish.queue.clone())?;
        if *name == *REPLY_TO {
            return self.consume_replies(id, wish);
        }
        let (_, queue) = self.resolve_queue(id, name)?;
        self.permit(Wish::Read { queue: &queue.record().name })?;
        check_arguments(&wish.arguments, &queue)?;
        if wish.consumer.is_empty() {
            wish.consumer = self.names.make("amq.ctag-");
        }
        if queue.is_stream() {
            return self.consume_stream(id, &wish, &queue);
        }
        let priority = priority_of(&wish.arguments, &queue)?;
        let consumers_max = self.broker.settings.consumers_per_session_max;
        let mailbox = Arc::clone(&self.mailbox);
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let is_quorum = queue.record().kind == QueueKind::Quorum;
        if is_quorum {
            refuse_shared_limit(session, &queue)?;
        }
        session.check_new_consumer(&wish.consumer, consumers_max)?;
        let slot = session.add_consumer(SessionConsumer {
            tag: wish.consumer.clone(),
            queue: Arc::clone(&queue),
            key: None,
            no_ack: wish.no_ack,
        });
        let mut consumer =
            Consumer::new(mailbox, (self.id, id, wish.consumer.clone()), slot, Arc::clone(&session.limit));
        consumer.no_ack = wish.no_ack;
        consumer.prefetch = session.prefetch.into();
        consumer.priority = priority;
        let admitted = queue.consume(consumer, wish.exclusive && !is_quorum, &mut self.effects);
        self.admitted(id, slot, admitted, &wish)
    }

    fn consume_stream(&mut self, id: SessionId, wish: &Consume, queue: &Arc<Queue>) -> Result<(), Refusal> {
        let start =
            seek::Wish::parse(&wish.arguments, self.now_ms).map_err(|unfit| Refusal::InvalidArgument {
                argument: Name::parse(unfit.argument).unwrap_or_default(),
                named: named(queue),
                reason: unfit.reason,
            })?;
        let consumers_max = self.broker.settings.consumers_per_session_max;
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if session.prefetch == 0 {
            return Err(Refusal::NoPrefetch(named(queue)));
        }
        if wish.no_ack {
            let what = format!("automatic acknowledgement not supported by stream {}", named(queue));
            return Err(Refusal::NotImplemented { what });
        }
        refuse_shared_limit(session, queue)?;
        session.check_new_consumer(&wish.consumer, consumers_max)?;
        let consumer = SessionConsumer {
            tag: wish.consumer.clone(),
            queue: Arc::clone(queue),
            key: None,
            no_ack: false,
        };
        let slot = session.add_consumer(consumer);
        let mut consumer = Consumer::new(
            Arc::clone(&self.mailbox),
            (self.id, id, wish.consumer.clone()),
            slot,
            Arc::default(),
        );
        consumer.prefetch = session.prefetch.into();
        let admitted = queue.consume_stream(consumer, start, &mut self.effects);
        self.admitted(id, slot, admitted, wish)
    }

    /// A queue has admitted a consumer, or not.
    fn admitted(
        &mut self,
        id: SessionId,
        slot: u32,
        admitted: Result<ConsumerKey, Unfit>,
        wish: &Consume,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        match admitted {
            Ok(key) => {
                if let Some(consumer) = session.consumer_mut(slot) {
                    consumer.key = Some(key);
                }
                self.tell_consumer(id, slot, wish);
                let lsn = self.broker.metadata_position();
                let event = SessionEvent::Consuming { consumer: wish.consumer.clone() };
                self.answer_when(lsn, id, wish.nowait, event);
                Ok(())
            }
            Err(unfit) => {
                let Some(SessionConsumer { queue, .. }) = session.remove_slot(slot) else { return Ok(()) };
                Err(match unfit {
                    Unfit::ExclusiveUse => Refusal::ExclusiveUse(named(&queue)),
                    Unfit::Deleted => Refusal::NotFound(named(&queue)),
                })
            }
        }
    }

    pub(super) fn cancel(&mut self, id: SessionId, tag: Name, nowait: bool) {
        if !self.cancel_replies(id, &tag) {
            self.cancel_consumer(id, &tag);
        }
        if !nowait {
            self.say(id, SessionEvent::ConsumeCancelled { consumer: tag });
        }
    }

    fn cancel_consumer(&mut self, id: SessionId, tag: &str) {
        let known = self.sessions.get(&id).and_then(|session| session.consumer_of(tag));
        if let Some((queue, Some(key))) = known {
            queue.cancel(key, &mut self.effects);
            // What is on its way to it is delivered before it is told that it is gone.
            self.gather_mail();
        }
        let gone = self.sessions.get_mut(&id).and_then(|session| session.remove_consumer(tag));
        if let Some(consumer) = gone {
            self.tell_consumer_gone(id, &consumer);
        }
    }

    pub(super) fn get(&mut self, id: SessionId, queue: Name, no_ack: bool) -> Result<(), Refusal> {
        let (_, queue) = self.resolve_queue(id, queue)?;
        self.permit(Wish::Read { queue: &queue.record().name })?;
        if queue.is_stream() {
            return Err(not_for_streams("basic.get", &queue));
        }
        let record = queue.record();
        if record.kind == QueueKind::Quorum && record.arguments.single_active_consumer {
            return Err(Refusal::GetBesideActiveConsumer(named(&queue)));
        }
        let got = queue.get(no_ack, &self.mailbox, id, &mut self.effects);
        if let Got::Parcel(parcel, _) = &got
            && self.is_traced()
        {
            self.trace_delivery(id, &queue, parcel);
        }
        let now = self.moment();
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let event = match got {
            Got::Parcel(parcel, left) => session.got(&queue, no_ack, parcel, left, now),
            Got::Nothing => session.got_nothing(&queue),
            Got::Later => {
                self.waiting_get = Some((id, no_ack));
                return Ok(());
            }
        };
        self.say(id, event);
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        id: SessionId,
        delivery: u64,
        multiple: bool,
        outcome: Outcome,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if session.transaction.is_some() {
            return self.hold_verdict(id, delivery, multiple, outcome);
        }
        self.settle_at_once(id, delivery, multiple, outcome)
    }

    pub(super) fn settle_at_once(
        &mut self,
        id: SessionId,
        delivery: u64,
        multiple: bool,
        outcome: Outcome,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let mut unsettled = std::mem::take(&mut self.unsettled);
        let mut since_ms = None;
        let mut keep = |number, delivery| {
            since_ms = since_ms.or_else(|| session.watched.end(number));
            unsettled.push(delivery);
        };
        if session.deliveries.take(delivery, multiple, &mut keep).is_none() {
            self.unsettled = unsettled;
            return Err(Refusal::UnknownDelivery { delivery });
        }
        let is_limited = session.limit.is_set();
        if is_limited {
            session.limit.release(consumed(unsettled.iter()));
        }
        match outcome {
            Outcome::Accepted => {
                self.note_accepted(since_ms);
                self.let_pass(id, &mut unsettled);
            }
            Outcome::Rejected => self.reject(std::mem::take(&mut unsettled)),
            Outcome::Requeued => self.put_back(std::mem::take(&mut unsettled)),
        }
        unsettled.clear();
        self.unsettled = unsettled;
        if is_limited {
            self.resume_consumers(id);
        }
        Ok(())
    }

    /// Tells how long it took to accept what was delivered then.
    pub(super) fn note_accepted(&self, since_ms: Option<u64>) {
        if let Some(since_ms) = since_ms {
            self.broker.node_counts().ack_times().note_since(since_ms, self.now_ms);
        }
    }

    /// Deliveries are accepted, queue by queue.
    fn let_pass(&mut self, id: SessionId, unsettled: &mut Vec<Unsettled>) {
        let mut rest = unsettled.as_slice();
        while let Some(first) = rest.first() {
            let count = rest.iter().take_while(|other| Arc::ptr_eq(&other.queue, &first.queue)).count();
            let (run, after) = rest.split_at(count);
            self.settled.extend(run.iter().map(Unsettled::settled));
            first.queue.accept(&self.settled, &mut self.effects);
            if let Some(session) = self.sessions.get(&id) {
                session.view().count_acks(first.queue.record().kind, count as u64);
            }
            self.settled.clear();
            rest = after;
        }
    }

    /// Rejects deliveries for good, queue by queue.
    pub(super) fn reject(&mut self, unsettled: Vec<Unsettled>) {
        let mut by_queue: Vec<(Arc<Queue>, Vec<_>)> = Vec::new();
        for delivery in unsettled {
            let rejected = (delivery.settled(), delivery.message);
            match by_queue.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &delivery.queue)) {
                Some((_, all)) => all.push(rejected),
                None => by_queue.push((delivery.queue, vec![rejected])),
            }
        }
        for (queue, rejected) in by_queue {
            queue.reject(rejected, Reason::Rejected, &mut self.effects);
        }
    }

    /// Puts deliveries back into their queues.
    pub(super) fn put_back(&mut self, unsettled: Vec<Unsettled>) {
        let mut by_queue: Vec<(Arc<Queue>, Vec<Returned>)> = Vec::new();
        for delivery in unsettled {
            let (queue, consumer, entry) = delivery.into_entry();
            match by_queue.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &queue)) {
                Some((_, entries)) => entries.push((consumer, entry)),
                None => by_queue.push((queue, vec![(consumer, entry)])),
            }
        }
        for (queue, entries) in by_queue {
            queue.requeue(entries, &mut self.effects);
        }
    }

    /// Deliveries that never left the mailbox go back.
    pub(super) fn return_mail(&mut self, mail: Mail) {
        let now = self.moment();
        for delivery in self.in_hand.drain(..).chain(mail.deliveries) {
            if let Some(session) = self.sessions.get_mut(&delivery.session) {
                // Numbered like any other, and put back with them.
                let _ = session.deliver(delivery.slot, delivery.parcel, now);
            }
        }
        for notice in mail.notices {
            self.handle_notice(notice);
        }
    }

    pub(super) fn recover(&mut self, id: SessionId, nowait: bool) -> Result<(), Refusal> {
        // RabbitMQ: no part of a transaction.
        self.settle_at_once(id, 0, true, Outcome::Requeued)?;
        if !nowait {
            self.say(id, SessionEvent::Recovered);
        }
        Ok(())
    }
}

fn refuse_shared_limit(session: &Session, queue: &Queue) -> Result<(), Refusal> {
    if !session.limit.is_set() {
        return Ok(());
    }
    Err(Refusal::NotImplemented { what: format!("{} does not support global qos", named(queue)) })
}

/// What streams cannot do at all.
pub(super) fn not_for_streams(method: &str, queue: &Queue) -> Refusal {
    Refusal::NotImplemented { what: format!("{method} not supported by stream queues {}", named(queue)) }
}

fn named(queue: &Queue) -> Named {
    let record = queue.record();
    Named { resource: Resource::Queue, name: record.name.clone(), vhost: record.vhost.clone() }
}

/// Arguments that only consumers of streams have.
const STREAM_ARGUMENTS: [&str; 3] = ["x-stream-filter", "x-stream-match-unfiltered", "x-stream-offset"];

/// Arguments that only consumers of other queues have.
const QUEUE_ARGUMENTS: [&str; 1] = ["x-priority"];

fn check_arguments(arguments: &model::Table, queue: &Queue) -> Result<(), Refusal> {
    let foreign: &[&str] = if queue.is_stream() { &QUEUE_ARGUMENTS } else { &STREAM_ARGUMENTS };
    match foreign.iter().find(|argument| arguments.get(argument).is_some()) {
        None => Ok(()),
        Some(argument) => Err(Refusal::ForeignArgument {
            argument: Name::parse(argument).unwrap_or_default(),
            named: named(queue),
            queue_type: queue.record().kind.module(),
        }),
    }
}

/// The consumer's priority: any integer, 0 if it does not say.
fn priority_of(arguments: &model::Table, queue: &Queue) -> Result<i64, Refusal> {
    let Some(value) = arguments.get("x-priority") else { return Ok(0) };
    value.as_integer().ok_or_else(|| Refusal::InvalidArgument {
        argument: Name::parse("x-priority").unwrap_or_default(),
        named: named(queue),
        reason: format!("\"expected integer, got {}\"", value.type_word()),
    })
}
