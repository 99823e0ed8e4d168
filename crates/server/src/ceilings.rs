//! Every limit of a node as a whole: its value, what of it is used, and where the value comes from.
//!
//! What is derived from the machine's memory is derived in `node`; here it is told.

use management::{Limit, Source, Usage};

use crate::{
    config::{
        said::Said,
        settings::{DiskFreeLimit, Watermark},
    },
    http, limits, node, operator,
    surroundings::Surroundings,
};

/// Where a limit's value was said: by the first of these keys that somebody has said anything about.
fn said_by(said: &[Said], keys: &[&str]) -> Source {
    let found = keys.iter().find_map(|key| said.iter().find(|one| one.key == *key && one.value.is_some()));
    match found {
        Some(one) => Source { source: one.source, place: one.place.clone() },
        None => built_in(),
    }
}

fn built_in() -> Source {
    Source { source: "default", place: None }
}

fn runtime() -> Source {
    Source { source: "runtime", place: None }
}

/// All of them, those of the machine first.
pub(crate) fn all(node: &Surroundings, usage: &Usage) -> Vec<Limit> {
    let mut all = of_machine(node, usage);
    all.extend(of_connections(node));
    all.extend(of_times(node));
    all.extend(of_metadata(node));
    all.extend(of_doors());
    all
}

fn of_machine(node: &Surroundings, usage: &Usage) -> Vec<Limit> {
    let own = node::memory_shares(node.total_memory_bytes);
    let limit = |name, value, used, meaning| Limit {
        name,
        value: Some(value),
        used: Some(used),
        unit: "bytes",
        from: built_in(),
        setting: None,
        meaning,
    };
    let memory = "what the process can have; shares below are of it";
    let free = "with less free, publishers are blocked; never below what the log needs";
    let in_memory =
        "about so much of what waits is kept in memory: a tenth of it, from 8 to 64 MiB; the rest is on disk";
    let unsynced =
        "with more that is not on disk yet, publishers wait: a sixteenth of memory, from 8 to 64 MiB";
    let mut all = vec![
        limit("memory", node.total_memory_bytes, usage.memory_bytes, memory),
        limit("memory_alarm", usage.memory_bytes_max, usage.memory_bytes, "above it publishers are blocked"),
        limit("disk_free", usage.disk_free_bytes_min, usage.disk_free_bytes, free),
        limit("messages_in_memory", own.resident_bytes_max, node.broker.memory().resident(), in_memory),
        limit("unsynced", own.staged_bytes_max, node.engine.staged_bytes(), unsynced),
        Limit {
            value: (usage.open_files_max != u64::MAX).then_some(usage.open_files_max),
            unit: "files",
            from: Source { source: "system", place: Some("RLIMIT_NOFILE".to_owned()) },
            ..limit("open_files", usage.open_files_max, usage.open_files, "each connection takes one")
        },
    ];
    let settings = [
        ("total_memory_available_override_value", memory_from(node)),
        ("vm_memory_high_watermark", memory_alarm_from(node)),
        ("disk_free_limit", disk_free_from(node)),
    ];
    for (one, (setting, from)) in all.iter_mut().zip(settings) {
        one.setting = Some(setting);
        one.from = from;
    }
    all
}

fn memory_from(node: &Surroundings) -> Source {
    match (node.settings.memory.total_bytes, limits::total_memory()) {
        (Some(_), _) => said_by(&node.said, &["total_memory_available_override_value"]),
        (None, Some((_, file))) => {
            let is_machine = file.as_os_str() == limits::MACHINE_MEMORY;
            let source = if is_machine { "system" } else { "cgroup" };
            Source { source, place: Some(file.display().to_string()) }
        }
        (None, None) => built_in(),
    }
}

fn memory_alarm_from(node: &Surroundings) -> Source {
    let switch = node.switches.memory();
    match switch.value {
        _ if switch.is_changed => runtime(),
        Watermark::Absolute(_) => said_by(&node.said, &["vm_memory_high_watermark.absolute"]),
        Watermark::Relative(_) => said_by(&node.said, &["vm_memory_high_watermark.relative"]),
    }
}

fn disk_free_from(node: &Surroundings) -> Source {
    let switch = node.switches.disk();
    match switch.value {
        _ if switch.is_changed => runtime(),
        DiskFreeLimit::Default => built_in(),
        DiskFreeLimit::Absolute(_) => said_by(&node.said, &["disk_free_limit.absolute"]),
        DiskFreeLimit::OfMemory(_) => said_by(&node.said, &["disk_free_limit.relative"]),
    }
}

