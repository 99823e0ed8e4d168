//! Looking at the messages of a stream from an offset on, for operators: as [`crate::queue::peek`], without the queue's lock.

use std::sync::Arc;

use model::Message;
use storage::Fault;

use super::{
    Stream,
    chunk::Chunk,
    errand::READ_BYTES_MAX,
    log::Log,
    seek::{Search, Start},
};
use crate::queue::peek::{PAGE_BYTES_MAX, Peek, Peeked, Spot};

/// What is to be looked at.
#[derive(Debug)]
pub(in crate::queue) struct Inspection {
    log: Log,
    search: Search,
    offset: u64,
}

impl Stream {
    /// Of the messages from this offset on.
    pub(in crate::queue) fn inspection(&self, offset: u64) -> Inspection {
        let among = self.segments.around_offset(offset, self.next_chunk);
        Inspection {
            log: self.log.untouched(),
            search: Search { wanted: Start::Offset(offset), among },
            offset,
        }
    }
}

impl Inspection {
    /// At most `max` messages, of those that are durable. Waits for the disk.
    pub(in crate::queue) fn run(&self, max: usize) -> Result<Peek, Fault> {
        let mut at = Some(self.search.run(&self.log)?);
        let (mut messages, mut bytes) = (Vec::new(), 0u64);
        while let Some(from) = at {
            let (chunks, next) = self.log.read(from, READ_BYTES_MAX)?;
            for chunk in &chunks {
                bytes = bytes.saturating_add(chunk.bytes());
                messages.extend(self.messages(chunk, max.saturating_sub(messages.len())));
                if messages.len() >= max || bytes >= PAGE_BYTES_MAX {
                    let seen = |last: &Peeked| last.spot.number.saturating_add(1);
                    let next = messages.last().map_or_else(|| chunk.head.end_offset(), seen);
                    return Ok(Peek { messages, next: Some(Spot { level: 0, number: next }) });
                }
            }
            at = next;
        }
        Ok(Peek { messages, next: None })
    }

    /// At most `max` of those of a chunk that are wanted.
    fn messages(&self, chunk: &Chunk, max: usize) -> impl Iterator<Item = Peeked> {
        let (mut offset, mut at) = (chunk.head.first_offset, chunk.messages_at());
        let (wanted, arrived_ms) = (self.offset, chunk.head.appended_ms);
        let stored = std::iter::from_fn(move || {
            let (bytes, next) = chunk.message_at(at)?;
            at = next;
            let number = offset;
            offset = offset.saturating_add(1);
            Some((number, bytes))
        });
        stored
            .take(usize::try_from(chunk.head.messages).unwrap_or(usize::MAX))
            .filter(move |(number, _)| *number >= wanted)
            .filter_map(move |(number, bytes)| {
                let message = Arc::new(Message::decode(bytes).ok()?);
                let spot = Spot { level: 0, number };
                Some(Peeked { spot, expires_at_ms: 0, arrived_ms, is_redelivered: false, message })
            })
            .take(max)
    }
}
