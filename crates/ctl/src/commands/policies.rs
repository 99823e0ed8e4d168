//! Policies, of users and of operators.

use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    table::{Empty, Table},
    tool::{CTL, DIAGNOSTICS, QUEUES},
};

const COLUMNS: &[&str] = &["vhost", "name", "pattern", "apply-to", "definition", "priority"];
const LIST: &str = "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]";
const SET: &str =
    "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>";
const OPTIONS: &[Opt] = &[
    Opt::value(
        "--priority",
        "<priority>",
        "of several that match the one with the highest counts; 0 without it",
    ),
    Opt::value(
        "--apply-to",
        "<apply-to>",
        "queues, classic_queues, quorum_queues, streams, exchanges or all; all without it",
    ),
];

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "list_policies",
        CTL | DIAGNOSTICS,
        Group::Policies,
        LIST,
        "Lists the policies of a virtual host",
        list,
    )
    .shows(COLUMNS),
    Command::new(
        "list_operator_policies",
        CTL | DIAGNOSTICS,
        Group::Policies,
        LIST,
        "Lists what operators limit policies to in a virtual host",
        list_operator,
    )
    .shows(COLUMNS),
    Command::new(
        "list_policies_that_match",
        DIAGNOSTICS,
        Group::Policies,
        "[--object-type <type>] <name>",
        "Lists the policies that match a queue or an exchange: the first one is in effect",
        list_matching,
    )
    .words(1, 1)
    .options(&[Opt::value("--object-type", "<type>", "queue or exchange; queue without it")])
    .shows(COLUMNS),
    Command::new("set_policy", CTL, Group::Policies, SET, "Sets a policy, in place of one of the name", set)
        .words(3, 3)
        .options(OPTIONS),
    Command::new(
        "set_operator_policy",
        CTL,
        Group::Policies,
        SET,
        "Sets a limit to policies, in place of one of the name",
        set_operator,
    )
    .words(3, 3)
    .options(OPTIONS),
    Command::new("clear_policy", CTL, Group::Policies, "[--vhost <vhost>] <name>", "Removes a policy", clear)
        .words(1, 1),
    Command::new(
        "clear_operator_policy",
        CTL,
        Group::Policies,
        "[--vhost <vhost>] <name>",
        "Removes a limit to policies",
        clear_operator,
    )
    .words(1, 1),
    Command::new(
        "list_policies_with_classic_queue_mirroring",
        DIAGNOSTICS | QUEUES,
        Group::Monitoring,
        "[--no-table-headers] [--timeout <timeout>]",
        "Lists the policies that would mirror classic queues: here none can",
        list_mirroring,
    )
    .shows(COLUMNS),
    Command::new(
        "list_operator_policies_with_classic_queue_mirroring",
        DIAGNOSTICS | QUEUES,
        Group::Monitoring,
        "[--no-table-headers] [--timeout <timeout>]",
        "Lists the operator policies that would mirror classic queues: here none can",
        list_mirroring,
    )
    .shows(COLUMNS),
    Command::new(
        "remove_classic_queue_mirroring_from_policies",
        CTL,
        Group::Operations,
        "[--timeout <timeout>]",
        "Takes out of policies what mirrors classic queues: there is nothing such here",
        nothing_to_remove,
    ),
];

fn row(policy: &Json) -> Vec<Json> {
    let value = |column: &&str| match *column {
        // RabbitMQ: the definition is a text, in JSON.
        "definition" => json!(policy["definition"].to_string()),
        column => policy[column].clone(),
    };
    COLUMNS.iter().map(value).collect()
}

fn rows(call: &mut Call, kind: &str) -> Result<(), Failure> {
    let vhost = call.vhost();
    let policies = call.find(&path(&[kind, &vhost]))?.ok_or_else(|| Failure::no_vhost(&vhost))?;
    let mut table = Table::new(COLUMNS, Empty::Line);
    for policy in policies.as_array().into_iter().flatten() {
        table.push(row(policy));
    }
    call.out.table(&table)
}

