//! The order of a run: for each repetition, for each scenario, each broker in turn, with the relay and the disk of the
//! same repetition to compare with.
//!
//! What goes wrong with one broker in one scenario is told below its table, counted, and keeps nothing else from running.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;

use crate::{
    arguments::BenchArguments,
    flow::{self, Pace, Sample},
    report::{Cell, Report, number::Unit},
    scenario::{
        R1K, R16K, R128, Reference, Scenario, backlog, declare,
        disk::{self, Syncs},
        growth, idle, restart, traffic,
    },
    system::{Harefoot, Mode, Target, nats},
};

/// Long enough for a rate, short beside the scenarios that are compared with it.
const DISK_MEASURED_MAX: Duration = Duration::from_secs(3);
const OWN: &str = "Harefoot";

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Subject {
    Own,
    Rival,
}

/// A run with its report.
#[derive(Debug)]
pub(crate) struct Bench {
    arguments: BenchArguments,
    folder: PathBuf,
    rival: Option<Target>,
    pub(crate) report: Report,
    pub(crate) failures: usize,
    /// The relay's cost by mode and size, and the disk, of this repetition.
    relays: HashMap<(Mode, usize), Vec<Cell>>,
    syncs: Option<f64>,
}

impl Bench {
    /// Prepares a run; `folder` is for everything that is written meanwhile.
    pub(crate) fn new(arguments: BenchArguments, folder: &Path) -> anyhow::Result<Self> {
        let rival = arguments.rival().map(|rival| rival.target()).transpose()?;
        let compared = rival.as_ref().map(|rival| (OWN.to_owned(), rival.label.clone()));
        Ok(Self {
            arguments,
            folder: folder.to_owned(),
            rival,
            report: Report::new(compared),
            failures: 0,
            relays: HashMap::new(),
            syncs: None,
        })
    }

    /// What the rival calls itself.
    pub(crate) fn rival_label(&self) -> Option<&str> {
        self.rival.as_ref().map(|rival| rival.label.as_str())
    }

    pub(crate) fn run(&mut self) {
        for repetition in 1..=self.arguments.repeat {
            self.relays.clear();
            self.syncs = None;
            for scenario in self.arguments.scenarios() {
                eprintln!("== {repetition}/{}: {}", self.arguments.repeat, self.title(scenario));
                if let Err(error) = self.run_scenario(scenario) {
                    self.fail(scenario, "the bench", &error);
                }
            }
        }
    }

    fn title(&self, scenario: Scenario) -> String {
        scenario.title(self.arguments.queue_type.as_deref())
    }

    fn fail(&mut self, scenario: Scenario, whose: &str, error: &anyhow::Error) {
        self.failures += 1;
        eprintln!("   {whose} FAILED: {error:#}");
        let first_line = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
        self.report.note(&self.title(scenario), format!("{whose} FAILED: {first_line}"));
    }

    fn run_scenario(&mut self, scenario: Scenario) -> anyhow::Result<()> {
        match scenario {
            Scenario::Relay => return self.run_relays(scenario),
            Scenario::Disk => {
                let syncs = self.disk()?;
                self.tell_disk(scenario, &syncs);
                return Ok(());
            }
            _ => {}
        }
        let reference = self.reference(scenario)?;
        let is_disk_shown = scenario.waits_for_disk() || scenario == Scenario::H;
        let syncs = if is_disk_shown { Some(self.disk()?) } else { None };
        for subject in [Subject::Own, Subject::Rival] {
            let is_there = match subject {
                Subject::Own => !self.arguments.rival_alone,
                Subject::Rival => self.rival.is_some(),
            };
            if !is_there {
                continue;
            }
            let whose = self.label(subject);
            match self.run_subject(scenario, subject, reference) {
                Ok(()) => {}
                Err(error) => self.fail(scenario, &whose, &error),
            }
        }
        if let Some(address) = self.arguments.nats
            && let Some(flow) = traffic::flow(scenario, None)
            && let Pace::PerSecond(per_second) = flow.pace
        {
            let latencies = nats::run(address, flow.body_bytes, per_second, self.arguments.timing())?;
            let cells = traffic::quantiles("latency", &latencies);
            self.tell(&self.title(scenario), "NATS", "", &cells);
        }
        if scenario.shows_relay() {
            self.show_relay(scenario)?;
        }
        if let Some(syncs) = syncs {
            self.tell_disk(scenario, &syncs);
        }
        Ok(())
    }

