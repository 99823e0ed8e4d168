//! Our broker, started for a measurement on a free port with a folder of its own, and gone after it.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{Target, free_address, wait_for_listener};
use crate::url::Login;

/// Recovery of a large backlog, at worst.
const START_PATIENCE: Duration = Duration::from_secs(300);
const STOP_PATIENCE: Duration = Duration::from_secs(120);
const POLL_EVERY: Duration = Duration::from_millis(1);
/// So much of its log is shown when it dies.
const LOG_LINES: usize = 12;

/// A running broker, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Harefoot {
    child: Child,
    binary: PathBuf,
    folder: PathBuf,
    address: SocketAddr,
    /// From the start of the program to the first accepted connection.
    pub(crate) listening_after: Duration,
    pub(crate) started: Instant,
}

impl Harefoot {
    /// Starts the broker on what `folder` holds; an absent folder is made.
    pub(crate) fn start(binary: &Path, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let address = free_address()?;
        let log = File::create(log_path(folder)).context("cannot make a log")?;
        let started = Instant::now();
        let child = Command::new(binary)
            .arg("--data-dir")
            .arg(folder.join("data"))
            .args([
                "--listen",
                &address.to_string(),
                "--management-listen",
                "none",
                "--metrics-listen",
                "none",
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| {
                format!("cannot run {} (build it with cargo build --release)", binary.display())
            })?;
        let mut broker = Self {
            child,
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            address,
            listening_after: Duration::ZERO,
            started,
        };
        let Self { child, folder, .. } = &mut broker;
        broker.listening_after =
            wait_for_listener(address, started, START_PATIENCE, || match child.try_wait()? {
                None => Ok(()),
                Some(status) => bail!("harefoot has ended ({status}):\n{}", end_of_log(folder)),
            })?;
        Ok(broker)
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            label: "Harefoot".to_owned(),
            address: self.address,
            login: Login::default(),
            pid: self.child.id(),
            folder: Some(self.folder.join("data")),
        }
    }

    /// Asks the broker to end; how long that took.
    pub(crate) fn stop(&mut self) -> anyhow::Result<Duration> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?).context("a child without a number")?;
        let asked = Instant::now();
        kill_process(pid, Signal::TERM).context("cannot stop harefoot")?;
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > STOP_PATIENCE {
                bail!("harefoot does not end:\n{}", end_of_log(&self.folder));
            }
            thread::sleep(POLL_EVERY);
        }
        Ok(asked.elapsed())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("cannot kill harefoot")?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again on the same folder.
    pub(crate) fn start_again(&self) -> anyhow::Result<Self> {
        Self::start(&self.binary, &self.folder)
    }

    /// What to tell when something went wrong with it.
    pub(crate) fn end_of_log(&self) -> String {
        end_of_log(&self.folder)
    }
}

impl Drop for Harefoot {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("harefoot.log")
}

fn end_of_log(folder: &Path) -> String {
    let text = fs::read_to_string(log_path(folder)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LOG_LINES);
    lines.get(first..).unwrap_or_default().join("\n")
}
