//! Publishing and getting by HTTP: for a look and a try, not for traffic.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use broker::topology::QueueKind;
use model::{
    DeliveryId, Message, Name, Outcome, SessionCommand, SessionEvent, Table, Value, command::Consume,
};
use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    arguments,
    call::{Call, Object},
    conversation::Conversation,
    problem::Problem,
    properties,
    reply::{Answer, Reply},
};

/// Messages of one get.
const GET_COUNT_MAX: i64 = 100_000;
/// Bytes of bodies of one get: what comes after is left in the queue.
const GET_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long nothing has come of a stream when its end is reached.
const STREAM_QUIET: Duration = Duration::from_millis(250);

pub(super) fn publish(api: &Api, call: &Call) -> Answer {
    let (vhost, exchange, body) = (api.vhost(call, 1)?, call.exchange(2)?, call.object()?);
    body.require(&["routing_key", "properties", "payload", "payload_encoding"])?;
    let payload = payload(&body)?;
    let properties = properties::encode(&Object(body.map("properties")?))?;
    let routing_key = body.text("routing_key")?.unwrap_or_default();
    if routing_key.len() > 255 {
        return Err(Problem::bad("routing_key is longer than 255 bytes"));
    }
    let message = Message::new(exchange.as_bytes(), routing_key.as_bytes(), &properties, &payload);
    let message = Arc::new(message.map_err(|error| Problem::Bad(error.to_string()))?);
    let mut conversation = Conversation::open(api, &call.caller, &vhost)?;
    conversation.ask(SessionCommand::SelectConfirms { nowait: false })?;
    conversation.say(SessionCommand::Publish { message, mandatory: true });
    let mut routed = true;
    loop {
        match conversation.hear().map_err(crate::conversation::Failure::with_code)? {
            SessionEvent::Returned { .. } => routed = false,
            // RabbitMQ: also what a queue has refused was routed.
            SessionEvent::Confirmed { .. } | SessionEvent::NotConfirmed { .. } => break,
            _ => {}
        }
    }
    Ok(Reply::Object(json!({ "routed": routed })))
}

fn payload(body: &Object) -> Result<Vec<u8>, Problem> {
    let text = body.text("payload")?.unwrap_or_default();
    match body.text("payload_encoding")? {
        Some("string") => Ok(text.as_bytes().to_vec()),
        Some("base64") => BASE64_STANDARD.decode(text).map_err(|_| Problem::bad("payload is not base64")),
        other => Err(Problem::Bad(format!(
            "unsupported payload_encoding: {}; it is string or base64",
            other.unwrap_or("null")
        ))),
    }
}

/// What becomes of a message that was got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AckMode {
    Ack,
    AckAndRequeue,
    Reject,
    RejectAndRequeue,
}

impl AckMode {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "ack_requeue_false" => Self::Ack,
            "ack_requeue_true" => Self::AckAndRequeue,
            "reject_requeue_false" => Self::Reject,
            "reject_requeue_true" => Self::RejectAndRequeue,
            _ => return None,
        })
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Ack => Outcome::Accepted,
            Self::Reject => Outcome::Rejected,
            Self::AckAndRequeue | Self::RejectAndRequeue => Outcome::Requeued,
        }
    }
}

pub(super) fn get(api: &Api, call: &Call) -> Answer {
    let (vhost, queue, body) = (api.vhost(call, 1)?, call.name(2)?, call.object()?);
    body.require(&["ackmode", "count", "encoding"])?;
    let word = body.text("ackmode")?.unwrap_or_default();
    let mode = AckMode::parse(word).ok_or_else(|| {
        Problem::Bad(format!(
            "unknown ackmode: {word}; it is one of ack_requeue_true, ack_requeue_false, reject_requeue_true, \
             reject_requeue_false"
        ))
    })?;
    let count = body.integer("count")?.unwrap_or_default().clamp(0, GET_COUNT_MAX);
    let is_base64 = match body.text("encoding")? {
        Some("auto") => false,
        Some("base64") => true,
        _ => return Err(Problem::bad("Unsupported encoding. Please use auto or base64.")),
    };
    let truncate = body.integer("truncate")?.map(|bytes| usize::try_from(bytes).unwrap_or_default());
    let is_stream = {
        let topology = api.broker().topology().read();
        topology.find_queue(&vhost, &queue).is_some_and(|record| record.kind == QueueKind::Stream)
    };
    if is_stream {
        return read_stream(api, call, &vhost, queue, (count, is_base64, truncate));
    }
    let mut conversation = Conversation::open(api, &call.caller, &vhost)?;
    let (mut rows, mut bytes, mut last) = (Vec::new(), 0_usize, None);
    for _ in 0..count {
        if bytes > GET_BYTES_MAX {
            break;
        }
        let asked = conversation.ask(SessionCommand::Get { queue: queue.clone(), no_ack: false });
        match asked.map_err(crate::conversation::Failure::with_code)? {
            SessionEvent::Got { delivery, redelivered, message, messages } => {
                bytes = bytes.saturating_add(message.body().len());
                last = Some(delivery);
                rows.push((String::new(), show(&message, redelivered, messages, is_base64, truncate)));
            }
            _ => break,
        }
    }
    if let Some(delivery) = last {
        settle(&mut conversation, delivery, mode);
    }
    Ok(Reply::values(rows))
}

