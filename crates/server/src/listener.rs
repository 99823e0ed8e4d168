//! The sockets that accept connections.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use broker::Broker;
use rustix::rand::{GetRandomFlags, getrandom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    config::{settings::Listen, tls::LoginFrom},
    connection,
    exit::Failure,
    leader::Leader,
    tls::Gate,
};

/// Connections the kernel queues up before they are accepted.
const BACKLOG: i32 = 1024;
/// Pause after an accept that failed for want of something that may come back, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Binds every address; an optional one may be missing on this machine.
pub(crate) fn bind_all(listens: &[Listen]) -> Result<Vec<TcpListener>, Failure> {
    let mut bound = Vec::new();
    for listen in listens {
        match bind(listen.address) {
            Ok(listener) => bound.push(listener),
            Err(error) if listen.optional && is_absent(&error) => {
                tracing::debug!(address = %listen.address, "this machine has no such address");
            }
            Err(error) => return Err(cannot_listen(listen.address, error)),
        }
    }
    Ok(bound)
}

/// As [`bind_all`], but what is optional may also be taken: a second node on a machine starts without.
pub(crate) fn bind_free(listens: &[Listen]) -> Result<Vec<TcpListener>, Failure> {
    let mut free = Vec::new();
    for listen in listens {
        match bind_all(std::slice::from_ref(listen)) {
            Ok(bound) => free.extend(bound),
            Err(Failure::PortBusy { address }) if listen.optional => {
                tracing::warn!(%address, "the port is taken: neither the HTTP API nor metrics are served there; --management-listen and --metrics-listen say where they are to be");
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(free)
}

fn cannot_listen(address: SocketAddr, error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::AddrInUse {
        return Failure::PortBusy { address };
    }
    Failure::Other(anyhow::Error::new(error).context(format!("cannot listen on {address}")))
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Connections above the node's limit that are let in as far as to be told why they are refused.
const TOLD_MAX: usize = 64;

/// What every connection is served with.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) broker: Arc<Broker>,
    pub(crate) leader: Arc<Leader>,
    pub(crate) settings: Arc<amqp091::Settings>,
    pub(crate) connections_max: Option<u32>,
    /// Where TLS is spoken; and where the name of a user stands in a certificate, if one may log in by it.
    pub(crate) gate: Option<(Arc<Gate>, Option<LoginFrom>)>,
    /// Whether anybody may connect.
    pub(crate) open: watch::Receiver<bool>,
}

/// Accepts until the task is aborted. Nothing that a peer or the machine's limits do ends it.
///
/// While nobody may connect there is no socket, so that clients are refused and go elsewhere.
pub(crate) async fn accept(mut listener: TcpListener, mut service: Service) {
    let mut has_complained = false;
    loop {
        if !*service.open.borrow_and_update() {
            let Some(reopened) = reopen(listener, &mut service.open).await else { return };
            listener = reopened;
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Ok(()) = service.open.changed() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                has_complained = false;
                service.serve(stream, peer);
            }
            Err(error) => {
                if !has_complained {
                    tracing::error!(%error, "cannot accept connections for now: trying on");
                    has_complained = true;
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Closes a socket, and binds it again once anybody may connect. None if the node stops before that.
async fn reopen(listener: TcpListener, open: &mut watch::Receiver<bool>) -> Option<TcpListener> {
    let address = listener.local_addr().ok()?;
    drop(listener);
    open.wait_for(|is_open| *is_open).await.ok()?;
    loop {
        match bind(address) {
            Ok(listener) => return Some(listener),
            Err(error) => {
                tracing::error!(%address, %error, "cannot listen again for now: trying on");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Service {
    fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let accepted_max = self.connections_max.map(|max| (max as usize).saturating_add(TOLD_MAX));
        if accepted_max.is_some_and(|max| self.broker.client_count() >= max) {
            tracing::warn!(%peer, "connection refused: the node's limit of connections is reached");
            return;
        }
        // Small frames must not wait for more: latency is what a broker is measured by.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "the connection broke before it began");
            return;
        }
        let mut seed = [0; 16];
        if let Err(error) = getrandom(&mut seed, GetRandomFlags::empty()) {
            tracing::error!(%error, "the system has no randomness: connection refused");
            return;
        }
        let node = connection::Node {
            broker: Arc::clone(&self.broker),
            leader: Arc::clone(&self.leader),
            settings: Arc::clone(&self.settings),
        };
        match &self.gate {
            None => tokio::spawn(connection::serve(stream, peer, node, seed)),
            Some(gate) => tokio::spawn(connection::serve_encrypted(stream, peer, node, seed, gate.clone())),
        };
    }
}
