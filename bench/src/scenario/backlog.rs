//! A backlog: persistent messages of 128 B fill a durable queue that nobody consumes, then they are drained; by tenths,
//! so that it is seen whether rate and memory stay as they were.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use anyhow::ensure;

use super::traffic;
use crate::{
    flow::{Consumption, Flow, Pace, STREAM},
    link::Link,
    load::{Ack, Allowance, Counts, Shared},
    meter::{Cost, Meter},
    report::{Cell, number::Unit},
    system::Target,
    wire::method::Declare,
};

const TENTHS: u64 = 10;
const WINDOW: u32 = 1_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Without one message in that time, the broker is taken to have stopped.
const PATIENCE: Duration = Duration::from_secs(120);
/// Memory and disk are looked at again when the broker has had time to tidy up.
const REST: Duration = Duration::from_secs(2);

/// One row: its name and its cells.
pub(crate) type Step = (String, Vec<Cell>);

/// Rows, and lines about the files at rest.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) steps: Vec<Step>,
    pub(crate) notes: Vec<String>,
}

/// Fills and drains one queue.
pub(crate) fn run(target: &Target, flow: &Flow, messages: u64) -> anyhow::Result<Outcome> {
    let mut control = Link::open(target.address, &target.login)?;
    flow.declare(&mut control)?;
    let mut outcome = Outcome::default();
    let ended = fill_and_drain(target, flow, messages, &mut outcome);
    let cleaned = flow.clean_up(target, control);
    ended?;
    cleaned?;
    Ok(outcome)
}

fn fill_and_drain(target: &Target, flow: &Flow, messages: u64, outcome: &mut Outcome) -> anyhow::Result<()> {
    fill(target, flow, messages, &mut outcome.steps)?;
    std::thread::sleep(REST);
    let resting = Meter::read(target.pid)?;
    let mut cells = vec![Cell::new("RSS MB", Unit::Megabytes, resting.resident_bytes() as f64)];
    if let Some(folder) = &target.folder {
        let sizes = sizes_of(folder);
        let total: u64 = sizes.values().sum();
        cells.push(Cell::new("on disk B/msg", Unit::Bytes, total as f64 / messages as f64));
        for (name, bytes) in sizes.iter().filter(|(_, bytes)| **bytes > 0) {
            let each = *bytes as f64 / messages as f64;
            let line =
                format!("{}, at rest: {name} {:.1} MB, {each:.0} B each", target.label, *bytes as f64 / 1e6);
            outcome.notes.push(line);
        }
    }
    outcome.steps.push(("at rest".to_owned(), cells));
    drain(target, flow, messages, &mut outcome.steps)
}

/// A stream that is filled in the same way, and read by one connection.
pub(crate) fn stream(messages: u64) -> Flow {
    let consumption = Consumption { ack: Ack::Every(1_000), prefetch: 10_000, ..Consumption::PLAIN };
    Flow { queue_type: Some(STREAM.to_owned()), consumption: Some(consumption), ..flow(messages) }
}

/// A durable queue, and a publisher that ends after so many.
pub(crate) fn flow(messages: u64) -> Flow {
    let consumption = Consumption { ack: Ack::Every(100), prefetch: 1_000, ..Consumption::PLAIN };
    Flow {
        is_persistent: true,
        pace: Pace::Allowance(Allowance::Unconfirmed { window: WINDOW, total: messages }),
        consumption: Some(consumption),
        ..traffic::transient(128)
    }
}

/// Publishes all of them, each confirmed.
pub(super) fn fill(target: &Target, flow: &Flow, messages: u64, steps: &mut Vec<Step>) -> anyhow::Result<()> {
    let filling = Flow { consumption: None, ..flow.clone() };
    let load = filling.load(target)?;
    let (rows, latencies) =
        load.run(|shared| by_tenths(shared, target, messages, "fill", |counts| counts.confirmed))?;
    steps.extend(rows);
    if let Some((_, cells)) = steps.last_mut() {
        cells.extend(traffic::quantiles("confirm", &latencies.confirm));
    }
    let mut control = Link::open(target.address, &target.login)?;
    // RabbitMQ counts what is in a stream some seconds later.
    for queue in flow.queues.iter().filter(|_| flow.queue_type.as_deref() != Some(STREAM)) {
        let there = control.declare_queue(queue, Declare::Passive, &[])?.messages;
        ensure!(u64::from(there) == messages, "{messages} were confirmed, {there} are there");
    }
    Ok(())
}

