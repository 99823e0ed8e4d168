//! Connections that do nothing: what it costs to open them and to have them.

use std::{thread, time::Duration};

use anyhow::anyhow;

use crate::{
    link::Link,
    meter::Meter,
    report::{Cell, number::Unit},
    system::Target,
};

/// So many are in their handshake at once, so that the broker is what is waited for.
const OPENERS: usize = 4;
/// Between the last connection and the start of idling.
const SETTLE: Duration = Duration::from_secs(1);

/// Opens `connections` with a channel each and watches them idle for a while.
pub(crate) fn run(target: &Target, connections: usize, idle: Duration) -> anyhow::Result<Vec<Cell>> {
    let before = Meter::read(target.pid)?;
    let links = open(target, connections)?;
    let opened = Meter::read(target.pid)?;
    thread::sleep(SETTLE);
    let (from, to) = {
        let from = Meter::read(target.pid)?;
        thread::sleep(idle);
        (from, Meter::read(target.pid)?)
    };
    let count = links.len() as u64;
    let opening = before.until(&opened);
    let idling = from.until(&to);
    let grown = to.resident_bytes().saturating_sub(before.resident_bytes());
    let cores = idling.broker_cpu.as_secs_f64() / idling.elapsed.as_secs_f64().max(1e-9);
    let cells = vec![
        Cell::new("connections", Unit::Count, count as f64),
        Cell::new("opened per s", Unit::Rate, opening.rate(count)),
        Cell::new("CPU µs per open", Unit::Micros, opening.cpu_per_million(count)),
        Cell::new("RSS KB each", Unit::Kilobytes, grown as f64 / count.max(1) as f64),
        Cell::new("idle, % of a core", Unit::Ratio, cores * 100.0),
        Cell::new("others' cores", Unit::Cores, opening.others_cores),
    ];
    drop(links);
    Ok(cells)
}

fn open(target: &Target, connections: usize) -> anyhow::Result<Vec<Link>> {
    thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS)
            .map(|opener| {
                let mine = connections / OPENERS + usize::from(opener < connections % OPENERS);
                scope.spawn(move || -> anyhow::Result<Vec<Link>> {
                    (0..mine).map(|_| Link::open(target.address, &target.login)).collect()
                })
            })
            .collect();
        let mut links = Vec::new();
        for opener in openers {
            links.extend(opener.join().map_err(|_| anyhow!("an opener has panicked"))??);
        }
        Ok(links)
    })
}
