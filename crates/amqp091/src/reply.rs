//! What goes into a close frame: code and text of everything that can be refused or done wrong.
//!
//! Two exhaustive tables, `Refusal` → and `ProtocolError` →, in RabbitMQ 4.0.5's words. The facts come with the
//! values; nothing is decided here.

use std::fmt::{self, Write as _};

use model::{Refusal, SessionId, refusal::Property};

use crate::error::ProtocolError;

mod term;

use term::Side;

/// The longest text of a close frame, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// What a close ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// One channel.
    Channel,
    /// The connection.
    Connection,
}

/// The codes of AMQP 0-9-1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are those of the protocol's own document")]
pub enum Code {
    ReplySuccess,
    NoRoute,
    ConnectionForced,
    AccessRefused,
    NotFound,
    ResourceLocked,
    PreconditionFailed,
    FrameError,
    SyntaxError,
    CommandInvalid,
    ChannelError,
    UnexpectedFrame,
    NotAllowed,
    NotImplemented,
    InternalError,
}

impl Code {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self.parts().0
    }

    /// The name as it begins a text.
    pub const fn name(self) -> &'static str {
        self.parts().1
    }

    const fn parts(self) -> (u16, &'static str) {
        match self {
            Self::ReplySuccess => (200, "REPLY_SUCCESS"),
            Self::NoRoute => (312, "NO_ROUTE"),
            Self::ConnectionForced => (320, "CONNECTION_FORCED"),
            Self::AccessRefused => (403, "ACCESS_REFUSED"),
            Self::NotFound => (404, "NOT_FOUND"),
            Self::ResourceLocked => (405, "RESOURCE_LOCKED"),
            Self::PreconditionFailed => (406, "PRECONDITION_FAILED"),
            Self::FrameError => (501, "FRAME_ERROR"),
            Self::SyntaxError => (502, "SYNTAX_ERROR"),
            Self::CommandInvalid => (503, "COMMAND_INVALID"),
            Self::ChannelError => (504, "CHANNEL_ERROR"),
            Self::UnexpectedFrame => (505, "UNEXPECTED_FRAME"),
            Self::NotAllowed => (530, "NOT_ALLOWED"),
            Self::NotImplemented => (540, "NOT_IMPLEMENTED"),
            Self::InternalError => (541, "INTERNAL_ERROR"),
        }
    }
}

/// Code, text and what is ended by it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// What it ends.
    pub scope: Scope,
    /// Its code.
    pub code: Code,
    /// `NAME - explanation`, at most 255 bytes.
    pub text: String,
}

impl Reply {
    /// A reply of `code` with `explanation` behind the code's name.
    pub fn new(scope: Scope, code: Code, explanation: impl fmt::Display) -> Self {
        let mut text = format!("{} - ", code.name());
        // Writing to a string cannot fail.
        let _ = write!(text, "{explanation}");
        Self { scope, code, text: shortened(text) }
    }

    fn bare(scope: Scope, code: Code) -> Self {
        Self { scope, code, text: code.name().to_owned() }
    }

    /// The login was refused. The text tells a stranger nothing.
    pub fn login_refused(mechanism: &str) -> Self {
        Self::new(
            Scope::Connection,
            Code::AccessRefused,
            format_args!(
                "Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
            ),
        )
    }

    /// The broker ends the connection.
    pub fn forced(reason: &str) -> Self {
        Self::new(Scope::Connection, Code::ConnectionForced, reason)
    }

