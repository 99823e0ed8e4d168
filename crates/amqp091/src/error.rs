//! What a peer did wrong, one variant per misbehaviour. Displayed in RabbitMQ's words, as they go into a close frame.
//!
//! Which code each of them has, and whether it ends a channel or the connection, is in `reply`.

use model::{message::MessageError, table::TableError};

use crate::codec::{BODY_BYTES_LIMIT, MethodId, Snippet};

/// Where a connection is in its life, as RabbitMQ calls it in its texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// `connection.start` is sent.
    Starting,
    /// The broker is looking at the credentials.
    Securing,
    /// `connection.tune` is sent.
    Tuning,
    /// Tuned; `connection.open` is to come or being looked at.
    Opening,
    /// Open.
    Running,
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Securing => "securing",
            Self::Tuning => "tuning",
            Self::Opening => "opening",
            Self::Running => "running",
        }
    }
}

/// What is negotiated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tunable {
    /// Channels of a connection.
    ChannelMax,
    /// Bytes of a frame.
    FrameMax,
}

impl Tunable {
    fn word(self) -> &'static str {
        match self {
            Self::ChannelMax => "channel_max",
            Self::FrameMax => "frame_max",
        }
    }
}

/// The peer broke a rule.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The first eight bytes are not those of 0-9-1.
    #[error("the client did not start with the header of AMQP 0-9-1")]
    Header {
        /// What they were.
        found: [u8; 8],
    },
    /// A frame over the agreed size.
    #[error("type {kind}, all octets = <<>>: {{frame_too_large,{bytes},{bytes_max}}}")]
    FrameTooLarge {
        /// Type of the frame.
        kind: u8,
        /// Bytes of its payload.
        bytes: u32,
        /// Bytes it may have.
        bytes_max: u32,
    },
    /// A frame that does not end where it says.
    #[error("type {kind}, {} octets = {snippet}: {{invalid_frame_end_marker,{found}}}", snippet.extent())]
    FrameEnd {
        /// Type of the frame.
        kind: u8,
        /// Its payload.
        snippet: Snippet,
        /// The byte at its end.
        found: u8,
    },
    /// A frame of a type that does not exist, or too short for its type.
    #[error("type {kind}, {} octets = {snippet}: unknown_frame", snippet.extent())]
    UnknownFrame {
        /// Type of the frame.
        kind: u8,
        /// Its payload.
        snippet: Snippet,
    },
    /// A frame on a channel where its type makes no sense.
    #[error("type {kind}, {} octets = {snippet}", snippet.extent())]
    UnexpectedFrame {
        /// Type of the frame.
        kind: u8,
        /// Its payload.
        snippet: Snippet,
    },
    /// More bytes than a stranger may send.
    #[error("more than {bytes_max} bytes before authentication")]
    TooMuchUnauthenticated {
        /// The limit.
        bytes_max: u32,
    },
    /// The fields of a method end too early or too late.
    #[error("cannot decode {fields}")]
    MethodFields {
        /// The fields as Erlang writes a binary.
        fields: String,
    },
    /// There is no such method.
    #[error("unknown {0}")]
    UnknownMethod(MethodId),
    /// A method that only servers send, or that is not for channels.
    #[error("unimplemented method")]
    UnimplementedMethod,
    /// A method out of turn on channel 0.
    #[error("unexpected method in connection state {}", .0.word())]
    UnexpectedMethod(Stage),
    /// A short string that is not UTF-8.
    #[error("Malformed UTF-8 in shortstr")]
    NotUtf8,
    /// A field table that is none.
    #[error("malformed field table: {0}")]
    Table(TableError),
    /// No such mechanism, or it is off.
    #[error("unknown authentication mechanism '{mechanism}'")]
    UnknownMechanism {
        /// What was asked for.
        mechanism: String,
    },
    /// The response of PLAIN is not of its form.
    #[error("response to PLAIN is malformed")]
    PlainResponse,
    /// The response of AMQPLAIN is no table.
    #[error("response to AMQPLAIN is malformed: {0}")]
    AmqplainResponse(TableError),
    /// LOGIN or PASSWORD is not there.
    #[error("AMQPLAIN auth info is missing LOGIN or PASSWORD field")]
    AmqplainMissing,
    /// LOGIN or PASSWORD is not a long string.
    #[error("AMQPLAIN auth info uses unsupported type {kind} for LOGIN or PASSWORD field")]
    AmqplainType {
        /// The type it has.
        kind: &'static str,
    },
    /// No name that a user could have.
    #[error("the name of the user is not UTF-8 or longer than 255 bytes")]
    UserName,
    /// A negotiated value over its limit (or "no limit" where there is one).
    #[error(
        "negotiated {} = {value} is higher than the maximum allowed value ({limit})",
        tunable.word()
    )]
    NegotiatedTooHigh {
        /// What.
        tunable: Tunable,
        /// What the client chose.
        value: u32,
        /// What it may choose.
        limit: u32,
    },
    /// A negotiated value that nothing would work with.
    #[error("negotiated {} = {value} is lower than the minimum allowed value ({limit})", tunable.word())]
    NegotiatedTooLow {
        /// What.
        tunable: Tunable,
        /// What the client chose.
        value: u32,
        /// What it may choose.
        limit: u32,
    },
    /// A method on a channel that is not open.
    #[error("expected 'channel.open'")]
    ChannelNotOpen,
    /// `channel.open` on an open channel.
    #[error("second 'channel.open' seen")]
    SecondChannelOpen,
    /// More channels than agreed on.
    #[error("number of channels opened ({open}) has reached the negotiated channel_max ({channel_max})")]
    TooManyChannels {
        /// Channels that are open.
        open: u32,
        /// The limit.
        channel_max: u16,
    },
    /// A header or body where a method should be.
    #[error("expected method frame, got non method frame instead")]
    ExpectedMethod,
    /// Something else where the header of a content should be.
    #[error("expected content header for class 60, got non content header frame instead")]
    ExpectedHeader,
    /// The header of another class.
    #[error("expected content header for class 60, got one for class {0} instead")]
    HeaderClass(u16),
    /// Something else where a body should be.
    #[error("expected content body, got non content body frame instead")]
    ExpectedBody,
    /// A body longer than its header says.
    #[error("content body frame exceeds remaining content size")]
    BodySurplus,
    /// A header that announces more than any message may have.
    #[error("content body size {0} exceeds maximum allowed size {BODY_BYTES_LIMIT}")]
    BodyTooLarge(u64),
    /// A message over the configured limit.
    #[error("message size {bytes} is larger than configured max size {bytes_max}")]
    MessageTooLarge {
        /// Bytes of its body.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The properties of a content cannot be read.
    #[error("malformed content: {0}")]
    Properties(MessageError),
    /// `immediate` is not there any more.
    #[error("immediate=true")]
    Immediate,
    /// A prefetch in bytes.
    #[error("prefetch_size!=0 ({0})")]
    PrefetchSize(u32),
    /// `basic.recover` without requeue.
    #[error("requeue=false")]
    RecoverWithoutRequeue,
    /// The client wants deliveries to pause.
    #[error("active=false")]
    FlowInactive,
}

impl From<TableError> for ProtocolError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}
