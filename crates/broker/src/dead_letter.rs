//! Dead letters: what becomes of a message when its queue gives it up, and what its headers then tell. A message that has
//! waited in an exchange leaves in the same way, but has not died.
//!
//! Every pair of queue and reason has one table in `x-death`, the latest first, with a count. Where a letter goes is
//! routing like any other, but for the rule that ends cycles. The move itself is `broker::post`.

use std::sync::Arc;

use bytes::Bytes;
use model::{
    Message, Name, Table, Value,
    message::{MessageError, Properties, flag},
};

use crate::{
    queue::{DELIVERY_COUNT, Forgotten, Queue},
    route::{ExtraKeys, delayed, headers_of},
    topology::QueueKind,
};

const DEATHS: &str = "x-death";
const ROUTING_KEYS: &str = "routing-keys";

/// Why a queue gave a message up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A consumer rejected it for good.
    Rejected,
    /// Its time to live was over.
    Expired,
    /// The queue was full.
    MaxLength,
    /// It was returned too often.
    DeliveryLimit,
}

impl Reason {
    /// RabbitMQ's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }

    /// What stands for it in the log of a quorum queue.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Rejected => 0,
            Self::Expired => 1,
            Self::MaxLength => 2,
            Self::DeliveryLimit => 3,
        }
    }

    /// The reason that a number stands for.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        let all = [Self::Rejected, Self::Expired, Self::MaxLength, Self::DeliveryLimit];
        all.into_iter().find(|reason| reason.number() == number)
    }
}

/// Where a queue sends what it gives up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetterTo {
    /// The exchange; empty for the default exchange.
    pub exchange: Name,
    /// The routing key instead of the message's own.
    pub routing_key: Option<Name>,
}

/// A message that its queue has given up, and that still stands in the queue's log.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) queue: Arc<Queue>,
    pub(crate) to: Arc<DeadLetterTo>,
    pub(crate) reason: Reason,
    /// What the queue's logs need not keep any more once it has been moved.
    pub(crate) left: Forgotten,
    pub(crate) message: Arc<Message>,
}

impl Letter {
    /// The message as it is published again.
    ///
    /// # Errors
    /// When its headers grow beyond what a message can hold.
    pub(crate) fn compose(&self, now_s: u64) -> Result<Message, MessageError> {
        let message = &self.message;
        let record = self.queue.record();
        if record.kind == QueueKind::Delay {
            return Ok(delayed::after_waiting(message));
        }
        let properties = message.properties();
        let mut headers = headers_of(message);
        if record.kind == QueueKind::Quorum {
            headers.0.retain(|(name, _)| &**name != DELIVERY_COUNT);
        }
        self.add_death(&mut headers, &record.name, now_s, &properties);
        let mut encoded = Vec::new();
        headers.encode(&mut encoded);
        let properties = Properties { raw_headers: Some(&encoded), expiration: None, ..properties };
        let mut list = Vec::new();
        properties.encode(&mut list);
        let key = self.to.routing_key.as_ref().map_or_else(|| message.routing_key(), |key| key.as_bytes());
        let is_rerouted = self.to.routing_key.is_some() || message.is_rerouted();
        Message::dead_lettered(self.to.exchange.as_bytes(), key, &list, message.body_shared(), is_rerouted)
    }

    fn add_death(&self, headers: &mut Table, queue: &Name, now_s: u64, properties: &Properties<'_>) {
        let mut deaths = deaths_of(&self.message, headers);
        let is_first = deaths.is_empty();
        let same = |death: &Table| {
            death.get("queue").and_then(Value::as_text) == Some(&**queue)
                && death.get("reason").and_then(Value::as_text) == Some(self.reason.word())
        };
        let mut death = match deaths.iter().position(same) {
            Some(at) => deaths.remove(at),
            None => self.first_death(queue, now_s, properties),
        };
        for (_, value) in death.0.iter_mut().filter(|(name, _)| &**name == "count") {
            *value = Value::I64(value.as_integer().unwrap_or(0).saturating_add(1));
        }
        deaths.insert(0, death);
        let exchange = Value::Text(Bytes::copy_from_slice(self.message.exchange()));
        set(headers, DEATHS, Value::Array(deaths.into_iter().map(Value::Table).collect()));
        for which in if is_first { &["first", "last"][..] } else { &["last"][..] } {
            set(headers, &format!("x-{which}-death-exchange"), exchange.clone());
            set(headers, &format!("x-{which}-death-queue"), Value::text(queue));
            set(headers, &format!("x-{which}-death-reason"), Value::text(self.reason.word()));
        }
    }

    /// The table of a pair of queue and reason, not counted yet.
    fn first_death(&self, queue: &Name, now_s: u64, properties: &Properties<'_>) -> Table {
        let mut death = Table::default();
        if let Some(expiration) = properties.expiration {
            death.push("original-expiration", Value::Text(Bytes::copy_from_slice(expiration)));
        }
        death.push("count", Value::I64(0));
        death.push("reason", Value::text(self.reason.word()));
        death.push("queue", Value::text(queue));
        death.push("time", Value::Timestamp(now_s));
        death.push("exchange", Value::Text(Bytes::copy_from_slice(self.message.exchange())));
        let own = Bytes::copy_from_slice(self.message.routing_key());
        let extra = ExtraKeys::parse(&self.message).unwrap_or_default();
        let keys = std::iter::once(&own).chain(extra.keys()).cloned();
        death.push(ROUTING_KEYS, Value::Array(keys.map(Value::Text).collect()));
        death
    }
}

/// The deaths that the broker recorded, the latest first.
fn deaths_of(message: &Message, headers: &Table) -> Vec<Table> {
    let Some(Value::Array(items)) = headers.get(DEATHS).filter(|_| message.is_dead_lettered()) else {
        return Vec::new();
    };
    let tables = items.iter().map(|item| match item {
        Value::Table(table) => Some(table.clone()),
        _ => None,
    });
    tables.flatten().collect()
}

/// Whether a dead letter that goes to `queue` has been there before, with nothing rejected by a consumer since: then it
/// would go round for ever, and RabbitMQ drops it.
pub(crate) fn is_cycle(message: &Message, queue: &str) -> bool {
    if message.flags() & flag::HEADERS == 0 {
        return false;
    }
    let deaths = deaths_of(message, &headers_of(message));
    let word = |death: &Table, field: &str| death.get(field).and_then(Value::as_text).map(str::to_owned);
    let Some(at) = deaths.iter().position(|death| word(death, "queue").as_deref() == Some(queue)) else {
        return false;
    };
    !deaths
        .iter()
        .take(at.saturating_add(1))
        .any(|death| word(death, "reason").as_deref() == Some("rejected"))
}

/// Replaces a header, or adds it at the end.
fn set(headers: &mut Table, name: &str, value: Value) {
    match headers.0.iter_mut().find(|(other, _)| &**other == name) {
        Some((_, old)) => *old = value,
        None => headers.push(name, value),
    }
}
