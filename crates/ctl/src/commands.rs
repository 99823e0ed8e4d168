//! Every command there is: one table, in parts by subject. A part holds its commands and what they do.

use crate::{command::Command, tool::Tool};

mod about;
mod definitions;
mod lifecycle;
mod lists;
mod permissions;
mod queues;
mod status;
mod users;
mod vhosts;
mod waiting;

const ALL: &[&[Command]] = &[
    about::COMMANDS,
    definitions::COMMANDS,
    lifecycle::COMMANDS,
    lists::COMMANDS,
    permissions::COMMANDS,
    queues::COMMANDS,
    status::COMMANDS,
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
