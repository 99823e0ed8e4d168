//! Looking at messages in their places: nothing is taken, marked or counted.

use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    output::Style,
    table::{Empty, Table},
    tool::{QUEUES, Tool},
};

/// Letters of a body that are shown on a line.
const LETTERS: usize = 80;
const COUNT: u64 = 10;
/// Messages of one request.
const PAGE: u64 = 500;
const COLUMNS: &[&str] =
    &["position", "age", "redelivered", "exchange", "routing_key", "headers", "payload_bytes", "payload"];
const NOT_THERE: &str = "Target queue does not have a message at that position";

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "peek",
    QUEUES,
    Group::Monitoring,
    "[--vhost <vhost>] <queue> [<position>] [--count <count>] [--filter <text>] [--full]",
    "Shows messages of a queue in their places, the next one to be delivered at position 1; nothing is taken from it or marked. In a stream the position is the offset",
    peek,
)
.words(1, 2)
.shows(COLUMNS)
.options(&[
    Opt::value("--count", "<count>", "how many; 10 without it, and 1 by the name of rabbitmq-queues"),
    Opt::value("--filter", "<text>", "only those that have this text in routing key, exchange, properties, headers or body"),
    Opt::flag("--full", "bodies and headers as a whole, each message on lines of its own"),
])];

fn peek(call: &mut Call) -> Result<(), Failure> {
    let is_of_rabbitmq = call.line.tool == Tool::Queues;
    if is_of_rabbitmq && call.line.words.len() < 2 {
        return Err(Failure::arguments("not enough arguments."));
    }
    let (vhost, queue) = (call.vhost(), call.own_word(0));
    let position = match call.line.words.get(1) {
        None => None,
        Some(text) => {
            let number: u64 = text.parse().map_err(|_| Failure::argument("position should be a number"))?;
            Some(number)
        }
    };
    let count = match call.option("--count") {
        None if is_of_rabbitmq => 1,
        None => COUNT,
        Some(text) => text.parse().map_err(|_| Failure::argument("count should be a number"))?,
    };
    let name = call.node_name()?;
    let at = path(&["queues", &vhost, &queue]);
    let found = call.find(&format!("{at}?columns=type&disable_stats=true"))?.filter(|_| !queue.is_empty());
    let kind = found.ok_or_else(|| Failure::not_found("Queue not found"))?;
    let kind = kind["type"].as_str().unwrap_or_default().to_owned();
    let shown = position.unwrap_or_else(|| u64::from(kind != "stream"));
    call.announce(&format!("Peeking at {kind} queue {queue} at position {shown} on node {name} ..."))?;
    if position == Some(0) && kind != "stream" {
        return Err(Failure::unavailable(NOT_THERE));
    }
    let items = pages(call, &path(&["harefoot", "peek", &vhost, &queue]), shown, count)?;
    if items.is_empty() && position.is_some() && call.option("--filter").is_none() {
        return Err(Failure::unavailable(NOT_THERE));
    }
    show(call, items)
}

/// Page after page, until there are enough.
fn pages(call: &mut Call, at: &str, position: u64, count: u64) -> Result<Vec<Json>, Failure> {
    let filter =
        call.option("--filter").map(|text| format!("&filter={}", path(&[&text]))).unwrap_or_default();
    let is_whole = call.has("--full") || matches!(call.out.style(), Style::Envelope | Style::Json);
    let truncate = if is_whole { String::new() } else { format!("&truncate={}", 4 * LETTERS) };
    let (mut items, mut from) = (Vec::new(), format!("position={position}"));
    loop {
        let left = count.saturating_sub(items.len() as u64);
        if left == 0 {
            return Ok(items);
        }
        let page = call.get(&format!("{at}?{from}&page_size={}{truncate}{filter}", left.min(PAGE)))?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(cursor) => from = format!("cursor={cursor}"),
            None => return Ok(items),
        }
    }
}

fn show(call: &mut Call, items: Vec<Json>) -> Result<(), Failure> {
    if call.has("--full") && matches!(call.out.style(), Style::Text | Style::Pretty) {
        let texts: Vec<String> = items.iter().map(whole).collect();
        return call.out.raw(&texts.join("\n"));
    }
    if matches!(call.out.style(), Style::Envelope | Style::Json) {
        return call.out.object(json!(items), "");
    }
    let mut table = Table::new(COLUMNS, Empty::Nothing);
    for mut item in items {
        let body = item["payload"].as_str().unwrap_or_default();
        let mut letters: String = body.chars().take(LETTERS).collect();
        if letters.len() < body.len() {
            letters.push('…');
        }
        let age = age(&item);
        let headers = item["properties"]["headers"].take();
        table.push(vec![
            item["position"].take(),
            json!(age),
            item["redelivered"].take(),
            item["exchange"].take(),
            item["routing_key"].take(),
            if headers.is_null() { json!({}) } else { headers },
            item["payload_bytes"].take(),
            json!(letters),
        ]);
    }
    call.out.table(&table)
}

/// A message on lines of its own; what is in it cannot move the terminal's cursor.
fn whole(item: &Json) -> String {
    let tame = |value: &Json| crate::term::cell(value);
    let mut text = format!("message {}\n  age: {}\n", item["position"], age(item));
    for key in ["exchange", "routing_key", "redelivered", "payload_bytes", "payload_encoding"] {
        text.push_str(&format!("  {key}: {}\n", tame(&item[key])));
    }
    for (key, value) in item["properties"].as_object().into_iter().flatten() {
        let fields = value.as_object().filter(|_| key == "headers");
        match fields {
            Some(fields) => {
                for (name, value) in fields {
                    text.push_str(&format!("  header {}: {}\n", crate::term::tame(name), tame(value)));
                }
            }
            None => text.push_str(&format!("  {key}: {}\n", tame(value))),
        }
    }
    let lines = item["payload"].as_str().unwrap_or_default().lines().map(crate::term::tame);
    text.push_str(&lines.map(|line| format!("  | {line}\n")).collect::<String>());
    text
}

/// The time in the queue in a form for people; `>` where it is only known that the node has found the message when it started.
fn age(item: &Json) -> String {
    let seconds = item["age_s"].as_u64().unwrap_or_default();
    let text = match seconds {
        s if s < 60 => format!("{s}s"),
        s if s < 3600 => format!("{}m{}s", s / 60, s % 60),
        s if s < 86_400 => format!("{}h{}m", s / 3600, s % 3600 / 60),
        s => format!("{}d{}h", s / 86_400, s % 86_400 / 3600),
    };
    if item["age_by"] == "start" { format!(">{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let ages = [0_u64, 59, 61, 3_725, 90_000].map(|s| age(&json!({ "age_s": s, "age_by": "queue" })));
        assert_eq!(ages, ["0s", "59s", "1m1s", "1h2m", "1d1h"]);
        assert_eq!(age(&json!({ "age_s": 61, "age_by": "start" })), ">1m1s");
    }

    #[test]
    fn what_is_in_a_message_stays_on_its_line() {
        let item = json!({
            "position": 3, "exchange": "", "routing_key": "a\u{1b}[2J", "redelivered": false, "payload_bytes": 5,
            "payload_encoding": "string", "properties": { "headers": { "x\n": "y" } }, "payload": "one\ntwo\u{7}",
        });
        let text = whole(&item);
        assert!(text.contains("routing_key: a\\x1b[2J\n") && text.contains("header x\\n: y\n"), "{text}");
        assert!(text.ends_with("  | one\n  | two\\x07\n"), "{text}");
    }
}
