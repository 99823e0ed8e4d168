//! Every method of AMQP 0-9-1 with RabbitMQ's extensions: what it is called, its numbers, its fields.
//!
//! One table, read as *class method "name" Variant { fields } [bits] { fields after the bits }*. Bits share one byte.
//! `short` and `long` are the two kinds of string, `table` is a field table, `content` marks a method that is followed
//! by a header and a body. [`Method`] (both directions) and [`SHAPES`] (the same as data) are made from it.

use std::fmt;

use super::field::{Bits, Field, Long, RawTable, Short};

/// The numbers of a class and of one of its methods; `0.0` where no method is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct MethodId {
    /// The class.
    pub class: u16,
    /// The method in its class.
    pub method: u16,
}

impl MethodId {
    /// No method.
    pub const NONE: Self = Self::new(0, 0);
    /// `connection.tune`, which a refused negotiation is about.
    pub const TUNE: Self = Self::new(10, 30);
    /// `connection.open`.
    pub const CONNECTION_OPEN: Self = Self::new(10, 40);
    /// `connection.update-secret`.
    pub const UPDATE_SECRET: Self = Self::new(10, 70);
    /// `basic.publish`.
    pub const PUBLISH: Self = Self::new(60, 40);

    /// The method `method` of class `class`.
    pub const fn new(class: u16, method: u16) -> Self {
        Self { class, method }
    }
}

/// Written as a method's name if it has one.
impl fmt::Display for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SHAPES.iter().find(|shape| shape.id == *self) {
            Some(shape) => f.write_str(shape.name),
            None => write!(f, "method {} of class {}", self.method, self.class),
        }
    }
}

/// Why the payload of a method frame is no method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MethodError {
    /// Shorter than the two numbers of a method.
    NoNumbers,
    /// There is no method of these numbers.
    Unknown(MethodId),
    /// Its fields end too early or too late.
    Fields(MethodId),
}

/// The type of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One byte.
    Octet,
    /// Two bytes.
    Short16,
    /// Four bytes.
    Long32,
    /// Eight bytes.
    LongLong64,
    /// A string of at most 255 bytes.
    ShortString,
    /// A string with four bytes of length.
    LongString,
    /// A field table.
    Table,
    /// One bit; neighbours share a byte.
    Bit,
}

/// A method as data.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Its numbers.
    pub id: MethodId,
    /// Its name: `basic.publish`.
    pub name: &'static str,
    /// Whether a header and a body follow.
    pub has_content: bool,
    /// Its fields in their order.
    pub fields: &'static [(&'static str, Kind)],
}

macro_rules! rust_type {
    (u8) => { u8 };
    (u16) => { u16 };
    (u32) => { u32 };
    (u64) => { u64 };
    (short) => { Short<'a> };
    (long) => { Long<'a> };
    (table) => { RawTable<'a> };
}

macro_rules! kind {
    (u8) => {
        Kind::Octet
    };
    (u16) => {
        Kind::Short16
    };
    (u32) => {
        Kind::Long32
    };
    (u64) => {
        Kind::LongLong64
    };
    (short) => {
        Kind::ShortString
    };
    (long) => {
        Kind::LongString
    };
    (table) => {
        Kind::Table
    };
}

macro_rules! has_content {
    () => {
        false
    };
    (content) => {
        true
    };
}

macro_rules! methods {
    ($( $class:literal $method:literal $name:literal $variant:ident $($content:ident)?
        { $($before:ident: $before_kind:ident),* } [ $($bit:ident),* ] { $($after:ident: $after_kind:ident),* } )*) => {
        /// A method, its strings and tables borrowed from where they lie.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[expect(missing_docs, reason = "the names are those of the protocol's own document")]
        pub enum Method<'a> {
            $( $variant {
                $($before: rust_type!($before_kind),)*
                $($bit: bool,)*
                $($after: rust_type!($after_kind),)*
            }, )*
        }

        /// All methods, ordered by their numbers.
        pub const SHAPES: &[Shape] = &[ $( Shape {
            id: MethodId::new($class, $method),
            name: $name,
            has_content: has_content!($($content)?),
            fields: &[
                $((stringify!($before), kind!($before_kind)),)*
                $((stringify!($bit), Kind::Bit),)*
                $((stringify!($after), kind!($after_kind)),)*
            ],
        }, )* ];

        impl<'a> Method<'a> {
            /// Its numbers.
            pub const fn id(&self) -> MethodId {
                match self { $( Self::$variant { .. } => MethodId::new($class, $method), )* }
            }

            /// Its name: `basic.publish`.
            pub const fn name(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $name, )* }
            }

            /// Whether a header and a body follow.
            pub const fn has_content(&self) -> bool {
                match self { $( Self::$variant { .. } => has_content!($($content)?), )* }
            }

            fn decode_fields(id: MethodId, input: &mut &'a [u8]) -> Result<Self, MethodError> {
                match (id.class, id.method) {
                    $( ($class, $method) => (|| {
                        $( let $before = Field::take(input)?; )*
                        const BITS: &[&str] = &[$(stringify!($bit)),*];
                        let bits = &mut Bits::take(input, BITS.len())?;
                        let _ = &bits;
                        $( let $bit = bits.next(); )*
                        $( let $after = Field::take(input)?; )*
                        Some(Self::$variant { $($before,)* $($bit,)* $($after,)* })
                    })().ok_or(MethodError::Fields(id)), )*
                    _ => Err(MethodError::Unknown(id)),
                }
            }

            fn encode_fields(&self, out: &mut Vec<u8>) {
                match self { $( Self::$variant { $($before,)* $($bit,)* $($after,)* } => {
                    $( $before.put(out); )*
                    let bits = &mut Bits::default();
                    $( bits.push(*$bit); )*
                    bits.put(out);
                    $( $after.put(out); )*
                } )* }
            }
        }
    };
}

