//! What a message costs when there are more and more of something: consumers, queues, publishing connections.
//!
//! Publishers stop while [`UNDELIVERED_MAX`] messages are on their way, so that every message that costs is delivered and
//! the cost of each is comparable from step to step.

use super::{Scenario, traffic};
use crate::{
    flow::{Consumption, Flow, Pace, Timing},
    load::Allowance,
    report::{Cell, number::Unit},
    system::Target,
};

const UNDELIVERED_MAX: u64 = 50_000;

/// How consumers of one queue reach it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Spread {
    /// Channels of one connection.
    Channels,
    /// A connection each.
    Connections,
}

/// One step: its name and its cells.
pub(crate) type Step = (String, Vec<Cell>);

/// The numbers of things for a scenario of this kind, at most `max`.
pub(crate) fn steps(scenario: Scenario, max: usize) -> Vec<usize> {
    let last = match scenario {
        Scenario::ManyConsumers | Scenario::ManyPublishers => 1_000,
        Scenario::ManyQueues => 10_000,
        _ => return Vec::new(),
    };
    [1, 10, 100, 1_000, 10_000].into_iter().filter(|step| *step <= last.min(max)).collect()
}

/// Runs one step; `first` is the cost of a message at the first one.
pub(crate) fn run(
    scenario: Scenario,
    number: usize,
    spread: Spread,
    target: &Target,
    timing: Timing,
    first: Option<f64>,
) -> anyhow::Result<(Step, f64)> {
    let flow = flow(scenario, number, spread);
    let sample = flow.run(target, timing)?;
    let cpu = sample.cost.cpu_per_million(traffic::events(&sample));
    let mut cells = traffic::cells(&sample, None);
    cells.push(Cell::new("÷ first", Unit::Ratio, cpu / first.unwrap_or(cpu).max(1e-9)));
    let what = match scenario {
        Scenario::ManyConsumers => "consumers",
        Scenario::ManyQueues => "queues",
        _ => "publishers",
    };
    Ok(((format!("{number} {what}"), cells), cpu))
}

fn flow(scenario: Scenario, number: usize, spread: Spread) -> Flow {
    let flow =
        Flow { pace: Pace::Allowance(Allowance::Undelivered(UNDELIVERED_MAX)), ..traffic::transient(128) };
    match scenario {
        Scenario::ManyConsumers => {
            let how = Consumption { consumers_per_queue: number, ..Consumption::PLAIN };
            let channels = u16::try_from(number).unwrap_or(u16::MAX);
            let how = match spread {
                Spread::Channels => Consumption { channels, ..how },
                Spread::Connections => Consumption { connections: number, ..how },
            };
            Flow { consumption: Some(how), ..flow }
        }
        Scenario::ManyQueues => {
            let queues: Vec<String> = (0..number).map(|place| traffic::own_name("q", place)).collect();
            Flow { keys: queues.clone(), queues, ..flow }
        }
        _ => Flow { publishers: number, ..flow },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_as_far_as_the_scenario_and_the_wish() {
        assert_eq!(steps(Scenario::ManyConsumers, 20_000), [1, 10, 100, 1_000]);
        assert_eq!(steps(Scenario::ManyQueues, 20_000), [1, 10, 100, 1_000, 10_000]);
        assert_eq!(steps(Scenario::ManyQueues, 99), [1, 10]);
        assert_eq!(steps(Scenario::G, 99), [0; 0]);
    }

    #[test]
    fn a_step_has_so_many_of_what_grows() {
        let consumers = flow(Scenario::ManyConsumers, 100, Spread::Channels).consumption.unwrap();
        assert_eq!((consumers.connections, consumers.channels, consumers.consumers_per_queue), (1, 100, 100));
        let consumers = flow(Scenario::ManyConsumers, 100, Spread::Connections).consumption.unwrap();
        assert_eq!((consumers.connections, consumers.channels, consumers.consumers_per_queue), (100, 1, 100));
        let queues = flow(Scenario::ManyQueues, 100, Spread::Channels);
        assert_eq!((queues.queues.len(), queues.keys.len()), (100, 100));
        assert_eq!(flow(Scenario::ManyPublishers, 100, Spread::Channels).publishers, 100);
    }
}
