//! What the core tells a frontend.

use std::sync::Arc;

use crate::{DeliveryId, Message, Name, Refusal, SessionId};

/// News for a connection.
#[derive(Debug)]
pub enum Event {
    /// The peer is who it says it is.
    Authenticated {
        /// The user's name.
        user: Name,
    },
    /// It is not, or may not log in from where it is.
    AuthenticationRefused {
        /// The SASL mechanism used.
        mechanism: &'static str,
    },
    /// The vhost is entered.
    Opened,
    /// The new secret is taken.
    SecretUpdated,
    /// A wish of the connection as a whole was denied; the connection ends.
    Refused(Refusal),
    /// Everything of the connection is gone; it may be said goodbye to.
    Closed,
    /// The broker ends the connection: an operator's wish or a shutdown.
    Forced {
        /// The reason in words.
        reason: String,
    },
    /// An alarm keeps this publisher from publishing.
    Blocked {
        /// `low on memory`, `low on disk`, or both.
        reason: &'static str,
    },
    /// The alarm is over.
    Unblocked,
    /// News for one session.
    Session(SessionId, SessionEvent),
}

/// A message for a consumer that is told of where it lies, without becoming an event: what is told most.
#[derive(Clone, Copy, Debug)]
pub struct Delivered<'a> {
    /// The consumer's tag.
    pub consumer: &'a Name,
    /// The number of the delivery.
    pub delivery: DeliveryId,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// The message.
    pub message: &'a Arc<Message>,
}

/// News for a session.
#[derive(Debug)]
pub enum SessionEvent {
    /// The session has begun.
    Opened,
    /// The session has ended.
    Closed,
    /// The exchange exists now.
    ExchangeDeclared,
    /// The exchange is gone.
    ExchangeDeleted,
    /// An exchange is bound to another.
    ExchangeBound,
    /// The binding between exchanges is gone.
    ExchangeUnbound,
    /// The queue exists now.
    QueueDeclared {
        /// Its name, made by the broker if none was given.
        queue: Name,
        /// Ready messages.
        messages: u64,
        /// Consumers.
        consumers: u32,
    },
    /// The queue is bound.
    QueueBound,
    /// The binding is gone.
    QueueUnbound,
    /// The ready messages are gone.
    QueuePurged {
        /// How many there were.
        messages: u64,
    },
    /// The queue is gone.
    QueueDeleted {
        /// Ready messages that went with it.
        messages: u64,
    },
    /// A message that no queue took, because it was `mandatory`.
    Returned {
        /// The message.
        message: Arc<Message>,
    },
    /// Publishes are safe. Comes after their `Returned`.
    Confirmed {
        /// The number of the publish since `SelectConfirms`: 1, 2, 3, ….
        publish: u64,
        /// All not yet confirmed ones up to it too.
        multiple: bool,
    },
    /// Publishes were not taken.
    NotConfirmed {
        /// As in `Confirmed`.
        publish: u64,
        /// As in `Confirmed`.
        multiple: bool,
    },
    /// Publishes will be confirmed.
    ConfirmsSelected,
    /// Publishes and verdicts wait for a commit.
    TransactionsSelected,
    /// The transaction has taken effect and is safe.
    Committed,
    /// The transaction is forgotten.
    RolledBack,
    /// The limit of unsettled deliveries is set.
    PrefetchSet,
    /// The consumer is there.
    Consuming {
        /// Its tag.
        consumer: Name,
    },
    /// The consumer is gone, as asked.
    ConsumeCancelled {
        /// Its tag.
        consumer: Name,
    },
    /// The consumer is gone because its queue is.
    ConsumerLost {
        /// Its tag.
        consumer: Name,
    },
    /// A message for a consumer.
    Delivered {
        /// The consumer's tag.
        consumer: Name,
        /// The number of the delivery.
        delivery: DeliveryId,
        /// It may have been delivered before.
        redelivered: bool,
        /// The message.
        message: Arc<Message>,
    },
    /// The message asked for.
    Got {
        /// The number of the delivery.
        delivery: DeliveryId,
        /// It may have been delivered before.
        redelivered: bool,
        /// The message.
        message: Arc<Message>,
        /// Ready messages left.
        messages: u64,
    },
    /// The queue has no ready message.
    GotNothing,
    /// All unsettled deliveries are requeued.
    Recovered,
    /// A wish was denied: the session (or, if the protocol says so, the connection) ends.
    Refused(Refusal),
}
