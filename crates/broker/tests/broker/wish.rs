//! What peers ask for: commands with the usual fields filled in, to be changed where a test wants something else.

use std::sync::Arc;

use model::{
    DeliveryId, Message, Name, Outcome, SessionCommand, Table, Value,
    command::{Binding, Consume, DeclareExchange, DeclareQueue, Destination},
    message::Properties,
};

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn table(fields: &[(&str, Value)]) -> Table {
    Table(fields.iter().map(|(field, value)| (name(field), value.clone())).collect())
}

/// The fields of a queue that survives.
pub(crate) fn durable_queue(queue: &str) -> DeclareQueue {
    DeclareQueue {
        queue: name(queue),
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: Table::default(),
    }
}

pub(crate) fn declare(queue: &str) -> SessionCommand {
    SessionCommand::DeclareQueue(durable_queue(queue))
}

/// A queue that does not survive.
pub(crate) fn declare_transient(queue: &str) -> SessionCommand {
    SessionCommand::DeclareQueue(DeclareQueue { durable: false, ..durable_queue(queue) })
}

pub(crate) fn look_at(queue: &str) -> SessionCommand {
    SessionCommand::DeclareQueue(DeclareQueue { passive: true, ..durable_queue(queue) })
}

pub(crate) fn delete(queue: &str) -> SessionCommand {
    SessionCommand::DeleteQueue { queue: name(queue), if_unused: false, if_empty: false, nowait: false }
}

pub(crate) fn purge(queue: &str) -> SessionCommand {
    SessionCommand::PurgeQueue { queue: name(queue), nowait: false }
}

/// The fields of an exchange that survives.
pub(crate) fn durable_exchange(exchange: &str, kind: &str) -> DeclareExchange {
    DeclareExchange {
        exchange: name(exchange),
        kind: name(kind),
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        nowait: false,
        arguments: Table::default(),
    }
}

pub(crate) fn declare_exchange(exchange: &str, kind: &str) -> SessionCommand {
    SessionCommand::DeclareExchange(durable_exchange(exchange, kind))
}

/// The fields of a binding that leads to a queue.
pub(crate) fn to_queue(exchange: &str, queue: &str, key: &str) -> Binding {
    Binding {
        source: name(exchange),
        destination_kind: Destination::Queue,
        destination: name(queue),
        routing_key: name(key),
        nowait: false,
        arguments: Table::default(),
    }
}

pub(crate) fn bind(exchange: &str, queue: &str, key: &str) -> SessionCommand {
    SessionCommand::Bind(to_queue(exchange, queue, key))
}

pub(crate) fn unbind(exchange: &str, queue: &str, key: &str) -> SessionCommand {
    SessionCommand::Unbind(to_queue(exchange, queue, key))
}

pub(crate) fn bind_exchange(exchange: &str, destination: &str, key: &str) -> SessionCommand {
    let destination_kind = Destination::Exchange;
    SessionCommand::Bind(Binding { destination_kind, ..to_queue(exchange, destination, key) })
}

/// A message; persistent ones have delivery mode 2.
pub(crate) fn message(exchange: &str, key: &str, body: &[u8], persistent: bool) -> Arc<Message> {
    // The flag word with nothing but the delivery mode in it.
    let properties: &[u8] = if persistent { &[0x10, 0, 2] } else { &[0, 0] };
    Arc::new(Message::new(exchange.as_bytes(), key.as_bytes(), properties, body).unwrap())
}

/// A message with these headers.
pub(crate) fn message_with(
    exchange: &str,
    key: &str,
    body: &[u8],
    headers: &[(&str, Value)],
) -> Arc<Message> {
    let mut raw_headers = Vec::new();
    table(headers).encode(&mut raw_headers);
    let mut list = Vec::new();
    let properties =
        Properties { raw_headers: Some(&raw_headers), delivery_mode: Some(2), ..Properties::default() };
    properties.encode(&mut list);
    Arc::new(Message::new(exchange.as_bytes(), key.as_bytes(), &list, body).unwrap())
}

/// Publishes a persistent message through the default exchange.
pub(crate) fn publish(queue: &str, body: &str) -> SessionCommand {
    publish_to("", queue, body)
}

/// Publishes a persistent message.
pub(crate) fn publish_to(exchange: &str, key: &str, body: &str) -> SessionCommand {
    SessionCommand::Publish { message: message(exchange, key, body.as_bytes(), true), mandatory: false }
}

pub(crate) fn publish_transient(queue: &str, body: &str) -> SessionCommand {
    SessionCommand::Publish { message: message("", queue, body.as_bytes(), false), mandatory: false }
}

pub(crate) fn publish_mandatory(exchange: &str, key: &str, body: &str) -> SessionCommand {
    SessionCommand::Publish { message: message(exchange, key, body.as_bytes(), true), mandatory: true }
}

pub(crate) fn select_confirms() -> SessionCommand {
    SessionCommand::SelectConfirms { nowait: false }
}

/// The fields of a consumer that settles what it gets.
pub(crate) fn consumer(queue: &str, tag: &str) -> Consume {
    Consume {
        queue: name(queue),
        consumer: name(tag),
        no_ack: false,
        exclusive: false,
        nowait: false,
        arguments: Table::default(),
    }
}

pub(crate) fn consume(queue: &str, tag: &str) -> SessionCommand {
    SessionCommand::Consume(consumer(queue, tag))
}

pub(crate) fn consume_no_ack(queue: &str, tag: &str) -> SessionCommand {
    SessionCommand::Consume(Consume { no_ack: true, ..consumer(queue, tag) })
}

pub(crate) fn consume_with_priority(queue: &str, tag: &str, priority: i32) -> SessionCommand {
    let arguments = table(&[("x-priority", Value::I32(priority))]);
    SessionCommand::Consume(Consume { arguments, ..consumer(queue, tag) })
}

pub(crate) fn cancel(tag: &str) -> SessionCommand {
    SessionCommand::Cancel { consumer: name(tag), nowait: false }
}

pub(crate) fn prefetch(count: u16) -> SessionCommand {
    SessionCommand::SetPrefetch { count, global: false }
}

pub(crate) fn prefetch_of_session(count: u16) -> SessionCommand {
    SessionCommand::SetPrefetch { count, global: true }
}

pub(crate) fn get(queue: &str) -> SessionCommand {
    SessionCommand::Get { queue: name(queue), no_ack: false }
}

pub(crate) fn get_no_ack(queue: &str) -> SessionCommand {
    SessionCommand::Get { queue: name(queue), no_ack: true }
}

pub(crate) fn settle(delivery: u64, multiple: bool, outcome: Outcome) -> SessionCommand {
    SessionCommand::Settle { delivery: DeliveryId(delivery), multiple, outcome }
}

pub(crate) fn ack(delivery: u64) -> SessionCommand {
    settle(delivery, false, Outcome::Accepted)
}

pub(crate) fn ack_up_to(delivery: u64) -> SessionCommand {
    settle(delivery, true, Outcome::Accepted)
}

pub(crate) fn reject(delivery: u64) -> SessionCommand {
    settle(delivery, false, Outcome::Rejected)
}

pub(crate) fn requeue(delivery: u64) -> SessionCommand {
    settle(delivery, false, Outcome::Requeued)
}

pub(crate) fn requeue_up_to(delivery: u64) -> SessionCommand {
    settle(delivery, true, Outcome::Requeued)
}

pub(crate) fn recover() -> SessionCommand {
    SessionCommand::Recover { nowait: false }
}
