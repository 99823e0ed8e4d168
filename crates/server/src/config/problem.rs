//! What is wrong with a configuration, and what is merely worth a line in the log.
//!
//! Every problem of every source is collected and told at once: an operator repairs a file in one go. No sentence here
//! carries the value of a secret.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::tls::CIPHERS;

/// What logging in by certificate depends on.
const EXTERNAL_NEEDS: &str =
    "logging in by certificate needs `listeners.ssl.default` and `ssl_options.verify = verify_peer`";

/// Where a setting was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// A line of the configuration file.
    Line(u32),
    /// An environment variable.
    Variable(String),
}

/// One thing that stops the start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    pub(crate) origin: Origin,
    pub(crate) fault: Fault,
}

/// Why a line or variable cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("this is neither `key = value` nor a comment")]
    NotASetting,
    #[error("`{0}` is no key: a key is words of letters, digits, `-` and `_`, joined by dots")]
    KeySyntax(String),
    #[error("`{0}` has no value; an empty text is written ''")]
    NoValue(String),
    #[error("the value of `{0}` opens with ' and is never closed")]
    Unclosed(String),
    #[error("the value of `{0}` goes on after its closing '")]
    AfterQuote(String),
    #[error("`include` is not supported: write all settings into one file")]
    Include,
    #[error("the line is longer than {0} bytes")]
    LineTooLong(usize),
    #[error("unknown key `{key}`{}", Nearest(.nearest.as_deref()))]
    UnknownKey { key: String, nearest: Option<String> },
    #[error("`{key}` cannot be `{value}`: expected {expected}")]
    WrongValue { key: String, value: String, expected: String },
    #[error("`{key}` has a value that cannot be used: expected {expected}")]
    WrongSecret { key: String, expected: String },
    #[error(
        "`{0}` is encrypted, and encrypted values are not supported: write the plain value, and guard the file"
    )]
    Encrypted(String),
    #[error("`{key}` is not supported, and to go on without it would be unsafe: {reason}")]
    Refused { key: String, reason: &'static str },
    #[error(
        "none of the `auth_mechanisms` asked for exists here (PLAIN, AMQPLAIN, ANONYMOUS and EXTERNAL do)"
    )]
    NoMechanism,
    #[error("`auth_mechanisms` offers ANONYMOUS, but `anonymous_login_user` says that nobody logs in by it")]
    AnonymousNobody,
    #[error("{EXTERNAL_NEEDS}, and no other mechanism is offered")]
    ExternalAlone,
    #[error("a listener with TLS needs `{family}.{key}`")]
    TlsMissing { family: &'static str, key: &'static str },
    #[error(
        "`{family}.fail_if_no_peer_cert` asks for certificates that nobody would look at: it needs `{family}.verify = verify_peer`"
    )]
    TlsRequiredUnverified { family: &'static str },
    #[error("none of `{family}.versions` exists here (tlsv1.3 and tlsv1.2 do)")]
    TlsNoVersion { family: &'static str },
    #[error("none of `{family}.ciphers` exists here for the versions asked for; those that exist: {}", CIPHERS.join(", "))]
    TlsNoCipher { family: &'static str },
    #[error("expected {0}")]
    WrongVariable(&'static str),
    #[error("not supported, and to go on without it would be unsafe: {0}")]
    RefusedVariable(&'static str),
}

struct Nearest<'a>(Option<&'a str>);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(key) => write!(f, "; the nearest known key is `{key}`"),
            None => Ok(()),
        }
    }
}

/// All that is wrong, in the order of the sources. Never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problems {
    pub(crate) file: Option<PathBuf>,
    pub(crate) problems: Vec<Problem>,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has a problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        for problem in &self.problems {
            write!(f, "\n  ")?;
            write_origin(f, self.file.as_deref(), &problem.origin)?;
            write!(f, ": {}", problem.fault)?;
        }
        Ok(())
    }
}

fn write_origin(f: &mut fmt::Formatter<'_>, file: Option<&Path>, origin: &Origin) -> fmt::Result {
    match (origin, file) {
        (Origin::Line(line), Some(file)) => write!(f, "{}:{line}", file.display()),
        (Origin::Line(line), None) => write!(f, "line {line}"),
        (Origin::Variable(name), _) => write!(f, "environment variable {name}"),
    }
}

/// One thing that is accepted, and that the operator should know of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Warning {
    pub(crate) origin: Origin,
    pub(crate) notice: Notice,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_origin(f, None, &self.origin)?;
        write!(f, ": {}", self.notice)
    }
}

/// What the operator should know.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Notice {
    #[error("`{key}` has no effect here: {reason}")]
    NoEffect { key: String, reason: &'static str },
    #[error("the variable has no effect here: {0}")]
    NoEffectVariable(&'static str),
    #[error("`{key}` was set on line {before} already; this line wins")]
    SetAgain { key: String, before: u32 },
    #[error(
        "the value of `{0}` ends at the `#`, which opens a comment; put the value between '…' if it belongs to it"
    )]
    HashInValue(String),
    #[error("the double quotes belong to the value of `{0}`; this syntax quotes with '…'")]
    DoubleQuotes(String),
    #[error("`{loser}` has no effect, since `{winner}` is set")]
    Outranked { loser: &'static str, winner: &'static str },
    #[error("the mechanism {0} does not exist here and is not offered")]
    MechanismLeftOut(String),
    #[error("ANONYMOUS is offered only if `auth_mechanisms` has it")]
    AnonymousNotOffered,
    #[error("EXTERNAL is not offered: {EXTERNAL_NEEDS}")]
    ExternalNotOffered,
    #[error("`{family}.verify = verify_none`: nobody looks at the certificates of clients")]
    ClientsUnverified { family: &'static str },
    #[error("TLS {0} does not exist here and is not offered")]
    TlsVersionLeftOut(String),
    #[error("the cipher suite {0} does not exist here and is not offered")]
    CipherLeftOut(String),
    #[error(
        "`ssl_options` has no effect, since nothing listens with TLS (`listeners.ssl.default = 5671` would)"
    )]
    NobodyListensWithTls,
    #[error("logs go to the standard error output, whatever `{0}` says")]
    LogsGoToStderr(&'static str),
}
