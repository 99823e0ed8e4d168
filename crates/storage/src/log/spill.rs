//! Spilled entries of one log: transient messages that had to leave memory, in unsynced files of their own.
//!
//! A file takes entries until it is 16 MiB large and is removed when none of them is left. Nothing here survives a
//! restart. An entry is listed before its bytes are written, so that settling it meanwhile is not lost; it can be
//! read once it is marked as written. Writing and reading the files is the engine's.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::slots::Removed;
use crate::disk::File;

/// A file above this size takes no more entries.
pub(crate) const CHUNK_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A live spilled entry: its record begins at `offset` of that chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpillSlot {
    pub(crate) index: u64,
    pub(crate) offset: u32,
    /// Bytes of payload.
    pub(crate) len: u32,
    pub(crate) chunk: u32,
    pub(crate) is_written: bool,
    is_dead: bool,
}

impl SpillSlot {
    pub(crate) fn new(index: u64, chunk: u32, offset: u32, len: u32) -> Self {
        Self { index, offset, len, chunk, is_written: false, is_dead: false }
    }
}

/// One spill file.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) len: u64,
    pub(crate) live: u64,
    /// Writes under way.
    pub(crate) writers: u32,
}

/// The spilled entries of one log.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    /// One above the highest index spilled.
    pub(crate) next: u64,
    slots: VecDeque<SpillSlot>,
    dead: usize,
    bytes: u64,
    chunks: Vec<Chunk>,
    next_chunk: u32,
}

impl Spill {
    pub(crate) fn len(&self) -> u64 {
        (self.slots.len() - self.dead) as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.slots.front().map(|slot| slot.index)
    }

    /// Bytes of all files.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.len).sum()
    }

    /// True if nothing is left of it.
    pub(crate) fn is_unused(&self) -> bool {
        self.slots.is_empty() && self.chunks.is_empty()
    }

    /// Names of all files, for removing them.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.chunks.iter().map(|chunk| chunk.name.clone())
    }

    pub(crate) fn from(&self, from: u64) -> impl Iterator<Item = SpillSlot> + '_ {
        let start = self.slots.partition_point(|slot| slot.index < from);
        self.slots.range(start..).copied().filter(|slot| !slot.is_dead)
    }

    pub(crate) fn chunk(&self, number: u32) -> Option<&Chunk> {
        self.chunks.iter().find(|chunk| chunk.number == number)
    }

    /// The chunk which takes the next entries, if there is one.
    pub(crate) fn open_chunk(&mut self) -> Option<&mut Chunk> {
        self.chunks.last_mut().filter(|chunk| chunk.len < CHUNK_BYTES_MAX)
    }

    /// The number for a new chunk.
    pub(crate) fn reserve_chunk(&mut self) -> u32 {
        self.next_chunk += 1;
        self.next_chunk
    }

    pub(crate) fn add_chunk(&mut self, chunk: Chunk) {
        self.chunks.push(chunk);
    }

    /// Lists an entry; false if its index is listed already.
    pub(crate) fn insert(&mut self, slot: SpillSlot) -> bool {
        let at = self.slots.partition_point(|other| other.index < slot.index);
        match self.slots.get_mut(at).filter(|other| other.index == slot.index) {
            Some(place) if place.is_dead => {
                *place = slot;
                self.dead -= 1;
            }
            Some(_) => return false,
            None => self.slots.insert(at, slot),
        }
        self.next = self.next.max(slot.index.saturating_add(1));
        self.bytes += u64::from(slot.len);
        if let Some(chunk) = self.chunks.iter_mut().find(|chunk| chunk.number == slot.chunk) {
            chunk.live += 1;
        }
        true
    }

    /// A write to a chunk ended: what is still listed of it can be read, or is taken back. Names of files that
    /// are not needed any more are added to `unused`.
    pub(crate) fn written(
        &mut self,
        number: u32,
        indexes: &[u64],
        succeeded: bool,
        unused: &mut Vec<String>,
    ) {
        if let Some(chunk) = self.chunks.iter_mut().find(|chunk| chunk.number == number) {
            chunk.writers -= 1;
        }
        for index in indexes {
            let at = self.slots.partition_point(|slot| slot.index < *index);
            let Some(slot) = self.slots.get_mut(at) else { continue };
            if slot.index == *index && slot.chunk == number && !slot.is_dead {
                if succeeded {
                    slot.is_written = true;
                } else {
                    self.remove(&(*index..=*index), unused);
                }
            }
        }
        self.trim(unused);
    }

    pub(crate) fn remove(&mut self, range: &RangeInclusive<u64>, unused: &mut Vec<String>) -> Removed {
        let mut removed = Removed::default();
        let mut at = self.slots.partition_point(|slot| slot.index < *range.start());
        while let Some(slot) = self.slots.get_mut(at).filter(|slot| slot.index <= *range.end()) {
            at += 1;
            if slot.is_dead {
                continue;
            }
            slot.is_dead = true;
            self.dead += 1;
            removed.entries += 1;
            removed.bytes += u64::from(slot.len);
            let number = slot.chunk;
            if let Some(chunk) = self.chunks.iter_mut().find(|chunk| chunk.number == number) {
                chunk.live -= 1;
            }
        }
        self.bytes -= removed.bytes;
        if removed.entries > 0 {
            self.trim(unused);
        }
        removed
    }

    fn trim(&mut self, unused: &mut Vec<String>) {
        while self.slots.front().is_some_and(|slot| slot.is_dead) {
            self.slots.pop_front();
            self.dead -= 1;
        }
        if self.dead >= 32 && self.dead * 2 > self.slots.len() {
            self.slots.retain(|slot| !slot.is_dead);
            self.dead = 0;
        }
        self.chunks.retain(|chunk| {
            let keep = chunk.live > 0 || chunk.writers > 0;
            if !keep {
                unused.push(chunk.name.clone());
            }
            keep
        });
    }
}
