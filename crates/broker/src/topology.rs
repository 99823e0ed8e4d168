//! The metadata of a node: vhosts, users, permissions, exchanges, queues, bindings, policies, parameters.
//!
//! A deterministic machine over a log. A wish is checked by a method that only reads and says which [`Entry`] is to be
//! applied; [`Topology::apply`] never refuses: an entry that no longer fits (its vhost is gone, its queue exists) changes
//! nothing. It knows no clock and no randomness.
//!
//! ```text
//! wish ─ declare_queue(…) → Refusal, or nothing to do, or Entry ─ (log) ─ apply → Facts
//! ```
//!
//! Durable entries are logged and are in [snapshots](Topology::snapshot); what is not durable (exclusive and transient
//! queues, transient exchanges, bindings that touch one of them) is applied only: see [`Topology::is_durable`].
//! Invariant: replaying the durable entries of a log gives the durable part of what all of them give. Where something not
//! durable takes a durable exchange with it (`auto_delete`), its entry names the exchange and counts as durable. That
//! list is made under the lock of the one writer; an entry that was made beside another one could miss an exchange.
//!
//! Readers keep what they looked up as long as an epoch stands still: of an exchange for routes
//! ([`route`](crate::route)), of the permissions for grants ([`access`](crate::access)). Messages are not here.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
};

use model::{Name, Refusal};
use serde_json::Value as Json;

mod binding;
mod entry;
mod exchange;
mod fact;
mod first;
mod invalid;
mod limit;
mod node_rules;
mod parameter;
pub(crate) mod permission;
mod policy;
mod queue;
mod snapshot;
mod stored;
mod user;
mod vhost;

pub use binding::BindingRecord;
pub use entry::{Entry, Meta, StoredDestination};
pub(crate) use exchange::Exchange;
pub use exchange::ExchangeRecord;
pub use fact::Fact;
pub use first::First;
pub use invalid::Invalid;
pub use limit::{UserLimits, VhostLimits};
pub use node_rules::{NewUser, NewVhosts, NodeRules};
pub use permission::{PermissionPatterns, TopicPatterns};
pub use policy::{AppliedPolicy, ApplyTo, Policy, PolicySide};
pub use queue::{ConnectionId, Declared, QueueId, QueueKind, QueueRecord};
pub use snapshot::SnapshotError;
pub use user::UserRecord;
pub(crate) use vhost::Vhost;
pub use vhost::VhostSettings;

use crate::{access::pattern::Patterns, argument::QueueArguments};
use permission::Permissions;

/// See the module's documentation.
#[derive(Default, Debug)]
pub struct Topology {
    vhosts: BTreeMap<Name, Vhost>,
    users: BTreeMap<Name, UserRecord>,
    /// By user and vhost.
    permissions: BTreeMap<(Name, Name), Permissions>,
    /// By user, vhost and exchange.
    topic_permissions: BTreeMap<(Name, Name, Name), TopicPatterns>,
    global_parameters: BTreeMap<Name, Json>,
    /// How often the node was started, this time included.
    starts: u64,
    /// The last id of a durable queue.
    last_queue: u64,
    /// The last counter of a transient queue since the start.
    last_transient_queue: u64,
    permission_epoch: Arc<AtomicU64>,
    patterns: Patterns,
    /// What the node's configuration says.
    node_rules: Arc<NodeRules>,
}

impl Topology {
    /// Nothing at all, not even a vhost.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing was ever set up: neither a vhost nor a user.
    pub fn is_empty(&self) -> bool {
        self.vhosts.is_empty() && self.users.is_empty()
    }

    /// A vhost by name.
    pub(crate) fn vhost(&self, name: &str) -> Option<&Vhost> {
        self.vhosts.get(name)
    }

    fn vhost_or_refuse(&self, name: &Name) -> Result<&Vhost, Refusal> {
        self.vhosts.get(name).ok_or_else(|| Refusal::VhostNotFound { vhost: name.clone() })
    }

