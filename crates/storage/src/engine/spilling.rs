//! Spilling: transient entries leave memory for files that are never synced and never read after a restart.
//!
//! Listed first, written after, marked at the end: the core's lock is not held across the write, and an entry that is
//! settled meanwhile is gone. Spilled indexes never get a WAL record.

use std::sync::Arc;

use super::Engine;
use crate::codec::wide;
use crate::disk::File;
use crate::fault::{At, Fault};
use crate::log::spill::{Chunk, SpillSlot};
use crate::{Entry, LogId, layout, record};

/// Bytes put into one file with one write, unless a single entry has more.
const WRITE_BYTES_MAX: usize = 8 * 1024 * 1024;

impl Engine {
    /// Writes entries, ascending by index, to the log's spill files. They are read and settled like all others, and gone
    /// after a restart. Indexes that are spilled already are passed over. Waits for the disk.
    ///
    /// # Errors
    /// [`Fault::Full`] or [`Fault::Io`]: entries from the first that was not written on are not taken.
    pub fn spill(&self, log: LogId, entries: &[Entry<'_>]) -> Result<(), Fault> {
        self.check()?;
        let mut rest = entries;
        while !rest.is_empty() {
            let mut buffer = Vec::new();
            let mut drafts = Vec::new();
            for entry in rest {
                let offset = buffer.len();
                if !drafts.is_empty() && offset + entry.head.len() + entry.body.len() > WRITE_BYTES_MAX {
                    break;
                }
                record::put_append(&mut buffer, log, entry);
                drafts.push((entry.index, offset, entry.head.len() + entry.body.len()));
            }
            record::seal(&mut buffer);
            self.spill_once(log, &buffer, &drafts)?;
            rest = rest.get(drafts.len()..).unwrap_or_default();
        }
        Ok(())
    }

    fn spill_once(&self, log: LogId, buffer: &[u8], drafts: &[(u64, usize, usize)]) -> Result<(), Fault> {
        let Some((number, file, offset, listed)) = self.list_spilled(log, buffer, drafts)? else {
            return Ok(());
        };
        let name = layout::spill(log, number);
        let written = file.write_at(offset, &[buffer]).at(&name);
        let mut core = self.core.lock();
        let mut unused = Vec::new();
        if let Some(state) = core.logs.get_mut(&log.0)
            && let Some(spill) = &mut state.spill
        {
            spill.written(number, &listed, written.is_ok(), &mut unused);
            if spill.is_unused() {
                state.spill = None;
            }
        }
        if !unused.is_empty() {
            core.unused.extend(unused);
            self.chores.notify_one();
        }
        written
    }

    /// Reserves a place and lists the entries. `None` if the log was dropped meanwhile.
    #[expect(clippy::type_complexity, reason = "one caller, taken apart at once")]
    fn list_spilled(
        &self,
        log: LogId,
        buffer: &[u8],
        drafts: &[(u64, usize, usize)],
    ) -> Result<Option<(u32, Arc<dyn File>, u64, Vec<u64>)>, Fault> {
        let mut core = self.core.lock();
        let spill = core.logs.entry(log.0).or_default().spill.get_or_insert_default();
        if spill.open_chunk().is_none() {
            let number = spill.reserve_chunk();
            drop(core);
            let name = layout::spill(log, number);
            let file = self.disk.create(&name).at(&name)?;
            core = self.core.lock();
            let Some(spill) = core.logs.get_mut(&log.0).map(|state| state.spill.get_or_insert_default())
            else {
                core.unused.push(name);
                return Ok(None);
            };
            spill.add_chunk(Chunk { number, name, file, len: 0, live: 0, writers: 0 });
        }
        let Some(spill) = core.logs.get_mut(&log.0).and_then(|state| state.spill.as_deref_mut()) else {
            return Ok(None);
        };
        let Some(chunk) = spill.open_chunk() else { return Ok(None) };
        let (number, file, offset) = (chunk.number, Arc::clone(&chunk.file), chunk.len);
        chunk.len += wide(buffer.len());
        chunk.writers += 1;
        let mut listed = Vec::with_capacity(drafts.len());
        for (index, start, len) in drafts {
            // Invariant: a chunk is at most 16 MiB and one write long, so places in it fit 32 bits.
            let place = u32::try_from(offset + wide(*start)).ok().zip(u32::try_from(*len).ok());
            let Some((start, len)) = place else { unreachable!("a chunk is small") };
            if spill.insert(SpillSlot::new(*index, number, start, len)) {
                listed.push(*index);
            }
        }
        Ok(Some((number, file, offset, listed)))
    }
}
