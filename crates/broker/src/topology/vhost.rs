//! A vhost: its exchanges, queues, bindings, policies and parameters, and how they leave together.
//!
//! Invariants: a binding is in the set of its source and in that of its destination, or in neither; both ends exist; the
//! default exchange is not among `exchanges` and its bindings are implicit.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use model::{
    Name, Refusal, Table,
    command::Destination,
    refusal::{Named, Resource},
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    BindingRecord, Entry, Exchange, ExchangeRecord, Fact, Invalid, Meta, QueueRecord, Topology,
    limit::VhostLimits,
    policy::{AppliedPolicy, Policies, PolicySide},
};
use crate::{
    counts::ExchangeCounts,
    route::{Kind, target::Target},
};

/// What is said of a vhost.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VhostSettings {
    /// Its name.
    pub name: Name,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Name>,
    /// The type of queues that are declared without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_queue_type: Option<super::QueueKind>,
    /// Cannot be deleted.
    #[serde(default)]
    pub protected: bool,
    /// Messages are copied to `amq.rabbitmq.trace`.
    #[serde(default)]
    pub tracing: bool,
}

impl VhostSettings {
    /// Nothing but the name.
    pub fn new(name: Name) -> Self {
        Self {
            name,
            description: String::new(),
            tags: Vec::new(),
            default_queue_type: None,
            protected: false,
            tracing: false,
        }
    }
}

/// The exchanges that every vhost has: name, type, internal.
const PREDECLARED: [(&str, Kind, bool); 6] = [
    ("amq.direct", Kind::DIRECT, false),
    ("amq.fanout", Kind::FANOUT, false),
    ("amq.headers", Kind::HEADERS, false),
    ("amq.match", Kind::HEADERS, false),
    ("amq.rabbitmq.trace", Kind::TOPIC, true),
    ("amq.topic", Kind::TOPIC, false),
];

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Vhost {
    pub(super) settings: VhostSettings,
    pub(super) meta: Meta,
    pub(super) limits: VhostLimits,
    /// What its settings say of tracing, for its connections.
    pub(super) is_traced: Arc<AtomicBool>,
    /// Moves when an exchange is made: who looked for one in vain depends on it.
    pub(crate) created: Arc<AtomicU64>,
    pub(crate) exchanges: BTreeMap<Name, Exchange>,
    /// Of the default exchange.
    default_counts: Arc<ExchangeCounts>,
    pub(crate) queues: BTreeMap<Name, Arc<QueueRecord>>,
    incoming: BTreeMap<(Destination, Name), BTreeSet<Arc<BindingRecord>>>,
    pub(super) policies: Policies,
    /// By component and name.
    pub(super) parameters: BTreeMap<(Name, Name), Json>,
}

impl Vhost {
    /// What an exchange has counted.
    pub(crate) fn counts_of(&self, exchange: &str) -> Option<&Arc<ExchangeCounts>> {
        if exchange.is_empty() {
            return Some(&self.default_counts);
        }
        self.exchanges.get(exchange).map(|exchange| &exchange.counts)
    }

    pub(super) fn new(settings: VhostSettings, meta: Meta, out: &mut Vec<Fact>) -> Self {
        let mut vhost = Self {
            is_traced: Arc::new(settings.tracing.into()),
            settings,
            meta,
            limits: VhostLimits::default(),
            created: Arc::default(),
            exchanges: BTreeMap::new(),
            default_counts: Arc::default(),
            queues: BTreeMap::new(),
            incoming: BTreeMap::new(),
            policies: Policies::default(),
            parameters: BTreeMap::new(),
        };
        out.push(Fact::VhostCreated { vhost: vhost.settings.name.clone() });
        for (name, kind, internal) in PREDECLARED {
            vhost.add_exchange(
                ExchangeRecord {
                    name: Name::parse(name).unwrap_or_default(),
                    vhost: vhost.settings.name.clone(),
                    kind,
                    durable: true,
                    auto_delete: false,
                    internal,
                    arguments: Table::default(),
                    delay_queue: None,
                    meta,
                },
                out,
            );
        }
        vhost
    }

    pub(super) fn is_predeclared(name: &str) -> bool {
        PREDECLARED.iter().any(|(predeclared, ..)| *predeclared == name)
    }

