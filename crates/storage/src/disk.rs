//! Disk and File: the only door to the file system.
//!
//! A disk is one flat folder. Names are plain file names, never paths. What a caller may rely on:
//! - a write is durable after a `sync_data` of the same file which began after the write returned;
//! - a created, renamed or removed name is durable after a `sync_dir`;
//! - a removed file can be read through handles opened before.
//!
//! Formats, names and the reaction to failures do not live here.

pub mod memory;
pub mod os;
pub mod overlay;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// What offset, length and memory of writes past the page cache are multiples of, whatever the disk.
pub(crate) const DIRECT_UNIT: usize = 4096;

/// A name in the folder and the length of the file behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The plain file name.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

/// A folder of files.
pub trait Disk: Send + Sync + Debug {
    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Creates an empty file; one of the same name is emptied.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Renames a file, replacing one that has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// All files, in the order of their names.
    fn list(&self) -> io::Result<Vec<Listed>>;
    /// Makes all creations, renames and removals so far durable.
    fn sync_dir(&self) -> io::Result<()>;
    /// Bytes that could still be written.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file.
pub trait File: Send + Sync + Debug {
    /// Reads up to `into.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Writes all parts, one after the other, from `offset` on.
    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()>;
    /// Makes what was written durable, with as much metadata as is needed to read it back.
    fn sync_data(&self) -> io::Result<()>;
    /// Writes all parts, one after the other, from `offset` on, and makes them durable; what else was written to the file
    /// may not be.
    fn write_durably(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        self.write_at(offset, parts)?;
        self.sync_data()
    }
    /// As [`File::write_at`], for what nobody is expected to read soon: it goes past the page cache, where it would take
    /// the place of something that is needed, if offset, length and place in memory are multiples of 4 KiB.
    fn write_past(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_at(offset, &[bytes])
    }
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// True if there are no bytes in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes sure that the first `len` bytes can be written without running out of space; they read as zeros
    /// where nothing was written.
    fn preallocate(&self, len: u64) -> io::Result<()>;
}
