//! `/api/harefoot/peek`: the messages of a queue in their places. Nothing is taken, marked or counted. RabbitMQ has it for the
//! first message of a position of quorum queues, on its command line.
//!
//! Whoever may get from a queue may look into it: that takes *read*. Into somebody's exclusive queue only the node's owner may.
//!
//! No message is stamped in memory or on disk when it comes in: a queue remembers the times of some (`broker::queue`), a stream
//! that of each chunk. Of what a queue had when the node started nobody knows but its publisher, if it has set a `timestamp`.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use broker::{
    queue::{Peeked, Queue, Spot},
    topology::QueueKind,
};
use model::refusal::Resource;
use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    arguments,
    call::Call,
    login::Right,
    problem::Problem,
    properties,
    reply::{Answer, Reply},
};

const PAGE_SIZE_DEFAULT: usize = 50;
const PAGE_SIZE_MAX: usize = 500;
/// Bytes of a body that are shown without a wish.
const BODY_BYTES_DEFAULT: usize = 64 * 1024;
/// Bytes of bodies of one page.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Messages that are looked at for one page with a filter.
const SEEN_MAX: usize = 20_000;

/// What is wanted of a queue.
struct Wish {
    size: usize,
    body_bytes_max: usize,
    filter: Option<Vec<u8>>,
}

/// The queue of the path, for somebody who may look into it.
fn find(api: &Api, call: &Call) -> Result<Arc<Queue>, Problem> {
    let (vhost, name) = (api.vhost(call, 2)?, call.name(3)?);
    let topology = api.broker().topology().read();
    let record = topology.find_queue(&vhost, &name).cloned().ok_or(Problem::NotFound)?;
    api.check_reading(call, &topology, &vhost, Resource::Queue, &name)?;
    if record.exclusive_owner.is_some() && !call.caller.is_operator {
        call.caller.require(Right::Administrator)?;
    }
    drop(topology);
    api.broker().queue(&record).ok_or(Problem::NotFound)
}

fn number(call: &Call, key: &str) -> Result<Option<u64>, Problem> {
    let Some(text) = call.query.get(key) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Problem::Bad(format!("{key} should be a number, actually was {text}")))
}

/// Where a page ended: the position of the next message, and its place.
fn parse_cursor(text: &str) -> Option<(u64, Spot)> {
    let mut parts = text.split('-');
    let (position, level, number) = (parts.next()?, parts.next()?, parts.next()?);
    let spot = Spot { level: level.parse().ok()?, number: number.parse().ok()? };
    parts.next().is_none().then_some((position.parse().ok()?, spot))
}

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    let queue = find(api, call)?;
    let is_stream = queue.record().kind == QueueKind::Stream;
    let size = |text: Option<u64>, default: usize, max: usize| {
        text.map_or(default, |size| usize::try_from(size).unwrap_or(max)).min(max)
    };
    let wish = Wish {
        size: size(number(call, "page_size")?, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX).max(1),
        body_bytes_max: size(number(call, "truncate")?, BODY_BYTES_DEFAULT, PAGE_BYTES_MAX),
        filter: call.query.get("filter").filter(|text| !text.is_empty()).map(|text| text.as_bytes().to_vec()),
    };
    let start = match call.query.get("cursor") {
        Some(cursor) => Some(parse_cursor(cursor).ok_or_else(|| Problem::bad("this is no cursor"))?),
        None if is_stream => {
            let number = number(call, "position")?.unwrap_or(0);
            Some((number, Spot { level: 0, number }))
        }
        None => {
            let position = number(call, "position")?.unwrap_or(1).max(1);
            let spot = queue.spot(position.saturating_sub(1)).map_err(|fault| failed(&queue, &fault))?;
            spot.map(|spot| (position, spot))
        }
    };
    let (items, next) = match start {
        Some(start) => page(api, &queue, start, &wish)?,
        None => (Vec::new(), None),
    };
    let record = queue.record();
    let (ready, unsettled, _) = queue.counts();
    Ok(Reply::Object(json!({
        "vhost": record.vhost.as_str(),
        "queue": record.name.as_str(),
        "messages_ready": ready.messages,
        "messages_unacknowledged": unsettled.messages,
        "items": items,
        "next_cursor": next,
    })))
}

