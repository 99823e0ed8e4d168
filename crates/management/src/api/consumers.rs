//! `/api/consumers`.

use std::{collections::BTreeMap, sync::Arc};

use broker::{Connected, queue::ConsumerRecord, topology::ConnectionId, topology::QueueRecord};
use model::SessionId;
use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    call::Call,
    reply::{Answer, Reply},
};

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    let vhosts = api.vhosts(call, 1)?;
    let connected = connected(api);
    let topology = api.broker().topology().read();
    let records = vhosts.iter().flat_map(|vhost| topology.queues_of(vhost));
    let rows = records.flat_map(|record| rows(api, &connected, record));
    Ok(Reply::values(rows.collect::<Vec<_>>()))
}

type Register = BTreeMap<ConnectionId, Arc<Connected>>;

fn connected(api: &Api) -> Register {
    api.broker().connected().into_iter().map(|one| (one.id, one)).collect()
}

fn rows(api: &Api, connected: &Register, record: &QueueRecord) -> Vec<(String, Json)> {
    let consumers = api.broker().queue(record).map(|queue| queue.consumers()).unwrap_or_default();
    consumers.iter().map(|one| (one.tag.to_string(), show(api, connected, record, one))).collect()
}

/// Those of one session.
pub(super) fn of_session(api: &Api, connected: &Arc<Connected>, session: SessionId) -> Json {
    let register = Register::from([(connected.id, Arc::clone(connected))]);
    let topology = api.broker().topology().read();
    let queues = topology.queues_of(&connected.vhost).filter_map(|record| api.broker().queue(record));
    let all = queues.flat_map(|queue| {
        let consumers = queue.consumers().into_iter();
        let own = consumers.filter(|one| one.connection == connected.id && one.session == session);
        own.map(|one| show(api, &register, queue.record(), &one)).collect::<Vec<_>>()
    });
    all.collect()
}

/// Those of one queue.
pub(super) fn of_queue(api: &Api, record: &QueueRecord) -> Json {
    let connected = connected(api);
    rows(api, &connected, record).into_iter().map(|(_, consumer)| consumer).collect()
}

fn show(api: &Api, connected: &Register, record: &QueueRecord, consumer: &ConsumerRecord) -> Json {
    let arguments =
        if consumer.priority == 0 { json!({}) } else { json!({ "x-priority": consumer.priority }) };
    let mut shown = json!({
        "consumer_tag": consumer.tag.as_str(),
        "queue": { "name": record.name.as_str(), "vhost": record.vhost.as_str() },
        "ack_required": !consumer.no_ack,
        "prefetch_count": consumer.prefetch,
        "exclusive": consumer.is_exclusive,
        "active": consumer.is_active,
        "activity_status": if consumer.is_active { "up" } else { "waiting" },
        "arguments": arguments,
        "channel_details": connected.get(&consumer.connection).map(|one| channel(api, one, consumer)),
    });
    let timeout_ms = api.broker().consumer_timeout_ms(record);
    if let (Some(timeout_ms), Some(shown)) = (timeout_ms, shown.as_object_mut()) {
        shown.insert("consumer_timeout".to_owned(), json!(timeout_ms));
    }
    shown
}

fn channel(api: &Api, connected: &Connected, consumer: &ConsumerRecord) -> Json {
    let connection = connected.name().unwrap_or_default();
    json!({
        "name": format!("{connection} ({})", consumer.session.0),
        "number": consumer.session.0,
        "connection_name": connection,
        "node": api.identity.node,
        "user": connected.user.as_str(),
        "peer_host": connected.ends.map(|ends| ends.peer.ip().to_string()),
        "peer_port": connected.ends.map(|ends| ends.peer.port()),
    })
}