    /// In what words and by what code RabbitMQ refuses this.
    pub fn from_refusal(refusal: &Refusal) -> Self {
        use Code::{AccessRefused, NotAllowed, NotFound, NotImplemented, PreconditionFailed, ResourceLocked};
        use Scope::{Channel, Connection};
        let (scope, code) = match refusal {
            Refusal::NotFound(_) | Refusal::NoPreviousQueue => (Channel, NotFound),
            Refusal::Locked(_) | Refusal::GetBesideActiveConsumer(_) => (Channel, ResourceLocked),
            Refusal::ReservedName { .. }
            | Refusal::DefaultExchange
            | Refusal::SystemExchange(_)
            | Refusal::AccessRefused { .. }
            | Refusal::TopicRefused { .. }
            | Refusal::ExclusiveUse(_)
            | Refusal::InternalExchange(_) => (Channel, AccessRefused),
            Refusal::InvalidExchange { .. }
            | Refusal::InvalidQueue { .. }
            | Refusal::InvalidBinding { .. }
            | Refusal::NoPrefetch(_)
            | Refusal::Inequivalent { .. }
            | Refusal::UnknownExchangeType { .. }
            | Refusal::InvalidArgument { .. }
            | Refusal::InvalidArgumentType { .. }
            | Refusal::ForeignArgument { .. }
            | Refusal::InvalidProperty { .. }
            | Refusal::ServerNamed { .. }
            | Refusal::InUse(_)
            | Refusal::NotEmpty(_)
            | Refusal::MessageTooLarge { .. }
            | Refusal::InvalidExpiration { .. }
            | Refusal::InvalidMessage { .. }
            | Refusal::UserIdMismatch { .. }
            | Refusal::DeliveryTimeout { .. }
            | Refusal::NoTransaction
            | Refusal::TransactionsAfterConfirms
            | Refusal::ConfirmsAfterTransactions
            | Refusal::TransactionFailed
            | Refusal::TransactionTooLarge { .. }
            | Refusal::ReplyConsumerSettles
            | Refusal::SecondReplyConsumer
            | Refusal::NoReplyConsumer
            | Refusal::UnknownDelivery { .. }
            | Refusal::QueueLimit { .. }
            | Refusal::NodeQueueLimit { .. }
            | Refusal::ExchangeLimit { .. } => (Channel, PreconditionFailed),
            Refusal::ConsumerTagInUse { .. }
            | Refusal::TooManyConsumers { .. }
            | Refusal::NodeSessionLimit { .. }
            | Refusal::UserSessionLimit { .. }
            | Refusal::VhostNotFound { .. }
            | Refusal::VhostRefused { .. }
            | Refusal::ConnectionLimit { .. }
            | Refusal::SecretRefused => (Connection, NotAllowed),
            Refusal::Immediate | Refusal::NotImplemented { .. } => (Connection, NotImplemented),
            // RabbitMQ says nothing but the name where it crashed.
            Refusal::Internal => return Self::bare(Connection, Code::InternalError),
        };
        Self::new(scope, code, Explanation(refusal))
    }

    /// In what words and by what code RabbitMQ answers this.
    pub fn from_protocol_error(error: &ProtocolError) -> Self {
        use ProtocolError as E;
        use Scope::{Channel, Connection};
        let (scope, code) = match error {
            E::FrameTooLarge { .. }
            | E::FrameEnd { .. }
            | E::UnknownFrame { .. }
            | E::MethodFields { .. }
            | E::NotUtf8
            | E::BodySurplus
            | E::BodyTooLarge(_)
            | E::TooMuchUnauthenticated { .. } => (Connection, Code::FrameError),
            E::Table(_)
            | E::Properties(_)
            | E::Header { .. }
            | E::PlainResponse
            | E::AmqplainResponse(_)
            | E::AmqplainMissing
            | E::AmqplainType { .. }
            | E::UserName => (Connection, Code::SyntaxError),
            E::UnknownMethod(_) | E::UnimplementedMethod | E::UnknownMechanism { .. } => {
                (Connection, Code::CommandInvalid)
            }
            E::UnexpectedMethod(_) | E::ChannelNotOpen | E::SecondChannelOpen => {
                (Connection, Code::ChannelError)
            }
            E::UnexpectedFrame { .. }
            | E::ExpectedMethod
            | E::ExpectedHeader
            | E::HeaderClass(_)
            | E::ExpectedBody => (Connection, Code::UnexpectedFrame),
            E::NegotiatedTooHigh { .. } | E::NegotiatedTooLow { .. } | E::TooManyChannels { .. } => {
                (Connection, Code::NotAllowed)
            }
            E::MessageTooLarge { .. } => (Channel, Code::PreconditionFailed),
            E::Immediate | E::PrefetchSize(_) | E::RecoverWithoutRequeue | E::FlowInactive => {
                (Connection, Code::NotImplemented)
            }
        };
        Self::new(scope, code, error)
    }
}

