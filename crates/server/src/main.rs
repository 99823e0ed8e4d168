//! The binary `harefoot`: arguments → settings → node.
//!
//! The only crate that touches the world: threads, sockets, clocks, files and tokio are named here and nowhere below.
//! What is decided from texts alone (`arguments`, `config`, `environment`) is free of the world all the same.

#![expect(clippy::disallowed_methods, reason = "this is the crate that touches the world")]

mod allocator;
mod arguments;
mod banner;
mod ceilings;
mod checkup;
mod config;
mod connection;
mod data_folder;
mod definitions;
mod environment;
mod exit;
mod gates;
mod http;
mod leader;
mod limits;
mod listener;
mod log;
mod machine;
mod node;
mod operator;
mod pid_file;
mod sampling;
mod sockets;
mod surroundings;
mod switches;
mod threads;
mod tls;
mod watch;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use arguments::{Arguments, Command, ServeArguments};
use clap::Parser;
use config::{Settings, said::Said};
use ctl::Tool;
use data_folder::DataFolder;
use environment::Environment;
use exit::Failure;
use gates::Gates;
use pid_file::PidFile;

fn main() -> ExitCode {
    if let Some(code) = command_line() {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => {
            said.print().unwrap_or_default();
            return if said.use_stderr() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let serve_arguments = match arguments.into_command() {
        Command::Serve(arguments) => arguments,
        // `command_line` has seen to it: this is for the list of commands.
        Command::Ctl { words } => return ExitCode::from(ctl::run(Tool::Harefoot, words, PROGRAM)),
    };
    match serve(&serve_arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // There is nowhere to report that the standard error output is closed.
            writeln!(io::stderr(), "harefoot: {failure}").unwrap_or_default();
            ExitCode::from(failure.code())
        }
    }
}

/// The command line for operators, by the name the program is called by or by `ctl`; before anything else is made ready, as
/// scripts call it many times.
fn command_line() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let program = words.next()?;
    let tool = match Tool::from_program(&program) {
        Some(tool) => tool,
        None if words.next()? == "ctl" => Tool::Harefoot,
        None => return None,
    };
    Some(ExitCode::from(ctl::run(tool, words, PROGRAM)))
}

const PROGRAM: ctl::Program = ctl::Program {
    rabbitmq: config::settings::RABBITMQ_VERSION,
    harefoot: banner::VERSION,
    check: checkup::check,
    machine: || serde_json::to_value(machine::look()).unwrap_or_default(),
};

fn serve(arguments: &ServeArguments) -> Result<(), Failure> {
    if arguments.describe {
        return match io::stdout().write_all(config::describe::plain().as_bytes()) {
            // Whoever reads it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written.context("cannot print the settings")?),
        };
    }
    allocator::set_up();
    let (settings, said) = settings(arguments)?;
    let log = log::start(settings.log).context("cannot log")?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let open_files = limits::raise_open_files();
    tracing::debug!(was = ?open_files.was, now = ?open_files.now, "limit of open files");
    let gates = Gates::open(&settings)?;
    let folder = DataFolder::open(&settings.data_dir)?;
    let pid_file = settings.pid_file.as_deref().map(PidFile::write).transpose();
    let _pid_file = pid_file.context("cannot write the file that RABBITMQ_PID_FILE names")?;
    node::run(&settings, said, gates, &folder, log)
}

/// What holds, and who has said it.
fn settings(arguments: &ServeArguments) -> Result<(Settings, Vec<Said>), Failure> {
    let environment = Environment::parse(std::env::vars_os());
    let file = config::source::read(arguments.config.as_deref(), environment.config_file.as_deref())?;
    let file = file.as_ref().map(|(path, text)| config::File { path, text });
    let settings = config::resolve(arguments, &environment, file, &config::source::hostname())?;
    let said = config::said::all(arguments, &environment, file, &settings);
    Ok((settings, said))
}
