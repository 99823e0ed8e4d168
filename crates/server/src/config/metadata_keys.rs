//! The rows of the table of keys that say how much metadata a node may have, and what a new vhost begins with.

use broker::topology::{ApplyTo, Policy, QueueKind, VhostLimits};
use model::Name;
use serde_json::{Map, Value as Json};

use super::{
    draft::{Draft, rank},
    key::{Key, Kind, Range},
    metadata::{DefaultLimits, DefaultPolicy, DefaultUser},
    settings::Permissions,
};

/// RabbitMQ: the longest time is ten years of 365 days.
const TIME_MAX_MS: u64 = 315_360_000_000;
const COUNT: Range = Range::from(1, u32::MAX as u64);

/// Every key of this kind that has an effect.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "vhost_max",
        default: "infinity",
        help: "Vhosts of the node.",
        kind: Kind::Limit {
            range: Range::from(0, u64::MAX),
            set: |draft, _, limit| draft.settings.metadata.vhosts_max = limit,
        },
    },
    Key {
        name: "cluster_queue_limit",
        default: "infinity",
        help: "Queues of the node, in all its vhosts.",
        kind: Kind::Limit {
            range: Range::from(0, u64::MAX),
            set: |draft, _, limit| draft.settings.metadata.queues_max = limit,
        },
    },
    Key {
        name: "cluster_exchange_limit",
        default: "infinity",
        help: "Exchanges of the node above which no more are declared; the seven that each vhost has count.",
        kind: Kind::Limit {
            range: Range::from(0, u64::MAX),
            set: |draft, _, limit| draft.settings.metadata.exchanges_max = limit,
        },
    },
    Key {
        name: "runtime_parameters.limits.$component",
        default: "(none)",
        help: "Parameters of a component, such as `shovel`, in all vhosts.",
        kind: Kind::Integer {
            range: Range::from(0, u64::MAX),
            set: |draft, component, limit| {
                let component = Name::parse(component).unwrap_or_default();
                draft.settings.metadata.parameters_max.insert(component, limit);
            },
        },
    },
    Key {
        name: "quorum_queue.property_equivalence.relaxed_checks_on_redeclaration",
        default: "false",
        help: "Whether a quorum queue may be declared again as if it were a classic one; then only its limits, times and \
               dead letters have to be the same.",
        kind: Kind::Boolean {
            set: |draft, _, is_so| draft.settings.metadata.quorum_passes_for_classic = is_so,
        },
    },
    Key {
        name: "queue_types.classic.enabled",
        default: "true",
        help: "Whether classic queues can be declared. Those that there are stay.",
        kind: Kind::Boolean { set: |draft, _, is_on| switch(draft, QueueKind::Classic, is_on) },
    },
    Key {
        name: "queue_types.quorum.enabled",
        default: "true",
        help: "Whether quorum queues can be declared. Those that there are stay.",
        kind: Kind::Boolean { set: |draft, _, is_on| switch(draft, QueueKind::Quorum, is_on) },
    },
    Key {
        name: "queue_types.stream.enabled",
        default: "true",
        help: "Whether streams can be declared. Those that there are stay.",
        kind: Kind::Boolean { set: |draft, _, is_on| switch(draft, QueueKind::Stream, is_on) },
    },
    Key {
        name: "exchange_types.local_random.enabled",
        default: "true",
        help: "Whether exchanges of the type `x-local-random` can be declared. Those that there are stay.",
        kind: Kind::Boolean { set: |draft, _, is_on| draft.settings.metadata.is_local_random_off = !is_on },
    },
    Key {
        name: "default_limits.vhosts.$id.pattern",
        default: "(all)",
        help: "A pattern: the vhosts for which these limits are, from when they are made. The first that matches counts, \
               by number.",
        kind: Kind::Pattern { set: |draft, id, pattern| pattern.clone_into(&mut limits(draft, id).pattern) },
    },
    Key {
        name: "default_limits.vhosts.$id.max_connections",
        default: "(none)",
        help: "Connections of each such vhost.",
        kind: Kind::Integer {
            range: COUNT,
            set: |draft, id, limit| limits(draft, id).limits.max_connections = Some(limit),
        },
    },
    Key {
        name: "default_limits.vhosts.$id.max_queues",
        default: "(none)",
        help: "Queues of each such vhost.",
        kind: Kind::Integer {
            range: COUNT,
            set: |draft, id, limit| limits(draft, id).limits.max_queues = Some(limit),
        },
    },
    Key {
        name: "default_policies.operator.$id.vhost_pattern",
        default: "(all)",
        help: "A pattern: the vhosts that get this operator policy, with the word of the key as its name, when they are made.",
        kind: Kind::Pattern { set: |draft, id, pattern| pattern.clone_into(&mut policy(draft, id).vhosts) },
    },
    Key {
        name: "default_policies.operator.$id.queue_pattern",
        default: "(all)",
        help: "The policy's own pattern, for names of queues.",
        kind: Kind::Pattern {
            set: |draft, id, pattern| pattern.clone_into(&mut policy(draft, id).policy.pattern),
        },
    },
    Key {
        name: "default_policies.operator.$id.expires",
        default: "(none)",
        help: "The policy's `expires`.",
        kind: Kind::Duration {
            range: Range::from(1, TIME_MAX_MS),
            set: |draft, id, ms| put(draft, id, "expires", ms),
        },
    },
    Key {
        name: "default_policies.operator.$id.message_ttl",
        default: "(none)",
        help: "The policy's `message-ttl`.",
        kind: Kind::Duration {
            range: Range::from(0, TIME_MAX_MS),
            set: |draft, id, ms| put(draft, id, "message-ttl", ms),
        },
    },
    Key {
        name: "default_policies.operator.$id.max_length",
        default: "(none)",
        help: "The policy's `max-length`.",
        kind: Kind::Integer { range: COUNT, set: |draft, id, limit| put(draft, id, "max-length", limit) },
    },
    Key {
        name: "default_policies.operator.$id.max_length_bytes",
        default: "(none)",
        help: "The policy's `max-length-bytes`.",
        kind: Kind::FrameBytes {
            range: Range::from(1, i64::MAX as u64),
            set: |draft, id, bytes| put(draft, id, "max-length-bytes", bytes),
        },
    },
    Key {
        name: "default_policies.operator.$id.delivery_limit",
        default: "(none)",
        help: "The policy's `delivery-limit`.",
        kind: Kind::Integer { range: COUNT, set: |draft, id, limit| put(draft, id, "delivery-limit", limit) },
    },
    Key {
        name: "default_users.$name.vhost_pattern",
        default: "(all)",
        help: "A pattern: the vhosts in which this user may do something, from when they are made. A user who is not there \
               is made with the vhost; one who is stays as they are.",
        kind: Kind::Pattern { set: |draft, name, pattern| pattern.clone_into(&mut user(draft, name).vhosts) },
    },
    Key {
        name: "default_users.$name.password",
        default: "(none)",
        help: "The user's password. Without one nobody can log in as the user.",
        kind: Kind::Secret { set: |draft, name, password| user(draft, name).password = Some(password) },
    },
    Key {
        name: "default_users.$name.tags",
        default: "(none)",
        help: "The user's tags, with commas.",
        kind: Kind::Text {
            set: |draft, name, tags| {
                let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
                user(draft, name).tags = tags.map(str::to_owned).collect();
            },
        },
    },
    Key {
        name: "default_users.$name.configure",
        default: "(all)",
        help: "A pattern: what the user may make and delete there.",
        kind: Kind::Pattern {
            set: |draft, name, pattern| pattern.clone_into(&mut user(draft, name).permissions.configure),
        },
    },
    Key {
        name: "default_users.$name.write",
        default: "(all)",
        help: "A pattern: what the user may put messages into there.",
        kind: Kind::Pattern {
            set: |draft, name, pattern| pattern.clone_into(&mut user(draft, name).permissions.write),
        },
    },
    Key {
        name: "default_users.$name.read",
        default: "(all)",
        help: "A pattern: what the user may take messages out of there.",
        kind: Kind::Pattern {
            set: |draft, name, pattern| pattern.clone_into(&mut user(draft, name).permissions.read),
        },
    },
];

