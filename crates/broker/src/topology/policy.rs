//! Policies: settings for all queues and exchanges whose names match, of users and of operators.
//!
//! Here they are kept, checked and found. What they mean for a queue is `queue::rules`.

use std::collections::BTreeMap;

use model::Name;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Entry, Fact, Invalid, QueueKind, QueueRecord, Topology};
use crate::{access::pattern::Pattern, queue::Rules};

mod key;

/// Nesting of JSON values beyond this is refused: what was written to the log must be readable.
pub(super) const JSON_DEPTH_MAX: u32 = 64;

/// Whose policy it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicySide {
    /// Of whoever may set policies in the vhost.
    User,
    /// Of the operators, to limit those of users.
    Operator,
}

/// What a policy is for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplyTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Queues of all types.
    Queues,
    /// Exchanges.
    Exchanges,
    /// Queues of one type.
    ClassicQueues,
    /// Queues of one type.
    QuorumQueues,
    /// Queues of one type.
    Streams,
}

/// What a policy is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppliedPolicy {
    /// An exchange.
    Exchange,
    /// A queue of this type.
    Queue(QueueKind),
}

impl ApplyTo {
    /// The word of the HTTP API.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "all" => Self::All,
            "queues" => Self::Queues,
            "exchanges" => Self::Exchanges,
            "classic_queues" => Self::ClassicQueues,
            "quorum_queues" => Self::QuorumQueues,
            "streams" => Self::Streams,
            _ => return None,
        })
    }

    /// The word of the HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Queues => "queues",
            Self::Exchanges => "exchanges",
            Self::ClassicQueues => "classic_queues",
            Self::QuorumQueues => "quorum_queues",
            Self::Streams => "streams",
        }
    }

    fn includes(self, what: AppliedPolicy) -> bool {
        match (self, what) {
            (Self::All, _)
            | (Self::Exchanges, AppliedPolicy::Exchange)
            | (Self::Queues, AppliedPolicy::Queue(_))
            | (Self::ClassicQueues, AppliedPolicy::Queue(QueueKind::Classic))
            | (Self::QuorumQueues, AppliedPolicy::Queue(QueueKind::Quorum))
            | (Self::Streams, AppliedPolicy::Queue(QueueKind::Stream)) => true,
            (
                Self::Exchanges | Self::ClassicQueues | Self::QuorumQueues | Self::Streams,
                AppliedPolicy::Queue(_),
            )
            | (
                Self::Queues | Self::ClassicQueues | Self::QuorumQueues | Self::Streams,
                AppliedPolicy::Exchange,
            ) => false,
        }
    }
}

/// A policy.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name.
    pub name: Name,
    /// A regular expression for names.
    pub pattern: String,
    /// For which of them.
    #[serde(default)]
    pub apply_to: ApplyTo,
    /// The highest one counts.
    pub priority: i64,
    /// The settings.
    pub definition: Map<String, Json>,
}

impl Policy {
    /// RabbitMQ: one with a setting that the queue's type cannot have does not apply, and hides no other.
    fn is_for(&self, what: AppliedPolicy) -> bool {
        let is_of_type = match what {
            AppliedPolicy::Exchange => true,
            AppliedPolicy::Queue(kind) => self.definition.keys().all(|setting| key::is_for(kind, setting)),
        };
        is_of_type && self.apply_to.includes(what)
    }
}

/// The policies of a vhost.
#[derive(Default, Debug)]
pub(super) struct Policies {
    user: BTreeMap<Name, Compiled>,
    operator: BTreeMap<Name, Compiled>,
}

#[derive(Debug)]
struct Compiled {
    policy: Policy,
    pattern: Pattern,
}

impl Policies {
    fn side(&self, side: PolicySide) -> &BTreeMap<Name, Compiled> {
        match side {
            PolicySide::User => &self.user,
            PolicySide::Operator => &self.operator,
        }
    }

    fn side_mut(&mut self, side: PolicySide) -> &mut BTreeMap<Name, Compiled> {
        match side {
            PolicySide::User => &mut self.user,
            PolicySide::Operator => &mut self.operator,
        }
    }

    pub(super) fn iter(&self, side: PolicySide) -> impl Iterator<Item = &Policy> {
        self.side(side).values().map(|compiled| &compiled.policy)
    }

