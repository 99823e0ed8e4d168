//! Virtual hosts.

use serde_json::{Map, Value as Json, json};

use super::lists::{self, Listing};
use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    table::Empty,
    tool::{CTL, DIAGNOSTICS},
};

const SETTINGS: &[Opt] = &[
    Opt::value("--description", "<description>", "what it is for"),
    Opt::value("--tags", "<tags>", "tags, with commas between"),
    Opt::value(
        "--default-queue-type",
        "<type>",
        "the type of queues that are declared without one: classic, quorum or stream",
    ),
];

pub(super) const COMMANDS: &[Command] = &[
    Command::new("list_vhosts", CTL | DIAGNOSTICS, Group::AccessControl, "[--no-table-headers] [<column> ...] [--timeout <timeout>]", "Lists virtual hosts", list)
        .lists(&["cluster_state", "default_queue_type", "description", "name", "tags", "tracing"], &["name"]),
    Command::new("add_vhost", CTL, Group::VirtualHosts, "<vhost> [--description <description> --tags \"<tag1>,<tag2>,<...>\" --default-queue-type <quorum|classic|stream>]", "Creates a virtual host", add)
        .words(1, 1)
        .options(SETTINGS),
    Command::new("update_vhost_metadata", CTL, Group::VirtualHosts, "<vhost> [--description <description>] [--tags \"<tag1>,<tag2>,<...>\"] [--default-queue-type <quorum|classic|stream>]", "Changes what is said of a virtual host", update)
        .words(1, 1)
        .options(SETTINGS),
    Command::new("delete_vhost", CTL, Group::VirtualHosts, "<vhost>", "Deletes a virtual host with all that is in it", delete).words(1, 1),
    Command::new("set_vhost_tags", CTL, Group::VirtualHosts, "<vhost> <tag> [...]", "Sets a virtual host's tags in place of those there were", set_tags)
        .words(1, usize::MAX),
];

fn list(call: &mut Call) -> Result<(), Failure> {
    call.announce("Listing vhosts ...")?;
    let wanted = call.line.columns.join(",");
    let vhosts = call.get(&format!("vhosts?columns={wanted}"))?;
    let listing = Listing { value: |row, column| row[column].clone(), when_empty: Empty::Nothing };
    lists::show(call, &vhosts, &listing)
}

fn settings(call: &Call) -> Json {
    let mut settings = Map::new();
    for (option, key) in
        [("--description", "description"), ("--tags", "tags"), ("--default-queue-type", "default_queue_type")]
    {
        if let Some(value) = call.option(option) {
            settings.insert(key.to_owned(), json!(value));
        }
    }
    Json::Object(settings)
}

fn add(call: &mut Call) -> Result<(), Failure> {
    let vhost = call.own_word(0);
    if vhost.is_empty() {
        return Err(Failure::argument("vhost cannot be an empty string"));
    }
    call.announce(&format!("Adding vhost \"{vhost}\" ..."))?;
    let body = settings(call);
    call.put(&path(&["vhosts", &vhost]), &body)?.checked().map(drop)
}

fn update(call: &mut Call) -> Result<(), Failure> {
    let (vhost, body) = (call.own_word(0), settings(call));
    if body.as_object().is_some_and(Map::is_empty) {
        return Err(Failure::arguments(
            "not enough arguments. Give --description, --tags or --default-queue-type",
        ));
    }
    call.announce(&format!("Updating metadata of vhost \"{vhost}\" ..."))?;
    call.node()?.require_vhost(&vhost)?;
    call.put(&path(&["vhosts", &vhost]), &body)?.checked().map(drop)
}

fn delete(call: &mut Call) -> Result<(), Failure> {
    let vhost = call.own_word(0);
    call.announce(&format!("Deleting vhost \"{vhost}\" ..."))?;
    let answer = call.delete(&path(&["vhosts", &vhost]))?;
    if answer.status == 404 || vhost.is_empty() {
        return Err(Failure::no_vhost(&vhost));
    }
    answer.checked().map(drop)
}

fn set_tags(call: &mut Call) -> Result<(), Failure> {
    let vhost = call.own_word(0);
    let tags: Vec<String> = call.line.words.iter().skip(1).cloned().collect();
    call.announce(&format!("Setting tags for virtual host \"{vhost}\" to [{}] ...", tags.join(", ")))?;
    call.node()?.require_vhost(&vhost)?;
    call.put(&path(&["vhosts", &vhost]), &json!({ "tags": tags }))?.checked().map(drop)
}
