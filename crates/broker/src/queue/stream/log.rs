//! A stream's log, read: chunks by number, and what is known of the whole after a start. Everything here waits for the disk.

use std::sync::Arc;

use storage::{Damage, Engine, Fault, GivenUp, LogId, Lsn, ReadLimit};

use super::{
    chunk::{Chunk, ChunkError},
    segments::{Segment, Segments},
};
use crate::queue::fifo::Recovered;

/// Chunks of one read.
const READ_CHUNKS_MAX: usize = 1024;
/// After damage offsets go on so much later: none that may have been told is used again.
const OFFSETS_SKIPPED: u64 = 1 << 32;
/// Unreadable chunks in a row before what lies before them is given up.
const UNREADABLE_MAX: usize = 1000;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) engine: Arc<Engine>,
    pub(super) id: LogId,
    /// Whether it is only looked at: what cannot be read is then left as it is.
    pub(super) is_untouched: bool,
}

/// What a log holds, found out when the node starts.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) segments: Segments,
    pub(super) next_chunk: u64,
    pub(super) next_offset: u64,
}

impl Log {
    /// The same, to be looked at by somebody who is to change nothing.
    pub(super) fn untouched(&self) -> Self {
        Self { is_untouched: true, ..self.clone() }
    }

    /// Reads durable chunks from number `from` on, and says where to go on; None if there are no more. What cannot be read
    /// is given up, so that the rest comes out: whoever keeps the node finds the bytes aside.
    pub(super) fn read(&self, from: u64, bytes: u64) -> Result<(Vec<Chunk>, Option<u64>), Fault> {
        self.read_at_most(from, ReadLimit { entries: READ_CHUNKS_MAX, bytes })
    }

    /// The first durable chunk from number `from` on.
    pub(super) fn first_from(&self, from: u64) -> Result<Option<Chunk>, Fault> {
        Ok(self.read_at_most(from, ReadLimit { entries: 1, bytes: 1 })?.0.pop())
    }

    fn read_at_most(&self, from: u64, limit: ReadLimit) -> Result<(Vec<Chunk>, Option<u64>), Fault> {
        let mut stored = Vec::new();
        loop {
            match self.engine.read(self.id, from, limit, &mut stored) {
                Err(Fault::Corrupt { .. }) if stored.is_empty() && !self.is_untouched => {
                    self.pass_over(from)?
                }
                // What stands before the damage comes first.
                Err(_) if !stored.is_empty() => break,
                Err(fault) => return Err(fault),
                Ok(()) => break,
            }
        }
        let decode = |entry: storage::Stored| {
            let chunk = Chunk::decode(entry.index, Lsn(0), entry.payload);
            chunk.inspect_err(|error| self.tell(entry.index, error)).ok()
        };
        let next = stored.last().map(|last| last.index.saturating_add(1));
        Ok((stored.into_iter().filter_map(decode).collect(), next))
    }

    fn pass_over(&self, from: u64) -> Result<(), Fault> {
        let Some(GivenUp { damage, indexes }) = self.engine.give_up(self.id, from)? else { return Ok(()) };
        let Damage { file, offset, reason, kept, .. } = damage;
        let (first, last) = indexes.into_inner();
        tracing::error!(
            log = self.id.0, %file, offset, %reason, ?kept, first, last,
            "chunks of a stream are damaged and lost: their bytes are kept aside, the stream goes on behind them"
        );
        Ok(())
    }

    fn tell(&self, number: u64, error: &ChunkError) {
        tracing::error!(log = self.id.0, number, %error, "an entry of a stream's log is no chunk");
    }

    /// Finds out what there is, by the last chunk of each segment.
    pub(super) fn survey(&self, recovered: &Recovered) -> Found {
        let Recovered { first, next, is_damaged, .. } = *recovered;
        let mut found = Found { next_chunk: next, ..Found::default() };
        let mut below = next;
        let mut is_whole = !is_damaged;
        while below > first {
            let last = self.last_below(below, first);
            is_whole &=
                below != next || last.as_ref().is_some_and(|last| last.number.checked_add(1) == Some(next));
            let Some(last) = last else { break };
            if below == next {
                found.next_offset = last.head.end_offset();
            }
            found.segments.push_first(Segment::up_to(&last.head, last.bytes()));
            below = last.head.segment.first_chunk;
        }
        if !is_whole && next > 0 {
            tracing::error!(
                log = self.id.0,
                OFFSETS_SKIPPED,
                "a stream has lost something: its offsets go on later"
            );
            found.next_offset = found.next_offset.saturating_add(OFFSETS_SKIPPED);
        }
        found
    }

    /// The last readable chunk with a number below `below`, but not below `first`.
    fn last_below(&self, below: u64, first: u64) -> Option<Chunk> {
        for number in (first..below).rev().take(UNREADABLE_MAX) {
            match self.first_from(number) {
                Ok(Some(chunk)) if chunk.number == number => return Some(chunk),
                Ok(_) => tracing::error!(log = self.id.0, number, "a chunk of a stream is missing"),
                Err(fault) => {
                    tracing::error!(log = self.id.0, number, %fault, "a chunk of a stream cannot be read")
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
