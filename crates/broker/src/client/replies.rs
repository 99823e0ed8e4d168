//! Direct reply-to: the consumer of a session's replies, requests on their way out, and the queues that only seem to be.

use std::sync::Arc;

use model::{
    Message, Name, Refusal, SessionEvent, SessionId,
    command::{Consume, DeclareQueue},
    message::Properties,
    refusal::{Named, Resource},
};

use super::Client;
use crate::{
    replies::{ADDRESS_PREFIX, REPLY_TO, ReplyConsumer},
    session::Replying,
};

impl Client {
    /// A consumer of `amq.rabbitmq.reply-to`. RabbitMQ: it takes no permission, and its tag is beside those of the others.
    pub(super) fn consume_replies(&mut self, id: SessionId, wish: Consume) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        session.check_new_consumer(&wish.consumer, self.broker.settings.consumers_per_session_max)?;
        if !wish.no_ack {
            return Err(Refusal::ReplyConsumerSettles);
        }
        if session.replying.is_some() {
            return Err(Refusal::SecondReplyConsumer);
        }
        let tag = if wish.consumer.is_empty() { self.names.make("amq.ctag-") } else { wish.consumer };
        let address = self.names.make(ADDRESS_PREFIX);
        session.replying = Some(Replying { tag: tag.clone(), address: address.clone() });
        self.broker.replies.add(ReplyConsumer { address, session: id, mailbox: Arc::clone(&self.mailbox) });
        if !wish.nowait {
            self.say(id, SessionEvent::Consuming { consumer: tag });
        }
        Ok(())
    }

    /// Ends the consumer of replies, if it has this tag. What is on its way to it is lost.
    pub(super) fn cancel_replies(&mut self, id: SessionId, tag: &str) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        match session.replying.take_if(|replying| *replying.tag == *tag) {
            Some(replying) => {
                self.broker.replies.remove(&replying.address);
                true
            }
            None => false,
        }
    }

    /// RabbitMQ: every declaration of such a name only asks whether somebody is there.
    pub(super) fn declare_reply_to(&mut self, id: SessionId, wish: DeclareQueue) -> Result<(), Refusal> {
        let queue = wish.queue;
        if *queue != *REPLY_TO && self.broker.replies.find(queue.as_bytes()).is_none() {
            let named = Named { resource: Resource::Queue, name: queue, vhost: self.vhost.clone() };
            return Err(Refusal::NotFound(named));
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.last_queue = Some(queue.clone());
        }
        if !wish.nowait {
            self.say(id, SessionEvent::QueueDeclared { queue, messages: 0, consumers: 1 });
        }
        Ok(())
    }

    /// A request for a direct reply leaves with the address of its session; what has another `reply-to` stays as it is.
    pub(super) fn with_reply_address(
        &self,
        id: SessionId,
        message: Arc<Message>,
    ) -> Result<Arc<Message>, Refusal> {
        let properties = message.properties();
        if properties.reply_to != Some(REPLY_TO.as_bytes()) {
            return Ok(message);
        }
        let replying = self.sessions.get(&id).and_then(|session| session.replying.as_ref());
        let address: &Name = &replying.ok_or(Refusal::NoReplyConsumer)?.address;
        let mut list = Vec::new();
        Properties { reply_to: Some(address.as_bytes()), ..properties }.encode(&mut list);
        let body = message.body_shared();
        match Message::with_large_body(message.exchange(), message.routing_key(), &list, body) {
            Ok(request) => Ok(Arc::new(request)),
            Err(error) => {
                debug_assert!(false, "properties with another address are properties: {error}");
                Ok(message)
            }
        }
    }
}
