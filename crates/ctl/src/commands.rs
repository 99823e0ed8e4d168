//! Every command there is: one table, in parts by subject. A part holds its commands and what they do.

use crate::{command::Command, tool::Tool};

mod about;
mod completion;
mod connections;
mod definitions;
mod diagnostics;
mod features;
mod health;
mod lifecycle;
mod limits;
mod links;
mod lists;
mod meaningless;
mod messages;
mod parameters;
mod permissions;
mod plugins;
mod policies;
mod queues;
mod replicas;
mod settings;
mod status;
mod streams;
mod upgrade;
mod users;
mod vhosts;
mod waiting;

const ALL: &[&[Command]] = &[
    about::COMMANDS,
    completion::COMMANDS,
    connections::COMMANDS,
    definitions::COMMANDS,
    diagnostics::COMMANDS,
    features::COMMANDS,
    health::COMMANDS,
    lifecycle::COMMANDS,
    limits::COMMANDS,
    links::COMMANDS,
    lists::COMMANDS,
    meaningless::COMMANDS,
    messages::COMMANDS,
    parameters::COMMANDS,
    permissions::COMMANDS,
    plugins::COMMANDS,
    policies::COMMANDS,
    queues::COMMANDS,
    replicas::COMMANDS,
    settings::COMMANDS,
    status::COMMANDS,
    streams::COMMANDS,
    upgrade::COMMANDS,
    users::COMMANDS,
    vhosts::COMMANDS,
];

/// The commands of a tool.
pub(crate) fn of(tool: Tool) -> impl Iterator<Item = &'static Command> {
    ALL.iter().copied().flatten().filter(move |command| command.is_of(tool.bit()))
}

/// A tool's command by its name.
pub(crate) fn find(tool: Tool, name: &str) -> Option<&'static Command> {
    of(tool).find(|command| command.name == name)
}

#[cfg(test)]
mod tests;
