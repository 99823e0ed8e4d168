//! Taking samples: which numbers there are, and of what.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use broker::{
    Broker, Connected, Totals,
    counts::{QueueCounts, SessionTotals, Sums},
    topology::{ConnectionId, QueueRecord},
};
use model::{Name, SessionId};

use super::{BASIC, Details, GLOBAL, Oldest, TICK_MS, Track, connection::ConnectionTrack};
use crate::world::Usage;

/// How often it is looked for what can be forgotten, in ticks.
const TRIM_TICKS: u32 = 12;
/// What is flat for so long has no series in [`BASIC`] any more, in ticks.
const BASIC_TICKS: u32 = 720;
/// The same of [`GLOBAL`].
const GLOBAL_TICKS: u32 = 17_280;

/// The places of a queue's numbers.
pub(crate) mod queue {
    pub(crate) const PUBLISH: usize = 0;
    pub(crate) const DELIVER: usize = 1;
    pub(crate) const DELIVER_NO_ACK: usize = 2;
    pub(crate) const GET: usize = 3;
    pub(crate) const GET_NO_ACK: usize = 4;
    pub(crate) const GET_EMPTY: usize = 5;
    pub(crate) const REDELIVER: usize = 6;
    pub(crate) const ACK: usize = 7;
    pub(crate) const DISK_READS: usize = 8;
    pub(crate) const DISK_WRITES: usize = 9;
    /// From here on they come and go.
    pub(crate) const GROWING: usize = 10;
    pub(crate) const READY: usize = 10;
    pub(crate) const UNSETTLED: usize = 11;
    pub(crate) const NUMBERS: usize = 12;
}

/// The places of the numbers of sessions and vhosts.
pub(crate) mod session {
    pub(crate) const PUBLISH: usize = 0;
    pub(crate) const CONFIRM: usize = 1;
    pub(crate) const RETURN_UNROUTABLE: usize = 2;
    pub(crate) const DROP_UNROUTABLE: usize = 3;
    pub(crate) const DELIVER: usize = 4;
    pub(crate) const DELIVER_NO_ACK: usize = 5;
    pub(crate) const GET: usize = 6;
    pub(crate) const GET_NO_ACK: usize = 7;
    pub(crate) const GET_EMPTY: usize = 8;
    pub(crate) const REDELIVER: usize = 9;
    pub(crate) const ACK: usize = 10;
    pub(crate) const NUMBERS: usize = 11;
}

/// The places of a vhost's numbers: those of sessions, and then these.
pub(crate) mod vhost {
    pub(crate) const DISK_READS: usize = 11;
    pub(crate) const DISK_WRITES: usize = 12;
    pub(crate) const RECEIVED: usize = 13;
    pub(crate) const SENT: usize = 14;
    pub(crate) const GROWING: usize = 15;
    pub(crate) const READY: usize = 15;
    pub(crate) const UNSETTLED: usize = 16;
    pub(crate) const NUMBERS: usize = 17;
}

/// What came and went, in the order of [`CHURN`].
pub(crate) const CHURN: [&str; 7] = [
    "connection_created",
    "connection_closed",
    "channel_created",
    "channel_closed",
    "queue_declared",
    "queue_created",
    "queue_deleted",
];

/// What the node uses.
pub(crate) const USED: [&str; 5] = ["mem_used", "fd_used", "sockets_used", "proc_used", "disk_free"];

pub(crate) type QueueTrack = Track<{ queue::NUMBERS }>;
pub(crate) type SessionTrack = Track<{ session::NUMBERS }>;
pub(crate) type VhostTrack = Track<{ vhost::NUMBERS }>;

/// See the module's documentation.
#[derive(Default, Debug)]
pub(crate) struct Samples {
    /// When the last samples were taken; 0: never.
    pub(crate) tick: u32,
    queues: HashMap<u64, QueueTrack>,
    pub(crate) oldest: Oldest,
    exchanges: BTreeMap<Name, BTreeMap<Name, Track<2>>>,
    vhosts: BTreeMap<Name, VhostTrack>,
    connections: HashMap<ConnectionId, ConnectionTrack>,
    churn: Option<Track<{ CHURN.len() }>>,
    used: Option<Track<{ USED.len() }>>,
}

