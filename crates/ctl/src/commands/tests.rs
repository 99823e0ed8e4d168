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

/// `docs/operations/command-line.md` has a row for every command of RabbitMQ 4; each of them is known here.
#[test]
fn the_table_of_the_document_is_true() {
    let document = include_str!("../../../../docs/operations/command-line.md");
    let rows: Vec<Vec<&str>> = document
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches(" | ").count() >= 3)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .filter(|row: &Vec<&str>| {
            ["works", "works in part", "nothing to do", "not yet", "no meaning"].contains(&row[2])
        })
        .collect();
    assert!(rows.len() > 150, "{}", rows.len());
    for row in rows {
        let name = row[0].trim_matches('`');
        for tool in row[1].split(", ") {
            let tool = Tool::OF_RABBITMQ.into_iter().find(|known| known.name().ends_with(tool)).unwrap();
            let command = find(tool, name).unwrap_or_else(|| panic!("{tool:?} has no {name}"));
            let is_refused =
                meaningless::COMMANDS.iter().any(|other| other.name == name && other.tools == command.tools);
            assert!(row[2] != "no meaning" || is_refused, "{name} does something");
            assert!(!row[2].starts_with("works") || !is_refused, "{name} does nothing");
        }
    }
}
