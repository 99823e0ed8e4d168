//! What there is: every path with its methods, and who may call it.

use http::Method;

use super::{
    Api, bindings, channels, connections, consumers, definitions, delayed, exchanges, health, limits,
    messages, node, none, operation, parameters, permissions, policies, queues, sessions, statistics, users,
    vhosts,
};
use crate::{call::Call, login::Right, reply::Answer};

pub(super) type Action = fn(&Api, &Call) -> Answer;

/// One path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    actions: [Option<Action>; 4],
    /// What whoever calls it is.
    pub(super) right: Right,
    /// Nobody needs to log in.
    pub(super) is_open: bool,
}

const METHODS: [Method; 4] = [Method::GET, Method::PUT, Method::POST, Method::DELETE];

impl Route {
    const fn new(right: Right) -> Self {
        Self { actions: [None; 4], right, is_open: false }
    }

    const fn with(mut self, at: usize, action: Action) -> Self {
        let [get, put, post, delete] = self.actions;
        self.actions = match at {
            0 => [Some(action), put, post, delete],
            1 => [get, Some(action), post, delete],
            2 => [get, put, Some(action), delete],
            _ => [get, put, post, Some(action)],
        };
        self
    }

    const fn get(self, action: Action) -> Self {
        self.with(0, action)
    }

    const fn put(self, action: Action) -> Self {
        self.with(1, action)
    }

    const fn post(self, action: Action) -> Self {
        self.with(2, action)
    }

    const fn delete(self, action: Action) -> Self {
        self.with(3, action)
    }

    const fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    pub(super) fn action(&self, method: &Method) -> Option<Action> {
        METHODS.iter().zip(self.actions).find(|(other, _)| *other == method).and_then(|(_, action)| action)
    }

    /// For the `allow` header.
    pub(super) fn allowed(&self) -> String {
        let mut allowed = Vec::new();
        for (method, action) in METHODS.iter().zip(self.actions) {
            if action.is_some() {
                allowed.extend(if *method == Method::GET {
                    vec!["HEAD", "GET"]
                } else {
                    vec![method.as_str()]
                });
            }
        }
        allowed.push("OPTIONS");
        allowed.join(", ")
    }
}

const ANYBODY: Route = Route::new(Right::Management);
const POLICYMAKER: Route = Route::new(Right::Policymaker);
const MONITORING: Route = Route::new(Right::Monitoring);
const ADMINISTRATOR: Route = Route::new(Right::Administrator);

/// The route of a path behind `/api`.
pub(super) fn find(path: &[String]) -> Option<Route> {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    of_node(&parts).or_else(|| of_users(&parts)).or_else(|| of_vhosts(&parts)).or_else(|| of_policies(&parts))
}

