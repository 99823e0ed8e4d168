//! `/api/definitions`: everything but messages, out and in.
//!
//! What is imported is read and checked as a whole before anything of it is applied, and what is wrong is named. What exists
//! already stays as it is, if it is a queue, an exchange or a binding; the rest is overwritten. Files of RabbitMQ 3.8 to 4
//! are taken, also those of its command line, which write objects as lists of pairs.

use broker::topology::{Policy, PolicySide, Topology, VhostLimits};
use model::Name;
use serde_json::{Map, Value as Json, json};

use super::{Api, bindings, limits, node, parameters, permissions, policies, users, vhosts};
use crate::{
    arguments,
    call::Call,
    reply::{Answer, Reply},
};

mod import;

pub(super) use import::{import, import_into_vhost, take_in};

/// Global parameters that belong to a cluster and not to what is defined in it.
const NOT_EXPORTED: &str = "internal_cluster_id";

pub(super) fn all(api: &Api, _: &Call) -> Answer {
    let names: Vec<Name> = api.broker().topology().read().vhosts().map(|vhost| vhost.name.clone()).collect();
    let mut out = head(api);
    out.insert("rabbitmq_definition_format".to_owned(), json!("cluster"));
    {
        let topology = api.broker().topology().read();
        let cluster = node::cluster_name_of(api, &topology);
        out.insert("explanation".to_owned(), json!(format!("Definitions of cluster '{cluster}'")));
        out.insert("original_cluster_name".to_owned(), json!(cluster));
        out.insert("users".to_owned(), topology.users().map(users::show).collect());
        let shown = topology.vhosts().map(|vhost| {
            json!({
                "name": vhost.name.as_str(),
                "description": vhost.description,
                "tags": vhosts::texts(&vhost.tags),
                "default_queue_type": topology.default_queue_type(vhost).name(),
                "metadata": vhosts::metadata(vhost, topology.default_queue_type(vhost)),
            })
        });
        out.insert("vhosts".to_owned(), shown.collect());
        let shown = topology
            .all_permissions()
            .map(|(user, vhost, patterns)| permissions::show(user, vhost, patterns));
        out.insert("permissions".to_owned(), shown.collect());
        let shown = topology.all_topic_permissions().map(|(user, vhost, exchange, patterns)| {
            permissions::show_topic(user, vhost, exchange, patterns)
        });
        out.insert("topic_permissions".to_owned(), shown.collect());
        let shown = topology.global_parameters().filter(|(name, _)| name.as_str() != NOT_EXPORTED);
        let shown = shown.map(|(name, value)| json!({ "name": name.as_str(), "value": value }));
        out.insert("global_parameters".to_owned(), shown.collect());
    }
    add_vhosts(api, &names, &mut out);
    Ok(Reply::Object(Json::Object(out)))
}

pub(super) fn of_vhost(api: &Api, call: &Call) -> Answer {
    let vhost = api.vhost(call, 1)?;
    let mut out = head(api);
    out.insert("rabbitmq_definition_format".to_owned(), json!("single_virtual_host"));
    out.insert("original_vhost_name".to_owned(), json!(vhost.as_str()));
    out.insert("explanation".to_owned(), json!(format!("Definitions of virtual host '{vhost}'")));
    add_vhosts(api, std::slice::from_ref(&vhost), &mut out);
    // What is within is without the vhost's name: it may be imported into another.
    for key in ["queues", "exchanges", "bindings"] {
        for item in out.get_mut(key).and_then(Json::as_array_mut).into_iter().flatten() {
            if let Some(item) = item.as_object_mut() {
                item.remove("vhost");
            }
        }
    }
    Ok(Reply::Object(Json::Object(out)))
}

fn head(api: &Api) -> Map<String, Json> {
    let identity = &api.identity;
    let mut out = Map::new();
    for (key, value) in [
        ("rabbit_version", &identity.rabbitmq_version),
        ("rabbitmq_version", &identity.rabbitmq_version),
        ("product_name", &identity.product_name),
        ("product_version", &identity.rabbitmq_version),
    ] {
        out.insert(key.to_owned(), json!(value));
    }
    out
}

/// What is in vhosts.
fn add_vhosts(api: &Api, names: &[Name], out: &mut Map<String, Json>) {
    let mut add = |key: &str, items: Vec<Json>| out.insert(key.to_owned(), Json::Array(items));
    let all_parameters = names.iter().flat_map(|vhost| {
        let all = parameters::of_vhost(api, vhost);
        all.into_iter().map(move |parameter| parameters::show(vhost, &parameter))
    });
    add("parameters", all_parameters.collect());
    let topology = api.broker().topology().read();
    let its_policies = |vhost| {
        let all = topology.policies(Name::as_str(vhost), PolicySide::User);
        all.map(move |policy| policies::show(vhost, policy))
    };
    add("policies", names.iter().flat_map(its_policies).collect());
    add("queues", names.iter().flat_map(|vhost| queues(&topology, vhost)).collect());
    add("exchanges", names.iter().flat_map(|vhost| exchanges(&topology, vhost)).collect());
    let shown = |vhost| {
        topology.bindings(Name::as_str(vhost)).filter(|binding| binding.durable).map(move |binding| {
            json!({
                "source": binding.source.as_str(),
                "vhost": vhost.as_str(),
                "destination": binding.destination.as_str(),
                "destination_type": bindings::word(binding.destination_kind),
                "routing_key": binding.routing_key.as_str(),
                "arguments": arguments::to_json(&binding.arguments),
            })
        })
    };
    add("bindings", names.iter().flat_map(shown).collect());
}

/// Queues that outlive their connection.
fn queues(topology: &Topology, vhost: &Name) -> Vec<Json> {
    let kept = topology.queues_of(vhost).filter(|record| record.exclusive_owner.is_none());
    kept.map(|record| {
        json!({
            "name": record.name.as_str(),
            "vhost": vhost.as_str(),
            "type": record.kind.name(),
            "durable": record.durable,
            "auto_delete": record.auto_delete,
            "arguments": arguments::to_json(&record.raw_arguments),
        })
    })
    .collect()
}

/// Exchanges that somebody has declared.
fn exchanges(topology: &Topology, vhost: &Name) -> Vec<Json> {
    let declared = topology.exchanges(vhost).filter(|record| !record.name.starts_with("amq."));
    declared
        .map(|record| {
            json!({
                "name": record.name.as_str(),
                "vhost": vhost.as_str(),
                "type": record.kind.name(),
                "durable": record.durable,
                "auto_delete": record.auto_delete,
                "internal": record.internal,
                "arguments": arguments::to_json(&record.arguments),
            })
        })
        .collect()
}
