//! Declaring, deleting, binding: the wishes that change the topology.

use std::sync::Arc;

use model::{
    Name, Refusal, SessionEvent, SessionId, Value,
    command::{Binding, DeclareExchange, DeclareQueue, Destination},
    refusal::{Named, Permission, Resource},
};
use storage::Lsn;

use super::{Client, consume::not_for_streams};
use crate::{
    access::Wish,
    queue::{Kept, Queue},
    replies::REPLY_TO,
    topology::{Declared, Entry, QueueKind, QueueRecord, Topology},
};

impl Client {
    pub(super) fn declare_exchange(
        &mut self,
        id: SessionId,
        mut wish: DeclareExchange,
    ) -> Result<(), Refusal> {
        wish.exchange = wish.exchange.without_line_ends();
        let lsn = if wish.passive {
            self.broker.topology.read().exchange(&self.vhost, &wish.exchange)?;
            self.broker.metadata_position()
        } else {
            // RabbitMQ: what the alternate exchange takes is asked for only when the exchange is made.
            let is_new = self.broker.topology.read().exchange(&self.vhost, &wish.exchange).is_err();
            let alternate =
                wish.arguments.get("alternate-exchange").filter(|_| is_new).and_then(Value::as_text);
            self.permit(Wish::DeclareExchange { exchange: &wish.exchange, alternate })?;
            let vhost = self.vhost.clone();
            self.change(|topology| topology.declare_exchange(&vhost, &wish))?
        };
        self.answer_when(lsn, id, wish.nowait, SessionEvent::ExchangeDeclared);
        Ok(())
    }

    pub(super) fn delete_exchange(
        &mut self,
        id: SessionId,
        exchange: Name,
        if_unused: bool,
        nowait: bool,
    ) -> Result<(), Refusal> {
        let exchange = exchange.without_line_ends();
        self.permit(Wish::DeleteExchange { exchange: &exchange })?;
        let vhost = self.vhost.clone();
        let lsn = self.change(|topology| topology.delete_exchange(&vhost, &exchange, if_unused))?;
        self.answer_when(lsn, id, nowait, SessionEvent::ExchangeDeleted);
        Ok(())
    }

    pub(super) fn declare_queue(&mut self, id: SessionId, mut wish: DeclareQueue) -> Result<(), Refusal> {
        wish.queue = wish.queue.without_line_ends();
        if wish.queue.starts_with(REPLY_TO) {
            return self.declare_reply_to(id, wish);
        }
        let (record, lsn) = if wish.passive {
            let name = self.queue_name(id, wish.queue.clone())?;
            (self.record(&name)?, self.broker.metadata_position())
        } else {
            if wish.queue.is_empty() {
                wish.queue = self.names.make("amq.gen-");
                self.declare_as(&wish, true)?
            } else {
                self.declare_as(&wish, false)?
            }
        };
        if !wish.passive {
            self.broker.node_counts().queue_declared.add_shared(1);
        }
        let (ready, _, consumers) = match self.broker.queue(&record) {
            Some(queue) => {
                queue.touch(&mut self.effects);
                queue.counts()
            }
            None => Default::default(),
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.last_queue = Some(record.name.clone());
        }
        let queue = record.name.clone();
        let event = SessionEvent::QueueDeclared { queue, messages: ready.messages, consumers };
        self.answer_when(lsn, id, wish.nowait, event);
        Ok(())
    }

    /// Changes the metadata in the name of the user.
    fn change(&self, wish: impl FnOnce(&Topology) -> Result<Option<Entry>, Refusal>) -> Result<Lsn, Refusal> {
        self.broker.change_by(Some(&self.user), self.now_ms, wish)
    }

