//! The command line of the automation: `cargo xtask test | tidy | compat [ARG…]`.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use xtask::{steps, tidy};

const USAGE: &str = "usage: cargo xtask test | tidy | compat [ARG…]";

fn main() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in no workspace")?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_fine = match words.as_slice() {
        ["test"] => steps::run(root, &steps::of_test())?,
        ["tidy"] => tidy_alone(root)?,
        ["compat", rest @ ..] => steps::run(root, &steps::of_compat(rest))?,
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(64));
        }
    };
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tidy_alone(root: &Path) -> anyhow::Result<bool> {
    let findings = tidy::check(root)?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    eprintln!("tidy: {} findings", findings.len());
    Ok(findings.is_empty())
}
