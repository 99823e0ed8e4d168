//! The entries of the metadata log: what can happen to a [`Topology`](super::Topology).
//!
//! An entry is one JSON object that says what it is by its only key:
//!
//! ```json
//! {"create_queue": {"vhost": "/", "name": "q", "durable": true, "auto_delete": false, "kind": "classic", "arguments": []}}
//! ```
//!
//! Names of entries and fields are a format: they are never changed, only added to.

use model::{Name, Table, command::Destination};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    ConnectionId, QueueId, QueueKind,
    limit::{UserLimits, VhostLimits},
    permission::{PermissionPatterns, TopicPatterns},
    policy::{Policy, PolicySide},
    stored,
    vhost::VhostSettings,
};
use crate::{access::password::PasswordHash, route::Kind};

/// When and where in the log an entry stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Meta {
    /// Its index in the log. What is never staged has that of the entry to come.
    pub index: u64,
    /// The leader's wall clock, in milliseconds since 1970; only recorded.
    pub now_ms: u64,
}

/// A change of the metadata. Made by a method of [`Topology`](super::Topology) that checks the wish, and then applied.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// The node starts: from here on transient queues have ids that no earlier run used.
    Started,
    /// Make a vhost, or change its settings.
    SetVhost(VhostSettings),
    /// Delete a vhost and all that is in it.
    DeleteVhost {
        /// Its name.
        name: Name,
    },
    /// Replace the limits of a vhost.
    SetVhostLimits {
        /// The vhost.
        vhost: Name,
        /// All of its limits.
        limits: VhostLimits,
    },
    /// Make a user, or change password and tags.
    SetUser {
        /// Its name.
        name: Name,
        /// The password, salted and hashed.
        password: PasswordHash,
        /// Its tags.
        tags: Vec<Name>,
    },
    /// Delete a user and its permissions.
    DeleteUser {
        /// Its name.
        name: Name,
    },
    /// Replace the limits of a user.
    SetUserLimits {
        /// The user.
        user: Name,
        /// All of its limits.
        limits: UserLimits,
    },
    /// Let a user into a vhost.
    SetPermissions {
        /// The user.
        user: Name,
        /// The vhost.
        vhost: Name,
        /// On what.
        patterns: PermissionPatterns,
    },
    /// Keep a user out of a vhost.
    ClearPermissions {
        /// The user.
        user: Name,
        /// The vhost.
        vhost: Name,
    },
    /// Restrict the routing keys of a user on a topic exchange.
    SetTopicPermissions {
        /// The user.
        user: Name,
        /// The vhost.
        vhost: Name,
        /// The exchange, whether it exists or not.
        exchange: Name,
        /// To what.
        patterns: TopicPatterns,
    },
    /// Lift restrictions of routing keys.
    ClearTopicPermissions {
        /// The user.
        user: Name,
        /// The vhost.
        vhost: Name,
        /// On this exchange only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exchange: Option<Name>,
    },
    /// Make an exchange.
    CreateExchange {
        /// The vhost.
        vhost: Name,
        /// Its name.
        name: Name,
        /// Its type.
        kind: Kind,
        /// Survives a restart.
        durable: bool,
        /// Goes with the last binding from it.
        auto_delete: bool,
        /// Takes messages from exchanges only.
        internal: bool,
        /// As declared.
        #[serde(with = "stored::table")]
        arguments: Table,
        /// The id of the queue in which its messages wait, if it has one already: in a snapshot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delay_queue: Option<QueueId>,
    },
    /// Delete an exchange.
    DeleteExchange {
        /// The vhost.
        vhost: Name,
        /// Its name.
        name: Name,
        /// Durable exchanges that go with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        auto_deleted: Vec<Name>,
    },
    /// Make a queue.
    CreateQueue {
        /// Its id if it has one already: in a snapshot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<QueueId>,
        /// The vhost.
        vhost: Name,
        /// Its name.
        name: Name,
        /// Survives a restart.
        durable: bool,
        /// Goes with its last consumer.
        auto_delete: bool,
        /// The connection it belongs to and ends with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exclusive_owner: Option<ConnectionId>,
        /// Its type.
        kind: QueueKind,
        /// As declared, and `x-queue-type`.
        #[serde(with = "stored::table")]
        arguments: Table,
    },
    /// Delete a queue.
    DeleteQueue {
        /// The vhost.
        vhost: Name,
        /// Its name.
        name: Name,
        /// Its id: another queue of the name stays.
        id: QueueId,
        /// Durable exchanges that go with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        auto_deleted: Vec<Name>,
    },
    /// Make a binding.
    Bind {
        /// The vhost.
        vhost: Name,
        /// The exchange it starts from.
        source: Name,
        /// What it leads to.
        destination_kind: StoredDestination,
        /// The queue or exchange.
        destination: Name,
        /// The binding key.
        routing_key: Name,
        /// In the order of their names.
        #[serde(with = "stored::table")]
        arguments: Table,
    },
    /// Remove a binding.
    Unbind {
        /// The vhost.
        vhost: Name,
        /// The exchange it starts from.
        source: Name,
        /// What it leads to.
        destination_kind: StoredDestination,
        /// The queue or exchange.
        destination: Name,
        /// The binding key.
        routing_key: Name,
        /// In the order of their names.
        #[serde(with = "stored::table")]
        arguments: Table,
        /// Durable exchanges that go with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        auto_deleted: Vec<Name>,
    },
    /// Make or change a policy.
    SetPolicy {
        /// The vhost.
        vhost: Name,
        /// Of users or of operators.
        side: PolicySide,
        /// The policy.
        policy: Policy,
    },
    /// Delete a policy.
    ClearPolicy {
        /// The vhost.
        vhost: Name,
        /// Of users or of operators.
        side: PolicySide,
        /// Its name.
        name: Name,
    },
    /// Set a runtime parameter of a vhost.
    SetParameter {
        /// The vhost.
        vhost: Name,
        /// What reads it.
        component: Name,
        /// Its name.
        name: Name,
        /// Its value.
        value: Json,
    },
    /// Remove a runtime parameter.
    ClearParameter {
        /// The vhost.
        vhost: Name,
        /// What reads it.
        component: Name,
        /// Its name.
        name: Name,
    },
    /// Set a parameter of the whole cluster.
    SetGlobalParameter {
        /// Its name.
        name: Name,
        /// Its value.
        value: Json,
    },
    /// Remove a parameter of the whole cluster.
    ClearGlobalParameter {
        /// Its name.
        name: Name,
    },
}

/// [`Destination`] as it stands in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredDestination {
    /// A queue.
    Queue,
    /// Another exchange.
    Exchange,
}

impl From<Destination> for StoredDestination {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::Queue => Self::Queue,
            Destination::Exchange => Self::Exchange,
        }
    }
}

impl From<StoredDestination> for Destination {
    fn from(stored: StoredDestination) -> Self {
        match stored {
            StoredDestination::Queue => Self::Queue,
            StoredDestination::Exchange => Self::Exchange,
        }
    }
}
