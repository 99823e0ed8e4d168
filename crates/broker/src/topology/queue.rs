//! Queues: what is known of one, declaring and deleting. Its messages are not here.

use std::sync::Arc;

use model::{
    Name, Refusal, Table, Value,
    command::{DeclareQueue, Destination},
    refusal::Resource,
};
use serde::{Deserialize, Serialize};

use super::{Entry, ExchangeRecord, Fact, Meta, Topology, Vhost, exchange::RESERVED_PREFIX};
use crate::argument::{
    QUEUE_TYPE, QueueArguments, assert_equivalent, assert_equivalent_arguments, assert_similar_arguments,
    check_stream_sizes,
};

/// A connection to this node, as long as the node runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

/// A queue, and the log of its messages of priority 0. Never given to another queue, not even after a restart.
///
/// ```text
/// durable:    0 | level:8 | counter:55                 (from 1; counts on in the metadata log)
/// transient:  1 | level:8 | start:15 | counter:40      (start: how often the node was started)
/// ```
/// The level is 0 in the id itself; the logs of its higher priorities have it set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueueId(pub u64);

impl QueueId {
    const TRANSIENT: u64 = 1 << 63;
    const LEVEL_AT: u32 = 55;
    const START_BITS: u32 = 15;
    const COUNTER_BITS: u32 = 40;

    /// Whether nothing of the queue survives a restart.
    pub fn is_transient(self) -> bool {
        self.0 & Self::TRANSIENT != 0
    }

    /// The log of the messages of priority `level`.
    pub(crate) fn level(self, level: u8) -> u64 {
        self.0 | (u64::from(level) << Self::LEVEL_AT)
    }

    /// The queue and the priority whose messages are in `log`.
    pub fn of_log(log: u64) -> (Self, u8) {
        let level = u8::try_from((log >> Self::LEVEL_AT) & 0xff).unwrap_or_default();
        (Self(log & !(0xff << Self::LEVEL_AT)), level)
    }

    fn transient(start: u64, counter: u64) -> Self {
        let start = start & ((1 << Self::START_BITS) - 1);
        let counter = counter & ((1 << Self::COUNTER_BITS) - 1);
        Self(Self::TRANSIENT | (start << Self::COUNTER_BITS) | counter)
    }
}

/// A queue type that exists here.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueKind {
    /// Messages on one node.
    #[default]
    Classic,
    /// Messages on a quorum of nodes: durable, all of them persistent, with a limit to how often one is delivered.
    Quorum,
    /// A log of messages that are read and not taken.
    Stream,
    /// Messages that wait in an exchange, which nobody declares: see [`ExchangeRecord::delay_queue`].
    #[serde(skip)]
    Delay,
}

impl QueueKind {
    /// Its name in `x-queue-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
            Self::Delay => "delay",
        }
    }

    /// What RabbitMQ calls it in errors.
    pub fn module(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
            Self::Stream => "rabbit_stream_queue",
            Self::Delay => "rabbit_delayed_message",
        }
    }

    /// Reads the value of `x-queue-type`.
    pub fn parse(word: &[u8]) -> Option<Self> {
        [Self::Classic, Self::Quorum, Self::Stream].into_iter().find(|kind| kind.name().as_bytes() == word)
    }
}

/// What is known of a queue.
#[derive(Clone, PartialEq, Debug)]
pub struct QueueRecord {
    /// The queue's id, and that of its log.
    pub id: QueueId,
    /// Its name.
    pub name: Name,
    /// The vhost it is in.
    pub vhost: Name,
    /// Survives a restart. Never so if it is exclusive.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The connection that alone may use it, and that it ends with.
    pub exclusive_owner: Option<ConnectionId>,
    /// Its type.
    pub kind: QueueKind,
    /// The arguments that mean something.
    pub arguments: QueueArguments,
    /// All arguments as declared, and `x-queue-type`.
    pub raw_arguments: Table,
    /// When it was made.
    pub meta: Meta,
}

/// The answer to a declaration.
#[derive(Clone, Debug)]
pub enum Declared {
    /// The queue exists just so.
    Exists(Arc<QueueRecord>),
    /// It is to be made.
    Create(Entry),
}

impl Topology {
    /// All queues of all vhosts.
    pub fn queues(&self) -> impl Iterator<Item = &Arc<QueueRecord>> {
        self.vhosts.values().flat_map(|vhost| vhost.queues.values())
    }

