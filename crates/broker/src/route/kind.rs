//! The exchange types: what each is called and which [`Index`] it keeps its bindings in.
//!
//! A new type is one file beside this one and one row of [`KINDS`].

use std::fmt;

use model::Refusal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    Published, Words, direct, fanout, headers,
    target::{Matches, Target},
    topic,
};
use crate::topology::BindingRecord;

/// The bindings of one exchange, ordered for finding those that a publish matches.
pub(crate) trait Index: fmt::Debug + Send + Sync {
    /// Takes a binding in.
    fn insert(&mut self, binding: &BindingRecord, target: Target);

    /// Removes a binding that was taken in.
    fn remove(&mut self, binding: &BindingRecord, target: &Target);

    /// Adds the targets of all bindings that `published` matches; repetitions are allowed.
    fn collect(&self, published: &Published<'_>, words: &mut Words, matches: &mut Matches);
}

/// One row of [`KINDS`].
struct Row {
    name: &'static str,
    index: fn() -> Box<dyn Index>,
    /// Whether a binding may be made at all.
    check_binding: fn(&BindingRecord) -> Result<(), Refusal>,
    /// Whether the result depends on more than exchange and routing keys.
    reads_headers: bool,
}

fn takes_all(_: &BindingRecord) -> Result<(), Refusal> {
    Ok(())
}

const KINDS: &[Row] = &[
    Row { name: "direct", index: direct::index, check_binding: takes_all, reads_headers: false },
    Row { name: "fanout", index: fanout::index, check_binding: takes_all, reads_headers: false },
    Row {
        name: "headers",
        index: headers::index,
        check_binding: headers::check_binding,
        reads_headers: true,
    },
    Row { name: "topic", index: topic::index, check_binding: takes_all, reads_headers: false },
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

    /// The type called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        KINDS.iter().find(|row| row.name == name).map(Self)
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub(crate) fn index(self) -> Box<dyn Index> {
        (self.0.index)()
    }

    pub(crate) fn check_binding(self, binding: &BindingRecord) -> Result<(), Refusal> {
        (self.0.check_binding)(binding)
    }

    pub(crate) fn reads_headers(self) -> bool {
        self.0.reads_headers
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
