//! The node: `/api/overview`, `/api/nodes`, and what tools ask to find out with whom they speak.

use broker::{route::Kind, topology::Topology};
use serde_json::{Map, Value as Json, json};

use super::{
    Api,
    statistics::{self, Shown, Wanted},
};
use crate::{
    call::Call,
    list::{self, Row},
    problem::Problem,
    reply::{Answer, Reply},
    world::Identity,
};

/// RabbitMQ's global parameter with the name of the cluster.
const CLUSTER_NAME: &str = "cluster_name";
/// RabbitMQ's parts of a node's memory that are Erlang's alone, or not told apart here.
const MEMORY_UNTOLD: [&str; 24] = [
    "allocated_unused",
    "atom",
    "code",
    "connection_channels",
    "connection_other",
    "connection_readers",
    "connection_writers",
    "metadata_store",
    "metadata_store_ets",
    "metrics",
    "mgmt_db",
    "mnesia",
    "msg_index",
    "other_ets",
    "other_proc",
    "plugins",
    "queue_procs",
    "quorum_ets",
    "quorum_queue_dlx_procs",
    "quorum_queue_procs",
    "reserved_unallocated",
    "stream_queue_coordinator_procs",
    "stream_queue_procs",
    "stream_queue_replica_reader_procs",
];

pub(super) fn overview(api: &Api, call: &Call) -> Answer {
    let vhosts = api.vhosts(call, usize::MAX)?;
    let wanted = Wanted::of(call)?;
    // Before the topology: see `samples`.
    let samples = api.samples.read();
    let topology = api.broker().topology().read();
    let (mut queues, mut consumers, mut exchanges) = (0_usize, 0_u64, 0_usize);
    for vhost in &vhosts {
        // The default exchange is one too.
        exchanges = exchanges.saturating_add(topology.exchange_count(vhost)).saturating_add(1);
        queues = queues.saturating_add(topology.queue_count(vhost));
        consumers = consumers.saturating_add(api.broker().sums(vhost).consumers);
    }
    let connected = api.broker().connected();
    let channels: u64 = connected.iter().map(|one| u64::from(one.sessions())).sum();
    let identity = &api.identity;
    let mut shown = json!({
        "management_version": identity.rabbitmq_version,
        "rates_mode": "basic",
        "sample_retention_policies": statistics::retention(),
        "product_name": identity.product_name,
        "product_version": identity.rabbitmq_version,
        "rabbitmq_version": identity.rabbitmq_version,
        "harefoot_version": identity.version,
        "erlang_version": "none",
        "erlang_full_version": "none: this is Harefoot, written in Rust",
        "cluster_name": cluster_name_of(api, &topology),
        "cluster_tags": {},
        "node": identity.node,
        "node_tags": {},
        "default_queue_type": api.broker().settings().node_rules.default_queue_type.name(),
        "is_op_policy_updating_enabled": true,
        "disable_stats": false,
        "enable_queue_totals": false,
        "statistics_db_event_queue": 0,
        "exchange_types": exchange_types(),
        "object_totals": {
            "channels": channels,
            "connections": connected.iter().filter(|one| one.ends.is_some()).count(),
            "consumers": consumers,
            "exchanges": exchanges,
            "queues": queues,
        },
        "listeners": listeners(api),
        "contexts": contexts(api),
    });
    if let Some(shown) = shown.as_object_mut() {
        let statistics = Shown { samples: &samples, ranges: wanted.ranges };
        let sum = statistics.vhosts(api, &api.broker().totals(), &vhosts);
        if !wanted.is_static {
            shown.insert("message_stats".to_owned(), list::to_value(&sum.messages));
            shown.insert("churn_rates".to_owned(), list::to_value(&statistics.churn(api)));
        }
        if !wanted.is_static || wanted.has_totals {
            shown.insert("queue_totals".to_owned(), list::to_value(&sum.lengths));
        }
    }
    Ok(Reply::Object(shown))
}

fn exchange_types() -> Json {
    Kind::all().map(|kind| json!({ "name": kind.name(), "description": "", "enabled": true })).collect()
}

fn listeners(api: &Api) -> Json {
    let listening = api.listening.iter();
    listening
        .map(|one| {
            json!({
                "node": api.identity.node, "protocol": one.protocol, "ip_address": one.address.ip().to_string(),
                "port": one.address.port(), "socket_opts": {},
            })
        })
        .collect()
}

fn contexts(api: &Api) -> Json {
    let http = api.listening.iter().filter(|one| one.protocol.starts_with("http"));
    http.map(|one| {
        let description =
            if one.protocol == "http/prometheus" { "metrics for Prometheus" } else { "HTTP API" };
        json!({
            "node": api.identity.node, "description": description, "path": "/",
            "port": one.address.port().to_string(), "ssl_opts": [],
        })
    })
    .collect()
}

/// As set, else the node's own.
pub(super) fn cluster_name_of(api: &Api, topology: &Topology) -> String {
    let set = topology.global_parameters().find(|(name, _)| name.as_str() == CLUSTER_NAME);
    let set = set.and_then(|(_, value)| value.as_str());
    set.unwrap_or(&api.identity.node).to_owned()
}

