//! `/api/feature-flags` and `/api/deprecated-features`: what of RabbitMQ's there is here, and what of it will go.

use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    call::Call,
    problem::Problem,
    reply::{Answer, Reply},
};

/// RabbitMQ's names for what exists here too, and whether a node of RabbitMQ 4.0 can do without. All of it is on, always.
const FLAGS: [(&str, &str); 13] = [
    ("classic_queue_type_delivery_support", "required"),
    ("detailed_queues_endpoint", "stable"),
    ("direct_exchange_routing_v2", "required"),
    ("drop_unroutable_metric", "required"),
    ("empty_basic_get_metric", "required"),
    ("implicit_default_bindings", "required"),
    ("message_containers_deaths_v2", "stable"),
    ("quorum_queue", "required"),
    ("rabbit_exchange_type_local_random", "stable"),
    ("rabbitmq_4.0.0", "stable"),
    ("stream_queue", "required"),
    ("user_limits", "required"),
    ("virtual_host_metadata", "required"),
];

/// Queues that end with the node, and are nobody's own.
const TRANSIENT_QUEUES: &str = "transient_nonexcl_queues";
/// RabbitMQ's names for what may go, and how far gone it is here.
const DEPRECATED: [(&str, &str); 6] = [
    ("classic_queue_mirroring", "removed"),
    ("global_qos", "permitted_by_default"),
    ("management_metrics_collection", "permitted_by_default"),
    ("queue_master_locator", "permitted_by_default"),
    ("ram_node_type", "removed"),
    (TRANSIENT_QUEUES, "permitted_by_default"),
];

pub(super) fn flags(_: &Api, _: &Call) -> Answer {
    Ok(Reply::values(FLAGS.map(|(name, stability)| {
        let shown = json!({
            "name": name, "state": "enabled", "stability": stability, "desc": "", "doc_url": "",
            "provided_by": "harefoot",
        });
        (name.to_owned(), shown)
    })))
}

/// It is on already.
pub(super) fn enable(_: &Api, call: &Call) -> Answer {
    let is_known = FLAGS.iter().any(|(name, _)| *name == call.part(1));
    if is_known { Ok(Reply::Done) } else { Err(Problem::bad("unsupported")) }
}

pub(super) fn deprecated(_: &Api, _: &Call) -> Answer {
    Ok(rows(|_| true))
}

/// RabbitMQ: of these, only transient queues are looked for.
pub(super) fn deprecated_in_use(api: &Api, _: &Call) -> Answer {
    let topology = api.broker().topology().read();
    let mut queues = topology.vhosts().flat_map(|vhost| topology.queues_of(&vhost.name));
    let has_transient = queues.any(|queue| !queue.durable && queue.exclusive_owner.is_none());
    Ok(rows(|name| name == TRANSIENT_QUEUES && has_transient))
}

fn rows(is_shown: impl Fn(&str) -> bool) -> Reply {
    let shown = DEPRECATED.iter().filter(|(name, _)| is_shown(name));
    Reply::values(shown.map(|(name, phase)| ((*name).to_owned(), show(name, phase))))
}

fn show(name: &str, phase: &str) -> Json {
    json!({ "name": name, "desc": "", "deprecation_phase": phase, "doc_url": "", "provided_by": "harefoot" })
}
