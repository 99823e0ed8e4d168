//! Bindings: what one is, making and removing.

use std::{cmp::Ordering, sync::Arc};

use model::{
    Name, Refusal, Table,
    command::{Binding, Destination},
    refusal::Resource,
};

use super::{ConnectionId, Entry, Meta, Topology, Vhost};

/// A binding. What it is called does not exist: it is its ends, its key and its arguments.
#[derive(Clone, Debug)]
pub struct BindingRecord {
    /// The exchange it starts from.
    pub source: Name,
    /// What it leads to.
    pub destination_kind: Destination,
    /// The queue or exchange.
    pub destination: Name,
    /// The binding key.
    pub routing_key: Name,
    /// In the order of their names.
    pub arguments: Table,
    /// Both ends are: it survives a restart.
    pub durable: bool,
    /// When it was made: bindings of an exchange have an order.
    pub meta: Meta,
    /// Key and arguments, encoded.
    identity: Box<[u8]>,
}

impl BindingRecord {
    pub(crate) fn new(
        source: Name,
        destination_kind: Destination,
        destination: Name,
        routing_key: Name,
        mut arguments: Table,
    ) -> Self {
        // The sort is stable: fields of the same name keep their order.
        arguments.0.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut identity = routing_key.as_bytes().to_vec();
        identity.push(0);
        arguments.encode_fields(&mut identity);
        Self {
            source,
            destination_kind,
            destination,
            routing_key,
            arguments,
            durable: false,
            meta: Meta::default(),
            identity: identity.into(),
        }
    }

    fn wished(binding: &Binding) -> Self {
        Self::new(
            binding.source.clone(),
            binding.destination_kind,
            binding.destination.clone(),
            binding.routing_key.clone(),
            binding.arguments.clone(),
        )
    }

    /// Key and arguments together: the same for the same, nothing else.
    pub(crate) fn identity(&self) -> &[u8] {
        &self.identity
    }

    fn order(&self) -> (&Name, Destination, &Name, &[u8]) {
        (&self.source, self.destination_kind, &self.destination, &self.identity)
    }
}

impl PartialEq for BindingRecord {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for BindingRecord {}

impl PartialOrd for BindingRecord {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BindingRecord {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl Topology {
    /// Makes a binding, unless it exists.
    ///
    /// # Errors
    /// When an end does not exist, is not to be bound or not to be used by `connection`, or the type of the exchange does
    /// not take such a binding.
    pub fn bind(
        &self,
        vhost: &Name,
        binding: &Binding,
        connection: ConnectionId,
    ) -> Result<Option<Entry>, Refusal> {
        let vhost = self.vhost_or_refuse(vhost)?;
        refuse_default(binding)?;
        let Some(source) = vhost.exchanges.get(&binding.source) else {
            return Err(vhost.not_found(Resource::Exchange, &binding.source));
        };
        let queue_kind = match binding.destination_kind {
            Destination::Queue => Some(vhost.usable_queue(&binding.destination, connection)?.kind),
            Destination::Exchange if !vhost.exchanges.contains_key(&binding.destination) => {
                return Err(vhost.not_found(Resource::Exchange, &binding.destination));
            }
            Destination::Exchange => None,
        };
        let record = BindingRecord::wished(binding);
        source.record.kind.routes_as(&source.record.arguments).check_binding(&record, queue_kind)?;
        if source.outgoing.contains(&record) {
            return Ok(None);
        }
        Ok(Some(Entry::Bind {
            vhost: vhost.settings.name.clone(),
            source: record.source,
            destination_kind: record.destination_kind.into(),
            destination: record.destination,
            routing_key: record.routing_key,
            arguments: record.arguments,
        }))
    }

    /// Removes a binding; None if there is none such (RabbitMQ: that succeeds, whatever else is missing).
    ///
    /// # Errors
    /// When the default exchange is named, or the queue is exclusive to another connection.
    pub fn unbind(
        &self,
        vhost: &Name,
        binding: &Binding,
        connection: ConnectionId,
    ) -> Result<Option<Entry>, Refusal> {
        let vhost = self.vhost_or_refuse(vhost)?;
        refuse_default(binding)?;
        let record = BindingRecord::wished(binding);
        let source = vhost.exchanges.get(&record.source);
        let Some(bound) = source.and_then(|source| source.outgoing.get(&record)) else { return Ok(None) };
        if record.destination_kind == Destination::Queue {
            vhost.usable_queue(&record.destination, connection)?;
        }
        let auto_deleted = vhost.auto_deleted_with(std::iter::once(bound), None);
        Ok(Some(Entry::Unbind {
            vhost: vhost.settings.name.clone(),
            source: record.source,
            destination_kind: record.destination_kind.into(),
            destination: record.destination,
            routing_key: record.routing_key,
            arguments: record.arguments,
            auto_deleted,
        }))
    }

    /// All bindings of a vhost but the implicit ones.
    pub fn bindings(&self, vhost: &str) -> impl Iterator<Item = &Arc<BindingRecord>> {
        self.vhost(vhost)
            .into_iter()
            .flat_map(|vhost| vhost.exchanges.values().flat_map(|exchange| &exchange.outgoing))
    }

    /// The bindings to a queue or exchange but the implicit one.
    pub fn bindings_to(
        &self,
        vhost: &str,
        kind: Destination,
        name: &Name,
    ) -> impl Iterator<Item = &Arc<BindingRecord>> {
        self.vhost(vhost).into_iter().flat_map(move |vhost| vhost.bindings_to(kind, name))
    }

    /// The bindings that the default exchange has to every queue of a vhost, by their names.
    pub fn default_bindings(&self, vhost: &str) -> impl Iterator<Item = BindingRecord> {
        self.queues_of(vhost).map(|queue| BindingRecord {
            durable: queue.durable,
            ..BindingRecord::new(
                Name::default(),
                Destination::Queue,
                queue.name.clone(),
                queue.name.clone(),
                Table::default(),
            )
        })
    }
}

fn refuse_default(binding: &Binding) -> Result<(), Refusal> {
    let is_default = binding.source.is_empty()
        || (binding.destination_kind == Destination::Exchange && binding.destination.is_empty());
    if is_default { Err(Refusal::DefaultExchange) } else { Ok(()) }
}

impl Vhost {
    /// Whether a binding is there and survives a restart.
    pub(super) fn has_durable(&self, record: &BindingRecord) -> bool {
        let source = self.exchanges.get(&record.source);
        source.and_then(|source| source.outgoing.get(record)).is_some_and(|bound| bound.durable)
    }
}
