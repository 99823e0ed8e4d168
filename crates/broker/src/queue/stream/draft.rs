//! A chunk in the making: messages as they will be delivered, but for their offsets, which are known under the queue's lock.
//! Each is copied once, to where it stays: the log and the tail get these very bytes.

use std::sync::Arc;

use model::{
    Message,
    message::{Properties, flag},
};

use super::{
    chunk::{self, Chunk, HEAD_BYTES, Head},
    filter::Bloom,
};
use crate::route::fields_of;

/// The header that tells a message's offset, as its field begins: name and type.
const OFFSET_FIELD: &[u8] = b"\x0fx-stream-offsetl";
/// Its name.
const OFFSET_HEADER: &[u8] = b"x-stream-offset";
/// The header with the value that consumers may filter by.
const FILTER_HEADER: &[u8] = b"x-stream-filter-value";
/// Messages of one chunk.
const MESSAGES_MAX: usize = 4096;
/// Bytes of one chunk beyond which it takes no further message.
const BYTES_MAX: usize = 64 * 1024;
/// RabbitMQ: a message that does not say is delivered as a transient one.
const TRANSIENT: u8 = 1;

/// What a message may take beside its own bytes: its length, an empty table with the offset, a delivery mode.
const EXTRA_BYTES_MAX: usize = 4 + 4 + OFFSET_FIELD.len() + 8 + 1;

/// See the module's documentation.
#[derive(Debug)]
pub(in crate::queue) struct Draft {
    /// Room for the head, then the messages.
    payload: Vec<u8>,
    /// Where in it the offset of each message belongs.
    offsets_at: Vec<Option<usize>>,
    bloom: Bloom,
}

impl Draft {
    /// Puts messages into as many chunks as they need, each with a filter of `filter_bytes`.
    pub(in crate::queue) fn all_of(mut messages: &[Arc<Message>], filter_bytes: u8) -> Vec<Self> {
        let mut drafts = Vec::new();
        let mut headers = Vec::new();
        while let Some((count, bytes)) = first_chunk(messages) {
            let (now, later) = messages.split_at_checked(count).unwrap_or((messages, &[]));
            let mut draft = Self::new(now.len(), bytes, filter_bytes);
            for message in now {
                draft.add(message, &mut headers);
            }
            drafts.push(draft);
            messages = later;
        }
        drafts
    }

    fn new(messages: usize, bytes: usize, filter_bytes: u8) -> Self {
        let room = HEAD_BYTES.saturating_add(filter_bytes.into()).saturating_add(bytes);
        let mut payload = Vec::with_capacity(room);
        payload.resize(HEAD_BYTES, 0);
        Self { payload, offsets_at: Vec::with_capacity(messages), bloom: Bloom::new(filter_bytes) }
    }

    /// `headers` is room for those of the message.
    fn add(&mut self, message: &Message, headers: &mut Vec<u8>) {
        self.bloom.add(filter_value(message));
        let at = chunk::begin_message(&mut self.payload);
        let offset_at = put_as_delivered(&mut self.payload, message, headers);
        if offset_at.is_none() {
            // Headers as long as they can be have no room for one more.
            self.payload.truncate(at);
            self.payload.extend_from_slice(message.head());
        }
        self.payload.extend_from_slice(message.body());
        chunk::end_message(&mut self.payload, at);
        self.offsets_at.push(offset_at);
    }

    /// How many messages there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.offsets_at.len()).unwrap_or(u32::MAX)
    }

    /// The chunk, under its number: all messages are in.
    pub(super) fn finish(mut self, number: u64, head: Head) -> Chunk {
        for (offset, at) in (head.first_offset..).zip(&self.offsets_at) {
            // Told as a signed number; none gets that high.
            let place = at.and_then(|at| self.payload.get_mut(at..)?.first_chunk_mut::<8>());
            if let Some(place) = place {
                *place = offset.to_be_bytes();
            }
        }
        let head_and_filter = head.encode(self.bloom.finish());
        let messages_at = head_and_filter.len();
        self.payload.splice(..HEAD_BYTES, head_and_filter);
        Chunk::new(number, head, self.payload.into(), messages_at)
    }
}

/// How many of these messages are one chunk, and the bytes that they take at most. None if there are none.
fn first_chunk(messages: &[Arc<Message>]) -> Option<(usize, usize)> {
    let (mut count, mut bytes) = (0_usize, 0_usize);
    for message in messages.iter().take(MESSAGES_MAX) {
        if bytes >= BYTES_MAX {
            break;
        }
        count = count.saturating_add(1);
        bytes = bytes.saturating_add(message.bytes()).saturating_add(EXTRA_BYTES_MAX);
    }
    (count > 0).then_some((count, bytes))
}

/// The value that consumers may filter by, if it is a text.
pub(super) fn filter_value(message: &Message) -> Option<&[u8]> {
    if message.flags() & flag::HEADERS == 0 {
        return None;
    }
    let raw_headers = message.properties().raw_headers;
    let (name, field) = fields_of(raw_headers).find(|(name, _)| *name == FILTER_HEADER)?;
    let value = field.get(1_usize.checked_add(name.len())?..)?;
    // A text: its tag, four bytes of length.
    if value.first() == Some(&b'S') { value.get(5..) } else { None }
}

/// Adds the head of a message, with a header for its offset and a delivery mode; says where the offset stands.
fn put_as_delivered(out: &mut Vec<u8>, message: &Message, headers: &mut Vec<u8>) -> Option<usize> {
    let properties = message.properties();
    headers.clear();
    headers.extend_from_slice(&[0; 4]);
    for (name, field) in fields_of(properties.raw_headers) {
        if name != OFFSET_HEADER {
            headers.extend_from_slice(field);
        }
    }
    headers.extend_from_slice(OFFSET_FIELD);
    headers.extend_from_slice(&[0; 8]);
    let length = u32::try_from(headers.len().checked_sub(4)?).ok()?;
    headers.get_mut(..4)?.copy_from_slice(&length.to_be_bytes());
    // Up to the length of the properties the head is what it was.
    let address_end = message.head().len().checked_sub(message.raw_properties().len())?.checked_sub(4)?;
    out.extend_from_slice(message.head().get(..address_end)?);
    out.extend_from_slice(&[0; 4]);
    let list_at = out.len();
    Properties {
        raw_headers: Some(headers),
        delivery_mode: properties.delivery_mode.or(Some(TRANSIENT)),
        cluster_id: None,
        ..properties
    }
    .encode(out);
    let length = u32::try_from(out.len().checked_sub(list_at)?).ok()?;
    out.get_mut(list_at.checked_sub(4)?..list_at)?.copy_from_slice(&length.to_be_bytes());
    let short = |text: Option<&[u8]>| text.map_or(0, |text| text.len().saturating_add(1));
    let before = short(properties.content_type).checked_add(short(properties.content_encoding))?;
    list_at.checked_add(2)?.checked_add(before)?.checked_add(headers.len())?.checked_sub(8)
}

#[cfg(test)]
mod tests;
