//! Runtime parameters, of vhosts and of the cluster, and its name.

use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group},
    exchange::Answer,
    failure::Failure,
    node::path,
    table::{Empty, Table},
    tool::{CTL, DIAGNOSTICS},
};

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "list_parameters",
        CTL | DIAGNOSTICS,
        Group::Parameters,
        "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
        "Lists the runtime parameters of a virtual host",
        list,
    )
    .shows(&["component", "name", "value"]),
    Command::new(
        "set_parameter",
        CTL,
        Group::Parameters,
        "[--vhost <vhost>] <component_name> <name> <value>",
        "Sets a runtime parameter",
        set,
    )
    .words(3, 3),
    Command::new(
        "clear_parameter",
        CTL,
        Group::Parameters,
        "[--vhost <vhost>] <component_name> <name>",
        "Removes a runtime parameter",
        clear,
    )
    .words(2, 2),
    Command::new(
        "list_global_parameters",
        CTL | DIAGNOSTICS,
        Group::Parameters,
        "[--no-table-headers] [--timeout <timeout>]",
        "Lists the runtime parameters of the cluster",
        list_global,
    )
    .shows(&["name", "value"]),
    Command::new(
        "set_global_parameter",
        CTL,
        Group::Parameters,
        "<name> <value>",
        "Sets a runtime parameter of the cluster",
        set_global,
    )
    .words(2, 2),
    Command::new(
        "clear_global_parameter",
        CTL,
        Group::Parameters,
        "<name>",
        "Removes a runtime parameter of the cluster",
        clear_global,
    )
    .words(1, 1),
    Command::new(
        "set_cluster_name",
        CTL,
        Group::Configuration,
        "<name>",
        "Names the cluster",
        set_cluster_name,
    )
    .words(1, 1),
];

/// JSON out of an argument.
pub(super) fn parse(text: &str) -> Result<Json, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::unavailable(format!("JSON decoding error. Reason: {error}")))
}

/// What came of removing something.
pub(super) fn removed(answer: Answer) -> Result<(), Failure> {
    if answer.status == 404 {
        return Err(Failure::unavailable("Parameter does not exist"));
    }
    answer.checked().map(drop)
}

fn list(call: &mut Call) -> Result<(), Failure> {
    let vhost = call.vhost();
    call.announce(&format!("Listing runtime parameters for vhost \"{vhost}\" ..."))?;
    call.node()?.require_vhost(&vhost)?;
    let parameters = call.get("parameters")?;
    let mut table = Table::new(&["component", "name", "value"], Empty::Line);
    for parameter in parameters.as_array().into_iter().flatten().filter(|one| one["vhost"] == json!(vhost)) {
        let value = masked(&parameter["value"]).to_string();
        table.push(vec![parameter["component"].clone(), parameter["name"].clone(), json!(value)]);
    }
    call.out.table(&table)
}

/// Without the passwords of URIs: RabbitMQ shows those of shovels and federation to whoever looks over a shoulder.
fn masked(value: &Json) -> Json {
    match value {
        Json::String(text) => json!(without_password(text)),
        Json::Array(items) => items.iter().map(masked).collect(),
        Json::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), masked(value))).collect(),
        other => other.clone(),
    }
}

fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| scheme.starts_with("amqp")) else {
        return text.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@').and_then(|(login, host)| Some((login.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}://{user}:***@{host}{path}"),
        None => text.to_owned(),
    }
}

fn set(call: &mut Call) -> Result<(), Failure> {
    let (vhost, component, name, value) =
        (call.vhost(), call.own_word(0), call.own_word(1), call.own_word(2));
    call.announce(&format!(
        "Setting runtime parameter \"{name}\" for component \"{component}\" to \"{value}\" in vhost \"{vhost}\" ..."
    ))?;
    let value = parse(&value)?;
    call.node()?.require_vhost(&vhost)?;
    let body = json!({ "component": component, "vhost": vhost, "name": name, "value": value });
    call.put(&path(&["parameters", &component, &vhost, &name]), &body)?.checked().map(drop)
}

fn clear(call: &mut Call) -> Result<(), Failure> {
    let (vhost, component, name) = (call.vhost(), call.own_word(0), call.own_word(1));
    call.announce(&format!(
        "Clearing runtime parameter \"{name}\" for component \"{component}\" on vhost \"{vhost}\" ..."
    ))?;
    let answer = call.delete(&path(&["parameters", &component, &vhost, &name]))?;
    removed(answer)
}

fn list_global(call: &mut Call) -> Result<(), Failure> {
    call.announce("Listing global runtime parameters ...")?;
    let parameters = call.get("global-parameters")?;
    let mut table = Table::new(&["name", "value"], Empty::Line);
    for parameter in parameters.as_array().into_iter().flatten() {
        table.push(vec![parameter["name"].clone(), json!(parameter["value"].to_string())]);
    }
    call.out.table(&table)
}

fn set_global(call: &mut Call) -> Result<(), Failure> {
    let (name, value) = (call.own_word(0), call.own_word(1));
    call.announce(&format!("Setting global runtime parameter \"{name}\" to \"{value}\" ..."))?;
    let body = json!({ "name": name, "value": parse(&value)? });
    call.put(&path(&["global-parameters", &name]), &body)?.checked().map(drop)
}

fn clear_global(call: &mut Call) -> Result<(), Failure> {
    let name = call.own_word(0);
    call.announce(&format!("Clearing global runtime parameter \"{name}\" ..."))?;
    let answer = call.delete(&path(&["global-parameters", &name]))?;
    removed(answer)
}

fn set_cluster_name(call: &mut Call) -> Result<(), Failure> {
    let name = call.own_word(0);
    call.announce(&format!("Setting cluster name to {name} ..."))?;
    call.put("cluster-name", &json!({ "name": name }))?.checked().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_a_uri_is_shown() {
        let shown =
            masked(&json!({"uri": ["amqp://bob:se/cret@host/v", "amqps://u:p@h:1"], "queue": "a://b:c@d"}));
        assert_eq!(shown["uri"][1], "amqps://u:***@h:1");
        assert_eq!(shown["queue"], "a://b:c@d");
        assert_eq!(
            without_password("amqp://guest:guest@localhost:5672/shop"),
            "amqp://guest:***@localhost:5672/shop"
        );
        assert_eq!(without_password("amqp://localhost"), "amqp://localhost");
    }
}
