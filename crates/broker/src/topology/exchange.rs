//! Exchanges: what is known of one, declaring and deleting.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use model::{
    Name, Refusal, Table, Value,
    command::{DeclareExchange, Destination},
    refusal::{Named, Property, Resource},
};

use super::{BindingRecord, Entry, Meta, QueueId, QueueKind, QueueRecord, Topology, Vhost};
use crate::{
    argument::{QueueArguments, assert_equivalent, assert_same_argument},
    counts::ExchangeCounts,
    route::{Kind, kind::Index},
};

pub(super) const ALTERNATE: &str = "alternate-exchange";
/// What the names of the broker's own queues and exchanges begin with.
pub(super) const RESERVED_PREFIX: &str = "amq.";

/// What is known of an exchange.
#[derive(Clone, PartialEq, Debug)]
pub struct ExchangeRecord {
    /// Its name.
    pub name: Name,
    /// The vhost it is in.
    pub vhost: Name,
    /// Its type.
    pub kind: Kind,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with the last binding that starts from it.
    pub auto_delete: bool,
    /// Takes messages from other exchanges only.
    pub internal: bool,
    /// As declared.
    pub arguments: Table,
    /// Where messages wait that the exchange delays, if it is of the type that does. Nobody else can name it: it is not
    /// among the queues of the vhost.
    pub delay_queue: Option<Arc<QueueRecord>>,
    /// When it was made.
    pub meta: Meta,
}

impl ExchangeRecord {
    /// The queue of an exchange that delays messages.
    pub(super) fn delayed_in(&self, id: QueueId) -> QueueRecord {
        QueueRecord {
            id,
            name: self.name.clone(),
            vhost: self.vhost.clone(),
            durable: self.durable,
            auto_delete: false,
            exclusive_owner: None,
            kind: QueueKind::Delay,
            arguments: QueueArguments::default(),
            raw_arguments: Table::default(),
            meta: self.meta,
        }
    }

    /// The alternate exchange that it was declared with.
    pub fn alternate(&self) -> Option<Name> {
        Name::parse(self.arguments.get(ALTERNATE)?.as_text()?).ok()
    }
}

/// An exchange with its bindings.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) record: Arc<ExchangeRecord>,
    /// Moves when what it routes to may have changed.
    pub(crate) epoch: Arc<AtomicU64>,
    /// The bindings, for routing.
    pub(crate) index: Box<dyn Index>,
    /// Where unroutable messages go: by argument or policy.
    pub(crate) alternate: Option<Name>,
    pub(crate) counts: Arc<ExchangeCounts>,
    /// The bindings that start here.
    pub(super) outgoing: BTreeSet<Arc<BindingRecord>>,
}

impl Exchange {
    pub(super) fn new(record: Arc<ExchangeRecord>, alternate: Option<Name>) -> Self {
        let index = record.kind.index(&record);
        Self {
            record,
            epoch: Arc::default(),
            index,
            alternate,
            counts: Arc::default(),
            outgoing: BTreeSet::new(),
        }
    }

    pub(super) fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }
}

impl Topology {
    /// An exchange by name.
    ///
    /// # Errors
    /// When there is none such; the default exchange (`""`) is not to be asked for by name.
    pub fn exchange(&self, vhost: &Name, name: &Name) -> Result<&Arc<ExchangeRecord>, Refusal> {
        let vhost = self.vhost_or_refuse(vhost)?;
        if name.is_empty() {
            return Err(Refusal::DefaultExchange);
        }
        match vhost.exchanges.get(name) {
            Some(exchange) => Ok(&exchange.record),
            None => Err(vhost.not_found(Resource::Exchange, name)),
        }
    }

    /// What the default exchange of a vhost has counted.
    pub(crate) fn default_exchange_counts(&self, vhost: &str) -> Option<Arc<ExchangeCounts>> {
        Some(Arc::clone(self.vhost(vhost)?.counts_of("")?))
    }

    /// What the exchanges of a vhost have counted, the default one (`""`) first.
    pub fn counted_exchanges(&self, vhost: &str) -> impl Iterator<Item = (Name, &Arc<ExchangeCounts>)> {
        self.vhost(vhost).into_iter().flat_map(|vhost| {
            let default = vhost.counts_of("").map(|counts| (Name::default(), counts));
            let others = vhost.exchanges.values();
            default.into_iter().chain(others.map(|exchange| (exchange.record.name.clone(), &exchange.counts)))
        })
    }

    /// What an exchange has counted, the default one (`""`) included.
    pub fn exchange_counts(&self, vhost: &str, name: &str) -> Option<&Arc<ExchangeCounts>> {
        self.vhost(vhost)?.counts_of(name)
    }

    /// Whether a client may publish to an exchange, the default one (`""`) included.
    ///
    /// # Errors
    /// When there is none such, or only other exchanges may.
    pub fn publishable(&self, vhost: &Name, name: &Name) -> Result<(), Refusal> {
        if name.is_empty() {
            return self.vhost_or_refuse(vhost).map(|_| ());
        }
        let record = self.exchange(vhost, name)?;
        if record.internal {
            let named = Named { resource: Resource::Exchange, name: name.clone(), vhost: vhost.clone() };
            return Err(Refusal::InternalExchange(named));
        }
        Ok(())
    }

