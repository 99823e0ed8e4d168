//! Durable queues: declared one at a time and a hundred at once, then deleted; what each costs.

use super::traffic;
use crate::{
    link::{Link, PIPELINE},
    meter::{Cost, Meter},
    report::{Cell, number::Unit},
    system::Target,
    wire::method::{self, Declare},
};

/// One row: its name and its cells.
pub(crate) type Step = (String, Vec<Cell>);

/// Declares and deletes `queues` queues, twice.
pub(crate) fn run(target: &Target, queues: usize) -> anyhow::Result<Vec<Step>> {
    let names: Vec<String> = (0..queues).map(|number| traffic::own_name("d", number)).collect();
    let mut link = Link::open(target.address, &target.login)?;
    let mut steps = Vec::new();

    let cost = metered(target, || {
        names.iter().try_for_each(|name| link.declare_queue(name, Declare::Durable, &[]).map(drop))
    })?;
    // Memory is told of the first queues only: later ones may be given what earlier ones have left.
    let mut cells = cells(&cost.0, queues);
    let grown = cost.0.resident_bytes.saturating_sub(cost.1);
    cells.push(Cell::new("RSS KB each", Unit::Kilobytes, grown as f64 / queues.max(1) as f64));
    steps.push(("declare, one at a time".to_owned(), cells));
    steps.push(("delete, one at a time".to_owned(), {
        let cost = metered(target, || names.iter().try_for_each(|name| link.delete_queue(name)))?;
        self::cells(&cost.0, queues)
    }));

    let cost = metered(target, || {
        link.pipeline(&names, method::QUEUE_DECLARE_OK, |out, name| {
            method::queue_declare(out, name, Declare::Durable, &[]);
        })
    })?;
    steps.push((format!("declare, {PIPELINE} at once"), self::cells(&cost.0, queues)));
    let cost = metered(target, || {
        link.pipeline(&names, method::QUEUE_DELETE_OK, |out, name| method::queue_delete(out, name))
    })?;
    steps.push((format!("delete, {PIPELINE} at once"), self::cells(&cost.0, queues)));
    link.close()?;
    Ok(steps)
}

/// The cost of some work, and the memory before it.
fn metered(target: &Target, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<(Cost, u64)> {
    let before = Meter::read(target.pid)?;
    work()?;
    Ok((before.until(&Meter::read(target.pid)?), before.resident_bytes()))
}

fn cells(cost: &Cost, queues: usize) -> Vec<Cell> {
    let queues = queues as u64;
    vec![
        Cell::new("per s", Unit::Rate, cost.rate(queues)),
        Cell::new("CPU µs each", Unit::Micros, cost.cpu_per_million(queues)),
        Cell::new("written KB each", Unit::Kilobytes, cost.written_each(queues)),
        Cell::new("others' cores", Unit::Cores, cost.others_cores),
    ]
}
