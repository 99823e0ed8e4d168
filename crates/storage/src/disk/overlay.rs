//! A folder that is only read: what is written to it is in memory, and gone with it.
//!
//! For whoever looks through the data of a node that does not run, by the same code that would start it. Nothing here opens a file
//! for writing, makes one, renames or removes one.
#![expect(clippy::disallowed_methods, reason = "this module is a door to the file system")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, File, Listed};
use crate::codec::{narrow, wide};

/// Bytes that may be written; beyond, the disk is full.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// See the module's documentation.
#[derive(Debug)]
pub struct OverlayDisk {
    root: PathBuf,
    /// Names that were made, opened or removed (None).
    names: Mutex<BTreeMap<String, Option<Arc<OverlayFile>>>>,
    written: Arc<Mutex<u64>>,
}

/// A file as it would be.
#[derive(Debug)]
struct OverlayFile {
    /// None: it is only in memory.
    below: Option<fs::File>,
    image: Mutex<Image>,
    written: Arc<Mutex<u64>>,
}

#[derive(Debug)]
struct Image {
    len: u64,
    /// Bytes below that still count.
    below_len: u64,
    /// What was written, in the order in which it was.
    patches: Vec<(u64, Vec<u8>)>,
}

impl OverlayDisk {
    /// A view of this folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(root: impl AsRef<Path>) -> io::Result<Self> {
        let root = root.as_ref().to_path_buf();
        fs::read_dir(&root)?;
        Ok(Self { root, names: Mutex::default(), written: Arc::default() })
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(self.root.join(name))
    }

    fn file(&self, below: Option<fs::File>) -> io::Result<Arc<OverlayFile>> {
        let len = below.as_ref().map(fs::File::metadata).transpose()?.map_or(0, |about| about.len());
        let image = Mutex::new(Image { len, below_len: len, patches: Vec::new() });
        Ok(Arc::new(OverlayFile { below, image, written: Arc::clone(&self.written) }))
    }
}

impl Disk for OverlayDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let path = self.path(name)?;
        let mut names = self.names.lock();
        match names.get(name) {
            Some(Some(known)) => return Ok(Arc::clone(known) as Arc<dyn File>),
            Some(None) => return Err(io::ErrorKind::NotFound.into()),
            None => {}
        }
        let file = self.file(Some(fs::File::open(path)?))?;
        names.insert(name.to_owned(), Some(Arc::clone(&file)));
        Ok(file)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.path(name)?;
        let file = self.file(None)?;
        self.names.lock().insert(name.to_owned(), Some(Arc::clone(&file)));
        Ok(file)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.open(name)?;
        self.names.lock().insert(name.to_owned(), None);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.path(to)?;
        self.open(from)?;
        let mut names = self.names.lock();
        let file = names.insert(from.to_owned(), None).flatten();
        names.insert(to.to_owned(), file);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut listed = BTreeMap::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if let Some(name) = entry.file_name().into_string().ok().filter(|_| about.is_file()) {
                listed.insert(name, about.len());
            }
        }
        for (name, file) in &*self.names.lock() {
            match file {
                Some(file) => listed.insert(name.clone(), file.image.lock().len),
                None => listed.remove(name),
            };
        }
        Ok(listed.into_iter().map(|(name, len)| Listed { name, len }).collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(BYTES_MAX.saturating_sub(*self.written.lock()))
    }
}

impl File for OverlayFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let image = self.image.lock();
        let wanted = narrow(image.len.saturating_sub(offset)).min(into.len());
        let into = into.get_mut(..wanted).unwrap_or_default();
        into.fill(0);
        if let Some(below) = &self.below {
            let there = narrow(image.below_len.saturating_sub(offset)).min(into.len());
            below.read_exact_at(into.get_mut(..there).unwrap_or_default(), offset)?;
        }
        for (at, bytes) in &image.patches {
            // The stretch that both have.
            let from = (*at).max(offset);
            let to = at.saturating_add(wide(bytes.len())).min(offset.saturating_add(wide(into.len())));
            if from < to {
                let part = bytes.get(narrow(from - at)..narrow(to - at)).unwrap_or_default();
                if let Some(place) = into.get_mut(narrow(from - offset)..narrow(to - offset)) {
                    place.copy_from_slice(part);
                }
            }
        }
        Ok(wanted)
    }

    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let bytes = parts.concat();
        let mut written = self.written.lock();
        let sum = written.saturating_add(wide(bytes.len()));
        if sum > BYTES_MAX {
            return Err(io::ErrorKind::StorageFull.into());
        }
        *written = sum;
        let mut image = self.image.lock();
        image.len = image.len.max(offset.saturating_add(wide(bytes.len())));
        image.patches.push((offset, bytes));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.image.lock().len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut image = self.image.lock();
        image.len = len;
        image.below_len = image.below_len.min(len);
        for (at, bytes) in &mut image.patches {
            bytes.truncate(narrow(len.saturating_sub(*at)));
        }
        Ok(())
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let mut image = self.image.lock();
        image.len = image.len.max(len);
        Ok(())
    }
}
