//! Values of tables and words as RabbitMQ's texts show them: in Erlang's notation.

use std::fmt;

use model::{Value, refusal::Property};

/// One side of an inequivalence; with its type if the flag is set.
pub(super) struct Side<'a>(pub(super) &'a Property, pub(super) bool);

impl fmt::Display for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Property::None, _) => f.write_str("none"),
            Self(Property::Plain(word), _) => write!(f, "'{word}'"),
            Self(Property::Kind(word), _) => write!(f, "'{}'", Atom(word)),
            Self(Property::Value(value), false) => write!(f, "'{}'", Plain(value)),
            Self(Property::Value(value), true) => {
                write!(f, "the value '{}' of type '{}'", Plain(value), value.type_word())
            }
        }
    }
}

/// A word as an atom: in quotes unless it is of letters, digits, `_` and `@` and begins with a small letter.
struct Atom<'a>(&'a str);

impl fmt::Display for Atom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = self.0.starts_with(|c: char| c.is_ascii_lowercase())
            && self.0.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@'));
        if is_plain { f.write_str(self.0) } else { write!(f, "'{}'", self.0) }
    }
}

/// A value at the top of a text: strings without quotes, the rest as an Erlang term.
struct Plain<'a>(&'a Value);

impl fmt::Display for Plain<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other values are terms")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Text(bytes) | Value::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            other => write!(f, "{}", Term(other)),
        }
    }
}

/// A value as an Erlang term.
struct Term<'a>(&'a Value);

impl fmt::Display for Term<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other values are integers")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Bool(v) => write!(f, "{v}"),
            Value::F32(v) => write!(f, "{v:?}"),
            Value::F64(v) => write!(f, "{v:?}"),
            Value::Decimal { scale, value } => write!(f, "{{{scale},{value}}}"),
            Value::Timestamp(v) => write!(f, "{v}"),
            Value::Void => f.write_str("undefined"),
            Value::Text(bytes) | Value::Bytes(bytes) => {
                write!(f, "<<\"{}\">>", String::from_utf8_lossy(bytes))
            }
            Value::Array(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{{{},{}}}", value.type_word(), Term(value))?;
                }
                f.write_str("]")
            }
            Value::Table(table) => {
                f.write_str("[")?;
                for (at, (name, value)) in table.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{{<<\"{name}\">>,{},{}}}", value.type_word(), Term(value))?;
                }
                f.write_str("]")
            }
            integer => write!(f, "{}", integer.as_integer().unwrap_or_default()),
        }
    }
}
