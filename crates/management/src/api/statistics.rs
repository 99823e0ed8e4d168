//! What is shown of counts: `message_stats` and the like, of queues, exchanges, sessions, vhosts and the node.

use std::sync::Arc;

use broker::{
    Connected, Totals,
    counts::{QueueCounts, SessionView, Sums},
    topology::QueueRecord,
};
use model::Name;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    call::Call,
    problem::Problem,
    reply::{Answer, Reply},
    samples::{self, BASIC, GLOBAL, Line, Part, Ranges, Samples, Stats, View, queue, session, vhost},
};

const QUEUE: &[Line] = &[
    Line("publish", "publish_details", &[queue::PUBLISH]),
    Line("deliver", "deliver_details", &[queue::DELIVER]),
    Line("deliver_no_ack", "deliver_no_ack_details", &[queue::DELIVER_NO_ACK]),
    Line("get", "get_details", &[queue::GET]),
    Line("get_no_ack", "get_no_ack_details", &[queue::GET_NO_ACK]),
    Line("get_empty", "get_empty_details", &[queue::GET_EMPTY]),
    Line(
        "deliver_get",
        "deliver_get_details",
        &[queue::DELIVER, queue::DELIVER_NO_ACK, queue::GET, queue::GET_NO_ACK],
    ),
    Line("redeliver", "redeliver_details", &[queue::REDELIVER]),
    Line("ack", "ack_details", &[queue::ACK]),
    Line("disk_reads", "disk_reads_details", &[queue::DISK_READS]),
    Line("disk_writes", "disk_writes_details", &[queue::DISK_WRITES]),
];

const QUEUE_LENGTHS: &[Line] = &[
    Line("messages", "messages_details", &[queue::READY, queue::UNSETTLED]),
    Line("messages_ready", "messages_ready_details", &[queue::READY]),
    Line("messages_unacknowledged", "messages_unacknowledged_details", &[queue::UNSETTLED]),
];

const EXCHANGE: &[Line] =
    &[Line("publish_in", "publish_in_details", &[0]), Line("publish_out", "publish_out_details", &[1])];

const SESSION: &[Line] = &[
    Line("publish", "publish_details", &[session::PUBLISH]),
    Line("confirm", "confirm_details", &[session::CONFIRM]),
    Line("return_unroutable", "return_unroutable_details", &[session::RETURN_UNROUTABLE]),
    Line("drop_unroutable", "drop_unroutable_details", &[session::DROP_UNROUTABLE]),
    Line("deliver", "deliver_details", &[session::DELIVER]),
    Line("deliver_no_ack", "deliver_no_ack_details", &[session::DELIVER_NO_ACK]),
    Line("get", "get_details", &[session::GET]),
    Line("get_no_ack", "get_no_ack_details", &[session::GET_NO_ACK]),
    Line("get_empty", "get_empty_details", &[session::GET_EMPTY]),
    Line(
        "deliver_get",
        "deliver_get_details",
        &[session::DELIVER, session::DELIVER_NO_ACK, session::GET, session::GET_NO_ACK],
    ),
    Line("redeliver", "redeliver_details", &[session::REDELIVER]),
    Line("ack", "ack_details", &[session::ACK]),
];

const DISK: &[Line] = &[
    Line("disk_reads", "disk_reads_details", &[vhost::DISK_READS]),
    Line("disk_writes", "disk_writes_details", &[vhost::DISK_WRITES]),
];

const VHOST_LENGTHS: &[Line] = &[
    Line("messages", "messages_details", &[vhost::READY, vhost::UNSETTLED]),
    Line("messages_ready", "messages_ready_details", &[vhost::READY]),
    Line("messages_unacknowledged", "messages_unacknowledged_details", &[vhost::UNSETTLED]),
];

const VHOST_BYTES: &[Line] = &[
    Line("recv_oct", "recv_oct_details", &[vhost::RECEIVED]),
    Line("send_oct", "send_oct_details", &[vhost::SENT]),
];

const CONNECTION: &[Line] = &[
    Line("recv_oct", "recv_oct_details", &[0]),
    Line("send_oct", "send_oct_details", &[1]),
    Line("recv_cnt", "recv_cnt_details", &[2]),
    Line("send_cnt", "send_cnt_details", &[3]),
];

const CHURN: &[Line] = &[
    Line("connection_created", "connection_created_details", &[0]),
    Line("connection_closed", "connection_closed_details", &[1]),
    Line("channel_created", "channel_created_details", &[2]),
    Line("channel_closed", "channel_closed_details", &[3]),
    Line("queue_declared", "queue_declared_details", &[4]),
    Line("queue_created", "queue_created_details", &[5]),
    Line("queue_deleted", "queue_deleted_details", &[6]),
];

const USED: &[Line] = &[
    Line("mem_used", "mem_used_details", &[0]),
    Line("fd_used", "fd_used_details", &[1]),
    Line("sockets_used", "sockets_used_details", &[2]),
    Line("proc_used", "proc_used_details", &[3]),
    Line("disk_free", "disk_free_details", &[4]),
];

/// What Erlang's processes have and tools read: nothing is collected here.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Garbage {
    fullsweep_after: u32,
    max_heap_size: u32,
    min_bin_vheap_size: u32,
    min_heap_size: u32,
    minor_gcs: u32,
}