fn of_node(path: &[&str]) -> Option<Route> {
    Some(match path {
        ["overview"] => ANYBODY.get(node::overview),
        ["cluster-name"] => ANYBODY.get(node::cluster_name).put(node::set_cluster_name),
        ["nodes"] => MONITORING.get(node::list),
        ["nodes", _] => MONITORING.get(node::one),
        ["nodes", _, "memory"] => MONITORING.get(node::memory),
        ["extensions"] => ANYBODY.get(node::extensions),
        ["version"] => ANYBODY.open().get(node::version),
        ["feature-flags"] => ANYBODY.get(node::feature_flags),
        ["deprecated-features" | "federation-links" | "shovels"]
        | ["deprecated-features", "used"]
        | ["federation-links" | "shovels", _]
        | ["stream", "connections" | "publishers" | "consumers"]
        | ["stream", "connections" | "publishers" | "consumers", _] => ANYBODY.get(none),
        ["whoami"] => ANYBODY.get(users::whoami),
        ["auth"] => ANYBODY.open().get(users::auth),
        ["reset"] | ["reset", _] => ADMINISTRATOR.delete(statistics::reset),
        ["login"] => ANYBODY.open().post(sessions::log_in).delete(sessions::log_out),
        ["auth", "attempts", _] => MONITORING.get(sessions::attempts).delete(sessions::reset_attempts),
        ["auth", "attempts", _, "source"] => {
            MONITORING.get(sessions::attempts_by_source).delete(sessions::reset_attempts)
        }
        ["rebalance", "queues"] => ADMINISTRATOR.post(node::nothing_to_do),
        ["definitions" | "all-configuration"] => {
            ADMINISTRATOR.get(definitions::all).post(definitions::import)
        }
        ["definitions", _] => ADMINISTRATOR.get(definitions::of_vhost).post(definitions::import_into_vhost),
        ["health", "checks", "alarms" | "local-alarms"] => ANYBODY.get(health::alarms),
        ["health", "checks", "port-listener", _] => ANYBODY.get(health::port_listener),
        ["health", "checks", "protocol-listener", _] => ANYBODY.get(health::protocol_listener),
        [
            "health",
            "checks",
            "virtual-hosts" | "node-is-quorum-critical" | "node-is-mirror-sync-critical",
        ]
        | ["health", "checks", "metadata-store", "initialized"]
        | ["health", "checks", "metadata-store", "initialized", "with-data"]
        | ["health", "checks", "quorum-queues-without-elected-leaders", "all-vhosts"]
        | ["health", "checks", "quorum-queues-without-elected-leaders", "vhost", _] => {
            ANYBODY.get(health::fine)
        }
        ["health", "checks", "certificate-expiration", _, _] => ANYBODY.get(health::certificates),
        ["health", "checks", "is-in-service" | "below-node-connection-limit"]
        | ["health", "checks", "ready-to-serve-clients" | "reached-target-cluster-size"] => {
            ANYBODY.open().get(health::fine)
        }
        ["healthchecks", "node"] | ["healthchecks", "node", _] => ANYBODY.get(health::fine),
        ["aliveness-test", _] => ANYBODY.get(health::aliveness),
        _ => return None,
    })
}

fn of_users(path: &[&str]) -> Option<Route> {
    Some(match path {
        ["users"] => ADMINISTRATOR.get(users::list),
        ["users", "without-permissions"] => ADMINISTRATOR.get(users::without_permissions),
        ["users", "bulk-delete"] => ADMINISTRATOR.post(users::bulk_delete),
        ["users", _] => ADMINISTRATOR.get(users::one).put(users::set).delete(users::delete),
        ["users", _, "permissions"] => ADMINISTRATOR.get(permissions::of_user),
        ["users", _, "topic-permissions"] => ADMINISTRATOR.get(permissions::topic_of_user),
        ["user-limits"] => ADMINISTRATOR.get(limits::users),
        ["user-limits", _] => ANYBODY.get(limits::user),
        ["user-limits", _, _] => ADMINISTRATOR.put(limits::set_user).delete(limits::clear_user),
        ["permissions"] => ADMINISTRATOR.get(permissions::list),
        ["permissions", _, _] => {
            ADMINISTRATOR.get(permissions::one).put(permissions::set).delete(permissions::clear)
        }
        ["topic-permissions"] => ADMINISTRATOR.get(permissions::topic_list),
        ["topic-permissions", _, _] => {
            let route = ADMINISTRATOR.get(permissions::topic_one).put(permissions::set_topic);
            route.delete(permissions::clear_topic)
        }
        ["topic-permissions", _, _, _] => {
            ADMINISTRATOR.get(permissions::topic_one).delete(permissions::clear_topic)
        }
        _ => return None,
    })
}