/// Cuts a text to what a short string can carry, at a character's end, with dots to show it.
fn shortened(mut text: String) -> String {
    const DOTS: &str = "...";
    if text.len() > TEXT_BYTES_MAX {
        let mut end = TEXT_BYTES_MAX.saturating_sub(DOTS.len());
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        text.truncate(end);
        text.push_str(DOTS);
    }
    text
}

/// A refusal in RabbitMQ's words.
struct Explanation<'a>(&'a Refusal);

impl fmt::Display for Explanation<'_> {
    #[expect(clippy::too_many_lines, reason = "one line or two for each refusal")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Refusal::NotFound(named) => write!(f, "no {named}"),
            Refusal::NoPreviousQueue => f.write_str("no previously declared queue"),
            Refusal::InvalidExchange { reason }
            | Refusal::InvalidQueue { reason }
            | Refusal::InvalidBinding { reason }
            | Refusal::ConnectionLimit { reason } => f.write_str(reason),
            Refusal::NotImplemented { what } => f.write_str(what),
            Refusal::Inequivalent { argument, named, received, current } => {
                // RabbitMQ names the types only where one side has nothing.
                let with_types = *received == Property::None || *current == Property::None;
                let (received, current) = (Side(received, with_types), Side(current, with_types));
                write!(
                    f,
                    "inequivalent arg '{argument}' for {named}: received {received} but current is {current}"
                )
            }
            Refusal::Locked(named) => write!(
                f,
                "cannot obtain exclusive access to locked {named}. It could be originally declared on another \
                 connection or the exclusive property value does not match that of the original declaration."
            ),
            Refusal::ReservedName { resource, name } => {
                write!(f, "{resource} name '{name}' contains reserved prefix 'amq.*'")
            }
            Refusal::DefaultExchange => f.write_str("operation not permitted on the default exchange"),
            Refusal::SystemExchange(named) => write!(f, "deletion of system {named} not allowed"),
            // RabbitMQ: invalid is any word that its process happens to know for another reason, as it always does the
            // empty one.
            Refusal::UnknownExchangeType { kind } if kind.is_empty() => {
                f.write_str("invalid exchange type ''")
            }
            Refusal::UnknownExchangeType { kind } => write!(f, "unknown exchange type '{kind}'"),
            Refusal::AccessRefused { permission, named, user } => {
                write!(f, "{permission} access to {named} refused for user '{user}'")
            }
            Refusal::TopicRefused { permission, routing_key, exchange, vhost, user } => write!(
                f,
                "{permission} access to topic '{routing_key}' in exchange '{exchange}' in vhost '{vhost}' \
                 refused for user '{user}'"
            ),
            Refusal::InvalidArgument { argument, named, reason } => {
                write!(f, "invalid arg '{argument}' for {named}: {reason}")
            }
            Refusal::InvalidArgumentType { argument, named, found } => {
                write!(f, "invalid type '{found}' for arg '{argument}' in {named}")
            }
            Refusal::InvalidProperty { property, named } => {
                write!(f, "invalid property '{property}' for {named}")
            }
            Refusal::ServerNamed { queue_type } => {
                write!(f, "Cannot declare a server-named queue for type {queue_type}")
            }
            Refusal::NoPrefetch(named) => {
                write!(f, "consumer prefetch count is not set for stream {named}")
            }
            Refusal::GetBesideActiveConsumer(named) => write!(
                f,
                "cannot obtain access to locked {named}. basic.get operations are not supported by quorum queues \
                 with single active consumer"
            ),
            Refusal::ForeignArgument { argument, named, queue_type } => {
                write!(f, "invalid arg '{argument}' for {named} of queue type {queue_type}")
            }
            Refusal::InUse(named) => write!(f, "{named} in use"),
            Refusal::NotEmpty(named) => write!(f, "{named} not empty"),
            Refusal::ExclusiveUse(named) => write!(f, "{named} in exclusive use"),
            Refusal::ConsumerTagInUse { consumer } => write!(f, "attempt to reuse consumer tag '{consumer}'"),
            Refusal::InternalExchange(named) => write!(f, "cannot publish to internal {named}"),
            Refusal::Immediate => f.write_str("immediate=true"),
            Refusal::MessageTooLarge { bytes, bytes_max } => {
                write!(f, "message size {bytes} is larger than configured max size {bytes_max}")
            }
            Refusal::InvalidExpiration { text, reason } => write!(f, "invalid expiration '{text}': {reason}"),
            Refusal::InvalidMessage { reason } => write!(f, "invalid message: {reason}"),
            Refusal::UserIdMismatch { claimed, user } => {
                write!(f, "user_id property set to '{claimed}' but authenticated user was '{user}'")
            }
            Refusal::DeliveryTimeout { session: SessionId(number), timeout_ms } => write!(
                f,
                "delivery acknowledgement on channel {number} timed out. Timeout value used: {timeout_ms} ms. \
                 This timeout value can be configured, see consumers doc guide to learn more"
            ),
            Refusal::NoTransaction => f.write_str("channel is not transactional"),
            Refusal::TransactionsAfterConfirms => f.write_str("cannot switch from confirm to tx mode"),
            Refusal::ConfirmsAfterTransactions => f.write_str("cannot switch from tx to confirm mode"),
            Refusal::TransactionFailed => f.write_str("partial tx completion"),
            Refusal::TransactionTooLarge { bytes_max } => {
                write!(f, "transaction is larger than {bytes_max} bytes")
            }
            Refusal::ReplyConsumerSettles => f.write_str("reply consumer cannot acknowledge"),
            Refusal::SecondReplyConsumer => f.write_str("reply consumer already set"),
            Refusal::NoReplyConsumer => f.write_str("fast reply consumer does not exist"),
            Refusal::UnknownDelivery { delivery } => write!(f, "unknown delivery tag {delivery}"),
            Refusal::UserSessionLimit { user, sessions_max } => write!(
                f,
                "number of channels opened for user '{user}' has reached the maximum allowed user limit of \
                 ({sessions_max})"
            ),
            Refusal::NodeSessionLimit { node, sessions_max } => write!(
                f,
                "number of channels opened on node '{node}' has reached the maximum allowed limit of ({sessions_max})"
            ),
            Refusal::TooManyConsumers { consumers_max } => {
                write!(f, "reached maximum ({consumers_max}) of consumers per channel")
            }
            Refusal::VhostNotFound { vhost } => write!(f, "vhost {vhost} not found"),
            Refusal::VhostRefused { vhost, user } => {
                write!(f, "access to vhost '{vhost}' refused for user '{user}'")
            }
            Refusal::QueueLimit { queue, vhost, queues_max } => write!(
                f,
                "cannot declare queue '{queue}': queue limit in vhost '{vhost}' ({queues_max}) is reached"
            ),
            Refusal::NodeQueueLimit { queue, queues_max } => {
                write!(f, "cannot declare queue '{queue}': queue limit in cluster ({queues_max}) is reached")
            }
            Refusal::ExchangeLimit { named, exchanges_max } => {
                write!(f, "cannot declare {named}: exchange limit of {exchanges_max} is reached")
            }
            Refusal::SecretRefused => f.write_str("New secret was refused by one of the backends"),
            Refusal::Internal => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
