//! Messages: one put in, some taken out, the events of the node as they come.
//!
//! All of it by the HTTP API's publish and get: for a look and a try, not for a program that works through a queue.

use std::{
    io::{self, Read},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    output::Style,
    tool::DIAGNOSTICS,
};

/// Bytes of a body, as the API takes it.
const BODY_BYTES_MAX: u64 = 512 * 1024;
/// Messages of one get.
const BATCH: u64 = 100;
/// Between two looks at a queue that was empty.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the queue of events outlives whoever read it, in milliseconds.
const EVENTS_EXPIRE_MS: u64 = 60_000;
const EVENTS: &str = "amq.rabbitmq.event";

pub(super) const COMMANDS: &[Command] = &[
    Command::new("publish", 0, Group::Harefoot, "[--vhost <vhost>] [--exchange <exchange>] <routing_key> [<body>]", "Publishes a message, and waits until it is confirmed; without a body it is read from the standard input", publish)
        .words(1, 2)
        .options(&[
            Opt::value("--exchange", "<exchange>", "the exchange; without it the default one, where the routing key is a queue"),
            Opt::value("--content-type", "<type>", "what the body is"),
            Opt::flag("--transient", "need not survive a restart"),
        ]),
    Command::new("consume", 0, Group::Harefoot, "[--vhost <vhost>] <queue> [--count <count>] [--follow]", "Takes messages out of a queue and shows their bodies, one a line; with --json or --formatter json all of them", consume)
        .words(1, 1)
        .options(&[
            Opt::value("--count", "<count>", "how many; 1 without it"),
            Opt::flag("--follow", "wait for more, until it is interrupted"),
            Opt::flag("--requeue", "leave them in the queue, in their places, marked as redelivered"),
        ]),
    Command::new("consume_event_stream", DIAGNOSTICS, Group::Monitoring, "[--duration|-d <seconds>] [--pattern <pattern>] [--timeout <timeout>]", "Shows what happens in the node as it happens, an object a line", events)
        .options(&[
            Opt::value("--duration", "<seconds>", "for how long; without end without it").short("-d"),
            Opt::value("--pattern", "<pattern>", "only events whose name contains this"),
        ]),
];

fn publish(call: &mut Call) -> Result<(), Failure> {
    let (vhost, key) = (call.vhost(), call.own_word(0));
    let exchange = call.option("--exchange").unwrap_or_default();
    let body = match call.line.words.get(1) {
        Some(body) => body.clone().into_bytes(),
        None => {
            let mut body = Vec::new();
            let read = io::stdin().lock().take(BODY_BYTES_MAX + 1).read_to_end(&mut body);
            read.map_err(|error| Failure::data(format!("cannot read the message: {error}")))?;
            body
        }
    };
    if body.len() as u64 > BODY_BYTES_MAX {
        return Err(Failure::data(format!("a message of more than {BODY_BYTES_MAX} bytes is for a client")));
    }
    let (payload, encoding) = encoded(body);
    let mut properties = json!({ "delivery_mode": if call.has("--transient") { 1 } else { 2 } });
    if let Some(kind) = call.option("--content-type") {
        properties["content_type"] = json!(kind);
    }
    let at = if exchange.is_empty() { "amq.default" } else { &exchange };
    let wish = json!({
        "properties": properties, "routing_key": key, "payload": payload, "payload_encoding": encoding,
    });
    let answer = call.post(&path(&["exchanges", &vhost, at, "publish"]), &wish)?.checked()?.json()?;
    if answer["routed"] == true {
        return call.out.remark("Confirmed: it is in every queue that it is for");
    }
    Err(Failure::unavailable(format!(
        "Nobody gets it: no queue is bound to exchange '{exchange}' for '{key}' in vhost '{vhost}'"
    )))
}

/// As text if it is one, else in Base64.
fn encoded(body: Vec<u8>) -> (String, &'static str) {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    match String::from_utf8(body) {
        Ok(text) => (text, "string"),
        Err(error) => (BASE64_STANDARD.encode(error.as_bytes()), "base64"),
    }
}

