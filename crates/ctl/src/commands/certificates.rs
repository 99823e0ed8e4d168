//! The certificates with which the node speaks TLS.

use serde_json::Value as Json;

use crate::{
    call::Call,
    command::{Command, Group},
    failure::Failure,
    table::{Empty, Table},
    tool::DIAGNOSTICS,
};

const COLUMNS: &[&str] = &["protocol", "interface", "port", "file", "expires"];

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "certificates",
    DIAGNOSTICS,
    Group::Configuration,
    "",
    "Lists the certificates of every listener that speaks TLS, those of the authorities too, with their files and when they expire",
    certificates,
)
.shows(COLUMNS)];

fn certificates(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Certificates of node {name} ..."))?;
    let rows = call.get("harefoot/certificates")?;
    let mut table = Table::new(COLUMNS, Empty::Nothing);
    for row in rows.as_array().into_iter().flatten() {
        table.push(COLUMNS.iter().map(|column| row[*column].clone()).collect::<Vec<Json>>());
    }
    if rows.as_array().is_some_and(Vec::is_empty) {
        return call.out.remark("No listener speaks TLS.");
    }
    call.out.table(&table)
}
