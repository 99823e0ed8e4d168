//! `/api/health/checks`: 200 if all is well, 503 with what is not.

use model::{DeliveryId, Message, Outcome, SessionCommand, SessionEvent, Table, command::DeclareQueue};
use serde_json::{Value as Json, json};
use std::sync::Arc;

use super::Api;
use crate::{
    call::{Call, name},
    conversation::Conversation,
    problem::Problem,
    reply::{Answer, Reply},
    world::{Expires, Listening},
};

const DAY_S: u64 = 24 * 3600;

/// There is nothing that could be wrong and the node still answer.
pub(super) fn fine(_: &Api, _: &Call) -> Answer {
    Ok(Reply::Object(json!({ "status": "ok" })))
}

/// Whether clients can come. RabbitMQ: not while the node is drained.
pub(super) fn in_service(api: &Api, call: &Call) -> Answer {
    if api.world().is_open() {
        return fine(api, call);
    }
    let reason = if api.world().is_drained() {
        "the target node is under maintenance"
    } else {
        "the node's listeners for clients are suspended"
    };
    Err(Problem::Failed(json!({ "status": "failed", "reason": reason })))
}

pub(super) fn alarms(api: &Api, _: &Call) -> Answer {
    let resources = api.broker().alarms().resources();
    if resources.is_empty() {
        return fine_with(json!({}));
    }
    let alarms = resources.iter().map(|resource| json!({ "node": api.identity.node, "resource": resource }));
    Err(Problem::Failed(json!({
        "status": "failed",
        "reason": "There are alarms in effect in the cluster",
        "alarms": alarms.collect::<Vec<_>>(),
    })))
}

fn fine_with(more: Json) -> Answer {
    let mut body = json!({ "status": "ok" });
    if let (Some(body), Json::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    Ok(Reply::Object(body))
}

pub(super) fn port_listener(api: &Api, call: &Call) -> Answer {
    let port: u16 = call.part(3).parse().map_err(|_| Problem::bad("Invalid port"))?;
    if api.listening.iter().any(|listening| listening.address.port() == port) {
        return fine_with(json!({ "port": port }));
    }
    let ports: Vec<u16> = api.listening.iter().map(|listening| listening.address.port()).collect();
    Err(Problem::Failed(json!({
        "status": "failed", "reason": "No active listener", "missing": port, "ports": ports,
    })))
}

/// One protocol, or several with commas.
pub(super) fn protocol_listener(api: &Api, call: &Call) -> Answer {
    for wanted in call.part(3).split(',') {
        let protocol = match wanted {
            "amqp091" | "amqp0.9.1" | "amqp0-9-1" => "amqp",
            "amqps" | "amqp/ssl" | "amqp_ssl" => "amqp/ssl",
            other => other,
        };
        if !api.listening.iter().any(|listening| listening.protocol == protocol) {
            let protocols: Vec<&str> = api.listening.iter().map(|listening| listening.protocol).collect();
            return Err(Problem::Failed(json!({
                "status": "failed", "reason": "No active listener", "missing": wanted, "protocols": protocols,
            })));
        }
    }
    fine_with(json!({ "protocol": call.part(3) }))
}

/// Whether a certificate of a listener expires within so many days, weeks, months or years.
pub(super) fn certificates(api: &Api, call: &Call) -> Answer {
    let within: u64 = call.part(3).parse().map_err(|_| Problem::bad("Invalid expiration value."))?;
    let unit_s = match call.part(4).to_lowercase().as_str() {
        "days" => DAY_S,
        "weeks" => 7 * DAY_S,
        "months" => 365 * DAY_S / 12,
        "years" => 365 * DAY_S,
        _ => {
            let said = "Time unit not recognised. Supported units: days, weeks, months, years.";
            return Err(Problem::bad(said));
        }
    };
    let by_s = (api.world().now_ms() / 1000).saturating_add(within.saturating_mul(unit_s));
    let expired: Vec<Json> = api.listening.iter().filter_map(|one| expiring(api, one, by_s)).collect();
    if expired.is_empty() {
        return fine_with(json!({}));
    }
    let reason = "Certificates expiring";
    Err(Problem::Failed(json!({ "status": "failed", "reason": reason, "expired": expired })))
}

/// What expires of the certificates of a listener.
fn expiring(api: &Api, one: &Listening, by_s: u64) -> Option<Json> {
    let certificates = api.world().certificates(one.protocol)?;
    let of = |all: &[Expires]| -> Vec<String> {
        all.iter().filter(|one| one.at_s < by_s).map(|one| one.text.clone()).collect()
    };
    let (chain, authorities) = (of(&certificates.chain), of(&certificates.authorities));
    if chain.is_empty() && authorities.is_empty() {
        return None;
    }
    Some(json!({
        "node": api.identity.node,
        "protocol": one.protocol,
        "interface": one.address.ip().to_string(),
        "port": one.address.port(),
        "certfile": certificates.certfile,
        "cacertfile": certificates.cacertfile.unwrap_or_default(),
        "certfile_expires_on": chain,
        "cacertfile_expires_on": authorities,
    }))
}

/// Declares a queue, publishes to it and gets that back. RabbitMQ: the queue stays.
pub(super) fn aliveness(api: &Api, call: &Call) -> Answer {
    let vhost = api.vhost(call, 1)?;
    let queue = name("aliveness-test")?;
    let mut conversation = Conversation::open(api, &call.caller, &vhost)?;
    conversation.ask(SessionCommand::DeclareQueue(DeclareQueue {
        queue: queue.clone(),
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: Table::default(),
    }))?;
    let message = Message::new(b"", queue.as_bytes(), &[0, 0], b"test_message");
    let message = Arc::new(message.map_err(|_| Problem::Internal)?);
    conversation.say(SessionCommand::Publish { message, mandatory: false });
    match conversation.ask(SessionCommand::Get { queue, no_ack: false })? {
        SessionEvent::Got { delivery, .. } => settle(&mut conversation, delivery),
        _ => {
            return Err(Problem::Failed(
                json!({ "status": "failed", "reason": "the message did not arrive" }),
            ));
        }
    }
    fine_with(json!({}))
}

fn settle(conversation: &mut Conversation<'_>, delivery: DeliveryId) {
    conversation.say(SessionCommand::Settle { delivery, multiple: false, outcome: Outcome::Accepted });
}
