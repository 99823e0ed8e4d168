//! The texts of `help`.

use crate::{
    command::{Command, Group, Opt},
    commands,
    line::GENERAL,
    tool::Tool,
};

/// The line of usage of a command.
pub(crate) fn line(tool: Tool, command: &Command) -> String {
    let line =
        format!("{} [--node <node>] [--longnames] [--quiet] {} {}", tool.name(), command.name, command.usage);
    line.trim_end().to_owned()
}

/// What a tool has, group by group.
pub(crate) fn of_tool(tool: Tool) -> String {
    let name = tool.name();
    let mut text = format!(
        "\nUsage\n\n{name} [--node <node>] [--timeout <timeout>] [--longnames] [--quiet] <command> [<command options>]\n\nAvailable commands:\n"
    );
    let width = commands::of(tool).map(|command| command.name.len()).max().unwrap_or_default();
    for group in Group::ALL {
        let mut commands: Vec<_> = commands::of(tool).filter(|command| command.group == group).collect();
        if commands.is_empty() {
            continue;
        }
        commands.sort_by_key(|command| command.name);
        text.push_str(&format!("\n{}:\n\n", group.title()));
        for command in commands {
            text.push_str(&format!("   {:<width$}  {}\n", command.name, command.summary));
        }
    }
    text.push_str(&format!("\nUse '{name} help <command>' to learn more about a specific command"));
    text
}

/// What one command does, takes and shows.
pub(crate) fn of_command(tool: Tool, command: &Command) -> String {
    let mut text = format!("\nUsage\n\n{}\n\n{}.\n", line(tool, command), command.summary);
    let is_choice = !command.chosen.is_empty();
    if is_choice || !command.options.is_empty() {
        text.push_str("\n\nArguments and Options\n");
    }
    if is_choice {
        text.push_str(&format!(
            "\n<column>\n\tmust be one of {}; without one: {}\n",
            command.columns.join(", "),
            command.chosen.join(", ")
        ));
    }
    for option in command.options {
        text.push_str(&format!("\n{}\n\t{}\n", spelled(option, " | "), option.meaning));
    }
    if !is_choice && !command.columns.is_empty() {
        text.push_str(&format!("\n\nColumns\n\n{}\n", command.columns.join(", ")));
    }
    text.push_str("\n\nGeneral Options\n\nThe following options are accepted by all commands.\n\n");
    let width = GENERAL.iter().map(|option| spelled(option, ", ").len()).max().unwrap_or_default();
    for option in GENERAL {
        text.push_str(&format!("   {:<width$}  {}\n", spelled(option, ", "), option.meaning));
    }
    text
}

fn spelled(option: &Opt, between: &str) -> String {
    let short = option.short.map(|short| format!("{short}{between}")).unwrap_or_default();
    let value = option.value.map(|value| format!(" {value}")).unwrap_or_default();
    format!("{short}{}{value}", option.long)
}
