//! The sizes that may be chosen. The defaults are meant for real disks; tests make them tiny.
//!
//! Every limit of the engine that depends on the load is here; those of the formats stand with the formats.

use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// Sizes and limits of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Size of the first WAL file; each following is twice as large.
    pub wal_file_bytes_min: u64,
    /// Size at which WAL files stop growing. A group that needs more gets a file of its own.
    pub wal_file_bytes_max: u64,
    /// Bytes of all WAL files above which [`crate::Engine::flush`] waits for housekeeping before it begins another file.
    pub wal_bytes_max: u64,
    /// How long such a flush waits before it returns [`crate::Fault::Full`].
    pub space_wait: Duration,
    /// A batch above this size takes no further group.
    pub batch_bytes_max: u64,
    /// How long settled ranges alone may wait for something to be written with.
    pub settle_delay: Duration,
    /// Bytes of payload of a segment; a single larger entry gets a segment of its own.
    pub segment_bytes_max: u64,
    /// Entries of a segment.
    pub segment_entries_max: u32,
    /// A log with less than this left in a full WAL file is copied forward instead of getting a segment.
    pub copy_forward_bytes_max: u64,
    /// Memory for the footers of segments that are being read.
    pub footers_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wal_file_bytes_min: 4 * MIB,
            wal_file_bytes_max: 32 * MIB,
            wal_bytes_max: 1024 * MIB,
            space_wait: Duration::from_secs(1),
            batch_bytes_max: 32 * MIB,
            settle_delay: Duration::from_millis(20),
            segment_bytes_max: 32 * MIB,
            segment_entries_max: 64 * 1024,
            copy_forward_bytes_max: 64 * 1024,
            footers_bytes_max: 8 * 1024 * 1024,
        }
    }
}

impl Options {
    /// The same, with sizes that make sense: whole blocks, minimum not above maximum, at least one entry.
    pub(crate) fn sane(mut self) -> Self {
        let block = crate::frame::BLOCK;
        self.wal_file_bytes_min = crate::frame::padded(self.wal_file_bytes_min.max(block));
        self.wal_file_bytes_max = crate::frame::padded(self.wal_file_bytes_max).max(self.wal_file_bytes_min);
        self.segment_bytes_max = self.segment_bytes_max.clamp(1, u64::from(u32::MAX / 2));
        self.segment_entries_max = self.segment_entries_max.clamp(1, 64 * 1024);
        self
    }
}
