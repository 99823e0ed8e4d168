//! The table of keys for people: `--describe` on the terminal, and the lists in `docs/operations/configuration.md`.
//!
//! A test keeps that document equal to what is made here.

use std::fmt::Write;

use super::{
    foreign::{ROWS, Row, Verdict},
    table::keys,
};
use crate::environment::VARIABLES;

/// All settings as plain text.
pub(crate) fn plain() -> String {
    let mut text =
        "Settings of the configuration file (`key = value`), with kind, default and meaning.\n".to_owned();
    for key in keys() {
        push(&mut text, format_args!("\n{} = {}\n", key.name, key.default));
        push(&mut text, format_args!("    {}.\n    {}\n", key.kind.describe(), key.help));
    }
    text.push_str("\nEnvironment variables, which outrank the file:\n\n");
    for (name, meaning) in VARIABLES {
        push(&mut text, format_args!("{name}\n    {meaning}\n"));
    }
    text.push_str(
        "\nKeys of RabbitMQ that stop the start, since they ask for a protection that would be missing:\n\n",
    );
    for (pattern, reason) in foreign(is_refused) {
        push(&mut text, format_args!("{pattern}\n    {reason}\n"));
    }
    text.push_str("\nKeys of RabbitMQ that are accepted with a warning, and have no effect:\n\n");
    for (pattern, reason) in foreign(|row| !is_refused(row)) {
        push(&mut text, format_args!("{pattern}\n    {reason}\n"));
    }
    text
}

/// The lists of the document, from its first generated line to its last.
#[cfg(test)]
pub(crate) fn markdown() -> String {
    let mut text = "## Keys\n\n| Key | Value | Default | Meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for key in keys() {
        let default = match key.default.strip_prefix('(').and_then(|opened| opened.strip_suffix(')')) {
            Some(words) => words.to_owned(),
            None => format!("`{}`", key.default),
        };
        let row = (key.name, key.kind.describe(), default, key.help);
        push(&mut text, format_args!("| `{}` | {} | {} | {} |\n", row.0, row.1, row.2, row.3));
    }
    text.push_str("\n## Environment variables\n\n| Variable | Sets |\n| --- | --- |\n");
    for (name, meaning) in VARIABLES {
        push(&mut text, format_args!("| `{name}` | {meaning} |\n"));
    }
    text.push_str(
        "\n## Keys of RabbitMQ that stop the start\n\n| Key | Why | Accepted if |\n| --- | --- | --- |\n",
    );
    for (patterns, verdict) in ROWS.iter().filter(|row| is_refused(row)) {
        let Verdict::Refused { reason, unless } = verdict else { continue };
        push(&mut text, format_args!("| {} | {reason} | {} |\n", code(patterns), code(unless)));
    }
    text.push_str(
        "\n## Keys of RabbitMQ that are accepted and have no effect\n\n| Key | Why |\n| --- | --- |\n",
    );
    for (patterns, verdict) in ROWS.iter().filter(|row| !is_refused(row)) {
        let Verdict::NoEffect(reason) = verdict else { continue };
        push(&mut text, format_args!("| {} | {reason} |\n", code(patterns)));
    }
    text
}

fn is_refused(row: &Row) -> bool {
    matches!(row.1, Verdict::Refused { .. })
}

fn foreign(which: impl Fn(&Row) -> bool) -> Vec<(String, &'static str)> {
    let rows = ROWS.iter().filter(|row| which(row));
    rows.flat_map(|(patterns, verdict)| {
        let (Verdict::NoEffect(reason) | Verdict::Refused { reason, .. }) = *verdict;
        patterns.iter().map(move |pattern| (legible(pattern), reason))
    })
    .collect()
}

/// `a.**` → `a.*`: one star says it to people.
fn legible(pattern: &str) -> String {
    pattern.replace("**", "*").replace(".$", ".$name")
}

#[cfg(test)]
fn code(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{}`", legible(word))).collect::<Vec<_>>().join(", ")
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    text.write_fmt(arguments).unwrap_or_default();
}
