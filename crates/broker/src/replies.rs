//! Direct replies: answers that reach the session which asked without a queue in between.
//!
//! A session that consumes from [`REPLY_TO`] gets an address. A request that names [`REPLY_TO`] as its `reply-to` leaves
//! with that address instead, and what is published to it through the default exchange goes straight into the mailbox of
//! the session's connection. Nothing here is in the topology, or survives the consumer; an address is never used twice
//! and cannot be guessed.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::FixedState;
use model::{Message, Name, SessionId};
use parking_lot::RwLock;

use crate::mailbox::{Mailbox, Reply};

/// The name that stands for "to me".
pub(crate) const REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// How every address begins.
pub(crate) const ADDRESS_PREFIX: &str = "amq.rabbitmq.reply-to.";

/// The consumer of the direct replies of one session.
#[derive(Debug)]
pub(crate) struct ReplyConsumer {
    pub(crate) address: Name,
    pub(crate) session: SessionId,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl ReplyConsumer {
    /// Puts a reply into the mailbox, which is to be rung. One that finds no room is lost: there is no queue to keep it.
    pub(crate) fn deliver(&self, message: Arc<Message>) {
        let reply = Reply { session: self.session, address: self.address.clone(), message };
        if !self.mailbox.push_reply(reply) {
            tracing::debug!(address = %self.address, "a direct reply is dropped: nobody takes it out of the mailbox");
        }
    }
}

/// The addresses in use.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    consumers: RwLock<HashMap<Name, Arc<ReplyConsumer>, FixedState>>,
}

impl Replies {
    pub(crate) fn add(&self, consumer: ReplyConsumer) {
        self.consumers.write().insert(consumer.address.clone(), Arc::new(consumer));
    }

    pub(crate) fn remove(&self, address: &str) {
        self.consumers.write().remove(address);
    }

    /// Whom a routing key of the default exchange reaches, if it is an address in use.
    pub(crate) fn find(&self, routing_key: &[u8]) -> Option<Arc<ReplyConsumer>> {
        if !is_address(routing_key) {
            return None;
        }
        self.consumers.read().get(std::str::from_utf8(routing_key).ok()?).cloned()
    }
}

/// Whether a routing key has the form of an address.
pub(crate) fn is_address(routing_key: &[u8]) -> bool {
    routing_key.starts_with(ADDRESS_PREFIX.as_bytes())
}
