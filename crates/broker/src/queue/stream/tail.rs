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
    /// It is looked at again when there is more than this.
    trimmed_bytes: u64,
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
        self.bytes > KEPT_BYTES.max(self.trimmed_bytes).saturating_add(TRIM_BYTES)
    }

    /// Lets go of chunks before number `passed`, but for the last ones.
    pub(super) fn trim(&mut self, passed: u64) {
        while self.bytes > KEPT_BYTES
            && let Some(first) = self.chunks.pop_front_if(|first| first.number < passed)
        {
            self.bytes = self.bytes.saturating_sub(first.bytes());
        }
        self.trimmed_bytes = self.bytes;
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
        self.trimmed_bytes = self.trimmed_bytes.min(self.bytes);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
