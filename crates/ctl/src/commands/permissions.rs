//! Who may do what where: permissions in vhosts, and on the routing keys of topic exchanges.

use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group},
    failure::Failure,
    node::path,
    table::{Empty, Table},
    tool::{CTL, DIAGNOSTICS},
};

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "list_permissions",
        CTL | DIAGNOSTICS,
        Group::AccessControl,
        "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
        "Lists the permissions in a virtual host",
        list,
    )
    .shows(&["user", "configure", "write", "read"]),
    Command::new(
        "list_user_permissions",
        CTL | DIAGNOSTICS,
        Group::AccessControl,
        "[--no-table-headers] <username> [--timeout <timeout>]",
        "Lists the permissions of a user in all virtual hosts",
        list_of_user,
    )
    .words(1, 1)
    .shows(&["vhost", "configure", "write", "read"]),
    Command::new(
        "list_topic_permissions",
        CTL | DIAGNOSTICS,
        Group::AccessControl,
        "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
        "Lists the topic permissions in a virtual host",
        list_topic,
    )
    .shows(&["user", "exchange", "write", "read"]),
    Command::new(
        "list_user_topic_permissions",
        CTL | DIAGNOSTICS,
        Group::AccessControl,
        "[--no-table-headers] <username> [--timeout <timeout>]",
        "Lists the topic permissions of a user",
        list_topic_of_user,
    )
    .words(1, 1)
    .shows(&["vhost", "exchange", "write", "read"]),
    Command::new(
        "set_permissions",
        CTL,
        Group::AccessControl,
        "[--vhost <vhost>] <username> <conf> <write> <read>",
        "Lets a user into a virtual host, with three patterns for names",
        set,
    )
    .words(4, 4),
    Command::new(
        "set_permissions_globally",
        CTL,
        Group::AccessControl,
        "<username> <conf> <write> <read>",
        "Lets a user into all virtual hosts that there are",
        set_globally,
    )
    .words(4, 4),
    Command::new(
        "clear_permissions",
        CTL,
        Group::AccessControl,
        "[--vhost <vhost>] <username>",
        "Keeps a user out of a virtual host",
        clear,
    )
    .words(1, 1),
    Command::new(
        "set_topic_permissions",
        CTL,
        Group::AccessControl,
        "[--vhost <vhost>] <username> <exchange> <write> <read>",
        "Restricts the routing keys of a user on a topic exchange",
        set_topic,
    )
    .words(4, 4),
    Command::new(
        "clear_topic_permissions",
        CTL,
        Group::AccessControl,
        "[--vhost <vhost>] <username> [<exchange>]",
        "Lifts the restrictions of a user's routing keys",
        clear_topic,
    )
    .words(1, 2),
];

