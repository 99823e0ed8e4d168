//! `/api/queues`.

use std::{collections::BTreeMap, sync::Arc};

use broker::{
    Broker,
    counts::Sums,
    queue::Queue,
    topology::{AppliedPolicy, Policy, PolicySide, QueueKind, QueueRecord},
};
use model::{Name, SessionCommand, command::DeclareQueue};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{
    Api, consumers,
    statistics::{self, Garbage, Wanted},
};
use crate::{
    arguments,
    call::{Call, Object},
    conversation::Conversation,
    list::{self, Item, Row},
    moment::date,
    problem::Problem,
    reply::{Answer, Reply},
    samples::{self, Past, Ranges, Stats},
};

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    // `/api/queues/detailed` is the same as `/api/queues` here: all fields, always.
    let at = if call.part(1) == "detailed" { 2 } else { 1 };
    let vhosts = api.vhosts(call, at)?;
    let place = Arc::new(Place::of(api, call)?);
    let topology = api.broker().topology().read();
    let records = vhosts.iter().flat_map(|vhost| topology.queues_of(vhost));
    let row = |record: &Arc<QueueRecord>| {
        Row::of(QueueItem { place: Arc::clone(&place), record: Arc::clone(record) })
    };
    Ok(Reply::List(records.map(row).collect()))
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    let record = find(api, call)?;
    let place = Arc::new(Place::of(api, call)?);
    let item = QueueItem { place, record: Arc::clone(&record) };
    let mut shown = item.value();
    if let Some(shown) = shown.as_object_mut().filter(|_| !item.place.wanted.is_static) {
        shown.insert("consumer_details".to_owned(), consumers::of_queue(api, &record));
        for list in ["incoming", "deliveries"] {
            shown.insert(list.to_owned(), json!([]));
        }
    }
    Ok(Reply::Object(shown))
}

fn find(api: &Api, call: &Call) -> Result<Arc<QueueRecord>, Problem> {
    let vhost = api.vhost(call, 1)?;
    let topology = api.broker().topology().read();
    topology.find_queue(&vhost, call.part(2)).cloned().ok_or(Problem::NotFound)
}

/// Where queues are shown from.
struct Place {
    broker: Arc<Broker>,
    node: String,
    samples: samples::Shared,
    wanted: Wanted,
    now_ms: u64,
}

impl Place {
    fn of(api: &Api, call: &Call) -> Result<Self, Problem> {
        Ok(Self {
            broker: Arc::clone(api.broker()),
            node: api.identity.node.clone(),
            samples: Arc::clone(&api.samples),
            wanted: Wanted::of(call)?,
            now_ms: api.world().now_ms(),
        })
    }
}

struct QueueItem {
    place: Arc<Place>,
    record: Arc<QueueRecord>,
}

/// A queue as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    vhost: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    durable: bool,
    auto_delete: bool,
    exclusive: bool,
    arguments: Json,
    node: &'a str,
    state: &'static str,
    #[serde(flatten)]
    replicas: Option<Replicas<'a>>,
    #[serde(flatten)]
    quorum: Option<Quorum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readers: Option<BTreeMap<&'a str, u64>>,
    #[serde(flatten)]
    totals: Option<Totals>,
    #[serde(flatten)]
    moving: Option<Moving>,
}

