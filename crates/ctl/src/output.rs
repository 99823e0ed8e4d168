//! What a command says: sentences, tables, objects, in the form that was asked for.
//!
//! A preamble is for people and only in texts; results are in every form. Nothing is coloured unless a terminal reads it.

use std::io::{self, IsTerminal, Write};

use serde_json::{Map, Value as Json, json};

use crate::{failure::Failure, line::Line, table::Table, term};

/// The version of what `--json` writes.
const SCHEMA: u32 = 1;

/// The form of results.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// For people and for `cut`: tabs, headers.
    Text,
    /// Boxes.
    Pretty,
    /// As RabbitMQ's `json` formatter.
    Json,
    Csv,
    /// One JSON object about the whole command: `--json`.
    Envelope,
}

impl Style {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "table" | "plain" | "string" => Some(Self::Text),
            "pretty_table" => Some(Self::Pretty),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Output {
    style: Style,
    is_quiet: bool,
    has_headers: bool,
    is_terminal: bool,
    /// For `--json`: what was said, and what came out.
    messages: Vec<String>,
    result: Json,
}

impl Output {
    pub(crate) fn new(line: &Line) -> Self {
        let is_silent = line.has("--silent");
        Self {
            style: line.style,
            is_quiet: is_silent || line.has("--quiet"),
            has_headers: !is_silent && !line.has("--no-table-headers"),
            is_terminal: io::stdout().is_terminal(),
            messages: Vec::new(),
            result: Json::Null,
        }
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// What is about to be done.
    pub(crate) fn announce(&self, text: &str) -> Result<(), Failure> {
        if self.is_quiet || !matches!(self.style, Style::Text | Style::Pretty) {
            return Ok(());
        }
        write(&format!("{}\n", term::tame(text)))
    }

    /// What came of it, in a sentence.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Failure> {
        match self.style {
            Style::Envelope => {
                self.messages.push(text.to_owned());
                Ok(())
            }
            Style::Json => write(&format!("{}\n", json!(text))),
            Style::Text | Style::Pretty | Style::Csv => write(&format!("{}\n", term::tame(text))),
        }
    }

    /// As [`Self::say`], unless only results are wanted.
    pub(crate) fn remark(&mut self, text: &str) -> Result<(), Failure> {
        if self.is_quiet && self.style != Style::Envelope { Ok(()) } else { self.say(text) }
    }

    /// A text as it is.
    pub(crate) fn raw(&mut self, text: &str) -> Result<(), Failure> {
        if self.style != Style::Envelope {
            return write(text);
        }
        self.messages.push(text.trim_end_matches('\n').to_owned());
        Ok(())
    }

    /// Bytes as they are and at once, whatever form is asked for: of what has no end, and of pictures.
    pub(crate) fn live(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        written(io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()))
    }

    pub(crate) fn table(&mut self, table: &Table) -> Result<(), Failure> {
        match self.style {
            Style::Envelope => {
                self.result = table.to_json();
                Ok(())
            }
            Style::Json => write(&table.json_lines()),
            Style::Csv => write(&table.csv(self.has_headers)),
            Style::Text => write(&table.tabbed(self.has_headers)),
            Style::Pretty => write(&table.boxed(self.is_terminal)),
        }
    }

    /// An object for programs, and a text for people.
    pub(crate) fn object(&mut self, object: Json, text: &str) -> Result<(), Failure> {
        match self.style {
            Style::Envelope => {
                self.result = object;
                Ok(())
            }
            Style::Json => write(&format!("{object}\n")),
            Style::Text | Style::Pretty | Style::Csv => write(text),
        }
    }

    /// Adds to the object that `--json` writes.
    pub(crate) fn note(&mut self, key: &str, value: Json) {
        if self.style == Style::Envelope {
            let mut object = match std::mem::take(&mut self.result) {
                Json::Object(object) => object,
                _ => Map::new(),
            };
            object.insert(key.to_owned(), value);
            self.result = Json::Object(object);
        }
    }

    /// A heading, bold where somebody looks at it.
    pub(crate) fn heading(&self, text: &str) -> String {
        if self.is_terminal && is_colour_wanted() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A text and nothing else, whichever form is asked for but `--json`.
    pub(crate) fn tell(&mut self, command: &str, text: &str) -> Result<(), Failure> {
        if self.style != Style::Envelope {
            return write(&format!("{text}\n"));
        }
        self.messages.push(text.to_owned());
        self.finish(command, &Ok(()))
    }

    /// The end: for `--json` this is when all is written.
    pub(crate) fn finish(&mut self, command: &str, outcome: &Result<(), Failure>) -> Result<(), Failure> {
        if self.style != Style::Envelope {
            return Ok(());
        }
        write(&envelope(command, outcome, self.result.take(), std::mem::take(&mut self.messages)))
    }
}

/// Writes what `--json` tells of a command line that is none; what is wrong with it is not told again.
pub(crate) fn refuse(command: &str, failure: Failure) -> Result<(), Failure> {
    let code = failure.code();
    write(&envelope(command, &Err(failure), Json::Null, Vec::new()))?;
    Err(Failure::silent(code))
}

fn envelope(command: &str, outcome: &Result<(), Failure>, result: Json, messages: Vec<String>) -> String {
    let mut envelope = json!({
        "schema": SCHEMA,
        "command": command,
        "ok": outcome.is_ok(),
        "result": result,
        "messages": messages,
    });
    if let (Err(failure), Some(envelope)) = (outcome, envelope.as_object_mut()) {
        envelope.insert("code".to_owned(), json!(failure.code()));
        envelope.insert("error".to_owned(), json!(failure.to_string().trim()));
    }
    format!("{envelope}\n")
}

/// Whether a terminal may be shown colours.
pub(crate) fn is_colour_wanted() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A warning, beside the results.
pub(crate) fn warn(text: &str) {
    // There is nowhere to report that the standard error output is closed.
    writeln!(io::stderr(), "Warning: {text}").unwrap_or_default();
}

pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn written(outcome: io::Result<()>) -> Result<(), Failure> {
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::end_of_output(),
        _ => Failure::software(format!("cannot write the output: {error}")),
    })
}
