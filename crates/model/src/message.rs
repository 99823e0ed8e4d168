//! A message as the broker holds it: where it was published to, its properties and body as they were received.
//!
//! Head and body together are also its form on disk, so that neither a publish nor a delivery converts anything:
//!
//! ```text
//! format:u8 | exchange:shortstr | routing key:shortstr | length:u32 properties | body
//!                            └─ address ────────────────────────────────┘
//! ```
//!
//! `format` is 1 for AMQP 0-9-1 as published. It is 2 or 3 for a message that the broker has dead-lettered: then the headers
//! about its deaths are the broker's own, and not something that the publisher made up. With 3 it got a new routing key
//! at that, which alone counts: its `CC` is there to be read only.
//! `properties` are the flag words and the list that follows them in a content header, byte for byte.

use bytes::{BufMut, Bytes};

use crate::prefetch::{LINE_BYTES, prefetch};

pub mod properties;

use properties::Digest;
pub use properties::{Properties, PropertiesError, flag};

const FORMAT_PUBLISHED: u8 = 1;
const FORMAT_DEAD_LETTERED: u8 = 2;
const FORMAT_REROUTED: u8 = 3;

/// Bodies up to this size stand behind the head in one allocation; larger ones keep the buffer they came in.
pub const BODY_INLINE_BYTES_MAX: usize = 4096;

/// Beyond these the processor has seen by itself what is read.
const PREFETCHED_LINES: usize = 4;

/// A published message. A clone shares its bytes.
///
/// With its count of references it is 64 bytes: a line of the processor's caches, and a size that allocators have ready.
#[derive(Clone, Debug)]
pub struct Message {
    /// The head; a small body follows it.
    buffer: Bytes,
    /// The body if it is not in `buffer`.
    large: Option<Box<Bytes>>,
    head_bytes: u32,
    properties_at: u16,
    delivery_mode: u8,
    priority: u8,
}

/// Why a payload from disk is no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MessageError {
    /// It ends in the middle of a field.
    #[error("the message is cut off")]
    CutOff,
    /// A format this version does not know.
    #[error("unknown message format {0}")]
    UnknownFormat(u8),
    /// Its properties cannot be read.
    #[error(transparent)]
    Properties(#[from] PropertiesError),
}

impl Message {
    /// Puts a message together. `properties` begin with the flag words of a content header.
    ///
    /// # Errors
    /// When the properties cannot be read. `exchange` and `routing_key` are at most 255 bytes (cut off beyond).
    pub fn new(
        exchange: &[u8],
        routing_key: &[u8],
        properties: &[u8],
        body: &[u8],
    ) -> Result<Self, MessageError> {
        Self::published(&address(exchange, routing_key), properties, body)
    }

    /// As [`Message::new`]; `address` is exchange and routing key as two short strings, the form in which both a publish and
    /// a message have them.
    ///
    /// # Errors
    /// As [`Message::new`].
    pub fn published(address: &[u8], properties: &[u8], body: &[u8]) -> Result<Self, MessageError> {
        if body.len() > BODY_INLINE_BYTES_MAX {
            let large = Some(Box::new(Bytes::copy_from_slice(body)));
            return Self::assemble(FORMAT_PUBLISHED, address, properties, &[], large);
        }
        Self::assemble(FORMAT_PUBLISHED, address, properties, body, None)
    }

    /// As [`Message::new`], with a body that is kept in the buffer it came in.
    ///
    /// # Errors
    /// As [`Message::new`].
    pub fn with_large_body(
        exchange: &[u8],
        routing_key: &[u8],
        properties: &[u8],
        body: Bytes,
    ) -> Result<Self, MessageError> {
        Self::with_format(FORMAT_PUBLISHED, exchange, routing_key, properties, body)
    }

