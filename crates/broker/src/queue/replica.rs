//! The entries of a replicated queue: what is put before what its logs hold (decision 13).
//!
//! All records of a replicated queue, whatever their level, are numbered in one row: a number is the index of an entry. Each
//! says of which kind it is and in which term it was made.
//!
//! ```text
//! enqueue = 0x81 term:varint origin:varint [number:varint] message
//! return  = 0x83 term:varint level:u8 index:varint count:varint
//! ```
//! `origin` is 0, or the id of the queue that gave the message up, and `number` then the index it had there. A message is
//! called by the index of its *enqueue*. The numbers of kinds are not those that a message begins with, nor a level: what
//! was written before there were terms is read as well.

use bytes::{Buf, Bytes};
use model::{Message, message::MessageError};
use storage::codec::{Fields, put_varint};

const ENQUEUE: u8 = 0x81;
const RETURN: u8 = 0x83;
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

    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(payload);
        match fields.u8()? {
            RETURN => {
                fields.varint()?;
                Some(Self { level: fields.u8()?, index: fields.varint()?, count: fields.varint()? })
            }
            level => {
                let (index, count) = fields.rest().split_first_chunk::<8>()?;
                let count = u64::from_be_bytes(count.try_into().ok()?);
                Some(Self { level, index: u64::from_be_bytes(*index), count })
            }
        }
    }
}

#[cfg(test)]
mod tests;
