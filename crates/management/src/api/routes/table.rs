//! The table of `routes`: one entry a path.

use super::{
    Body, Field, Gives,
    Kind::{Any, Integer, List, Object, Text, Truth},
    Route,
};
use crate::{
    api::{
        bindings, channels, connections, consumers, definitions, exchanges, features, health, limits,
        messages, node, none, openapi, parameters, permissions, policies, queues, sessions, statistics,
        users, vhosts,
    },
    login::Right,
};

const VALUE: &[Field] = &[("value", Any, true)];
const IF_UNUSED: &[Field] = &[("if-unused", Truth, false)];
const IF_UNUSED_OR_EMPTY: &[Field] = &[("if-unused", Truth, false), ("if-empty", Truth, false)];
const PERMISSIONS: &[Field] = &[("configure", Text, true), ("write", Text, true), ("read", Text, true)];
const TOPIC_PERMISSIONS: &[Field] = &[("exchange", Text, true), ("write", Text, true), ("read", Text, true)];
const BINDING: &[Field] = &[("routing_key", Text, false), ("arguments", Object, false)];
const DEFINITIONS: &[Field] = &[
    ("users", List, false),
    ("vhosts", List, false),
    ("permissions", List, false),
    ("topic_permissions", List, false),
    ("parameters", List, false),
    ("global_parameters", List, false),
    ("policies", List, false),
    ("queues", List, false),
    ("exchanges", List, false),
    ("bindings", List, false),
];
const EXCHANGE: &[Field] = &[
    ("type", Text, false),
    ("durable", Truth, false),
    ("auto_delete", Truth, false),
    ("internal", Truth, false),
    ("arguments", Object, false),
];
const QUEUE: &[Field] = &[
    ("durable", Truth, false),
    ("auto_delete", Truth, false),
    ("arguments", Object, false),
    ("node", Text, false),
];
const MESSAGE: &[Field] = &[
    ("properties", Object, true),
    ("routing_key", Text, true),
    ("payload", Text, true),
    ("payload_encoding", Text, true),
];
const GET: &[Field] = &[
    ("count", Integer, true),
    ("ackmode", Text, true),
    ("encoding", Text, true),
    ("truncate", Integer, false),
    ("offset", Any, false),
];
const POLICY: &[Field] = &[
    ("pattern", Text, true),
    ("definition", Object, true),
    ("priority", Integer, false),
    ("apply-to", Text, false),
];
const USER: &[Field] = &[
    ("tags", Any, true),
    ("password", Text, false),
    ("password_hash", Text, false),
    ("hashing_algorithm", Text, false),
];
const VHOST: &[Field] = &[
    ("description", Text, false),
    ("tags", Any, false),
    ("default_queue_type", Text, false),
    ("tracing", Truth, false),
    ("protected_from_deletion", Truth, false),
];

const fn anybody(path: &'static str) -> Route {
    Route::new(path, Right::Management)
}

const fn policymaker(path: &'static str) -> Route {
    Route::new(path, Right::Policymaker)
}

const fn monitoring(path: &'static str) -> Route {
    Route::new(path, Right::Monitoring)
}

const fn administrator(path: &'static str) -> Route {
    Route::new(path, Right::Administrator)
}

