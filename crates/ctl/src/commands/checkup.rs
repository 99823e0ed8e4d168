//! Looking through the data folder of a node that does not run.

use std::path::Path;

use serde_json::Value as Json;

use crate::{
    call::Call,
    command::{Command, Group},
    failure::Failure,
    term::tame,
};

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "check",
    0,
    Group::Harefoot,
    "<data_dir>",
    "Verifies every checksum in the data folder of a stopped node, and says what is there; never writes. Fails if anything is damaged",
    check,
)
.words(1, 1)];

fn check(call: &mut Call) -> Result<(), Failure> {
    let folder = call.own_word(0);
    call.out.announce(&format!("Checking {folder} ..."))?;
    let check = call.versions.check;
    let report = check(Path::new(&folder)).map_err(Failure::unavailable)?;
    let damage: Vec<String> = report["damage"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .map(str::to_owned)
        .collect();
    call.out.object(report.clone(), &text(&report))?;
    if damage.is_empty() {
        return Ok(());
    }
    Err(Failure::data(format!("The data is damaged in {} place(s); nothing was changed", damage.len())))
}

fn text(report: &Json) -> String {
    let mut text = String::new();
    for (key, value) in report.as_object().into_iter().flatten() {
        match value {
            Json::Array(_) => {}
            other => text.push_str(&format!("{}: {}\n", key.replace('_', " "), crate::term::cell(other))),
        }
    }
    let rows = |key: &str| report[key].as_array().cloned().unwrap_or_default();
    let queues = rows("queues");
    if !queues.is_empty() {
        text.push_str("\nvhost\tqueue\ttype\tmessages\tread\n");
    }
    for queue in queues {
        let cells = ["vhost", "name", "type", "messages", "read"].map(|key| crate::term::cell(&queue[key]));
        text.push_str(&format!("{}\n", cells.join("\t")));
    }
    for (key, heading) in
        [("torn", "An interrupted write, never confirmed"), ("damage", "Damaged"), ("notes", "Note")]
    {
        for line in rows(key) {
            text.push_str(&format!("\n{heading}: {}", tame(line.as_str().unwrap_or_default())));
        }
    }
    if rows("damage").is_empty() {
        text.push_str("\nAll checksums are right.");
    }
    text.push('\n');
    text
}
