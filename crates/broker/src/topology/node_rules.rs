//! What the node's configuration says about its metadata: limits of the whole, and what a new vhost begins with.
//!
//! No part of the log: it may be another one at the next start, and what it made then stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::{Name, Refusal, refusal::Named};

use super::{
    Entry, Invalid, Policy, PolicySide, QueueKind, SnapshotError, Topology, VhostLimits, VhostSettings,
    permission::PermissionPatterns,
};
use crate::access::{password::PasswordHash, pattern::Pattern};
use crate::route::Kind;

/// See the module's documentation. Where a limit is None there is none.
#[derive(Default, Debug)]
pub struct NodeRules {
    /// `default_queue_type`: of queues that can be of any type and name none, where their vhost has no default.
    pub default_queue_type: QueueKind,
    /// `vhost_max`
    pub vhosts_max: Option<u64>,
    /// `cluster_queue_limit`
    pub queues_max: Option<u64>,
    /// `cluster_exchange_limit`, the predeclared ones included.
    pub exchanges_max: Option<u64>,
    /// `runtime_parameters.limits.$component`
    pub parameters_max: BTreeMap<Name, u64>,
    /// `quorum_queue.property_equivalence.relaxed_checks_on_redeclaration`: whether a quorum queue may be declared again
    /// as if it were a classic one.
    pub quorum_passes_for_classic: bool,
    /// `queue_types.$type.enabled = false`: no further queues of these types are declared.
    pub queue_types_off: Vec<QueueKind>,
    /// `exchange_types.local_random.enabled = false`: no further exchanges of the type `x-local-random` are declared.
    pub is_local_random_off: bool,
    /// What a new vhost begins with.
    pub new_vhosts: NewVhosts,
}

/// What a new vhost begins with, each with a pattern for its name.
#[derive(Default, Debug)]
pub struct NewVhosts {
    /// `default_limits.vhosts`: the first that matches.
    pub limits: Vec<(Pattern, VhostLimits)>,
    /// `default_policies.operator`: all that match.
    pub policies: Vec<(Pattern, Policy)>,
    /// `default_users`: all that match.
    pub users: Vec<(Pattern, NewUser)>,
}

/// A user who may do something in new vhosts, and is made if there is none of the name.
#[derive(Debug)]
pub struct NewUser {
    /// The name.
    pub name: Name,
    /// The password, salted and hashed.
    pub password: PasswordHash,
    /// The tags.
    pub tags: Vec<Name>,
    /// What the user may do in the vhost.
    pub permissions: PermissionPatterns,
}

impl NewVhosts {
    /// What follows the entry that makes this vhost. `has_user` says who is there already.
    fn entries(&self, vhost: &Name, has_user: &mut dyn FnMut(&Name) -> bool) -> Vec<Entry> {
        let mut entries = Vec::new();
        if let Some((_, limits)) = self.limits.iter().find(|(pattern, _)| pattern.is_match(vhost)) {
            entries.push(Entry::SetVhostLimits { vhost: vhost.clone(), limits: *limits });
        }
        for (_, policy) in self.policies.iter().filter(|(pattern, _)| pattern.is_match(vhost)) {
            let (side, policy) = (PolicySide::Operator, policy.clone());
            entries.push(Entry::SetPolicy { vhost: vhost.clone(), side, policy });
        }
        for (_, user) in self.users.iter().filter(|(pattern, _)| pattern.is_match(vhost)) {
            let NewUser { name, password, tags, permissions } = user;
            if !has_user(name) {
                let (password, tags) = (password.clone(), tags.clone());
                entries.push(Entry::SetUser { name: name.clone(), password, tags });
            }
            entries.push(Entry::SetPermissions {
                user: name.clone(),
                vhost: vhost.clone(),
                patterns: permissions.clone(),
            });
        }
        entries
    }
}

impl Topology {
    /// Takes over what the configuration says.
    pub(crate) fn set_node_rules(&mut self, rules: Arc<NodeRules>) {
        self.node_rules = rules;
    }