    fn declare_as(
        &mut self,
        wish: &DeclareQueue,
        is_server_named: bool,
    ) -> Result<(Arc<QueueRecord>, Lsn), Refusal> {
        // As with an alternate exchange: only when the queue is made.
        let is_new = self.broker.topology.read().find_queue(&self.vhost, &wish.queue).is_none();
        let dead_letter_exchange =
            wish.arguments.get("x-dead-letter-exchange").filter(|_| is_new).and_then(Value::as_text);
        self.permit(Wish::DeclareQueue { queue: &wish.queue, dead_letter_exchange })?;
        let (vhost, connection) = (self.vhost.clone(), self.id);
        // What exists is the usual case after a reconnect, and needs no writer's lock.
        let declared =
            self.broker.topology.read().declare_queue(&vhost, wish, connection, is_server_named)?;
        if let Declared::Exists(record) = declared
            && self.broker.queue(&record).is_some_and(|queue| !queue.is_deleted())
        {
            return Ok((record, self.broker.metadata_position()));
        }
        let lsn = self.change(|topology| {
            Ok(match topology.declare_queue(&vhost, wish, connection, is_server_named)? {
                Declared::Exists(_) => None,
                Declared::Create(entry) => Some(entry),
            })
        })?;
        let record = self.record(&wish.queue)?;
        if record.exclusive_owner.is_some()
            && let Some(queue) = self.broker.queue(&record)
            && !self.exclusive_queues.iter().any(|other| Arc::ptr_eq(other, &queue))
        {
            self.exclusive_queues.retain(|queue| !queue.is_deleted());
            self.exclusive_queues.push(queue);
        }
        // What is not durable waits for nothing.
        Ok((Arc::clone(&record), if record.durable { lsn } else { Lsn(0) }))
    }

    pub(super) fn delete_queue(
        &mut self,
        id: SessionId,
        queue: Name,
        if_unused: bool,
        if_empty: bool,
        nowait: bool,
    ) -> Result<(), Refusal> {
        let name = self.queue_name(id, queue.without_line_ends())?;
        self.permit(Wish::DeleteQueue { queue: &name })?;
        let mut messages = 0;
        let lsn = match self.record(&name) {
            Ok(record) => {
                check_delete(&record, if_unused, if_empty)?;
                // RabbitMQ: a stream goes, whatever is in it and whoever reads it.
                let is_conditional = record.kind != QueueKind::Stream;
                let (if_unused, if_empty) = (if_unused && is_conditional, if_empty && is_conditional);
                let queue = self.broker.queue(&record);
                let effects = &mut self.effects;
                self.broker.change_by(Some(&self.user), self.now_ms, |topology| {
                    let is_current = topology
                        .find_queue(&record.vhost, &record.name)
                        .is_some_and(|now| now.id == record.id);
                    if !is_current {
                        return Ok(None);
                    }
                    if let Some(queue) = queue {
                        let kept = queue.delete(if_unused, if_empty, effects);
                        messages = kept.map_err(|kept| refuse_to_delete(kept, &record))?.messages;
                    }
                    Ok(Some(topology.delete_queue(&record.vhost, &record)))
                })?
            }
            // RabbitMQ: deleting what is not there succeeds. Its end may be on its way to the disk.
            Err(Refusal::NotFound(_)) => self.broker.metadata_position(),
            Err(refusal) => return Err(refusal),
        };
        self.answer_when(lsn, id, nowait, SessionEvent::QueueDeleted { messages });
        Ok(())
    }

    pub(super) fn purge_queue(&mut self, id: SessionId, queue: Name, nowait: bool) -> Result<(), Refusal> {
        let (_, queue) = self.resolve_queue(id, queue)?;
        self.permit(Wish::Read { queue: &queue.record().name })?;
        if queue.is_stream() {
            return Err(not_for_streams("queue.purge", &queue));
        }
        let messages = queue.purge().messages;
        self.answer_when(Lsn(0), id, nowait, SessionEvent::QueuePurged { messages });
        Ok(())
    }

    pub(super) fn bind(&mut self, id: SessionId, binding: Binding) -> Result<(), Refusal> {
        let event = match binding.destination_kind {
            Destination::Queue => SessionEvent::QueueBound,
            Destination::Exchange => SessionEvent::ExchangeBound,
        };
        let nowait = binding.nowait;
        let binding = self.permitted_binding(id, binding)?;
        let (vhost, connection) = (self.vhost.clone(), self.id);
        let lsn = self.change(|topology| topology.bind(&vhost, &binding, connection))?;
        self.answer_when(lsn, id, nowait, event);
        Ok(())
    }

    pub(super) fn unbind(&mut self, id: SessionId, binding: Binding) -> Result<(), Refusal> {
        let event = match binding.destination_kind {
            Destination::Queue => SessionEvent::QueueUnbound,
            Destination::Exchange => SessionEvent::ExchangeUnbound,
        };
        let nowait = binding.nowait;
        let binding = self.permitted_binding(id, binding)?;
        let (vhost, connection) = (self.vhost.clone(), self.id);
        let lsn = self.change(|topology| topology.unbind(&vhost, &binding, connection))?;
        self.answer_when(lsn, id, nowait, event);
        Ok(())
    }

