//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{
    flow::Timing,
    scenario::{Scenario, growth::Spread},
    system::{Mode, Rival},
    url::Url,
};

/// Measures the broker beside a rival and beside what the machine can do at most.
#[derive(Debug, Parser)]
#[command(name = "harefoot-bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) bench: BenchArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The relay's own life; the bench starts it.
    #[command(hide = true)]
    RelayServer { mode: Mode },
}

/// What to measure, and how.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Only these scenarios, in this order [default: all that take seconds].
    #[arg(long, value_delimiter = ',', value_name = "SCENARIO,…")]
    pub(crate) only: Vec<Scenario>,
    /// Seconds measured in each run.
    #[arg(long, default_value_t = 10.0, value_parser = parse_seconds)]
    pub(crate) seconds: f64,
    /// Seconds of load before that.
    #[arg(long, default_value_t = 1.0, value_parser = parse_seconds)]
    pub(crate) warm_up: f64,
    /// How often everything is run; tables show medians and ranges.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) repeat: u16,
    /// The broker to start.
    #[arg(long, default_value = "target/release/harefoot", value_name = "FILE")]
    pub(crate) binary: PathBuf,
    /// Measure the rival alone.
    #[arg(long, requires = "rival")]
    pub(crate) rival_alone: bool,
    /// A running broker to measure beside ours.
    #[arg(long, value_name = "amqp://…", requires = "rival_pid")]
    pub(crate) rival: Option<Url>,
    /// The number of its program, for its processor time, memory and disk bytes.
    #[arg(long, value_name = "PID")]
    pub(crate) rival_pid: Option<u32>,
    /// Its data folder, for the size of a backlog on disk.
    #[arg(long, value_name = "DIR")]
    pub(crate) rival_data: Option<PathBuf>,
    /// A running NATS server, for its latency beside ours in k1k and k10k.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) nats: Option<SocketAddr>,
    /// Type of the queue in b, c and c2, such as quorum or stream.
    #[arg(long, value_name = "TYPE")]
    pub(crate) queue_type: Option<String>,
    /// Messages in g and restart.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10..=4_000_000_000))]
    pub(crate) messages: u64,
    /// Queues in h.
    #[arg(long, default_value_t = 2_000, value_parser = parse_count)]
    pub(crate) queues: usize,
    /// Connections in i; the limits of open files of driver and broker have to allow them.
    #[arg(long, default_value_t = 2_000, value_parser = parse_count)]
    pub(crate) connections: usize,
    /// The last step of the many-… scenarios is at most this.
    #[arg(long, default_value_t = 10_000, value_parser = parse_count)]
    pub(crate) steps_max: usize,
    /// How the consumers of many-consumers reach their queue.
    #[arg(long, value_enum, default_value_t = Spread::Channels)]
    pub(crate) spread: Spread,
    /// Where data folders are made, and which disk is measured [default: the folder for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) work_dir: Option<PathBuf>,
    /// Keep the tables in bench/results/DATE-machine.txt.
    #[arg(long)]
    pub(crate) save: bool,
}

impl BenchArguments {
    pub(crate) fn timing(&self) -> Timing {
        Timing {
            warm_up: Duration::from_secs_f64(self.warm_up),
            measured: Duration::from_secs_f64(self.seconds),
        }
    }

    pub(crate) fn scenarios(&self) -> Vec<Scenario> {
        if !self.only.is_empty() {
            return self.only.clone();
        }
        Scenario::ALL.iter().copied().filter(|scenario| scenario.is_short()).collect()
    }

    pub(crate) fn rival(&self) -> Option<Rival> {
        let (url, pid) = (self.rival.clone()?, self.rival_pid?);
        Some(Rival { url, pid, folder: self.rival_data.clone() })
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    const DAY: f64 = 86_400.0;
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if seconds > 0.0 && seconds <= DAY { Ok(seconds) } else { Err(format!("expected 0 to {DAY} seconds")) }
}

fn parse_count(text: &str) -> Result<usize, String> {
    const MAX: usize = 1_000_000;
    let count: usize = text.parse().map_err(|error| format!("{error}"))?;
    if (1..=MAX).contains(&count) { Ok(count) } else { Err(format!("expected 1 to {MAX}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<BenchArguments, clap::Error> {
        let words = std::iter::once("harefoot-bench").chain(line.split_whitespace());
        Arguments::try_parse_from(words).map(|arguments| arguments.bench)
    }

    #[test]
    fn scenarios_are_chosen_by_name_and_in_order() {
        let arguments = parse("--only b,a128,many-queues --seconds 0.5").unwrap();
        assert_eq!(arguments.scenarios(), [Scenario::B, Scenario::A128, Scenario::ManyQueues]);
        assert_eq!(arguments.timing().measured, Duration::from_millis(500));
        assert!(parse("--only nothing").is_err());
    }

    #[test]
    fn without_a_choice_what_takes_long_is_left_out() {
        let scenarios = parse("").unwrap().scenarios();
        assert!(scenarios.contains(&Scenario::A128) && scenarios.contains(&Scenario::Disk));
        assert!(!scenarios.contains(&Scenario::G) && !scenarios.contains(&Scenario::Restart));
    }

    #[test]
    fn a_rival_needs_its_number() {
        assert!(parse("--rival amqp://127.0.0.1:5673").is_err());
        assert!(parse("--rival amqp://127.0.0.1:5673 --rival-pid 7").unwrap().rival().is_some());
        assert!(parse("--rival-alone").is_err());
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for line in ["--seconds 0", "--seconds inf", "--repeat 0", "--messages 5", "--connections 0"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
