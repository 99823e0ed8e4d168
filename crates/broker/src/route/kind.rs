//! The exchange types: what each is called, which [`Index`] it keeps its bindings in, and what it refuses.
//!
//! A new type is one file beside this one and one row of [`KINDS`].

use std::fmt;

use model::{Message, Refusal, Table};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    Published, Words, consistent_hash, delayed, direct, fanout, headers, one_of, recent_history,
    target::{Matches, Target},
    topic,
};
use crate::topology::{BindingRecord, ExchangeRecord, QueueKind};

/// The bindings of one exchange, ordered for finding those that a publish matches.
pub(crate) trait Index: fmt::Debug + Send + Sync {
    /// Takes a binding in.
    fn insert(&mut self, binding: &BindingRecord, target: Target);

    /// Removes a binding that was taken in.
    fn remove(&mut self, binding: &BindingRecord, target: &Target);

    /// Adds the targets of the bindings that `published` goes by; repetitions are allowed.
    fn collect(&self, published: &Published<'_>, words: &mut Words, matches: &mut Matches);

    /// Whether messages with the same routing keys always get the same, so that a route may be kept.
    fn depends_on_keys_only(&self) -> bool {
        true
    }

    /// Earlier messages that a new binding is given, the oldest first.
    fn history(&self) -> Vec<Message> {
        Vec::new()
    }
}

/// One row of [`KINDS`].
struct Row {
    name: &'static str,
    index: fn(&ExchangeRecord) -> Box<dyn Index>,
    /// Whether an exchange may be declared with such arguments.
    check_exchange: fn(&Table) -> Result<(), Refusal>,
    /// Whether a binding may be made at all; the type of the queue if it leads to one.
    check_binding: fn(&BindingRecord, Option<QueueKind>) -> Result<(), Refusal>,
}

const fn row(name: &'static str, index: fn(&ExchangeRecord) -> Box<dyn Index>) -> Row {
    Row { name, index, check_exchange: |_| Ok(()), check_binding: |_, _| Ok(()) }
}

const KINDS: &[Row] = &[
    row("direct", |_| direct::index()),
    row("fanout", |_| fanout::index()),
    Row {
        check_binding: |binding, _| headers::check_binding(binding),
        ..row("headers", |_| headers::index())
    },
    row("topic", |_| topic::index()),
    Row {
        check_exchange: consistent_hash::check_exchange,
        check_binding: |binding, _| consistent_hash::check_binding(binding),
        ..row("x-consistent-hash", |record| consistent_hash::index(&record.arguments))
    },
    Row { check_exchange: delayed::check_exchange, ..row(delayed::NAME, delayed::index) },
    Row { check_binding: one_of::check_local_binding, ..row(one_of::LOCAL, one_of::random_index) },
    row("x-modulus-hash", |_| one_of::modulus_index()),
    row("x-random", one_of::random_index),
    Row {
        check_exchange: recent_history::check_exchange,
        ..row("x-recent-history", |record| recent_history::index(&record.arguments))
    },
];

/// An exchange type that exists here.
#[derive(Clone, Copy)]
pub struct Kind(&'static Row);

impl Kind {
    /// Exact match of the routing key.
    pub const DIRECT: Self = Self(&KINDS[0]);
    /// Every binding.
    pub const FANOUT: Self = Self(&KINDS[1]);
    /// The message's headers.
    pub const HEADERS: Self = Self(&KINDS[2]);
    /// Patterns of words.
    pub const TOPIC: Self = Self(&KINDS[3]);

    /// Every type that exists here.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(Self)
    }

    /// The type called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        KINDS.iter().find(|row| row.name == name).map(Self)
    }

    /// Whether messages may have to wait in it.
    pub(crate) fn delays(self) -> bool {
        self.name() == delayed::NAME
    }

    /// Whether it is `x-local-random`.
    pub(crate) fn is_local_random(self) -> bool {
        self.name() == one_of::LOCAL
    }

    /// The type by which an exchange of this type, with these arguments, routes.
    pub(crate) fn routes_as(self, arguments: &Table) -> Self {
        if self.delays() { delayed::inner(arguments).unwrap_or(Self::DIRECT) } else { self }
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub(crate) fn index(self, record: &ExchangeRecord) -> Box<dyn Index> {
        (self.0.index)(record)
    }

    pub(crate) fn check_exchange(self, arguments: &Table) -> Result<(), Refusal> {
        (self.0.check_exchange)(arguments)
    }

    pub(crate) fn check_binding(
        self,
        binding: &BindingRecord,
        queue: Option<QueueKind>,
    ) -> Result<(), Refusal> {
        (self.0.check_binding)(binding, queue)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Kind {}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor;

        impl de::Visitor<'_> for KindVisitor {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an exchange type")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Kind, E> {
                Kind::parse(text).ok_or_else(|| E::custom(format_args!("unknown exchange type '{text}'")))
            }
        }

        deserializer.deserialize_str(KindVisitor)
    }
}