/// What exists once for each replica: there is one, here.
#[derive(Serialize)]
struct Replicas<'a> {
    leader: &'a str,
    members: [&'a str; 1],
    online: [&'a str; 1],
}

/// What only quorum queues have. Dead letters wait nowhere: they are moved in one write.
#[derive(Serialize)]
struct Quorum {
    delivery_limit: Json,
    messages_dlx: u64,
    message_bytes_dlx: u64,
}

/// How many messages there are, where nothing else is wanted.
#[derive(Serialize)]
struct Totals {
    messages: u64,
    messages_ready: u64,
    messages_unacknowledged: u64,
}

/// What changes while the queue lives.
#[derive(Serialize)]
struct Moving {
    #[serde(flatten)]
    lengths: Stats,
    message_stats: Stats,
    consumers: u64,
    message_bytes: u64,
    message_bytes_ready: u64,
    message_bytes_unacknowledged: u64,
    message_bytes_ram: u64,
    memory: u64,
    idle_since: String,
    reductions: u64,
    reductions_details: Past,
    garbage_collection: Garbage,
    #[serde(flatten)]
    consumed_by: ConsumedBy,
    #[serde(flatten)]
    policies: Policies,
}

/// What is shown of the consumers together.
#[derive(Serialize)]
struct ConsumedBy {
    consumer_capacity: f64,
    consumer_utilisation: f64,
    exclusive_consumer_tag: Option<Name>,
    single_active_consumer_tag: Option<Name>,
}

#[derive(Serialize)]
struct Policies {
    policy: Option<Name>,
    operator_policy: Option<Name>,
    effective_policy_definition: Json,
}

impl QueueItem {
    fn show(&self) -> Shown<'_> {
        let Self { place, record } = self;
        let Place { broker, node, samples, wanted, .. } = &**place;
        let queue = broker.queue(record).filter(|_| !wanted.is_static || wanted.has_totals);
        let look = queue.as_ref().map(|queue| queue.glance());
        let moving = queue.as_ref().zip(look).filter(|_| !wanted.is_static);
        let samples = samples.read();
        let statistics = statistics::Shown { samples: &samples, ranges: wanted.ranges };
        Shown {
            name: &record.name,
            vhost: &record.vhost,
            kind: record.kind.name(),
            durable: record.durable,
            auto_delete: record.auto_delete,
            exclusive: record.exclusive_owner.is_some(),
            arguments: arguments::to_json(&record.raw_arguments),
            node,
            state: "running",
            replicas: (record.kind.name() != "classic").then(|| Replicas {
                leader: node,
                members: [node],
                online: [node],
            }),
            quorum: moving.filter(|_| record.kind == QueueKind::Quorum).map(|(queue, _)| Quorum {
                delivery_limit: queue
                    .rules()
                    .delivery_limit
                    .map_or_else(|| json!("unlimited"), |limit| json!(limit)),
                messages_dlx: 0,
                message_bytes_dlx: 0,
            }),
            readers: moving
                .filter(|_| record.kind == QueueKind::Stream)
                .map(|(_, (_, sums))| BTreeMap::from([(node.as_str(), sums.consumers)])),
            totals: look.filter(|_| wanted.is_static).map(|(_, sums)| Totals {
                messages: sums.ready.saturating_add(sums.unsettled),
                messages_ready: sums.ready,
                messages_unacknowledged: sums.unsettled,
            }),
            moving: moving.map(|(queue, (counts, sums))| {
                let (message_stats, lengths) = statistics.queue(record, &counts, &sums);
                let resident = queue.resident_bytes();
                Moving {
                    lengths,
                    message_stats,
                    consumers: sums.consumers,
                    message_bytes: sums.ready_bytes.saturating_add(sums.unsettled_bytes),
                    message_bytes_ready: sums.ready_bytes,
                    message_bytes_unacknowledged: sums.unsettled_bytes,
                    message_bytes_ram: resident,
                    memory: resident,
                    idle_since: date(statistics.idle_since(record)),
                    reductions: 0,
                    reductions_details: Past::default(),
                    garbage_collection: Garbage::default(),
                    consumed_by: consumed_by(queue, &sums, place.now_ms),
                    policies: policies(broker, record),
                }
            }),
        }
    }
}

impl Item for QueueItem {
    fn name(&self) -> &str {
        &self.record.name
    }

    fn value(&self) -> Json {
        list::to_value(&self.show())
    }

    fn write(&self, out: &mut Vec<u8>) {
        list::put_text(out, &self.show());
    }

    /// Without all the rest, for what people sort by.
    fn key(&self, path: &str) -> Option<Json> {
        let Self { place, record } = self;
        let is_moving = !place.wanted.is_static || place.wanted.has_totals;
        let known = place.broker.queue(record).filter(|_| is_moving).and_then(|queue| {
            let (counts, sums) = queue.glance();
            let samples = place.samples.read();
            let statistics = statistics::Shown { samples: &samples, ranges: Ranges::default() };
            let (message_stats, lengths) = statistics.queue(record, &counts, &sums);
            match path {
                "consumers" => Some(sums.consumers.into()),
                "memory" => Some(queue.resident_bytes().into()),
                "message_bytes" => Some(sums.ready_bytes.saturating_add(sums.unsettled_bytes).into()),
                _ => match path.strip_prefix("message_stats.") {
                    Some(path) => message_stats.find(path),
                    None => lengths.find(path),
                },
            }
        });
        known.or_else(|| list::at(&self.value(), path).cloned())
    }
}

