//! The last chunks of a stream, kept in memory while there are consumers: those who keep up read nothing from the disk.

use std::collections::VecDeque;

use super::chunk::Chunk;

/// Chunks without a gap, up to the last of the stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    chunks: VecDeque<Chunk>,
    bytes: u64,
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

    /// Adds the last chunk and lets go of the first ones beyond `bytes_max`.
    pub(super) fn push(&mut self, chunk: Chunk, bytes_max: u64) {
        self.bytes = self.bytes.saturating_add(chunk.bytes());
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