    fn label(&self, subject: Subject) -> String {
        match (subject, &self.rival) {
            (Subject::Rival, Some(rival)) => rival.label.clone(),
            _ => OWN.to_owned(),
        }
    }

    fn run_subject(
        &mut self,
        scenario: Scenario,
        subject: Subject,
        reference: Option<(Reference, f64)>,
    ) -> anyhow::Result<()> {
        let title = self.title(scenario);
        if scenario == Scenario::Restart {
            return self.run_restart(&title, subject);
        }
        if matches!(scenario, Scenario::ManyConsumers | Scenario::ManyQueues | Scenario::ManyPublishers) {
            return self.run_growth(scenario, &title, subject, reference);
        }
        let timing = self.arguments.timing();
        let (messages, queues, connections) =
            (self.arguments.messages, self.arguments.queues, self.arguments.connections);
        let label = self.label(subject);
        if let Some(flow) = traffic::flow(scenario, self.arguments.queue_type.as_deref()) {
            let sample = self.with_target(subject, |target| flow.run(target, timing))?;
            let cells = self.flow_cells(scenario, &sample, reference);
            self.tell(&title, &label, "", &cells);
            return Ok(());
        }
        let steps = match scenario {
            Scenario::G | Scenario::Stream => {
                let is_stream = scenario == Scenario::Stream;
                let flow = if is_stream { backlog::stream(messages) } else { backlog::flow(messages) };
                let outcome = self.with_target(subject, |target| backlog::run(target, &flow, messages))?;
                outcome.notes.into_iter().for_each(|note| self.report.note(&title, note));
                outcome.steps
            }
            Scenario::H => self.with_target(subject, |target| declare::run(target, queues))?,
            _ => {
                let idling = |target: &Target| idle::run(target, connections, timing.measured);
                vec![(String::new(), self.with_target(subject, idling)?)]
            }
        };
        for (step, cells) in steps {
            self.tell(&title, &label, &step, &cells);
        }
        Ok(())
    }

    /// Gives a running broker to `work`: ours is started for it, and is gone after it.
    fn with_target<T>(
        &self,
        subject: Subject,
        work: impl FnOnce(&Target) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        if subject == Subject::Rival {
            let rival = self.rival.as_ref().context("no rival was named")?;
            rival.wait_until_quiet()?;
            return work(rival);
        }
        let folder = self.folder.join("harefoot");
        let mut broker = Harefoot::start(&self.arguments.binary, &folder)?;
        let done = work(&broker.target()).with_context(|| format!("it has said:\n{}", broker.end_of_log()));
        let stopped = broker.stop();
        drop(broker);
        fs::remove_dir_all(&folder).context("cannot remove the data folder")?;
        let done = done.map_err(last_first)?;
        stopped?;
        Ok(done)
    }

    fn flow_cells(
        &self,
        scenario: Scenario,
        sample: &Sample,
        reference: Option<(Reference, f64)>,
    ) -> Vec<Cell> {
        let mut cells = traffic::cells(sample, reference);
        if let Some(syncs) = self.syncs.filter(|_| scenario.waits_for_disk()) {
            let rate = sample.cost.rate(traffic::events(sample));
            cells.push(Cell::new("of the disk's rate", Unit::Percent, rate / syncs.max(1e-9)));
        }
        cells
    }

    fn run_growth(
        &mut self,
        scenario: Scenario,
        title: &str,
        subject: Subject,
        reference: Option<(Reference, f64)>,
    ) -> anyhow::Result<()> {
        let (timing, spread, label) = (self.arguments.timing(), self.arguments.spread, self.label(subject));
        let mut first = None;
        for number in growth::steps(scenario, self.arguments.steps_max) {
            let ((step, mut cells), cpu) = self.with_target(subject, |target| {
                growth::run(scenario, number, spread, target, timing, first)
            })?;
            first = first.or(Some(cpu));
            if let Some((reference, relay)) = reference {
                cells.push(Cell::new(reference.column, Unit::Ratio, cpu / relay.max(1e-9)));
            }
            self.tell(title, &label, &step, &cells);
        }
        Ok(())
    }

