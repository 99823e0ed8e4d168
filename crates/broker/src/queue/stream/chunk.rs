//! A chunk: the messages of one append to a stream, and what must be known to find them. One entry of the log is one chunk.
//!
//! ```text
//! version:u8 (1) | filter bytes:u8 | 0:u16 | messages:u32
//! first offset:u64 | appended at:u64 (milliseconds since 1970)
//! segment: first chunk:u64, first offset:u64, bytes of its chunks before this one:u64
//! filter | messages: length:u32, message
//! ```
//! Numbers are little-endian. A message is in its form on disk, with its offset among its headers, as it is delivered. The
//! number of a chunk is its index in the log: they have no gaps, but for what was lost. The last chunk of a segment says
//! all there is to say about the segment, so that nothing else need be kept of it. Storage has checksums; here only
//! nonsense is refused.

use bytes::{BufMut, Bytes};
use storage::Lsn;

/// The version of the layout.
const VERSION: u8 = 1;
/// Bytes of a head without the filter.
pub(super) const HEAD_BYTES: usize = 48;
/// Bytes that tell the length of a message.
const LENGTH_BYTES: usize = 4;

/// Why an entry is no chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ChunkError {
    /// It ends in the middle of a field.
    #[error("the chunk is cut off")]
    CutOff,
    /// A layout this version does not know.
    #[error("unknown version {0} of a chunk")]
    UnknownVersion(u8),
    /// Numbers that cannot be.
    #[error("the head of the chunk contradicts itself")]
    Nonsense,
}

/// The segment that a chunk is in, as far as it goes up to that chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Membership {
    pub(super) first_chunk: u64,
    pub(super) first_offset: u64,
    /// Bytes of the chunks before this one.
    pub(super) bytes_before: u64,
}

/// What a chunk says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) messages: u32,
    pub(super) first_offset: u64,
    /// Never goes back from chunk to chunk.
    pub(super) appended_ms: u64,
    pub(super) segment: Membership,
}

impl Head {
    /// The offset behind the last message.
    pub(super) fn end_offset(&self) -> u64 {
        self.first_offset.saturating_add(self.messages.into())
    }

    /// Writes head and filter; the messages follow.
    pub(super) fn encode(&self, filter: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES.saturating_add(filter.len()));
        out.put_u8(VERSION);
        let filter_bytes = u8::try_from(filter.len());
        out.put_u8(filter_bytes.unwrap_or_else(|_| unreachable!("a filter has at most 255 bytes")));
        out.put_u16_le(0);
        out.put_u32_le(self.messages);
        out.put_u64_le(self.first_offset);
        out.put_u64_le(self.appended_ms);
        out.put_u64_le(self.segment.first_chunk);
        out.put_u64_le(self.segment.first_offset);
        out.put_u64_le(self.segment.bytes_before);
        out.extend_from_slice(filter);
        out
    }
}

/// Begins a message as a chunk holds it; returns where its head begins.
pub(super) fn begin_message(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    out.len()
}

/// The message that began there is complete.
pub(super) fn end_message(out: &mut [u8], at: usize) {
    let length = u32::try_from(out.len().saturating_sub(at));
    let length = length.unwrap_or_else(|_| unreachable!("no message has 4 GiB"));
    let before = out.get_mut(at.saturating_sub(LENGTH_BYTES)..).and_then(|rest| rest.first_chunk_mut());
    if let Some(place) = before {
        *place = length.to_le_bytes();
    }
}

/// A chunk. A clone shares its bytes.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) number: u64,
    pub(super) head: Head,
    /// It is durable once this is.
    pub(super) lsn: Lsn,
    payload: Bytes,
    messages_at: usize,
}

impl Chunk {
    /// One that was just put together, and is not in the log yet.
    pub(super) fn new(number: u64, head: Head, payload: Bytes, messages_at: usize) -> Self {
        Self { number, head, lsn: Lsn(u64::MAX), payload, messages_at }
    }

    /// Reads what the log has as entry `number`.
    pub(super) fn decode(number: u64, lsn: Lsn, payload: Bytes) -> Result<Self, ChunkError> {
        let fixed: &[u8; HEAD_BYTES] = payload.first_chunk().ok_or(ChunkError::CutOff)?;
        let [version, filter_bytes, ..] = *fixed;
        if version != VERSION {
            return Err(ChunkError::UnknownVersion(version));
        }
        let u64_at = |at: usize| {
            let bytes = fixed.get(at..).and_then(|rest| rest.first_chunk::<8>());
            bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        let segment =
            Membership { first_chunk: u64_at(24), first_offset: u64_at(32), bytes_before: u64_at(40) };
        let messages = u32::from_le_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
        let head = Head { messages, first_offset: u64_at(8), appended_ms: u64_at(16), segment };
        let messages_at = HEAD_BYTES.saturating_add(filter_bytes.into());
        let is_sane = messages > 0
            && segment.first_chunk <= number
            && segment.first_offset <= head.first_offset
            && head.first_offset.checked_add(messages.into()).is_some();
        if !is_sane {
            return Err(ChunkError::Nonsense);
        }
        if payload.len() < messages_at {
            return Err(ChunkError::CutOff);
        }
        Ok(Self { number, head, lsn, payload, messages_at })
    }

    /// What the log has of it.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Bytes of the whole.
    pub(super) fn bytes(&self) -> u64 {
        self.payload.len() as u64
    }

    /// What the filter values of its messages left behind; empty if none of them has one.
    pub(super) fn filter(&self) -> &[u8] {
        self.payload.get(HEAD_BYTES..self.messages_at).unwrap_or_default()
    }

    /// Where its messages begin.
    pub(super) fn messages_at(&self) -> usize {
        self.messages_at
    }

    /// The message at this place, without a copy, and the place of the next. None behind the last.
    pub(super) fn message_at(&self, at: usize) -> Option<(Bytes, usize)> {
        let length = u32::from_le_bytes(*self.payload.get(at..)?.first_chunk::<LENGTH_BYTES>()?);
        let from = at.checked_add(LENGTH_BYTES)?;
        let to = from.checked_add(usize::try_from(length).ok()?)?;
        (to <= self.payload.len()).then(|| (self.payload.slice(from..to), to))
    }
}

#[cfg(test)]
pub(super) mod tests;