    /// The one that applies: of the highest priority, and of those the first by name.
    pub(super) fn matching(&self, side: PolicySide, what: AppliedPolicy, name: &str) -> Option<&Policy> {
        let mut best: Option<&Policy> = None;
        for Compiled { policy, pattern } in self.side(side).values() {
            let is_better = best.is_none_or(|best| policy.priority > best.priority);
            if is_better && policy.is_for(what) && pattern.is_match(name) {
                best = Some(policy);
            }
        }
        best
    }
}

impl Topology {
    /// The policies of a vhost, by name.
    pub fn policies(&self, vhost: &str, side: PolicySide) -> impl Iterator<Item = &Policy> {
        self.vhost(vhost).into_iter().flat_map(move |vhost| vhost.policies.iter(side))
    }

    /// The policy that applies to a queue or exchange.
    pub fn policy_of(
        &self,
        vhost: &str,
        side: PolicySide,
        what: AppliedPolicy,
        name: &str,
    ) -> Option<&Policy> {
        self.vhost(vhost)?.policies.matching(side, what, name)
    }

    /// What a queue lives by: its arguments and the policies that apply to it.
    pub fn rules_of(&self, record: &QueueRecord) -> Rules {
        if record.kind == QueueKind::Delay {
            return Rules::of_delay(&record.name);
        }
        let what = AppliedPolicy::Queue(record.kind);
        let policy = |side| self.policy_of(&record.vhost, side, what, &record.name);
        Rules::new(&record.arguments, policy(PolicySide::User), policy(PolicySide::Operator))
    }

    /// Makes a policy or changes it.
    ///
    /// # Errors
    /// When the vhost does not exist, the pattern is none, or a setting is not known or not valid.
    pub fn set_policy(&self, vhost: &Name, side: PolicySide, policy: Policy) -> Result<Entry, Invalid> {
        self.vhost(vhost).ok_or_else(|| Invalid::NoVhost { vhost: vhost.clone() })?;
        if policy.name.is_empty() {
            return Err(Invalid::EmptyName);
        }
        Pattern::parse(&policy.pattern)?;
        if policy.definition.is_empty() {
            return Err(Invalid::EmptyPolicy);
        }
        for (key, value) in &policy.definition {
            check_depth(value, JSON_DEPTH_MAX)?;
            key::check(side, key, value)?;
        }
        if policy.definition.keys().filter(|key| key.starts_with("federation-upstream")).count() > 1 {
            return Err(Invalid::Upstreams);
        }
        Ok(Entry::SetPolicy { vhost: vhost.clone(), side, policy })
    }

    /// Deletes a policy.
    ///
    /// # Errors
    /// When there is none such.
    pub fn clear_policy(&self, vhost: &Name, side: PolicySide, name: &Name) -> Result<Entry, Invalid> {
        let found = self.vhost(vhost).ok_or_else(|| Invalid::NoVhost { vhost: vhost.clone() })?;
        if !found.policies.side(side).contains_key(name) {
            return Err(Invalid::NotFound { name: name.clone() });
        }
        Ok(Entry::ClearPolicy { vhost: vhost.clone(), side, name: name.clone() })
    }

    pub(super) fn apply_policy(
        &mut self,
        vhost: Name,
        side: PolicySide,
        policy: Policy,
        out: &mut Vec<Fact>,
    ) {
        let Some(found) = self.vhosts.get_mut(&vhost) else { return };
        let pattern = Pattern::lenient(&policy.pattern);
        found.policies.side_mut(side).insert(policy.name.clone(), Compiled { policy, pattern });
        found.refresh_alternates();
        out.push(Fact::PoliciesChanged { vhost });
    }

    pub(super) fn apply_policy_cleared(
        &mut self,
        vhost: Name,
        side: PolicySide,
        name: &Name,
        out: &mut Vec<Fact>,
    ) {
        let Some(found) = self.vhosts.get_mut(&vhost) else { return };
        if found.policies.side_mut(side).remove(name).is_some() {
            found.refresh_alternates();
            out.push(Fact::PoliciesChanged { vhost });
        }
    }
}

/// Refuses JSON that is nested deeper than `depth`.
pub(super) fn check_depth(value: &Json, depth: u32) -> Result<(), Invalid> {
    let depth = depth.checked_sub(1).ok_or(Invalid::TooDeep)?;
    match value {
        Json::Array(items) => items.iter().try_for_each(|item| check_depth(item, depth)),
        Json::Object(fields) => fields.values().try_for_each(|field| check_depth(field, depth)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Ok(()),
    }
}