    /// Whether `entry` changes anything that survives a restart: then it belongs into the log, before it is applied.
    pub fn is_durable(&self, entry: &Entry) -> bool {
        match entry {
            Entry::CreateExchange { durable, .. } => *durable,
            Entry::CreateQueue { durable, exclusive_owner, .. } => *durable && exclusive_owner.is_none(),
            Entry::DeleteQueue { id, auto_deleted, .. } => !id.is_transient() || !auto_deleted.is_empty(),
            Entry::DeleteExchange { vhost, name, auto_deleted } => {
                let exchange = self.vhost(vhost).and_then(|vhost| vhost.exchanges.get(name));
                exchange.is_some_and(|exchange| exchange.record.durable) || !auto_deleted.is_empty()
            }
            Entry::Bind { vhost, .. } => {
                let ends = |vhost: &Vhost, binding: &BindingRecord| vhost.has_durable_ends(binding);
                binding_of(entry)
                    .is_some_and(|binding| self.vhost(vhost).is_some_and(|vhost| ends(vhost, &binding)))
            }
            Entry::Unbind { vhost, auto_deleted, .. } => {
                let is_there = |vhost: &Vhost, binding: &BindingRecord| vhost.has_durable(binding);
                let binding = binding_of(entry);
                !auto_deleted.is_empty()
                    || binding.is_some_and(|b| self.vhost(vhost).is_some_and(|vhost| is_there(vhost, &b)))
            }
            Entry::Started
            | Entry::SetVhost(_)
            | Entry::DeleteVhost { .. }
            | Entry::SetVhostLimits { .. }
            | Entry::SetUser { .. }
            | Entry::DeleteUser { .. }
            | Entry::SetUserLimits { .. }
            | Entry::SetPermissions { .. }
            | Entry::ClearPermissions { .. }
            | Entry::SetTopicPermissions { .. }
            | Entry::ClearTopicPermissions { .. }
            | Entry::SetPolicy { .. }
            | Entry::ClearPolicy { .. }
            | Entry::SetParameter { .. }
            | Entry::ClearParameter { .. }
            | Entry::SetGlobalParameter { .. }
            | Entry::ClearGlobalParameter { .. } => true,
        }
    }

    /// Carries out an entry; what came of it is added to `out`.
    pub fn apply(&mut self, meta: Meta, entry: Entry, out: &mut Vec<Fact>) {
        match entry {
            Entry::Started => {
                self.starts = self.starts.saturating_add(1);
                self.last_transient_queue = 0;
            }
            Entry::SetVhost(settings) => self.apply_vhost(meta, settings, out),
            Entry::DeleteVhost { name } => self.apply_vhost_deletion(&name, out),
            Entry::SetVhostLimits { vhost, limits } => {
                if let Some(found) = self.vhosts.get_mut(&vhost) {
                    found.limits = limits;
                    out.push(Fact::PoliciesChanged { vhost });
                }
            }
            Entry::SetUser { name, password, tags } => self.apply_user(meta, name, password, tags, out),
            Entry::DeleteUser { name } => self.apply_user_deletion(name, out),
            Entry::SetUserLimits { user, limits } => self.apply_user_limits(user, limits, out),
            Entry::SetPermissions { user, vhost, patterns } => {
                self.apply_permissions(user, vhost, patterns, out)
            }
            Entry::ClearPermissions { user, vhost } => self.apply_permissions_cleared(user, vhost, out),
            Entry::SetTopicPermissions { user, vhost, exchange, patterns } => {
                self.apply_topic_permissions(user, vhost, exchange, patterns, out);
            }
            Entry::ClearTopicPermissions { user, vhost, exchange } => {
                self.apply_topic_permissions_cleared(user, vhost, exchange.as_ref(), out);
            }
            Entry::SetPolicy { vhost, side, policy } => self.apply_policy(vhost, side, policy, out),
            Entry::ClearPolicy { vhost, side, name } => self.apply_policy_cleared(vhost, side, &name, out),
            Entry::SetParameter { vhost, component, name, value } => {
                self.apply_parameter(vhost, component, name, Some(value), out);
            }
            Entry::ClearParameter { vhost, component, name } => {
                self.apply_parameter(vhost, component, name, None, out);
            }
            Entry::SetGlobalParameter { name, value } => self.apply_global_parameter(name, Some(value), out),
            Entry::ClearGlobalParameter { name } => self.apply_global_parameter(name, None, out),
            entry @ (Entry::CreateExchange { .. }
            | Entry::DeleteExchange { .. }
            | Entry::CreateQueue { .. }
            | Entry::DeleteQueue { .. }
            | Entry::Bind { .. }
            | Entry::Unbind { .. }) => self.apply_in_vhost(meta, entry, out),
        }
    }