    /// All queues of a vhost, by name.
    pub fn queues_of(&self, vhost: &str) -> impl Iterator<Item = &Arc<QueueRecord>> {
        self.vhost(vhost).into_iter().flat_map(|vhost| vhost.queues.values())
    }

    /// A queue by name, whoever it belongs to.
    pub fn find_queue(&self, vhost: &str, name: &str) -> Option<&Arc<QueueRecord>> {
        self.vhost(vhost)?.queues.get(name)
    }

    /// A queue by name, for `connection` to use.
    ///
    /// # Errors
    /// When there is none such, or it is exclusive to another connection.
    pub fn queue(
        &self,
        vhost: &Name,
        name: &Name,
        connection: ConnectionId,
    ) -> Result<Arc<QueueRecord>, Refusal> {
        self.vhost_or_refuse(vhost)?.usable_queue(name, connection).cloned()
    }

    /// Makes a queue, unless it exists just so.
    ///
    /// `is_server_named`: the broker made the name up, so it may begin with `amq.`.
    ///
    /// # Errors
    /// When it exists otherwise, or must not.
    pub fn declare_queue(
        &self,
        vhost: &Name,
        wish: &DeclareQueue,
        connection: ConnectionId,
        is_server_named: bool,
    ) -> Result<Declared, Refusal> {
        let vhost = self.vhost_or_refuse(vhost)?;
        let name = &wish.queue;
        // RabbitMQ: also when the queue exists, since a client cannot have made it.
        if name.starts_with(RESERVED_PREFIX) && !is_server_named {
            return Err(Refusal::ReservedName { resource: Resource::Queue, name: name.clone() });
        }
        let arguments = with_queue_type(wish, self.default_queue_type(&vhost.settings));
        if let Some(record) = vhost.queues.get(name) {
            if self.passes_for_classic(record, &arguments) {
                assert_similar_arguments(
                    || vhost.named(Resource::Queue, name),
                    &arguments,
                    &record.raw_arguments,
                )?;
            } else {
                assert_equivalent_queue(vhost, record, wish, &arguments, connection)?;
            }
            return Ok(Declared::Exists(Arc::clone(record)));
        }
        let parsed = QueueArguments::parse(&arguments, || vhost.named(Resource::Queue, name))?;
        self.check_queue_type(parsed.kind)?;
        if matches!(parsed.kind, QueueKind::Quorum | QueueKind::Stream) {
            check_replicated(parsed.kind, vhost, wish, is_server_named)?;
        }
        if let Some(queues_max) = vhost.limits.max_queues
            && vhost.queues.len() as u64 >= queues_max
        {
            return Err(Refusal::QueueLimit {
                queue: name.clone(),
                vhost: vhost.settings.name.clone(),
                queues_max,
            });
        }
        self.check_queue_limit(name)?;
        Ok(Declared::Create(Entry::CreateQueue {
            id: None,
            vhost: vhost.settings.name.clone(),
            name: name.clone(),
            durable: wish.durable && !wish.exclusive,
            auto_delete: wish.auto_delete,
            exclusive_owner: wish.exclusive.then_some(connection),
            kind: parsed.kind,
            arguments,
        }))
    }

    /// Whether a declaration of a classic queue is taken for one of this quorum queue.
    fn passes_for_classic(&self, record: &QueueRecord, arguments: &Table) -> bool {
        self.node_rules.quorum_passes_for_classic
            && record.kind == QueueKind::Quorum
            && arguments.get(QUEUE_TYPE) == Some(&Value::text(QueueKind::Classic.name()))
    }

    /// Deletes a queue, with its bindings and the exchanges that go with them.
    pub fn delete_queue(&self, vhost: &Name, record: &QueueRecord) -> Entry {
        let auto_deleted = self.vhost(vhost).map(|vhost| {
            let incoming = vhost.bindings_to(Destination::Queue, &record.name);
            vhost.auto_deleted_with(incoming, None)
        });
        Entry::DeleteQueue {
            vhost: vhost.clone(),
            name: record.name.clone(),
            id: record.id,
            auto_deleted: auto_deleted.unwrap_or_default(),
        }
    }

    /// The id of a queue that is made now.
    pub(super) fn next_queue_id(&mut self, given: Option<QueueId>, durable: bool) -> QueueId {
        if let Some(id) = given.filter(|id| !id.is_transient()) {
            self.last_queue = self.last_queue.max(id.0);
            return id;
        }
        if durable {
            self.last_queue = self.last_queue.saturating_add(1);
            return QueueId(self.last_queue);
        }
        self.last_transient_queue = self.last_transient_queue.saturating_add(1);
        QueueId::transient(self.starts, self.last_transient_queue)
    }