pub(crate) fn of_queue(counts: &QueueCounts, sums: &Sums) -> [u64; queue::NUMBERS] {
    let consumed = &counts.consumed;
    [
        counts.publish,
        consumed.deliver,
        consumed.deliver_no_ack,
        consumed.get,
        consumed.get_no_ack,
        consumed.get_empty,
        consumed.redeliver,
        consumed.ack,
        counts.disk_reads,
        counts.disk_writes,
        sums.ready,
        sums.unsettled,
    ]
}

pub(crate) fn of_session(totals: &SessionTotals) -> [u64; session::NUMBERS] {
    let consumed = totals.consumed();
    [
        totals.publish,
        totals.confirm,
        totals.return_unroutable,
        totals.drop_unroutable,
        consumed.deliver,
        consumed.deliver_no_ack,
        consumed.get,
        consumed.get_no_ack,
        consumed.get_empty,
        consumed.redeliver,
        consumed.ack,
    ]
}

/// The numbers of a vhost now.
pub(crate) fn of_vhost(totals: &Totals, sums: &Sums, vhost: &str) -> [u64; vhost::NUMBERS] {
    let session = of_session(&totals.by_vhost.get(vhost).copied().unwrap_or_default());
    let (received, sent) = totals.bytes.get(vhost).copied().unwrap_or_default();
    let mut all = [0; vhost::NUMBERS];
    let rest = [sums.disk_reads, sums.disk_writes, received, sent, sums.ready, sums.unsettled];
    for (place, value) in all.iter_mut().zip(session.into_iter().chain(rest)) {
        *place = value;
    }
    all
}

/// What has come and gone until now.
pub(crate) fn churn(broker: &Broker) -> [u64; CHURN.len()] {
    let counts = broker.node_counts();
    let (connection_created, connection_closed) = counts.connections();
    let (session_created, session_closed) = counts.sessions();
    let (declared, created, deleted) = counts.queues();
    [connection_created, connection_closed, session_created, session_closed, declared, created, deleted]
}

/// What the node uses now.
pub(crate) fn used(broker: &Broker, usage: &Usage) -> [u64; USED.len()] {
    let clients = broker.client_count() as u64;
    [usage.memory_bytes, usage.open_files, clients, clients, usage.disk_free_bytes]
}

/// The numbers of a connection now.
pub(crate) fn of_connection(connected: &Connected) -> [u64; 4] {
    let traffic = connected.traffic();
    [&traffic.received_bytes, &traffic.sent_bytes, &traffic.received_times, &traffic.sent_times]
        .map(|counter| counter.get())
}

/// What numbers were before they were looked at first: the node counts from zero, and what it woke up with was there.
fn before<const NUMBERS: usize>(now: &[u64; NUMBERS], growing: usize, is_first: bool) -> [u64; NUMBERS] {
    let mut before = if is_first { *now } else { [0; NUMBERS] };
    before.iter_mut().take(growing).for_each(|number| *number = 0);
    before
}

impl Samples {
    /// Takes samples of everything that has moved. To be called every [`TICK_MS`].
    pub(crate) fn take(&mut self, broker: &Broker, usage: &Usage, now_ms: u64) {
        let tick = u32::try_from(now_ms / TICK_MS).unwrap_or(u32::MAX);
        let is_first = self.tick == 0;
        self.tick = self.tick.max(tick);
        let tick = self.tick;
        for queue in broker.take_changed() {
            let (counts, sums) = queue.look();
            self.oldest.note(&queue, &sums);
            let now = of_queue(&counts, &sums);
            let before = before(&now, queue::GROWING, is_first);
            let track = self.queues.entry(queue.record().id.0).or_insert_with(|| Track::new(before));
            track.push(BASIC, tick, &now, queue::GROWING);
        }
        self.oldest.take(now_ms);
        self.take_exchanges(broker, tick);
        self.take_vhosts(broker, tick, is_first);
        self.take_connections(broker, tick);
        let now = churn(broker);
        self.churn.get_or_insert_with(|| Track::new([0; CHURN.len()])).push(GLOBAL, tick, &now, CHURN.len());
        let now = used(broker, usage);
        self.used.get_or_insert_with(|| Track::new(now)).push(GLOBAL, tick, &now, 0);
        if tick.is_multiple_of(TRIM_TICKS) {
            self.trim(broker, tick);
        }
    }

