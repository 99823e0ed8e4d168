//! A chunk in the making: messages as they will be delivered, but for their offsets, which are known under the queue's lock.

use std::sync::Arc;

use model::{Message, message::Properties};

use super::{chunk, filter::Bloom};
use crate::route::fields_of;

/// The header that tells a message's offset, as its field begins: name and type.
const OFFSET_FIELD: &[u8] = b"\x0fx-stream-offsetl";
/// Its name.
const OFFSET_HEADER: &[u8] = b"x-stream-offset";
/// The header with the value that consumers may filter by.
const FILTER_HEADER: &[u8] = b"x-stream-filter-value";
/// Messages of one chunk.
const MESSAGES_MAX: u32 = 4096;
/// Bytes of one chunk beyond which it takes no further message.
const BYTES_MAX: usize = 64 * 1024;
/// RabbitMQ: a message that does not say is delivered as a transient one.
const TRANSIENT: u8 = 1;

/// See the module's documentation.
#[derive(Debug)]
pub(in crate::queue) struct Draft {
    messages: Vec<u8>,
    /// Where in `messages` each offset belongs.
    offsets_at: Vec<Option<usize>>,
    bloom: Bloom,
}

impl Draft {
    /// Puts messages into as many chunks as they need, each with a filter of `filter_bytes`.
    pub(in crate::queue) fn all_of(
        messages: impl Iterator<Item = Arc<Message>>,
        filter_bytes: u8,
    ) -> Vec<Self> {
        let mut drafts: Vec<Self> = Vec::new();
        for message in messages {
            let draft = match drafts.last_mut().filter(|draft| !draft.is_full()) {
                Some(draft) => draft,
                None => drafts.push_mut(Self::new(filter_bytes)),
            };
            draft.add(&message);
        }
        drafts
    }

    fn new(filter_bytes: u8) -> Self {
        Self { messages: Vec::new(), offsets_at: Vec::new(), bloom: Bloom::new(filter_bytes) }
    }

    fn is_full(&self) -> bool {
        self.messages.len() >= BYTES_MAX || self.count() >= MESSAGES_MAX
    }

    fn add(&mut self, message: &Message) {
        self.bloom.add(filter_value(message));
        let Some((delivered, offset_at)) = as_delivered(message) else {
            // Headers as long as they can be have no room for one more.
            chunk::put_message(&mut self.messages, message);
            self.offsets_at.push(None);
            return;
        };
        let head_at = chunk::put_message(&mut self.messages, &delivered);
        self.offsets_at.push(head_at.checked_add(offset_at));
    }

    /// How many messages there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.offsets_at.len()).unwrap_or(u32::MAX)
    }

    /// Numbers the messages from `first_offset` on. Returns the filter: all messages are in.
    pub(super) fn finish(&mut self, first_offset: u64) -> &[u8] {
        for (offset, at) in (first_offset..).zip(&self.offsets_at) {
            // Told as a signed number; none gets that high.
            let place = at.and_then(|at| self.messages.get_mut(at..)?.first_chunk_mut::<8>());
            if let Some(place) = place {
                *place = offset.to_be_bytes();
            }
        }
        self.bloom.finish()
    }

    /// The messages as they stand in the chunk.
    pub(super) fn messages(&self) -> &[u8] {
        &self.messages
    }
}

/// The value that consumers may filter by, if it is a text.
pub(super) fn filter_value(message: &Message) -> Option<&[u8]> {
    let raw_headers = message.properties().raw_headers;
    let (name, field) = fields_of(raw_headers).find(|(name, _)| *name == FILTER_HEADER)?;
    let value = field.get(1_usize.checked_add(name.len())?..)?;
    // A text: its tag, four bytes of length.
    if value.first() == Some(&b'S') { value.get(5..) } else { None }
}

/// The message with a header for its offset and a delivery mode; and where in its head the offset stands.
fn as_delivered(message: &Message) -> Option<(Message, usize)> {
    let properties = message.properties();
    let mut headers = vec![0; 4];
    for (name, field) in fields_of(properties.raw_headers) {
        if name != OFFSET_HEADER {
            headers.extend_from_slice(field);
        }
    }
    headers.extend_from_slice(OFFSET_FIELD);
    headers.extend_from_slice(&[0; 8]);
    let length = u32::try_from(headers.len().checked_sub(4)?).ok()?;
    headers.get_mut(..4)?.copy_from_slice(&length.to_be_bytes());
    let mut list = Vec::with_capacity(message.raw_properties().len().checked_add(headers.len())?);
    Properties {
        raw_headers: Some(&headers),
        delivery_mode: properties.delivery_mode.or(Some(TRANSIENT)),
        cluster_id: None,
        ..properties
    }
    .encode(&mut list);
    let short = |text: Option<&[u8]>| text.map_or(0, |text| text.len().saturating_add(1));
    let before = short(properties.content_type).checked_add(short(properties.content_encoding))?;
    let in_list = before.checked_add(2)?.checked_add(headers.len())?.checked_sub(8)?;
    let delivered = message.with_properties(&list).ok()?;
    let offset_at = delivered.head().len().checked_sub(list.len())?.checked_add(in_list)?;
    Some((delivered, offset_at))
}

#[cfg(test)]
mod tests;
