//! The file with the node's process id that `RABBITMQ_PID_FILE` asks for, beside the one in the data folder: scripts hand it
//! to `rabbitmqctl wait`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A file that goes when this does.
#[derive(Debug)]
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it, by way of a second name, so that nobody reads half a number.
    pub(crate) fn write(path: &Path) -> io::Result<Self> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        fs::write(&new, format!("{}\n", std::process::id()))?;
        fs::rename(&new, path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // What stays behind is merely stale.
        fs::remove_file(&self.0).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_process_id_as_long_as_the_node_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rabbit.pid");
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(file);
        assert!(!path.exists());
        assert!(PidFile::write(&folder.path().join("nowhere/rabbit.pid")).is_err());
    }
}
