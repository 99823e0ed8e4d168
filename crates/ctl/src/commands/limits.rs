//! Limits of vhosts and of users.

use serde_json::{Map, Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    output::Style,
    table::{Empty, Table},
    tool::{CTL, DIAGNOSTICS},
};

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "list_vhost_limits",
        CTL | DIAGNOSTICS,
        Group::VirtualHosts,
        "[--vhost <vhost>] [--global] [--no-table-headers]",
        "Shows the limits of a virtual host, or of all",
        list_vhost,
    )
    .options(&[Opt::flag("--global", "of all virtual hosts")])
    .shows(&["vhost", "limits"]),
    Command::new(
        "set_vhost_limits",
        CTL,
        Group::VirtualHosts,
        "[--vhost <vhost>] <definition>",
        "Sets limits of a virtual host: max-connections, max-queues",
        set_vhost,
    )
    .words(1, 1),
    Command::new(
        "clear_vhost_limits",
        CTL,
        Group::VirtualHosts,
        "[--vhost <vhost>]",
        "Lifts all limits of a virtual host",
        clear_vhost,
    ),
    Command::new(
        "list_user_limits",
        CTL | DIAGNOSTICS,
        Group::Users,
        "[--user <username>] [--global]",
        "Shows the limits of a user, or of all",
        list_user,
    )
    .options(&[
        Opt::flag("--global", "of all users"),
        Opt::value(
            "--user",
            "<username>",
            "of whom; guest without it. Where --url is given it is also who logs in",
        ),
    ])
    .shows(&["user", "limits"]),
    Command::new(
        "set_user_limits",
        CTL,
        Group::Users,
        "<username> <definition>",
        "Sets limits of a user: max-connections, max-channels",
        set_user,
    )
    .words(2, 2),
    Command::new(
        "clear_user_limits",
        CTL,
        Group::Users,
        "<username> <limit_type> | all",
        "Lifts a limit of a user, or all of them",
        clear_user,
    )
    .words(2, 2),
];

/// Limits out of an argument: an object.
fn parse(text: &str) -> Result<Map<String, Json>, Failure> {
    match super::parameters::parse(text)? {
        Json::Object(limits) => Ok(limits),
        other => Err(Failure::unavailable(format!("limits should be an object, actually was {other}"))),
    }
}

/// Of all, in a table; of one, what RabbitMQ shows: the object itself.
fn show(call: &mut Call, list: &Json, owner: &'static str, is_all: bool, unset: &str) -> Result<(), Failure> {
    let is_table = is_all || !matches!(call.out.style(), Style::Text | Style::Pretty);
    if is_table {
        let mut table = Table::new(&[owner, "limits"], Empty::Line);
        for one in list.as_array().into_iter().flatten() {
            let limits = if is_all { json!(one["value"].to_string()) } else { one["value"].clone() };
            table.push(vec![one[owner].clone(), limits]);
        }
        return call.out.table(&table);
    }
    let limits = list.pointer("/0/value").map(Json::to_string);
    call.out.say(limits.as_deref().unwrap_or(unset))
}

fn list_vhost(call: &mut Call) -> Result<(), Failure> {
    if call.has("--global") {
        call.announce("Listing limits for all vhosts ...")?;
        let list = call.get("vhost-limits")?;
        return show(call, &list, "vhost", true, "");
    }
    let vhost = call.vhost();
    call.announce(&format!("Listing limits for vhost \"{vhost}\" ..."))?;
    let list = call.find(&path(&["vhost-limits", &vhost]))?.ok_or_else(|| Failure::no_vhost(&vhost))?;
    show(call, &list, "vhost", false, "")
}

fn set_vhost(call: &mut Call) -> Result<(), Failure> {
    let (vhost, definition) = (call.vhost(), call.own_word(0));
    call.announce(&format!("Setting vhost limits to \"{definition}\" for vhost \"{vhost}\" ..."))?;
    let limits = parse(&definition)?;
    call.node()?.require_vhost(&vhost)?;
    // RabbitMQ: what is not said is lifted. As one parameter all of it is set at once.
    let body = json!({ "component": "vhost-limits", "vhost": vhost, "name": "limits", "value": limits });
    call.put(&path(&["parameters", "vhost-limits", &vhost, "limits"]), &body)?.checked().map(drop)
}

fn clear_vhost(call: &mut Call) -> Result<(), Failure> {
    let vhost = call.vhost();
    call.announce(&format!("Clearing vhost \"{vhost}\" limits ..."))?;
    call.node()?.require_vhost(&vhost)?;
    call.delete(&path(&["parameters", "vhost-limits", &vhost, "limits"]))?.checked().map(drop)
}

fn list_user(call: &mut Call) -> Result<(), Failure> {
    if call.has("--global") {
        call.announce("Listing limits for all users ...")?;
        let list = call.get("user-limits")?;
        return show(call, &list, "user", true, "{}");
    }
    let user = call.option("--user").unwrap_or_else(|| "guest".to_owned());
    call.announce(&format!("Listing limits for user \"{user}\" ..."))?;
    let list = call.find(&path(&["user-limits", &user]))?.ok_or_else(|| Failure::no_user(&user))?;
    show(call, &list, "user", false, "{}")
}

fn set_user(call: &mut Call) -> Result<(), Failure> {
    let (user, definition) = (call.own_word(0), call.own_word(1));
    call.announce(&format!("Setting user limits to \"{definition}\" for user \"{user}\" ..."))?;
    let limits = parse(&definition)?;
    if call.find(&path(&["users", &user]))?.is_none() {
        return Err(Failure::no_user(&user));
    }
    for (name, value) in limits {
        call.put(&path(&["user-limits", &user, &name]), &json!({ "value": value }))?.checked()?;
    }
    Ok(())
}

fn clear_user(call: &mut Call) -> Result<(), Failure> {
    let (user, limit) = (call.own_word(0), call.own_word(1));
    let names = match limit.as_str() {
        "all" => vec!["max-connections", "max-channels"],
        limit => vec![limit],
    };
    call.announce(&match limit.as_str() {
        "all" => format!("Clearing all limits for user \"{user}\" ..."),
        limit => format!("Clearing \"{limit}\" limit for user \"{user}\" ..."),
    })?;
    for name in names {
        let answer = call.delete(&path(&["user-limits", &user, name]))?;
        if answer.status == 404 {
            return Err(Failure::no_user(&user));
        }
        answer.checked()?;
    }
    Ok(())
}
