//! The line grammar of `rabbitmq.conf`: text → (line number, key, value).
//!
//! ```text
//! file    = { [ setting ] [ "#" anything ] end-of-line }
//! setting = key "=" value
//! key     = word { "." word }              word = letters, digits, "-", "_", and "\." for a dot inside a word
//! value   = "'" anything but "'" "'"       on one line, taken literally
//!         | "'''" anything "'''"           may span lines
//!         | anything up to "#" or the end  blanks around it do not count
//! ```
//!
//! Not here: what a key means. Invariant: a line is either a [`Line`], a [`Problem`] or empty, and parsing goes on after
//! a problem, so that all of them are told at once.

use super::problem::{Fault, Notice, Origin, Problem, Warning};

/// Longer lines are refused: nothing real comes near.
const LINE_BYTES_MAX: usize = 64 * 1024;
const TRIPLE: &str = "'''";

/// One setting as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(crate) number: u32,
    /// Never empty; a dot inside a word is no longer escaped.
    pub(crate) words: Vec<String>,
    pub(crate) value: String,
}

impl Line {
    /// The key as an operator reads it.
    pub(crate) fn key(&self) -> String {
        self.words.join(".")
    }
}

/// What a text holds.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) lines: Vec<Line>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Warning>,
}

/// Splits `text` into its settings.
pub(crate) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = text.lines();
    let mut number = 0u32;
    while let Some(line) = rest.next() {
        number = number.saturating_add(1);
        let first = number;
        let outcome = setting(line).and_then(|setting| {
            let Some((words, value)) = setting else { return Ok(None) };
            let key = words.join(".");
            let value = match value.strip_prefix(TRIPLE) {
                Some(opened) => triple_quoted(&key, opened, &mut rest, &mut number)?,
                None => plain_or_quoted(&key, value, first, &mut parsed.warnings)?,
            };
            Ok(Some(Line { number: first, words, value }))
        });
        match outcome {
            Ok(None) => {}
            Ok(Some(line)) => parsed.lines.push(line),
            Err(fault) => parsed.problems.push(Problem { origin: Origin::Line(first), fault }),
        }
    }
    parsed
}

/// A key's words, and the text that follows its `=`.
type Halves<'a> = (Vec<String>, &'a str);

/// The two halves of a line; `None` if it is empty or a comment.
fn setting(line: &str) -> Result<Option<Halves<'_>>, Fault> {
    if line.len() > LINE_BYTES_MAX {
        return Err(Fault::LineTooLong(LINE_BYTES_MAX));
    }
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let Some((key, value)) = line.split_once('=') else {
        let is_include = line.split_whitespace().next() == Some("include");
        return Err(if is_include { Fault::Include } else { Fault::NotASetting });
    };
    let key = key.trim_end_matches([' ', '\t']);
    let words = words(key).ok_or_else(|| Fault::KeySyntax(key.to_owned()))?;
    Ok(Some((words, value.trim_start_matches([' ', '\t']))))
}

/// `a.b\.c` → `a`, `b.c`; `None` if it is no key.
fn words(key: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut letters = key.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '.' if word.is_empty() => return None,
            '.' => words.push(std::mem::take(&mut word)),
            '\\' if letters.next() == Some('.') => word.push('.'),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => word.push(letter),
            _ => return None,
        }
    }
    if word.is_empty() {
        return None;
    }
    words.push(word);
    Some(words)
}

/// A value of one line; `value` has no blanks around it.
fn plain_or_quoted(
    key: &str,
    value: &str,
    number: u32,
    warnings: &mut Vec<Warning>,
) -> Result<String, Fault> {
    let mut warn = |notice| warnings.push(Warning { origin: Origin::Line(number), notice });
    if let Some(opened) = value.strip_prefix('\'') {
        let (inside, after) = opened.split_once('\'').ok_or_else(|| Fault::Unclosed(key.to_owned()))?;
        return if is_blank_or_comment(after) {
            Ok(inside.to_owned())
        } else {
            Err(Fault::AfterQuote(key.to_owned()))
        };
    }
    let (text, has_comment) = match value.split_once('#') {
        Some((text, _)) => (text, true),
        None => (value, false),
    };
    let trimmed = text.trim_end_matches([' ', '\t']);
    if trimmed.is_empty() {
        return Err(Fault::NoValue(key.to_owned()));
    }
    if has_comment && trimmed.len() == text.len() {
        warn(Notice::HashInValue(key.to_owned()));
    }
    if trimmed.len() > 1 && trimmed.starts_with('"') && trimmed.ends_with('"') {
        warn(Notice::DoubleQuotes(key.to_owned()));
    }
    Ok(trimmed.to_owned())
}

/// A value between triple quotes, from behind the opening ones; takes the lines that it spans.
fn triple_quoted<'a>(
    key: &str,
    opened: &'a str,
    rest: &mut impl Iterator<Item = &'a str>,
    number: &mut u32,
) -> Result<String, Fault> {
    let mut value = String::new();
    let mut line = opened;
    loop {
        if let Some((inside, after)) = line.split_once(TRIPLE) {
            value.push_str(inside);
            return if is_blank_or_comment(after) {
                // The line ends next to the quotes are there for the eye only.
                Ok(value.trim_matches(['\r', '\n']).to_owned())
            } else {
                Err(Fault::AfterQuote(key.to_owned()))
            };
        }
        value.push_str(line);
        value.push('\n');
        line = rest.next().ok_or_else(|| Fault::Unclosed(key.to_owned()))?;
        *number = number.saturating_add(1);
    }
}

fn is_blank_or_comment(text: &str) -> bool {
    let text = text.trim_start();
    text.is_empty() || text.starts_with('#')
}

#[cfg(test)]
mod tests;