/// Rows of an array of the API, with these of its fields.
fn rows(columns: &[&'static str], list: &Json) -> Table {
    let mut table = Table::new(columns, Empty::Line);
    for item in list.as_array().into_iter().flatten() {
        table.push(columns.iter().map(|column| item[*column].clone()).collect());
    }
    table
}

fn list(call: &mut Call) -> Result<(), Failure> {
    let vhost = call.vhost();
    call.announce(&format!("Listing permissions for vhost \"{vhost}\" ..."))?;
    let list = call.find(&path(&["vhosts", &vhost, "permissions"]))?;
    let list = list.ok_or_else(|| Failure::no_vhost(&vhost))?;
    call.out.table(&rows(&["user", "configure", "write", "read"], &list))
}

fn list_of_user(call: &mut Call) -> Result<(), Failure> {
    let user = call.own_word(0);
    call.announce(&format!("Listing permissions for user \"{user}\" ..."))?;
    let list = call.find(&path(&["users", &user, "permissions"]))?;
    let list = list.ok_or_else(|| Failure::no_user(&user))?;
    call.out.table(&rows(&["vhost", "configure", "write", "read"], &list))
}

fn list_topic(call: &mut Call) -> Result<(), Failure> {
    let vhost = call.vhost();
    call.announce(&format!("Listing topic permissions for vhost \"{vhost}\" ..."))?;
    let list = call.find(&path(&["vhosts", &vhost, "topic-permissions"]))?;
    let list = list.ok_or_else(|| Failure::no_vhost(&vhost))?;
    call.out.table(&rows(&["user", "exchange", "write", "read"], &list))
}

fn list_topic_of_user(call: &mut Call) -> Result<(), Failure> {
    let user = call.own_word(0);
    call.announce(&format!("Listing topic permissions for user \"{user}\" ..."))?;
    let list = call.find(&path(&["users", &user, "topic-permissions"]))?;
    let list = list.ok_or_else(|| Failure::no_user(&user))?;
    call.out.table(&rows(&["vhost", "exchange", "write", "read"], &list))
}

/// Refuses a user or a vhost that is not there, in RabbitMQ's words and order.
fn require(call: &mut Call, vhost: &str, user: &str) -> Result<(), Failure> {
    if call.find(&path(&["users", user]))?.is_none() {
        return Err(Failure::no_user_of_permissions(user));
    }
    if !call.node()?.has_vhost(vhost)? {
        return Err(Failure::unavailable(format!("Virtual host {vhost} does not exist")));
    }
    Ok(())
}

fn patterns(call: &Call) -> Json {
    json!({ "configure": call.word(1), "write": call.word(2), "read": call.word(3) })
}

fn set(call: &mut Call) -> Result<(), Failure> {
    let (vhost, user) = (call.vhost(), call.own_word(0));
    call.announce(&format!("Setting permissions for user \"{user}\" in vhost \"{vhost}\" ..."))?;
    require(call, &vhost, &user)?;
    let body = patterns(call);
    call.put(&path(&["permissions", &vhost, &user]), &body)?.checked().map(drop)
}

fn set_globally(call: &mut Call) -> Result<(), Failure> {
    let user = call.own_word(0);
    call.announce(&format!("Setting permissions for user \"{user}\" in all virtual hosts ..."))?;
    if call.find(&path(&["users", &user]))?.is_none() {
        return Err(Failure::no_user_of_permissions(&user));
    }
    let body = patterns(call);
    let vhosts = call.get("vhosts?columns=name")?;
    for vhost in vhosts.as_array().into_iter().flatten().filter_map(|vhost| vhost["name"].as_str()) {
        call.put(&path(&["permissions", vhost, &user]), &body)?.checked()?;
    }
    Ok(())
}

fn clear(call: &mut Call) -> Result<(), Failure> {
    let (vhost, user) = (call.vhost(), call.own_word(0));
    call.announce(&format!("Clearing permissions for user \"{user}\" in vhost \"{vhost}\" ..."))?;
    let answer = call.delete(&path(&["permissions", &vhost, &user]))?;
    if answer.status != 404 {
        return answer.checked().map(drop);
    }
    // There were none: that is as wished, if there could have been any.
    require(call, &vhost, &user)
}

fn set_topic(call: &mut Call) -> Result<(), Failure> {
    let (vhost, user, exchange) = (call.vhost(), call.own_word(0), call.own_word(1));
    call.announce(&format!(
        "Setting topic permissions on \"{exchange}\" for user \"{user}\" in vhost \"{vhost}\" ..."
    ))?;
    require(call, &vhost, &user)?;
    let body = json!({ "exchange": exchange, "write": call.word(2), "read": call.word(3) });
    call.put(&path(&["topic-permissions", &vhost, &user]), &body)?.checked().map(drop)
}

fn clear_topic(call: &mut Call) -> Result<(), Failure> {
    let (vhost, user) = (call.vhost(), call.own_word(0));
    let exchange = call.line.words.get(1).cloned();
    let of = exchange.as_ref().map(|exchange| format!(" on \"{exchange}\"")).unwrap_or_default();
    call.announce(&format!("Clearing topic permissions{of} for user \"{user}\" in vhost \"{vhost}\" ..."))?;
    require(call, &vhost, &user)?;
    let mut parts = vec!["topic-permissions", &vhost, &user];
    parts.extend(exchange.as_deref());
    let answer = call.delete(&path(&parts))?;
    // There were none: that is as wished.
    if answer.status == 404 { Ok(()) } else { answer.checked().map(drop) }
}
