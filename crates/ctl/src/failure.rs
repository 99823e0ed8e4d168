//! How a command ends when it does not succeed: what is said on the standard error output, and the code.

use std::fmt;

/// A command line that is none (`EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// Arguments that cannot be right (`EX_DATAERR`).
const DATA: u8 = 65;
/// No such user (`EX_NOUSER`).
const NO_USER: u8 = 67;
/// The node is not there, or refuses (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;
/// As RabbitMQ has it: what exists already, and passwords that were not given (`EX_SOFTWARE`).
const SOFTWARE: u8 = 70;
/// Too late (`EX_TEMPFAIL`).
const TIMEOUT: u8 = 75;
/// The tool's own settings are wrong (`EX_CONFIG`).
const CONFIG: u8 = 78;

/// See the module's documentation. Made by the kind of trouble; what is said is RabbitMQ's text where it has one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
    /// What is wrong with the command line: the arguments and the usage go with it.
    is_of_line: bool,
}

impl Failure {
    fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), is_of_line: false }
    }

    /// `Error:` and the sentence.
    fn error(code: u8, text: impl fmt::Display) -> Self {
        Self::new(code, format!("Error:\n{text}"))
    }

    /// The text as it is, about a command line that is none.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(USAGE, text)
    }

    /// The command line of a command is wrong.
    pub(crate) fn arguments(text: impl fmt::Display) -> Self {
        let text = format!("Error (argument validation): {text}");
        Self { code: USAGE, text, is_of_line: true }
    }

    /// An argument cannot be right.
    pub(crate) fn argument(text: impl fmt::Display) -> Self {
        let text = format!("Error (argument validation): Bad argument: {text}");
        Self { code: DATA, text, is_of_line: true }
    }

    /// What was asked for is not there, where RabbitMQ calls that a wrong usage.
    pub(crate) fn not_found(text: impl fmt::Display) -> Self {
        Self::error(USAGE, text)
    }

    /// What was given is not right.
    pub(crate) fn data(text: impl fmt::Display) -> Self {
        Self::error(DATA, text)
    }

    pub(crate) fn no_vhost(vhost: &str) -> Self {
        Self::new(DATA, format!("Virtual host '{vhost}' does not exist"))
    }

    pub(crate) fn no_user(user: &str) -> Self {
        Self::error(NO_USER, format!("User \"{user}\" does not exist"))
    }

    /// As RabbitMQ words it where permissions are concerned.
    pub(crate) fn no_user_of_permissions(user: &str) -> Self {
        Self::error(NO_USER, format!("User {user} does not exist"))
    }

    /// Refused, or failed, by the node.
    pub(crate) fn unavailable(text: impl fmt::Display) -> Self {
        Self::error(UNAVAILABLE, text)
    }

    /// As [`Self::unavailable`], without `Error:` before it.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::new(UNAVAILABLE, text)
    }

    pub(crate) fn software(text: impl fmt::Display) -> Self {
        Self::error(SOFTWARE, text)
    }

    pub(crate) fn timeout(text: impl Into<String>) -> Self {
        Self::new(TIMEOUT, text)
    }

    pub(crate) fn config(text: impl fmt::Display) -> Self {
        Self::error(CONFIG, text)
    }

    /// Whoever reads the output has seen enough: nothing is wrong.
    pub(crate) fn end_of_output() -> Self {
        Self::new(0, "")
    }

    /// Nothing more is said than was said already.
    pub(crate) fn silent(code: u8) -> Self {
        Self::new(code, "")
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// Whether the node refused it, or was not there.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.code == UNAVAILABLE
    }

    /// With the arguments and the usage, if it is about those.
    pub(crate) fn with_usage(mut self, given: &str, usage: &str) -> Self {
        if self.is_of_line {
            self.text.push_str(&format!("\nArguments given:\n\t{given}\n\nUsage\n\n{usage}"));
            self.is_of_line = false;
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
