//! Room: how large the next WAL file is made, and the ballast that carries the node over a full disk.
//!
//! The way out of a full disk is to settle entries, and that needs room in the WAL for its records, and for a
//! checkpoint. So the folder holds a ballast, a file of no content as large as the smallest WAL file. It goes when a
//! step finds no space, the step is done again in its place, and housekeeping restores it once there is space.

use std::sync::atomic::Ordering;

use super::Engine;
use super::upkeep::{self, fill};
use crate::disk::Disk;
use crate::fault::Fault;
use crate::{frame, layout};

/// A new WAL file takes at most one part in so many of the free space: on a small disk they stay small.
const SHARE: u64 = 16;
/// The smallest WAL files for which there has to be space besides the ballast.
const HEADROOM_FILES: u64 = 4;

/// The free space that one new file may take.
pub(super) fn share(disk: &dyn Disk) -> u64 {
    disk.free_bytes().unwrap_or(u64::MAX) / SHARE
}

impl Engine {
    /// Free bytes that the engine wants to see on the disk: with less, the caller takes no more entries.
    pub fn headroom_bytes(&self) -> u64 {
        self.options.wal_file_bytes_min.saturating_mul(HEADROOM_FILES)
    }

    /// True from a step that found no space until housekeeping has all it needs again: the caller takes no more
    /// entries meanwhile.
    pub fn is_short_of_space(&self) -> bool {
        self.is_short.load(Ordering::Acquire)
    }

    /// Bytes that may be staged without regard to speed: what one WAL file can take on this disk.
    pub fn staged_bytes_max(&self) -> u64 {
        self.share.load(Ordering::Relaxed).max(self.options.wal_file_bytes_min)
    }

    /// Remembers whether a step found no space.
    pub(super) fn watch_space<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if outcome.as_ref().is_err_and(Fault::is_full) {
            self.is_short.store(true, Ordering::Release);
        }
        outcome
    }

    /// The size for a new WAL file, if it should have `wanted` bytes.
    pub(super) fn affordable(&self, wanted: u64) -> u64 {
        let share = share(&*self.disk);
        self.share.store(share, Ordering::Relaxed);
        wanted.min(share - share % frame::BLOCK).max(self.options.wal_file_bytes_min)
    }

    /// Does a step again in the place of the ballast, if it found no space.
    pub(super) fn with_ballast<T>(&self, step: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
        let outcome = step();
        if outcome.as_ref().is_err_and(Fault::is_full) && self.drop_ballast()? {
            return step();
        }
        outcome
    }

    fn drop_ballast(&self) -> Result<bool, Fault> {
        if !std::mem::take(&mut self.core.lock().has_ballast) {
            return Ok(false);
        }
        self.is_short.store(true, Ordering::Release);
        upkeep::remove(&*self.disk, layout::BALLAST)?;
        Ok(true)
    }

    /// Makes the ballast, unless there is one.
    pub(super) fn restore_ballast(&self) -> Result<(), Fault> {
        if self.core.lock().has_ballast {
            return Ok(());
        }
        let filled = fill(&*self.disk, layout::BALLAST, self.options.wal_file_bytes_min);
        if let Err(error) = filled {
            // Half a ballast is none; the next attempt writes over it.
            let _ = self.disk.remove(layout::BALLAST);
            return Err(Fault::io(layout::BALLAST, error));
        }
        self.core.lock().has_ballast = true;
        Ok(())
    }
}