fn consumed_by(queue: &Arc<Queue>, sums: &Sums, now_ms: u64) -> ConsumedBy {
    let mut consumed_by = ConsumedBy {
        consumer_capacity: 0.0,
        consumer_utilisation: 0.0,
        exclusive_consumer_tag: None,
        single_active_consumer_tag: None,
    };
    if sums.consumers == 0 {
        return consumed_by;
    }
    consumed_by.consumer_capacity = queue.capacity(now_ms);
    consumed_by.consumer_utilisation = consumed_by.consumer_capacity;
    let is_single = queue.record().arguments.single_active_consumer;
    for consumer in queue.consumers() {
        if consumer.is_exclusive {
            consumed_by.exclusive_consumer_tag = Some(consumer.tag.clone());
        }
        if is_single && consumer.is_active {
            consumed_by.single_active_consumer_tag = Some(consumer.tag);
        }
    }
    consumed_by
}

fn policies(broker: &Broker, record: &QueueRecord) -> Policies {
    let topology = broker.topology().read();
    let what = AppliedPolicy::Queue(record.kind);
    let find = |side| topology.policy_of(&record.vhost, side, what, &record.name);
    let (user, operator) = (find(PolicySide::User), find(PolicySide::Operator));
    Policies {
        policy: user.map(|policy| policy.name.clone()),
        operator_policy: operator.map(|policy| policy.name.clone()),
        effective_policy_definition: effective(user, operator),
    }
}

/// The settings of both sides; where both set one, the lower number counts, and else what the operator says.
fn effective(user: Option<&Policy>, operator: Option<&Policy>) -> Json {
    let mut effective = user.map(|policy| policy.definition.clone()).unwrap_or_default();
    for (key, value) in operator.into_iter().flat_map(|policy| &policy.definition) {
        let lower = match (effective.get(key).and_then(Json::as_i64), value.as_i64()) {
            (Some(theirs), Some(ours)) => json!(theirs.min(ours)),
            _ => value.clone(),
        };
        effective.insert(key.clone(), lower);
    }
    Json::Object(effective)
}

/// The declaration of a body, or of definitions.
pub(super) fn declaration(queue: Name, body: &Object, durable: bool) -> Result<DeclareQueue, Problem> {
    Ok(DeclareQueue {
        queue,
        passive: false,
        durable: if body.get("durable").is_some() { body.truth("durable")? } else { durable },
        exclusive: false,
        auto_delete: body.truth("auto_delete")?,
        nowait: false,
        arguments: arguments::from_json(&body.map("arguments")?)?,
    })
}

pub(super) fn declare(api: &Api, call: &Call) -> Answer {
    let (vhost, queue, body) = (call.name(1)?, call.name(2)?, call.object()?);
    if queue.is_empty() {
        return Err(Problem::bad("a queue needs a name"));
    }
    if let Some(node) = body.text("node")?.filter(|node| *node != api.identity.node) {
        return Err(Problem::Bad(format!("Node {node} could not be contacted")));
    }
    // RabbitMQ: what is declared without a word on that is not durable.
    let declaration = declaration(queue.clone(), &body, false)?;
    let mut conversation = Conversation::open(api, &call.caller, &vhost)?;
    let is_new = api.broker().topology().read().find_queue(&vhost, &queue).is_none();
    conversation.ask(SessionCommand::DeclareQueue(declaration))?;
    Ok(Reply::put(is_new))
}

pub(super) fn delete(api: &Api, call: &Call) -> Answer {
    let record = find(api, call)?;
    let mut conversation = Conversation::open(api, &call.caller, &record.vhost)?;
    conversation.ask(SessionCommand::DeleteQueue {
        queue: record.name.clone(),
        if_unused: call.query.is_true("if-unused"),
        if_empty: call.query.is_true("if-empty"),
        nowait: false,
    })?;
    Ok(Reply::Done)
}

pub(super) fn purge(api: &Api, call: &Call) -> Answer {
    let record = find(api, call)?;
    let mut conversation = Conversation::open(api, &call.caller, &record.vhost)?;
    conversation.ask(SessionCommand::PurgeQueue { queue: record.name.clone(), nowait: false })?;
    Ok(Reply::Done)
}

/// RabbitMQ's actions are of mirrored queues, which do not exist any more: there is nothing to synchronise.
pub(super) fn act(api: &Api, call: &Call) -> Answer {
    find(api, call)?;
    match call.object()?.text("action")? {
        Some("sync" | "cancel_sync") => Ok(Reply::Done),
        other => Err(Problem::Bad(format!("unknown action: {}", other.unwrap_or("none")))),
    }
}
