//! Finding and reading the configuration file; the host's name.
//!
//! Not here: what the file says (`config`).

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// A configuration is written by hand; what is larger is some other file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why the file that was named cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration file {} is larger than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("the configuration file {} is not UTF-8", path.display())]
    NotUtf8 { path: PathBuf },
}

/// Reads the file that the command line names, else the one that the environment names.
pub(crate) fn read(
    option: Option<&Path>,
    variable: Option<&Path>,
) -> Result<Option<(PathBuf, String)>, Fault> {
    let Some(path) = option.map(Path::to_owned).or_else(|| variable.map(with_extension)) else {
        return Ok(None);
    };
    let unreadable = |source| Fault::Unreadable { path: path.clone(), source };
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Fault::TooLarge { path });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some((path, text))),
        Err(_) => Err(Fault::NotUtf8 { path }),
    }
}

/// RabbitMQ: the variable may name the file without its `.conf`.
fn with_extension(path: &Path) -> PathBuf {
    if path.is_file() {
        return path.to_owned();
    }
    let mut longer = path.as_os_str().to_owned();
    longer.push(".conf");
    let longer = PathBuf::from(longer);
    if longer.is_file() { longer } else { path.to_owned() }
}

/// The first word of the host's name, as it stands in a node's name.
pub(crate) fn hostname() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy().into_owned();
    match name.split('.').next() {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => "localhost".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_may_leave_out_the_extension_and_the_option_may_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rabbitmq.conf");
        std::fs::write(&file, "heartbeat = 1").unwrap();
        let short = folder.path().join("rabbitmq");
        let found = read(None, Some(&short)).unwrap();
        assert_eq!(found, Some((file.clone(), "heartbeat = 1".to_owned())));
        assert_eq!(read(Some(&file), Some(&short)).unwrap().unwrap().0, file);
        assert!(matches!(read(Some(&short), None), Err(Fault::Unreadable { .. })));
        assert!(matches!(read(None, None), Ok(None)));
    }

    #[test]
    fn a_file_that_is_no_configuration_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        std::fs::write(&file, vec![b'a'; 1024 * 1024 + 1]).unwrap();
        assert!(matches!(read(Some(&file), None), Err(Fault::TooLarge { .. })));
        std::fs::write(&file, [0xff]).unwrap();
        assert!(matches!(read(Some(&file), None), Err(Fault::NotUtf8 { .. })));
        assert!(matches!(read(Some(folder.path()), None), Err(Fault::Unreadable { .. })));
    }

    #[test]
    fn the_host_has_a_name_without_dots() {
        let name = hostname();
        assert!(!name.is_empty() && !name.contains('.'), "{name}");
    }
}
