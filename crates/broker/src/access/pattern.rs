//! Patterns of permissions and policies: regular expressions, as Perl and Erlang know them, looked for anywhere in a name.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use fancy_regex::{Regex, RegexBuilder};

/// Steps of backtracking before a pattern counts as not matching. A name has 255 bytes: what needs more is an accident or
/// an attack.
const BACKTRACKS_MAX: usize = 100_000;
/// The longest pattern: a compiled one is many times larger.
const PATTERN_BYTES_MAX: usize = 4096;

/// Why a text is no pattern.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum InvalidPattern {
    /// It is no regular expression.
    #[error("'{pattern}': {reason}")]
    Syntax {
        /// The text.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Longer than any that is sensible.
    #[error("the pattern has {0} bytes, more than {PATTERN_BYTES_MAX}")]
    TooLong(usize),
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    /// None matches nothing.
    regex: Option<Regex>,
}

impl Pattern {
    /// Compiles a pattern. The empty one matches only the empty name.
    ///
    /// # Errors
    /// When it is no regular expression.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(InvalidPattern::TooLong(text.len()));
        }
        let pattern = if text.is_empty() { "^$" } else { text };
        let built = RegexBuilder::new(pattern).backtrack_limit(BACKTRACKS_MAX).build();
        let regex = built.map_err(|error| InvalidPattern::Syntax {
            pattern: text.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self { regex: Some(regex) })
    }

    /// As [`Pattern::parse`], where a text that is no pattern matches nothing.
    pub(crate) fn lenient(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self { regex: None })
    }

    /// Compiles a pattern in which `{username}` and `{vhost}` stand for these names, taken literally.
    ///
    /// # Errors
    /// When it is no regular expression.
    pub fn expanded(text: &str, user: &str, vhost: &str) -> Result<Self, InvalidPattern> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(InvalidPattern::TooLong(text.len()));
        }
        // In one pass: a user called `{vhost}` is only a name.
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            expanded.push_str(before);
            if let Some(after) = from.strip_prefix("{username}") {
                expanded.push_str(&fancy_regex::escape(user));
                rest = after;
            } else if let Some(after) = from.strip_prefix("{vhost}") {
                expanded.push_str(&fancy_regex::escape(vhost));
                rest = after;
            } else {
                expanded.push('{');
                rest = from.strip_prefix('{').unwrap_or_default();
            }
        }
        expanded.push_str(rest);
        Self::parse(&expanded)
    }

    /// As [`Pattern::expanded`], where a text that is no pattern matches nothing.
    pub(crate) fn expanded_lenient(text: &str, user: &str, vhost: &str) -> Self {
        Self::expanded(text, user, vhost).unwrap_or(Self { regex: None })
    }

    /// Whether it is found in `name`. One that takes too long is not.
    pub fn is_match(&self, name: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(name).unwrap_or(false))
    }
}

/// The compiled patterns in use, each once: most users have the same three.
#[derive(Default, Debug)]
pub(crate) struct Patterns {
    known: BTreeMap<Box<str>, Weak<Pattern>>,
    /// How many there may be before those that nobody uses are forgotten.
    prune_at: usize,
}

impl Patterns {
    pub(crate) fn intern(&mut self, text: &str) -> Arc<Pattern> {
        if let Some(pattern) = self.known.get(text).and_then(Weak::upgrade) {
            return pattern;
        }
        if self.known.len() >= self.prune_at {
            self.known.retain(|_, pattern| pattern.strong_count() > 0);
            self.prune_at = self.known.len().saturating_mul(2).max(64);
        }
        let pattern = Arc::new(Pattern::lenient(text));
        self.known.insert(text.into(), Arc::downgrade(&pattern));
        pattern
    }
}

#[cfg(test)]
mod tests;
