//! Queues with replicas: on a node that is alone each has one.

use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    table::{Empty, Table},
    tool::{DIAGNOSTICS, QUEUES, STREAMS},
};

const MEMBERSHIP: Opt = Opt::value("--membership", "<promotable|voter>", "accepted, and means nothing yet");
const PATTERNS: [Opt; 2] = [
    Opt::value("--vhost-pattern", "<pattern>", "accepted: nothing can be moved yet"),
    Opt::value("--queue-pattern", "<pattern>", "accepted: nothing can be moved yet"),
];
const QUORUM: &[&str] = &[
    "Node Name",
    "Raft State",
    "Membership",
    "Last Log Index",
    "Commit Index",
    "Snapshot Index",
    "Term",
    "Machine Version",
];
const STREAM: &[&str] =
    &["role", "node", "epoch", "offset", "committed_offset", "first_offset", "readers", "segments"];

pub(super) const COMMANDS: &[Command] = &[
    Command::new("quorum_status", DIAGNOSTICS | QUEUES, Group::Monitoring, "[--vhost <vhost>] <queue>", "Shows the replicas of a quorum queue", quorum_status)
        .words(1, 1)
        .shows(QUORUM),
    Command::new("stream_status", DIAGNOSTICS | QUEUES | STREAMS, Group::Monitoring, "[--vhost <vhost>] [--tracking] <stream>", "Shows the replicas of a stream", stream_status)
        .words(1, 1)
        .options(&[Opt::flag("--tracking", "what readers and writers have had noted: nothing yet")])
        .shows(STREAM),
    Command::new("list_stream_tracking", STREAMS, Group::Streams, "<stream> [--all | --offset | --writer] [--vhost <vhost>]", "Shows what readers and writers of a stream have had noted: nothing yet", stream_tracking)
        .words(1, 1)
        .options(&[Opt::flag("--all", "of both"), Opt::flag("--offset", "of readers"), Opt::flag("--writer", "of writers")])
        .shows(&["type", "name", "tracking_value"]),
    Command::new("rebalance", QUEUES, Group::Cluster, "< all | quorum | stream > [--vhost-pattern <pattern>] [--queue-pattern <pattern>]", "Spreads the leaders of queues over the nodes: there is one node", rebalance)
        .words(1, 1)
        .options(&[PATTERNS[0], PATTERNS[1], Opt::flag("--dry-run", "only say what would be done")])
        .shows(&["Node name", "Number of quorum queues", "Number of streams"]),
    Command::new("grow", QUEUES, Group::Cluster, "<node> <all | even> [--vhost-pattern <pattern>] [--queue-pattern <pattern>] [--membership <promotable|voter>]", "Adds replicas of quorum queues on another node: there is none yet", no_other_node)
        .words(2, 2)
        .options(&[PATTERNS[0], PATTERNS[1], MEMBERSHIP, Opt::flag("--errors-only", "only show what fails")]),
    Command::new("shrink", QUEUES, Group::Cluster, "<node> [--errors-only]", "Removes the replicas of quorum queues on another node: there is none yet", no_other_node)
        .words(1, 1)
        .options(&[Opt::flag("--errors-only", "only show what fails")]),
    Command::new("add_member", QUEUES, Group::Replication, "[--vhost <vhost>] <queue> <node> [--membership <promotable|voter>] [--timeout <timeout>]", "Adds a replica of a quorum queue on another node: there is none yet", no_other_node)
        .words(2, 2)
        .options(&[MEMBERSHIP]),
    Command::new("delete_member", QUEUES, Group::Replication, "[--vhost <vhost>] <queue> <node>", "Removes a replica of a quorum queue on another node: there is none yet", no_other_node)
        .words(2, 2),
    Command::new("add_replica", STREAMS, Group::Replication, "[--vhost <vhost>] <stream> <node> [--timeout <timeout>]", "Adds a replica of a stream on another node: there is none yet", no_other_node)
        .words(2, 2),
    Command::new("delete_replica", STREAMS, Group::Replication, "[--vhost <vhost>] <queue> <node>", "Removes a replica of a stream on another node: there is none yet", no_other_node)
        .words(2, 2),
];

/// The queue of the first argument, if it is of this type.
fn find(call: &mut Call, kind: &str) -> Result<Json, Failure> {
    let (vhost, name) = (call.vhost(), call.own_word(0));
    let found = call.find(&path(&["queues", &vhost, &name]))?;
    let found = found.ok_or_else(|| Failure::data("Object (queue, stream, exchange, etc) was not found"))?;
    match found["type"].as_str().unwrap_or_default() {
        same if same == kind => Ok(found),
        other => Err(Failure::unavailable(format!(
            "Cannot get {kind} status of a {other}{}",
            if other == "stream" { "" } else { " queue" }
        ))),
    }
}

fn quorum_status(call: &mut Call) -> Result<(), Failure> {
    let node = call.node_name()?;
    call.announce(&format!("Status of quorum queue {} on node {node} ...", call.own_word(0)))?;
    find(call, "quorum")?;
    let mut table = Table::new(QUORUM, Empty::Nothing);
    table.push(vec![
        json!(node),
        json!("leader"),
        json!("voter"),
        Json::Null,
        Json::Null,
        Json::Null,
        Json::Null,
        Json::Null,
    ]);
    call.out.table(&table)
}

fn stream_status(call: &mut Call) -> Result<(), Failure> {
    let node = call.node_name()?;
    call.announce(&format!("Status of stream {} on node {node} ...", call.own_word(0)))?;
    let found = find(call, "stream")?;
    if call.has("--tracking") {
        return call.out.table(&Table::new(&["type", "reference", "value"], Empty::Nothing));
    }
    let mut table = Table::new(STREAM, Empty::Nothing);
    let readers = found["consumers"].clone();
    table.push(vec![
        json!("writer"),
        json!(node),
        Json::Null,
        Json::Null,
        Json::Null,
        Json::Null,
        readers,
        Json::Null,
    ]);
    call.out.table(&table)
}

fn stream_tracking(call: &mut Call) -> Result<(), Failure> {
    call.announce(&format!("Listing tracking information for stream {} ...", call.own_word(0)))?;
    find(call, "stream")?;
    call.out.table(&Table::new(&["type", "name", "tracking_value"], Empty::Nothing))
}

fn rebalance(call: &mut Call) -> Result<(), Failure> {
    let kind = call.own_word(0);
    if !["all", "quorum", "stream", "classic"].contains(&kind.as_str()) {
        return Err(Failure::argument(format!("type should be all, quorum or stream, actually was {kind}")));
    }
    call.announce(&format!("Re-balancing leaders of {kind} queues..."))?;
    if !call.has("--dry-run") {
        call.post("rebalance/queues", &json!({}))?.checked()?;
    }
    let queues = call.get("queues?columns=type&disable_stats=true")?;
    let count =
        |kind: &str| queues.as_array().into_iter().flatten().filter(|one| one["type"] == kind).count();
    let mut table =
        Table::new(&["Node name", "Number of quorum queues", "Number of streams"], Empty::Nothing);
    table.push(vec![json!(call.node_name()?), json!(count("quorum")), json!(count("stream"))]);
    call.out.table(&table)
}

fn no_other_node(call: &mut Call) -> Result<(), Failure> {
    call.node_name()?;
    Err(Failure::unavailable(
        "This node is alone: there are no clusters yet, and so no replicas on other nodes",
    ))
}
