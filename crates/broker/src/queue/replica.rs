//! The entries of a replicated queue: what is put before what its logs hold (decisions 13 and 20).
//!
//! All records of a replicated queue, whatever their level, are numbered in one row: a number is the index of an entry. Each
//! says of which kind it is and in which term it was made.
//!
//! ```text
//! enqueue = 0x81 term:varint origin:varint [number:varint] message
//! settle  = 0x82 term:varint parts
//! return  = 0x83 term:varint level:u8 index:varint count:varint
//! give up = 0x84 term:varint reason:u8 parts
//! purge   = 0x85 term:varint parts
//!
//! parts   = for each level concerned: level:u8 count:varint, then per range of indexes: gap:varint (from the end of the one
//!           before) extra:varint (length - 1)
//! ```
//! `origin` is 0, or the id of the queue that gave the message up, and `number` then the index it had there. A message is
//! called by the index of its *enqueue*. The numbers of kinds are not those that a message begins with, nor a level: what
//! was written before there were terms is read as well.

use std::{borrow::Cow, ops::RangeInclusive};

use bytes::{Buf, Bytes};
use model::{Message, message::MessageError};
use storage::codec::{Fields, put_varint};

use crate::dead_letter::Reason;

const ENQUEUE: u8 = 0x81;
const SETTLE: u8 = 0x82;
const RETURN: u8 = 0x83;
const GIVE_UP: u8 = 0x84;
const PURGE: u8 = 0x85;
/// The term of a queue that has no other replica: nobody was ever elected.
const ALONE: u64 = 0;

/// A message came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Return {
    pub(super) level: u8,
    /// Of the message.
    pub(super) index: u64,
    /// How often by now.
    pub(super) count: u64,
}

/// How messages left the queue for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Departure {
    /// By the verdict of a consumer, with nothing more to be done.
    Settled,
    /// The queue did not keep them.
    GivenUp(Reason),
    Purged,
}

/// Messages of a level, by their indexes.
pub(super) type Part = (u8, Vec<RangeInclusive<u64>>);

/// An entry that is no message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    Return(Return),
    Departure(Departure, Vec<Part>),
}

/// What stands before a message, its own head with it.
pub(super) fn enqueue_head(message: &Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.head().len().saturating_add(3));
    out.push(ENQUEUE);
    put_varint(&mut out, ALONE);
    put_varint(&mut out, 0);
    out.extend_from_slice(message.head());
    out
}

/// The message of an entry, without copying it.
pub(super) fn decode_enqueue(mut payload: Bytes) -> Result<Message, MessageError> {
    if payload.first() == Some(&ENQUEUE) {
        let before = enqueue_prefix(&payload).ok_or(MessageError::CutOff)?;
        payload.advance(before);
    }
    Message::decode(payload)
}

/// How many bytes stand before the message.
fn enqueue_prefix(payload: &[u8]) -> Option<usize> {
    let mut fields = Fields::new(payload);
    fields.u8()?;
    fields.varint()?;
    if fields.varint()? != 0 {
        fields.varint()?;
    }
    payload.len().checked_sub(fields.rest().len())
}

impl Return {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![RETURN];
        put_varint(&mut out, ALONE);
        out.push(self.level);
        put_varint(&mut out, self.index);
        put_varint(&mut out, self.count);
        out
    }
}

impl Departure {
    /// The entry which says that these messages are gone, each range once.
    pub(super) fn encode<'a>(self, parts: impl Iterator<Item = (u8, &'a [RangeInclusive<u64>])>) -> Vec<u8> {
        let kind = match self {
            Self::Settled => SETTLE,
            Self::GivenUp(_) => GIVE_UP,
            Self::Purged => PURGE,
        };
        let mut out = vec![kind];
        put_varint(&mut out, ALONE);
        if let Self::GivenUp(reason) = self {
            out.push(reason.number());
        }
        for (level, ranges) in parts {
            out.push(level);
            put_varint(&mut out, ranges.len() as u64);
            let mut before = 0;
            for range in ascending(ranges).iter() {
                put_varint(&mut out, range.start().saturating_sub(before));
                put_varint(&mut out, range.end().saturating_sub(*range.start()));
                before = *range.end();
            }
        }
        out
    }
}

impl Entry {
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(payload);
        let kind = fields.u8()?;
        if !matches!(kind, SETTLE | RETURN | GIVE_UP | PURGE) {
            let (index, count) = fields.rest().split_first_chunk::<8>()?;
            let count = u64::from_be_bytes(count.try_into().ok()?);
            return Some(Self::Return(Return { level: kind, index: u64::from_be_bytes(*index), count }));
        }
        fields.varint()?;
        let departure = match kind {
            SETTLE => Departure::Settled,
            GIVE_UP => Departure::GivenUp(Reason::of_number(fields.u8()?)?),
            PURGE => Departure::Purged,
            _ => {
                let (level, index, count) = (fields.u8()?, fields.varint()?, fields.varint()?);
                return Some(Self::Return(Return { level, index, count }));
            }
        };
        let mut parts = Vec::new();
        while !fields.rest().is_empty() {
            parts.push(part(&mut fields)?);
        }
        Some(Self::Departure(departure, parts))
    }
}

fn ascending(ranges: &[RangeInclusive<u64>]) -> Cow<'_, [RangeInclusive<u64>]> {
    let mut ranges = Cow::Borrowed(ranges);
    if !ranges.is_sorted_by_key(RangeInclusive::start) {
        ranges.to_mut().sort_unstable_by_key(|range| *range.start());
    }
    ranges
}

fn part(fields: &mut Fields<'_>) -> Option<Part> {
    let level = fields.u8()?;
    let mut ranges = Vec::new();
    let mut before = 0_u64;
    for _ in 0..fields.varint()? {
        let start = before.checked_add(fields.varint()?)?;
        let end = start.checked_add(fields.varint()?)?;
        ranges.push(start..=end);
        before = end;
    }
    Some((level, ranges))
}

#[cfg(test)]
mod tests;
