//! Upkeep: the steps of housekeeping but for draining and merging, and the clean stop.
//!
//! Checkpoints, the prepared WAL file, removal of files. Invariant: a file that some durable checkpoint and the WAL
//! after it still need is neither removed nor recycled.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Engine;
use super::core::Spare;
use super::snapshot::replace;
use crate::checkpoint::{self, CleanMark, Groundwork};
use crate::disk::{Disk, File};
use crate::fault::{At, Fault};
use crate::log::Log;
use crate::{LogId, layout};

/// Zeros written at once.
const ZEROS: usize = 1024 * 1024;
/// Zeros written before they are synced: whoever syncs the log meanwhile waits for no more than these.
const SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// What only housekeeping knows.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Which of the two checkpoint slots is written next.
    pub(crate) slot: usize,
    pub(crate) generation: u64,
}

impl Engine {
    /// Does one step of what is due: removes files, drains a full WAL file, prepares the next one, merges segments, writes a
    /// checkpoint. True if more is due. To be called by one thread whenever [`Engine::wait_for_housekeeping`] returns true.
    ///
    /// # Errors
    /// [`Fault::Full`] means that a step did not fit on the disk: nothing is lost, the step is done again by a later call;
    /// the caller raises its disk alarm and waits a moment. Other faults are told with the file concerned, and the step
    /// is repeated as well.
    pub fn housekeep(&self) -> Result<bool, Fault> {
        let mut keeper = self.keeper.lock();
        self.check()?;
        self.watch_space(self.step(&mut keeper))?;
        let core = self.core.lock();
        let is_ready = core.spare.is_some() && core.has_ballast;
        if is_ready {
            self.is_short.store(false, Ordering::Release);
        }
        Ok(core.has_chores(self.flushed().0))
    }

    fn step(&self, keeper: &mut Keeper) -> Result<(), Fault> {
        self.unlink()?;
        let drained = self.drain(keeper);
        if matches!(drained, Ok(true)) {
            return Ok(());
        }
        // A merge may free the space that the others lack, and they may find it where the drain did not.
        let restored = self.restore_ballast();
        let prepared = self.prepare_spare();
        let merged = self.merge_next(keeper);
        drained.and(restored).and(prepared).and(merged)
    }