    fn take_exchanges(&mut self, broker: &Broker, tick: u32) {
        let topology = broker.topology().read();
        for vhost in topology.vhosts() {
            for (name, counts) in topology.counted_exchanges(&vhost.name) {
                if counts.has_moved() {
                    let of_vhost = self.exchanges.entry(vhost.name.clone()).or_default();
                    let now = [counts.publish_in(), counts.publish_out()];
                    let track = of_vhost.entry(name).or_insert_with(|| Track::new([0; 2]));
                    track.push(BASIC, tick, &now, 2);
                }
            }
        }
    }

    fn take_vhosts(&mut self, broker: &Broker, tick: u32, is_first: bool) {
        let totals = broker.totals();
        let names: Vec<Name> = broker.topology().read().vhosts().map(|vhost| vhost.name.clone()).collect();
        for name in names {
            let now = of_vhost(&totals, &broker.sums(&name), &name);
            let before = before(&now, vhost::GROWING, is_first);
            let track = self.vhosts.entry(name).or_insert_with(|| Track::new(before));
            track.push(GLOBAL, tick, &now, vhost::GROWING);
        }
        self.vhosts.retain(|_, track| track.seen == tick);
    }

    fn take_connections(&mut self, broker: &Broker, tick: u32) {
        for connected in broker.connected() {
            self.connections.entry(connected.id).or_default().push(tick, &connected);
        }
        self.connections.retain(|_, track| track.seen() == tick);
    }

    fn trim(&mut self, broker: &Broker, tick: u32) {
        let (basic, global) = (tick.saturating_sub(BASIC_TICKS), tick.saturating_sub(GLOBAL_TICKS));
        self.queues.retain(|id, _| broker.has_queue(*id));
        for track in self.queues.values_mut() {
            track.trim(basic);
        }
        for track in self.connections.values_mut() {
            track.trim(basic);
        }
        for track in self.vhosts.values_mut() {
            track.trim(global);
        }
        let topology = broker.topology().read();
        for (vhost, tracks) in &mut self.exchanges {
            tracks.retain(|name, _| topology.exchange_counts(vhost, name).is_some());
            for track in tracks.values_mut() {
                track.trim(basic);
            }
        }
        self.exchanges.retain(|_, tracks| !tracks.is_empty());
    }

    /// Forgets all samples; counts go on.
    pub(crate) fn clear(&mut self) {
        self.queues.values_mut().for_each(Track::forget);
        self.exchanges.values_mut().flat_map(BTreeMap::values_mut).for_each(Track::forget);
        self.vhosts.values_mut().for_each(Track::forget);
        self.connections.values_mut().for_each(ConnectionTrack::forget);
        self.churn.iter_mut().for_each(Track::forget);
        self.used.iter_mut().for_each(Track::forget);
    }

    pub(crate) fn queue(&self, record: &QueueRecord) -> Option<&QueueTrack> {
        self.queues.get(&record.id.0)
    }

    /// By how much the ready messages of a queue have grown a second, or of all queues.
    pub(crate) fn ready_growth(&self, record: Option<&QueueRecord>) -> f64 {
        let mut past;
        match record {
            Some(record) => {
                past = Details::new(BASIC);
                self.queue(record).into_iter().for_each(|track| past.add(track, &[queue::READY]));
            }
            None => {
                past = Details::new(GLOBAL);
                self.vhosts.values().for_each(|track| past.add(track, &[vhost::READY]));
            }
        }
        past.show(self.tick, None).rate
    }

    pub(crate) fn exchange(&self, vhost: &str, name: &str) -> Option<&Track<2>> {
        self.exchanges.get(vhost)?.get(name)
    }

    pub(crate) fn vhost(&self, name: &str) -> Option<&VhostTrack> {
        self.vhosts.get(name)
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> Option<&Track<4>> {
        self.connections.get(&id).map(ConnectionTrack::traffic)
    }

    pub(crate) fn session(&self, connection: ConnectionId, session: SessionId) -> Option<&SessionTrack> {
        self.connections.get(&connection)?.session(session)
    }

    pub(crate) fn churn(&self) -> Option<&Track<{ CHURN.len() }>> {
        self.churn.as_ref()
    }

    pub(crate) fn used(&self) -> Option<&Track<{ USED.len() }>> {
        self.used.as_ref()
    }
}

/// Shared by whoever takes samples and whoever shows them.
pub(crate) type Shared = Arc<parking_lot::RwLock<Samples>>;
