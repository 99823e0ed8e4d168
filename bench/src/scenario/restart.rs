//! Restart with a backlog: how long it takes from the start of the program until it listens, and until the first message
//! is delivered. Only our own broker is started and stopped here.
//!
//! The files were just written, so they are in the page cache: a start on a machine that was switched off also reads.

use std::{fs, path::Path};

use anyhow::ensure;

use super::backlog;
use crate::{
    link::Link,
    meter::Meter,
    report::{Cell, number::Unit},
    system::{Harefoot, Target},
    wire::method::{self, Declare},
};

/// One row: its name and its cells.
pub(crate) type Step = (String, Vec<Cell>);

/// Fills, kills and starts; fills another, stops and starts.
pub(crate) fn run(binary: &Path, folder: &Path, messages: u64) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    for is_killed in [true, false] {
        let mine = folder.join(if is_killed { "killed" } else { "stopped" });
        let mut broker = Harefoot::start(binary, &mine)?;
        let flow = backlog::flow(messages);
        let mut control = Link::open(broker.target().address, &broker.target().login)?;
        flow.declare(&mut control)?;
        backlog::fill(&broker.target(), &flow, messages, &mut Vec::new())?;
        let (name, stopping) = if is_killed {
            broker.kill()?;
            ("after kill -9", None)
        } else {
            ("after a clean stop", Some(broker.stop()?))
        };
        let again = broker.start_again()?;
        let mut cells = restarted(&again, &flow.queues.concat(), messages)?;
        if let Some(time) = stopping {
            cells.push(Cell::new("stop s", Unit::Seconds, time.as_secs_f64()));
        }
        steps.push((name.to_owned(), cells));
        drop(again);
        fs::remove_dir_all(&mine)?;
    }
    Ok(steps)
}

fn restarted(broker: &Harefoot, queue: &str, messages: u64) -> anyhow::Result<Vec<Cell>> {
    let target: Target = broker.target();
    let mut link = Link::open(target.address, &target.login)?;
    link.qos(1, 1)?;
    link.consume(1, queue, true)?;
    link.answer(method::DELIVER)?;
    let delivered_after = broker.started.elapsed();
    link.close()?;
    let mut control = Link::open(target.address, &target.login)?;
    let there = control.declare_queue(queue, Declare::Passive, &[])?.messages;
    ensure!(u64::from(there) == messages, "{messages} were confirmed, {there} are there after the restart");
    control.close()?;
    Ok(vec![
        Cell::new("messages", Unit::Count, f64::from(there)),
        Cell::new("listening s", Unit::Seconds, broker.listening_after.as_secs_f64()),
        Cell::new("first delivery s", Unit::Seconds, delivered_after.as_secs_f64()),
        Cell::new("RSS MB", Unit::Megabytes, Meter::read(target.pid)?.resident_bytes() as f64),
    ])
}
