//! Direct: writes that go to the disk and nowhere else; small ones that are on it when they return, and large ones of what
//! nobody is expected to read soon.
//!
//! A write to the page cache with a sync after it is three things: a copy, a search for what the copy has made dirty, and
//! the write itself. For a few blocks the first two take as long as the third.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};

use crate::disk::DIRECT_UNIT as UNIT;

/// More than this goes faster by the page cache, where it can be read back without the disk.
pub(super) const BYTES_MAX: usize = 64 * 1024;

/// A second handle of a file.
#[derive(Debug)]
pub(super) struct Direct {
    file: File,
    /// Longer than what is written by one unit, so that there is a place in it where a unit begins.
    buffer: Vec<u8>,
}

impl Direct {
    /// None if the system, or the file system, does not have such writes.
    pub(super) fn of(file: &File) -> Option<Self> {
        Some(Self { file: reopen(file, OFlags::DIRECT | OFlags::DSYNC)?, buffer: Vec::new() })
    }

    /// Whether a write of so many bytes can go this way.
    pub(super) fn takes(offset: u64, bytes: usize) -> bool {
        bytes <= BYTES_MAX && bytes.is_multiple_of(UNIT) && offset.is_multiple_of(UNIT as u64)
    }

    /// Writes the parts, one after the other, from `offset` on; they are durable when it returns.
    pub(super) fn write(&mut self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if self.buffer.len() < bytes + UNIT {
            self.buffer = vec![0; bytes + UNIT];
        }
        let start = self.buffer.as_ptr().align_offset(UNIT);
        let place = self.buffer.get_mut(start..start.saturating_add(bytes)).unwrap_or_default();
        let mut rest = &mut *place;
        for part in parts {
            let (here, after) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = after;
        }
        self.file.write_all_at(place, offset)
    }
}

/// A handle for writes past the page cache that become durable with the next sync.
pub(super) fn unsynced(file: &File) -> Option<File> {
    reopen(file, OFlags::DIRECT)
}

/// Whether a write can go past the page cache without a copy.
pub(super) fn is_aligned(offset: u64, bytes: &[u8]) -> bool {
    offset.is_multiple_of(UNIT as u64)
        && bytes.len().is_multiple_of(UNIT)
        && bytes.as_ptr().addr().is_multiple_of(UNIT)
}

fn reopen(file: &File, flags: OFlags) -> Option<File> {
    // The file may have been renamed since it was opened: its name does not matter here.
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC | flags, Mode::empty()).ok()?;
    Some(File::from(file))
}
