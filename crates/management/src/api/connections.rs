//! `/api/connections`.

use std::sync::Arc;

use broker::{Connected, ConnectionState, Protection};
use model::Name;
use serde_json::{Value as Json, json};

use super::{
    Api,
    statistics::{Garbage, Shown, Wanted},
};
use crate::{
    arguments,
    call::Call,
    list,
    login::Right,
    problem::Problem,
    reply::{Answer, Reply},
};

/// The reason that RabbitMQ gives.
const REASON: &str = "Closed via management plugin";

/// Those that the caller may know of: all of them, or their own.
pub(super) fn visible(api: &Api, call: &Call, is_wanted: impl Fn(&Connected) -> bool) -> Vec<Arc<Connected>> {
    let sees_all = call.caller.has(Right::Monitoring);
    let all = api.broker().connected().into_iter();
    all.filter(|one| (sees_all || one.user == call.caller.user) && is_wanted(one)).collect()
}

fn rows(api: &Api, call: &Call, connections: Vec<Arc<Connected>>) -> Answer {
    let wanted = Wanted::of(call)?;
    Ok(Reply::values(connections.iter().filter_map(|one| Some((one.name()?, show(api, one, wanted)?)))))
}

/// Where a channel belongs.
pub(super) fn details(one: &Connected) -> Json {
    json!({
        "name": one.name(),
        "peer_host": one.ends.map(|ends| ends.peer.ip().to_string()),
        "peer_port": one.ends.map(|ends| ends.peer.port()),
    })
}

pub(super) fn state(api: &Api, one: &Connected) -> &'static str {
    in_words(one.state(api.broker().alarms(), api.world().now_ms()))
}

fn show(api: &Api, one: &Connected, wanted: Wanted) -> Option<Json> {
    let ends = one.ends?;
    if wanted.is_static {
        return Some(json!({
            "name": one.name()?, "vhost": one.vhost.as_str(), "user": one.user.as_str(), "node": api.identity.node,
        }));
    }
    let properties = one.client_properties();
    let given = properties.get("connection_name").and_then(|name| name.as_text().map(str::to_owned));
    let mut shown = json!({
        "name": one.name()?,
        "node": api.identity.node,
        "user": one.user.as_str(),
        "user_who_performed_action": one.user.as_str(),
        "vhost": one.vhost.as_str(),
        "state": state(api, one),
        "type": "network",
        "protocol": "AMQP 0-9-1",
        "auth_mechanism": one.mechanism,
        "connected_at": one.since_ms,
        "channels": one.sessions(),
        "peer_host": ends.peer.ip().to_string(),
        "peer_port": ends.peer.port(),
        "host": ends.local.ip().to_string(),
        "port": ends.local.port(),
        "send_pend": 0,
        "reductions": 0,
        "reductions_details": { "rate": 0.0 },
        "garbage_collection": Garbage::default(),
        "ssl": one.protection.is_some(),
        "client_properties": arguments::to_json(&properties),
    });
    if let Some(shown) = shown.as_object_mut() {
        shown.extend(encryption(one.protection.as_deref()));
        shown.extend(given.map(|given| ("user_provided_name".to_owned(), json!(given))));
        if let Some(tuned) = one.tuned() {
            shown.insert("frame_max".to_owned(), json!(tuned.frame_max));
            shown.insert("channel_max".to_owned(), json!(tuned.sessions_max));
            shown.insert("timeout".to_owned(), json!(tuned.heartbeat_s));
        }
        let samples = api.samples.read();
        let statistics = Shown { samples: &samples, ranges: wanted.ranges };
        let messages = statistics.sessions(one, &one.session_views());
        shown.insert("message_stats".to_owned(), list::to_value(&messages));
        list::put_fields(shown, &statistics.connection(one));
    }
    Some(shown)
}

/// What there is to say of the encryption; RabbitMQ: null where there is none.
fn encryption(of: Option<&Protection>) -> [(String, Json); 7] {
    let peer = of.and_then(|of| of.peer.as_ref());
    [
        ("ssl_protocol", of.map(|of| of.protocol)),
        ("ssl_key_exchange", of.map(|of| of.key_exchange)),
        ("ssl_cipher", of.map(|of| of.cipher)),
        ("ssl_hash", of.map(|of| of.hash)),
        ("peer_cert_subject", peer.map(|peer| peer.subject.as_str())),
        ("peer_cert_issuer", peer.map(|peer| peer.issuer.as_str())),
        ("peer_cert_validity", peer.map(|peer| peer.validity.as_str())),
    ]
    .map(|(name, value)| (name.to_owned(), json!(value)))
}

fn in_words(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Running => "running",
        ConnectionState::Flow => "flow",
        ConnectionState::Blocking => "blocking",
        ConnectionState::Blocked => "blocked",
    }
}

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    rows(api, call, visible(api, call, |_| true))
}

pub(super) fn of_vhost(api: &Api, call: &Call) -> Answer {
    let vhost = api.vhost(call, 1)?;
    rows(api, call, visible(api, call, |one| one.vhost == vhost))
}

pub(super) fn of_user(api: &Api, call: &Call) -> Answer {
    let user = call.name(2)?;
    rows(api, call, visible(api, call, |one| one.user == user))
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    let found = find(api, call)?;
    show(api, &found, Wanted::of(call)?).map(Reply::Object).ok_or(Problem::NotFound)
}

pub(super) fn find(api: &Api, call: &Call) -> Result<Arc<Connected>, Problem> {
    let wanted = Some(call.part(1).to_owned());
    visible(api, call, |one| one.name() == wanted).pop().ok_or(Problem::NotFound)
}

pub(super) fn close(api: &Api, call: &Call) -> Answer {
    let found = find(api, call)?;
    end(call, &found);
    Ok(Reply::Done)
}

pub(super) fn close_of_user(api: &Api, call: &Call) -> Answer {
    let user: Name = call.name(2)?;
    for one in visible(api, call, |one| one.user == user) {
        end(call, &one);
    }
    Ok(Reply::Done)
}

fn end(call: &Call, one: &Connected) {
    let reason = call.reason.as_deref().unwrap_or(REASON);
    one.close(reason);
}
