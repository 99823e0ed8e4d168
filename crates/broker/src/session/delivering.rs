//! Delivering: what a queue has handed over gets its number in the session, and is told.

use std::{collections::VecDeque, sync::Arc};

use model::{Delivered, DeliveryId, Message, SessionEvent, SessionId};

use super::{Moment, Session, SessionConsumer, deliveries::Unsettled};
use crate::{
    counts::Consumed,
    mailbox::{Delivery, Parcel, Reply},
    queue::{ConsumerKey, Queue},
    stamps,
};

impl Moment {
    /// The message as it is delivered now.
    fn send(&self, message: Arc<Message>) -> Arc<Message> {
        if self.is_told { stamps::sent(&message, self.ms) } else { message }
    }
}

/// Fetches what comes soon into the processor's caches: a message first, and what it refers to when it is nearer.
#[inline]
fn prefetch_after(deliveries: &VecDeque<Delivery>) {
    if let Some(later) = deliveries.get(5) {
        model::prefetch(&*later.parcel.message);
    }
    if let Some(soon) = deliveries.get(2) {
        soon.parcel.message.prefetch();
    }
}

impl Session {
    /// Numbers the first deliveries as far as they are for one consumer of this session, and tells them while `tell` says
    /// that there is room; false once there is none.
    pub(crate) fn deliver_run(
        &mut self,
        deliveries: &mut VecDeque<Delivery>,
        now: Moment,
        mut tell: impl FnMut(SessionId, Delivered<'_>) -> bool,
    ) -> bool {
        let Some(slot) = deliveries.front().map(|first| first.slot) else { return true };
        // Taken out for as long: names and queues are counted by all processors, and are not to be counted for a message.
        let Some(consumer) = self.place_mut(slot).and_then(Option::take) else {
            deliveries.pop_front();
            return true;
        };
        let SessionConsumer { tag, queue, key, no_ack } = &consumer;
        let (key, no_ack) = (*key, *no_ack);
        let (mut told, mut has_room) = (Consumed::default(), true);
        let is_next = |session, next: &Delivery| next.session == session && next.slot == slot;
        while has_room && let Some(next) = deliveries.pop_front_if(|next| is_next(self.id, next)) {
            prefetch_after(deliveries);
            told.note(no_ack, next.parcel.redelivered);
            let delivery = self.number((queue, key), no_ack, &next.parcel, now);
            let Parcel { redelivered, message, .. } = next.parcel;
            let message = now.send(message);
            has_room = tell(self.id, Delivered { consumer: tag, delivery, redelivered, message: &message });
        }
        self.view().count_deliveries(queue.record().kind, told);
        if let Some(place) = self.place_mut(slot) {
            *place = Some(consumer);
        }
        has_room
    }

    /// Numbers a delivery for the consumer in `slot`. None if the consumer is gone: the parcel comes back.
    pub(crate) fn deliver(&mut self, slot: u32, parcel: Parcel, now: Moment) -> Result<SessionEvent, Parcel> {
        let Some(consumer) = self.consumer_in(slot) else { return Err(parcel) };
        let (tag, queue) = (consumer.tag.clone(), Arc::clone(&consumer.queue));
        let (key, no_ack) = (consumer.key, consumer.no_ack);
        let mut told = Consumed::default();
        told.note(no_ack, parcel.redelivered);
        self.view().count_deliveries(queue.record().kind, told);
        let delivery = self.number((&queue, key), no_ack, &parcel, now);
        let Parcel { redelivered, message, .. } = parcel;
        Ok(SessionEvent::Delivered { consumer: tag, delivery, redelivered, message: now.send(message) })
    }

    /// Gives a delivery its number, and remembers it unless it is settled at once.
    fn number(
        &mut self,
        (queue, consumer): (&Arc<Queue>, Option<ConsumerKey>),
        no_ack: bool,
        parcel: &Parcel,
        now: Moment,
    ) -> DeliveryId {
        if no_ack {
            return DeliveryId(self.deliveries.pass());
        }
        // Nothing comes back to a stream.
        let message = (!queue.is_stream()).then(|| Arc::clone(&parcel.message));
        let unsettled = Unsettled { queue: Arc::clone(queue), consumer, ticket: parcel.ticket, message };
        DeliveryId(self.open(unsettled, now))
    }

    /// Tells of a direct reply, if its consumer is still there. RabbitMQ: it has the number of the next delivery, but does
    /// not use it up.
    pub(crate) fn deliver_reply(&self, reply: Reply) -> Option<SessionEvent> {
        let replying = self.replying.as_ref().filter(|replying| replying.address == reply.address)?;
        Some(SessionEvent::Delivered {
            consumer: replying.tag.clone(),
            delivery: DeliveryId(self.deliveries.next()),
            redelivered: false,
            message: reply.message,
        })
    }

    /// The answer to a get that found nothing.
    pub(crate) fn got_nothing(&self, queue: &Queue) -> SessionEvent {
        self.view().count_get_empty(queue.record().kind);
        SessionEvent::GotNothing
    }

    /// Numbers the answer to a get.
    pub(crate) fn got(
        &mut self,
        queue: &Arc<Queue>,
        no_ack: bool,
        parcel: Parcel,
        left: u64,
        now: Moment,
    ) -> SessionEvent {
        self.view().count_get(queue.record().kind, no_ack, parcel.redelivered);
        let delivery = self.number((queue, None), no_ack, &parcel, now);
        let Parcel { redelivered, message, .. } = parcel;
        SessionEvent::Got { delivery, redelivered, message: now.send(message), messages: left }
    }
}
