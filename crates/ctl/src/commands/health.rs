//! Health checks: an exit code other than 0 if something is wrong.

use std::{
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use serde_json::{Value as Json, json};

use super::status::{alarms, listeners, text};
use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    tool::{CTL, DIAGNOSTICS, QUEUES},
};

/// How long a listener may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: &str = "[--timeout <timeout>]";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "alarms",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Lists the alarms that are in effect; succeeds all the same",
        list_alarms,
    ),
    Command::new(
        "check_alarms",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Fails if an alarm is in effect",
        check_alarms,
    ),
    Command::new(
        "check_local_alarms",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Fails if an alarm of this node is in effect",
        check_local_alarms,
    ),
    Command::new(
        "check_running",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Fails if the node does not answer",
        check_running,
    ),
    Command::new(
        "is_running",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Says whether the node runs",
        is_running,
    ),
    Command::new(
        "is_booting",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Says whether the node is still starting: it answers only when it has",
        is_booting,
    ),
    Command::new(
        "check_virtual_hosts",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Fails if a virtual host does not run: here they all do",
        check_virtual_hosts,
    ),
    Command::new(
        "check_port_listener",
        DIAGNOSTICS,
        Group::Monitoring,
        "<port> [--timeout <timeout>]",
        "Fails if nothing of the node listens on a port",
        check_port_listener,
    )
    .words(1, 1),
    Command::new(
        "check_protocol_listener",
        DIAGNOSTICS,
        Group::Monitoring,
        "<protocol> [--timeout <timeout>]",
        "Fails if the node does not speak a protocol",
        check_protocol_listener,
    )
    .words(1, 1),
    Command::new(
        "check_port_connectivity",
        DIAGNOSTICS,
        Group::Monitoring,
        "[--address <target address>] [--timeout <timeout>]",
        "Fails if a listener of the node accepts no connection from here",
        check_port_connectivity,
    )
    .options(&[Opt::value(
        "--address",
        "<address>",
        "the host to connect to, in place of each listener's own",
    )]),
    Command::new(
        "check_certificate_expiration",
        DIAGNOSTICS,
        Group::Monitoring,
        "[--within <period>] [--unit <unit>]",
        "Fails if a certificate of the node expires soon",
        check_certificates,
    )
    .options(&[
        Opt::value("--within", "<period>", "how many units ahead; 4 without it"),
        Opt::value("--unit", "<unit>", "days, weeks, months or years; weeks without it"),
    ]),
    Command::new(
        "check_if_node_is_quorum_critical",
        DIAGNOSTICS | QUEUES,
        Group::Monitoring,
        TIMEOUT,
        "Fails if queues would lose their quorum without this node: alone, the check does not apply",
        check_quorum_critical,
    ),
    Command::new(
        "check_if_node_is_mirror_sync_critical",
        DIAGNOSTICS | QUEUES,
        Group::Deprecated,
        TIMEOUT,
        "Succeeds: there are no mirrored queues",
        check_mirrors,
    ),
    Command::new(
        "check_if_cluster_has_classic_queue_mirroring_policy",
        DIAGNOSTICS | QUEUES,
        Group::Monitoring,
        TIMEOUT,
        "Succeeds: no policy can mirror classic queues",
        check_mirroring_policy,
    ),
    Command::new(
        "check_if_new_quorum_queue_replicas_have_finished_initial_sync",
        DIAGNOSTICS | QUEUES,
        Group::Monitoring,
        TIMEOUT,
        "Succeeds: there are no new replicas",
        check_replicas,
    ),
    Command::new(
        "node_health_check",
        CTL | DIAGNOSTICS,
        Group::Deprecated,
        TIMEOUT,
        "Sees whether the node answers; see the other checks",
        node_health_check,
    ),
];

fn node(call: &mut Call) -> Result<Json, Failure> {
    Ok(call.get("nodes?columns=name,mem_alarm,disk_free_alarm")?[0].take())
}

fn list_alarms(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Asking node {name} to report any known resource alarms ..."))?;
    let alarms = alarms(&node(call)?);
    call.out.note("alarms", json!(alarms));
    match alarms.is_empty() {
        true => call.out.say(&format!("Node {name} reported no alarms, local or clusterwide")),
        false => alarms.iter().try_for_each(|alarm| call.out.say(alarm)),
    }
}

fn check(call: &mut Call, well: &str) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Asking node {name} to report any local resource alarms ..."))?;
    let alarms = alarms(&node(call)?);
    call.out.note("alarms", json!(alarms));
    match alarms.is_empty() {
        true => call.out.say(&format!("Node {name} reported no {well}")),
        false => Err(Failure::failed(alarms.join("\n"))),
    }
}

fn check_alarms(call: &mut Call) -> Result<(), Failure> {
    check(call, "alarms, local or clusterwide")
}

fn check_local_alarms(call: &mut Call) -> Result<(), Failure> {
    check(call, "local alarms")
}

fn check_running(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Checking if RabbitMQ is running on node {name} ..."))?;
    call.out.say(&format!("RabbitMQ on node {name} is fully booted and running"))
}

fn is_running(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Asking node {name} for its status ..."))?;
    call.out.say(&format!("RabbitMQ on node {name} is fully booted and running"))
}

fn is_booting(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Asking node {name} for its boot status ..."))?;
    call.out.say(&format!("RabbitMQ on node {name} is fully booted (check with is_running), stopped or has not started booting yet"))
}