/// A limit that a setting makes, by the first of its keys that somebody has said anything about.
fn set_by(
    node: &Surroundings,
    (name, unit): (&'static str, &'static str),
    value: Option<u64>,
    keys: &[&'static str],
    meaning: &'static str,
) -> Limit {
    let (from, setting) = (said_by(&node.said, keys), keys.first().copied());
    Limit { name, value, used: None, unit, from, setting, meaning }
}

/// A number of which 0 means none.
fn or_none(number: impl Into<u64>) -> Option<u64> {
    Some(number.into()).filter(|number| *number != 0)
}

fn of_connections(node: &Surroundings) -> Vec<Limit> {
    let limits = &node.settings.connection;
    let connected = node.broker.connected();
    let connections = connected.iter().filter(|one| one.ends.is_some()).count() as u64;
    let channels = connected.iter().map(|one| u64::from(one.sessions())).sum();
    let refused = "the next one is refused";
    let connection = ("connections", "connections");
    let connection_max = limits.connections_max.map(u64::from);
    let per_connection = ("channels_per_connection", "channels");
    let proposed = "proposed to clients; the next one closes the connection";
    let per_channel = ("consumers_per_channel", "consumers");
    let consumers_max = limits.channel_consumers_max.map(u64::from);
    let message = ("message", "bytes");
    let too_large = "a larger message closes its channel";
    let mut all = vec![
        set_by(node, connection, connection_max, &["connection_max", "max_connections"], refused),
        set_by(node, ("channels", "channels"), limits.node_channels_max, &["channel_max_per_node"], refused),
        set_by(
            node,
            per_connection,
            or_none(limits.channel_max),
            &["channel_max", "max_channels_per_connection"],
            proposed,
        ),
        set_by(node, per_channel, consumers_max, &["consumer_max_per_channel"], refused),
        set_by(node, message, Some(limits.message_bytes_max), &["max_message_size"], too_large),
    ];
    for (one, used) in all.iter_mut().zip([connections, channels]) {
        one.used = Some(used);
    }
    all
}

fn of_times(node: &Surroundings) -> Vec<Limit> {
    let limits = &node.settings.connection;
    let frame = "proposed to clients; a larger frame closes the connection";
    let first = Some(limits.initial_frame_max.into());
    let heartbeat = "proposed to clients; a connection that is silent for two of them is closed";
    let handshake = "a connection that takes longer to open is closed";
    let encrypted = "a connection that takes longer to be encrypted is closed";
    let unsettled =
        "a delivery that is not settled by then is taken back; queues and policies may say otherwise";
    let ms = "milliseconds";
    let tls_ms = limits.tls_handshake_timeout_ms;
    vec![
        set_by(node, ("frame", "bytes"), or_none(limits.frame_max), &["frame_max"], frame),
        set_by(node, ("first_frame", "bytes"), first, &["initial_frame_max"], "before anybody has logged in"),
        set_by(node, ("heartbeat", "seconds"), or_none(limits.heartbeat_s), &["heartbeat"], heartbeat),
        set_by(node, ("handshake", ms), limits.handshake_timeout_ms, &["handshake_timeout"], handshake),
        set_by(node, ("tls_handshake", ms), tls_ms, &["ssl_handshake_timeout"], encrypted),
        set_by(node, ("consumer_timeout", ms), limits.consumer_timeout_ms, &["consumer_timeout"], unsettled),
    ]
}

fn of_metadata(node: &Surroundings) -> [Limit; 3] {
    let limits = &node.settings.metadata;
    let refused = "of the whole node; the next one is refused";
    let mut all = [
        set_by(node, ("vhosts", "vhosts"), limits.vhosts_max, &["vhost_max"], refused),
        set_by(node, ("queues", "queues"), limits.queues_max, &["cluster_queue_limit"], refused),
        set_by(node, ("exchanges", "exchanges"), limits.exchanges_max, &["cluster_exchange_limit"], refused),
    ];
    let topology = node.broker.topology().read();
    let names: Vec<_> = topology.vhosts().map(|vhost| &vhost.name).collect();
    let exchanges = names.iter().map(|vhost| topology.exchanges(vhost).count()).sum();
    for (one, used) in all.iter_mut().zip([names.len(), topology.queues().count(), exchanges]) {
        one.used = u64::try_from(used).ok();
    }
    all
}

/// Those of the HTTP API and of the operator's socket, which cannot be set.
fn of_doors() -> Vec<Limit> {
    let limit = |name, value: usize, unit, meaning| Limit {
        name,
        value: u64::try_from(value).ok(),
        used: None,
        unit,
        from: built_in(),
        setting: None,
        meaning,
    };
    vec![
        limit("http_connections", http::CONNECTIONS_MAX, "connections", "the next one waits"),
        limit("http_answers", http::ANSWERS_MAX, "requests", "answered at the same time; others wait"),
        limit(
            "operator_connections",
            operator::CONNECTIONS_MAX,
            "connections",
            "to the socket in the data folder; the next one waits",
        ),
    ]
}
