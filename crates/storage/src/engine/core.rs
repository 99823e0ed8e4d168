//! Core: the state behind the one short lock.
//!
//! All logs, the staged batches, the WAL files and what waits for housekeeping. Nothing here does a system call.
//! Invariant: LSNs are given out in the order in which records stand in the batches.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::usage::Counters;
use crate::LogId;
use crate::disk::File;
use crate::frame::FRAME_HEAD;
use crate::log::{Log, Settled};
use crate::wal::Wal;

/// A buffer is not kept for reuse above this capacity.
const BUFFER_KEPT_MAX: usize = 4 * 1024 * 1024;

/// Records on their way into one frame.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Room for the frame's head, then the records.
    pub(crate) buffer: Vec<u8>,
    pub(crate) first_lsn: u64,
    pub(crate) count: u32,
    /// Logs with appended records.
    pub(crate) logs: Vec<u64>,
}

/// A WAL file that is ready for use.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) capacity: u64,
}

/// A segment file that may be removed once the log that says so is on disk, and a checkpoint without it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doomed {
    pub(crate) segment: u64,
    pub(crate) lsn: u64,
    pub(crate) after_generation: Option<u64>,
}

/// Everything that staging and reading need to see at once.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) logs: HashMap<u64, Log, FixedState>,
    pub(crate) next_lsn: u64,
    pub(crate) staged: VecDeque<Batch>,
    buffer: Vec<u8>,
    /// Somebody waits for what is staged.
    pub(crate) is_urgent: bool,
    /// Whoever leads sees to it that what is urgent is flushed.
    pub(crate) is_led: bool,
    /// The thread that flushes waits for more to settle, and looks again after that.
    pub(crate) is_settling: bool,
    pub(crate) wants_seal: bool,
    pub(crate) wal: Wal,
    /// Bytes left in the last WAL file.
    pub(crate) room: u64,
    pub(crate) spare: Option<Spare>,
    pub(crate) has_ballast: bool,
    pub(crate) next_spare: u64,
    pub(crate) next_file_bytes: u64,
    pub(crate) next_segment: u64,
    pub(crate) next_log: u64,
    pub(crate) doomed: Vec<Doomed>,
    pub(crate) unused: Vec<String>,
    pub(crate) sparse: BTreeSet<u64>,
    pub(crate) merges: BTreeSet<u64>,
    pub(crate) generation: u64,
    pub(crate) wants_checkpoint: bool,
    pub(crate) counters: Counters,
}

impl Core {
    pub(crate) fn new(next_file_bytes: u64) -> Self {
        Self {
            logs: HashMap::with_hasher(FixedState::default()),
            next_lsn: 1,
            staged: VecDeque::new(),
            buffer: Vec::new(),
            is_urgent: false,
            is_led: false,
            is_settling: false,
            wants_seal: false,
            wal: Wal::default(),
            room: 0,
            spare: None,
            has_ballast: false,
            next_spare: 1,
            next_file_bytes,
            next_segment: 1,
            next_log: 0,
            doomed: Vec::new(),
            unused: Vec::new(),
            sparse: BTreeSet::new(),
            merges: BTreeSet::new(),
            generation: 0,
            wants_checkpoint: false,
            counters: Counters::default(),
        }
    }

    pub(crate) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// The last LSN given out.
    pub(crate) fn last_lsn(&self) -> u64 {
        self.next_lsn - 1
    }

    /// A name for the next prepared file.
    pub(crate) fn spare_name(&mut self) -> String {
        self.next_spare += 1;
        crate::layout::spare(self.next_spare)
    }

    /// True if a step of housekeeping would do something.
    pub(crate) fn has_chores(&self, flushed: u64) -> bool {
        self.wal.sealed() > 0
            || self.spare.is_none()
            || !self.has_ballast
            || self.wants_checkpoint
            || !self.unused.is_empty()
            || !self.merges.is_empty()
            || self.doomed.iter().any(|doomed| self.is_removable(doomed, flushed))
    }

    pub(crate) fn is_removable(&self, doomed: &Doomed, flushed: u64) -> bool {
        doomed.lsn <= flushed && doomed.after_generation.is_none_or(|generation| generation < self.generation)
    }

    /// The batch for the next record of `bytes`. The first record of a group may begin a new one.
    pub(crate) fn batch(&mut self, is_first: bool, bytes: u64, bytes_max: u64) -> &mut Batch {
        let full =
            |batch: &mut Batch| is_first && (batch.buffer.len() as u64).saturating_add(bytes) > bytes_max;
        if self.staged.back_mut().is_none_or(full) {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            buffer.resize(FRAME_HEAD, 0);
            self.staged.push_back(Batch { buffer, first_lsn: self.next_lsn, count: 0, logs: Vec::new() });
        }
        self.staged.back_mut().unwrap_or_else(|| unreachable!("one was just added"))
    }

    /// An empty batch, to seal the one before. There must be nothing staged.
    pub(crate) fn seal_batch(&mut self) -> Batch {
        let batch =
            Batch { buffer: vec![0; FRAME_HEAD], first_lsn: self.next_lsn, count: 0, logs: Vec::new() };
        self.next_lsn += 1;
        batch
    }

    /// Takes the buffer of a written batch back for reuse.
    pub(crate) fn reuse(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= BUFFER_KEPT_MAX && buffer.capacity() > self.buffer.capacity() {
            self.buffer = buffer;
        }
    }

    /// Gives up the files that settling made useless. True if housekeeping has something to do.
    pub(crate) fn retire(&mut self, log: LogId, settled: Settled, lsn: u64) -> bool {
        if settled.is_sparse {
            self.sparse.insert(log.0);
        }
        let has_chores = !settled.segments.is_empty() || !settled.spills.is_empty();
        for segment in settled.segments {
            self.doomed.push(Doomed { segment, lsn, after_generation: None });
        }
        self.unused.extend(settled.spills);
        has_chores
    }

    /// Forgets a log. True if it was there.
    pub(crate) fn forget(&mut self, log: LogId, lsn: u64) -> bool {
        let Some(state) = self.logs.remove(&log.0) else { return false };
        for segment in &state.segments {
            self.doomed.push(Doomed { segment: segment.id, lsn, after_generation: None });
        }
        if let Some(spill) = &state.spill {
            self.unused.extend(spill.names());
        }
        self.sparse.remove(&log.0);
        self.merges.remove(&log.0);
        true
    }
}