pub(super) fn cluster_name(api: &Api, _: &Call) -> Answer {
    let topology = api.broker().topology().read();
    Ok(Reply::Object(json!({ "name": cluster_name_of(api, &topology) })))
}

pub(super) fn set_cluster_name(api: &Api, call: &Call) -> Answer {
    call.caller.require(crate::login::Right::Administrator)?;
    let body = call.object()?;
    body.require(&["name"])?;
    let wanted = json!(body.text("name")?.unwrap_or_default());
    let parameter = crate::call::name(CLUSTER_NAME)?;
    api.change(call, |topology| topology.set_global_parameter(&parameter, wanted).map(Some))?;
    Ok(Reply::Done)
}

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    let shown = show(api, Wanted::of(call)?);
    Ok(Reply::List(vec![Row::made(api.identity.node.clone(), shown)]))
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    known(api, call)?;
    Ok(Reply::Object(show(api, Wanted::of(call)?)))
}

fn known(api: &Api, call: &Call) -> Result<(), Problem> {
    if call.part(1) == api.identity.node { Ok(()) } else { Err(Problem::NotFound) }
}

fn show(api: &Api, wanted: Wanted) -> Json {
    let mut shown = json!({
        "name": api.identity.node,
        "type": "disc",
        "running": true,
        "being_drained": api.world().is_drained(),
    });
    if let Some(shown) = shown.as_object_mut().filter(|_| !wanted.is_static) {
        list::put_fields(shown, &state(api));
        let samples = api.samples.read();
        let statistics = Shown { samples: &samples, ranges: wanted.ranges };
        list::put_fields(shown, &statistics.used(api));
        list::put_fields(shown, &statistics.churn(api));
    }
    shown
}

fn state(api: &Api) -> Json {
    let usage = api.world().usage();
    let alarms = api.broker().alarms().resources();
    json!({
        "partitions": [],
        "db_dir": api.identity.data_dir,
        "config_files": api.identity.config_files,
        "log_files": ["<stderr>"],
        "os_pid": api.identity.process_id.to_string(),
        "processors": api.identity.processors,
        "uptime": usage.uptime_ms,
        "rates_mode": "basic",
        "mem_calculation_strategy": "rss",
        "mem_limit": usage.memory_bytes_max,
        "mem_alarm": alarms.contains(&"memory"),
        "disk_free_limit": usage.disk_free_bytes_min,
        "disk_free_alarm": alarms.contains(&"disk"),
        "fd_total": usage.open_files_max,
        "sockets_total": usage.open_files_max,
        "proc_total": usage.open_files_max,
        "run_queue": 0,
        "exchange_types": exchange_types(),
        "auth_mechanisms": [],
        "applications": applications(&api.identity),
        "contexts": contexts(api),
        "enabled_plugins": ["rabbitmq_management"],
        "cluster_links": [],
    })
}

/// What runs, with its version: tools look for RabbitMQ's.
fn applications(identity: &Identity) -> Json {
    json!([
        { "name": "harefoot", "description": "Harefoot", "version": identity.version },
        { "name": "rabbit", "description": "What Harefoot is compatible with", "version": identity.rabbitmq_version },
    ])
}

pub(super) fn memory(api: &Api, call: &Call) -> Answer {
    known(api, call)?;
    let total = api.world().usage().memory_bytes;
    let mut memory: Map<String, Json> =
        memory_parts(api, total).map(|(part, bytes)| (part.to_owned(), json!(bytes))).collect();
    memory.insert("strategy".to_owned(), json!("rss"));
    memory.insert("total".to_owned(), json!({ "rss": total, "allocated": total, "erlang": total }));
    Ok(Reply::Object(json!({ "memory": memory })))
}

/// In hundredths of all, rounded up as RabbitMQ does.
pub(super) fn memory_relative(api: &Api, call: &Call) -> Answer {
    known(api, call)?;
    let total = api.world().usage().memory_bytes;
    let share = |bytes: u64| bytes.saturating_mul(100).div_ceil(total.max(1));
    let mut memory: Map<String, Json> =
        memory_parts(api, total).map(|(part, bytes)| (part.to_owned(), json!(share(bytes)))).collect();
    memory.insert("total".to_owned(), json!(100));
    Ok(Reply::Object(json!({ "memory": memory })))
}

/// What takes how many of all bytes.
fn memory_parts(api: &Api, total: u64) -> impl Iterator<Item = (&'static str, u64)> {
    let messages = api.broker().memory().resident();
    let told = [("binary", messages), ("other_system", total.saturating_sub(messages))];
    told.into_iter().chain(MEMORY_UNTOLD.map(|part| (part, 0)))
}

/// There are no plugins with pages of their own.
pub(super) fn extensions(_: &Api, _: &Call) -> Answer {
    Ok(Reply::List(Vec::new()))
}

pub(super) fn version(api: &Api, _: &Call) -> Answer {
    Ok(Reply::Object(json!({
        "version": api.identity.rabbitmq_version, "product_name": "Harefoot", "product_version": api.identity.version,
    })))
}

pub(super) fn nothing_to_do(_: &Api, _: &Call) -> Answer {
    Ok(Reply::Done)
}