fn check_virtual_hosts(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Checking if all vhosts are running on node {name} ..."))?;
    let answer = call.node()?.ask("GET", "health/checks/virtual-hosts", None, |_| {})?;
    answer.checked()?;
    call.out.say(&format!("Node {name} reported all vhosts as running"))
}

fn ports(list: &Json) -> String {
    let ports = list.as_array().into_iter().flatten().map(|port| match port {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    });
    let mut ports: Vec<String> = ports.collect();
    ports.dedup();
    ports.join(", ")
}

fn check_port_listener(call: &mut Call) -> Result<(), Failure> {
    let port = call.own_word(0);
    if port.parse::<u16>().map_or(true, |port| port == 0) {
        return Err(Failure::argument("port should be a number between 1 and 65535"));
    }
    let name = call.node_name()?;
    call.announce(&format!("Asking node {name} if there's an active listener on port {port} ..."))?;
    let answer =
        call.node()?.ask("GET", &path(&["health", "checks", "port-listener", &port]), None, |_| {})?;
    if answer.is_good() {
        return call.out.say(&format!("A listener for port {port} is running on node {name}."));
    }
    let found = answer.json()?;
    Err(Failure::failed(format!(
        "No listener for port {port} is active on node {name}. Found listeners that use the following ports: {}",
        ports(&found["ports"])
    )))
}

fn check_protocol_listener(call: &mut Call) -> Result<(), Failure> {
    let protocol = call.own_word(0);
    if protocol.is_empty() {
        return Err(Failure::argument("protocol cannot be an empty string"));
    }
    let name = call.node_name()?;
    call.announce(&format!("Asking node {name} if there's an active listener for protocol {protocol} ..."))?;
    let answer = call.node()?.ask(
        "GET",
        &path(&["health", "checks", "protocol-listener", &protocol]),
        None,
        |_| {},
    )?;
    if answer.is_good() {
        return call.out.say(&format!("A listener for protocol {protocol} is running on node {name}."));
    }
    let found = answer.json()?;
    Err(Failure::unavailable(format!(
        "No listener for protocol {protocol} is active on node {name}. Found listeners for the following protocols: {}",
        ports(&found["protocols"])
    )))
}

fn check_port_connectivity(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Testing TCP connections to all active listeners on node {name} ..."))?;
    let overview = call.get("overview?columns=listeners")?;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for listener in listeners(&overview) {
        let port = listener["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
        let own = match text(&listener["interface"]).trim_matches(['[', ']']) {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            address => address,
        };
        let host = call.option("--address").unwrap_or_else(|| own.to_owned());
        let is_open = (host.as_str(), port).to_socket_addrs().is_ok_and(|mut addresses| {
            addresses.any(|to| TcpStream::connect_timeout(&to, CONNECT_TIMEOUT).is_ok())
        });
        if is_open { good.push(port.to_string()) } else { bad.push(port.to_string()) }
    }
    if bad.is_empty() {
        good.dedup();
        return call.out.say(&format!("Successfully connected to ports {} on node {name}.", good.join(", ")));
    }
    Err(Failure::failed(format!(
        "Connection to ports of the following listeners on node {name} failed: {}",
        bad.join(", ")
    )))
}

fn check_certificates(call: &mut Call) -> Result<(), Failure> {
    let within = call.option("--within").unwrap_or_else(|| "4".to_owned());
    let unit = call.option("--unit").unwrap_or_else(|| "weeks".to_owned()).to_ascii_lowercase();
    if within.parse::<u32>().is_err() {
        return Err(Failure::arguments(format!("Invalid options for this command:\n--within : {within}")));
    }
    if !["days", "weeks", "months", "years"].contains(&unit.as_str()) {
        return Err(Failure::argument(format!(
            "unit '{unit}' is not supported. Please use one of: days, weeks, months, years"
        )));
    }
    let name = call.node_name()?;
    call.announce(&format!("Checking certificate expiration on node {name} ..."))?;
    let at = path(&["health", "checks", "certificate-expiration", &within, &unit]);
    let answer = call.node()?.ask("GET", &at, None, |_| {})?;
    if answer.is_good() {
        return call.out.say(&format!("No certificates are expiring within {within} {unit}."));
    }
    let found = answer.json()?;
    let mut lines = vec![answer.reason()];
    for one in found["expired"].as_array().into_iter().flatten() {
        lines.push(format!("  {one}"));
    }
    Err(Failure::failed(lines.join("\n")))
}

fn check_quorum_critical(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Checking if node {name} is critical for quorum of any quorum queues ..."))?;
    let answer = call.node()?.ask("GET", "health/checks/node-is-quorum-critical", None, |_| {})?;
    answer.checked()?;
    call.out.say(&format!(
        "Node {name} seems to be the only one in a single node cluster, the check does not apply"
    ))
}

fn check_mirrors(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!(
        "Checking if node {name} is critical for data safety of any classic mirrored queues ..."
    ))?;
    call.out.say(&format!(
        "Node {name} seems to be the only one in a single node cluster, the check does not apply"
    ))
}

fn check_mirroring_policy(call: &mut Call) -> Result<(), Failure> {
    call.announce("Checking if cluster has any classic queue mirroring policy ...")?;
    call.out.say("Cluster reported no policies that enable classic queue mirroring")
}

fn check_replicas(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Checking if node {name} runs promotable replicas of any queues ..."))?;
    call.out.say(&format!("Node {name} reported no queues with promotable replicas"))
}

fn node_health_check(call: &mut Call) -> Result<(), Failure> {
    call.announce(
        "This command is DEPRECATED: it only sees whether the node answers. Use the check_… commands.",
    )?;
    call.node_name()?;
    call.out.say("Health check passed")
}
