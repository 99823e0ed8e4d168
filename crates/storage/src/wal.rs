//! The WAL files as memory knows them, oldest first, and where in them every batch begins.
//!
//! The last file is the one that is written. Writing is `engine::flush`, reading back after a restart `wal::scan`.

pub(crate) mod scan;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::codec::wide;
use crate::disk::File;
use crate::frame::{BLOCK, FRAME_HEAD};

/// One WAL file.
#[derive(Debug)]
pub(crate) struct WalFile {
    pub(crate) epoch: u32,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) capacity: u64,
    /// The LSN of the first frame, or the one it will have.
    pub(crate) first_lsn: u64,
    /// The checksum of the frame before the first.
    pub(crate) previous: u32,
    /// Logs with appended records in it.
    pub(crate) logs: HashSet<u64, FixedState>,
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy)]
struct BatchPlace {
    lsn: u64,
    epoch: u32,
    block: u32,
}

/// All WAL files in use.
#[derive(Debug, Default)]
pub(crate) struct Wal {
    pub(crate) files: VecDeque<WalFile>,
    places: VecDeque<BatchPlace>,
}

impl Wal {
    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.capacity).sum()
    }

    /// Files that are full and wait to be drained.
    pub(crate) fn sealed(&self) -> usize {
        self.files.len().saturating_sub(1)
    }

    /// Notes where a batch was written.
    pub(crate) fn note(&mut self, lsn: u64, epoch: u32, offset: u64) {
        // Invariant: batches are noted in order, at block boundaries of files below 16 TiB.
        assert!(self.places.back().is_none_or(|last| last.lsn < lsn), "LSN {lsn} was noted before");
        let block = u32::try_from(offset / BLOCK).unwrap_or_else(|_| unreachable!("files are small"));
        self.places.push_back(BatchPlace { lsn, epoch, block });
    }

    /// The file and the offset of a record, given the LSN of any record in its batch and the offset behind the head.
    pub(crate) fn resolve(&self, lsn: u64, offset: u32) -> Option<(&WalFile, u64)> {
        let after = self.places.partition_point(|place| place.lsn <= lsn);
        let place = self.places.get(after.checked_sub(1)?)?;
        let at = self.files.partition_point(|file| file.epoch < place.epoch);
        let file = self.files.get(at).filter(|file| file.epoch == place.epoch)?;
        Some((file, u64::from(place.block) * BLOCK + wide(FRAME_HEAD) + u64::from(offset)))
    }

    /// Takes out the oldest file, with all that is known of it.
    pub(crate) fn release(&mut self) -> Option<WalFile> {
        let file = self.files.pop_front()?;
        while self.places.front().is_some_and(|place| place.epoch == file.epoch) {
            self.places.pop_front();
        }
        Some(file)
    }
}
