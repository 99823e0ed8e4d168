//! The data folder: made, found writable, and held against a second instance.
//!
//! ```text
//! harefoot.lock   empty; locked (flock) as long as a node runs, so that no crash leaves it locked
//! harefoot.pid    the node's process id and a line end; may be stale after a crash, which hurts nobody
//! ```
//!
//! Not here: what else lies in the folder (`storage`). Invariant: whoever has a [`DataFolder`] is the only one.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;

pub(crate) const LOCK: &str = "harefoot.lock";
const PID: &str = "harefoot.pid";
const PID_NEW: &str = "harefoot.pid.new";

/// A folder that is ours as long as this value lives.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Closing it gives the lock back.
    _lock: File,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("cannot make the data folder {}: {source}", path.display())]
    NotMade { path: PathBuf, source: io::Error },
    #[error("the data folder {} is a file", path.display())]
    NotAFolder { path: PathBuf },
    #[error("cannot write to the data folder {}: {source}", path.display())]
    NotWritable { path: PathBuf, source: io::Error },
    #[error("the data folder {} is in use by another instance{}", path.display(), holder(*pid))]
    Locked { path: PathBuf, pid: Option<u32> },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

impl DataFolder {
    /// Makes the folder if need be, locks it, and writes the PID file.
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        let path = absolute(path)?;
        make(&path)?;
        let not_writable = |source| Fault::NotWritable { path: path.clone(), source };
        let lock = private().open(path.join(LOCK)).map_err(not_writable)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let pid = read_pid(&path);
                return Err(Fault::Locked { path, pid });
            }
            Err(errno) => return Err(not_writable(errno.into())),
        }
        write_pid(&path).map_err(not_writable)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is, from the root.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DataFolder {
    /// The PID file goes while the lock is still held: it can only be ours. If it cannot go, it is merely stale.
    fn drop(&mut self) {
        std::fs::remove_file(self.path.join(PID)).unwrap_or_default();
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    std::path::absolute(path).map_err(|source| Fault::NotMade { path: path.to_owned(), source })
}

/// Makes the folder and those above it, for the node's own user only. One that exists is left as it is.
fn make(path: &Path) -> Result<(), Fault> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(_) if path.is_file() => Err(Fault::NotAFolder { path: path.to_owned() }),
        Err(source) => Err(Fault::NotMade { path: path.to_owned(), source }),
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
}

/// By way of a second name, so that nobody reads half a number; it also shows that files can be made here.
fn write_pid(folder: &Path) -> io::Result<()> {
    let new = folder.join(PID_NEW);
    let mut file = private().open(&new)?;
    writeln!(file, "{}", std::process::id())?;
    std::fs::rename(new, folder.join(PID))
}

fn read_pid(folder: &Path) -> Option<u32> {
    std::fs::read_to_string(folder.join(PID)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
