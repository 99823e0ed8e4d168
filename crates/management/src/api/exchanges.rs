//! `/api/exchanges`.

use std::sync::Arc;

use broker::{
    Broker,
    topology::{AppliedPolicy, ExchangeRecord, PolicySide, Topology},
};
use model::{Name, SessionCommand, command::DeclareExchange};
use serde_json::{Value as Json, json};

use super::{
    Api,
    statistics::{Shown, Wanted},
};
use crate::{
    arguments,
    call::{Call, Object, name},
    conversation::Conversation,
    list::{self, Row},
    problem::Problem,
    reply::{Answer, Reply},
    samples,
};

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    let vhosts = api.vhosts(call, 1)?;
    let wanted = Wanted::of(call)?;
    let (broker, samples) = (api.broker(), &api.samples);
    let topology = broker.topology().read();
    let mut rows = Vec::new();
    for vhost in &vhosts {
        let (b, s, v) = (Arc::clone(broker), Arc::clone(samples), vhost.clone());
        rows.push(Row::new("", move || counted(&b, &s, wanted, show_default(&v), (&v, ""))));
        rows.extend(topology.exchanges(vhost).map(|record| {
            let (b, s, record) = (Arc::clone(broker), Arc::clone(samples), Arc::clone(record));
            Row::new(record.name.as_str().to_owned(), move || {
                let shown = show(&b.topology().read(), &record);
                counted(&b, &s, wanted, shown, (&record.vhost, &record.name))
            })
        }));
    }
    Ok(Reply::List(rows))
}

/// With `message_stats`, if those are wanted.
fn counted(
    broker: &Broker,
    samples: &samples::Shared,
    wanted: Wanted,
    mut shown: Json,
    (vhost, name): (&Name, &str),
) -> Json {
    // Before the topology: see `samples`.
    let samples = samples.read();
    let topology = broker.topology().read();
    let counts = topology.exchange_counts(vhost, name).filter(|_| !wanted.is_static);
    if let (Some(counts), Some(shown)) = (counts, shown.as_object_mut()) {
        let statistics = Shown { samples: &samples, ranges: wanted.ranges };
        let stats = statistics.exchange(vhost, name, (counts.publish_in(), counts.publish_out()));
        shown.insert("message_stats".to_owned(), list::to_value(&stats));
    }
    shown
}

fn show(topology: &Topology, record: &Arc<ExchangeRecord>) -> Json {
    let policy = topology.policy_of(&record.vhost, PolicySide::User, AppliedPolicy::Exchange, &record.name);
    json!({
        "name": record.name.as_str(),
        "vhost": record.vhost.as_str(),
        "type": record.kind.name(),
        "durable": record.durable,
        "auto_delete": record.auto_delete,
        "internal": record.internal,
        "arguments": arguments::to_json(&record.arguments),
        "policy": policy.map(|policy| policy.name.as_str()),
        "user_who_performed_action": "none",
    })
}

fn show_default(vhost: &Name) -> Json {
    json!({
        "name": "", "vhost": vhost.as_str(), "type": "direct", "durable": true, "auto_delete": false,
        "internal": false, "arguments": {}, "policy": null, "user_who_performed_action": "rmq-internal",
    })
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    let (vhost, name) = (api.vhost(call, 1)?, call.exchange(2)?);
    let shown = if name.is_empty() {
        show_default(&vhost)
    } else {
        let topology = api.broker().topology().read();
        let record = topology.exchange(&vhost, &name).map_err(|_| Problem::NotFound)?;
        show(&topology, record)
    };
    let wanted = Wanted::of(call)?;
    let mut shown = counted(api.broker(), &api.samples, wanted, shown, (&vhost, &name));
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("incoming".to_owned(), json!([]));
        shown.insert("outgoing".to_owned(), json!([]));
    }
    Ok(Reply::Object(shown))
}

/// The declaration of a body, or of definitions.
pub(super) fn declaration(exchange: Name, body: &Object) -> Result<DeclareExchange, Problem> {
    let kind = name(body.text("type")?.unwrap_or("direct"))?;
    Ok(DeclareExchange {
        exchange,
        kind,
        passive: false,
        durable: body.get("durable").is_none() || body.truth("durable")?,
        auto_delete: body.truth("auto_delete")?,
        internal: body.truth("internal")?,
        nowait: false,
        arguments: arguments::from_json(&body.map("arguments")?)?,
    })
}

pub(super) fn declare(api: &Api, call: &Call) -> Answer {
    let (vhost, name) = (call.name(1)?, call.exchange(2)?);
    let declaration = declaration(name.clone(), &call.object()?)?;
    let mut conversation = Conversation::open(api, &call.caller, &vhost)?;
    let is_new = api.broker().topology().read().exchange(&vhost, &name).is_err();
    conversation.ask(SessionCommand::DeclareExchange(declaration))?;
    Ok(Reply::put(is_new))
}

pub(super) fn delete(api: &Api, call: &Call) -> Answer {
    let (vhost, exchange) = (api.vhost(call, 1)?, call.exchange(2)?);
    if !exchange.is_empty() && api.broker().topology().read().exchange(&vhost, &exchange).is_err() {
        return Err(Problem::NotFound);
    }
    let if_unused = call.query.is_true("if-unused");
    let mut conversation = Conversation::open(api, &call.caller, &vhost)?;
    conversation.ask(SessionCommand::DeleteExchange { exchange, if_unused, nowait: false })?;
    Ok(Reply::Done)
}
