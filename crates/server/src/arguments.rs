//! The command line: `harefoot [serve] [OPTION…]`.
//!
//! Not here: what an option is worth against environment and file (`config`).

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::config::{settings::Listen, value};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "harefoot",
    version,
    about = "A message broker that speaks AMQP 0-9-1 as RabbitMQ does",
    // The options of `serve` stand before no other command.
    args_conflicts_with_subcommands = true,
    after_help = "Without a command the broker is run. Environment: HAREFOOT_DATA_DIR, and the RABBITMQ_… variables \
                  that `--describe` lists.\nExit codes: 0 stopped as asked, 64 wrong command line, 69 port busy, \
                  70 other failure, 73 data folder unusable, 75 data folder in use, 76 data of a newer version, \
                  78 wrong configuration."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

/// What the one binary can be asked to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the broker (the default).
    Serve(ServeArguments),
    /// Operate a running broker: every command of RabbitMQ's tools, and more (`harefoot ctl help`).
    #[command(disable_help_flag = true)]
    Ctl {
        /// The command, its arguments and options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
        words: Vec<OsString>,
    },
}

/// How the broker is to run.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArguments {
    /// Keep the data in DIR [default: ./harefoot-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Read settings from FILE, in the syntax of rabbitmq.conf.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen for AMQP on this address; may be repeated [default: localhost:5672]. 0.0.0.0:5672 opens it to other hosts.
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_address)]
    pub(crate) listen: Vec<Addresses>,
    /// Listen for the HTTP API on this address [default: localhost:15672].
    #[arg(long, value_name = "ADDR:PORT|none", value_parser = parse_address_or_none)]
    pub(crate) management_listen: Option<Addresses>,
    /// Listen for Prometheus on this address [default: localhost:15692].
    #[arg(long, value_name = "ADDR:PORT|none", value_parser = parse_address_or_none)]
    pub(crate) metrics_listen: Option<Addresses>,
    /// Print every setting with its kind, default and meaning, and exit.
    #[arg(long)]
    pub(crate) describe: bool,
}

/// The sockets that one option names: none, one, or one per family of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses(pub(crate) Vec<Listen>);

/// Why an option is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address (or localhost) and a port, such as 127.0.0.1:5672 or [::1]:5672")]
pub(crate) struct NotAnAddress;

fn parse_address(text: &str) -> Result<Addresses, NotAnAddress> {
    value::address_and_port(text).map(Addresses).ok_or(NotAnAddress)
}

fn parse_address_or_none(text: &str) -> Result<Addresses, NotAnAddress> {
    if text == "none" { Ok(Addresses::default()) } else { parse_address(text) }
}

impl Arguments {
    /// The command, with or without its name.
    pub(crate) fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

#[cfg(test)]
mod tests;
