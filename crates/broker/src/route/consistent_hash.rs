//! The exchange `x-consistent-hash`: each binding has as many buckets of a ring as its key says, and a message goes to the
//! bucket that the hash of its routing key, of a header or of a property leads to.
//!
//! The buckets stand in the order in which the bindings were made, so that a binding more or less moves only few messages,
//! and that order is that of the log: it is the same after a restart (in RabbitMQ it may not be). Of several bindings to
//! one destination the first counts; when it goes, the next does (in RabbitMQ none).

use model::{Refusal, Table, Value};

use super::{
    Published, Words,
    kind::Index,
    portable_hash,
    target::{Matches, Target},
    term,
};
use crate::topology::BindingRecord;

mod jump;

const HEADER: &str = "hash-header";
const PROPERTY: &str = "hash-property";
/// The most buckets of one binding.
const WEIGHT_MAX: u32 = 10_000;

#[derive(Debug)]
struct Ring {
    hash_on: HashOn,
    /// In the order in which they were made.
    members: Vec<Member>,
}

#[derive(Debug)]
enum HashOn {
    RoutingKey,
    Header(Box<str>),
    CorrelationId,
    MessageId,
    Timestamp,
}

#[derive(Debug)]
struct Member {
    made_at: u64,
    identity: Box<[u8]>,
    target: Target,
    weight: u32,
    /// Not so if an earlier one has the same target.
    counts: bool,
    /// The first bucket behind those of this and all earlier members.
    end: u64,
}

pub(super) fn index(arguments: &Table) -> Box<dyn Index> {
    Box::new(Ring { hash_on: HashOn::lenient(arguments), members: Vec::new() })
}

/// Refuses arguments that do not say what is to be hashed.
pub(super) fn check_exchange(arguments: &Table) -> Result<(), Refusal> {
    let reason = match (arguments.get(HEADER), arguments.get(PROPERTY)) {
        (Some(_), Some(_)) => format!("{HEADER} and {PROPERTY} are mutually exclusive"),
        (None | Some(Value::Text(_)), None) => return Ok(()),
        (None, Some(Value::Text(property))) if HashOn::property(property).is_some() => return Ok(()),
        (None, Some(Value::Text(property))) => {
            format!("Unsupported property: {}", String::from_utf8_lossy(property))
        }
        // RabbitMQ crashes.
        (Some(other), None) => format!("{HEADER} must be a longstr, not {}", other.type_word()),
        (None, Some(other)) => format!("{PROPERTY} must be a longstr, not {}", other.type_word()),
    };
    Err(Refusal::InvalidExchange { reason })
}

/// Refuses a key that is no weight.
pub(super) fn check_binding(binding: &BindingRecord) -> Result<(), Refusal> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let key = &binding.routing_key;
    let reason = match key.parse::<i64>() {
        Ok(weight) if (1..=i64::from(WEIGHT_MAX)).contains(&weight) => return Ok(()),
        Ok(weight) if weight < 1 => "The binding key must be greater than 0".to_owned(),
        Err(error) if *error.kind() == NegOverflow => "The binding key must be greater than 0".to_owned(),
        Err(error) if *error.kind() != PosOverflow => {
            format!("The binding key must be an integer: {}", term::binary(key.as_bytes()))
        }
        Ok(_) | Err(_) => format!("The binding key must not exceed {WEIGHT_MAX}"),
    };
    Err(Refusal::InvalidBinding { reason })
}

impl HashOn {
    fn property(name: &[u8]) -> Option<Self> {
        match name {
            b"correlation_id" => Some(Self::CorrelationId),
            b"message_id" => Some(Self::MessageId),
            b"timestamp" => Some(Self::Timestamp),
            _ => None,
        }
    }

    /// Arguments were checked when the exchange was declared.
    fn lenient(arguments: &Table) -> Self {
        let header = arguments.get(HEADER).and_then(Value::as_text).map(|name| Self::Header(name.into()));
        let property = || Self::property(arguments.get(PROPERTY)?.as_text()?.as_bytes());
        header.or_else(property).unwrap_or(Self::RoutingKey)
    }