fn list(call: &mut Call) -> Result<(), Failure> {
    call.announce(&format!("Listing policies for vhost \"{}\" ...", call.vhost()))?;
    rows(call, "policies")
}

fn list_operator(call: &mut Call) -> Result<(), Failure> {
    call.announce(&format!("Listing operator policy overrides for vhost \"{}\" ...", call.vhost()))?;
    rows(call, "operator-policies")
}

fn list_mirroring(call: &mut Call) -> Result<(), Failure> {
    call.announce("Listing policies with classic queue mirroring ...")?;
    call.out.table(&Table::new(COLUMNS, Empty::Line))
}

fn nothing_to_remove(call: &mut Call) -> Result<(), Failure> {
    call.announce("Looking for classic queue mirroring in policies ...")?;
    call.out.remark("No policy here can mirror a classic queue: there is nothing to remove")
}

/// The one in effect is asked of the node; those that would be, if it were not there, cannot be.
fn list_matching(call: &mut Call) -> Result<(), Failure> {
    let (vhost, name) = (call.vhost(), call.own_word(0));
    let kind = call.option("--object-type").unwrap_or_else(|| "queue".to_owned());
    let listed = match kind.as_str() {
        "queue" => "queues",
        "exchange" => "exchanges",
        _ => return Err(Failure::argument("object-type should be queue or exchange")),
    };
    call.announce(&format!("Listing policies that match {kind} '{name}' in vhost '{vhost}' ..."))?;
    let found = call.find(&path(&[listed, &vhost, &name]))?;
    let found = found.ok_or_else(|| Failure::data("Object (queue, stream, exchange, etc) was not found"))?;
    let mut table = Table::new(COLUMNS, Empty::Line);
    if let Some(policy) = found["policy"].as_str().filter(|policy| !policy.is_empty())
        && let Some(policy) = call.find(&path(&["policies", &vhost, policy]))?
    {
        table.push(row(&policy));
    }
    call.out.table(&table)
}

fn set(call: &mut Call) -> Result<(), Failure> {
    put(call, "policy", "policies")
}

fn set_operator(call: &mut Call) -> Result<(), Failure> {
    put(call, "operator policy override", "operator-policies")
}

fn put(call: &mut Call, what: &str, kind: &str) -> Result<(), Failure> {
    let (vhost, name, pattern, definition) =
        (call.vhost(), call.own_word(0), call.own_word(1), call.own_word(2));
    let priority = call.option("--priority").unwrap_or_else(|| "0".to_owned());
    let number: i64 = priority.parse().map_err(|_| {
        Failure::arguments(format!("Invalid options for this command:\n--priority : {priority}"))
    })?;
    call.announce(&format!(
        "Setting {what} \"{name}\" for pattern \"{pattern}\" to \"{definition}\" with priority \"{priority}\" for vhost \"{vhost}\" ..."
    ))?;
    let definition = super::parameters::parse(&definition)?;
    call.node()?.require_vhost(&vhost)?;
    let mut body = json!({ "pattern": pattern, "definition": definition, "priority": number });
    if let (Some(apply_to), Some(body)) = (call.option("--apply-to"), body.as_object_mut()) {
        body.insert("apply-to".to_owned(), json!(apply_to));
    }
    call.put(&path(&[kind, &vhost, &name]), &body)?.checked().map(drop)
}

fn clear(call: &mut Call) -> Result<(), Failure> {
    remove(call, "policy", "policies")
}

fn clear_operator(call: &mut Call) -> Result<(), Failure> {
    remove(call, "operator policy", "operator-policies")
}

fn remove(call: &mut Call, what: &str, kind: &str) -> Result<(), Failure> {
    let (vhost, name) = (call.vhost(), call.own_word(0));
    call.announce(&format!("Clearing {what} \"{name}\" on vhost \"{vhost}\" ..."))?;
    let answer = call.delete(&path(&[kind, &vhost, &name]))?;
    super::parameters::removed(answer)
}
