//! The node's log: its last lines, and new ones as they come.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value as Json;

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    output::Style,
    tool::DIAGNOSTICS,
};

/// RabbitMQ: so many lines without a wish.
const LINES: u64 = 50;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "log_tail",
        DIAGNOSTICS,
        Group::Monitoring,
        "[--number|-N <number>] [--timeout <timeout>]",
        "Shows the last lines of the node's log, as long as they are in memory (1000 at most)",
        tail,
    )
    .options(&[Opt::value("--number", "<number>", "how many; 50 without it").short("-N")]),
    Command::new(
        "log_tail_stream",
        DIAGNOSTICS,
        Group::Monitoring,
        "[--duration|-d <seconds>] [--timeout <timeout>]",
        "Shows lines of the node's log as they come",
        stream,
    )
    .options(&[Opt::value("--duration", "<seconds>", "for how long; without end without it").short("-d")]),
];

fn lines(answer: &Json) -> impl Iterator<Item = &str> {
    answer["lines"].as_array().into_iter().flatten().filter_map(Json::as_str)
}

fn tail(call: &mut Call) -> Result<(), Failure> {
    let number = match call.option("--number") {
        None => LINES,
        Some(text) => text.parse().map_err(|_| Failure::argument("number should be a number of lines"))?,
    };
    let name = call.node_name()?;
    call.announce(&format!("Last {number} log lines on node {name} ..."))?;
    let answer = call.get(&format!("harefoot/log?lines={number}"))?;
    lines(&answer).try_for_each(|line| call.out.say(line))
}

fn stream(call: &mut Call) -> Result<(), Failure> {
    let duration = match call.option("--duration").or_else(|| call.option("--timeout")) {
        None => None,
        Some(text) => {
            let seconds =
                text.parse().map_err(|_| Failure::argument("duration should be a number of seconds"))?;
            Instant::now().checked_add(Duration::from_secs(seconds))
        }
    };
    let name = call.node_name()?;
    call.announce(&format!("Streaming logs from node {name} ..."))?;
    let mut next = call.get("harefoot/log?lines=0")?["next"].as_u64().unwrap_or_default();
    loop {
        let answer = call.get(&format!("harefoot/log?lines=1000&from={next}"))?;
        for line in lines(&answer) {
            match call.out.style() {
                Style::Envelope => call.out.live(format!("{}\n", Json::from(line)).as_bytes())?,
                _ => call.out.say(line)?,
            }
        }
        next = answer["next"].as_u64().unwrap_or(next);
        if duration.is_some_and(|until| Instant::now() >= until) {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
}