methods! {
    10 10 "connection.start" ConnectionStart
        { version_major: u8, version_minor: u8, server_properties: table, mechanisms: long, locales: long } [] {}
    10 11 "connection.start-ok" ConnectionStartOk
        { client_properties: table, mechanism: short, response: long, locale: short } [] {}
    10 20 "connection.secure" ConnectionSecure { challenge: long } [] {}
    10 21 "connection.secure-ok" ConnectionSecureOk { response: long } [] {}
    10 30 "connection.tune" ConnectionTune { channel_max: u16, frame_max: u32, heartbeat: u16 } [] {}
    10 31 "connection.tune-ok" ConnectionTuneOk { channel_max: u16, frame_max: u32, heartbeat: u16 } [] {}
    10 40 "connection.open" ConnectionOpen { virtual_host: short, capabilities: short } [insist] {}
    10 41 "connection.open-ok" ConnectionOpenOk { known_hosts: short } [] {}
    10 50 "connection.close" ConnectionClose
        { reply_code: u16, reply_text: short, class_id: u16, method_id: u16 } [] {}
    10 51 "connection.close-ok" ConnectionCloseOk {} [] {}
    10 60 "connection.blocked" ConnectionBlocked { reason: short } [] {}
    10 61 "connection.unblocked" ConnectionUnblocked {} [] {}
    10 70 "connection.update-secret" ConnectionUpdateSecret { new_secret: long, reason: short } [] {}
    10 71 "connection.update-secret-ok" ConnectionUpdateSecretOk {} [] {}

    20 10 "channel.open" ChannelOpen { out_of_band: short } [] {}
    20 11 "channel.open-ok" ChannelOpenOk { channel_id: long } [] {}
    20 20 "channel.flow" ChannelFlow {} [active] {}
    20 21 "channel.flow-ok" ChannelFlowOk {} [active] {}
    20 40 "channel.close" ChannelClose { reply_code: u16, reply_text: short, class_id: u16, method_id: u16 } [] {}
    20 41 "channel.close-ok" ChannelCloseOk {} [] {}

    30 10 "access.request" AccessRequest { realm: short } [exclusive, passive, active, write, read] {}
    30 11 "access.request-ok" AccessRequestOk { ticket: u16 } [] {}

    40 10 "exchange.declare" ExchangeDeclare
        { ticket: u16, exchange: short, kind: short } [passive, durable, auto_delete, internal, nowait]
        { arguments: table }
    40 11 "exchange.declare-ok" ExchangeDeclareOk {} [] {}
    40 20 "exchange.delete" ExchangeDelete { ticket: u16, exchange: short } [if_unused, nowait] {}
    40 21 "exchange.delete-ok" ExchangeDeleteOk {} [] {}
    40 30 "exchange.bind" ExchangeBind
        { ticket: u16, destination: short, source: short, routing_key: short } [nowait] { arguments: table }
    40 31 "exchange.bind-ok" ExchangeBindOk {} [] {}
    40 40 "exchange.unbind" ExchangeUnbind
        { ticket: u16, destination: short, source: short, routing_key: short } [nowait] { arguments: table }
    40 51 "exchange.unbind-ok" ExchangeUnbindOk {} [] {}

    50 10 "queue.declare" QueueDeclare
        { ticket: u16, queue: short } [passive, durable, exclusive, auto_delete, nowait] { arguments: table }
    50 11 "queue.declare-ok" QueueDeclareOk { queue: short, message_count: u32, consumer_count: u32 } [] {}
    50 20 "queue.bind" QueueBind
        { ticket: u16, queue: short, exchange: short, routing_key: short } [nowait] { arguments: table }
    50 21 "queue.bind-ok" QueueBindOk {} [] {}
    50 30 "queue.purge" QueuePurge { ticket: u16, queue: short } [nowait] {}
    50 31 "queue.purge-ok" QueuePurgeOk { message_count: u32 } [] {}
    50 40 "queue.delete" QueueDelete { ticket: u16, queue: short } [if_unused, if_empty, nowait] {}
    50 41 "queue.delete-ok" QueueDeleteOk { message_count: u32 } [] {}
    50 50 "queue.unbind" QueueUnbind
        { ticket: u16, queue: short, exchange: short, routing_key: short, arguments: table } [] {}
    50 51 "queue.unbind-ok" QueueUnbindOk {} [] {}

    60 10 "basic.qos" BasicQos { prefetch_size: u32, prefetch_count: u16 } [global] {}
    60 11 "basic.qos-ok" BasicQosOk {} [] {}
    60 20 "basic.consume" BasicConsume
        { ticket: u16, queue: short, consumer_tag: short } [no_local, no_ack, exclusive, nowait] { arguments: table }
    60 21 "basic.consume-ok" BasicConsumeOk { consumer_tag: short } [] {}
    60 30 "basic.cancel" BasicCancel { consumer_tag: short } [nowait] {}
    60 31 "basic.cancel-ok" BasicCancelOk { consumer_tag: short } [] {}
    60 40 "basic.publish" BasicPublish content
        { ticket: u16, exchange: short, routing_key: short } [mandatory, immediate] {}
    60 50 "basic.return" BasicReturn content
        { reply_code: u16, reply_text: short, exchange: short, routing_key: short } [] {}
    60 60 "basic.deliver" BasicDeliver content
        { consumer_tag: short, delivery_tag: u64 } [redelivered] { exchange: short, routing_key: short }
    60 70 "basic.get" BasicGet { ticket: u16, queue: short } [no_ack] {}
    60 71 "basic.get-ok" BasicGetOk content
        { delivery_tag: u64 } [redelivered] { exchange: short, routing_key: short, message_count: u32 }
    60 72 "basic.get-empty" BasicGetEmpty { cluster_id: short } [] {}
    60 80 "basic.ack" BasicAck { delivery_tag: u64 } [multiple] {}
    60 90 "basic.reject" BasicReject { delivery_tag: u64 } [requeue] {}
    60 100 "basic.recover-async" BasicRecoverAsync {} [requeue] {}
    60 110 "basic.recover" BasicRecover {} [requeue] {}
    60 111 "basic.recover-ok" BasicRecoverOk {} [] {}
    60 120 "basic.nack" BasicNack { delivery_tag: u64 } [multiple, requeue] {}

    85 10 "confirm.select" ConfirmSelect {} [nowait] {}
    85 11 "confirm.select-ok" ConfirmSelectOk {} [] {}

    90 10 "tx.select" TxSelect {} [] {}
    90 11 "tx.select-ok" TxSelectOk {} [] {}
    90 20 "tx.commit" TxCommit {} [] {}
    90 21 "tx.commit-ok" TxCommitOk {} [] {}
    90 30 "tx.rollback" TxRollback {} [] {}
    90 31 "tx.rollback-ok" TxRollbackOk {} [] {}
}

impl<'a> Method<'a> {
    /// Reads the payload of a method frame. Bytes behind the last field make it malformed.
    ///
    /// # Errors
    /// When the payload is no method.
    pub fn decode(payload: &'a [u8]) -> Result<Self, MethodError> {
        let input = &mut { payload };
        let (Some(class), Some(method)) = (u16::take(input), u16::take(input)) else {
            return Err(MethodError::NoNumbers);
        };
        let id = MethodId::new(class, method);
        let decoded = Self::decode_fields(id, input)?;
        if input.is_empty() { Ok(decoded) } else { Err(MethodError::Fields(id)) }
    }

    /// Appends the payload of a method frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let id = self.id();
        id.class.put(out);
        id.method.put(out);
        self.encode_fields(out);
    }
}
