//! Flush: one frame, one write, one sync; and the change from one WAL file to the next.
//!
//! The checksums are made here, outside the staging lock. Only a change of files may fail harmlessly, for want of
//! space: the batch then goes back to the front and everything can be repeated. A failed write or sync poisons.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use foldhash::fast::FixedState;

use super::Engine;
use super::core::Batch;
use crate::codec::wide;
use crate::disk::File;
use crate::fault::{At, Fault};
use crate::frame::{self, FRAME_HEAD, Frame};
use crate::wal::WalFile;
use crate::{Lsn, layout, record};

/// Where the next frame goes.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) file: Arc<dyn File>,
    pub(crate) name: String,
    pub(crate) epoch: u32,
    pub(crate) position: u64,
    pub(crate) capacity: u64,
    /// The checksum of the frame before.
    pub(crate) previous: u32,
}

impl Engine {
    /// Writes everything that is staged and syncs it; with nothing staged, seals the last batch if that is due.
    /// Returns the last durable LSN. To be called by one thread whenever [`Engine::wait_for_work`] returns true.
    ///
    /// When all WAL files together have reached `Options::wal_bytes_max`, a flush that needs another file first waits
    /// for [`Engine::housekeep`] to release one, at most `Options::space_wait`.
    ///
    /// # Errors
    /// [`Fault::Full`] if there is no space for the next WAL file or housekeeping lags: everything stays staged and
    /// the call may be repeated. Any other fault poisons the engine: the node has to stop.
    pub fn flush(&self) -> Result<Lsn, Fault> {
        self.check()?;
        self.await_space()?;
        self.watch_space(self.flush_staged(true))
    }

    fn await_space(&self) -> Result<(), Fault> {
        let mut core = self.core.lock();
        let is_short = |core: &super::core::Core| {
            let needed = core.staged.front().map_or(0, |batch| frame::padded(wide(batch.buffer.len())));
            needed > core.room && core.wal.sealed() > 0 && core.wal.bytes() >= self.options.wal_bytes_max
        };
        while is_short(&core) {
            self.chores.notify_one();
            if self.space.wait_for(&mut core, self.options.space_wait).timed_out() && is_short(&core) {
                return Err(Fault::Full { file: "wal".to_owned() });
            }
            self.check()?;
        }
        Ok(())
    }

    /// Flushes all that is staged now, without regard to the bound of the WAL: housekeeping needs it in order to
    /// release space.
    pub(super) fn flush_staged(&self, may_seal: bool) -> Result<Lsn, Fault> {
        self.flush_as(&mut self.writer.lock(), may_seal)
    }

    /// As [`Engine::flush_staged`], for whoever has the writer.
    pub(super) fn flush_as(&self, writer: &mut Writer, may_seal: bool) -> Result<Lsn, Fault> {
        self.check()?;
        let target = {
            let mut core = self.core.lock();
            core.is_urgent = false;
            // What is staged from here on is for the thread again.
            core.is_led = false;
            core.last_lsn()
        };
        let mut wrote = false;
        while self.flushed().0 < target {
            let Some(batch) = self.core.lock().staged.pop_front() else { break };
            self.write(writer, batch)?;
            wrote = true;
        }
        if may_seal && !wrote {
            let seal = {
                let mut core = self.core.lock();
                (core.wants_seal && !core.has_staged()).then(|| core.seal_batch())
            };
            if let Some(seal) = seal {
                self.write(writer, seal)?;
            }
        }
        Ok(self.flushed())
    }

    /// Puts one batch on disk.
    fn write(&self, writer: &mut Writer, mut batch: Batch) -> Result<(), Fault> {
        let needed = frame::padded(wide(batch.buffer.len()));
        if needed > writer.capacity.saturating_sub(writer.position)
            && let Err(fault) = self.rotate(writer, needed, batch.first_lsn)
        {
            if fault.is_full() {
                let mut core = self.core.lock();
                core.is_urgent = true;
                core.staged.push_front(batch);
            } else {
                self.poison();
            }
            return Err(fault);
        }
        let staged = wide(batch.buffer.len() - FRAME_HEAD);
        record::seal(batch.buffer.get_mut(FRAME_HEAD..).unwrap_or_default());
        let frame = Frame {
            crc: 0,
            len: 0,
            lsn: batch.first_lsn,
            durable: self.flushed().0,
            count: batch.count,
            previous: writer.previous,
            epoch: writer.epoch,
        };
        let crc = frame::seal(&mut batch.buffer, &frame);
        if let Err(source) = writer.file.write_durably(writer.position, &[&batch.buffer]) {
            self.poison();
            // Even a lack of space is final here: the space was reserved.
            return Err(Fault::Io { file: writer.name.clone(), source });
        }
        let offset = writer.position;
        writer.position += needed;
        writer.previous = crc;
        let mut core = self.core.lock();
        core.room = writer.capacity.saturating_sub(writer.position);
        core.wal.note(batch.first_lsn, writer.epoch, offset);
        if let Some(file) = core.wal.files.back_mut() {
            file.logs.extend(batch.logs);
        }
        core.wants_seal = batch.count > 0;
        core.counters.flushes += 1;
        core.counters.records += u64::from(batch.count);
        core.counters.wal_bytes_written += needed;
        core.reuse(batch.buffer);
        self.staged_bytes.fetch_sub(staged, Ordering::Relaxed);
        self.flushed.store(frame.next_lsn() - 1, Ordering::Release);
        if !core.doomed.is_empty() {
            self.chores.notify_one();
        }
        Ok(())
    }

    /// Begins the next WAL file: the prepared one if it is large enough, else a new one.
    fn rotate(&self, writer: &mut Writer, needed: u64, lsn: u64) -> Result<(), Fault> {
        let epoch = writer.epoch + 1;
        let name = layout::wal(epoch);
        let (spare, wanted) = {
            let mut core = self.core.lock();
            let fits = core
                .spare
                .as_ref()
                .is_some_and(|spare| spare.capacity >= needed && needed <= self.options.wal_file_bytes_max);
            (if fits { core.spare.take() } else { None }, core.next_file_bytes)
        };
        let (file, capacity) = match spare {
            Some(spare) => {
                self.disk.rename(&spare.name, &name).at(&name)?;
                (spare.file, spare.capacity)
            }
            None => {
                let capacity = self.affordable(wanted).max(needed);
                (self.with_ballast(|| self.create_wal(&name, capacity))?, capacity)
            }
        };
        if let Err(source) = self.disk.sync_dir() {
            return Err(Fault::Io { file: name, source });
        }
        let mut core = self.core.lock();
        core.wal.files.push_back(WalFile {
            epoch,
            name: name.clone(),
            file: Arc::clone(&file),
            capacity,
            first_lsn: lsn,
            previous: writer.previous,
            logs: HashSet::with_hasher(FixedState::default()),
        });
        core.room = capacity;
        core.next_file_bytes = core.next_file_bytes.saturating_mul(2).min(self.options.wal_file_bytes_max);
        *writer = Writer { file, name, epoch, position: 0, capacity, previous: writer.previous };
        self.chores.notify_one();
        Ok(())
    }

    /// Creates a WAL file with its space reserved, or leaves nothing behind.
    pub(super) fn create_wal(&self, name: &str, capacity: u64) -> Result<Arc<dyn File>, Fault> {
        let file = self.disk.create(name).at(name)?;
        if let Err(source) = file.preallocate(capacity).and_then(|()| file.sync_data()) {
            // The first failure is the one to tell.
            let _ = self.disk.remove(name);
            return Err(Fault::io(name, source));
        }
        Ok(file)
    }
}
