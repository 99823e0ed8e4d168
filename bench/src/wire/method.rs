//! Methods appended to a buffer. Each function is one method with the arguments that a load driver varies.

use super::frame::{BODY, END, HEADER, METHOD, MethodId};

pub(crate) const CONNECTION_START: MethodId = (10, 10);
pub(crate) const CONNECTION_TUNE: MethodId = (10, 30);
pub(crate) const CONNECTION_OPEN_OK: MethodId = (10, 41);
pub(crate) const CONNECTION_CLOSE: MethodId = (10, 50);
pub(crate) const CONNECTION_CLOSE_OK: MethodId = (10, 51);
pub(crate) const CONNECTION_BLOCKED: MethodId = (10, 60);
pub(crate) const CONNECTION_UNBLOCKED: MethodId = (10, 61);
pub(crate) const CHANNEL_OPEN_OK: MethodId = (20, 11);
pub(crate) const CHANNEL_CLOSE: MethodId = (20, 40);
pub(crate) const EXCHANGE_DECLARE_OK: MethodId = (40, 11);
pub(crate) const EXCHANGE_DELETE_OK: MethodId = (40, 21);
pub(crate) const QUEUE_DECLARE_OK: MethodId = (50, 11);
pub(crate) const QUEUE_BIND_OK: MethodId = (50, 21);
pub(crate) const QUEUE_DELETE_OK: MethodId = (50, 41);
pub(crate) const QOS_OK: MethodId = (60, 11);
pub(crate) const CONSUME_OK: MethodId = (60, 21);
pub(crate) const PUBLISH: MethodId = (60, 40);
pub(crate) const DELIVER: MethodId = (60, 60);
pub(crate) const ACK: MethodId = (60, 80);
pub(crate) const NACK: MethodId = (60, 120);
pub(crate) const CONFIRM_SELECT_OK: MethodId = (85, 11);

/// What a client says before anything else.
pub(crate) const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// The largest payload of a body frame: what RabbitMQ proposes as `frame_max`, less the frame itself.
pub(crate) const BODY_FRAME_BYTES: usize = 131_072 - 8;

/// A value of a table of arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Yes,
}

/// A table of arguments.
pub(crate) type Arguments<'a> = &'a [(&'a str, Value<'a>)];

/// Appends a frame; `write` appends its payload.
fn frame(out: &mut Vec<u8>, kind: u8, channel: u16, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    with_length(out, write);
    out.push(END);
}

/// Appends a length of four bytes and what it counts.
fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

fn method(out: &mut Vec<u8>, channel: u16, id: MethodId, write: impl FnOnce(&mut Vec<u8>)) {
    frame(out, METHOD, channel, |out| {
        out.extend_from_slice(&id.0.to_be_bytes());
        out.extend_from_slice(&id.1.to_be_bytes());
        write(out);
    });
}

/// A text of at most 255 bytes; names of a bench are shorter, and a longer one is cut at a byte.
fn short(out: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend(text.bytes().take(usize::from(length)));
}

fn table(out: &mut Vec<u8>, arguments: Arguments<'_>) {
    with_length(out, |out| {
        for (name, value) in arguments {
            short(out, name);
            match value {
                Value::Text(text) => {
                    out.push(b'S');
                    with_length(out, |out| out.extend_from_slice(text.as_bytes()));
                }
                Value::Yes => out.extend_from_slice(b"t\x01"),
            }
        }
    });
}

pub(crate) fn start_ok(out: &mut Vec<u8>, user: &str, password: &str) {
    method(out, 0, (10, 11), |out| {
        with_length(out, |out| {
            let properties = [("product", Value::Text("harefoot-bench"))];
            let mut inner = Vec::new();
            table(&mut inner, &properties);
            out.extend_from_slice(inner.get(4..).unwrap_or_default());
            // `connection.blocked` is only told to those who say that they understand it.
            short(out, "capabilities");
            out.push(b'F');
            let capabilities = [
                ("connection.blocked", Value::Yes),
                ("publisher_confirms", Value::Yes),
                ("basic.nack", Value::Yes),
                ("consumer_cancel_notify", Value::Yes),
            ];
            table(out, &capabilities);
        });
        short(out, "PLAIN");
        with_length(out, |out| out.extend_from_slice(format!("\0{user}\0{password}").as_bytes()));
        short(out, "en_US");
    });
}

/// Heartbeats are always refused: an idle connection is to cost what it costs by itself.
pub(crate) fn tune_ok(out: &mut Vec<u8>, channel_max: u16, frame_max: u32) {
    method(out, 0, (10, 31), |out| {
        out.extend_from_slice(&channel_max.to_be_bytes());
        out.extend_from_slice(&frame_max.to_be_bytes());
        out.extend_from_slice(&0_u16.to_be_bytes());
    });
}

