//! One channel: whether it is open, whether its end is still owed an answer, and the content that is on its way.
//!
//! ```text
//!          channel.open           channel.close                 Closed (close-ok)
//!   Free ───────────────► Open ───────────────────► Leaving ─────────────────────► Free
//!                          │  error or refusal                       channel.open ► Open
//!                          └────────────────────► Refused ── close-ok ───────────► Free
//! ```
//!
//! The broker is told of every end with a `Close` and answers each with a `Closed`, in order. `endings` remembers
//! for each of them whether the peer waits for a `close-ok`: what comes from the broker before the first `Closed`
//! belongs to the session that ended first. So a number can be used again at once.

use std::collections::VecDeque;

use bytes::Bytes;
use model::{Message, message::BODY_INLINE_BYTES_MAX};

use crate::{
    codec::{BODY_BYTES_LIMIT, CLASS_BASIC, MethodId, Short, field::Field, frame::ContentHeader},
    error::ProtocolError,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Nobody uses the number.
    Free,
    Open,
    /// The peer has closed it; the broker has not finished with it.
    Leaving,
    /// We have closed it; the peer has not said `close-ok`.
    Refused,
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// The peer wants a `close-ok`.
    ByPeer,
    /// The peer has got a `channel.close`; nothing of the session matters to it any more.
    ByUs,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) number: u16,
    pub(crate) state: State,
    /// The method that a refusal is about: the last one that became a command.
    pub(crate) last: MethodId,
    pub(crate) endings: VecDeque<Ending>,
    pub(crate) content: Option<Box<Content>>,
}

impl Channel {
    pub(crate) fn new(number: u16) -> Self {
        Self { number, state: State::Open, last: MethodId::NONE, endings: VecDeque::new(), content: None }
    }

    /// Whether what the broker says of the session that ends first, or is there, matters to the peer.
    pub(crate) fn is_listening(&self) -> bool {
        match self.endings.front() {
            None => self.state == State::Open,
            Some(ending) => *ending == Ending::ByPeer,
        }
    }

    /// Whether nothing of it has to be remembered.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.state == State::Free && self.endings.is_empty()
    }
}

/// A publish whose header or body has not all come.
#[derive(Debug)]
pub(crate) struct Content {
    exchange: Vec<u8>,
    routing_key: Vec<u8>,
    pub(crate) mandatory: bool,
    immediate: bool,
    properties: Vec<u8>,
    /// Bytes that the header announced; `None` before the header.
    announced: Option<u64>,
    /// Bytes of the body that have come.
    received: u64,
    /// Bytes that a body may have.
    bytes_max: u64,
    /// The body; of one that is too large no more than the last frame.
    body: Vec<u8>,
}

impl Content {
    pub(crate) fn new(publish: &Publish<'_>) -> Self {
        Self {
            exchange: publish.exchange.0.to_vec(),
            routing_key: publish.routing_key.0.to_vec(),
            mandatory: publish.mandatory,
            immediate: publish.immediate,
            properties: Vec::new(),
            announced: None,
            received: 0,
            bytes_max: 0,
            body: Vec::new(),
        }
    }

    /// Whether the body is what comes next.
    pub(crate) fn wants_body(&self) -> bool {
        self.announced.is_some()
    }

    /// Bytes of the body that are still to come.
    pub(crate) fn missing(&self) -> u64 {
        self.announced.map_or(0, |announced| announced.saturating_sub(self.received))
    }

    /// Whether header and body are all there.
    pub(crate) fn is_whole(&self) -> bool {
        self.announced == Some(self.received)
    }

    /// Whether the body is one that will be taken.
    pub(crate) fn is_kept(&self) -> bool {
        self.announced.is_some_and(|announced| announced <= self.bytes_max)
    }

