//! Definitions that are taken in before anybody is let in: `load_definitions`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use management::Api;

use crate::exit::Failure;

/// Bytes of one file.
const FILE_BYTES_MAX: u64 = 50 * 1024 * 1024;

/// Takes in a file, or all `*.json` of a folder in the order of their names. A file that cannot be taken in as a whole stops
/// the start; those before it are in.
pub(crate) fn load(api: &Api, path: &Path) -> Result<(), Failure> {
    let files = files(path).with_context(|| format!("cannot read the definitions {}", path.display()))?;
    for file in files {
        let bytes = read(&file).with_context(|| format!("cannot read the definitions {}", file.display()))?;
        api.load(&bytes).map_err(|reason| anyhow!("definitions {}: {reason}", file.display()))?;
        tracing::info!(file = %file.display(), "definitions taken in");
    }
    Ok(())
}

fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::metadata(file)?.len();
    if bytes > FILE_BYTES_MAX {
        let reason = format!("it has {bytes} bytes, and may have {FILE_BYTES_MAX}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    fs::read(file)
}
