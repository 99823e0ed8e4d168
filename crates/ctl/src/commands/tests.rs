//! The table of commands as a whole.

use super::*;
use crate::tool::Tool;

#[test]
fn a_name_means_one_command_of_a_tool() {
    for tool in Tool::OF_RABBITMQ.into_iter().chain([Tool::Harefoot]) {
        let mut names: Vec<&str> = of(tool).map(|command| command.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{tool:?} has a name twice");
    }
}

#[test]
fn what_is_chosen_without_a_wish_can_be_asked_for() {
    for command in ALL.iter().copied().flatten() {
        let is_known = |column: &&str| command.columns.contains(column);
        assert!(command.chosen.iter().all(is_known), "{}", command.name);
        assert!(command.words.0 <= command.words.1, "{}", command.name);
    }
}

/// The rows of `docs/operations/command-line.md` about RabbitMQ's commands: name, tools, mark.
fn rows_of_the_document() -> Vec<(&'static str, Vec<Tool>, &'static str)> {
    let document = include_str!("../../../../docs/operations/command-line.md");
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    };
    let tool = |tool: &str| Tool::OF_RABBITMQ.into_iter().find(|known| known.name().ends_with(tool)).unwrap();
    document
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches(" | ").count() >= 3)
        .map(cells)
        .filter(|row| ["works", "works in part", "nothing to do", "not yet", "no meaning"].contains(&row[2]))
        .map(|row| (row[0].trim_matches('`'), row[1].split(", ").map(tool).collect(), row[2]))
        .collect()
}

/// Tool and command, as RabbitMQ's own tools list them.
fn listed(text: &'static str) -> impl Iterator<Item = (Tool, &'static str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (tool, command) = line.split_once(' ').unwrap();
        (Tool::OF_RABBITMQ.into_iter().find(|known| known.name() == tool).unwrap(), command)
    })
}

#[test]
fn the_table_of_the_document_is_true() {
    let rows = rows_of_the_document();
    assert!(rows.len() > 150, "{}", rows.len());
    for (name, tools, mark) in rows {
        for tool in tools {
            let command = find(tool, name).unwrap_or_else(|| panic!("{tool:?} has no {name}"));
            let is_refused =
                meaningless::COMMANDS.iter().any(|other| other.name == name && other.tools == command.tools);
            assert!(mark != "no meaning" || is_refused, "{name} does something");
            assert!(!mark.starts_with("works") || !is_refused, "{name} does nothing");
        }
    }
}

/// The lists were taken from RabbitMQ with all its plugins.
#[test]
fn every_command_of_rabbitmq_is_here_and_every_one_of_4_in_the_document() {
    let rows = rows_of_the_document();
    let of_4: Vec<_> = listed(include_str!("../../../../compat/ctl/commands-4.0.5.txt")).collect();
    assert!(of_4.len() > 260, "{}", of_4.len());
    for (tool, name) in &of_4 {
        let has_row = rows.iter().any(|(row, tools, _)| row == name && tools.contains(tool));
        assert!(has_row, "the document has no row for {} {name}", tool.name());
    }
    for (name, tools, _) in &rows {
        for tool in tools {
            assert!(of_4.contains(&(*tool, name)), "{} of RabbitMQ 4 has no {name}", tool.name());
        }
    }
    let of_3 = listed(include_str!("../../../../compat/ctl/commands-3.10.8.txt"));
    let missing: Vec<_> =
        of_4.into_iter().chain(of_3).filter(|(tool, name)| find(*tool, name).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