    /// A topology to try things out in: like this one after a restart, under the same configuration.
    ///
    /// # Errors
    /// When it cannot be read back, which would be a mistake of the broker's own.
    pub fn trial(&self) -> Result<Self, SnapshotError> {
        let mut trial = Self::from_snapshot(&self.snapshot())?;
        trial.node_rules = Arc::clone(&self.node_rules);
        Ok(trial)
    }

    /// The type of queues that can be of any and name none.
    pub fn default_queue_type(&self, vhost: &VhostSettings) -> QueueKind {
        vhost.default_queue_type.unwrap_or(self.node_rules.default_queue_type)
    }

    /// The same entries, those that make a vhost followed by what it begins with.
    pub(crate) fn with_beginnings(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut made: BTreeSet<Name> = BTreeSet::new();
        let mut all = Vec::with_capacity(entries.len());
        for entry in entries {
            let vhost = match &entry {
                Entry::SetVhost(settings) if self.vhost(&settings.name).is_none() => {
                    Some(settings.name.clone())
                }
                Entry::SetUser { name, .. } => {
                    made.insert(name.clone());
                    None
                }
                _ => None,
            };
            all.push(entry);
            let mut has_user = |name: &Name| self.user(name).is_some() || !made.insert(name.clone());
            if let Some(vhost) = vhost {
                all.append(&mut self.node_rules.new_vhosts.entries(&vhost, &mut has_user));
            }
        }
        all
    }

    /// Refuses one vhost more than the node may have.
    pub(super) fn check_vhost_limit(&self, vhost: &Name) -> Result<(), Invalid> {
        match self.node_rules.vhosts_max {
            Some(vhosts_max) if self.vhosts.len() as u64 >= vhosts_max => {
                Err(Invalid::VhostLimit { vhost: vhost.clone(), vhosts_max })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a queue of a type that is switched off.
    pub(super) fn check_queue_type(&self, kind: QueueKind) -> Result<(), Refusal> {
        if self.node_rules.queue_types_off.contains(&kind) {
            let reason = format!("queues of type '{}' are disabled on this node", kind.name());
            return Err(Refusal::InvalidQueue { reason });
        }
        Ok(())
    }

    /// Whether exchanges of a type can be declared.
    pub(super) fn has_exchange_type(&self, kind: Kind) -> bool {
        !(self.node_rules.is_local_random_off && kind.is_local_random())
    }

    /// Refuses one queue more than the node may have.
    pub(super) fn check_queue_limit(&self, queue: &Name) -> Result<(), Refusal> {
        let Some(queues_max) = self.node_rules.queues_max else { return Ok(()) };
        let count: u64 = self.vhosts.values().map(|vhost| vhost.queues.len() as u64).sum();
        if count >= queues_max {
            return Err(Refusal::NodeQueueLimit { queue: queue.clone(), queues_max });
        }
        Ok(())
    }

    /// Refuses one exchange more than the node may have.
    pub(super) fn check_exchange_limit(&self, exchange: impl FnOnce() -> Named) -> Result<(), Refusal> {
        let Some(exchanges_max) = self.node_rules.exchanges_max else { return Ok(()) };
        // RabbitMQ counts the default exchange of each vhost too.
        let count: u64 = self.vhosts.values().map(|vhost| vhost.exchanges.len() as u64 + 1).sum();
        if count >= exchanges_max {
            return Err(Refusal::ExchangeLimit { named: exchange(), exchanges_max });
        }
        Ok(())
    }

    /// Refuses one parameter more of a component than there may be in all vhosts.
    pub(super) fn check_parameter_limit(&self, component: &Name) -> Result<(), Invalid> {
        let Some(parameters_max) = self.node_rules.parameters_max.get(component).copied() else {
            return Ok(());
        };
        let parameters = self.vhosts.values().flat_map(|vhost| vhost.parameters.keys());
        if parameters.filter(|(of, _)| of == component).count() as u64 >= parameters_max {
            return Err(Invalid::ParameterLimit { component: component.clone(), parameters_max });
        }
        Ok(())
    }
}
