//! Plugins of RabbitMQ: what of them there is is built in, and always on.

use serde_json::json;

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::assumed_name,
    tool::PLUGINS,
};

/// Whether what a plugin does is here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    BuiltIn,
    /// Images enable it all the same, and nothing breaks without it.
    NotYet,
}

const KNOWN: &[(&str, Is)] = &[
    ("rabbitmq_amqp1_0", Is::NotYet),
    ("rabbitmq_auth_backend_cache", Is::NotYet),
    ("rabbitmq_auth_backend_http", Is::NotYet),
    ("rabbitmq_auth_backend_ldap", Is::NotYet),
    ("rabbitmq_auth_backend_oauth2", Is::NotYet),
    ("rabbitmq_auth_mechanism_ssl", Is::BuiltIn),
    ("rabbitmq_consistent_hash_exchange", Is::BuiltIn),
    ("rabbitmq_delayed_message_exchange", Is::BuiltIn),
    ("rabbitmq_event_exchange", Is::BuiltIn),
    ("rabbitmq_federation", Is::NotYet),
    ("rabbitmq_federation_management", Is::NotYet),
    ("rabbitmq_federation_prometheus", Is::NotYet),
    ("rabbitmq_jms_topic_exchange", Is::NotYet),
    ("rabbitmq_management", Is::BuiltIn),
    ("rabbitmq_management_agent", Is::BuiltIn),
    ("rabbitmq_mqtt", Is::NotYet),
    ("rabbitmq_peer_discovery_aws", Is::NotYet),
    ("rabbitmq_peer_discovery_common", Is::NotYet),
    ("rabbitmq_peer_discovery_consul", Is::NotYet),
    ("rabbitmq_peer_discovery_etcd", Is::NotYet),
    ("rabbitmq_peer_discovery_k8s", Is::NotYet),
    ("rabbitmq_prometheus", Is::BuiltIn),
    ("rabbitmq_random_exchange", Is::BuiltIn),
    ("rabbitmq_recent_history_exchange", Is::BuiltIn),
    ("rabbitmq_sharding", Is::NotYet),
    ("rabbitmq_shovel", Is::NotYet),
    ("rabbitmq_shovel_management", Is::NotYet),
    ("rabbitmq_shovel_prometheus", Is::NotYet),
    ("rabbitmq_stomp", Is::NotYet),
    ("rabbitmq_stream", Is::NotYet),
    ("rabbitmq_stream_management", Is::NotYet),
    ("rabbitmq_top", Is::NotYet),
    ("rabbitmq_tracing", Is::NotYet),
    ("rabbitmq_trust_store", Is::NotYet),
    ("rabbitmq_web_dispatch", Is::BuiltIn),
    ("rabbitmq_web_mqtt", Is::NotYet),
    ("rabbitmq_web_stomp", Is::NotYet),
];

const WHERE: [Opt; 2] = [
    Opt::flag("--offline", "accepted, and means nothing here"),
    Opt::flag("--online", "accepted, and means nothing here"),
];
const ALL: Opt = Opt::flag("--all", "all of them");

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "list",
        PLUGINS,
        Group::Plugins,
        "[pattern] [--verbose] [--minimal] [--enabled] [--implicitly-enabled]",
        "Lists RabbitMQ's plugins, and which of them are built in",
        list,
    )
    .words(0, 1)
    .options(&[
        Opt::flag("--verbose", "more of each").short("-v"),
        Opt::flag("--minimal", "only names").short("-m"),
        Opt::flag("--enabled", "only what is built in").short("-E"),
        Opt::flag("--implicitly-enabled", "what is built in").short("-e"),
        WHERE[0],
        WHERE[1],
    ]),
    Command::new(
        "enable",
        PLUGINS,
        Group::Plugins,
        "<plugin1> [ <plugin2>] | --all [--offline] [--online]",
        "Says of plugins whether they are built in",
        enable,
    )
    .words(0, usize::MAX)
    .options(&[ALL, WHERE[0], WHERE[1]]),
    Command::new(
        "disable",
        PLUGINS,
        Group::Plugins,
        "<plugin1> [ <plugin2>] | --all [--offline] [--online]",
        "Says of plugins that what is built in cannot be switched off",
        disable,
    )
    .words(0, usize::MAX)
    .options(&[ALL, WHERE[0], WHERE[1]]),
    Command::new(
        "set",
        PLUGINS,
        Group::Plugins,
        "<plugin1> [ <plugin2>] [--offline] [--online]",
        "Says of plugins whether they are built in",
        enable,
    )
    .words(0, usize::MAX)
    .options(&WHERE),
    Command::new(
        "is_enabled",
        PLUGINS,
        Group::Plugins,
        "<plugin1> [ <plugin2>] [--offline] [--online]",
        "Fails if a plugin is not built in",
        is_enabled,
    )
    .words(1, usize::MAX)
    .options(&WHERE),
    Command::new(
        "directories",
        PLUGINS,
        Group::Plugins,
        "[--offline] [--online]",
        "Says where plugins are: nowhere",
        directories,
    )
    .options(&WHERE),
];

