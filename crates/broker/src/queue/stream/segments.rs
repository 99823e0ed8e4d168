//! The segments of a stream: runs of chunks that retention removes as a whole. The last one is being written, and stays.
//!
//! Nothing of this is on disk but in the chunks themselves: see [`super::chunk`].

use std::{
    collections::VecDeque,
    ops::{Range, RangeInclusive},
};

use super::chunk::{Head, Membership};
use crate::queue::rules::Retention;

/// No segment ends with less, whatever is asked for: each costs memory.
const SEGMENT_BYTES_MIN: u64 = 4096;

/// A run of chunks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub(super) first_chunk: u64,
    pub(super) first_offset: u64,
    pub(super) bytes: u64,
    /// When its last chunk was appended.
    pub(super) last_ms: u64,
}

impl Segment {
    /// The segment up to a chunk of so many bytes.
    pub(super) fn up_to(chunk: &Head, bytes: u64) -> Self {
        let Membership { first_chunk, first_offset, bytes_before } = chunk.segment;
        let bytes = bytes_before.saturating_add(bytes);
        Self { first_chunk, first_offset, bytes, last_ms: chunk.appended_ms }
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Segments {
    all: VecDeque<Segment>,
    bytes: u64,
}

impl Segments {
    /// Puts one before all others: segments are found from the last to the first.
    pub(super) fn push_first(&mut self, segment: Segment) {
        self.bytes = self.bytes.saturating_add(segment.bytes);
        self.all.push_front(segment);
    }

    pub(super) fn first(&self) -> Option<&Segment> {
        self.all.front()
    }

    pub(super) fn last(&self) -> Option<&Segment> {
        self.all.back()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the next chunk goes: into the last segment, or into one that begins with it.
    pub(super) fn next_membership(&self, chunk: u64, offset: u64, segment_bytes_max: u64) -> Membership {
        let bytes_max = segment_bytes_max.max(SEGMENT_BYTES_MIN);
        match self.all.back().filter(|last| last.bytes < bytes_max) {
            Some(last) => Membership {
                first_chunk: last.first_chunk,
                first_offset: last.first_offset,
                bytes_before: last.bytes,
            },
            None => Membership { first_chunk: chunk, first_offset: offset, bytes_before: 0 },
        }
    }

    /// A chunk of so many bytes was appended; true if a segment began with it.
    pub(super) fn append(&mut self, chunk: &Head, bytes: u64) -> bool {
        let grown = Segment::up_to(chunk, bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        match self.all.back_mut().filter(|last| last.first_chunk == grown.first_chunk) {
            Some(last) => {
                *last = grown;
                false
            }
            None => {
                self.all.push_back(grown);
                true
            }
        }
    }

    /// Forgets the segments that are too old or too much. Returns the chunks that go with them.
    pub(super) fn retain(&mut self, retention: &Retention, now_ms: u64) -> Option<RangeInclusive<u64>> {
        let first_chunk = self.all.front()?.first_chunk;
        while self.all.len() > 1 {
            let Some(oldest) = self.all.front() else { break };
            let age_ms = now_ms.saturating_sub(oldest.last_ms);
            let is_over = retention.bytes_max.is_some_and(|max| self.bytes > max)
                || retention.age_max_ms.is_some_and(|max| age_ms > max);
            if !is_over {
                break;
            }
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            self.all.pop_front();
        }
        let stays = self.all.front()?.first_chunk;
        (first_chunk < stays).then(|| first_chunk..=stays.saturating_sub(1))
    }

    /// The chunks of the segment in which an offset is, or of the last segment that begins before it; `end` is the number
    /// behind the last chunk.
    pub(super) fn around_offset(&self, offset: u64, end: u64) -> Range<u64> {
        let after = self.all.partition_point(|segment| segment.first_offset <= offset);
        self.chunks(after.saturating_sub(1), end)
    }

    /// The chunks of the first segment in which one was appended at this time or later.
    pub(super) fn around_time(&self, at_ms: u64, end: u64) -> Range<u64> {
        self.chunks(self.all.partition_point(|segment| segment.last_ms < at_ms), end)
    }

    fn chunks(&self, at: usize, end: u64) -> Range<u64> {
        let first_of = |at: usize| self.all.get(at).map_or(end, |segment| segment.first_chunk);
        first_of(at)..first_of(at.saturating_add(1))
    }
}

#[cfg(test)]
mod tests;
