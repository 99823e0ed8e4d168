//! What is measured: our broker, a rival, the relay. Each is reached by a [`Target`].

mod harefoot;
pub(crate) mod nats;
mod relay;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

pub(crate) use self::{
    harefoot::Harefoot,
    relay::{Mode, Relay, serve as serve_relay},
};
use crate::{
    url::{Login, Url},
    usage,
};

/// A broker that runs.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) label: String,
    pub(crate) address: SocketAddr,
    pub(crate) login: Login,
    /// The root of its tree in the kernel's table.
    pub(crate) pid: u32,
    /// Where it keeps its data, if that is known.
    pub(crate) folder: Option<PathBuf>,
}

impl Target {
    /// Waits, for a while, until the broker has done what earlier loads have left it to do.
    pub(crate) fn wait_until_quiet(&self) -> anyhow::Result<()> {
        const LOOK_EVERY: Duration = Duration::from_millis(250);
        const LOOKS_MAX: usize = 80;
        /// A tenth of a core: an idle broker that runs on timers uses less.
        const QUIET: Duration = Duration::from_millis(25);
        let mut used = usage::of_tree(self.pid)?.cpu;
        for _ in 0..LOOKS_MAX {
            thread::sleep(LOOK_EVERY);
            let now = usage::of_tree(self.pid)?.cpu;
            if now.saturating_sub(used) <= QUIET {
                break;
            }
            used = now;
        }
        Ok(())
    }
}

/// A broker that somebody else has started.
#[derive(Clone, Debug)]
pub(crate) struct Rival {
    pub(crate) url: Url,
    pub(crate) pid: u32,
    pub(crate) folder: Option<PathBuf>,
}

impl Rival {
    /// The running broker, by the name and version that it tells.
    pub(crate) fn target(&self) -> anyhow::Result<Target> {
        let Url { address, login } = self.url.clone();
        let link = crate::link::Link::open(address, &login).context("the rival does not answer")?;
        let label = link.product.clone();
        link.close()?;
        Ok(Target { label, address, login, pid: self.pid, folder: self.folder.clone() })
    }
}

/// An address on this machine that nobody listens on.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    listener.local_addr().context("a listener without an address")
}

/// Waits until a connection is accepted, or `is_gone` tells why it never will be; gives the time from `since`.
fn wait_for_listener(
    address: SocketAddr,
    since: Instant,
    patience: Duration,
    mut is_gone: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Duration> {
    const POLL_EVERY: Duration = Duration::from_millis(1);
    while TcpStream::connect(address).is_err() {
        is_gone()?;
        if since.elapsed() > patience {
            bail!("nothing listens on {address} after {patience:?}");
        }
        thread::sleep(POLL_EVERY);
    }
    Ok(since.elapsed())
}
