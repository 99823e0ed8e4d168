//! `/api/queues`.

use std::sync::Arc;

use broker::{
    Broker,
    topology::{AppliedPolicy, Policy, PolicySide, QueueRecord},
};
use model::{Name, SessionCommand, command::DeclareQueue};
use serde_json::{Map, Value as Json, json};

use super::{Api, consumers};
use crate::{
    arguments,
    call::{Call, Object},
    conversation::Conversation,
    list::Row,
    problem::Problem,
    reply::{Answer, Reply},
};

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    // `/api/queues/detailed` is the same as `/api/queues` here: all fields, always.
    let at = if call.part(1) == "detailed" { 2 } else { 1 };
    let vhosts = api.vhosts(call, at)?;
    let detail = Detail::of(call);
    let topology = api.broker().topology().read();
    let records = vhosts.iter().flat_map(|vhost| topology.queues_of(vhost));
    let rows = records.map(|record| {
        let (broker, record, node) =
            (Arc::clone(api.broker()), Arc::clone(record), api.identity.node.clone());
        Row::new(record.name.to_string(), move || show(&broker, &node, &record, detail))
    });
    Ok(Reply::List(rows.collect()))
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    let record = find(api, call)?;
    let mut shown = show(api.broker(), &api.identity.node, &record, Detail::of(call));
    if let Some(shown) = shown.as_object_mut() {
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

/// How much is told of a queue.
#[derive(Clone, Copy, Debug)]
struct Detail {
    /// Only what was declared: `disable_stats`.
    is_static: bool,
    /// Then the counts of messages nevertheless: `enable_queue_totals`.
    has_totals: bool,
}

impl Detail {
    fn of(call: &Call) -> Self {
        Self {
            is_static: call.query.is_true("disable_stats"),
            has_totals: call.query.is_true("enable_queue_totals"),
        }
    }
}

fn show(broker: &Broker, node: &str, record: &QueueRecord, detail: Detail) -> Json {
    let mut shown = declared(node, record);
    let queue = broker.queue(record).filter(|_| !detail.is_static || detail.has_totals);
    if let Some(queue) = queue {
        let (ready, unsettled, consumers) = queue.counts();
        let messages = ready.messages.saturating_add(unsettled.messages);
        let bytes = ready.bytes.saturating_add(unsettled.bytes);
        put(
            &mut shown,
            json!({
                "messages": messages,
                "messages_ready": ready.messages,
                "messages_unacknowledged": unsettled.messages,
            }),
        );
        if !detail.is_static {
            put(
                &mut shown,
                json!({
                    "consumers": consumers,
                    "message_bytes": bytes,
                    "message_bytes_ready": ready.bytes,
                    "message_bytes_unacknowledged": unsettled.bytes,
                    "memory": queue.resident_bytes(),
                }),
            );
        }
    }
    if !detail.is_static {
        put(&mut shown, policies(broker, record));
    }
    Json::Object(shown)
}

/// What does not change while the queue lives.
fn declared(node: &str, record: &QueueRecord) -> Map<String, Json> {
    let mut shown = Map::new();
    put(
        &mut shown,
        json!({
            "name": record.name.as_str(),
            "vhost": record.vhost.as_str(),
            "type": record.kind.name(),
            "durable": record.durable,
            "auto_delete": record.auto_delete,
            "exclusive": record.exclusive_owner.is_some(),
            "arguments": arguments::to_json(&record.raw_arguments),
            "node": node,
            "state": "running",
        }),
    );
    // What exists once for each replica: there is one, here.
    if record.kind.name() != "classic" {
        put(&mut shown, json!({ "leader": node, "members": [node], "online": [node] }));
    }
    shown
}

fn policies(broker: &Broker, record: &QueueRecord) -> Json {
    let topology = broker.topology().read();
    let what = AppliedPolicy::Queue(record.kind);
    let find = |side| topology.policy_of(&record.vhost, side, what, &record.name);
    let (user, operator) = (find(PolicySide::User), find(PolicySide::Operator));
    let name = |policy: Option<&Policy>| policy.map(|policy| policy.name.to_string());
    json!({
        "policy": name(user),
        "operator_policy": name(operator),
        "effective_policy_definition": effective(user, operator),
    })
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

fn put(into: &mut Map<String, Json>, fields: Json) {
    if let Json::Object(fields) = fields {
        into.extend(fields);
    }
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