    /// The part of [`Topology::apply`] for exchanges, queues and bindings.
    fn apply_in_vhost(&mut self, meta: Meta, entry: Entry, out: &mut Vec<Fact>) {
        let binding = binding_of(&entry);
        match entry {
            entry @ Entry::CreateExchange { .. } => {
                if let Some((record, delay_queue)) = exchange_of(meta, entry) {
                    self.add_exchange(record, delay_queue, out);
                }
            }
            Entry::DeleteExchange { vhost, name, auto_deleted } => {
                if let Some(vhost) = self.vhosts.get_mut(&vhost) {
                    vhost.remove_exchange(&name, out);
                    vhost.remove_auto_deleted(auto_deleted, out);
                }
            }
            Entry::CreateQueue {
                id,
                vhost,
                name,
                durable,
                auto_delete,
                exclusive_owner,
                kind,
                arguments,
            } => {
                let record = QueueRecord {
                    id: QueueId(0),
                    name,
                    vhost,
                    durable: durable && exclusive_owner.is_none(),
                    auto_delete,
                    exclusive_owner,
                    kind,
                    arguments: QueueArguments::lenient(&arguments),
                    raw_arguments: arguments,
                    meta,
                };
                self.add_queue(record, id, out);
            }
            Entry::DeleteQueue { vhost, name, id, auto_deleted } => {
                if let Some(vhost) = self.vhosts.get_mut(&vhost) {
                    if vhost.queues.get(&name).is_some_and(|record| record.id == id) {
                        vhost.remove_queue(&name, out);
                    }
                    vhost.remove_auto_deleted(auto_deleted, out);
                }
            }
            Entry::Bind { vhost, .. } => {
                if let (Some(vhost), Some(binding)) = (self.vhosts.get_mut(&vhost), binding) {
                    vhost.add_binding(binding, meta, out);
                }
            }
            Entry::Unbind { vhost, auto_deleted, .. } => {
                if let (Some(vhost), Some(binding)) = (self.vhosts.get_mut(&vhost), binding) {
                    vhost.remove_binding(&binding, out);
                    vhost.remove_auto_deleted(auto_deleted, out);
                }
            }
            other => debug_assert!(false, "not an entry of a vhost: {other:?}"),
        }
    }
}

/// The exchange that an entry makes, and the id of the queue in which its messages wait, if it has one already.
fn exchange_of(meta: Meta, entry: Entry) -> Option<(ExchangeRecord, Option<QueueId>)> {
    let Entry::CreateExchange {
        vhost,
        name,
        kind,
        durable,
        auto_delete,
        internal,
        arguments,
        delay_queue: id,
    } = entry
    else {
        return None;
    };
    let delay_queue = None;
    let record =
        ExchangeRecord { name, vhost, kind, durable, auto_delete, internal, arguments, delay_queue, meta };
    Some((record, id))
}

/// The binding that an entry makes or removes.
fn binding_of(entry: &Entry) -> Option<BindingRecord> {
    match entry {
        Entry::Bind { source, destination_kind, destination, routing_key, arguments, .. }
        | Entry::Unbind { source, destination_kind, destination, routing_key, arguments, .. } => {
            Some(BindingRecord::new(
                source.clone(),
                (*destination_kind).into(),
                destination.clone(),
                routing_key.clone(),
                arguments.clone(),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