fn find(name: &str) -> Option<Is> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, is)| *is)
}

fn list(call: &mut Call) -> Result<(), Failure> {
    let pattern = call.line.words.first().cloned().unwrap_or_else(|| ".*".to_owned());
    call.out.announce(&format!("Listing plugins with pattern \"{pattern}\" ..."))?;
    let wanted = pattern.trim_matches(['^', '$', '.', '*']).to_owned();
    let is_short = call.has("--enabled") || call.has("--implicitly-enabled");
    let plugins: Vec<_> = KNOWN
        .iter()
        .filter(|(name, is)| name.contains(&wanted) && (!is_short || *is == Is::BuiltIn))
        .collect();
    let version = call.versions.rabbitmq;
    let width = plugins.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    if !call.has("--minimal") && !call.out.is_quiet() {
        text.push_str(" Configured: E = built in, and always on\n | Status: * = running\n |/\n");
    }
    for (name, is) in &plugins {
        let mark = if *is == Is::BuiltIn { "[E*]" } else { "[  ]" };
        text.push_str(&match call.has("--minimal") {
            true => format!("{name}\n"),
            false => format!("{mark} {name:<width$} {version}\n"),
        });
    }
    let listed: Vec<_> = plugins
        .iter()
        .map(|(name, is)| {
            let is_on = *is == Is::BuiltIn;
            let word = if is_on { "enabled" } else { "not_enabled" };
            json!({ "name": name, "enabled": word, "running": is_on, "version": version })
        })
        .collect();
    call.out.object(json!({ "format": "normal", "status": "running", "plugins": listed }), &text)
}

/// The plugins that are named, all of them known.
fn named(call: &Call) -> Result<Vec<(&'static str, Is)>, Failure> {
    if call.has("--all") {
        return Ok(KNOWN.to_vec());
    }
    let mut named = Vec::new();
    let mut unknown = Vec::new();
    for word in call.line.words.iter().flat_map(|word| word.split([',', ' '])).filter(|word| !word.is_empty())
    {
        match KNOWN.iter().find(|(name, _)| *name == word) {
            Some(known) => named.push(*known),
            None => unknown.push(format!(":{word}")),
        }
    }
    if unknown.is_empty() {
        Ok(named)
    } else {
        Err(Failure::software(format!("{{:plugins_not_found, [{}]}}", unknown.join(", "))))
    }
}

fn enable(call: &mut Call) -> Result<(), Failure> {
    let is_set = call.line.command.is_some_and(|command| command.name == "set");
    if call.line.words.is_empty() && !call.has("--all") && !is_set {
        return Err(Failure::arguments("not enough arguments."));
    }
    call.out.announce(&format!("Enabling plugins on node {}:", assumed_name(&call.line)))?;
    for (name, is) in named(call)? {
        call.out.remark(&match is {
            Is::BuiltIn => format!("{name}: built in, and always on"),
            Is::NotYet => format!("{name}: not there yet; nothing was changed"),
        })?;
    }
    Ok(())
}

fn disable(call: &mut Call) -> Result<(), Failure> {
    if call.line.words.is_empty() && !call.has("--all") {
        return Err(Failure::arguments("not enough arguments."));
    }
    call.out.announce(&format!("Disabling plugins on node {}:", assumed_name(&call.line)))?;
    for (name, is) in named(call)? {
        call.out.remark(&match is {
            Is::BuiltIn => format!("{name}: built in, and stays on"),
            Is::NotYet => format!("{name}: not there"),
        })?;
    }
    Ok(())
}

fn is_enabled(call: &mut Call) -> Result<(), Failure> {
    let wanted = call.line.words.clone();
    let node = assumed_name(&call.line);
    let (plural, is) = if wanted.len() > 1 { ("s", "are") } else { ("", "is") };
    call.out
        .announce(&format!("Asking node {node} if plugin{plural} {} {is} enabled...", wanted.join(", ")))?;
    let missing: Vec<&str> =
        wanted.iter().map(String::as_str).filter(|name| find(name) != Some(Is::BuiltIn)).collect();
    if !missing.is_empty() {
        return Err(Failure::unavailable(format!(
            "Plugin {} is not enabled on node {node}",
            missing.join(", ")
        )));
    }
    wanted.iter().try_for_each(|name| call.out.say(&format!("Plugin {name} is enabled on node {node}")))
}

fn directories(call: &mut Call) -> Result<(), Failure> {
    call.out.announce(&format!("Listing plugin directories used by node {}", assumed_name(&call.line)))?;
    call.out.say("There are none: what there is of plugins is built in")
}
