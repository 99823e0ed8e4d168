//! What the file says about the metadata of the node: limits of the whole, and what a new vhost begins with.

use std::collections::BTreeMap;

use broker::{
    access::{
        password::PasswordHash,
        pattern::{InvalidPattern, Pattern},
    },
    topology::{NewUser, NewVhosts, NodeRules, PermissionPatterns, Policy, QueueKind, VhostLimits},
};
use model::{Name, Secret};

use super::{draft::Rank, settings::Permissions};

/// See the module's documentation. Limits that are None are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metadata {
    /// Of queues that name none, where their vhost has no default.
    pub(crate) default_queue_type: QueueKind,
    pub(crate) vhosts_max: Option<u64>,
    pub(crate) queues_max: Option<u64>,
    pub(crate) exchanges_max: Option<u64>,
    /// By component.
    pub(crate) parameters_max: BTreeMap<Name, u64>,
    /// Whether quorum queues may be declared again as classic ones.
    pub(crate) quorum_passes_for_classic: bool,
    /// Of which no queues are declared.
    pub(crate) queue_types_off: Vec<QueueKind>,
    /// Whether there are no exchanges of the type `x-local-random`.
    pub(crate) is_local_random_off: bool,
    pub(crate) default_limits: BTreeMap<Rank, DefaultLimits>,
    pub(crate) default_policies: BTreeMap<Rank, DefaultPolicy>,
    pub(crate) default_users: BTreeMap<String, DefaultUser>,
}

/// The limits of new vhosts with such names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DefaultLimits {
    pub(crate) pattern: String,
    pub(crate) limits: VhostLimits,
}

/// An operator policy of new vhosts with such names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DefaultPolicy {
    pub(crate) vhosts: String,
    pub(crate) policy: Policy,
}

/// Who may do what in new vhosts with such names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DefaultUser {
    pub(crate) name: Name,
    pub(crate) vhosts: String,
    /// None: nobody can log in as this user.
    pub(crate) password: Option<Secret>,
    pub(crate) tags: Vec<String>,
    pub(crate) permissions: Permissions,
}

impl Metadata {
    /// The same for the broker. `salt` gives random bytes for each password.
    ///
    /// # Errors
    /// When a pattern is none: the keys have been checked before.
    pub(crate) fn node_rules(&self, mut salt: impl FnMut() -> [u8; 4]) -> Result<NodeRules, InvalidPattern> {
        let mut new_vhosts = NewVhosts::default();
        for DefaultLimits { pattern, limits } in self.default_limits.values() {
            new_vhosts.limits.push((Pattern::parse(pattern)?, *limits));
        }
        let says_something = |of: &&DefaultPolicy| !of.policy.definition.is_empty();
        for DefaultPolicy { vhosts, policy } in self.default_policies.values().filter(says_something) {
            new_vhosts.policies.push((Pattern::parse(vhosts)?, policy.clone()));
        }
        for user in self.default_users.values() {
            let password = match &user.password {
                Some(password) => PasswordHash::of(password, salt()),
                None => PasswordHash::disabled(),
            };
            new_vhosts.users.push((Pattern::parse(&user.vhosts)?, user.new_user(password)));
        }
        Ok(NodeRules {
            default_queue_type: self.default_queue_type,
            vhosts_max: self.vhosts_max,
            queues_max: self.queues_max,
            exchanges_max: self.exchanges_max,
            parameters_max: self.parameters_max.clone(),
            quorum_passes_for_classic: self.quorum_passes_for_classic,
            queue_types_off: self.queue_types_off.clone(),
            is_local_random_off: self.is_local_random_off,
            new_vhosts,
        })
    }
}

impl DefaultUser {
    fn new_user(&self, password: PasswordHash) -> NewUser {
        let Permissions { configure, write, read } = self.permissions.clone();
        NewUser {
            name: self.name.clone(),
            password,
            tags: self.tags.iter().filter_map(|tag| Name::parse(tag).ok()).collect(),
            permissions: PermissionPatterns { configure, write, read },
        }
    }
}
