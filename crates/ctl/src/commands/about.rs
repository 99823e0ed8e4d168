//! The tool about itself.

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    commands,
    failure::Failure,
    line,
    tool::{CTL, DIAGNOSTICS, PLUGINS, QUEUES, STREAMS, UPGRADE},
    usage,
};

const ALL: u8 = CTL | DIAGNOSTICS | PLUGINS | QUEUES | STREAMS | UPGRADE;

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "help",
        ALL,
        Group::Help,
        "(<command> | [--list-commands])",
        "Shows what a command does and takes",
        help,
    )
    .words(0, 1)
    .options(&[Opt::flag("--list-commands", "only the names of all commands")]),
    Command::new(
        "version",
        ALL,
        Group::Help,
        "",
        "Shows the version of RabbitMQ that this is compatible with",
        version,
    ),
    Command::new(
        "autocomplete",
        ALL,
        Group::Help,
        "[prefix] [--timeout <timeout>]",
        "Shows the commands that begin so",
        autocomplete,
    )
    .words(0, 1),
];

fn help(call: &mut Call) -> Result<(), Failure> {
    let tool = call.line.tool;
    if call.has("--list-commands") {
        return list(call, "");
    }
    match call.word(0) {
        "" => call.out.raw(&format!("{}\n", usage::of_tool(tool))),
        name => match commands::find(tool, name) {
            Some(command) => call.out.raw(&format!("{}\n", usage::of_command(tool, command))),
            None => Err(line::unknown(tool, name)),
        },
    }
}

fn list(call: &mut Call, prefix: &str) -> Result<(), Failure> {
    let names = commands::of(call.line.tool).map(|command| command.name);
    let mut names: Vec<&str> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().try_for_each(|name| call.out.say(name))
}

fn version(call: &mut Call) -> Result<(), Failure> {
    call.out.note("harefoot", call.versions.harefoot.into());
    call.out.note("rabbitmq", call.versions.rabbitmq.into());
    call.out.say(call.versions.rabbitmq)
}

fn autocomplete(call: &mut Call) -> Result<(), Failure> {
    let prefix = call.own_word(0);
    list(call, &prefix)
}
