//! What a frontend may ask of the core.

use std::sync::Arc;

use crate::{DeliveryId, Message, Name, Outcome, Secret, SessionId, Table};

/// A wish of a connection.
#[derive(Debug)]
pub enum Command {
    /// Who the peer says it is. Answered by [`Event::Authenticated`] or [`Event::AuthenticationRefused`].
    ///
    /// [`Event::Authenticated`]: crate::Event::Authenticated
    /// [`Event::AuthenticationRefused`]: crate::Event::AuthenticationRefused
    Authenticate {
        /// The SASL mechanism used, for texts.
        mechanism: &'static str,
        /// The user's name.
        user: Name,
        /// The password.
        password: Secret,
    },
    /// The transport has found out who the peer is (by its certificate): answered as [`Command::Authenticate`] is, and no
    /// password is asked for.
    Vouched {
        /// The SASL mechanism used, for texts.
        mechanism: &'static str,
        /// The user's name.
        user: Name,
    },
    /// Enter a vhost, after authentication. Answered by `Opened` or `Refused`.
    Open {
        /// The vhost to enter.
        vhost: Name,
        /// What the client says of itself (`client-properties`).
        client_properties: Table,
    },
    /// A new password or token for the user of the connection. Answered by `SecretUpdated` or `Refused`.
    UpdateSecret {
        /// The new secret.
        secret: Secret,
    },
    /// The connection ends in order: sessions end, exclusive queues go. Answered by `Closed`.
    Close,
    /// A wish of one session.
    Session(SessionId, SessionCommand),
}

/// A wish of a session (a channel). Answers come in the order of the commands; with `nowait` there is none.
///
/// After a `Refused` event the session ignores every command but `Close`.
#[derive(Debug)]
pub enum SessionCommand {
    /// Begin the session. Answered by `Opened`.
    Open,
    /// End it: unsettled deliveries are requeued, consumers go. Answered by `Closed`.
    Close,
    /// Create an exchange, or check that it exists.
    DeclareExchange(DeclareExchange),
    /// Delete an exchange.
    DeleteExchange {
        /// Its name.
        exchange: Name,
        /// Refuse if anything is bound to it.
        if_unused: bool,
        /// No answer wanted.
        nowait: bool,
    },
    /// Create a queue, or check that it exists.
    DeclareQueue(DeclareQueue),
    /// Delete a queue. An empty name means the last one declared in this session.
    DeleteQueue {
        /// Its name.
        queue: Name,
        /// Refuse if it has consumers.
        if_unused: bool,
        /// Refuse if it has ready messages.
        if_empty: bool,
        /// No answer wanted.
        nowait: bool,
    },
    /// Remove the ready messages of a queue.
    PurgeQueue {
        /// Its name; empty: the last one declared.
        queue: Name,
        /// No answer wanted.
        nowait: bool,
    },
    /// Make a binding.
    Bind(Binding),
    /// Remove a binding.
    Unbind(Binding),
    /// Publish a message. Answered only by `Returned`, `Confirmed` or `Refused`.
    Publish {
        /// The message, which carries exchange and routing key.
        message: Arc<Message>,
        /// Return it if no queue takes it.
        mandatory: bool,
    },
    /// Confirm every further publish. Answered by `ConfirmsSelected`.
    SelectConfirms {
        /// No answer wanted.
        nowait: bool,
    },
    /// From here on publishes and verdicts take effect only with `Commit`. Answered by `TransactionsSelected`.
    SelectTransactions,
    /// Let everything since the last `Commit` or `Rollback` take effect. Answered by `Committed`, once it is safe.
    Commit,
    /// Forget everything since then: verdicts are to be given again. Answered by `RolledBack`.
    Rollback,
    /// Set the limit of unsettled deliveries. Answered by `PrefetchSet`.
    SetPrefetch {
        /// Deliveries; 0 means no limit.
        count: u16,
        /// Shared by the whole session, instead of the default of each new consumer.
        global: bool,
    },
    /// Start a consumer. Answered by `Consuming`.
    Consume(Consume),
    /// Stop a consumer. Answered by `ConsumeCancelled`.
    Cancel {
        /// Its tag.
        consumer: Name,
        /// No answer wanted.
        nowait: bool,
    },
    /// Fetch one message. Answered by `Got` or `GotNothing`.
    Get {
        /// The queue; empty: the last one declared.
        queue: Name,
        /// Settled at once.
        no_ack: bool,
    },
    /// The verdict on one or several deliveries. Not answered.
    Settle {
        /// The delivery; with `multiple` all unsettled ones up to it, all of them if it is 0.
        delivery: DeliveryId,
        /// See `delivery`.
        multiple: bool,
        /// The verdict.
        outcome: Outcome,
    },
    /// Requeue all unsettled deliveries. Answered by `Recovered` unless `nowait`.
    Recover {
        /// No answer wanted (`basic.recover-async`).
        nowait: bool,
    },
}

/// The fields of an exchange declaration.
#[derive(Clone, Debug)]
pub struct DeclareExchange {
    /// Its name.
    pub exchange: Name,
    /// Its type: `direct`, `fanout`, `topic`, `headers`, or one of the `x-` types.
    pub kind: Name,
    /// Only check that it exists.
    pub passive: bool,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with the last binding that starts from it.
    pub auto_delete: bool,
    /// Takes messages from other exchanges only.
    pub internal: bool,
    /// No answer wanted.
    pub nowait: bool,
    /// Further arguments.
    pub arguments: Table,
}

/// The fields of a queue declaration.
#[derive(Clone, Debug)]
pub struct DeclareQueue {
    /// Its name; empty: the broker makes one.
    pub queue: Name,
    /// Only check that it exists.
    pub passive: bool,
    /// Survives a restart.
    pub durable: bool,
    /// Belongs to this connection alone and ends with it.
    pub exclusive: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// No answer wanted.
    pub nowait: bool,
    /// Further arguments.
    pub arguments: Table,
}

/// What a binding leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Destination {
    /// A queue.
    Queue,
    /// Another exchange.
    Exchange,
}

/// The fields of a bind or unbind.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The exchange that the binding starts from.
    pub source: Name,
    /// What kind of thing it leads to.
    pub destination_kind: Destination,
    /// The queue or exchange it leads to; an empty queue name means the last one declared.
    pub destination: Name,
    /// The routing (binding) key.
    pub routing_key: Name,
    /// No answer wanted.
    pub nowait: bool,
    /// Further arguments; part of the binding's identity.
    pub arguments: Table,
}

/// The fields of a consume.
#[derive(Clone, Debug)]
pub struct Consume {
    /// The queue; empty: the last one declared.
    pub queue: Name,
    /// The consumer's tag; empty: the broker makes one.
    pub consumer: Name,
    /// Deliveries are settled as they are sent.
    pub no_ack: bool,
    /// No other consumer beside this one.
    pub exclusive: bool,
    /// No answer wanted.
    pub nowait: bool,
    /// Further arguments.
    pub arguments: Table,
}
