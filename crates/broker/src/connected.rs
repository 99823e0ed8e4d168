//! The connections of a node, as an operator sees them.
//!
//! What is here was said once, when the vhost was entered, but for the number of sessions. A connection that is of the
//! node's own making (it has no ends) is listed too: whoever shows them leaves it out.

use core::net::SocketAddr;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use model::{Name, Table};
use parking_lot::Mutex;

use crate::{mailbox::Mailbox, topology::ConnectionId};

/// The two ends of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// Where the client is.
    pub peer: SocketAddr,
    /// Where it reached the node.
    pub local: SocketAddr,
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.peer, self.local)
    }
}

/// A connection that is in a vhost.
#[derive(Debug)]
pub struct Connected {
    /// Its number, never used twice in a run.
    pub id: ConnectionId,
    /// Who it is.
    pub user: Name,
    /// Where it is.
    pub vhost: Name,
    /// The SASL mechanism by which it logged in.
    pub mechanism: &'static str,
    /// Since when it is in the vhost, in milliseconds since 1970.
    pub since_ms: u64,
    /// None if it is of the node's own making.
    pub ends: Option<Ends>,
    /// As the client sent them, encoded: nobody looks at them until an operator does.
    pub(crate) client_properties: Box<[u8]>,
    pub(crate) sessions: AtomicU32,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl Connected {
    /// RabbitMQ's name for it, as `127.0.0.1:50000 -> 127.0.0.1:5672`.
    pub fn name(&self) -> Option<String> {
        self.ends.as_ref().map(Ends::to_string)
    }

    /// What the client says of itself.
    pub fn client_properties(&self) -> Table {
        // It was written by us: it can be read.
        Table::decode_fields(&self.client_properties).unwrap_or_default()
    }

    /// How many sessions it has.
    pub fn sessions(&self) -> u32 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Asks it to end, and to tell the client this reason.
    pub fn close(&self, reason: &str) {
        self.mailbox.force_close(reason);
    }
}

/// All of them.
#[derive(Default, Debug)]
pub(crate) struct Register(Mutex<BTreeMap<ConnectionId, Arc<Connected>>>);

impl Register {
    pub(crate) fn enter(&self, connected: Arc<Connected>) {
        self.0.lock().insert(connected.id, connected);
    }

    pub(crate) fn leave(&self, id: ConnectionId) {
        self.0.lock().remove(&id);
    }

    /// In the order in which they came.
    pub(crate) fn all(&self) -> Vec<Arc<Connected>> {
        self.0.lock().values().cloned().collect()
    }
}
