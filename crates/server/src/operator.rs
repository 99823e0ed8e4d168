//! The operator's socket: the HTTP API on a Unix socket in the data folder, for whoever owns the node's process and for root.
//!
//! Who connects is asked of the kernel (`SO_PEERCRED`), whatever the file's mode says; others are cut off. The path may be of
//! any length: a socket's address holds 107 bytes, and longer ones are gone about by `/proc/self/fd`.

use std::{
    fs, io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use management::Peer;
use rustix::fs::{Mode, OFlags};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};

use crate::http::Site;

/// Its name in the data folder; the command line looks for it there.
const NAME: &str = "harefoot.sock";
/// Connections at the same time. They are apart from those of the network, so that an operator gets in when those are taken.
pub(crate) const CONNECTIONS_MAX: usize = 64;
/// Pause after an accept that failed for want of something that may come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A bound socket, whose file goes when this does.
#[derive(Debug)]
pub(crate) struct OperatorSocket {
    listener: UnixListener,
    _file: SocketFile,
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // What stays behind is replaced by the next start.
        fs::remove_file(&self.0).unwrap_or_default();
    }
}

impl OperatorSocket {
    /// Binds it. The folder is locked by this process: a file of that name is left over.
    pub(crate) fn bind(folder: &Path) -> io::Result<Self> {
        let path = folder.join(NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let held = rustix::fs::open(folder, flags, Mode::empty())?;
        let listener = UnixListener::bind(format!("/proc/self/fd/{}/{NAME}", held.as_raw_fd()))
            // Without /proc, short paths will do.
            .or_else(|_| UnixListener::bind(&path))?;
        let file = SocketFile(path);
        fs::set_permissions(&file.0, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, _file: file })
    }

    /// Accepts until the task is aborted.
    pub(crate) async fn accept(self, site: Site) {
        let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) if is_operator(&stream) => {
                    let site = site.clone();
                    tokio::spawn(async move {
                        site.serve(stream, Peer::Operator).await;
                        drop(seat);
                    });
                }
                Ok(_) => tracing::warn!(
                    "somebody else than the node's user or root came to the operator's socket: cut off"
                ),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the operator's socket for now: trying on");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn is_operator(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_of_any_length_will_do_and_a_file_left_behind_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let mut deep = folder.path().to_owned();
        while deep.as_os_str().len() < 300 {
            deep.push("a-folder-with-a-long-name");
        }
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join(NAME), "left behind").unwrap();
        let socket = OperatorSocket::bind(&deep).unwrap();
        let mode = fs::metadata(deep.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(socket);
        assert!(!deep.join(NAME).exists());
    }
}
