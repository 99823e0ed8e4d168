//! What a row of the table of keys is: a name, the kind of its value, its default, its help.
//!
//! A kind knows how its value is read, how it is described, and (a function of the row) where it goes. Not here: the
//! rows (`table`), and the keys of RabbitMQ that have no effect (`foreign`).

use std::net::IpAddr;

use broker::access::pattern::Pattern;
use model::{Name, Secret};

use super::{draft::Draft, lines::Line, problem::Fault, settings::Listen, value};

/// Puts a value where it belongs. The text is what stands for the `$` part of the key, empty if it has none.
pub(crate) type Set<T> = fn(&mut Draft, &str, T);
/// The same for a piece of text.
pub(crate) type SetText = fn(&mut Draft, &str, &str);

/// A key that has an effect.
#[derive(Debug)]
pub(crate) struct Key {
    /// Dotted; a word that opens with `$` stands for any word.
    pub(crate) name: &'static str,
    /// As it would be written, or in brackets if it cannot be.
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
}

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Kind {
    Integer {
        range: Range,
        set: Set<u64>,
    },
    /// An integer or `infinity`.
    Limit {
        range: Range,
        set: Set<Option<u64>>,
    },
    /// Bytes with the binary units of frame sizes.
    FrameBytes {
        range: Range,
        set: Set<u64>,
    },
    /// Bytes with the units of memory and disk limits.
    Bytes {
        range: Range,
        set: Set<u64>,
    },
    /// A decimal from 0 to `max`.
    Share {
        max: f64,
        set: Set<f64>,
    },
    Boolean {
        set: Set<bool>,
    },
    OneOf {
        words: &'static [&'static str],
        set: SetText,
    },
    Text {
        set: SetText,
    },
    /// A regular expression.
    Pattern {
        set: SetText,
    },
    /// Milliseconds, or a time with units.
    Duration {
        range: Range,
        set: Set<u64>,
    },
    /// Text that a name of the broker can be.
    Name {
        set: Set<Name>,
    },
    Secret {
        set: Set<Secret>,
    },
    /// A port, or an address with a port.
    Address {
        set: Set<Vec<Listen>>,
    },
    /// An address without a port.
    Ip {
        set: Set<IpAddr>,
    },
}

/// The integers that make sense.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) min: u64,
    pub(crate) max: u64,
    /// Whether 0 is allowed below `min`, for "no limit" or "none".
    pub(crate) or_zero: bool,
}

impl Range {
    pub(crate) const fn from(min: u64, max: u64) -> Self {
        Self { min, max, or_zero: false }
    }

    pub(crate) const fn or_zero(self) -> Self {
        Self { or_zero: true, ..self }
    }

    fn holds(self, number: u64) -> bool {
        (self.min..=self.max).contains(&number) || (self.or_zero && number == 0)
    }

    fn describe(self) -> String {
        let zero = if self.or_zero { "0 or " } else { "" };
        let max = match self.max {
            u64::MAX => "and up".to_owned(),
            max => format!("to {max}"),
        };
        format!("{zero}{} {max}", self.min)
    }
}

