//! `/api/harefoot/delayed`: what waits in exchanges of the type `x-delayed-message`. RabbitMQ has nothing like it.
//!
//! Whoever may bind to an exchange may see what waits in it, and take it out: as with the messages of a queue, which takes
//! *read*.

use std::sync::Arc;

use broker::queue::{Cancelled, Queue, Waiting};
use model::{Name, refusal::Resource};
use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    arguments,
    call::Call,
    problem::Problem,
    properties,
    reply::{Answer, Reply},
};

const PAGE_SIZE_DEFAULT: usize = 100;
const PAGE_SIZE_MAX: usize = 500;

/// Where the messages of the exchange of the path wait, for somebody who may see them.
fn room(api: &Api, call: &Call) -> Result<(Name, Name, Arc<Queue>), Problem> {
    let (vhost, exchange) = (api.vhost(call, 2)?, call.exchange(3)?);
    api.check_reading(call, &api.broker().topology().read(), &vhost, Resource::Exchange, &exchange)?;
    let room = api.broker().waiting_room(&vhost, &exchange).ok_or(Problem::NotFound)?;
    Ok((vhost, exchange, room))
}

/// A number of the query.
fn number(call: &Call, key: &str) -> Result<Option<u64>, Problem> {
    let Some(text) = call.query.get(key) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Problem::Bad(format!("{key} should be a number, actually was {text}")))
}

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    let (vhost, exchange, room) = room(api, call)?;
    let size = number(call, "page_size")?.map_or(PAGE_SIZE_DEFAULT, |size| {
        usize::try_from(size).unwrap_or(PAGE_SIZE_MAX).clamp(1, PAGE_SIZE_MAX)
    });
    let page = room.waiting(number(call, "cursor")?.unwrap_or_default(), size);
    let page = page.map_err(|fault| failed(&exchange, &fault))?;
    let (ready, ..) = room.counts();
    Ok(Reply::Object(json!({
        "vhost": vhost.as_str(),
        "exchange": exchange.as_str(),
        "messages": ready.messages,
        "items": page.messages.iter().map(show).collect::<Vec<Json>>(),
        "next_cursor": page.next,
    })))
}

fn show(waiting: &Waiting) -> Json {
    let message = &waiting.message;
    json!({
        "id": waiting.number,
        "due_at_ms": waiting.due_at_ms,
        "routing_key": arguments::text(message.routing_key()),
        "properties": properties::to_json(&message.properties()),
        "payload_bytes": message.body().len(),
    })
}

pub(super) fn cancel(api: &Api, call: &Call) -> Answer {
    let (_, exchange, room) = room(api, call)?;
    let number = call.part(4).parse().map_err(|_| Problem::NotFound)?;
    match api.broker().cancel_waiting(&room, number, api.world().now_ms()) {
        Ok(Cancelled::Gone(position)) => {
            api.broker().wait_durable(position);
            Ok(Reply::Done)
        }
        Ok(Cancelled::Missing) => Err(Problem::NotFound),
        Ok(Cancelled::Busy) => Err(Problem::Failed(json!({
            "error": "busy",
            "reason": "what waits is being read from disk; ask again",
        }))),
        Err(fault) => Err(failed(&exchange, &fault)),
    }
}

pub(super) fn cancel_all(api: &Api, call: &Call) -> Answer {
    let (.., room) = room(api, call)?;
    let (cancelled, position) = room.cancel_all_waiting();
    api.broker().wait_durable(position);
    Ok(Reply::Object(json!({ "cancelled": cancelled })))
}

fn failed(exchange: &Name, fault: &impl std::fmt::Display) -> Problem {
    tracing::error!(%exchange, %fault, "what waits in an exchange cannot be read");
    Problem::Internal
}