pub(crate) fn open(out: &mut Vec<u8>, vhost: &str) {
    method(out, 0, (10, 40), |out| {
        short(out, vhost);
        out.extend_from_slice(&[0, 0]);
    });
}

pub(crate) fn close(out: &mut Vec<u8>, code: u16, text: &str) {
    method(out, 0, CONNECTION_CLOSE, |out| {
        out.extend_from_slice(&code.to_be_bytes());
        short(out, text);
        out.extend_from_slice(&[0; 4]);
    });
}

pub(crate) fn channel_open(out: &mut Vec<u8>, channel: u16) {
    method(out, channel, (20, 10), |out| out.push(0));
}

pub(crate) fn exchange_declare(out: &mut Vec<u8>, exchange: &str, kind: &str) {
    method(out, 1, (40, 10), |out| {
        out.extend_from_slice(&[0, 0]);
        short(out, exchange);
        short(out, kind);
        out.push(0);
        table(out, &[]);
    });
}

pub(crate) fn exchange_delete(out: &mut Vec<u8>, exchange: &str) {
    method(out, 1, (40, 20), |out| {
        out.extend_from_slice(&[0, 0]);
        short(out, exchange);
        out.push(0);
    });
}

/// How a queue is declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Declare {
    /// Only asked for.
    Passive,
    Transient,
    Durable,
}

pub(crate) fn queue_declare(out: &mut Vec<u8>, queue: &str, how: Declare, arguments: Arguments<'_>) {
    method(out, 1, (50, 10), |out| {
        out.extend_from_slice(&[0, 0]);
        short(out, queue);
        out.push(match how {
            Declare::Passive => 1,
            Declare::Transient => 0,
            Declare::Durable => 2,
        });
        table(out, arguments);
    });
}

pub(crate) fn queue_delete(out: &mut Vec<u8>, queue: &str) {
    method(out, 1, (50, 40), |out| {
        out.extend_from_slice(&[0, 0]);
        short(out, queue);
        out.push(0);
    });
}

pub(crate) fn queue_bind(out: &mut Vec<u8>, queue: &str, exchange: &str, key: &str) {
    method(out, 1, (50, 20), |out| {
        out.extend_from_slice(&[0, 0]);
        short(out, queue);
        short(out, exchange);
        short(out, key);
        out.push(0);
        table(out, &[]);
    });
}

pub(crate) fn qos(out: &mut Vec<u8>, channel: u16, prefetch: u16) {
    method(out, channel, (60, 10), |out| {
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&prefetch.to_be_bytes());
        out.push(0);
    });
}

pub(crate) fn consume(
    out: &mut Vec<u8>,
    channel: u16,
    queue: &str,
    tag: &str,
    has_acks: bool,
    arguments: Arguments<'_>,
) {
    method(out, channel, (60, 20), |out| {
        out.extend_from_slice(&[0, 0]);
        short(out, queue);
        short(out, tag);
        out.push(if has_acks { 0 } else { 2 });
        table(out, arguments);
    });
}

pub(crate) fn confirm_select(out: &mut Vec<u8>, channel: u16) {
    method(out, channel, (85, 10), |out| out.push(0));
}

pub(crate) fn ack(out: &mut Vec<u8>, channel: u16, tag: u64, is_multiple: bool) {
    method(out, channel, ACK, |out| {
        out.extend_from_slice(&tag.to_be_bytes());
        out.push(u8::from(is_multiple));
    });
}

/// A delivery's method frame, as a broker writes it: for the relay.
#[inline]
pub(crate) fn deliver(out: &mut Vec<u8>, channel: u16, tag: u64, exchange: &[u8], key: &[u8]) {
    method(out, channel, DELIVER, |out| {
        out.extend_from_slice(b"\x05bench");
        out.extend_from_slice(&tag.to_be_bytes());
        out.push(0);
        out.push(u8::try_from(exchange.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(exchange);
        out.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(key);
    });
}

/// Where a message goes, and how long it is to live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Publish<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) key: &'a str,
    pub(crate) is_persistent: bool,
}

impl Publish<'_> {
    /// Appends the frames of one message; gives the place of the body in `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, channel: u16, body: &[u8]) -> usize {
        method(out, channel, PUBLISH, |out| {
            out.extend_from_slice(&[0, 0]);
            short(out, self.exchange);
            short(out, self.key);
            out.push(0);
        });
        frame(out, HEADER, channel, |out| {
            out.extend_from_slice(&60_u16.to_be_bytes());
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&(body.len() as u64).to_be_bytes());
            // Only `delivery-mode` is set: bit 12 of the flags.
            out.extend_from_slice(&0x1000_u16.to_be_bytes());
            out.push(if self.is_persistent { 2 } else { 1 });
        });
        let body_at = out.len() + 7;
        for piece in body.chunks(BODY_FRAME_BYTES) {
            frame(out, BODY, channel, |out| out.extend_from_slice(piece));
        }
        body_at
    }
}
