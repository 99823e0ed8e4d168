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
