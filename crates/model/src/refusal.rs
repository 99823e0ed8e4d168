//! A wish of the client that is denied, with the facts. The protocol crate puts it into words.

use std::fmt;

use crate::{Name, SessionId, Value};

/// What a refusal is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// A queue.
    Queue,
    /// An exchange.
    Exchange,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "queue",
            Self::Exchange => "exchange",
        })
    }
}

/// A queue or exchange by name, in its vhost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// What it is.
    pub resource: Resource,
    /// Its name.
    pub name: Name,
    /// The vhost it is in, or is not in.
    pub vhost: Name,
}

/// Written as RabbitMQ names a thing in its texts: `queue 'q' in vhost '/'`.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}' in vhost '{}'", self.resource, self.name, self.vhost)
    }
}

/// One of the three permissions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Create and delete.
    Configure,
    /// Put messages in.
    Write,
    /// Take messages out.
    Read,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        })
    }
}

/// One side of a disagreement between a declaration and what exists.
#[derive(Clone, PartialEq, Debug)]
pub enum Property {
    /// The argument is not there.
    None,
    /// A property of the declaration itself: `true`, `false`, ….
    Plain(String),
    /// The type of an exchange.
    Kind(String),
    /// An argument's value.
    Value(Box<Value>),
}

/// Why a wish was denied.
#[derive(Clone, PartialEq, Debug)]
pub enum Refusal {
    /// There is no such queue or exchange.
    NotFound(Named),
    /// An empty queue name, but no queue was declared in this session.
    NoPreviousQueue,
    /// The exchange type does not take such arguments.
    InvalidExchange {
        /// In RabbitMQ's words.
        reason: String,
    },
    /// The queue type does not take such arguments.
    InvalidQueue {
        /// In RabbitMQ's words.
        reason: String,
    },
    /// The exchange type does not take such a binding key or such arguments.
    InvalidBinding {
        /// In RabbitMQ's words.
        reason: String,
    },
    /// It exists with another property or argument.
    Inequivalent {
        /// Which property or argument.
        argument: Name,
        /// Of what.
        named: Named,
        /// What was asked for.
        received: Property,
        /// What there is.
        current: Property,
    },
    /// The queue is exclusive to another connection.
    Locked(Named),
    /// Names that start with `amq.` are the broker's.
    ReservedName {
        /// Of what.
        resource: Resource,
        /// The name asked for.
        name: Name,
    },
    /// The default exchange cannot be declared, deleted or bound.
    DefaultExchange,
    /// The predeclared exchanges cannot be deleted.
    SystemExchange(Named),
    /// No such exchange type.
    UnknownExchangeType {
        /// The type asked for.
        kind: Name,
    },
    /// A permission is missing.
    AccessRefused {
        /// Which.
        permission: Permission,
        /// On what; the default exchange is called `amq.default`.
        named: Named,
        /// Whose.
        user: Name,
    },
    /// A topic permission is missing.
    TopicRefused {
        /// Which.
        permission: Permission,
        /// For which routing key.
        routing_key: Name,
        /// On which exchange.
        exchange: Name,
        /// In which vhost.
        vhost: Name,
        /// Whose.
        user: Name,
    },
    /// An argument with a value that is not allowed.
    InvalidArgument {
        /// Which argument.
        argument: Name,
        /// Of what.
        named: Named,
        /// In RabbitMQ's words.
        reason: String,
    },
    /// An argument of a wrong type, where RabbitMQ words it differently.
    InvalidArgumentType {
        /// Which argument.
        argument: Name,
        /// Of what.
        named: Named,
        /// The type it has.
        found: &'static str,
    },
    /// A queue of this type cannot have this property.
    InvalidProperty {
        /// The property, in RabbitMQ's words.
        property: &'static str,
        /// The queue.
        named: Named,
    },
    /// A queue of this type needs a name.
    ServerNamed {
        /// The type, as RabbitMQ calls it.
        queue_type: &'static str,
    },
    /// A consumer of a stream must say how much it takes at once.
    NoPrefetch(Named),
    /// A quorum queue of which one consumer alone is active cannot be asked for a message.
    GetBesideActiveConsumer(Named),
    /// An argument that only queues of another type have.
    ForeignArgument {
        /// Which argument.
        argument: Name,
        /// Of what.
        named: Named,
        /// RabbitMQ's name for the type that was asked for.
        queue_type: &'static str,
    },
    /// Something has bindings or consumers, and was to be deleted only if not.
    InUse(Named),
    /// The queue has messages, and was to be deleted only if not.
    NotEmpty(Named),
    /// There are other consumers, or one that wants to be alone.
    ExclusiveUse(Named),
    /// The tag is taken in this session.
    ConsumerTagInUse {
        /// The tag.
        consumer: Name,
    },
    /// Only exchanges may publish to an internal exchange.
    InternalExchange(Named),
    /// `immediate` is not supported.
    Immediate,
    /// A message over the limit.
    MessageTooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        bytes_max: u64,
    },
    /// The `expiration` of a message is not valid.
    InvalidExpiration {
        /// As received.
        text: String,
        /// In RabbitMQ's words.
        reason: String,
    },
    /// A header of a message has a type that the broker cannot act on.
    InvalidMessage {
        /// In RabbitMQ's words.
        reason: String,
    },
    /// The message claims to be from another user.
    UserIdMismatch {
        /// The claim.
        claimed: String,
        /// The truth.
        user: Name,
    },
    /// The node has as many sessions as it may.
    NodeSessionLimit {
        /// The node.
        node: Name,
        /// The limit.
        sessions_max: u64,
    },
    /// The user has as many sessions as it may.
    UserSessionLimit {
        /// The user.
        user: Name,
        /// The limit.
        sessions_max: u64,
    },
    /// A delivery was not settled in time.
    DeliveryTimeout {
        /// Whose it was.
        session: SessionId,
        /// The time it had.
        timeout_ms: u64,
    },
    /// Something of transactions in a session that has none.
    NoTransaction,
    /// Transactions are not for a session with confirms.
    TransactionsAfterConfirms,
    /// Confirms are not for a session with transactions.
    ConfirmsAfterTransactions,
    /// A queue that the transaction publishes to is gone or full.
    TransactionFailed,
    /// A transaction with more in it than may be kept until its commit.
    TransactionTooLarge {
        /// The limit in bytes.
        bytes_max: u64,
    },
    /// A consumer of direct replies that wants to settle them.
    ReplyConsumerSettles,
    /// The session has a consumer of direct replies already.
    SecondReplyConsumer,
    /// A request for a direct reply, but nobody would get it.
    NoReplyConsumer,
    /// No such unsettled delivery.
    UnknownDelivery {
        /// The delivery named.
        delivery: u64,
    },
    /// Consumers of the session have reached their limit.
    TooManyConsumers {
        /// The limit.
        consumers_max: u32,
    },
    /// Something RabbitMQ does not do either, or that comes later.
    NotImplemented {
        /// In RabbitMQ's words.
        what: String,
    },
    /// No such vhost.
    VhostNotFound {
        /// The vhost asked for.
        vhost: Name,
    },
    /// The user has no permissions in the vhost.
    VhostRefused {
        /// The vhost asked for.
        vhost: Name,
        /// The user.
        user: Name,
    },
    /// A limit of connections is reached.
    ConnectionLimit {
        /// In RabbitMQ's words.
        reason: String,
    },
    /// A limit of the vhost is reached.
    QueueLimit {
        /// The queue asked for.
        queue: Name,
        /// The vhost.
        vhost: Name,
        /// The limit.
        queues_max: u64,
    },
    /// The node may have no more queues.
    NodeQueueLimit {
        /// The queue asked for.
        queue: Name,
        /// The limit.
        queues_max: u64,
    },
    /// The node may have no more exchanges.
    ExchangeLimit {
        /// The exchange asked for.
        named: Named,
        /// The limit.
        exchanges_max: u64,
    },
    /// The new secret is not right.
    SecretRefused,
    /// Something failed inside the broker; the log says what.
    Internal,
}