    pub(super) fn named(&self, resource: Resource, name: &Name) -> Named {
        Named { resource, name: name.clone(), vhost: self.settings.name.clone() }
    }

    pub(super) fn not_found(&self, resource: Resource, name: &Name) -> Refusal {
        Refusal::NotFound(self.named(resource, name))
    }

    /// All bindings to a queue or exchange but the implicit ones, in order of their source.
    pub(super) fn bindings_to(
        &self,
        kind: Destination,
        name: &Name,
    ) -> impl Iterator<Item = &Arc<BindingRecord>> {
        self.incoming.get(&(kind, name.clone())).into_iter().flatten()
    }

    /// What a binding's destination is called in routing; None if it does not exist.
    fn target(&self, binding: &BindingRecord) -> Option<Target> {
        match binding.destination_kind {
            Destination::Queue => self.queues.get(&binding.destination).map(|queue| Target::Queue(queue.id)),
            Destination::Exchange => self
                .exchanges
                .contains_key(&binding.destination)
                .then(|| Target::Exchange(binding.destination.clone())),
        }
    }

    /// Whether both ends of a binding exist and are durable.
    pub(super) fn has_durable_ends(&self, binding: &BindingRecord) -> bool {
        let source = self.exchanges.get(&binding.source).is_some_and(|exchange| exchange.record.durable);
        source
            && match binding.destination_kind {
                Destination::Queue => {
                    self.queues.get(&binding.destination).is_some_and(|queue| queue.durable)
                }
                Destination::Exchange => {
                    self.exchanges.get(&binding.destination).is_some_and(|exchange| exchange.record.durable)
                }
            }
    }

    pub(super) fn add_exchange(&mut self, record: ExchangeRecord, out: &mut Vec<Fact>) {
        if record.name.is_empty() || self.exchanges.contains_key(&record.name) {
            return;
        }
        let record = Arc::new(record);
        let alternate = self.alternate_of(&record);
        self.exchanges.insert(record.name.clone(), Exchange::new(Arc::clone(&record), alternate));
        self.created.fetch_add(1, Ordering::Release);
        out.push(Fact::ExchangeCreated(record));
    }

    /// The alternate exchange: the argument, else what a policy says.
    fn alternate_of(&self, record: &ExchangeRecord) -> Option<Name> {
        // Operators cannot set one.
        let of_policy = || {
            let policy = self.policies.matching(PolicySide::User, AppliedPolicy::Exchange, &record.name)?;
            Name::parse(policy.definition.get("alternate-exchange")?.as_str()?).ok()
        };
        // RabbitMQ: the default exchange is nobody's alternate.
        record.alternate().or_else(of_policy).filter(|alternate| !alternate.is_empty())
    }

    /// Policies have changed: so may have alternate exchanges.
    pub(super) fn refresh_alternates(&mut self) {
        let mut changed = Vec::new();
        for (name, exchange) in &self.exchanges {
            let alternate = self.alternate_of(&exchange.record);
            if alternate != exchange.alternate {
                changed.push((name.clone(), alternate));
            }
        }
        for (name, alternate) in changed {
            if let Some(exchange) = self.exchanges.get_mut(&name) {
                exchange.alternate = alternate;
                exchange.changed();
            }
        }
    }

    pub(super) fn add_binding(&mut self, mut binding: BindingRecord, meta: Meta, out: &mut Vec<Fact>) {
        let Some(target) = self.target(&binding) else { return };
        binding.durable = self.has_durable_ends(&binding);
        binding.meta = meta;
        let Some(exchange) = self.exchanges.get_mut(&binding.source) else { return };
        if exchange.outgoing.contains(&binding) {
            return;
        }
        let binding = Arc::new(binding);
        exchange.index.insert(&binding, target);
        exchange.outgoing.insert(Arc::clone(&binding));
        exchange.changed();
        let messages = exchange.index.history();
        let end = (binding.destination_kind, binding.destination.clone());
        self.incoming.entry(end).or_default().insert(Arc::clone(&binding));
        let vhost = self.settings.name.clone();
        out.push(Fact::Bound { vhost: vhost.clone(), binding: Arc::clone(&binding) });
        if !messages.is_empty() {
            out.push(Fact::HistoryDue { vhost, binding, messages });
        }
    }

