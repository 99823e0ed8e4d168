//! Fault: what the world did to us, with the file and the offset where it happened.
//!
//! Nothing here is the client's or the peer's doing. `Full` is the one fault that passes by itself; `Poisoned`
//! the one that never does.

use std::io;

/// Why a storage operation could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file system refused or failed an operation.
    #[error("{file}: {source}")]
    Io {
        /// The file concerned, relative to the storage folder.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Bytes on disk are not what was written.
    #[error("{file} is corrupt at byte {offset}: {reason}")]
    Corrupt {
        /// The file concerned.
        file: String,
        /// The first byte that is known to be wrong, or the start of the unit which failed its check.
        offset: u64,
        /// What did not hold.
        reason: Reason,
    },
    /// There is no space for the file. Nothing is lost: what was staged stays staged, and the call may be repeated.
    #[error("no space left for {file}")]
    Full {
        /// The file which did not fit.
        file: String,
    },
    /// An earlier write or sync of the WAL failed: nothing can be confirmed any more, the node has to stop.
    #[error("the write-ahead log failed earlier and takes no more writes")]
    Poisoned,
    /// Another engine uses the same files.
    #[error("the storage is in use by another engine")]
    Locked,
    /// The files were written by a newer version.
    #[error("storage format {found} is newer than {known}, the newest known here")]
    NewerFormat {
        /// The version in the format file.
        found: u32,
        /// The newest version this program reads.
        known: u32,
    },
    /// A name that cannot be a snapshot's.
    #[error("{name:?} cannot name a snapshot: letters, digits, `-` and `_`, at most 64 of them")]
    Name {
        /// The name as given.
        name: String,
    },
}

/// What exactly was wrong with bytes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The file is shorter than its description says, or ends within a unit.
    #[error("it ends too early")]
    Short,
    /// The checksum over the unit does not match.
    #[error("checksum mismatch")]
    Checksum,
    /// A field holds a value that no writer makes.
    #[error("a field holds an impossible value")]
    Field,
    /// The unit is intact but is not the one expected here.
    #[error("it belongs elsewhere")]
    Misplaced,
    /// The file is not there although the checkpoint needs it.
    #[error("the file is missing")]
    Missing,
    /// The log ends before records that are known to have been confirmed.
    #[error("confirmed records are missing")]
    Lost,
}

impl Fault {
    /// Wraps an error of the file system; running out of space gets its own variant.
    pub(crate) fn io(file: &str, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull || source.kind() == io::ErrorKind::QuotaExceeded {
            Self::Full { file: file.to_owned() }
        } else {
            Self::Io { file: file.to_owned(), source }
        }
    }

    pub(crate) fn corrupt(file: &str, offset: u64, reason: Reason) -> Self {
        Self::Corrupt { file: file.to_owned(), offset, reason }
    }

    /// True for a lack of space, which is an alarm and not a stop.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

/// Adds the file's name to an error of the file system.
pub(crate) trait At<T> {
    fn at(self, file: &str) -> Result<T, Fault>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, file: &str) -> Result<T, Fault> {
        self.map_err(|source| Fault::io(file, source))
    }
}