/// A pattern that is found in every name.
fn any() -> String {
    ".*".to_owned()
}

fn limits<'a>(draft: &'a mut Draft, id: &str) -> &'a mut DefaultLimits {
    let none = || DefaultLimits { pattern: any(), limits: VhostLimits::default() };
    draft.settings.metadata.default_limits.entry(rank(id)).or_insert_with(none)
}

fn policy<'a>(draft: &'a mut Draft, id: &str) -> &'a mut DefaultPolicy {
    let none = || DefaultPolicy {
        vhosts: any(),
        policy: Policy {
            name: Name::parse(id).unwrap_or_default(),
            pattern: any(),
            apply_to: ApplyTo::All,
            priority: 0,
            definition: Map::new(),
        },
    };
    draft.settings.metadata.default_policies.entry(rank(id)).or_insert_with(none)
}

fn put(draft: &mut Draft, id: &str, setting: &str, value: u64) {
    policy(draft, id).policy.definition.insert(setting.to_owned(), Json::from(value));
}

fn user<'a>(draft: &'a mut Draft, name: &str) -> &'a mut DefaultUser {
    let none = || DefaultUser {
        name: Name::parse(name).unwrap_or_default(),
        vhosts: any(),
        password: None,
        tags: Vec::new(),
        permissions: Permissions { configure: any(), write: any(), read: any() },
    };
    draft.settings.metadata.default_users.entry(name.to_owned()).or_insert_with(none)
}

fn switch(draft: &mut Draft, kind: QueueKind, is_on: bool) {
    let off = &mut draft.settings.metadata.queue_types_off;
    off.retain(|other| *other != kind);
    if !is_on {
        off.push(kind);
    }
}
