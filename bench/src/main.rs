//! The binary `harefoot-bench`: arguments → scenarios → tables.
//!
//! A tool, so it may look at clocks, sockets, threads and files. Not here: anything that the broker uses.

#![expect(
    clippy::disallowed_methods,
    reason = "a tool that measures needs clocks, sockets, threads and files"
)]

mod arguments;
mod clock;
mod flow;
mod histogram;
mod link;
mod load;
mod machine;
mod meter;
mod poller;
mod report;
mod run;
mod scenario;
mod system;
mod url;
mod usage;
mod wire;

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use arguments::{Arguments, Command};
use clap::Parser as _;
use machine::Machine;
use run::Bench;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Command::RelayServer { mode }) = arguments.command {
        system::serve_relay(mode)?;
        return Ok(ExitCode::SUCCESS);
    }
    let arguments = arguments.bench;
    let (is_saved, machine) = (arguments.save, Machine::look());
    let parent = arguments.work_dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new()
        .prefix("harefoot-bench-")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
    let timing = (arguments.seconds, arguments.warm_up, arguments.repeat);
    let mut bench = Bench::new(arguments, folder.path())?;
    bench.run();
    let text = format!("{}\n{}", head(&machine, &bench, timing), bench.report.text());
    std::io::stdout().write_all(text.as_bytes())?;
    if is_saved {
        let path = results(&machine);
        save(&path, &text)?;
        eprintln!("kept in {}", path.display());
    }
    Ok(if bench.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a reader has to know of a run.
fn head(machine: &Machine, bench: &Bench, (seconds, warm_up, repeat): (f64, f64, u16)) -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let rival = bench.rival_label().unwrap_or("none");
    format!(
        "# {}, {}\n# harefoot-bench {}\n# rival: {rival}; {seconds} s measured after {warm_up} s, {repeat} repetitions; \
         driver and broker on the same cores, loopback\n",
        machine::today(),
        machine.line(),
        words.join(" "),
    )
}

fn results(machine: &Machine) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    folder.join(format!("{}-{}.txt", machine::today(), machine.name()))
}

/// Appends, so that several runs of a day stand in one file.
fn save(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
