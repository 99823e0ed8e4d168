//! A command line, read: the command, its arguments, its options. Options stand anywhere, `--` ends them.

use crate::{
    command::{Command, Opt},
    commands,
    failure::Failure,
    near,
    output::Style,
    tool::Tool,
    usage,
};

/// What all commands take.
pub(crate) const GENERAL: &[Opt] = &[
    Opt::flag("--help", "displays command help").short("-?"),
    Opt::value("--node", "<node>", "the node that is meant; another one is refused").short("-n"),
    Opt::flag("--longnames", "accepted, and means nothing here").short("-l"),
    Opt::value("--timeout", "<n>", "how many seconds it may take").short("-t"),
    Opt::flag("--quiet", "suppress informational messages").short("-q"),
    Opt::flag("--silent", "suppress informational messages and table header row").short("-s"),
    Opt::value("--vhost", "<vhost>", "the virtual host, where one is meant; / without it").short("-p"),
    Opt::value("--formatter", "<formatter>", "table, pretty_table, json or csv"),
    Opt::flag("--no-table-headers", "suppress table header row"),
    Opt::flag("--json", "answer with one JSON object, schema 1, whatever happens"),
    Opt::value(
        "--data-dir",
        "<dir>",
        "the node's data folder, where its socket is; else HAREFOOT_DATA_DIR, ./harefoot-data",
    ),
    Opt::value("--url", "<url>", "go to the HTTP API there instead of the socket; else HAREFOOT_URL"),
    Opt::value(
        "--cacert",
        "<file>",
        "for https: the authorities that may vouch for the node; else SSL_CERT_FILE, or the system's",
    )
    .short("--tls-ca-cert-file"),
    Opt::value("--tls-cert-file", "<file>", "for https: the certificate that is shown to the node"),
    Opt::value("--tls-key-file", "<file>", "for https: its key"),
    Opt::value(
        "--user",
        "<user>",
        "who logs in there, with HAREFOOT_PASSWORD or as asked; else HAREFOOT_USER",
    ),
];

/// What RabbitMQ's scripts hand over, and means nothing here.
const WITHOUT_MEANING: &[Opt] = &[
    Opt::flag("--print-stacktrace", ""),
    Opt::value("--script-name", "<name>", ""),
    Opt::value("--aliases-file", "<file>", ""),
    Opt::value("--erlang-cookie", "<cookie>", ""),
    Opt::value("--rabbitmq-home", "<dir>", ""),
    Opt::value("--mnesia-dir", "<dir>", ""),
    Opt::value("--plugins-dir", "<dir>", ""),
    Opt::value("--plugins-expand-dir", "<dir>", ""),
    Opt::value("--enabled-plugins-file", "<file>", ""),
    Opt::flag("-h", "").short("-h"),
];

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Run,
    Help,
    Version,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) tool: Tool,
    pub(crate) wish: Wish,
    /// None: of the tool as a whole.
    pub(crate) command: Option<&'static Command>,
    pub(crate) words: Vec<String>,
    /// Columns that were asked for, or those that are shown without a wish.
    pub(crate) columns: Vec<&'static str>,
    pub(crate) style: Style,
    /// Seconds.
    pub(crate) timeout: Option<u64>,
    /// The command and what stands behind it, for messages.
    pub(crate) given: String,
    options: Vec<(&'static str, Option<String>)>,
}

impl Line {
    pub(crate) fn parse(tool: Tool, given: Vec<String>) -> Result<Self, Failure> {
        let name = command_name(&given);
        let command = match name {
            Some(name) => Some(find(tool, name)?),
            None => None,
        };
        let mut line = Self {
            tool,
            wish: Wish::Run,
            command,
            words: Vec::new(),
            columns: command.map_or_else(Vec::new, |command| command.chosen.to_vec()),
            style: Style::Text,
            timeout: None,
            given: given.join(" "),
            options: Vec::new(),
        };
        let read = line.read(given).and_then(|()| line.check());
        let usage = line.usage();
        read.map_err(|failure| failure.with_usage(&line.given, &usage)).map(|()| line)
    }

    /// The line of usage of its command.
    pub(crate) fn usage(&self) -> String {
        self.command.map(|command| usage::line(self.tool, command)).unwrap_or_default()
    }