/// Up to this many messages out of a queue.
fn take(call: &mut Call, at: &str, count: u64, is_requeued: bool) -> Result<Vec<Json>, Failure> {
    let mode = if is_requeued { "ack_requeue_true" } else { "ack_requeue_false" };
    let wish = json!({ "count": count.min(BATCH), "ackmode": mode, "encoding": "auto" });
    let got = call.post(&format!("{at}/get"), &wish)?.checked()?.json()?;
    Ok(match got {
        Json::Array(messages) => messages,
        _ => Vec::new(),
    })
}

fn consume(call: &mut Call) -> Result<(), Failure> {
    let (vhost, queue) = (call.vhost(), call.own_word(0));
    let (is_following, is_requeued) = (call.has("--follow"), call.has("--requeue"));
    let count =
        call.option("--count").map_or(Ok(if is_following { u64::MAX } else { 1 }), |text| text.parse());
    let mut left = count.map_err(|_| Failure::argument("count should be a number"))?;
    if is_following && is_requeued {
        return Err(Failure::arguments("--follow would show what --requeue puts back again and again"));
    }
    let at = path(&["queues", &vhost, &queue]);
    if queue.is_empty() || call.find(&format!("{at}?columns=name&disable_stats=true"))?.is_none() {
        return Err(Failure::not_found("Queue not found"));
    }
    let mut all = Vec::new();
    while left > 0 {
        // What is put back would come again: it is asked for once.
        let messages = take(call, &at, if is_requeued { left.min(BATCH) } else { left }, is_requeued)?;
        left = left.saturating_sub(messages.len() as u64);
        let is_empty = messages.is_empty();
        for message in messages {
            match call.out.style() {
                Style::Envelope => all.push(message),
                Style::Json => call.out.raw(&format!("{message}\n"))?,
                Style::Text | Style::Pretty | Style::Csv => {
                    call.out.say(message["payload"].as_str().unwrap_or_default())?;
                }
            }
        }
        if (is_empty && !is_following) || is_requeued {
            break;
        }
        if is_empty {
            thread::sleep(PAUSE);
        }
    }
    call.out.note("messages", json!(all));
    Ok(())
}

fn events(call: &mut Call) -> Result<(), Failure> {
    let duration = match call.option("--duration").or_else(|| call.option("--timeout")) {
        None => None,
        Some(text) => {
            let seconds =
                text.parse().map_err(|_| Failure::argument("duration should be a number of seconds"))?;
            Instant::now().checked_add(Duration::from_secs(seconds))
        }
    };
    let pattern = call.option("--pattern").unwrap_or_default();
    let (vhost, name) = (call.vhost(), format!("harefoot.ctl.events.{}", std::process::id()));
    let at = path(&["queues", &vhost, &name]);
    // It goes by itself, should this be interrupted.
    let arguments = json!({ "x-expires": EVENTS_EXPIRE_MS, "x-max-length": 10_000 });
    call.put(&at, &json!({ "durable": false, "arguments": arguments }))?.checked()?;
    let binding = json!({ "routing_key": "#", "arguments": {} });
    let bound = call.post(&path(&["bindings", &vhost, "e", EVENTS, "q", &name]), &binding)?.checked();
    let shown = bound.and_then(|_| show_events(call, &at, duration, &pattern));
    call.delete(&at)?;
    shown
}

fn show_events(call: &mut Call, at: &str, until: Option<Instant>, pattern: &str) -> Result<(), Failure> {
    loop {
        let messages = take(call, at, BATCH, false)?;
        let is_empty = messages.is_empty();
        for message in messages {
            let event = message["routing_key"].as_str().unwrap_or_default();
            if event.contains(pattern) {
                let mut line = message["properties"]["headers"].clone();
                line["event"] = json!(event);
                call.out.live(format!("{line}\n").as_bytes())?;
            }
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return Ok(());
        }
        if is_empty {
            thread::sleep(PAUSE);
        }
    }
}