    /// As [`Message::with_large_body`], for a message whose headers tell of its deaths. `is_rerouted`: the routing key is
    /// a new one, and `CC` leads nowhere any more.
    ///
    /// # Errors
    /// As [`Message::new`].
    pub fn dead_lettered(
        exchange: &[u8],
        routing_key: &[u8],
        properties: &[u8],
        body: Bytes,
        is_rerouted: bool,
    ) -> Result<Self, MessageError> {
        let format = if is_rerouted { FORMAT_REROUTED } else { FORMAT_DEAD_LETTERED };
        Self::with_format(format, exchange, routing_key, properties, body)
    }

    /// The same message with other properties.
    ///
    /// # Errors
    /// As [`Message::new`].
    pub fn with_properties(&self, properties: &[u8]) -> Result<Self, MessageError> {
        let format = self.buffer.first().copied().unwrap_or(FORMAT_PUBLISHED);
        Self::with_format(format, self.exchange(), self.routing_key(), properties, self.body_shared())
    }

    fn with_format(
        format: u8,
        exchange: &[u8],
        routing_key: &[u8],
        properties: &[u8],
        body: Bytes,
    ) -> Result<Self, MessageError> {
        let address = address(exchange, routing_key);
        if body.len() <= BODY_INLINE_BYTES_MAX {
            return Self::assemble(format, &address, properties, &body, None);
        }
        Self::assemble(format, &address, properties, &[], Some(Box::new(body)))
    }

    fn assemble(
        format: u8,
        address: &[u8],
        properties: &[u8],
        inline: &[u8],
        large: Option<Box<Bytes>>,
    ) -> Result<Self, MessageError> {
        let Digest { delivery_mode, priority } = Digest::check(properties)?;
        let head_bytes = 1 + address.len() + 4 + properties.len();
        let mut buffer = Vec::with_capacity(head_bytes + inline.len());
        buffer.push(format);
        buffer.extend_from_slice(address);
        buffer.put_u32(u32::try_from(properties.len()).map_err(|_| MessageError::CutOff)?);
        let properties_at = buffer.len();
        buffer.extend_from_slice(properties);
        buffer.extend_from_slice(inline);
        Ok(Self {
            properties_at: u16::try_from(properties_at).map_err(|_| MessageError::CutOff)?,
            head_bytes: u32::try_from(head_bytes).map_err(|_| MessageError::CutOff)?,
            delivery_mode,
            priority,
            buffer: buffer.into(),
            large,
        })
    }

    /// Reads a message back from its form on disk, without copying it.
    ///
    /// # Errors
    /// When the payload is no message.
    pub fn decode(payload: Bytes) -> Result<Self, MessageError> {
        let mut rest = &payload[..];
        let format = take(&mut rest, 1)?.first().copied().unwrap_or(0);
        if !matches!(format, FORMAT_PUBLISHED | FORMAT_DEAD_LETTERED | FORMAT_REROUTED) {
            return Err(MessageError::UnknownFormat(format));
        }
        take_short(&mut rest)?;
        take_short(&mut rest)?;
        let length = take(&mut rest, 4)?.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let properties_at = payload.len() - rest.len();
        let properties = take(&mut rest, usize::try_from(length).map_err(|_| MessageError::CutOff)?)?;
        let Digest { delivery_mode, priority } = Digest::check(properties)?;
        let head_bytes = payload.len() - rest.len();
        Ok(Self {
            properties_at: u16::try_from(properties_at).map_err(|_| MessageError::CutOff)?,
            head_bytes: u32::try_from(head_bytes).map_err(|_| MessageError::CutOff)?,
            delivery_mode,
            priority,
            buffer: payload,
            large: None,
        })
    }

    /// Exchange and routing key together, as encoded: the key of a route cache.
    #[inline]
    pub fn address(&self) -> &[u8] {
        self.part(1, self.properties_at.saturating_sub(4).into())
    }

    /// The exchange it was published to.
    #[inline]
    pub fn exchange(&self) -> &[u8] {
        self.part(2, self.key_at())
    }

    /// The routing key it was published with.
    #[inline]
    pub fn routing_key(&self) -> &[u8] {
        self.part(self.key_at() + 1, self.properties_at.saturating_sub(4).into())
    }

