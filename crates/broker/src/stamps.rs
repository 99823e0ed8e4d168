//! What a node writes on every message that is published to it or delivered, if its configuration wants that: the time, its own
//! name.
//!
//! RabbitMQ calls it message interceptors. The headers have the names and types that RabbitMQ 4.0.5 gives them, that of the
//! time of delivery those of RabbitMQ 4.2.

use std::sync::Arc;

use bytes::BufMut;
use model::{Message, Name, Table, Value, message::Properties};

use crate::route::fields_of;

const TIME: &str = "timestamp_in_ms";
const NODE: &str = "x-routed-by";
const SENT: &str = "x-opt-rabbitmq-sent-time";

/// See the module's documentation.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stamps {
    /// `message_interceptors.incoming.set_header_timestamp.overwrite`: the header `timestamp_in_ms`, and the property
    /// `timestamp` in seconds.
    pub time: Option<Stamp>,
    /// `message_interceptors.incoming.set_header_routing_node.overwrite`: the header `x-routed-by`.
    pub node: Option<Stamp>,
    /// `message_interceptors.outgoing.timestamp.enabled`: the header `x-opt-rabbitmq-sent-time` of deliveries, in milliseconds.
    pub sent: bool,
}

/// What becomes of one that the publisher has written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stamp {
    /// It stays.
    Keep,
    /// The node's takes its place.
    Overwrite,
}

impl Stamps {
    /// Whether there is none for what is published.
    pub(crate) fn is_empty(self) -> bool {
        self.time.is_none() && self.node.is_none()
    }

    /// The message as it goes on. Everything that is not stamped keeps its bytes.
    pub(crate) fn put_on(self, message: Arc<Message>, node: &Name, now_ms: u64) -> Arc<Message> {
        let properties = message.properties();
        let has = |name: &str| fields_of(properties.raw_headers).any(|(other, _)| other == name.as_bytes());
        let is_due = |stamp: Option<Stamp>, is_there: bool| match stamp {
            Some(Stamp::Overwrite) => true,
            Some(Stamp::Keep) => !is_there,
            None => false,
        };
        let mut stamps = Table::default();
        if is_due(self.time, has(TIME)) {
            stamps.push(TIME, Value::I64(i64::try_from(now_ms).unwrap_or(i64::MAX)));
        }
        if is_due(self.node, has(NODE)) {
            stamps.push(NODE, Value::text(node));
        }
        let seconds = is_due(self.time, properties.timestamp.is_some()).then_some(now_ms / 1000);
        if stamps.is_empty() && seconds.is_none() {
            return message;
        }
        stamped(&message, &stamps, seconds)
    }
}

/// The message as it is delivered at this time.
pub(crate) fn sent(message: &Arc<Message>, now_ms: u64) -> Arc<Message> {
    let mut stamps = Table::default();
    stamps.push(SENT, Value::I64(i64::try_from(now_ms).unwrap_or(i64::MAX)));
    stamped(message, &stamps, None)
}

fn stamped(message: &Arc<Message>, stamps: &Table, timestamp: Option<u64>) -> Arc<Message> {
    let properties = message.properties();
    let headers = headers_with(properties.raw_headers, stamps);
    let stamped = Properties {
        raw_headers: headers.as_deref(),
        timestamp: timestamp.or(properties.timestamp),
        ..properties
    };
    let mut list = Vec::new();
    stamped.encode(&mut list);
    let changed = message.with_properties(&list);
    debug_assert!(changed.is_ok(), "a header more leaves properties properties: {changed:?}");
    changed.map_or_else(|_| Arc::clone(message), Arc::new)
}

/// The headers with these in place of any of their names. None: more than a table can hold.
fn headers_with(raw_headers: Option<&[u8]>, stamps: &Table) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    out.put_u32(0);
    for (name, field) in fields_of(raw_headers) {
        if !stamps.iter().any(|(stamp, _)| stamp.as_bytes() == name) {
            out.extend_from_slice(field);
        }
    }
    stamps.encode_fields(&mut out);
    let length = u32::try_from(out.len().checked_sub(4)?).ok()?;
    out.get_mut(..4)?.copy_from_slice(&length.to_be_bytes());
    Some(out)
}

#[cfg(test)]
mod tests;