    /// Removes a binding, and its source if that wants to go with its last one.
    pub(super) fn remove_binding(&mut self, binding: &BindingRecord, out: &mut Vec<Fact>) {
        let Some(target) = self.target(binding) else { return };
        let end = (binding.destination_kind, binding.destination.clone());
        if let Some(set) = self.incoming.get_mut(&end) {
            set.remove(binding);
            if set.is_empty() {
                self.incoming.remove(&end);
            }
        }
        let mut orphans = Vec::new();
        self.detach(binding, &target, &mut orphans, out);
        self.remove_orphans(orphans, out);
    }

    /// Takes a binding away from its source; the source is an orphan if it wants to go with its last binding.
    ///
    /// Not if it is durable: on replay the bindings that are not durable are missing, so that what is its last one cannot
    /// be told. The entry names the durable ones that go: see [`Vhost::remove_auto_deleted`].
    fn detach(
        &mut self,
        binding: &BindingRecord,
        target: &Target,
        orphans: &mut Vec<Name>,
        out: &mut Vec<Fact>,
    ) {
        let Some(exchange) = self.exchanges.get_mut(&binding.source) else { return };
        let Some(binding) = exchange.outgoing.take(binding) else { return };
        exchange.index.remove(&binding, target);
        exchange.changed();
        let record = &exchange.record;
        if record.auto_delete && !record.durable && exchange.outgoing.is_empty() {
            orphans.push(binding.source.clone());
        }
        out.push(Fact::Unbound { vhost: self.settings.name.clone(), binding });
    }

    pub(super) fn remove_queue(&mut self, name: &Name, out: &mut Vec<Fact>) {
        let Some(record) = self.queues.remove(name) else { return };
        let mut orphans = Vec::new();
        let target = Target::Queue(record.id);
        for binding in self.incoming.remove(&(Destination::Queue, name.clone())).unwrap_or_default() {
            self.detach(&binding, &target, &mut orphans, out);
        }
        out.push(Fact::QueueDeleted(record));
        self.remove_orphans(orphans, out);
    }

    pub(super) fn remove_exchange(&mut self, name: &Name, out: &mut Vec<Fact>) {
        self.remove_orphans(vec![name.clone()], out);
    }

    /// Removes exchanges, and those that go because of it: a list, not recursion, since chains may be long.
    fn remove_orphans(&mut self, mut orphans: Vec<Name>, out: &mut Vec<Fact>) {
        while let Some(name) = orphans.pop() {
            let Some(exchange) = self.exchanges.remove(&name) else { continue };
            exchange.changed();
            for binding in exchange.outgoing {
                let end = (binding.destination_kind, binding.destination.clone());
                if let Some(set) = self.incoming.get_mut(&end) {
                    set.remove(&binding);
                    if set.is_empty() {
                        self.incoming.remove(&end);
                    }
                }
                out.push(Fact::Unbound { vhost: self.settings.name.clone(), binding });
            }
            let target = Target::Exchange(name.clone());
            for binding in self.incoming.remove(&(Destination::Exchange, name)).unwrap_or_default() {
                self.detach(&binding, &target, &mut orphans, out);
            }
            out.push(Fact::ExchangeDeleted(exchange.record));
        }
    }

    /// Removes the durable exchanges that an entry says go with it: those of them that have no binding left.
    pub(super) fn remove_auto_deleted(&mut self, names: Vec<Name>, out: &mut Vec<Fact>) {
        for name in names {
            let is_due = |exchange: &Exchange| exchange.record.auto_delete && exchange.outgoing.is_empty();
            if self.exchanges.get(&name).is_some_and(is_due) {
                self.remove_exchange(&name, out);
            }
        }
    }