    fn read(&mut self, given: Vec<String>) -> Result<(), Failure> {
        let mut wrong = Vec::new();
        let mut words = given.into_iter();
        let mut is_command_next = true;
        while let Some(word) = words.next() {
            if word == "--" {
                self.words.extend(words);
                break;
            }
            if !is_option(&word) {
                if !(std::mem::take(&mut is_command_next) && self.command.is_some()) {
                    self.words.push(word);
                }
                continue;
            }
            let (name, joined) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            let Some(option) = self.option_named(name) else {
                wrong.push(format!("{name} : {}", joined.unwrap_or_default()));
                continue;
            };
            match (option.value, joined) {
                (None, None) => self.options.push((option.long, None)),
                (None, Some(value)) => wrong.push(format!("{name} : {value}")),
                (Some(_), Some(value)) => self.options.push((option.long, Some(value))),
                (Some(_), None) => match words.next() {
                    Some(value) => self.options.push((option.long, Some(value))),
                    None => wrong.push(format!("{name} : ")),
                },
            }
        }
        if let Some(timeout) = self.option("--timeout").filter(|text| *text != "infinity") {
            match timeout.parse() {
                Ok(seconds) => self.timeout = Some(seconds),
                Err(_) => wrong.push(format!("--timeout : {timeout}")),
            }
        }
        match self.option("--formatter").map(Style::parse) {
            None => {}
            Some(Some(style)) => self.style = style,
            Some(None) => {
                wrong.push(format!("--formatter : {}", self.option("--formatter").unwrap_or_default()));
            }
        }
        if self.has("--json") {
            self.style = Style::Envelope;
        }
        self.wish = if self.has("--help") || self.has("-h") {
            Wish::Help
        } else if self.has("--version") {
            Wish::Version
        } else {
            Wish::Run
        };
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Failure::arguments(format!("Invalid options for this command:\n{}", wrong.join("\n"))))
    }

    fn option_named(&self, name: &str) -> Option<&'static Opt> {
        const VERSION: Opt = Opt::flag("--version", "displays the version");
        let own = self.command.map_or(&[][..], |command| command.options);
        let all = own.iter().chain(GENERAL).chain(WITHOUT_MEANING).chain([&VERSION]);
        let mut all = all.filter(|option| option.long == name || option.short == Some(name));
        all.next()
    }

    /// Arguments: as many as the command takes, or columns that it has.
    fn check(&mut self) -> Result<(), Failure> {
        let Some(command) = self.command.filter(|_| matches!(self.wish, Wish::Run)) else { return Ok(()) };
        let (min, max) = command.words;
        if self.words.len() < min {
            return Err(Failure::arguments("not enough arguments."));
        }
        if self.words.len() > max {
            return Err(Failure::arguments("too many arguments."));
        }
        if command.chosen.is_empty() {
            return Ok(());
        }
        let (mut columns, mut unknown) = (Vec::new(), Vec::new());
        for wanted in self.words.iter().flat_map(|word| word.split(',')).map(str::trim) {
            match command.columns.iter().find(|column| **column == wanted) {
                _ if wanted.is_empty() => {}
                Some(column) if columns.contains(column) => {}
                Some(column) => columns.push(column),
                None => unknown.push(wanted),
            }
        }
        if !unknown.is_empty() {
            return Err(Failure::arguments(format!("Info key(s) {} are not supported", unknown.join(","))));
        }
        if !columns.is_empty() {
            self.columns = columns;
        }
        Ok(())
    }

    /// The value of an option, if it was given; the last one counts.
    pub(crate) fn option(&self, long: &str) -> Option<&str> {
        let found = self.options.iter().rev().find(|(name, _)| *name == long);
        found.and_then(|(_, value)| value.as_deref())
    }

    /// Whether an option was given.
    pub(crate) fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == long)
    }
}

/// `-` alone is an argument, and so is a number below zero.
fn is_option(word: &str) -> bool {
    word.starts_with('-') && word.len() > 1 && !word[1..].starts_with(|c: char| c.is_ascii_digit())
}

/// The first word that is no option and no option's value.
pub(crate) fn command_name(given: &[String]) -> Option<&str> {
    let mut words = given.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            return None;
        }
        if !is_option(word) {
            return Some(word);
        }
        let mut known = GENERAL.iter().chain(WITHOUT_MEANING);
        let takes_next = known
            .find(|option| option.long == word || option.short == Some(word))
            .is_some_and(|option| option.value.is_some());
        if takes_next {
            words.next();
        }
    }
    None
}

fn find(tool: Tool, name: &str) -> Result<&'static Command, Failure> {
    commands::find(tool, name).ok_or_else(|| unknown(tool, name))
}

/// A tool has no command of this name: perhaps another one has, or one that is spelled alike is meant.
pub(crate) fn unknown(tool: Tool, name: &str) -> Failure {
    let not_found = format!("\nCommand '{name}' not found. \n");
    // A command of another tool, before one that is spelled alike.
    if let Some(other) = Tool::OF_RABBITMQ.into_iter().find(|other| commands::find(*other, name).is_some()) {
        return Failure::usage(format!(
            "{not_found}It is a command of {}: {} {name}\n",
            other.name(),
            other.name()
        ));
    }
    let names = commands::of(tool).map(|command| command.name);
    match near::nearest(name, names) {
        Some(near) => Failure::usage(format!("{not_found}Did you mean '{near}'? \n")),
        None => Failure::usage(format!("{not_found}{}", usage::of_tool(tool))),
    }
}
