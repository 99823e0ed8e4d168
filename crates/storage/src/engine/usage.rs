//! Usage: how much is on disk, and how much was done.
//!
//! Numbers for people and alarms; nothing decides by them here.

use super::Engine;
use crate::log::Log;
use crate::log::spill::Spill;

/// Logs looked at under one lock.
const LOGS_AT_ONCE: usize = 512;

/// Bytes on disk and work done since the engine was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of WAL files, the prepared one included.
    pub wal_bytes: u64,
    /// WAL files that are full and wait to be drained.
    pub wal_files_sealed: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of segment files.
    pub segment_bytes: u64,
    /// Bytes of spill files.
    pub spill_bytes: u64,
    /// Live entries of all logs.
    pub live_entries: u64,
    /// Bytes of their payloads.
    pub live_bytes: u64,
    /// Logs.
    pub logs: u64,
    /// What was done so far.
    pub counters: Counters,
}

/// Work done since the engine was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Frames written and synced.
    pub flushes: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of frames written.
    pub wal_bytes_written: u64,
    /// Bytes of segments written, by draining and merging.
    pub segment_bytes_written: u64,
    /// Bytes of records copied forward.
    pub copied_bytes: u64,
    /// WAL files drained.
    pub drained_files: u64,
    /// Segments merged into others.
    pub merged_segments: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
}

impl Engine {
    /// Bytes on disk and work done. Walks all logs, a few under one lock so that nobody waits for it who stages: what
    /// changes meanwhile may be told as it was or as it is.
    pub fn usage(&self) -> Usage {
        let (mut usage, logs) = self.begin_usage();
        for part in logs.chunks(LOGS_AT_ONCE) {
            let core = self.core.lock();
            for log in part.iter().filter_map(|id| core.logs.get(id)) {
                usage.add(log);
            }
        }
        usage
    }

    fn begin_usage(&self) -> (Usage, Vec<u64>) {
        let core = self.core.lock();
        let usage = Usage {
            wal_bytes: core.wal.bytes() + core.spare.as_ref().map_or(0, |spare| spare.capacity),
            wal_files_sealed: core.wal.sealed() as u64,
            logs: core.logs.len() as u64,
            counters: core.counters,
            ..Usage::default()
        };
        // Sums do not depend on the order of the map.
        (usage, core.logs.keys().copied().collect())
    }
}

impl Usage {
    fn add(&mut self, log: &Log) {
        let state = log.state();
        self.live_entries += state.entries;
        self.live_bytes += state.bytes;
        self.segments += log.segments.len() as u64;
        self.segment_bytes += log.segments.iter().map(|segment| segment.file_len).sum::<u64>();
        self.spill_bytes += log.spill.as_deref().map_or(0, Spill::disk_bytes);
    }
}