/// What stands in a stream from an `offset` on (a number, `first`, `last`, `next`, or an interval such as `5m`): nothing is
/// taken from it, whatever the ackmode. RabbitMQ refuses this.
fn read_stream(
    api: &Api,
    call: &Call,
    vhost: &Name,
    queue: Name,
    (count, is_base64, truncate): (i64, bool, Option<usize>),
) -> Answer {
    let offset = match call.object()?.get("offset") {
        None => Value::text("first"),
        Some(Json::String(word)) => Value::text(word),
        Some(number) => {
            let wrong = || {
                Problem::bad(
                    "offset should be a number from 0, or first, last, next or an interval such as 5m",
                )
            };
            Value::I64(number.as_u64().and_then(|number| i64::try_from(number).ok()).ok_or_else(wrong)?)
        }
    };
    let mut arguments = Table::default();
    arguments.push("x-stream-offset", offset);
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    if count == 0 {
        return Ok(Reply::values([]));
    }
    let mut conversation = Conversation::open(api, &call.caller, vhost)?;
    conversation.ask(SessionCommand::SetPrefetch { count, global: false })?;
    let consume = Consume {
        queue,
        consumer: Name::default(),
        no_ack: false,
        exclusive: false,
        nowait: false,
        arguments,
    };
    let with_code = crate::conversation::Failure::with_code;
    conversation.ask(SessionCommand::Consume(consume)).map_err(with_code)?;
    let (mut rows, mut bytes) = (Vec::new(), 0_usize);
    while rows.len() < usize::from(count) && bytes <= GET_BYTES_MAX {
        // A stream has no end that could be waited for, only one where nothing more comes.
        match conversation.hear_within(STREAM_QUIET).map_err(with_code)? {
            Some(SessionEvent::Delivered { message, redelivered, .. }) => {
                bytes = bytes.saturating_add(message.body().len());
                rows.push((String::new(), show(&message, redelivered, 0, is_base64, truncate)));
            }
            Some(_) => {}
            None => break,
        }
    }
    Ok(Reply::values(rows))
}

/// One verdict for all; another answer, which comes after it, says that it has taken effect.
fn settle(conversation: &mut Conversation<'_>, delivery: DeliveryId, mode: AckMode) {
    conversation.say(SessionCommand::Settle { delivery, multiple: true, outcome: mode.outcome() });
    // What the connection still holds goes back in any case.
    let _ = conversation.ask(SessionCommand::SetPrefetch { count: 0, global: false });
}

fn show(message: &Message, redelivered: bool, left: u64, is_base64: bool, truncate: Option<usize>) -> Json {
    let body = message.body();
    let shown = body.get(..truncate.unwrap_or(usize::MAX).min(body.len())).unwrap_or_default();
    let (payload, encoding) = match std::str::from_utf8(shown) {
        Ok(text) if !is_base64 => (text.to_owned(), "string"),
        _ => (BASE64_STANDARD.encode(shown), "base64"),
    };
    json!({
        "payload_bytes": body.len(),
        "redelivered": redelivered,
        "exchange": arguments::text(message.exchange()),
        "routing_key": arguments::text(message.routing_key()),
        "message_count": left,
        "properties": properties::to_json(&message.properties()),
        "payload": payload,
        "payload_encoding": encoding,
    })
}