/// Messages from a place on, and where the next page begins.
fn page(
    api: &Api,
    queue: &Queue,
    (mut position, mut spot): (u64, Spot),
    wish: &Wish,
) -> Result<(Vec<Json>, Option<String>), Problem> {
    let now_ms = api.world().now_ms();
    let started_ms = now_ms.saturating_sub(api.world().usage().uptime_ms);
    let (mut items, mut bytes, mut seen) = (Vec::new(), 0_usize, 0_usize);
    while items.len() < wish.size && bytes < PAGE_BYTES_MAX && seen < SEEN_MAX {
        // With a filter most of what is read is not shown.
        let wanted =
            if wish.filter.is_some() { PAGE_SIZE_MAX } else { wish.size.saturating_sub(items.len()) };
        let read = queue.peek(spot, wanted);
        let read = read.map_err(|fault| failed(queue, &fault))?;
        for one in &read.messages {
            if queue.record().kind == QueueKind::Stream {
                position = one.spot.number;
            }
            if bytes >= PAGE_BYTES_MAX || items.len() >= wish.size {
                return Ok((items, Some(cursor(position, one.spot))));
            }
            if wish.filter.as_ref().is_none_or(|wanted| has(one, wanted)) {
                bytes = bytes
                    .saturating_add(one.message.body().len().min(wish.body_bytes_max))
                    .saturating_add(256);
                items.push(show(one, position, (now_ms, started_ms), wish.body_bytes_max));
            }
            position = position.saturating_add(1);
            seen = seen.saturating_add(1);
        }
        let Some(next) = read.next else { return Ok((items, None)) };
        spot = next;
    }
    // Whether anything is left is known when it is looked for.
    let is_more = !queue.peek(spot, 1).map_err(|fault| failed(queue, &fault))?.messages.is_empty();
    Ok((items, is_more.then(|| cursor(position, spot))))
}

fn cursor(position: u64, spot: Spot) -> String {
    format!("{position}-{}-{}", spot.level, spot.number)
}

/// Whether a text is anywhere in a message: routing key, exchange, properties and headers, body.
fn has(one: &Peeked, wanted: &[u8]) -> bool {
    let message = &one.message;
    let is_in = |text: &[u8]| text.windows(wanted.len()).any(|part| part == wanted);
    is_in(message.routing_key())
        || is_in(message.exchange())
        || is_in(message.body())
        || is_in(properties::to_json(&message.properties()).to_string().as_bytes())
}

/// How long a message has been in its queue, in seconds, and who says so: the `queue`; the `publisher`; or, where nobody knows
/// more than that it was there before, the `start` of the node.
fn age(one: &Peeked, timestamp: Option<u64>, (now_ms, started_ms): (u64, u64)) -> (u64, &'static str) {
    let since_s = |at_ms: u64| now_ms.saturating_sub(at_ms) / 1000;
    match (one.arrived_ms, timestamp) {
        (0, Some(stamp)) => (since_s(stamp.saturating_mul(1000)), "publisher"),
        (0, None) => (since_s(started_ms), "start"),
        (arrived_ms, _) => (since_s(arrived_ms), "queue"),
    }
}

fn show(one: &Peeked, position: u64, times_ms: (u64, u64), body_bytes_max: usize) -> Json {
    let (message, body) = (&one.message, one.message.body());
    let shown = body.get(..body_bytes_max.min(body.len())).unwrap_or_default();
    let (payload, encoding) = match std::str::from_utf8(shown) {
        Ok(text) => (text.to_owned(), "string"),
        // Cut within a letter: what stands before it is text all the same.
        Err(error) if error.error_len().is_none() && shown.len() < body.len() => {
            let whole = shown.get(..error.valid_up_to()).unwrap_or_default();
            (String::from_utf8_lossy(whole).into_owned(), "string")
        }
        Err(_) => (BASE64_STANDARD.encode(shown), "base64"),
    };
    let properties = message.properties();
    let (age_s, age_by) = age(one, properties.timestamp, times_ms);
    json!({
        "position": position,
        "age_s": age_s,
        "age_by": age_by,
        "expires_at_ms": (one.expires_at_ms != 0).then_some(one.expires_at_ms),
        "redelivered": one.is_redelivered,
        "exchange": arguments::text(message.exchange()),
        "routing_key": arguments::text(message.routing_key()),
        "properties": properties::to_json(&properties),
        "payload": payload,
        "payload_encoding": encoding,
        "payload_bytes": body.len(),
    })
}

fn failed(queue: &Queue, fault: &impl std::fmt::Display) -> Problem {
    tracing::error!(queue = %queue.record().name, %fault, "the messages of a queue cannot be looked at");
    Problem::Internal
}
