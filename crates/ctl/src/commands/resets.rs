//! Counts and samples that begin anew.

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    tool::{CTL, DIAGNOSTICS},
};

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "reset_stats_db",
        CTL,
        Group::Other,
        "[--all]",
        "Forgets the samples that rates are made of; counts go on",
        samples,
    )
    .options(&[Opt::flag("--all", "of all nodes: there is one")]),
    Command::new(
        "reset_node_auth_attempt_metrics",
        DIAGNOSTICS,
        Group::Configuration,
        "",
        "Counts logins anew",
        logins,
    ),
    Command::new(
        "enable_auth_attempt_source_tracking",
        DIAGNOSTICS,
        Group::Configuration,
        "",
        "Failed logins are always counted by their sources: succeeds",
        tracked,
    ),
];

fn samples(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Resetting statistics database on node {name}"))?;
    call.delete("reset")?.checked().map(drop)
}

fn logins(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Resetting auth attempt metrics on node {name} ..."))?;
    call.delete(&path(&["auth", "attempts", &name]))?.checked().map(drop)
}

fn tracked(call: &mut Call) -> Result<(), Failure> {
    call.node_name()?;
    call.announce("Failed logins are always counted by their sources: rabbitmqctl list_node_auth_attempt_stats --by-source")
}
