//! The binary `harefoot`: arguments → settings → node.
//!
//! The only crate that touches the world: threads, sockets, clocks, files and tokio are named here and nowhere below.
//! What is decided from texts alone (`arguments`, `config`, `environment`) is free of the world all the same.

#![expect(clippy::disallowed_methods, reason = "this is the crate that touches the world")]

mod arguments;
mod banner;
mod config;
mod connection;
mod data_folder;
mod definitions;
mod environment;
mod exit;
mod gates;
mod http;
mod limits;
mod listener;
mod log;
mod node;
mod sockets;
mod surroundings;
mod threads;
mod tls;
mod watch;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use arguments::{Arguments, Command, ServeArguments};
use clap::Parser;
use config::Settings;
use data_folder::DataFolder;
use environment::Environment;
use exit::Failure;
use gates::Gates;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => {
            said.print().unwrap_or_default();
            return if said.use_stderr() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let Command::Serve(serve_arguments) = arguments.into_command();
    match serve(&serve_arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // There is nowhere to report that the standard error output is closed.
            writeln!(io::stderr(), "harefoot: {failure}").unwrap_or_default();
            ExitCode::from(failure.code())
        }
    }
}

fn serve(arguments: &ServeArguments) -> Result<(), Failure> {
    if arguments.describe {
        return match io::stdout().write_all(config::describe::plain().as_bytes()) {
            // Whoever reads it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written.context("cannot print the settings")?),
        };
    }
    let settings = settings(arguments)?;
    let lines = log::start(settings.log).context("cannot log")?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let open_files = limits::raise_open_files();
    tracing::debug!(was = ?open_files.was, now = ?open_files.now, "limit of open files");
    let gates = Gates::open(&settings)?;
    let folder = DataFolder::open(&settings.data_dir)?;
    node::run(&settings, gates, &folder, lines)
}

fn settings(arguments: &ServeArguments) -> Result<Settings, Failure> {
    let environment = Environment::parse(std::env::vars_os());
    let file = config::source::read(arguments.config.as_deref(), environment.config_file.as_deref())?;
    let file = file.as_ref().map(|(path, text)| config::File { path, text });
    Ok(config::resolve(arguments, &environment, file, &config::source::hostname())?)
}