    /// Flushes, writes a last checkpoint, and marks the stop as clean; the delivered-up-to index given for a log comes
    /// back with the next start. Nothing may be staged afterwards. True if the stop is marked; without space for the
    /// checkpoint or the mark it is not, and the next start reads more of the WAL.
    ///
    /// # Errors
    /// [`Fault::Full`] if there was no space for what was staged, which nobody was told to be durable.
    pub fn close(&self, delivered: Vec<(LogId, u64)>) -> Result<bool, Fault> {
        let mut keeper = self.keeper.lock();
        self.flush_staged(false)?;
        self.flush_staged(true)?;
        let mark = CleanMark { durable: self.flushed().0, delivered }.encode();
        let mut marked = self.mark_clean(&mut keeper, &mark);
        if marked.as_ref().is_err_and(Fault::is_full)
            && let Some(spare) = self.core.lock().spare.take()
        {
            remove(&*self.disk, &spare.name)?;
            marked = self.mark_clean(&mut keeper, &mark);
        }
        match marked {
            Ok(()) => Ok(true),
            Err(fault) if fault.is_full() => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    fn mark_clean(&self, keeper: &mut Keeper, mark: &[u8]) -> Result<(), Fault> {
        self.checkpoint(keeper, 0)?;
        let part = format!("{}.part", layout::CLEAN);
        self.with_ballast(|| replace(&*self.disk, &part, layout::CLEAN, &[mark]))
    }

    /// Writes a checkpoint which needs the WAL files but for the oldest `skipped`.
    pub(super) fn checkpoint(&self, keeper: &mut Keeper, skipped: usize) -> Result<(), Fault> {
        let (base, bytes) = {
            let mut core = self.core.lock();
            let Some(first) = core.wal.files.get(skipped) else {
                unreachable!("the last file is never skipped")
            };
            let base = Groundwork {
                generation: keeper.generation + 1,
                durable: core.last_lsn(),
                first_lsn: first.first_lsn,
                first_epoch: first.epoch,
                previous: first.previous,
                next_segment: core.next_segment,
                next_log: core.next_log,
            };
            core.wants_checkpoint = false;
            let mut logs: Vec<(LogId, &Log)> = core
                .logs
                .iter()
                .map(|(id, log)| (LogId(*id), log))
                .filter(|(id, _)| !id.is_volatile())
                .collect();
            logs.sort_unstable_by_key(|(id, _)| *id);
            (base, checkpoint::encode(&base, logs.into_iter()))
        };
        let written = self.write_checkpoint(keeper, &base, &bytes);
        let mut core = self.core.lock();
        match written {
            Ok(()) => {
                core.generation = base.generation;
                core.counters.checkpoints += 1;
            }
            Err(_) => core.wants_checkpoint = true,
        }
        written
    }

    fn write_checkpoint(&self, keeper: &mut Keeper, base: &Groundwork, bytes: &[u8]) -> Result<(), Fault> {
        let flushed = self.flush_staged(false)?;
        // Invariant: a checkpoint reflects nothing that is not on disk, or half a group could survive.
        assert!(flushed.0 >= base.durable, "a checkpoint of {} with {} on disk", base.durable, flushed.0);
        let [name, other] = layout::CHECKPOINTS;
        let name = if keeper.slot == 0 { name } else { other };
        self.with_ballast(|| {
            let file = self.disk.create(name).at(name)?;
            file.write_at(0, &[bytes]).and_then(|()| file.sync_data()).at(name)
        })?;
        self.disk.sync_dir().at(name)?;
        keeper.slot = 1 - keeper.slot;
        keeper.generation = base.generation;
        Ok(())
    }

    /// Lets go of the oldest WAL file, of which the last checkpoint needs nothing, and recycles it if it fits.
    pub(super) fn release(&self) -> Result<(), Fault> {
        let affordable = self.affordable(self.core.lock().next_file_bytes);
        let (file, spare, is_reused) = {
            let mut core = self.core.lock();
            let Some(mut file) = core.wal.release() else { return Ok(()) };
            let spare = core.spare_name();
            let is_reused = core.spare.is_none()
                && file.capacity >= affordable
                && file.capacity <= self.options.wal_file_bytes_max
                // A reader may still use the handle of a file that it planned to read.
                && Arc::get_mut(&mut file.file).is_some();
            (file, spare, is_reused)
        };
        self.space.notify_all();
        if is_reused {
            self.disk.rename(&file.name, &spare).at(&file.name)?;
            self.core.lock().spare = Some(Spare { name: spare, file: file.file, capacity: file.capacity });
            return Ok(());
        }
        remove(&*self.disk, &file.name)
    }

    /// Prepares the next WAL file, unless there is one.
    fn prepare_spare(&self) -> Result<(), Fault> {
        let (wanted, ready) = {
            let mut core = self.core.lock();
            if core.spare.is_some() {
                return Ok(());
            }
            (core.next_file_bytes, core.spare_name())
        };
        let capacity = self.affordable(wanted);
        let name = layout::SPARE_PART;
        let filled = fill(&*self.disk, name, capacity).and_then(|file| {
            self.disk.rename(name, &ready)?;
            Ok(file)
        });
        match filled {
            Ok(file) => {
                self.core.lock().spare = Some(Spare { name: ready, file, capacity });
                Ok(())
            }
            Err(error) => {
                // Removed at the next start at the latest.
                let _ = self.disk.remove(name);
                Err(Fault::io(name, error))
            }
        }
    }

    /// Removes files that nothing needs any more.
    fn unlink(&self) -> Result<(), Fault> {
        let flushed = self.flushed().0;
        let (doomed, mut names) = {
            let mut guard = self.core.lock();
            let core = &mut *guard;
            let all = std::mem::take(&mut core.doomed);
            let (removable, rest): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|doomed| core.is_removable(doomed, flushed));
            core.doomed = rest;
            (removable, std::mem::take(&mut core.unused))
        };
        for doomed in doomed {
            self.shelf.lock().forget(doomed.segment);
            names.push(layout::segment(doomed.segment));
        }
        for (at, name) in names.iter().enumerate() {
            if let Err(fault) = remove(&*self.disk, name) {
                let left = names.get(at..).unwrap_or_default();
                self.core.lock().unused.extend(left.iter().cloned());
                return Err(fault);
            }
        }
        Ok(())
    }
}

/// Makes a file of zeros whose space is its own.
pub(super) fn fill(disk: &dyn Disk, name: &str, len: u64) -> io::Result<Arc<dyn File>> {
    let file = disk.create(name)?;
    file.preallocate(len)?;
    let zeros = vec![0; ZEROS];
    let mut at = 0;
    while at < len {
        let part = usize::try_from(len - at).unwrap_or(ZEROS).min(ZEROS);
        file.write_at(at, &[zeros.get(..part).unwrap_or_default()])?;
        at += part as u64;
        if at == len || at.is_multiple_of(SYNC_BYTES) {
            file.sync_data()?;
        }
    }
    Ok(file)
}

/// Removes a file; one that is gone already is as good as removed.
pub(super) fn remove(disk: &dyn Disk, name: &str) -> Result<(), Fault> {
    match disk.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.at(name),
    }
}