    /// The binding with its names filled in, if the user may make or remove it.
    fn permitted_binding(&mut self, id: SessionId, mut binding: Binding) -> Result<Binding, Refusal> {
        binding.source = binding.source.without_line_ends();
        binding.destination = binding.destination.without_line_ends();
        let resource = match binding.destination_kind {
            Destination::Queue => {
                let is_last = binding.destination.is_empty();
                binding.destination = self.queue_name(id, binding.destination)?;
                if is_last && binding.routing_key.is_empty() {
                    binding.routing_key = binding.destination.clone();
                }
                Resource::Queue
            }
            Destination::Exchange => Resource::Exchange,
        };
        self.permit(Wish::Bind {
            kind: resource,
            destination: &binding.destination,
            source: &binding.source,
        })?;
        self.permit_topic(Permission::Read, &binding.source, binding.routing_key.as_bytes())?;
        Ok(binding)
    }

    /// Refuses unless the user has what the wish takes.
    pub(super) fn permit(&mut self, wish: Wish<'_>) -> Result<(), Refusal> {
        if self.is_operator {
            return Ok(());
        }
        self.granted.check_wish(&self.broker.topology, (&self.user, &self.vhost), wish)
    }

    /// Refuses unless the user may use `key` on `exchange`.
    pub(super) fn permit_topic(
        &mut self,
        permission: Permission,
        exchange: &Name,
        key: &[u8],
    ) -> Result<(), Refusal> {
        if self.is_operator {
            return Ok(());
        }
        self.granted.check_topic(&self.broker.topology, (&self.user, &self.vhost), permission, exchange, key)
    }

    /// The name itself, or that of the queue last declared in the session if it is empty.
    pub(super) fn queue_name(&self, id: SessionId, name: Name) -> Result<Name, Refusal> {
        if !name.is_empty() {
            return Ok(name);
        }
        let last = self.sessions.get(&id).and_then(|session| session.last_queue.clone());
        last.ok_or(Refusal::NoPreviousQueue)
    }

    fn record(&self, name: &Name) -> Result<Arc<QueueRecord>, Refusal> {
        let topology = self.broker.topology.read();
        // RabbitMQ: its command line touches exclusive queues of any connection.
        match topology.find_queue(&self.vhost, name).filter(|_| self.is_operator) {
            Some(record) => Ok(Arc::clone(record)),
            None => topology.queue(&self.vhost, name, self.id),
        }
    }

    /// A queue by name, for whoever may touch it.
    pub(super) fn resolve_queue(
        &self,
        id: SessionId,
        name: Name,
    ) -> Result<(Arc<QueueRecord>, Arc<Queue>), Refusal> {
        let name = self.queue_name(id, name)?;
        let record = self.record(&name)?;
        match self.broker.queue(&record) {
            Some(queue) => Ok((record, queue)),
            None => Err(Refusal::NotFound(named(&record))),
        }
    }
}

fn named(record: &QueueRecord) -> Named {
    Named { resource: Resource::Queue, name: record.name.clone(), vhost: record.vhost.clone() }
}

fn refuse_to_delete(kept: Kept, record: &QueueRecord) -> Refusal {
    match kept {
        Kept::InUse => Refusal::InUse(named(record)),
        Kept::NotEmpty => Refusal::NotEmpty(named(record)),
    }
}

/// Refuses conditions that quorum queues do not know.
fn check_delete(record: &QueueRecord, if_unused: bool, if_empty: bool) -> Result<(), Refusal> {
    let flag = match (if_unused, if_empty) {
        _ if record.kind != QueueKind::Quorum => return Ok(()),
        (true, _) => "if-unused",
        (false, true) => "if-empty",
        (false, false) => return Ok(()),
    };
    let named = Named { resource: Resource::Queue, name: record.name.clone(), vhost: record.vhost.clone() };
    let what = format!(
        "cannot delete {named}. queue.delete operations with {flag} flag set are not supported by quorum queues"
    );
    Err(Refusal::NotImplemented { what })
}
