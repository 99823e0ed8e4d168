//! A topology with a vhost and users, to which wishes are put as a broker does: check, stage, apply.

use model::{
    Name, Refusal, Table, Value,
    command::{Binding, DeclareExchange, DeclareQueue, Destination},
};

use crate::topology::{ConnectionId, Declared, Entry, Fact, First, Invalid, Meta, QueueRecord, Topology};

pub(crate) const ME: ConnectionId = ConnectionId(1);
pub(crate) const OTHER: ConnectionId = ConnectionId(2);

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn table(fields: &[(&str, Value)]) -> Table {
    Table(fields.iter().map(|(field, value)| (name(field), value.clone())).collect())
}

pub(crate) fn exchange(name_: &str, kind: &str) -> DeclareExchange {
    DeclareExchange {
        exchange: name(name_),
        kind: name(kind),
        passive: false,
        durable: false,
        auto_delete: false,
        internal: false,
        nowait: false,
        arguments: Table::default(),
    }
}

pub(crate) fn queue(name_: &str) -> DeclareQueue {
    DeclareQueue {
        queue: name(name_),
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: Table::default(),
    }
}

pub(crate) fn to_queue(source: &str, queue: &str, key: &str) -> Binding {
    Binding {
        source: name(source),
        destination_kind: Destination::Queue,
        destination: name(queue),
        routing_key: name(key),
        nowait: false,
        arguments: Table::default(),
    }
}

pub(crate) fn to_exchange(source: &str, exchange: &str, key: &str) -> Binding {
    Binding { destination_kind: Destination::Exchange, ..to_queue(source, exchange, key) }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) topology: Topology,
    /// The durable entries, as they would stand in the log.
    pub(crate) log: Vec<(Meta, Entry)>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) now_ms: u64,
}

impl World {
    /// With user `guest` and vhost `/`.
    pub(crate) fn new() -> Self {
        let mut world = Self { topology: Topology::new(), log: Vec::new(), facts: Vec::new(), now_ms: 1000 };
        world.apply(Entry::Started);
        for entry in Topology::first_entries(First::guest(), [1, 2, 3, 4]) {
            world.apply(entry);
        }
        world.facts.clear();
        world
    }

    pub(crate) fn apply(&mut self, entry: Entry) {
        self.now_ms += 1;
        let meta = Meta { index: self.log.len() as u64 + 1, now_ms: self.now_ms };
        if self.topology.is_durable(&entry) {
            self.log.push((meta, entry.clone()));
        }
        self.topology.apply(meta, entry, &mut self.facts);
    }

    fn settle(&mut self, wish: Result<Option<Entry>, Refusal>) -> Result<bool, Refusal> {
        let entry = wish?;
        let is_new = entry.is_some();
        if let Some(entry) = entry {
            self.apply(entry);
        }
        Ok(is_new)
    }

    /// Carries out an operator's wish.
    pub(crate) fn operate(
        &mut self,
        wish: impl FnOnce(&Topology) -> Result<Entry, Invalid>,
    ) -> Result<(), Invalid> {
        let entry = wish(&self.topology)?;
        self.apply(entry);
        Ok(())
    }

    pub(crate) fn declare_exchange(&mut self, wish: &DeclareExchange) -> Result<bool, Refusal> {
        let wish = self.topology.declare_exchange(&name("/"), wish);
        self.settle(wish)
    }

    pub(crate) fn delete_exchange(&mut self, exchange: &str, if_unused: bool) -> Result<bool, Refusal> {
        let wish = self.topology.delete_exchange(&name("/"), &name(exchange), if_unused);
        self.settle(wish)
    }

    /// The queue, and whether it is new.
    pub(crate) fn declare_queue_as(
        &mut self,
        wish: &DeclareQueue,
        connection: ConnectionId,
    ) -> Result<(QueueRecord, bool), Refusal> {
        let is_new = match self.topology.declare_queue(&name("/"), wish, connection, false)? {
            Declared::Exists(_) => false,
            Declared::Create(entry) => {
                self.apply(entry);
                true
            }
        };
        Ok((QueueRecord::clone(self.topology.find_queue("/", &wish.queue).unwrap()), is_new))
    }

    pub(crate) fn declare_queue(&mut self, wish: &DeclareQueue) -> Result<(QueueRecord, bool), Refusal> {
        self.declare_queue_as(wish, ME)
    }

    pub(crate) fn delete_queue(&mut self, queue: &str) -> bool {
        let Some(record) = self.topology.find_queue("/", queue).cloned() else { return false };
        let entry = self.topology.delete_queue(&name("/"), &record);
        self.apply(entry);
        true
    }

    pub(crate) fn bind(&mut self, binding: &Binding) -> Result<bool, Refusal> {
        let wish = self.topology.bind(&name("/"), binding, ME);
        self.settle(wish)
    }

    pub(crate) fn unbind(&mut self, binding: &Binding) -> Result<bool, Refusal> {
        let wish = self.topology.unbind(&name("/"), binding, ME);
        self.settle(wish)
    }

    /// Replays the log into an empty topology.
    pub(crate) fn replayed(&self) -> Topology {
        let mut topology = Topology::new();
        let mut facts = Vec::new();
        for (meta, entry) in &self.log {
            topology.apply(*meta, entry.clone(), &mut facts);
        }
        topology
    }
}
