//! The firehose: copies of what is published and delivered in a vhost, for whatever is bound to `amq.rabbitmq.trace`.
//!
//! Off unless the settings of the vhost say `tracing`; then nothing of it costs more than a look at that. The copies are
//! published like anything else, unconfirmed, and are not traced themselves.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use model::{Message, Name, SessionId, Table, Value, message::Properties};

use super::Client;
use crate::{
    connected::Ends,
    mailbox::Parcel,
    publishes::Destinations,
    queue::Queue,
    route::{ExtraKeys, headers_of},
    topology::QueueKind,
};

/// The exchange of the copies.
const EXCHANGE: &str = "amq.rabbitmq.trace";

impl Client {
    /// What others call this connection.
    pub(super) fn name(&self) -> String {
        self.ends.as_ref().map(Ends::to_string).unwrap_or_default()
    }

    pub(super) fn is_traced(&self) -> bool {
        self.is_traced.load(Ordering::Relaxed)
    }

    /// A message has been published, and goes to these places.
    pub(super) fn trace_publish<'a>(
        &mut self,
        id: SessionId,
        message: &Message,
        places: impl Iterator<Item = &'a Destinations>,
    ) {
        let records = places.flat_map(|to| to.queues.iter()).map(|queue| queue.record());
        let queues = records.filter(|record| record.kind != QueueKind::Delay);
        let queues = queues.map(|record| Value::text(&record.name)).collect();
        let key = [b"publish.", message.exchange()].concat();
        self.trace(id, &key, message, ("routed_queues", Value::Array(queues)));
    }

    /// A message is delivered to a session.
    pub(super) fn trace_delivery(&mut self, id: SessionId, queue: &Queue, parcel: &Parcel) {
        let key = ["deliver.", &*queue.record().name].concat();
        let redelivered = ("redelivered", Value::I32(parcel.redelivered.into()));
        self.trace(id, key.as_bytes(), &parcel.message, redelivered);
    }

    fn trace(&mut self, id: SessionId, key: &[u8], traced: &Message, more: (&str, Value)) {
        if traced.exchange() == EXCHANGE.as_bytes() {
            return;
        }
        let mut headers = Table::default();
        headers.push("exchange_name", Value::Text(Bytes::copy_from_slice(traced.exchange())));
        headers.push("routing_keys", Value::Array(keys_of(traced)));
        headers.push("properties", Value::Table(table_of(traced)));
        headers.push("node", Value::text(&self.broker.settings.node));
        headers.push("vhost", Value::text(&self.vhost));
        headers.push("connection", Value::text(&self.name()));
        headers.push("channel", Value::I32(id.0.into()));
        headers.push("user", Value::text(&self.user));
        headers.push(more.0, more.1);
        let mut raw_headers = Vec::new();
        headers.encode(&mut raw_headers);
        let mut list = Vec::new();
        Properties { raw_headers: Some(&raw_headers), ..Properties::default() }.encode(&mut list);
        let copy = Message::with_large_body(EXCHANGE.as_bytes(), key, &list, traced.body_shared());
        // One whose headers are as long as they can be is not told of.
        let Ok(copy) = copy.map(Arc::new) else { return };
        let topology = self.broker.topology.read();
        let route = topology.route(&self.vhost, &copy, &ExtraKeys::default(), &mut self.scratch);
        drop(topology);
        for queue in &*self.broker.live_queues(&route.queues) {
            self.publishes.add(queue, Arc::clone(&copy), None);
        }
    }
}

fn keys_of(message: &Message) -> Vec<Value> {
    let own = Bytes::copy_from_slice(message.routing_key());
    let extra = ExtraKeys::parse(message).unwrap_or_default();
    std::iter::once(&own).chain(extra.keys()).cloned().map(Value::Text).collect()
}

/// The properties that a message has.
fn table_of(message: &Message) -> Table {
    let properties = message.properties();
    let mut table = Table::default();
    let number = |number: u64| match (i32::try_from(number), i64::try_from(number)) {
        (Ok(number), _) => Value::I32(number),
        (_, number) => Value::I64(number.unwrap_or(i64::MAX)),
    };
    if properties.raw_headers.is_some() {
        table.push("headers", Value::Table(headers_of(message)));
    }
    for (name, text) in [
        ("content_type", properties.content_type),
        ("content_encoding", properties.content_encoding),
        ("correlation_id", properties.correlation_id),
        ("reply_to", properties.reply_to),
        ("expiration", properties.expiration),
        ("message_id", properties.message_id),
        ("type", properties.kind),
        ("user_id", properties.user_id),
        ("app_id", properties.app_id),
        ("cluster_id", properties.cluster_id),
    ] {
        table.0.extend(text.map(|text| (field(name), Value::Text(Bytes::copy_from_slice(text)))));
    }
    for (name, value) in [
        ("delivery_mode", properties.delivery_mode.map(u64::from)),
        ("priority", properties.priority.map(u64::from)),
        ("timestamp", properties.timestamp),
    ] {
        table.0.extend(value.map(|value| (field(name), number(value))));
    }
    table
}

fn field(name: &str) -> Name {
    Name::parse(name).unwrap_or_default()
}