    fn run_restart(&mut self, title: &str, subject: Subject) -> anyhow::Result<()> {
        if subject == Subject::Rival {
            self.report.note(title, "The rival is somebody else's to stop: not run.");
            return Ok(());
        }
        let steps = restart::run(&self.arguments.binary, &self.folder, self.arguments.messages)?;
        for (step, cells) in steps {
            self.tell(title, OWN, &step, &cells);
        }
        Ok(())
    }

    /// Puts a row into the report, and shows that there is one.
    fn tell(&mut self, title: &str, system: &str, step: &str, cells: &[Cell]) {
        let shown: Vec<String> =
            cells.iter().map(|cell| format!("{} {}", cell.unit.show(cell.value), cell.column)).collect();
        eprintln!("   {system} {step}: {}", shown.join(", "));
        self.report.add(title, system, step, cells);
    }

    /// The parsed relay's cost at the size that a scenario is compared with.
    fn reference(&mut self, scenario: Scenario) -> anyhow::Result<Option<(Reference, f64)>> {
        let Some(reference) = scenario.reference() else { return Ok(None) };
        let cells = self.relay(Mode::Parsed, reference.body_bytes)?;
        let cpu = cells.iter().find(|cell| cell.unit == Unit::CpuPerMillion).map(|cell| cell.value);
        Ok(cpu.map(|cpu| (reference, cpu)))
    }

    /// The relay's cells, measured once in a repetition.
    fn relay(&mut self, mode: Mode, body_bytes: usize) -> anyhow::Result<Vec<Cell>> {
        if let Some(cells) = self.relays.get(&(mode, body_bytes)) {
            return Ok(cells.clone());
        }
        let sample = flow::run_relay(mode, body_bytes, self.arguments.timing()).context("the relay")?;
        let cells = traffic::cells(&sample, None);
        self.relays.insert((mode, body_bytes), cells.clone());
        Ok(cells)
    }

    /// The relay's rows in the table of a scenario, at that scenario's own size.
    fn show_relay(&mut self, scenario: Scenario) -> anyhow::Result<()> {
        let Some(flow) = traffic::flow(scenario, None) else { return Ok(()) };
        let title = self.title(scenario);
        for (mode, name) in [(Mode::Bytes, "relay, bytes"), (Mode::Parsed, "relay, parsed")] {
            let cells = self.relay(mode, flow.body_bytes)?;
            self.tell(&title, name, "", &cells);
        }
        Ok(())
    }

    fn run_relays(&mut self, scenario: Scenario) -> anyhow::Result<()> {
        let title = self.title(scenario);
        for reference in [R128, R1K, R16K] {
            for (mode, name) in [(Mode::Bytes, "bytes"), (Mode::Parsed, "parsed")] {
                let cells = self.relay(mode, reference.body_bytes)?;
                self.tell(&title, name, &format!("{} B", reference.body_bytes), &cells);
            }
        }
        Ok(())
    }

    /// Measures the disk beside the scenario that waits for it: its rate moves within a run.
    fn disk(&mut self) -> anyhow::Result<Syncs> {
        let measured = self.arguments.timing().measured.min(DISK_MEASURED_MAX);
        let syncs = disk::run(&self.folder, measured)?;
        self.syncs = Some(syncs.per_second);
        Ok(syncs)
    }

    fn tell_disk(&mut self, scenario: Scenario, syncs: &Syncs) {
        let cells = match scenario {
            Scenario::H => vec![Cell::new("per s", Unit::Rate, syncs.per_second)],
            _ => syncs.cells(),
        };
        self.tell(&self.title(scenario), "the disk, 4 KiB + fdatasync", "", &cells);
    }
}

/// The reason first, then what the broker has said.
fn last_first(error: anyhow::Error) -> anyhow::Error {
    let reason = error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    anyhow::anyhow!("{reason}; {error}")
}