    pub(super) fn add_exchange(
        &mut self,
        mut record: ExchangeRecord,
        delay_queue: Option<QueueId>,
        out: &mut Vec<Fact>,
    ) {
        let is_new =
            self.vhost(&record.vhost).is_some_and(|vhost| !vhost.exchanges.contains_key(&record.name));
        if is_new && record.kind.delays() {
            let id = self.next_queue_id(delay_queue, record.durable);
            record.delay_queue = Some(Arc::new(record.delayed_in(id)));
        }
        if let Some(vhost) = self.vhosts.get_mut(&record.vhost) {
            vhost.add_exchange(record, out);
        }
    }

    /// The queues in which exchanges delay messages.
    pub(crate) fn delay_queues(&self) -> impl Iterator<Item = &Arc<QueueRecord>> {
        let exchanges = self.vhosts.values().flat_map(|vhost| vhost.exchanges.values());
        exchanges.filter_map(|exchange| exchange.record.delay_queue.as_ref())
    }

    pub(super) fn add_queue(&mut self, mut record: QueueRecord, given: Option<QueueId>, out: &mut Vec<Fact>) {
        if self.find_queue(&record.vhost, &record.name).is_some() || self.vhost(&record.vhost).is_none() {
            return;
        }
        record.id = self.next_queue_id(given, record.durable);
        let record = Arc::new(record);
        if let Some(vhost) = self.vhosts.get_mut(&record.vhost) {
            vhost.queues.insert(record.name.clone(), Arc::clone(&record));
            out.push(Fact::QueueCreated(record));
        }
    }
}

impl Vhost {
    pub(super) fn usable_queue(
        &self,
        name: &Name,
        connection: ConnectionId,
    ) -> Result<&Arc<QueueRecord>, Refusal> {
        let record = self.queues.get(name).ok_or_else(|| self.not_found(Resource::Queue, name))?;
        match record.exclusive_owner {
            Some(owner) if owner != connection => Err(Refusal::Locked(self.named(Resource::Queue, name))),
            _ => Ok(record),
        }
    }
}

/// RabbitMQ 4 stores a type with every queue, so that one declared with and one declared without compare equal. The vhost's
/// default is for queues that can be of any type.
fn with_queue_type(wish: &DeclareQueue, default: QueueKind) -> Table {
    let mut arguments = wish.arguments.clone();
    if arguments.get(QUEUE_TYPE).is_none() {
        let can_be_any = wish.durable && !wish.exclusive && !wish.auto_delete;
        let default = if can_be_any { default } else { QueueKind::default() };
        arguments.push(QUEUE_TYPE, Value::text(default.name()));
    }
    arguments
}

/// Refuses what a quorum queue or a stream cannot be.
fn check_replicated(
    kind: QueueKind,
    vhost: &Vhost,
    wish: &DeclareQueue,
    is_server_named: bool,
) -> Result<(), Refusal> {
    if is_server_named {
        return Err(Refusal::ServerNamed { queue_type: kind.module() });
    }
    for (property, is_wrong) in [
        ("auto-delete", wish.auto_delete),
        ("exclusive-owner", wish.exclusive),
        ("non-durable", !wish.durable),
    ] {
        if is_wrong {
            return Err(Refusal::InvalidProperty {
                property,
                named: vhost.named(Resource::Queue, &wish.queue),
            });
        }
    }
    if kind == QueueKind::Stream { check_stream_sizes(&wish.arguments) } else { Ok(()) }
}

fn assert_equivalent_queue(
    vhost: &Vhost,
    record: &QueueRecord,
    wish: &DeclareQueue,
    arguments: &Table,
    connection: ConnectionId,
) -> Result<(), Refusal> {
    let named = || vhost.named(Resource::Queue, &record.name);
    if record.exclusive_owner != wish.exclusive.then_some(connection) {
        return Err(Refusal::Locked(named()));
    }
    assert_equivalent("durable", named, wish.durable && !wish.exclusive, record.durable)?;
    assert_equivalent("auto_delete", named, wish.auto_delete, record.auto_delete)?;
    assert_equivalent_arguments(named, arguments, &record.raw_arguments)
}
