//! The real disk: a folder of the operating system, positioned vectored writes, fdatasync, fsync of the folder.
//! Small writes that have to be durable go past the page cache.
//!
//! Handles are opened without append or truncation so that several threads may use one at different offsets.
#![expect(clippy::disallowed_methods, reason = "this module is the door to the file system")]

mod direct;

use std::fs;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use self::direct::Direct;
use super::{Disk, File, Listed};

/// The most slices handed to one `pwritev`; far below the limit of the system.
const SLICES_MAX: usize = 64;

/// A folder of the operating system.
#[derive(Debug)]
pub struct OsDisk {
    root: PathBuf,
    folder: fs::File,
}

impl OsDisk {
    /// Opens the folder, creating it if it is missing.
    pub fn open(root: impl AsRef<Path>) -> io::Result<Self> {
        let root = root.as_ref().to_path_buf();
        fs::create_dir_all(&root)?;
        let folder = fs::File::open(&root)?;
        Ok(Self { root, folder })
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(self.root.join(name))
    }
}

impl Disk for OsDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(self.path(name)?)?;
        Ok(Arc::new(OsFile::new(file)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.path(name)?)?;
        Ok(Arc::new(OsFile::new(file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if !about.is_file() {
                continue;
            }
            // Names we make are ASCII; anything else in the folder is not ours and left alone.
            if let Ok(name) = entry.file_name().into_string() {
                listed.push(Listed { name, len: about.len() });
            }
        }
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listed)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.folder.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let about = rustix::fs::fstatvfs(&self.folder)?;
        Ok(about.f_bavail.saturating_mul(about.f_frsize))
    }
}

#[derive(Debug)]
struct OsFile {
    file: fs::File,
    direct: Mutex<Way>,
    /// For what goes past the page cache without being synced, once there was something; None where it cannot.
    past: OnceLock<Option<fs::File>>,
}

/// Whether there are direct writes.
#[derive(Debug)]
enum Way {
    Untried,
    Direct(Box<Direct>),
    Cached,
}

impl OsFile {
    fn new(file: fs::File) -> Self {
        Self { file, direct: Mutex::new(Way::Untried), past: OnceLock::new() }
    }

    /// False if the file system turns out to have no such writes, or not of this kind: nothing is known of the bytes then.
    fn write_direct(&self, offset: u64, parts: &[&[u8]]) -> io::Result<bool> {
        let mut way = self.direct.lock();
        if matches!(*way, Way::Untried) {
            *way = Direct::of(&self.file).map_or(Way::Cached, |direct| Way::Direct(Box::new(direct)));
        }
        let Way::Direct(direct) = &mut *way else { return Ok(false) };
        match direct.write(offset, parts) {
            Ok(()) => Ok(true),
            Err(error) if is_refusal(&error) => {
                *way = Way::Cached;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether the file system does not have writes of this kind, as against a disk that fails.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

impl File for OsFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, mut offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        for group in parts.chunks(SLICES_MAX) {
            let mut slices: Vec<IoSlice<'_>> = group.iter().map(|part| IoSlice::new(part)).collect();
            let mut rest = slices.as_mut_slice();
            // Slices that are empty would make a full write look like a failed one.
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                match rustix::io::pwritev(&self.file, rest, offset) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => {
                        offset += written as u64;
                        IoSlice::advance_slices(&mut rest, written);
                    }
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write_durably(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let bytes = parts.iter().map(|part| part.len()).sum();
        if Direct::takes(offset, bytes) && self.write_direct(offset, parts)? {
            return Ok(());
        }
        self.write_at(offset, parts)?;
        self.sync_data()
    }

    fn write_past(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if direct::is_aligned(offset, bytes)
            && let Some(past) = self.past.get_or_init(|| direct::unsynced(&self.file))
        {
            match past.write_all_at(bytes, offset) {
                Err(error) if is_refusal(&error) => {}
                result => return result,
            }
        }
        self.write_at(offset, &[bytes])
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // Some file systems cannot reserve; then running out of space shows at the write.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                if self.file.metadata()?.len() < len {
                    self.file.set_len(len)?;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
