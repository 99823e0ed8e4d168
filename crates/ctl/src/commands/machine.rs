//! What the node finds on its machine: how it can encrypt, its network interfaces, how names of hosts are resolved.

use serde_json::{Map, Value as Json, json};

use super::status::text;
use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    output::Style,
    term,
    tool::DIAGNOSTICS,
};

const OFFLINE: Opt = Opt::flag("--offline", "of this machine, whether a node runs or not");

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "cipher_suites",
        DIAGNOSTICS,
        Group::Monitoring,
        "[--format <openssl | erlang | map>] [--all] [--timeout <timeout>]",
        "Lists the cipher suites with which TLS can be spoken, the preferred ones first; listeners may be told to take fewer",
        cipher_suites,
    )
    .options(&[
        Opt::value("--format", "<format>", "openssl (without it), erlang or map"),
        Opt::flag("--all", "accepted: there are no others than those that are listed"),
    ]),
    Command::new(
        "list_network_interfaces",
        DIAGNOSTICS,
        Group::Monitoring,
        "[--offline] [--timeout <timeout>]",
        "Lists the network interfaces of the node's machine, and their addresses",
        interfaces,
    )
    .options(&[OFFLINE]),
    Command::new(
        "resolver_info",
        DIAGNOSTICS,
        Group::Configuration,
        "[--offline]",
        "Shows how names of hosts are resolved on the node's machine",
        resolver,
    )
    .options(&[OFFLINE]),
];

/// A part of what the node's machine has, or of this one's; said before what is done about it.
fn part(call: &mut Call, key: &str, announced: &str, offline: &str) -> Result<Json, Failure> {
    if call.has("--offline") {
        call.out.announce(offline)?;
        return Ok((call.versions.machine)()[key].take());
    }
    let name = call.node_name()?;
    call.announce(&announced.replace("NODE", &name))?;
    Ok(call.get("harefoot/machine")?[key].take())
}

/// As RabbitMQ: with `erlang` and `map`, and in JSON, one a line with the comma before it.
fn cipher_suites(call: &mut Call) -> Result<(), Failure> {
    let format = call.option("--format").unwrap_or_else(|| "openssl".to_owned()).to_ascii_lowercase();
    let title = match format.as_str() {
        "openssl" => "OpenSSL format",
        "erlang" => "Erlang term format",
        "map" => "map format",
        _ => return Err(Failure::argument("Format should be either openssl, erlang or map")),
    };
    let suites = part(call, "cipher_suites", &format!("Listing available cipher suites in {title}"), "")?;
    let suites = suites.as_array().cloned().unwrap_or_default();
    let of = |one: &Json, key: &str| text(&one[key]).to_owned();
    let is_of_names = format == "openssl";
    let for_programs: Vec<Json> = match is_of_names {
        true => suites.iter().map(|one| one["name"].clone()).collect(),
        false => suites
            .iter()
            .map(|one| json!({ "cipher": one["cipher"], "mac": one["mac"], "prf": one["prf"], "key_exchange": one["key_exchange"] }))
            .collect(),
    };
    let for_people: Vec<String> = suites
        .iter()
        .map(|one| {
            let [key_exchange, cipher, mac, prf] =
                ["key_exchange", "cipher", "mac", "prf"].map(|key| of(one, key));
            match format.as_str() {
                "openssl" => of(one, "name"),
                "erlang" => format!("{{{key_exchange},{cipher},{mac},{prf}}}"),
                _ => format!(
                    "#{{cipher => {cipher},mac => {mac},prf => {prf},key_exchange => {key_exchange}}}"
                ),
            }
        })
        .collect();
    let listed = |lines: &[String]| format!("[\n{}\n]\n", lines.join("\n,"));
    match call.out.style() {
        Style::Envelope => call.out.object(json!(suites), ""),
        Style::Json => call.out.raw(&listed(&for_programs.iter().map(Json::to_string).collect::<Vec<_>>())),
        _ if is_of_names => call.out.raw(&format!("{}\n", for_people.join("\n"))),
        _ => call.out.raw(&listed(&for_people)),
    }
}

fn interfaces(call: &mut Call) -> Result<(), Failure> {
    let found = part(
        call,
        "interfaces",
        "Asking node NODE to report its network interfaces ...",
        "Listing the network interfaces of this machine ...",
    )?;
    let mut by_name = Map::new();
    let mut texts = Vec::new();
    for one in found.as_array().into_iter().flatten() {
        let (name, flags) = (text(&one["name"]), words(&one["flags"], ", "));
        let mut lines = vec![format!("Interface {}\n", term::tame(name))];
        let mut line = |key: &str, value: &Json| {
            if let Some(value) = value.as_str() {
                lines.push(format!("{key}: {}", term::tame(value)));
            }
        };
        line("hwaddr", &one["hardware_address"]);
        let mut addresses = Vec::new();
        for address in one["addresses"].as_array().into_iter().flatten() {
            let fields = [("broadaddr", "broadcast"), ("netmask", "netmask"), ("addr", "address")];
            fields.iter().for_each(|(key, field)| line(key, &address[*field]));
            let known = fields.iter().filter(|(_, field)| !address[*field].is_null());
            addresses.push(
                known.map(|(key, field)| ((*key).to_owned(), address[*field].clone())).collect::<Map<_, _>>(),
            );
        }
        line("flags", &json!(flags));
        by_name.insert(
            name.to_owned(),
            json!({ "flags": flags, "hwaddr": one["hardware_address"], "addresses": addresses }),
        );
        texts.push(format!("{}\n", lines.join("\n")));
    }
    let node = whose(call)?;
    call.out.object(json!({ "node": node, "result": "ok", "interfaces": by_name }), &texts.join("\n\n"))
}

fn resolver(call: &mut Call) -> Result<(), Failure> {
    let found = part(
        call,
        "resolver",
        "Asking node NODE for its effective hostname resolver (inetrc) configuration...",
        "Displaying effective hostname resolver (inetrc) configuration used by CLI tools...",
    )?;
    let lookup = words(&found["lookup"], ", ");
    let shown = format!(
        "Runtime Hostname Resolver (inetrc) Settings\n\nLookup order: native ({})\nHosts file: {}\nResolver conf file: {}\n\
         Name servers: {}\nSearch: {}\nCache size: 0\n\ninetrc File Host Entries\n\n(none)\n",
        if lookup.is_empty() { "the system's own order" } else { &lookup },
        text(&found["hosts_file"]),
        text(&found["resolv_conf"]),
        words(&found["name_servers"], ", "),
        words(&found["search"], ", "),
    );
    let node = whose(call)?;
    call.out.object(json!({ "node": node, "result": "ok", "resolver": found }), &shown)
}

/// The node's name; null for this machine.
fn whose(call: &mut Call) -> Result<Json, Failure> {
    if call.has("--offline") { Ok(Json::Null) } else { call.node_name().map(Json::from) }
}

/// A list of words, made harmless for a terminal.
fn words(list: &Json, between: &str) -> String {
    let words = list.as_array().into_iter().flatten().map(|word| term::tame(text(word)));
    words.collect::<Vec<_>>().join(between)
}