    /// Takes the payload of a header frame.
    pub(crate) fn header(&mut self, header: &ContentHeader<'_>, bytes_max: u64) -> Result<(), ProtocolError> {
        if self.wants_body() {
            return Err(ProtocolError::ExpectedBody);
        }
        check_header(header)?;
        if self.immediate {
            return Err(ProtocolError::Immediate);
        }
        if header.body_bytes > BODY_BYTES_LIMIT {
            return Err(ProtocolError::BodyTooLarge(header.body_bytes));
        }
        self.bytes_max = bytes_max;
        self.properties = header.properties.to_vec();
        self.announced = Some(header.body_bytes);
        Ok(())
    }

    /// Takes a piece of the body. Memory grows with what has come, not with what was announced.
    pub(crate) fn piece(&mut self, piece: &[u8]) -> Result<(), ProtocolError> {
        let missing = self.missing();
        if piece.len() as u64 > missing {
            return Err(ProtocolError::BodySurplus);
        }
        self.received = self.received.saturating_add(piece.len() as u64);
        if !self.is_kept() {
            self.body.clear();
        }
        let spare = self.body.capacity().saturating_sub(self.body.len());
        if piece.len() > spare {
            let missing = usize::try_from(missing).unwrap_or(usize::MAX);
            self.body.reserve_exact(piece.len().max(self.body.len()).min(missing));
        }
        self.body.extend_from_slice(piece);
        Ok(())
    }

    /// The first bytes of the last `length` ones that came.
    pub(crate) fn tail(&self, length: usize) -> &[u8] {
        self.body.get(self.body.len().saturating_sub(length)..).unwrap_or_default()
    }

    /// The message, once everything is there.
    pub(crate) fn into_message(self) -> Result<Message, ProtocolError> {
        // RabbitMQ: only now. A client that is told earlier takes it for the end of its publish.
        if !self.is_kept() {
            return Err(ProtocolError::MessageTooLarge { bytes: self.received, bytes_max: self.bytes_max });
        }
        let made = if self.body.len() > BODY_INLINE_BYTES_MAX {
            Message::with_large_body(
                &self.exchange,
                &self.routing_key,
                &self.properties,
                Bytes::from(self.body),
            )
        } else {
            Message::new(&self.exchange, &self.routing_key, &self.properties, &self.body)
        };
        made.map_err(ProtocolError::Properties)
    }
}

/// Checks that a header is one that may follow a publish.
pub(crate) fn check_header(header: &ContentHeader<'_>) -> Result<(), ProtocolError> {
    // RabbitMQ: a weight other than 0 is "non content header", whatever the class.
    if header.weight != 0 {
        return Err(ProtocolError::ExpectedHeader);
    }
    if header.class != CLASS_BASIC {
        return Err(ProtocolError::HeaderClass(header.class));
    }
    Ok(())
}

/// A publish where it lies in its frame: the method that is read most, so it is read without a detour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publish<'a> {
    /// Exchange and routing key, one behind the other.
    pub(crate) address: &'a [u8],
    pub(crate) exchange: Short<'a>,
    pub(crate) routing_key: Short<'a>,
    pub(crate) mandatory: bool,
    pub(crate) immediate: bool,
}

impl<'a> Publish<'a> {
    /// Reads the payload of a method frame; `None` if it is anything but a well-formed `basic.publish`.
    #[inline]
    pub(crate) fn decode(payload: &'a [u8]) -> Option<Self> {
        let [60, 40] = [field_of(payload, 0)?, field_of(payload, 2)?] else { return None };
        let (_, address) = payload.get(6..)?.split_last()?;
        let input = &mut payload.get(6..)?;
        let exchange = Short::take(input)?;
        let routing_key = Short::take(input)?;
        let bits = u8::take(input)?;
        let publish =
            Self { address, exchange, routing_key, mandatory: bits & 1 != 0, immediate: bits & 2 != 0 };
        input.is_empty().then_some(publish)
    }
}

fn field_of(payload: &[u8], at: usize) -> Option<u16> {
    u16::take(&mut payload.get(at..)?)
}
