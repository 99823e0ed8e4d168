//! Keeping clients away for a while: listeners suspended, the node drained.

use serde_json::{Value as Json, json};

use super::waiting::Wait;
use crate::{
    call::Call,
    command::{Command, Group},
    failure::Failure,
    progress::Progress,
    tool::{CTL, UPGRADE},
};

/// How long clients may take to go, in seconds.
const GO_S: u64 = 60;

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "suspend_listeners",
        CTL,
        Group::Operations,
        "",
        "Lets nobody connect by AMQP any more, until resume_listeners or the node stops; connections that there are go on",
        suspend,
    ),
    Command::new("resume_listeners", CTL, Group::Operations, "", "Lets clients connect again", resume),
    Command::new(
        "drain",
        UPGRADE,
        Group::Upgrade,
        "[--timeout <timeout>]",
        "Puts the node into maintenance mode: its clients are sent away, and nobody can connect by AMQP",
        drain,
    ),
    Command::new(
        "revive",
        UPGRADE,
        Group::Upgrade,
        "[--timeout <timeout>]",
        "Ends the maintenance mode",
        revive,
    ),
];

fn suspend(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Will suspend client connection listeners on node {name}. The node will no longer accept client connections!"))?;
    call.post("harefoot/listeners/suspend", &json!({}))?.checked().map(drop)
}

fn resume(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!(
        "Will resume client connection listeners on node {name}. The node will now accept client connections"
    ))?;
    call.post("harefoot/listeners/resume", &json!({}))?.checked().map(drop)
}

fn drain(call: &mut Call) -> Result<(), Failure> {
    let wait = Wait::new(call, GO_S);
    let name = call.node_name()?;
    call.announce(&format!(
        "Will put node {name} into maintenance mode. The node will no longer serve any client traffic!"
    ))?;
    let answer = call.post("harefoot/drain", &json!({}))?.checked()?.json()?;
    let closed = answer["closed"].as_u64().unwrap_or_default();
    let progress = Progress::new("connections closed", closed);
    wait.until(call, |call| {
        let left = call.get("connections?columns=name")?.as_array().map_or(0, Vec::len) as u64;
        progress.show(closed.saturating_sub(left));
        Ok((left == 0).then_some(()))
    })?;
    drop(progress);
    call.out.note("closed", Json::from(closed));
    call.out.remark(&format!(
        "{closed} connections were closed; rabbitmq-upgrade revive ends the maintenance mode"
    ))
}

fn revive(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Will put node {name} back into regular operating mode. The node will serve client traffic from now on"))?;
    call.post("harefoot/revive", &json!({}))?.checked().map(drop)
}