fn of_vhosts(path: &[&str]) -> Option<Route> {
    Some(match path {
        ["vhosts"] => ANYBODY.get(vhosts::list),
        ["vhosts", _] => ANYBODY.get(vhosts::one).put(vhosts::set).delete(vhosts::delete),
        ["vhosts", _, "permissions"] => ADMINISTRATOR.get(permissions::of_vhost),
        ["vhosts", _, "topic-permissions"] => ADMINISTRATOR.get(permissions::topic_of_vhost),
        ["vhosts", _, "connections"] => ANYBODY.get(connections::of_vhost),
        ["vhosts", _, "channels"] => ANYBODY.get(channels::of_vhost),
        ["vhosts", _, "start", _] => ADMINISTRATOR.post(vhosts::start),
        ["vhosts", _, "deletion", "protection"] => {
            ADMINISTRATOR.post(vhosts::protect).delete(vhosts::unprotect)
        }
        ["vhost-limits"] | ["vhost-limits", _] => ANYBODY.get(limits::vhosts),
        ["vhost-limits", _, _] => ADMINISTRATOR.put(limits::set_vhost).delete(limits::clear_vhost),
        ["connections"] => ANYBODY.get(connections::list),
        ["connections", "username", _] => {
            ANYBODY.get(connections::of_user).delete(connections::close_of_user)
        }
        ["connections", _] => ANYBODY.get(connections::one).delete(connections::close),
        ["connections", _, "channels"] => ANYBODY.get(channels::of_connection),
        ["channels"] => ANYBODY.get(channels::list),
        ["channels", _] => ANYBODY.get(channels::one),
        ["consumers"] | ["consumers", _] => ANYBODY.get(consumers::list),
        ["exchanges"] | ["exchanges", _] => ANYBODY.get(exchanges::list),
        ["exchanges", _, _] => ANYBODY.get(exchanges::one).put(exchanges::declare).delete(exchanges::delete),
        ["exchanges", _, _, "bindings", "source"] => ANYBODY.get(bindings::from_exchange),
        ["exchanges", _, _, "bindings", "destination"] => ANYBODY.get(bindings::to_exchange),
        ["exchanges", _, _, "publish"] => ANYBODY.post(messages::publish),
        ["queues"] | ["queues", "detailed"] | ["queues", _] => ANYBODY.get(queues::list),
        ["queues", _, _] => ANYBODY.get(queues::one).put(queues::declare).delete(queues::delete),
        ["queues", _, _, "bindings"] => ANYBODY.get(bindings::to_queue),
        ["queues", _, _, "contents"] => ANYBODY.delete(queues::purge),
        ["queues", _, _, "get"] => ANYBODY.post(messages::get),
        ["queues", _, _, "actions"] => ADMINISTRATOR.post(queues::act),
        ["harefoot", "stop"] => ADMINISTRATOR.post(operation::stop),
        ["harefoot", "delayed", _, _] => ANYBODY.get(delayed::list).delete(delayed::cancel_all),
        ["harefoot", "delayed", _, _, _] => ANYBODY.delete(delayed::cancel),
        ["bindings"] | ["bindings", _] => ANYBODY.get(bindings::list),
        ["bindings", _, "e", _, "q" | "e", _] => ANYBODY.get(bindings::between).post(bindings::bind),
        ["bindings", _, "e", _, "q" | "e", _, _] => ANYBODY.get(bindings::one).delete(bindings::unbind),
        _ => return None,
    })
}

fn of_policies(path: &[&str]) -> Option<Route> {
    Some(match path {
        ["policies"] | ["policies", _] => ANYBODY.get(policies::list),
        ["policies", _, _] => ANYBODY.get(policies::one).put(policies::set).delete(policies::clear),
        ["operator-policies"] | ["operator-policies", _] => ANYBODY.get(policies::list_operator),
        ["operator-policies", _, _] => {
            let route = ADMINISTRATOR.get(policies::one_operator).put(policies::set_operator);
            route.delete(policies::clear_operator)
        }
        ["parameters"] | ["parameters", _] | ["parameters", _, _] => POLICYMAKER.get(parameters::list),
        ["parameters", _, _, _] => {
            POLICYMAKER.get(parameters::one).put(parameters::set).delete(parameters::clear)
        }
        ["global-parameters"] => POLICYMAKER.get(parameters::list_global),
        ["global-parameters", _] => {
            let route = POLICYMAKER.get(parameters::one_global).put(parameters::set_global);
            route.delete(parameters::clear_global)
        }
        _ => return None,
    })
}
