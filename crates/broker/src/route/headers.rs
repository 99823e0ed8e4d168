//! The headers exchange: the arguments of a binding are compared with the headers of the message.
//!
//! RabbitMQ 4.0.5's comparison, measured against a running one:
//! - an argument without a value (void) matches whatever value the header has;
//! - integers of all widths are one class, float and double another; text and bytes are the same;
//! - an argument that is a timestamp stands for its integer of seconds, a header that is one for its milliseconds
//!   (so that a timestamp does not match itself);
//! - inside arrays and tables everything must be the same, the type included; an empty array is an empty table.

use model::{Refusal, Value};

use super::{
    Published, Words,
    kind::Index,
    target::{Matches, Target},
    term,
};
use crate::topology::BindingRecord;

const X_MATCH: &str = "x-match";

/// Every binding is looked at: there is no key to find them by.
#[derive(Default, Debug)]
struct Headers {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    identity: Box<[u8]>,
    target: Target,
    wants_all: bool,
    arguments: Vec<(Box<str>, Wanted)>,
}

#[derive(Debug)]
enum Wanted {
    Presence,
    Value(Plain),
}

/// A value as it is compared.
#[derive(PartialEq, Debug)]
enum Plain {
    Integer(i128),
    /// By its bits: 0.0 and -0.0 differ.
    Float(u64),
    Text(bytes::Bytes),
    /// An array or a table with nothing in it.
    Empty,
    Exact(Value),
}

pub(super) fn index() -> Box<dyn Index> {
    Box::<Headers>::default()
}

/// Refuses an `x-match` that is none.
pub(super) fn check_binding(binding: &BindingRecord) -> Result<(), Refusal> {
    let reason = match binding.arguments.get(X_MATCH) {
        None => return Ok(()),
        Some(Value::Text(mode)) => match &**mode {
            b"all" | b"any" | b"all-with-x" | b"any-with-x" => return Ok(()),
            mode => format!(
                "Invalid x-match field value {}; expected all, any, all-with-x, or any-with-x",
                term::binary(mode)
            ),
        },
        Some(other) => format!(
            "Invalid x-match field type {} (value {}); expected longstr",
            other.type_word(),
            term::value(other)
        ),
    };
    Err(Refusal::InvalidBinding { reason })
}

impl Plain {
    fn of(value: &Value, timestamp_scale: i128) -> Self {
        match value {
            Value::F32(v) => Self::Float(f64::from(*v).to_bits()),
            Value::F64(v) => Self::Float(v.to_bits()),
            Value::Timestamp(v) => Self::Integer(i128::from(*v).saturating_mul(timestamp_scale)),
            Value::Text(v) | Value::Bytes(v) => Self::Text(v.clone()),
            Value::Array(items) if items.is_empty() => Self::Empty,
            Value::Table(fields) if fields.is_empty() => Self::Empty,
            other => match other.as_integer() {
                Some(v) => Self::Integer(v.into()),
                None => Self::Exact(other.clone()),
            },
        }
    }

    fn of_argument(value: &Value) -> Self {
        Self::of(value, 1)
    }

    fn of_header(value: &Value) -> Self {
        Self::of(value, 1000)
    }
}

impl Rule {
    fn new(binding: &BindingRecord, target: Target) -> Self {
        let mode = binding.arguments.get(X_MATCH).and_then(Value::as_text).unwrap_or("all");
        let counts_x = mode.ends_with("-with-x");
        let counts = |name: &str| name != X_MATCH && (counts_x || !name.starts_with("x-"));
        let arguments = binding.arguments.iter().filter(|(name, _)| counts(name));
        let wanted = |value: &Value| match value {
            Value::Void => Wanted::Presence,
            value => Wanted::Value(Plain::of_argument(value)),
        };
        Self {
            identity: binding.identity().into(),
            target,
            wants_all: mode.starts_with("all"),
            arguments: arguments.map(|(name, value)| (Box::from(&**name), wanted(value))).collect(),
        }
    }

    fn matches(&self, published: &Published<'_>) -> bool {
        let headers = published.headers();
        let is_met = |(name, wanted): &(Box<str>, Wanted)| {
            let Some(header) = headers.get(name) else { return false };
            match wanted {
                Wanted::Presence => true,
                Wanted::Value(value) => Plain::of_header(header) == *value,
            }
        };
        if self.wants_all { self.arguments.iter().all(is_met) } else { self.arguments.iter().any(is_met) }
    }
}

impl Index for Headers {
    fn insert(&mut self, binding: &BindingRecord, target: Target) {
        self.rules.push(Rule::new(binding, target));
    }

    fn remove(&mut self, binding: &BindingRecord, target: &Target) {
        let identity = binding.identity();
        let found = self.rules.iter().position(|rule| *rule.identity == *identity && rule.target == *target);
        if let Some(at) = found {
            self.rules.swap_remove(at);
        }
    }

    fn collect(&self, published: &Published<'_>, _: &mut Words, matches: &mut Matches) {
        for rule in self.rules.iter().filter(|rule| rule.matches(published)) {
            matches.add_one(&rule.target);
        }
    }

    fn depends_on_keys_only(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