    /// The number that leads a message to its bucket.
    fn number(&self, published: &Published<'_>) -> u64 {
        let message = published.message;
        let of_bytes =
            |bytes: Option<&[u8]>| bytes.map_or(portable_hash::UNDEFINED, portable_hash::of_bytes).into();
        match self {
            // RabbitMQ: the keys of `CC` and `BCC` do not count.
            Self::RoutingKey => of_bytes(Some(message.routing_key())),
            Self::CorrelationId => of_bytes(message.properties().correlation_id),
            Self::MessageId => of_bytes(message.properties().message_id),
            Self::Timestamp => {
                let text = message.properties().timestamp.map(|seconds| seconds.to_string());
                of_bytes(text.as_ref().map(String::as_bytes))
            }
            Self::Header(name) => number_of(published.headers().get(name)),
        }
    }
}

/// RabbitMQ hashes Erlang terms, and takes integers as they are.
fn number_of(header: Option<&Value>) -> u64 {
    let hash = match header {
        None | Some(Value::Void) => portable_hash::UNDEFINED,
        Some(Value::Bool(true)) => portable_hash::TRUE,
        Some(Value::Bool(false)) => portable_hash::FALSE,
        Some(Value::Text(text) | Value::Bytes(text)) => portable_hash::of_bytes(text),
        Some(Value::F32(value)) => portable_hash::of_float((*value).into()),
        Some(Value::F64(value)) => portable_hash::of_float(*value),
        Some(Value::Timestamp(seconds)) => return seconds.wrapping_mul(1000),
        Some(other) => match other.as_integer() {
            Some(integer) => return integer.cast_unsigned(),
            // Decimals, arrays and tables: no key that anybody has. Here they have a hash of their own.
            None => {
                let mut encoded = Vec::new();
                Table(vec![(model::Name::default(), other.clone())]).encode_fields(&mut encoded);
                portable_hash::of_bytes(&encoded)
            }
        },
    };
    hash.into()
}

impl Ring {
    fn count_again(&mut self) {
        let mut end: u64 = 0;
        for member in &mut self.members {
            if member.counts {
                end = end.saturating_add(member.weight.into());
            }
            member.end = end;
        }
    }
}

impl Index for Ring {
    fn insert(&mut self, binding: &BindingRecord, target: Target) {
        let made_at = binding.meta.index;
        let at = self.members.partition_point(|member| member.made_at <= made_at);
        let same = self.members.iter().position(|member| member.counts && member.target == target);
        if let Some(later) = same.filter(|same| *same >= at).and_then(|same| self.members.get_mut(same)) {
            later.counts = false;
        }
        let counts = same.is_none_or(|same| same >= at);
        let weight = binding.routing_key.parse().unwrap_or(0).min(WEIGHT_MAX);
        let identity = binding.identity().into();
        self.members.insert(at, Member { made_at, identity, target, weight, counts, end: 0 });
        self.count_again();
    }

    fn remove(&mut self, binding: &BindingRecord, target: &Target) {
        let identity = binding.identity();
        let is_it = |member: &Member| member.target == *target && *member.identity == *identity;
        let Some(at) = self.members.iter().position(is_it) else { return };
        if self.members.remove(at).counts
            && let Some(next) = self.members.iter_mut().find(|member| member.target == *target)
        {
            next.counts = true;
        }
        self.count_again();
    }

    fn collect(&self, published: &Published<'_>, _: &mut Words, matches: &mut Matches) {
        let buckets = self.members.last().map_or(0, |last| last.end);
        if buckets == 0 {
            return;
        }
        let bucket = jump::bucket(self.hash_on.number(published), buckets);
        let at = self.members.partition_point(|member| member.end <= bucket);
        if let Some(member) = self.members.get(at) {
            matches.add_one(&member.target);
        }
    }

    fn depends_on_keys_only(&self) -> bool {
        matches!(self.hash_on, HashOn::RoutingKey)
    }
}

#[cfg(test)]
mod tests;
