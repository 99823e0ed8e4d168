//! The node's coming and going: waiting for it, stopping it.

use std::fs;

use rustix::process::{Pid, test_kill_process};
use serde_json::json;

use super::waiting::{self, Wait};
use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node,
    tool::{CTL, DIAGNOSTICS},
};

/// RabbitMQ's: how long `wait` waits, in seconds.
const WAIT_S: u64 = 10;
/// RabbitMQ's: how long `await_startup` waits, in seconds.
const STARTUP_S: u64 = 300;
/// How long a node may take to stop, in seconds.
const STOP_S: u64 = 60;
/// Bytes of a file with a process id.
const PID_BYTES_MAX: u64 = 64;

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "wait",
        CTL | DIAGNOSTICS,
        Group::Nodes,
        "[<pidfile>] [--pid|-P <pid>] [--timeout <timeout>]",
        "Waits for a node to have started, by the file with its process id, or by that",
        wait,
    )
    .words(0, 1)
    .options(&[Opt::value("--pid", "<pid>", "the process id of the node").short("-P")]),
    Command::new("await_startup", CTL, Group::Nodes, "", "Waits for the node to have started", await_startup),
    Command::new(
        "await_online_nodes",
        CTL,
        Group::Cluster,
        "<count> [--timeout <timeout>]",
        "Waits for so many nodes of the cluster to be there",
        await_online_nodes,
    )
    .words(1, 1),
    Command::new(
        "stop",
        CTL,
        Group::Nodes,
        "[--idempotent] [<pidfile>]",
        "Stops the node; with the file of its process id, waits until it is gone",
        stop,
    )
    .words(0, 1)
    .options(&[Opt::flag("--idempotent", "succeed if the node does not run")]),
    Command::new(
        "shutdown",
        CTL,
        Group::Nodes,
        "[--wait] [--timeout <timeout>]",
        "Stops the node and waits until it is gone",
        shutdown,
    )
    .options(&[
        Opt::flag("--wait", "wait until the process is gone: so it is without a word, too"),
        Opt::flag("--no-wait", "do not wait"),
    ]),
];

fn wait(call: &mut Call) -> Result<(), Failure> {
    let wait = Wait::new(call, WAIT_S);
    let pid = match (call.option("--pid"), call.line.words.first().cloned()) {
        (Some(_), Some(_)) => {
            return Err(Failure::arguments("Cannot specify both pid and pidfile"));
        }
        (None, None) => return Err(Failure::arguments("\"No pid or pidfile specified\"")),
        (Some(text), None) => parse_pid(&text).ok_or_else(|| {
            Failure::arguments(format!("Invalid options for this command:\n--pid : {text}"))
        })?,
        (None, Some(file)) => {
            call.out.announce(&format!("Waiting for pid file '{file}' to appear"))?;
            let pid = wait.until(call, |_| Ok(read_pid(&file)))?;
            call.out.announce(&format!("pid is {pid}"))?;
            pid
        }
    };
    let name = node::assumed_name(&call.line);
    call.out.announce(&format!("Waiting for node '{name}' while OS process '{pid}' is running"))?;
    wait.until(call, |call| {
        if !is_running(pid) {
            return Err(Failure::failed("Error: process_not_running"));
        }
        call.forget_node();
        match call.node().and_then(|node| node.get("nodes?columns=running")) {
            Ok(_) => Ok(Some(())),
            Err(failure) if failure.is_unavailable() => Ok(None),
            Err(failure) => Err(failure),
        }
    })?;
    call.out.announce(&format!("Applications 'rabbit_and_plugins' are running on node '{name}'"))
}

fn read_pid(file: &str) -> Option<Pid> {
    use std::io::Read;
    let mut text = String::new();
    fs::File::open(file).ok()?.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    parse_pid(text.trim())
}

fn parse_pid(text: &str) -> Option<Pid> {
    text.parse().ok().filter(|pid| *pid > 0).and_then(Pid::from_raw)
}

/// Whether there is such a process, of whomever. One that has ended and that nobody has asked about yet runs no more.
fn is_running(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in the parentheses may hold anything.
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    !state.starts_with(['Z', 'X']) && test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

fn await_startup(call: &mut Call) -> Result<(), Failure> {
    let wait = Wait::new(call, STARTUP_S);
    waiting::for_node(call, wait)
}

fn await_online_nodes(call: &mut Call) -> Result<(), Failure> {
    let count: u32 = call.word(0).parse().map_err(|_| Failure::argument("count should be a number"))?;
    let (name, seconds) = (node::assumed_name(&call.line), call.line.timeout.unwrap_or(STARTUP_S));
    call.out.announce(&format!(
        "Will wait for at least {count} nodes to join the cluster of {name}. Timeout: {seconds} seconds."
    ))?;
    let wait = Wait::new(call, STARTUP_S);
    waiting::for_node(call, wait)?;
    if count > 1 {
        return Err(Failure::unavailable("This node is alone: there are no clusters yet"));
    }
    Ok(())
}

fn stop(call: &mut Call) -> Result<(), Failure> {
    let file = call.line.words.first().cloned();
    let wait = Wait::new(call, STOP_S);
    let name = node::assumed_name(&call.line);
    call.out.announce(&format!("Stopping and halting node {name} ..."))?;
    let pid = match &file {
        Some(file) => {
            Some(read_pid(file).ok_or_else(|| Failure::data(format!("Could not read pid file {file}")))?)
        }
        None => None,
    };
    match call.node().and_then(|node| node.get("nodes?columns=running")) {
        Err(failure) if call.has("--idempotent") && failure.is_unavailable() => {
            return call.out.remark(&format!("Node {name} is no longer running"));
        }
        Err(failure) => return Err(failure),
        Ok(_) => {}
    }
    call.post("harefoot/stop", &json!({}))?.checked()?;
    match pid {
        Some(pid) => wait.until(call, |_| Ok(Some(()).filter(|()| !is_running(pid)))),
        None => Ok(()),
    }
}

fn shutdown(call: &mut Call) -> Result<(), Failure> {
    let wait = Wait::new(call, STOP_S);
    let nodes = call.get("nodes?columns=name,os_pid")?;
    let name = nodes[0]["name"].as_str().unwrap_or_default().to_owned();
    let pid = nodes[0]["os_pid"].as_str().and_then(parse_pid);
    // The process of a node that is elsewhere cannot be watched.
    let watched = pid.filter(|_| !call.has("--no-wait"));
    let is_local = call.node()?.is_local();
    let Some(pid) = watched.filter(|_| is_local) else {
        call.announce(&format!("Shutting down RabbitMQ node {name}"))?;
        return call.post("harefoot/stop", &json!({}))?.checked().map(drop);
    };
    call.announce(&format!("Shutting down RabbitMQ node {name} running at PID {pid}"))?;
    call.post("harefoot/stop", &json!({}))?.checked()?;
    call.out.announce(&format!("Waiting for PID {pid} to terminate"))?;
    wait.until(call, |_| Ok(Some(()).filter(|()| !is_running(pid))))?;
    call.out.remark(&format!("RabbitMQ node {name} running at PID {pid} successfully shut down"))
}
