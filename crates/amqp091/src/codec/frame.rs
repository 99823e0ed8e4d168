//! One frame: its head, its payload, and how to put one into a buffer.

use std::fmt;

use bytes::BufMut;

use super::{
    FRAME_BODY, FRAME_END, FRAME_HEAD_BYTES, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD,
    FRAME_OVERHEAD_BYTES, Method, Short, field::Field,
};

/// The first seven bytes of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHead {
    /// Method, header, body or heartbeat.
    pub kind: u8,
    /// The channel.
    pub channel: u16,
    /// Bytes of the payload.
    pub size: u32,
}

/// A whole frame, borrowed from where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Method, header, body or heartbeat.
    pub kind: u8,
    /// The channel.
    pub channel: u16,
    /// What is between head and end.
    pub payload: &'a [u8],
    /// The byte where [`FRAME_END`] should be.
    pub end: u8,
}

impl FrameHead {
    /// Reads the head at the front of `input`, if it is all there.
    pub fn peek(input: &[u8]) -> Option<Self> {
        let [kind, c1, c0, s3, s2, s1, s0] = *input.first_chunk::<FRAME_HEAD_BYTES>()?;
        Some(Self { kind, channel: u16::from_be_bytes([c1, c0]), size: u32::from_be_bytes([s3, s2, s1, s0]) })
    }

    /// Bytes of the whole frame.
    pub fn frame_bytes(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX).saturating_add(FRAME_OVERHEAD_BYTES)
    }
}

impl<'a> Frame<'a> {
    /// Takes the frame at the front of `input`, if it is all there. The caller has looked at the size.
    pub fn take(input: &mut &'a [u8]) -> Option<Self> {
        let head = FrameHead::peek(input)?;
        let (whole, rest) = input.split_at_checked(head.frame_bytes())?;
        let (&end, front) = whole.split_last()?;
        let payload = front.get(FRAME_HEAD_BYTES..)?;
        *input = rest;
        Some(Self { kind: head.kind, channel: head.channel, payload, end })
    }
}

/// The header of a content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentHeader<'a> {
    /// The class of the method it belongs to.
    pub class: u16,
    /// Always 0.
    pub weight: u16,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Flag words and values.
    pub properties: &'a [u8],
}

impl<'a> ContentHeader<'a> {
    /// Reads the payload of a header frame.
    pub fn decode(mut payload: &'a [u8]) -> Option<Self> {
        let input = &mut payload;
        let class = u16::take(input)?;
        let weight = u16::take(input)?;
        let body_bytes = u64::take(input)?;
        Some(Self { class, weight, body_bytes, properties: input })
    }
}

/// Appends a frame that holds `method`.
pub fn put_method(out: &mut Vec<u8>, channel: u16, method: &Method<'_>) {
    put_with(out, FRAME_METHOD, channel, |out| method.encode(out));
}

/// Appends a frame that holds `basic.deliver`. `address` is exchange and routing key as the method holds them.
pub(crate) fn put_deliver(
    out: &mut Vec<u8>,
    channel: u16,
    consumer: Short<'_>,
    number: u64,
    redelivered: bool,
    address: &[u8],
) {
    const FIXED_BYTES: usize = 4 + 1 + 8 + 1;
    let Short(consumer) = consumer;
    let size = FIXED_BYTES.saturating_add(consumer.len()).saturating_add(address.len());
    let [kind, c1, c0, s3, s2, s1, s0] = head(FRAME_METHOD, channel, size);
    let length = u8::try_from(consumer.len()).unwrap_or(u8::MAX);
    out.extend_from_slice(&[kind, c1, c0, s3, s2, s1, s0, 0, 60, 0, 60, length]);
    out.extend_from_slice(consumer);
    let [n7, n6, n5, n4, n3, n2, n1, n0] = number.to_be_bytes();
    out.extend_from_slice(&[n7, n6, n5, n4, n3, n2, n1, n0, redelivered.into()]);
    out.extend_from_slice(address);
    out.push(FRAME_END);
}

/// Appends a frame that holds the header of a content.
pub fn put_header(out: &mut Vec<u8>, channel: u16, class: u16, body_bytes: u64, properties: &[u8]) {
    let [kind, c1, c0, s3, s2, s1, s0] = head(FRAME_HEADER, channel, properties.len().saturating_add(12));
    let [k1, k0] = class.to_be_bytes();
    let [b7, b6, b5, b4, b3, b2, b1, b0] = body_bytes.to_be_bytes();
    out.extend_from_slice(&[kind, c1, c0, s3, s2, s1, s0, k1, k0, 0, 0, b7, b6, b5, b4, b3, b2, b1, b0]);
    out.extend_from_slice(properties);
    out.push(FRAME_END);
}

/// Appends a frame that holds a piece of a body.
pub fn put_body(out: &mut Vec<u8>, channel: u16, piece: &[u8]) {
    put_head(out, FRAME_BODY, channel, piece.len());
    out.extend_from_slice(piece);
    out.push(FRAME_END);
}

/// Appends a heartbeat.
pub fn put_heartbeat(out: &mut Vec<u8>) {
    put_head(out, FRAME_HEARTBEAT, 0, 0);
    out.put_u8(FRAME_END);
}

/// Appends the head of a frame.
pub(crate) fn put_head(out: &mut Vec<u8>, kind: u8, channel: u16, size: usize) {
    out.extend_from_slice(&head(kind, channel, size));
}

fn head(kind: u8, channel: u16, size: usize) -> [u8; FRAME_HEAD_BYTES] {
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes();
    [kind, c1, c0, s3, s2, s1, s0]
}

/// Appends a frame whose payload is as long as `fill` makes it.
pub(crate) fn put_with(out: &mut Vec<u8>, kind: u8, channel: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    put_head(out, kind, channel, 0);
    let payload_at = out.len();
    fill(out);
    let size = u32::try_from(out.len().saturating_sub(payload_at)).unwrap_or(u32::MAX);
    if let Some(slot) = out.get_mut(payload_at.saturating_sub(4)..payload_at) {
        slot.copy_from_slice(&size.to_be_bytes());
    }
    out.put_u8(FRAME_END);
}

/// The first bytes of something that could not be read, kept for the error text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snippet {
    bytes: [u8; 16],
    length: u8,
    is_whole: bool,
}

impl Snippet {
    /// Keeps the first sixteen bytes of `payload`.
    pub fn new(payload: &[u8]) -> Self {
        let mut bytes = [0; 16];
        let length = payload.len().min(16);
        for (slot, byte) in bytes.iter_mut().zip(payload) {
            *slot = *byte;
        }
        Self { bytes, length: u8::try_from(length).unwrap_or(16), is_whole: payload.len() <= 16 }
    }

    /// `all` or `first 16`.
    pub(crate) fn extent(&self) -> &'static str {
        if self.is_whole { "all" } else { "first 16" }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }
}

/// Written as Erlang writes a binary, since that is how RabbitMQ's texts show bytes: `<<"abc">>` or `<<0,10>>`.
impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        f.write_str("<<")?;
        if !bytes.is_empty() && bytes.iter().all(|byte| matches!(byte, 0x20..=0x7E)) {
            f.write_str("\"")?;
            for &byte in bytes {
                if matches!(byte, b'"' | b'\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{}", char::from(byte))?;
            }
            f.write_str("\"")?;
        } else {
            for (at, byte) in bytes.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                write!(f, "{comma}{byte}")?;
            }
        }
        f.write_str(">>")
    }
}