impl Default for Garbage {
    fn default() -> Self {
        Self {
            // Erlang: as good as never.
            fullsweep_after: 65535,
            max_heap_size: 0,
            min_bin_vheap_size: 0,
            min_heap_size: 0,
            minor_gcs: 0,
        }
    }
}

/// What a call wants to know of counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Nothing: `disable_stats`.
    pub(super) is_static: bool,
    /// Then how many messages there are nevertheless: `enable_queue_totals`.
    pub(super) has_totals: bool,
    pub(super) ranges: Ranges,
}

impl Wanted {
    pub(super) fn of(call: &Call) -> Result<Self, Problem> {
        Ok(Self {
            is_static: call.query.is_true("disable_stats"),
            has_totals: call.query.is_true("enable_queue_totals"),
            ranges: Ranges::of(&call.query)?,
        })
    }
}

/// Counts of one moment, as far as a call wants them.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) samples: &'a Samples,
    pub(super) ranges: Ranges,
}

impl Shown<'_> {
    fn basic(&self, range: Option<samples::Range>) -> View {
        View { tick: self.samples.tick, range, retention: BASIC }
    }

    fn global(&self, range: Option<samples::Range>) -> View {
        View { retention: GLOBAL, ..self.basic(range) }
    }

    /// `message_stats` of a queue, and its lengths.
    pub(super) fn queue(&self, record: &QueueRecord, counts: &QueueCounts, sums: &Sums) -> (Stats, Stats) {
        let part = [(samples::of_queue(counts, sums), self.samples.queue(record))];
        let stats = Stats::of(QUEUE, &part, self.basic(self.ranges.rates));
        (stats, Stats::of(QUEUE_LENGTHS, &part, self.basic(self.ranges.lengths)))
    }

    /// When something happened in a queue last, in milliseconds since 1970, to the precision of a sample.
    pub(super) fn idle_since(&self, record: &QueueRecord) -> u64 {
        let seen = self.samples.queue(record).map(|track| u64::from(track.seen) * samples::TICK_MS);
        seen.unwrap_or(record.meta.now_ms)
    }

    /// `message_stats` of an exchange.
    pub(super) fn exchange(&self, vhost: &str, name: &str, counts: (u64, u64)) -> Stats {
        let part = [([counts.0, counts.1], self.samples.exchange(vhost, name))];
        Stats::of(EXCHANGE, &part, self.basic(self.ranges.rates))
    }

    /// `message_stats` of a session, or of all sessions of a connection.
    pub(super) fn sessions(&self, connected: &Connected, views: &[Arc<SessionView>]) -> Stats {
        let part = |view: &Arc<SessionView>| -> Part<'_, { session::NUMBERS }> {
            (samples::of_session(&view.totals()), self.samples.session(connected.id, view.id))
        };
        let parts: Vec<_> = views.iter().map(part).collect();
        Stats::of(SESSION, &parts, self.basic(self.ranges.rates))
    }

    /// Bytes of a connection.
    pub(super) fn connection(&self, connected: &Connected) -> Stats {
        let now = samples::of_connection(connected);
        Stats::of(CONNECTION, &[(now, self.samples.connection(connected.id))], self.basic(self.ranges.bytes))
    }

    /// What some vhosts together have counted.
    pub(super) fn vhosts(&self, api: &Api, totals: &Totals, names: &[Name]) -> Sum {
        let part = |name: &Name| -> Part<'_, { vhost::NUMBERS }> {
            (samples::of_vhost(totals, &api.broker().sums(name), name), self.samples.vhost(name))
        };
        let parts: Vec<_> = names.iter().map(part).collect();
        let rates = self.global(self.ranges.rates);
        Sum {
            messages: Stats::of(SESSION, &parts, rates).and(Stats::of(DISK, &parts, rates)),
            lengths: Stats::of(VHOST_LENGTHS, &parts, self.global(self.ranges.lengths)),
            bytes: Stats::of(VHOST_BYTES, &parts, self.global(self.ranges.bytes)),
        }
    }

    /// What came and went.
    pub(super) fn churn(&self, api: &Api) -> Stats {
        let part = [(samples::churn(api.broker()), self.samples.churn())];
        Stats::of(CHURN, &part, self.global(self.ranges.node.or(self.ranges.rates)))
    }

    /// What the node uses.
    pub(super) fn used(&self, api: &Api) -> Stats {
        let part = [(samples::used(api.broker(), &api.world().usage()), self.samples.used())];
        Stats::of(USED, &part, self.global(self.ranges.node))
    }
}

/// What vhosts have counted.
#[derive(Debug)]
pub(super) struct Sum {
    pub(super) messages: Stats,
    pub(super) lengths: Stats,
    pub(super) bytes: Stats,
}

/// RabbitMQ's periods, in seconds.
pub(super) fn retention() -> Json {
    json!({ "global": [600, 3600, 28_800, 86_400], "basic": [600, 3600], "detailed": [600] })
}

/// Forgets samples; counts go on. There is one node, whose name may be said.
pub(super) fn reset(api: &Api, call: &Call) -> Answer {
    if call.path.len() > 1 && call.part(1) != api.identity.node {
        return Err(Problem::NotFound);
    }
    api.samples.write().clear();
    Ok(Reply::Done)
}
