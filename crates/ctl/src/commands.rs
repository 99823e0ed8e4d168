//! Every command there is: one table, in parts by subject. A part holds its commands and what they do.

use crate::{command::Command, tool::Tool};

mod about;
mod certificates;
mod checkup;
mod completion;
mod configuration;
mod connections;
mod definitions;
mod diagnostics;
mod features;
mod health;
mod lifecycle;
mod limits;
mod links;
mod lists;
mod logs;
mod machine;
mod maintenance;
mod meaningless;
mod messages;
mod parameters;
mod peek;
mod permissions;
mod plugins;
mod policies;
mod queues;
mod replicas;
mod resets;
mod settings;
mod status;
mod streams;
mod top;
mod upgrade;
mod users;
mod vhosts;
mod waiting;
mod why;

const ALL: &[&[Command]] = &[
    about::COMMANDS,
    certificates::COMMANDS,
    checkup::COMMANDS,
    completion::COMMANDS,
    configuration::COMMANDS,
    connections::COMMANDS,
    definitions::COMMANDS,
    diagnostics::COMMANDS,
    features::COMMANDS,
    health::COMMANDS,
    lifecycle::COMMANDS,
    limits::COMMANDS,
    links::COMMANDS,
    lists::COMMANDS,
    logs::COMMANDS,
    machine::COMMANDS,
    maintenance::COMMANDS,
    meaningless::COMMANDS,
    messages::COMMANDS,
    parameters::COMMANDS,
    peek::COMMANDS,
    permissions::COMMANDS,
    plugins::COMMANDS,
    policies::COMMANDS,
    queues::COMMANDS,
    replicas::COMMANDS,
    resets::COMMANDS,
    settings::COMMANDS,
    status::COMMANDS,
    streams::COMMANDS,
    top::COMMANDS,
    upgrade::COMMANDS,
    users::COMMANDS,
    vhosts::COMMANDS,
    why::COMMANDS,
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
