//! What is done to connections: closed, one or many.

use std::{thread, time::Duration};

use serde_json::Value as Json;

use super::lists::pid;
use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    tool::CTL,
};

pub(super) const COMMANDS: &[Command] = &[
    Command::new("close_connection", CTL, Group::Operations, "<connection pid> <explanation>", "Closes a connection, by its pid of list_connections or its name; its client is told why", close)
        .words(2, 2),
    Command::new("close_all_connections", CTL, Group::Operations, "[--vhost <vhost> --limit <limit>] [-n <node> --global] [--per-connection-delay <delay>] <explanation>", "Closes the connections of a virtual host, or all", close_all)
        .words(1, 1)
        .options(&[
            Opt::flag("--global", "those of all virtual hosts"),
            Opt::value("--limit", "<number>", "so many at most"),
            Opt::value("--per-connection-delay", "<milliseconds>", "wait so long after each"),
        ]),
    Command::new("close_all_user_connections", CTL, Group::Operations, "<username> <explanation>", "Closes the connections of a user", close_all_of_user)
        .words(2, 2),
];

/// Has one closed; one that has gone by itself is as wished.
fn end(call: &mut Call, name: &str, reason: &str) -> Result<(), Failure> {
    let at = path(&["connections", name]);
    let node = call.node()?;
    let authorization = node.authorization();
    let answer =
        node.ask_as(authorization.as_deref(), ("DELETE", &at, &[("x-reason", reason)]), None, |_| {})?;
    if answer.status == 404 { Ok(()) } else { answer.checked().map(drop) }
}

fn name(connection: &Json) -> String {
    connection["name"].as_str().unwrap_or_default().to_owned()
}

fn close(call: &mut Call) -> Result<(), Failure> {
    let (wanted, reason) = (call.own_word(0), call.own_word(1));
    call.announce(&format!("Closing connection {wanted}, reason: {reason}..."))?;
    let connections = call.get("connections?columns=name")?;
    let mut all = connections.as_array().into_iter().flatten();
    let found = all.find(|one| name(one) == wanted || pid(&one["name"]) == wanted.as_str());
    let found =
        found.ok_or_else(|| Failure::unavailable(format!("Error:\nThere is no connection {wanted}")))?;
    end(call, &name(found), &reason)
}

fn number(call: &Call, option: &str) -> Result<Option<u64>, Failure> {
    let Some(text) = call.option(option) else { return Ok(None) };
    let number = text.parse();
    number
        .map(Some)
        .map_err(|_| Failure::arguments(format!("Invalid options for this command:\n{option} : {text}")))
}

fn close_all(call: &mut Call) -> Result<(), Failure> {
    let (reason, vhost) = (call.own_word(0), call.vhost());
    let limit = number(call, "--limit")?.filter(|limit| *limit > 0);
    let delay = number(call, "--per-connection-delay")?.map(Duration::from_millis);
    let is_global = call.has("--global");
    let of = if is_global { "on node".to_owned() } else { format!("in vhost {vhost}") };
    call.announce(&format!("Closing all connections {of}, reason: {reason}..."))?;
    if !is_global {
        call.node()?.require_vhost(&vhost)?;
    }
    let connections = call.get("connections?columns=name,vhost")?;
    let all = connections.as_array().into_iter().flatten();
    let wanted: Vec<String> = all
        .filter(|one| is_global || one["vhost"] == vhost.as_str())
        .map(name)
        .take(limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)))
        .collect();
    for one in &wanted {
        end(call, one, &reason)?;
        if let Some(delay) = delay {
            thread::sleep(delay);
        }
    }
    call.out.note("closed", wanted.len().into());
    call.out.say(&format!("Closed {} connections", wanted.len()))
}

fn close_all_of_user(call: &mut Call) -> Result<(), Failure> {
    let (user, reason) = (call.own_word(0), call.own_word(1));
    call.announce(&format!("Closing connections of user {user}, reason: {reason}..."))?;
    let connections = call.get("connections?columns=name,user")?;
    let all = connections.as_array().into_iter().flatten();
    for one in all.filter(|one| one["user"] == user.as_str()).map(name).collect::<Vec<_>>() {
        end(call, &one, &reason)?;
    }
    Ok(())
}