impl Key {
    /// Whether `words` name this key: the word that stands for its `$` part, or empty if it has none.
    pub(crate) fn matches<'a>(&self, words: &'a [String]) -> Option<&'a str> {
        let mut part = "";
        let mut own = self.name.split('.');
        for word in words {
            match own.next()? {
                any if any.starts_with('$') => part = word,
                fixed if fixed == word => {}
                _ => return None,
            }
        }
        own.next().is_none().then_some(part)
    }

    /// Reads the line's value and puts it into the draft.
    pub(crate) fn apply(&self, draft: &mut Draft, part: &str, line: &Line) -> Result<(), Fault> {
        let text = line.value.as_str();
        if text.starts_with("encrypted:") {
            return Err(Fault::Encrypted(line.key()));
        }
        let known = match &self.kind {
            Kind::Integer { range, set } => put(draft, part, *set, within(*range, value::integer(text))),
            Kind::Limit { range, set } => {
                let limit = match text {
                    "infinity" => Some(None),
                    _ => within(*range, value::integer(text)).map(Some),
                };
                put(draft, part, *set, limit)
            }
            Kind::FrameBytes { range, set } => {
                put(draft, part, *set, within(*range, value::frame_bytes(text)))
            }
            Kind::Bytes { range, set } => put(draft, part, *set, within(*range, value::bytes(text))),
            Kind::Share { max, set } => {
                put(draft, part, *set, value::share(text).filter(|share| share <= max))
            }
            Kind::Boolean { set } => put(draft, part, *set, value::boolean(text)),
            Kind::OneOf { words, set } => {
                let word = words.iter().find(|word| **word == text);
                word.map(|word| set(draft, part, word))
            }
            Kind::Text { set } => {
                set(draft, part, text);
                Some(())
            }
            Kind::Pattern { set } => Pattern::parse(text).ok().map(|_| set(draft, part, text)),
            Kind::Duration { range, set } => put(draft, part, *set, within(*range, value::duration_ms(text))),
            Kind::Name { set } => {
                let name = Name::parse(text).ok().filter(|name| !name.is_empty());
                put(draft, part, *set, name)
            }
            Kind::Secret { set } => {
                let secret = (!text.is_empty()).then(|| Secret::new(text));
                put(draft, part, *set, secret)
            }
            Kind::Address { set } => put(draft, part, *set, value::listen(text)),
            Kind::Ip { set } => put(draft, part, *set, text.parse().ok()),
        };
        known.ok_or_else(|| self.wrong(line))
    }

    fn wrong(&self, line: &Line) -> Fault {
        let (key, expected) = (line.key(), self.kind.describe());
        match self.kind {
            Kind::Secret { .. } => Fault::WrongSecret { key, expected },
            _ => Fault::WrongValue { key, value: abridged(&line.value), expected },
        }
    }
}

fn put<T>(draft: &mut Draft, part: &str, set: Set<T>, value: Option<T>) -> Option<()> {
    value.map(|value| set(draft, part, value))
}

fn within(range: Range, number: Option<u64>) -> Option<u64> {
    number.filter(|number| range.holds(*number))
}

/// Enough of a value to recognise it by.
pub(crate) fn abridged(value: &str) -> String {
    const LETTERS_MAX: usize = 80;
    match value.char_indices().nth(LETTERS_MAX) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

impl Kind {
    /// What is expected of a value, to follow "expected".
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Integer { range, .. } => format!("an integer, {}", range.describe()),
            Self::Limit { range, .. } => format!("infinity or an integer, {}", range.describe()),
            Self::FrameBytes { range, .. } => {
                format!("bytes, {}, such as 131072 or 128kb", range.describe())
            }
            Self::Bytes { range, .. } => {
                format!("bytes, {}, such as 1000, 50MB or 2GiB", range.describe())
            }
            Self::Share { max, .. } if *max == f64::MAX => "a decimal such as 1.5".to_owned(),
            Self::Share { max, .. } => format!("a decimal from 0 to {max}"),
            Self::Boolean { .. } => "true or false".to_owned(),
            Self::OneOf { words, .. } => match words {
                [only] => (*only).to_owned(),
                _ => format!("one of {}", words.join(", ")),
            },
            Self::Text { .. } => "a text".to_owned(),
            Self::Pattern { .. } => "a regular expression".to_owned(),
            Self::Duration { range, .. } => {
                format!("milliseconds, {}, or a time such as 30s, 1h30m or 7d", range.describe())
            }
            Self::Name { .. } => "a name of 1 to 255 bytes".to_owned(),
            Self::Secret { .. } => "a text that is not empty".to_owned(),
            Self::Ip { .. } => "an IP address such as 127.0.0.1".to_owned(),
            Self::Address { .. } => {
                "a port, or an address with a port: 5672, 127.0.0.1:5672, [::1]:5672".to_owned()
            }
        }
    }
}
