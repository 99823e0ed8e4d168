//! The command line for operators: `harefoot ctl COMMAND`, and RabbitMQ's tools by their names.
//!
//! ```text
//! arguments → line → command → Node (the HTTP API, over the operator's socket or a URL) → output
//! ```
//! [`run`] takes the arguments and gives the exit code. What there is stands in one table, [`commands`]; what a tool, an option
//! or a number of arguments is worth is decided by it and nowhere else. Texts, columns, framing and exit codes are those of
//! RabbitMQ 4, but where it answers with a stack trace, or succeeds at what it did not do.
//!
//! Nothing here knows the broker: everything goes through the HTTP API, so that what an operator can do is what the API can.

#![warn(missing_docs)]
#![expect(
    clippy::disallowed_methods,
    reason = "a command line touches the world: terminal, files, sockets, time"
)]

mod call;
mod command;
mod commands;
mod exchange;
mod failure;
mod line;
mod near;
mod node;
mod output;
mod password;
mod place;
mod progress;
mod table;
mod term;
mod tls;
mod tool;
mod usage;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
};

pub use tool::Tool;

/// What the program says of itself, and what of it is not asked of a node.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The version of RabbitMQ that tools are told.
    pub rabbitmq: &'static str,
    /// Harefoot's own.
    pub harefoot: &'static str,
    /// Looks through the data folder of a node that does not run: what is there, with the list of texts `damage`; or why it
    /// cannot.
    pub check: fn(&Path) -> Result<serde_json::Value, String>,
    /// What is found on this machine, as a node tells of its own: cipher suites, network interfaces, the resolver of names.
    pub machine: fn() -> serde_json::Value,
}

/// Carries out one command line, without the program's name, and gives the code to exit with: 0, or one of `sysexits.h`.
pub fn run(tool: Tool, arguments: impl IntoIterator<Item = OsString>, program: Program) -> u8 {
    let mut words = Vec::new();
    for argument in arguments {
        let Ok(word) = argument.into_string() else {
            return tell("Error (argument validation): the arguments are not UTF-8", failure::USAGE);
        };
        words.push(word);
    }
    // Of a line that cannot be read: as far as it can.
    let is_json = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let name = line::command_name(&words).unwrap_or_default().to_owned();
    let outcome = match line::Line::parse(tool, words) {
        Ok(line) => call::carry_out(line, program),
        Err(failure) if is_json => output::refuse(&name, failure),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(()) => 0,
        Err(failure) if failure.is_silent() => failure.code(),
        Err(failure) => tell(&failure.to_string(), failure.code()),
    }
}

fn tell(text: &str, code: u8) -> u8 {
    // There is nowhere to report that the standard error output is closed.
    writeln!(io::stderr(), "{text}").unwrap_or_default();
    code
}
