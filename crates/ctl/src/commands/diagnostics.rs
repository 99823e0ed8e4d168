//! What can be asked of a node when something is looked for.

use std::net::{IpAddr, ToSocketAddrs};

use serde_json::{Value as Json, json};

use super::status::{self, breakdown, capital, in_words, listeners, text, unit};
use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    table::{Empty, Table},
    tool::{CTL, DIAGNOSTICS},
};

const TIMEOUT: &str = "[--timeout <timeout>]";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "listeners",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Lists what the node listens on",
        list_listeners,
    ),
    Command::new(
        "memory_breakdown",
        DIAGNOSTICS,
        Group::Monitoring,
        "[--unit <unit>] [--timeout <timeout>]",
        "Shows what memory is used for",
        memory_breakdown,
    )
    .options(&[status::UNIT]),
    Command::new(
        "server_version",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Shows the version of RabbitMQ that the node is compatible with",
        server_version,
    ),
    Command::new(
        "log_location",
        DIAGNOSTICS,
        Group::Configuration,
        "[--all|-a] [--timeout <timeout>]",
        "Shows where the log goes",
        log_location,
    )
    .options(&[Opt::flag("--all", "all places").short("-a")]),
    Command::new(
        "command_line_arguments",
        DIAGNOSTICS,
        Group::Configuration,
        "",
        "Shows the arguments with which the node was started, if it is on this machine",
        command_line_arguments,
    ),
    Command::new(
        "os_env",
        DIAGNOSTICS,
        Group::Configuration,
        TIMEOUT,
        "Lists the variables of the environment that this tool and the node look at, as this shell has them",
        os_env,
    ),
    Command::new(
        "resolve_hostname",
        DIAGNOSTICS,
        Group::Configuration,
        "<hostname> [--address-family <ipv4 | ipv6>]",
        "Shows the addresses of a host, as this machine finds them",
        resolve_hostname,
    )
    .words(1, 1)
    .options(&[Opt::value("--address-family", "<family>", "ipv4 or ipv6; ipv4 without it")]),
    Command::new(
        "tls_versions",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Lists the versions of TLS that there are",
        tls_versions,
    ),
    Command::new(
        "discover_peers",
        DIAGNOSTICS,
        Group::Monitoring,
        TIMEOUT,
        "Looks for other nodes of the cluster: there are none",
        discover_peers,
    ),
    Command::new(
        "list_node_auth_attempt_stats",
        CTL | DIAGNOSTICS,
        Group::Monitoring,
        "[--by-source]",
        "Lists how often somebody logged in, or tried to",
        auth_attempts,
    )
    .options(&[Opt::flag("--by-source", "by where they came from")])
    .shows(&["protocol", "auth_attempts", "auth_attempts_failed", "auth_attempts_succeeded"]),
    Command::new(
        "metadata_store_status",
        DIAGNOSTICS,
        Group::Monitoring,
        "",
        "Shows where the metadata is: in the node's own log",
        metadata_store,
    )
    .shows(&["Metadata Store"]),
    Command::new(
        "report",
        CTL | DIAGNOSTICS,
        Group::Monitoring,
        "",
        "Shows all that helps to understand a node, for whoever is asked for help",
        report,
    ),
    Command::new(
        "reconcile_vhosts",
        CTL,
        Group::VirtualHosts,
        TIMEOUT,
        "Sees that all virtual hosts are there: here they always are",
        reconcile_vhosts,
    ),
    Command::new(
        "restart_vhost",
        CTL,
        Group::VirtualHosts,
        "[--vhost <vhost>] [--timeout <timeout>]",
        "Starts a virtual host that has failed: here none can",
        restart_vhost,
    ),
];

fn list_listeners(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Asking node {name} to report its protocol listeners ..."))?;
    let listeners = listeners(&call.get("overview?columns=listeners")?);
    let text: String = listeners.iter().map(|one| format!("{}\n", capital(&in_words(one)))).collect();
    call.out.object(json!({ "listeners": listeners, "node": name, "result": "ok" }), &text)
}

fn memory_breakdown(call: &mut Call) -> Result<(), Failure> {
    let unit = unit(call)?;
    let name = call.node_name()?;
    call.announce(&format!("Reporting memory breakdown on node {name}..."))?;
    let memory = call.get(&path(&["nodes", &name, "memory"]))?["memory"].take();
    let parts = breakdown(&memory);
    let text: String = parts
        .iter()
        .map(|part| format!("{}: {} ({}%)\n", part.name, unit.show(&json!(part.bytes)), part.percent))
        .collect();
    let object: Json = parts
        .iter()
        .map(|part| (part.name.clone(), json!({ "bytes": part.bytes, "percentage": part.percent })))
        .collect::<serde_json::Map<_, _>>()
        .into();
    call.out.object(object, &text)
}

fn server_version(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Asking node {name} for its RabbitMQ version..."))?;
    let version = call.get("overview?columns=rabbitmq_version,harefoot_version")?;
    call.out.note("harefoot", version["harefoot_version"].clone());
    call.out.say(text(&version["rabbitmq_version"]))
}

fn log_location(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Log file location(s) on node {name} ..."))?;
    let node = call.get("nodes?columns=log_files")?[0].take();
    let files: Vec<String> =
        node["log_files"].as_array().into_iter().flatten().map(|file| text(file).to_owned()).collect();
    files.iter().try_for_each(|file| call.out.say(file))
}

