//! `install-links`: the names of RabbitMQ's tools, as links to this program.

use std::{fs, io, os::unix::fs::symlink, path::Path};

use crate::{
    call::Call,
    command::{Command, Group},
    failure::Failure,
    tool::Tool,
};

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "install-links",
    0,
    Group::Harefoot,
    "<dir>",
    "Makes links by the names of RabbitMQ's tools in a folder",
    install,
)
.words(1, 1)];

fn install(call: &mut Call) -> Result<(), Failure> {
    let folder = call.own_word(0);
    let folder = Path::new(&folder);
    if !folder.is_dir() {
        return Err(Failure::argument(format!("Directory {} does not exist", folder.display())));
    }
    let program = std::env::current_exe()
        .map_err(|error| Failure::software(format!("this program cannot tell where it is: {error}")))?;
    for tool in Tool::OF_RABBITMQ {
        let link = folder.join(tool.name());
        match make(&program, &link) {
            Ok(()) => call.out.remark(&format!("{} -> {}", link.display(), program.display()))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Failure::unavailable(format!(
                    "{} exists, and is no link: it is left as it is",
                    link.display()
                )));
            }
            Err(error) => {
                return Err(Failure::unavailable(format!("cannot make {}: {error}", link.display())));
            }
        }
    }
    Ok(())
}

/// In place of a link that is there, never of a file.
fn make(program: &Path, link: &Path) -> io::Result<()> {
    if fs::symlink_metadata(link).is_ok_and(|known| known.is_symlink()) {
        fs::remove_file(link)?;
    }
    symlink(program, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_replaced_and_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("rabbitmqctl");
        make(Path::new("/one"), &link).unwrap();
        make(Path::new("/other"), &link).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("/other"));
        fs::remove_file(&link).unwrap();
        fs::write(&link, "somebody's").unwrap();
        assert_eq!(make(Path::new("/one"), &link).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
