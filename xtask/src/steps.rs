//! Commands that are run one after the other, timed, and summed up at the end.
//!
//! A step that fails does not keep the others from running, except those that need it: one run tells everything that is
//! wrong. Not here: what the steps check.

#![expect(clippy::disallowed_methods, reason = "a tool for developers may look at the clock")]

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::tidy;

/// One thing that is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    pub name: &'static str,
    pub work: Work,
    /// The step without which this one would say nothing.
    pub needs: Option<&'static str>,
}

/// What running a step means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// A program and its arguments, in the root of the repository.
    Run(Vec<String>),
    /// The same, where the given file exists; the folder it is in comes later in the project.
    RunIf(&'static str, Vec<String>),
    /// The house rules.
    Tidy,
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Passed,
    Failed,
    /// Not run, because of what it needs.
    Blocked,
    /// Not run, because what it would run does not exist.
    Absent,
}

/// Everything that continuous integration runs.
pub fn of_test() -> Vec<Step> {
    let step = |name, line: &str| Step { name, work: Work::Run(words(line)), needs: None };
    vec![
        step("formatting", "cargo fmt --all --check"),
        Step { name: "tidy", work: Work::Tidy, needs: None },
        step("lints", "cargo clippy --release --workspace --all-targets -- -D warnings"),
        step("tests", "cargo test --release --workspace"),
        step("build", "cargo build --release"),
        Step {
            name: "fuzz targets",
            work: Work::RunIf(
                "fuzz/Cargo.toml",
                words("cargo check --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz"),
            ),
            needs: None,
        },
        Step { needs: Some("build"), ..step("clients", "python3 compat/run.py --ci") },
    ]
}

/// The long suites of clients; `rest` is handed on.
pub fn of_compat(rest: &[&str]) -> Vec<Step> {
    let mut suites = words("python3 compat/run.py --all");
    suites.extend(rest.iter().map(|word| (*word).to_owned()));
    vec![
        Step { name: "build", work: Work::Run(words("cargo build --release")), needs: None },
        Step { name: "clients", work: Work::Run(suites), needs: Some("build") },
    ]
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Runs the steps and prints what became of each; whether all are fine.
pub fn run(root: &Path, steps: &[Step]) -> anyhow::Result<bool> {
    let mut ended: Vec<(&Step, Outcome, Duration)> = Vec::new();
    for step in steps {
        eprintln!("== {}", step.name);
        let started = Instant::now();
        let is_blocked = ended
            .iter()
            .any(|(earlier, outcome, _)| Some(earlier.name) == step.needs && *outcome != Outcome::Passed);
        let outcome = if is_blocked { Outcome::Blocked } else { work(root, &step.work)? };
        let took = started.elapsed();
        eprintln!("== {}", summary(step.name, outcome, took));
        ended.push((step, outcome, took));
    }
    eprintln!("\n== summary");
    for (step, outcome, took) in &ended {
        eprintln!("   {}", summary(step.name, *outcome, *took));
    }
    let total: Duration = ended.iter().map(|(_, _, took)| *took).sum();
    let is_fine = ended.iter().all(|(_, outcome, _)| matches!(outcome, Outcome::Passed | Outcome::Absent));
    eprintln!("   {} in {:.1} s", if is_fine { "all fine" } else { "FAILED" }, total.as_secs_f64());
    Ok(is_fine)
}

fn summary(name: &str, outcome: Outcome, took: Duration) -> String {
    let word = match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "FAILED",
        Outcome::Blocked => "not run, since what it needs failed",
        Outcome::Absent => "not run, since it does not exist yet",
    };
    format!("{name:<14} {:>7.1} s  {word}", took.as_secs_f64())
}

fn work(root: &Path, work: &Work) -> anyhow::Result<Outcome> {
    let is_fine = match work {
        Work::RunIf(file, _) if !root.join(file).exists() => return Ok(Outcome::Absent),
        Work::Run(words) | Work::RunIf(_, words) => run_program(root, words),
        Work::Tidy => {
            let findings = tidy::check(root)?;
            findings.iter().for_each(|finding| eprintln!("{finding}"));
            findings.is_empty()
        }
    };
    Ok(if is_fine { Outcome::Passed } else { Outcome::Failed })
}

/// Whether the program ran and was content; why not is told at once.
fn run_program(root: &Path, words: &[String]) -> bool {
    let ended = start_and_wait(root, words);
    match &ended {
        Ok(true) => {}
        Ok(false) => eprintln!("failed: {}", words.join(" ")),
        Err(error) => eprintln!("{error:#}"),
    }
    ended.unwrap_or(false)
}

fn start_and_wait(root: &Path, words: &[String]) -> anyhow::Result<bool> {
    let (program, arguments) = words.split_first().context("no program to run")?;
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    Ok(status.success())
}

#[cfg(test)]
mod tests;
