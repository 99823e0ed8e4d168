//! The connections of a node, as an operator sees them.
//!
//! What is here was said once, when the vhost was entered, but for the number of sessions. A connection that is of the
//! node's own making (it has no ends) is listed too: whoever shows them leaves it out.

use core::net::SocketAddr;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use model::{Name, Table};
use parking_lot::Mutex;

use crate::{
    counts::{SIZE_BOUNDS, SessionTotals, SessionView, Traffic},
    flow::Alarms,
    mailbox::Mailbox,
    topology::ConnectionId,
};

/// RabbitMQ: so long it is shown that a connection was held back, which comes and goes too fast to be seen.
const FLOW_SHOWN_MS: u64 = 5_000;

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

/// How a connection is encrypted, in RabbitMQ's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Protection {
    /// `tlsv1.3`.
    pub protocol: &'static str,
    /// How the keys were agreed on, as `ecdhe_rsa`; `any` in TLS 1.3.
    pub key_exchange: &'static str,
    /// As `aes_256_gcm`.
    pub cipher: &'static str,
    /// As `aead`.
    pub hash: &'static str,
    /// What the client showed.
    pub peer: Option<PeerCertificate>,
}

/// The certificate of a client, as operators read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerCertificate {
    /// Whose it is, as `CN=shop,O=Acme`.
    pub subject: String,
    /// Who has signed it.
    pub issuer: String,
    /// From when to when, as `2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z`.
    pub validity: String,
}

/// Whether a connection is kept from publishing, as RabbitMQ shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionState {
    /// It is not.
    Running,
    /// The disk is behind, or was a moment ago.
    Flow,
    /// There is an alarm, and its next publish will block it.
    Blocking,
    /// It has published during an alarm.
    Blocked,
}

/// What keeps a connection from publishing, as far as operators are to see it.
#[derive(Default, Debug)]
pub(crate) struct Restraint {
    is_blocked: AtomicBool,
    /// It is shown until then that the disk was behind.
    flow_until_ms: AtomicU64,
}

impl Restraint {
    /// Whether it was told that an alarm blocks it.
    pub(crate) fn set_blocked(&self, is_blocked: bool) {
        self.is_blocked.store(is_blocked, Ordering::Relaxed);
    }

    /// It waits for the disk now.
    pub(crate) fn note_flow(&self, now_ms: u64) {
        self.flow_until_ms.store(now_ms.saturating_add(FLOW_SHOWN_MS), Ordering::Relaxed);
    }
}

/// The sessions of a connection.
#[derive(Default, Debug)]
pub(crate) struct Views {
    live: Vec<Arc<SessionView>>,
    /// What those have counted that are gone.
    ended: Option<Box<SessionTotals>>,
}

impl Views {
    fn totals(&self) -> SessionTotals {
        let ended = self.ended.as_deref().copied().unwrap_or_default();
        self.live.iter().fold(ended, |sum, view| sum.plus(&view.totals()))
    }
}

