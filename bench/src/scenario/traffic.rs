//! The scenarios in which messages flow at a steady rate, as descriptions, and the columns of their tables.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Reference, Scenario};
use crate::{
    flow::{Consumption, Flow, Pace, Sample},
    histogram::Histogram,
    load::{Ack, Allowance},
    report::{Cell, number::Unit},
};

const KIB: usize = 1024;
const WINDOW: u32 = 1_000;
const PREFETCH: u16 = 1_000;
const ACK_EVERY: u32 = 100;
/// Neighbours on the tape are so many bindings apart; no divisor of a number of bindings.
const STRIDE: usize = 7_919;

/// The flow of a scenario, if it is one.
pub(crate) fn flow(scenario: Scenario, queue_type: Option<&str>) -> Option<Flow> {
    let flow = match scenario {
        Scenario::A16 => transient(16),
        Scenario::A128 => transient(128),
        Scenario::A1k => transient(KIB),
        Scenario::A16k => transient(16 * KIB),
        Scenario::B => persistent(WINDOW, Some(ACK_EVERY)),
        Scenario::C => persistent(1, Some(1)),
        Scenario::C2 => persistent(1, None),
        Scenario::E10 => fanout(10),
        Scenario::E100 => fanout(100),
        Scenario::F1k => topic(1_000),
        Scenario::F10k => topic(10_000),
        Scenario::Direct => direct(10_000),
        Scenario::K1k => Flow { pace: Pace::PerSecond(1_000), ..transient(128) },
        Scenario::K10k => Flow { pace: Pace::PerSecond(10_000), ..transient(128) },
        _ => return None,
    };
    let is_typed = matches!(scenario, Scenario::B | Scenario::C | Scenario::C2);
    Some(Flow { queue_type: queue_type.filter(|_| is_typed).map(str::to_owned), ..flow })
}

/// A name that nothing else has, not even an earlier step: a broker may still be busy with publishes to that one's queue
/// when its connection is long gone.
pub(super) fn own_name(what: &str, number: usize) -> String {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let serial = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("bench-{}-{serial}-{what}-{number}", std::process::id())
}

/// One publisher, one transient queue, one consumer that settles nothing.
pub(super) fn transient(body_bytes: usize) -> Flow {
    let queue = own_name("q", 0);
    Flow {
        body_bytes,
        is_persistent: false,
        exchange: None,
        queues: vec![queue.clone()],
        queue_type: None,
        bindings: Vec::new(),
        keys: vec![queue],
        publishers: 1,
        pace: Pace::Allowance(Allowance::All),
        consumption: Some(Consumption::PLAIN),
    }
}

/// Persistent messages of 1 KiB with confirms; without an ack there is no consumer.
fn persistent(window: u32, ack_every: Option<u32>) -> Flow {
    let consumption = ack_every.map(|every| Consumption {
        ack: Ack::Every(every),
        prefetch: PREFETCH,
        ..Consumption::PLAIN
    });
    Flow {
        is_persistent: true,
        pace: Pace::Allowance(Allowance::Unconfirmed { window, total: u64::MAX }),
        consumption,
        ..transient(KIB)
    }
}

fn fanout(queues: usize) -> Flow {
    let exchange = own_name("x", 0);
    let queues: Vec<String> = (0..queues).map(|number| own_name("q", number)).collect();
    Flow {
        exchange: Some((exchange, "fanout")),
        bindings: queues.iter().map(|queue| (queue.clone(), String::new())).collect(),
        keys: vec!["harefoot-bench".to_owned()],
        queues,
        consumption: Some(Consumption { connections: 10, ..Consumption::PLAIN }),
        ..transient(128)
    }
}

/// Half the bindings are `kN.*`, half `*.sN.#`.
fn topic(bindings: usize) -> Flow {
    let flow = transient(128);
    let queue = flow.keys.concat();
    let half = bindings / 2;
    let patterns = (0..half)
        .map(|number| format!("k{number}.*"))
        .chain((0..half).map(|number| format!("*.s{number}.#")));
    Flow {
        exchange: Some((own_name("x", 0), "topic")),
        bindings: patterns.map(|pattern| (queue.clone(), pattern)).collect(),
        keys: topic_keys(bindings),
        ..flow
    }
}

fn direct(bindings: usize) -> Flow {
    let flow = transient(128);
    let queue = flow.keys.concat();
    let keys = topic_keys(bindings);
    Flow {
        exchange: Some((own_name("x", 0), "direct")),
        bindings: keys.iter().map(|key| (queue.clone(), key.clone())).collect(),
        keys,
        ..flow
    }
}

/// A key for each binding of the topic, in an order in which neighbours differ.
fn topic_keys(bindings: usize) -> Vec<String> {
    let half = bindings / 2;
    let key = |place: usize| {
        if place < half { format!("k{place}.none") } else { format!("none.s{}.x", place - half) }
    };
    (0..bindings).map(|number| key(number * STRIDE % bindings)).collect()
}

/// The columns of a sample. Messages are deliveries, or confirms if nobody consumes.
pub(crate) fn cells(sample: &Sample, reference: Option<(Reference, f64)>) -> Vec<Cell> {
    let Sample { counts, cost, latencies } = sample;
    let messages = events(sample);
    let cpu = cost.cpu_per_million(messages);
    let mut cells = vec![
        Cell::new("msg/s", Unit::Rate, cost.rate(messages)),
        Cell::new("CPU-s/M", Unit::CpuPerMillion, cpu),
    ];
    if let Some((reference, relay)) = reference.filter(|(_, relay)| *relay > 0.0) {
        cells.push(Cell::new(reference.column, Unit::Ratio, cpu / relay));
    }
    if counts.delivered > 0 && counts.published > 0 {
        // What is published and not delivered has cost too: say when that is much.
        cells.push(Cell::new("published/s", Unit::Published, cost.rate(counts.published)));
    }
    cells.extend(quantiles("latency", &latencies.delivery));
    cells.extend(quantiles("confirm", &latencies.confirm));
    cells.push(Cell::new("RSS MB", Unit::Megabytes, cost.resident_bytes as f64));
    cells.push(Cell::new("disk B/msg", Unit::Bytes, cost.written_each(messages)));
    cells.push(Cell::new("driver CPU-s/M", Unit::Ratio, cost.driver_cpu_per_million(messages)));
    cells.push(Cell::new("others' cores", Unit::Cores, cost.others_cores));
    if counts.blocked > 0 {
        cells.push(Cell::new("blocked", Unit::Count, counts.blocked as f64));
    }
    cells
}

/// What a sample is counted by.
pub(crate) fn events(sample: &Sample) -> u64 {
    if sample.counts.delivered > 0 { sample.counts.delivered } else { sample.counts.confirmed }
}

/// The three percentiles in microseconds, if anything was recorded.
pub(crate) fn quantiles(name: &str, histogram: &Histogram) -> Vec<Cell> {
    let shares = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];
    let cell = |(label, share): (&str, f64)| {
        let time = histogram.quantile(share)?;
        Some(Cell::new(format!("{name} {label} µs"), Unit::Micros, time.as_secs_f64() * 1e6))
    };
    shares.into_iter().filter_map(cell).collect()
}