/// The node as a whole.
pub(super) const NODE: &[Route] = &[
    anybody("overview").object(node::overview),
    anybody("openapi.json").open().object(openapi::describe),
    anybody("cluster-name").object(node::cluster_name).put(
        node::set_cluster_name,
        &[("name", Text, true)],
        Gives::Nothing,
    ),
    monitoring("nodes").list(node::list),
    monitoring("nodes/{node}").object(node::one),
    monitoring("nodes/{node}/memory").object(node::memory),
    monitoring("nodes/{node}/memory/relative").object(node::memory_relative),
    anybody("extensions").list(node::extensions),
    anybody("version").open().object(node::version),
    anybody("feature-flags").list(features::flags),
    administrator("feature-flags/{feature}/enable").put(features::enable, &[], Gives::Nothing),
    anybody("deprecated-features").list(features::deprecated),
    anybody("deprecated-features/used").list(features::deprecated_in_use),
    anybody("federation-links").list(none),
    anybody("federation-links/{vhost}").list(none),
    anybody("shovels").list(none),
    anybody("shovels/{vhost}").list(none),
    anybody("stream/connections").list(none),
    anybody("stream/connections/{vhost}").list(none),
    anybody("stream/publishers").list(none),
    anybody("stream/publishers/{vhost}").list(none),
    anybody("stream/consumers").list(none),
    anybody("stream/consumers/{vhost}").list(none),
    anybody("whoami").object(users::whoami),
    anybody("auth").open().object(users::auth),
    administrator("reset").delete(statistics::reset),
    administrator("reset/{node}").delete(statistics::reset),
    anybody("login").open().post(sessions::log_in, Body::Login, Gives::Word).delete(sessions::log_out),
    monitoring("auth/attempts/{node}").list(sessions::attempts).delete(sessions::reset_attempts),
    monitoring("auth/attempts/{node}/source")
        .list(sessions::attempts_by_source)
        .delete(sessions::reset_attempts),
    administrator("rebalance/queues").post(node::nothing_to_do, Body::None, Gives::Nothing),
    administrator("definitions").object(definitions::all).post(
        definitions::import,
        Body::Json(DEFINITIONS),
        Gives::Nothing,
    ),
    administrator("all-configuration").object(definitions::all).post(
        definitions::import,
        Body::Json(DEFINITIONS),
        Gives::Nothing,
    ),
    administrator("definitions/{vhost}").object(definitions::of_vhost).post(
        definitions::import_into_vhost,
        Body::Json(DEFINITIONS),
        Gives::Nothing,
    ),
    anybody("health/checks/alarms").health(health::alarms),
    anybody("health/checks/local-alarms").health(health::alarms),
    anybody("health/checks/port-listener/{port}").health(health::port_listener),
    anybody("health/checks/protocol-listener/{protocol}").health(health::protocol_listener),
    anybody("health/checks/virtual-hosts").health(health::fine),
    anybody("health/checks/node-is-quorum-critical").health(health::fine),
    anybody("health/checks/node-is-mirror-sync-critical").health(health::fine),
    anybody("health/checks/metadata-store/initialized").health(health::fine),
    anybody("health/checks/metadata-store/initialized/with-data").health(health::fine),
    anybody("health/checks/quorum-queues-without-elected-leaders/all-vhosts").health(health::fine),
    anybody("health/checks/quorum-queues-without-elected-leaders/vhost/{vhost}").health(health::fine),
    anybody("health/checks/certificate-expiration/{within}/{unit}").health(health::certificates),
    anybody("health/checks/is-in-service").open().health(health::in_service),
    anybody("health/checks/below-node-connection-limit").open().health(health::fine),
    anybody("health/checks/ready-to-serve-clients").open().health(health::in_service),
    anybody("health/checks/reached-target-cluster-size").open().health(health::fine),
    anybody("healthchecks/node").health(health::fine),
    anybody("healthchecks/node/{node}").health(health::fine),
    anybody("aliveness-test/{vhost}").health(health::aliveness),
];

/// Users, and what they may.
pub(super) const USERS: &[Route] = &[
    administrator("users").list(users::list),
    administrator("users/without-permissions").list(users::without_permissions),
    administrator("users/bulk-delete").post(
        users::bulk_delete,
        Body::Json(&[("users", List, true)]),
        Gives::Nothing,
    ),
    administrator("users/{user}").object(users::one).put(users::set, USER, Gives::Put).delete(users::delete),
    administrator("users/{user}/permissions").list(permissions::of_user),
    administrator("users/{user}/topic-permissions").list(permissions::topic_of_user),
    administrator("user-limits").list(limits::users),
    anybody("user-limits/{user}").list(limits::user),
    administrator("user-limits/{user}/{limit}")
        .put(limits::set_user, VALUE, Gives::Nothing)
        .delete(limits::clear_user),
    administrator("permissions").list(permissions::list),
    administrator("permissions/{vhost}/{user}")
        .object(permissions::one)
        .put(permissions::set, PERMISSIONS, Gives::Put)
        .delete(permissions::clear),
    administrator("topic-permissions").list(permissions::topic_list),
    administrator("topic-permissions/{vhost}/{user}")
        .list(permissions::topic_one)
        .put(permissions::set_topic, TOPIC_PERMISSIONS, Gives::Put)
        .delete(permissions::clear_topic),
    administrator("topic-permissions/{vhost}/{user}/{exchange}")
        .list(permissions::topic_one)
        .delete(permissions::clear_topic),
];