    /// The durable exchanges that would go if `removed` did.
    pub(super) fn auto_deleted_with<'a>(
        &'a self,
        removed: impl Iterator<Item = &'a Arc<BindingRecord>>,
        but: Option<&Name>,
    ) -> Vec<Name> {
        let mut gone: BTreeSet<Name> = but.cloned().into_iter().collect();
        let mut lost: BTreeMap<&Name, usize> = BTreeMap::new();
        let mut auto_deleted = Vec::new();
        let mut bindings: Vec<&Arc<BindingRecord>> = removed.collect();
        while let Some(binding) = bindings.pop() {
            let Some(exchange) = self.exchanges.get(&binding.source) else { continue };
            let count = lost.entry(&binding.source).or_default();
            *count = count.saturating_add(1);
            if !exchange.record.auto_delete
                || *count < exchange.outgoing.len()
                || gone.contains(&binding.source)
            {
                continue;
            }
            gone.insert(binding.source.clone());
            if exchange.record.durable {
                auto_deleted.push(binding.source.clone());
            }
            // A binding of the exchange to itself is among those that it lost already.
            let incoming = self.bindings_to(Destination::Exchange, &binding.source);
            bindings.extend(incoming.filter(|other| other.source != binding.source));
        }
        auto_deleted
    }

    /// Everything goes, with a fact for each queue and exchange.
    pub(super) fn clear(mut self, out: &mut Vec<Fact>) {
        for record in std::mem::take(&mut self.queues).into_values() {
            out.push(Fact::QueueDeleted(record));
        }
        for exchange in std::mem::take(&mut self.exchanges).into_values() {
            exchange.changed();
            out.push(Fact::ExchangeDeleted(exchange.record));
        }
        self.created.fetch_add(1, Ordering::Release);
        out.push(Fact::VhostDeleted { vhost: self.settings.name });
    }
}

impl Topology {
    /// The names of all vhosts.
    pub fn vhosts(&self) -> impl Iterator<Item = &VhostSettings> {
        self.vhosts.values().map(|vhost| &vhost.settings)
    }

    /// Makes a vhost or changes its settings.
    ///
    /// # Errors
    /// When the name is empty, or the node may have no more vhosts.
    pub fn set_vhost(&self, settings: VhostSettings) -> Result<Entry, Invalid> {
        if settings.name.is_empty() {
            return Err(Invalid::EmptyName);
        }
        if self.vhost(&settings.name).is_none() {
            self.check_vhost_limit(&settings.name)?;
        }
        Ok(Entry::SetVhost(settings))
    }

    /// Deletes a vhost with all that is in it.
    ///
    /// # Errors
    /// When there is none such, or it is protected.
    pub fn delete_vhost(&self, name: &Name) -> Result<Entry, Invalid> {
        let vhost = self.vhost(name).ok_or_else(|| Invalid::NoVhost { vhost: name.clone() })?;
        if vhost.settings.protected {
            return Err(Invalid::Protected { vhost: name.clone() });
        }
        Ok(Entry::DeleteVhost { name: name.clone() })
    }

    /// The limits of a vhost; none if it does not exist.
    pub fn vhost_limits(&self, vhost: &str) -> VhostLimits {
        self.vhost(vhost).map_or_else(VhostLimits::default, |vhost| vhost.limits)
    }

    /// Replaces the limits of a vhost.
    ///
    /// # Errors
    /// When there is none such.
    pub fn set_vhost_limits(&self, vhost: &Name, limits: VhostLimits) -> Result<Entry, Invalid> {
        self.vhost(vhost).ok_or_else(|| Invalid::NoVhost { vhost: vhost.clone() })?;
        Ok(Entry::SetVhostLimits { vhost: vhost.clone(), limits })
    }

    /// Whether messages of the vhost are to be copied to `amq.rabbitmq.trace`, now and whenever that changes.
    pub(crate) fn tracing_of(&self, vhost: &str) -> Arc<AtomicBool> {
        self.vhost(vhost).map_or_else(Arc::default, |vhost| Arc::clone(&vhost.is_traced))
    }

    pub(super) fn apply_vhost(&mut self, meta: Meta, settings: VhostSettings, out: &mut Vec<Fact>) {
        match self.vhosts.get_mut(&settings.name) {
            Some(vhost) => {
                vhost.is_traced.store(settings.tracing, Ordering::Relaxed);
                vhost.settings = settings;
            }
            None => {
                self.vhosts.insert(settings.name.clone(), Vhost::new(settings, meta, out));
                self.permissions_changed();
            }
        }
    }

    pub(super) fn apply_vhost_deletion(&mut self, name: &Name, out: &mut Vec<Fact>) {
        let Some(vhost) = self.vhosts.remove(name) else { return };
        vhost.clear(out);
        self.permissions.retain(|(_, vhost), _| vhost != name);
        self.topic_permissions.retain(|(_, vhost, _), _| vhost != name);
        self.permissions_changed();
    }
}