    /// The properties as received: flag words, then the list.
    #[inline]
    pub fn raw_properties(&self) -> &[u8] {
        self.part(self.properties_at.into(), self.head_len())
    }

    /// The properties, parsed. They were checked when the message was made.
    pub fn properties(&self) -> Properties<'_> {
        Properties::parse(self.raw_properties()).unwrap_or_default()
    }

    /// Everything before the body, as on disk.
    #[inline]
    pub fn head(&self) -> &[u8] {
        self.part(0, self.head_len())
    }

    /// The body.
    #[inline]
    pub fn body(&self) -> &[u8] {
        match &self.large {
            None => self.part(self.head_len(), self.buffer.len()),
            Some(large) => large,
        }
    }

    /// The body as a counted reference, for a write that does not copy it.
    pub fn body_shared(&self) -> Bytes {
        match &self.large {
            None => self.buffer.slice(self.head_len()..),
            Some(large) => Bytes::clone(large),
        }
    }

    /// Whether the publisher asked for the message to survive a restart (`delivery_mode` 2).
    #[inline]
    pub fn is_persistent(&self) -> bool {
        self.delivery_mode == 2
    }

    /// The first word of property flags, for asking whether a property is there without parsing: see [`flag`].
    #[inline]
    pub fn flags(&self) -> u16 {
        self.raw_properties().first_chunk::<2>().map_or(0, |bytes| u16::from_be_bytes(*bytes))
    }

    /// Whether it asks for more than to be delivered: see the bits of [`flag`].
    #[inline]
    pub fn is_special(&self) -> bool {
        const SPECIAL: u16 = flag::HEADERS | flag::REPLY_TO | flag::EXPIRATION | flag::USER_ID;
        self.flags() & SPECIAL != 0
    }

    /// Asks the processor for its first bytes, for whoever reads them soon.
    #[inline]
    pub fn prefetch(&self) {
        for line in self.buffer.chunks(LINE_BYTES).take(PREFETCHED_LINES) {
            if let Some(first) = line.first() {
                prefetch(first);
            }
        }
    }

    /// The priority, 0 if none was given.
    #[inline]
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Whether the broker has dead-lettered it: only then its headers say true things about its deaths.
    pub fn is_dead_lettered(&self) -> bool {
        matches!(self.buffer.first(), Some(&(FORMAT_DEAD_LETTERED | FORMAT_REROUTED)))
    }

    /// Whether its routing key alone says where it goes.
    pub fn is_rerouted(&self) -> bool {
        self.buffer.first() == Some(&FORMAT_REROUTED)
    }

    /// Bytes of head and body.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.buffer.len() + self.large.as_ref().map_or(0, |large| large.len())
    }

    /// Where the exchange ends and the length of the routing key stands.
    #[inline]
    fn key_at(&self) -> usize {
        2 + self.buffer.get(1).copied().map_or(0, usize::from)
    }

    #[inline]
    fn head_len(&self) -> usize {
        self.head_bytes as usize
    }

    #[inline]
    fn part(&self, from: usize, to: usize) -> &[u8] {
        self.buffer.get(from..to).unwrap_or_default()
    }
}

/// Exchange and routing key as a message has them; what is beyond 255 bytes is cut off.
fn address(exchange: &[u8], routing_key: &[u8]) -> Vec<u8> {
    let mut address = Vec::with_capacity(2 + exchange.len() + routing_key.len());
    for text in [exchange, routing_key] {
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        address.push(length);
        address.extend_from_slice(text.get(..length.into()).unwrap_or_default());
    }
    address
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], MessageError> {
    let (taken, rest) = input.split_at_checked(length).ok_or(MessageError::CutOff)?;
    *input = rest;
    Ok(taken)
}

fn take_short<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], MessageError> {
    let length = take(input, 1)?.first().copied().unwrap_or(0);
    take(input, length.into())
}

#[cfg(test)]
mod tests;