/// Vhosts, what is in them, and who is connected to them.
pub(super) const VHOSTS: &[Route] = &[
    anybody("vhosts").list(vhosts::list),
    anybody("vhosts/{vhost}").object(vhosts::one).put(vhosts::set, VHOST, Gives::Put).delete(vhosts::delete),
    administrator("vhosts/{vhost}/permissions").list(permissions::of_vhost),
    administrator("vhosts/{vhost}/topic-permissions").list(permissions::topic_of_vhost),
    anybody("vhosts/{vhost}/connections").list(connections::of_vhost),
    anybody("vhosts/{vhost}/channels").list(channels::of_vhost),
    administrator("vhosts/{vhost}/start/{node}").post(vhosts::start, Body::None, Gives::Nothing),
    administrator("vhosts/{vhost}/deletion/protection")
        .post(vhosts::protect, Body::None, Gives::Nothing)
        .delete(vhosts::unprotect),
    anybody("vhost-limits").list(limits::vhosts),
    anybody("vhost-limits/{vhost}").list(limits::vhosts),
    administrator("vhost-limits/{vhost}/{limit}")
        .put(limits::set_vhost, VALUE, Gives::Nothing)
        .delete(limits::clear_vhost),
    anybody("connections").list(connections::list),
    anybody("connections/username/{user}").list(connections::of_user).delete(connections::close_of_user),
    anybody("connections/{connection}").object(connections::one).delete(connections::close),
    anybody("connections/{connection}/channels").list(channels::of_connection),
    anybody("channels").list(channels::list),
    anybody("channels/{channel}").object(channels::one),
    anybody("consumers").list(consumers::list),
    anybody("consumers/{vhost}").list(consumers::list),
    anybody("exchanges").list(exchanges::list),
    anybody("exchanges/{vhost}").list(exchanges::list),
    anybody("exchanges/{vhost}/{exchange}")
        .object(exchanges::one)
        .put(exchanges::declare, EXCHANGE, Gives::Put)
        .delete_by(exchanges::delete, IF_UNUSED, Gives::Nothing),
    anybody("exchanges/{vhost}/{exchange}/bindings/source").list(bindings::from_exchange),
    anybody("exchanges/{vhost}/{exchange}/bindings/destination").list(bindings::to_exchange),
    anybody("exchanges/{vhost}/{exchange}/publish").post(
        messages::publish,
        Body::Json(MESSAGE),
        Gives::Object,
    ),
    anybody("queues").list(queues::list),
    anybody("queues/detailed").list(queues::list),
    anybody("queues/{vhost}").list(queues::list),
    anybody("queues/{vhost}/{queue}").object(queues::one).put(queues::declare, QUEUE, Gives::Put).delete_by(
        queues::delete,
        IF_UNUSED_OR_EMPTY,
        Gives::Nothing,
    ),
    anybody("queues/{vhost}/{queue}/bindings").list(bindings::to_queue),
    anybody("queues/{vhost}/{queue}/contents").delete(queues::purge),
    anybody("queues/{vhost}/{queue}/get").post(messages::get, Body::Json(GET), Gives::List),
    administrator("queues/{vhost}/{queue}/actions").post(
        queues::act,
        Body::Json(&[("action", Text, true)]),
        Gives::Nothing,
    ),
    anybody("bindings").list(bindings::list),
    anybody("bindings/{vhost}").list(bindings::list),
    anybody("bindings/{vhost}/e/{source}/q/{destination}").list(bindings::between).post(
        bindings::bind,
        Body::Json(BINDING),
        Gives::Created,
    ),
    anybody("bindings/{vhost}/e/{source}/e/{destination}").list(bindings::between).post(
        bindings::bind,
        Body::Json(BINDING),
        Gives::Created,
    ),
    anybody("bindings/{vhost}/e/{source}/q/{destination}/{properties_key}")
        .object(bindings::one)
        .delete(bindings::unbind),
    anybody("bindings/{vhost}/e/{source}/e/{destination}/{properties_key}")
        .object(bindings::one)
        .delete(bindings::unbind),
];

/// Policies and parameters.
pub(super) const POLICIES: &[Route] = &[
    anybody("policies").list(policies::list),
    anybody("policies/{vhost}").list(policies::list),
    anybody("policies/{vhost}/{policy}")
        .object(policies::one)
        .put(policies::set, POLICY, Gives::Put)
        .delete(policies::clear),
    anybody("operator-policies").list(policies::list_operator),
    anybody("operator-policies/{vhost}").list(policies::list_operator),
    administrator("operator-policies/{vhost}/{policy}")
        .object(policies::one_operator)
        .put(policies::set_operator, POLICY, Gives::Put)
        .delete(policies::clear_operator),
    policymaker("parameters").list(parameters::list),
    policymaker("parameters/{component}").list(parameters::list),
    policymaker("parameters/{component}/{vhost}").list(parameters::list),
    policymaker("parameters/{component}/{vhost}/{parameter}")
        .object(parameters::one)
        .put(parameters::set, VALUE, Gives::Put)
        .delete(parameters::clear),
    policymaker("global-parameters").list(parameters::list_global),
    policymaker("global-parameters/{parameter}")
        .object(parameters::one_global)
        .put(parameters::set_global, VALUE, Gives::Put)
        .delete(parameters::clear_global),
];
