//! `/api/channels`: the sessions of AMQP connections.

use std::sync::Arc;

use broker::{
    Connected,
    counts::{SessionGauges, SessionView},
};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{
    Api, connections, consumers,
    statistics::{Garbage, Shown, Wanted},
};
use crate::{
    call::Call,
    list::{self, Item, Row},
    moment::date,
    problem::Problem,
    reply::{Answer, Reply},
    samples::{self, Past, Stats},
};

/// How long nothing has happened where RabbitMQ begins to say since when, in milliseconds.
const IDLE_MS: u64 = 5_000;

/// One channel as it is shown.
#[derive(Serialize)]
struct Channel<'a> {
    name: &'a str,
    number: u16,
    node: &'a str,
    vhost: &'a str,
    user: &'a str,
    user_who_performed_action: &'a str,
    state: &'static str,
    confirm: bool,
    transactional: bool,
    consumer_count: u64,
    messages_unacknowledged: u64,
    messages_unconfirmed: u64,
    messages_uncommitted: u64,
    acks_uncommitted: u64,
    pending_raft_commands: u64,
    prefetch_count: u64,
    global_prefetch_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_since: Option<String>,
    message_stats: Stats,
    connection_details: Json,
    reductions: u64,
    reductions_details: Past,
    garbage_collection: Garbage,
}

struct ChannelItem {
    name: String,
    node: Arc<str>,
    connected: Arc<Connected>,
    view: Arc<SessionView>,
    samples: samples::Shared,
    wanted: Wanted,
    now_ms: u64,
    state: &'static str,
}

impl ChannelItem {
    fn show(&self) -> Channel<'_> {
        let Self { connected, view, .. } = self;
        let gauges: SessionGauges = view.gauges();
        let samples = self.samples.read();
        let shown = Shown { samples: &samples, ranges: self.wanted.ranges };
        let used_ms = view.used_ms();
        Channel {
            name: &self.name,
            number: view.id.0,
            node: &self.node,
            vhost: &connected.vhost,
            user: &connected.user,
            user_who_performed_action: &connected.user,
            state: self.state,
            confirm: gauges.confirms,
            transactional: gauges.transactional,
            consumer_count: gauges.consumers,
            messages_unacknowledged: gauges.unsettled,
            messages_unconfirmed: gauges.unconfirmed,
            messages_uncommitted: gauges.uncommitted,
            acks_uncommitted: gauges.verdicts_uncommitted,
            pending_raft_commands: 0,
            prefetch_count: gauges.prefetch,
            global_prefetch_count: gauges.prefetch_shared,
            idle_since: (used_ms + IDLE_MS < self.now_ms).then(|| date(used_ms)),
            message_stats: shown.sessions(connected, std::slice::from_ref(view)),
            connection_details: connections::details(connected),
            reductions: 0,
            reductions_details: Past::default(),
            garbage_collection: Garbage::default(),
        }
    }
}

impl Item for ChannelItem {
    fn name(&self) -> &str {
        &self.name
    }

    fn value(&self) -> Json {
        list::to_value(&self.show())
    }

    fn write(&self, out: &mut Vec<u8>) {
        list::put_text(out, &self.show());
    }
}

/// The channels of some connections.
fn items(api: &Api, call: &Call, connections: &[Arc<Connected>]) -> Result<Vec<ChannelItem>, Problem> {
    let wanted = Wanted::of(call)?;
    if wanted.is_static {
        // RabbitMQ has nothing to say of them then.
        return Err(Problem::bad("Stats in management UI are disabled on this node"));
    }
    let node: Arc<str> = api.identity.node.as_str().into();
    let now_ms = api.world().now_ms();
    let mut items = Vec::new();
    for connected in connections {
        let Some(connection) = connected.name() else { continue };
        let state = connections::state(api, connected);
        for view in connected.session_views() {
            items.push(ChannelItem {
                name: format!("{connection} ({})", view.id.0),
                node: Arc::clone(&node),
                connected: Arc::clone(connected),
                view,
                samples: Arc::clone(&api.samples),
                wanted,
                now_ms,
                state,
            });
        }
    }
    Ok(items)
}

fn rows(api: &Api, call: &Call, connections: &[Arc<Connected>]) -> Answer {
    Ok(Reply::List(items(api, call, connections)?.into_iter().map(Row::of).collect()))
}

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    rows(api, call, &connections::visible(api, call, |_| true))
}

pub(super) fn of_vhost(api: &Api, call: &Call) -> Answer {
    let vhost = api.vhost(call, 1)?;
    rows(api, call, &connections::visible(api, call, |one| one.vhost == vhost))
}

pub(super) fn of_connection(api: &Api, call: &Call) -> Answer {
    rows(api, call, &[connections::find(api, call)?])
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    let wanted = call.part(1);
    let connection = wanted.rsplit_once(" (").map(|(connection, _)| connection);
    let connections =
        connections::visible(api, call, |one| one.name().as_deref() == connection && connection.is_some());
    let found = items(api, call, &connections)?.into_iter().find(|item| item.name == wanted);
    let found = found.ok_or(Problem::NotFound)?;
    let mut shown = found.value();
    if let Some(shown) = shown.as_object_mut() {
        shown.insert(
            "consumer_details".to_owned(),
            consumers::of_session(api, &found.connected, found.view.id),
        );
        shown.insert("publishes".to_owned(), json!([]));
        shown.insert("deliveries".to_owned(), json!([]));
    }
    Ok(Reply::Object(shown))
}