fn command_line_arguments(call: &mut Call) -> Result<(), Failure> {
    let node = call.get("nodes?columns=name,os_pid")?[0].take();
    call.announce(&format!("Command line arguments of node {} ...", text(&node["name"])))?;
    if !call.node()?.is_local() {
        return Err(Failure::unavailable(
            "The node is elsewhere: its arguments are in /proc/PID/cmdline there",
        ));
    }
    let pid: u32 =
        text(&node["os_pid"]).parse().map_err(|_| Failure::software("the node tells no process id"))?;
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline"))
        .map_err(|error| Failure::unavailable(format!("cannot read /proc/{pid}/cmdline: {error}")))?;
    let words = arguments.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    words.iter().try_for_each(|word| call.out.say(word))
}

fn os_env(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Listing RabbitMQ-specific environment variables defined for node {name}..."))?;
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("RABBITMQ_") || name.starts_with("HAREFOOT_"))
        .collect();
    variables.sort();
    for (name, value) in variables {
        let is_secret = name.contains("PASS") || name.contains("COOKIE");
        call.out.say(&format!("{name}={}", if is_secret { "***" } else { &value }))?;
    }
    Ok(())
}

fn resolve_hostname(call: &mut Call) -> Result<(), Failure> {
    let host = call.own_word(0);
    let (is_ipv6, family) =
        match call.option("--address-family").as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("ipv4" | "inet") => (false, "IPv4"),
            Some("ipv6" | "inet6") => (true, "IPv6"),
            Some(other) => {
                return Err(Failure::argument(format!("unsupported address family '{other}': ipv4 or ipv6")));
            }
        };
    let name = call.node_name()?;
    call.announce(&format!("Asking node {name} to resolve hostname {host} to {family} addresses..."))?;
    let found = (host.as_str(), 0).to_socket_addrs();
    let found = found.map_err(|error| Failure::unavailable(format!("{host} cannot be resolved: {error}")))?;
    let mut addresses: Vec<IpAddr> = found.map(|one| one.ip()).filter(|ip| ip.is_ipv6() == is_ipv6).collect();
    addresses.dedup();
    addresses.iter().try_for_each(|address| call.out.say(&address.to_string()))
}

fn tls_versions(call: &mut Call) -> Result<(), Failure> {
    call.announce("Listing all TLS versions supported by the runtime...")?;
    ["tlsv1.3", "tlsv1.2"].iter().try_for_each(|version| call.out.say(version))
}

fn discover_peers(call: &mut Call) -> Result<(), Failure> {
    call.announce("Discovering peers nodes ...")?;
    call.out.say("No peers discovered")
}

fn auth_attempts(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Listing authentication attempts for node \"{name}\" ..."))?;
    let is_by_source = call.has("--by-source");
    let mut parts = vec!["auth", "attempts", &name];
    parts.extend(is_by_source.then_some("source"));
    let found = call.find(&path(&parts))?;
    let found = found.ok_or_else(|| Failure::unavailable("The node does not count logins"))?;
    let columns: &[&'static str] = match is_by_source {
        true => &[
            "remote_address",
            "username",
            "protocol",
            "auth_attempts",
            "auth_attempts_failed",
            "auth_attempts_succeeded",
        ],
        false => &["protocol", "auth_attempts", "auth_attempts_failed", "auth_attempts_succeeded"],
    };
    let mut table = Table::new(columns, Empty::Nothing);
    for row in found.as_array().into_iter().flatten() {
        table.push(columns.iter().map(|column| row[*column].clone()).collect());
    }
    call.out.table(&table)
}

fn metadata_store(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Status of metadata store on node {name} ..."))?;
    let mut table = Table::new(&["Metadata Store"], Empty::Nothing);
    table.push(vec![json!("log")]);
    call.out.table(&table)
}

fn reconcile_vhosts(call: &mut Call) -> Result<(), Failure> {
    call.announce("Will try to initiate virtual host reconciliation on all reachable cluster nodes...")
}

fn restart_vhost(call: &mut Call) -> Result<(), Failure> {
    let (vhost, name) = (call.vhost(), call.node_name()?);
    call.announce(&format!("Trying to restart vhost '{vhost}' on node '{name}' ..."))?;
    call.node()?.require_vhost(&vhost)?;
    call.out.say(&format!("Vhost '{vhost}' is already running on node '{name}'"))
}

/// Everything at once; what fails is said, and the rest comes all the same.
fn report(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Reporting server status of node {name} ..."))?;
    let parts: [(&str, &str); 12] = [
        ("overview", "overview"),
        ("node", "nodes"),
        ("feature flags", "feature-flags"),
        ("virtual hosts", "vhosts"),
        ("connections", "connections"),
        ("queues", "queues"),
        ("exchanges", "exchanges"),
        ("bindings", "bindings"),
        ("consumers", "consumers"),
        ("permissions", "permissions"),
        ("policies", "policies"),
        ("alarms", "health/checks/alarms"),
    ];
    let mut whole = serde_json::Map::new();
    let mut text = String::new();
    for (title, at) in parts {
        let answer = call.node()?.ask("GET", at, None, |_| {})?;
        let found = answer.json().unwrap_or_default();
        text.push_str(&format!("{}\n\n", call.out.heading(&capital(title))));
        let rows: Vec<&Json> = found.as_array().map_or_else(|| vec![&found], |rows| rows.iter().collect());
        for row in rows {
            text.push_str(&format!("{row}\n"));
        }
        text.push('\n');
        whole.insert(title.replace(' ', "_"), found);
    }
    call.out.object(Json::Object(whole), &text)
}
