//! Direct: small writes that go to the disk and nowhere else, and are on it when they return.
//!
//! A write to the page cache with a sync after it is three things: a copy, a search for what the copy has made dirty, and
//! the write itself. For a few blocks the first two take as long as the third.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};

/// What offset, length and memory of such a write are multiples of, whatever the disk.
const UNIT: usize = 4096;
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
        // The file may have been renamed since it was opened: its name does not matter here.
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::DSYNC | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        Some(Self { file: File::from(file), buffer: Vec::new() })
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
