//! The last chunks of a stream, kept in memory while there are consumers: those who keep up read nothing from the disk.

use std::collections::VecDeque;

use super::chunk::Chunk;

/// Bytes that stay although everybody has passed them: for who comes next and wants the last.
const KEPT_BYTES: u64 = 512 * 1024;
/// Bytes that come between two looks at what everybody has passed.
const TRIM_BYTES: u64 = 256 * 1024;

/// Chunks without a gap, up to the last of the stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    chunks: VecDeque<Chunk>,
    bytes: u64,
    /// Bytes that have come since it was looked at last.
    fresh_bytes: u64,
}

impl Tail {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of its first chunk, if it has any.
    pub(super) fn first(&self) -> Option<u64> {
        self.chunks.front().map(|chunk| chunk.number)
    }

    pub(super) fn chunk(&self, number: u64) -> Option<&Chunk> {
        let at = number.checked_sub(self.first()?)?;
        self.chunks.get(usize::try_from(at).ok()?)
    }

    /// Whether so much has come that it is worth a look what of it everybody has passed.
    pub(super) fn is_to_be_trimmed(&self) -> bool {
        self.fresh_bytes > TRIM_BYTES && self.bytes > KEPT_BYTES
    }

    /// Lets go of chunks before number `passed`, but for the last ones.
    pub(super) fn trim(&mut self, passed: u64) {
        while self.bytes > KEPT_BYTES
            && let Some(first) = self.chunks.pop_front_if(|first| first.number < passed)
        {
            self.bytes = self.bytes.saturating_sub(first.bytes());
        }
        self.fresh_bytes = 0;
    }

    /// Adds the last chunk and lets go of the first ones beyond `bytes_max`.
    pub(super) fn push(&mut self, chunk: Chunk, bytes_max: u64) {
        self.bytes = self.bytes.saturating_add(chunk.bytes());
        self.fresh_bytes = self.fresh_bytes.saturating_add(chunk.bytes());
        self.chunks.push_back(chunk);
        while self.bytes > bytes_max
            && let Some(first) = self.chunks.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(first.bytes());
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::queue::stream::chunk::{Head, Membership};

    fn chunk(number: u64) -> Chunk {
        let segment = Membership { first_chunk: 0, first_offset: 0, bytes_before: 0 };
        let head = Head { messages: 1, first_offset: number, appended_ms: 0, segment };
        Chunk::new(number, head, Bytes::from(vec![0; 100 * 1024]), 0)
    }

    #[test]
    fn a_tail_that_was_once_full_is_looked_at_again() {
        let mut tail = Tail::default();
        let bytes_max = 4 * KEPT_BYTES;
        // Nobody keeps up: it fills, and has let go of the first ones.
        for number in 0..100 {
            tail.push(chunk(number), bytes_max);
            if tail.is_to_be_trimmed() {
                tail.trim(0);
            }
        }
        assert!(tail.bytes() <= bytes_max && tail.bytes() > bytes_max / 2, "{}", tail.bytes());
        // From here on everybody does.
        for number in 100..110 {
            tail.push(chunk(number), bytes_max);
            if tail.is_to_be_trimmed() {
                tail.trim(number);
            }
        }
        assert!(tail.bytes() <= KEPT_BYTES + TRIM_BYTES + 100 * 1024, "{}", tail.bytes());
        assert!(tail.chunk(109).is_some());
    }
}
