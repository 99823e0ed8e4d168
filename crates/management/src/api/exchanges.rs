//! `/api/exchanges`.

use std::sync::Arc;

use broker::topology::{AppliedPolicy, ExchangeRecord, PolicySide, Topology};
use model::{Name, SessionCommand, command::DeclareExchange};
use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    arguments,
    call::{Call, Object, name},
    conversation::Conversation,
    list::Row,
    problem::Problem,
    reply::{Answer, Reply},
};

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    let vhosts = api.vhosts(call, 1)?;
    let topology = api.broker().topology().read();
    let mut rows = Vec::new();
    for vhost in &vhosts {
        rows.push(Row::made("", show_default(vhost)));
        rows.extend(
            topology.exchanges(vhost).map(|record| Row::made(record.name.as_str(), show(&topology, record))),
        );
    }
    Ok(Reply::List(rows))
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
    let mut shown = if name.is_empty() {
        show_default(&vhost)
    } else {
        let topology = api.broker().topology().read();
        let record = topology.exchange(&vhost, &name).map_err(|_| Problem::NotFound)?;
        show(&topology, record)
    };
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