fn drain(target: &Target, flow: &Flow, messages: u64, steps: &mut Vec<Step>) -> anyhow::Result<()> {
    let draining = Flow { publishers: 0, ..flow.clone() };
    let load = draining.load(target)?;
    let (rows, _) =
        load.run(|shared| by_tenths(shared, target, messages, "drain", |counts| counts.delivered))?;
    steps.extend(rows);
    Ok(())
}

/// A row for each tenth, and one for all of them.
fn by_tenths(
    shared: &Shared,
    target: &Target,
    messages: u64,
    name: &str,
    count: impl Fn(&Counts) -> u64,
) -> anyhow::Result<Vec<Step>> {
    shared.measure(true);
    let start = Meter::read(target.pid)?;
    let (mut from, mut done_before, mut peak) = (start, 0, 0);
    let mut steps = Vec::new();
    for tenth in 1..=TENTHS {
        let goal = messages * tenth / TENTHS;
        let done = wait_for(shared, goal, &count)?;
        let to = Meter::read(target.pid)?;
        peak = peak.max(to.resident_bytes());
        steps.push((format!("{name} {tenth}"), cells(&from.until(&to), done - done_before)));
        (from, done_before) = (to, done);
    }
    let mut whole = cells(&start.until(&from), done_before);
    whole.push(Cell::new("peak RSS MB", Unit::Megabytes, peak as f64));
    steps.push((format!("{name} all"), whole));
    Ok(steps)
}

fn wait_for(shared: &Shared, goal: u64, count: impl Fn(&Counts) -> u64) -> anyhow::Result<u64> {
    let mut last = count(&shared.counts());
    let mut since = shared.clock.now();
    loop {
        let done = count(&shared.counts());
        if done >= goal {
            return Ok(done);
        }
        if done > last {
            (last, since) = (done, shared.clock.now());
        }
        let waited = Duration::from_nanos(shared.clock.now().saturating_sub(since));
        ensure!(waited < PATIENCE, "no message for {PATIENCE:?} after {done} of {goal}");
        shared.run_for(LOOK_EVERY)?;
    }
}

fn cells(cost: &Cost, messages: u64) -> Vec<Cell> {
    vec![
        Cell::new("msg/s", Unit::Rate, cost.rate(messages)),
        Cell::new("CPU-s/M", Unit::CpuPerMillion, cost.cpu_per_million(messages)),
        Cell::new("RSS MB", Unit::Megabytes, cost.resident_bytes as f64),
        Cell::new("written B/msg", Unit::Bytes, cost.written_each(messages)),
        Cell::new("driver CPU-s/M", Unit::Ratio, cost.driver_cpu_per_million(messages)),
        Cell::new("others' cores", Unit::Cores, cost.others_cores),
    ]
}

/// What each thing in a folder takes on the disk. A file that goes away meanwhile takes nothing.
fn sizes_of(folder: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), allocated(&entry.path())))
        .collect()
}

fn allocated(path: &Path) -> u64 {
    const BLOCK: u64 = 512;
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let mut bytes = metadata.blocks() * BLOCK;
    if metadata.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        bytes += entries.map(|entry| allocated(&entry.path())).sum::<u64>();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_a_folder_is_summed_up_by_its_top() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("log/deep")).unwrap();
        fs::write(folder.path().join("log/deep/file"), vec![1; 100_000]).unwrap();
        fs::write(folder.path().join("small"), b"x").unwrap();
        let sizes = sizes_of(folder.path());
        assert_eq!(sizes.keys().collect::<Vec<_>>(), ["log", "small"]);
        assert!(sizes["log"] >= 100_000, "{sizes:?}");
        assert_eq!(sizes_of(&folder.path().join("absent")).len(), 0);
    }
}