/// What was agreed on when the connection was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tuned {
    /// Bytes of the largest frame; 0: no limit.
    pub frame_max: u32,
    /// Sessions at the same time; 0: no limit.
    pub sessions_max: u16,
    /// Seconds between heartbeats; 0: none.
    pub heartbeat_s: u16,
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
    /// None if it is not encrypted.
    pub protection: Option<Box<Protection>>,
    /// As the client sent them, encoded: nobody looks at them until an operator does.
    pub(crate) client_properties: Box<[u8]>,
    pub(crate) sessions: AtomicU32,
    pub(crate) views: Mutex<Views>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) tuned: OnceLock<Tuned>,
    pub(crate) restraint: Restraint,
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

    /// Its sessions, in the order in which they were opened.
    pub fn session_views(&self) -> Vec<Arc<SessionView>> {
        self.views.lock().live.clone()
    }

    /// What was agreed on, if there was anything to agree on.
    pub fn tuned(&self) -> Option<Tuned> {
        self.tuned.get().copied()
    }

    /// Bytes and the like.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub(crate) fn open_session(&self, view: &Arc<SessionView>) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        self.views.lock().live.push(Arc::clone(view));
    }

    pub(crate) fn end_session(&self, view: &Arc<SessionView>) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
        let mut views = self.views.lock();
        views.live.retain(|other| !Arc::ptr_eq(other, view));
        let ended = views.ended.get_or_insert_default();
        **ended = ended.plus(&view.totals());
    }

    /// Whether it is kept from publishing.
    pub fn state(&self, alarms: &Alarms, now_ms: u64) -> ConnectionState {
        match alarms.reason() {
            Some(_) if self.restraint.is_blocked.load(Ordering::Relaxed) => ConnectionState::Blocked,
            Some(_) => ConnectionState::Blocking,
            None if now_ms < self.restraint.flow_until_ms.load(Ordering::Relaxed) => ConnectionState::Flow,
            None => ConnectionState::Running,
        }
    }

    /// Asks it to end, and to tell the client this reason.
    pub fn close(&self, reason: &str) {
        self.mailbox.force_close(reason);
    }
}

/// All of them, and what those have counted that are gone.
#[derive(Default, Debug)]
pub(crate) struct Register(Mutex<Registered>);

#[derive(Default, Debug)]
struct Registered {
    all: BTreeMap<ConnectionId, Arc<Connected>>,
    past: Totals,
}

/// What the connections of a node have counted since it started, those that are gone included.
#[derive(Clone, Default, Debug)]
pub struct Totals {
    /// By vhost, as long as there is one.
    pub by_vhost: BTreeMap<Name, SessionTotals>,
    /// Bytes that came in and went out, vhosts that are gone included.
    pub node_bytes: (u64, u64),
    /// Bytes that came in and went out, by vhost, as long as there is one.
    pub bytes: BTreeMap<Name, (u64, u64)>,
    /// All together, vhosts that are gone included.
    pub node: SessionTotals,
    /// Messages published by their size: of each class of [`SIZE_BOUNDS`], and beyond.
    pub sizes: [u64; SIZE_BOUNDS.len() + 1],
    /// Bytes of those messages.
    pub size_sum: u64,
}

impl Totals {
    fn add(&mut self, one: &Connected) {
        let totals = one.views.lock().totals();
        let (sizes, sum) = one.traffic.sizes();
        self.node = self.node.plus(&totals);
        let of_vhost = self.by_vhost.entry(one.vhost.clone()).or_default();
        *of_vhost = of_vhost.plus(&totals);
        for (received, sent) in [&mut self.node_bytes, self.bytes.entry(one.vhost.clone()).or_default()] {
            *received = received.wrapping_add(one.traffic.received_bytes.get());
            *sent = sent.wrapping_add(one.traffic.sent_bytes.get());
        }
        for (size, more) in self.sizes.iter_mut().zip(sizes) {
            *size = size.wrapping_add(more);
        }
        self.size_sum = self.size_sum.wrapping_add(sum);
    }
}

impl Register {
    pub(crate) fn enter(&self, connected: Arc<Connected>) {
        self.0.lock().all.insert(connected.id, connected);
    }

    /// True if it was there.
    pub(crate) fn leave(&self, id: ConnectionId) -> bool {
        let mut registered = self.0.lock();
        let Some(connected) = registered.all.remove(&id) else { return false };
        registered.past.add(&connected);
        true
    }

    /// A vhost is gone.
    pub(crate) fn forget(&self, vhost: &str) {
        let mut registered = self.0.lock();
        registered.past.by_vhost.remove(vhost);
        registered.past.bytes.remove(vhost);
    }

    /// In the order in which they came.
    pub(crate) fn all(&self) -> Vec<Arc<Connected>> {
        self.0.lock().all.values().cloned().collect()
    }

    /// What all have counted.
    pub(crate) fn totals(&self) -> Totals {
        let registered = self.0.lock();
        let mut totals = registered.past.clone();
        for connected in registered.all.values() {
            totals.add(connected);
        }
        totals
    }
}