    /// Whether anything is bound to an exchange.
    pub(crate) fn is_bound(&self, vhost: &str, exchange: &str) -> bool {
        let exchange = self.vhost(vhost).and_then(|vhost| vhost.exchanges.get(exchange));
        exchange.is_some_and(|exchange| !exchange.outgoing.is_empty())
    }

    /// How many exchanges a vhost has beside the default one.
    pub fn exchange_count(&self, vhost: &str) -> usize {
        self.vhost(vhost).map_or(0, |vhost| vhost.exchanges.len())
    }

    /// How many queues a vhost has.
    pub fn queue_count(&self, vhost: &str) -> usize {
        self.vhost(vhost).map_or(0, |vhost| vhost.queues.len())
    }

    /// All exchanges of a vhost but the default one, by name.
    pub fn exchanges(&self, vhost: &str) -> impl Iterator<Item = &Arc<ExchangeRecord>> {
        self.vhost(vhost)
            .into_iter()
            .flat_map(|vhost| vhost.exchanges.values().map(|exchange| &exchange.record))
    }

    /// Makes an exchange, unless it exists just so.
    ///
    /// # Errors
    /// When it exists otherwise, or must not.
    pub fn declare_exchange(&self, vhost: &Name, wish: &DeclareExchange) -> Result<Option<Entry>, Refusal> {
        let kind = Kind::parse(&wish.kind)
            .filter(|kind| self.has_exchange_type(*kind))
            .ok_or_else(|| Refusal::UnknownExchangeType { kind: wish.kind.clone() })?;
        let vhost = self.vhost_or_refuse(vhost)?;
        let name = &wish.exchange;
        if name.is_empty() {
            return Err(Refusal::DefaultExchange);
        }
        if let Some(exchange) = vhost.exchanges.get(name) {
            assert_equivalent_exchange(vhost, &exchange.record, kind, wish)?;
            return Ok(None);
        }
        if name.starts_with(RESERVED_PREFIX) {
            return Err(Refusal::ReservedName { resource: Resource::Exchange, name: name.clone() });
        }
        check_alternate(vhost, wish)?;
        kind.check_exchange(&wish.arguments)?;
        self.check_exchange_limit(|| vhost.named(Resource::Exchange, name))?;
        Ok(Some(Entry::CreateExchange {
            vhost: vhost.settings.name.clone(),
            name: name.clone(),
            kind,
            durable: wish.durable,
            auto_delete: wish.auto_delete,
            internal: wish.internal,
            arguments: wish.arguments.clone(),
            delay_queue: None,
        }))
    }

    /// Deletes an exchange; None if there is none such (RabbitMQ: that succeeds).
    ///
    /// # Errors
    /// When it is the broker's own, or in use and was not to be deleted then.
    pub fn delete_exchange(
        &self,
        vhost: &Name,
        name: &Name,
        if_unused: bool,
    ) -> Result<Option<Entry>, Refusal> {
        let vhost = self.vhost_or_refuse(vhost)?;
        if name.is_empty() {
            return Err(Refusal::DefaultExchange);
        }
        if name.starts_with(RESERVED_PREFIX) {
            return Err(Refusal::SystemExchange(vhost.named(Resource::Exchange, name)));
        }
        let Some(exchange) = vhost.exchanges.get(name) else { return Ok(None) };
        if if_unused && !exchange.outgoing.is_empty() {
            return Err(Refusal::InUse(vhost.named(Resource::Exchange, name)));
        }
        let incoming = vhost.bindings_to(Destination::Exchange, name);
        Ok(Some(Entry::DeleteExchange {
            vhost: vhost.settings.name.clone(),
            name: name.clone(),
            auto_deleted: vhost.auto_deleted_with(incoming, Some(name)),
        }))
    }
}

/// Any text will do: one that names no exchange leads nowhere.
fn check_alternate(vhost: &Vhost, wish: &DeclareExchange) -> Result<(), Refusal> {
    match wish.arguments.get(ALTERNATE) {
        None | Some(Value::Text(_)) => Ok(()),
        Some(other) => Err(Refusal::InvalidArgumentType {
            argument: Name::parse(ALTERNATE).unwrap_or_default(),
            named: vhost.named(Resource::Exchange, &wish.exchange),
            found: other.type_word(),
        }),
    }
}

fn assert_equivalent_exchange(
    vhost: &Vhost,
    record: &ExchangeRecord,
    kind: Kind,
    wish: &DeclareExchange,
) -> Result<(), Refusal> {
    let named = || vhost.named(Resource::Exchange, &record.name);
    if kind != record.kind {
        return Err(Refusal::Inequivalent {
            argument: Name::parse("type").unwrap_or_default(),
            named: named(),
            received: Property::Kind(kind.name().to_owned()),
            current: Property::Kind(record.kind.name().to_owned()),
        });
    }
    assert_equivalent("durable", named, wish.durable, record.durable)?;
    assert_equivalent("auto_delete", named, wish.auto_delete, record.auto_delete)?;
    assert_equivalent("internal", named, wish.internal, record.internal)?;
    let value = |arguments: &Table| -> Option<Value> { arguments.get(ALTERNATE).cloned() };
    assert_same_argument(ALTERNATE, named, value(&wish.arguments).as_ref(), value(&record.arguments).as_ref())
}
