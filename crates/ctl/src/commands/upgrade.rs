//! Waiting until a node can be stopped without loss: alone, it always can.

use super::waiting::{self, Wait};
use crate::{
    call::Call,
    command::{Command, Group},
    failure::Failure,
    tool::UPGRADE,
};

/// RabbitMQ's: how long the commands wait, in seconds.
const WAIT_S: u64 = 120;

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "await_online_quorum_plus_one",
        UPGRADE,
        Group::Upgrade,
        "",
        "Waits until quorum queues could do without this node: alone, it returns once the node answers",
        wait,
    ),
    Command::new(
        "await_online_synchronized_mirror",
        UPGRADE,
        Group::Deprecated,
        "",
        "There are no mirrored queues: returns once the node answers",
        wait,
    ),
    Command::new(
        "post_upgrade",
        UPGRADE,
        Group::Upgrade,
        "",
        "There is nothing to do after an upgrade: returns once the node answers",
        wait,
    ),
];

fn wait(call: &mut Call) -> Result<(), Failure> {
    call.out.announce("This node is alone: no queue has replicas elsewhere")?;
    let wait = Wait::new(call, WAIT_S);
    waiting::for_node(call, wait)
}
