//! The node, as a command speaks with it: requests of the HTTP API by parts of their path, and failures in words.

use std::{
    env, io,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;

use crate::{
    exchange::{self, Answer},
    failure::Failure,
    line::Line,
    password,
    place::{Place, Stream},
};

/// What stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// A connection that was idle for longer is opened anew: the node may have given it up.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// See the module's documentation.
pub(crate) struct Node {
    place: Place,
    stream: Option<Box<dyn Stream>>,
    used: Instant,
    authorization: Option<String>,
    /// Until when all of it is to be done, and after how many seconds that was.
    deadline: Option<(Instant, u64)>,
    command: &'static str,
    /// What the node is called, as far as this machine knows; for messages.
    assumed_name: String,
    /// As the node itself says.
    name: Option<String>,
}

impl Node {
    /// Nothing is sent yet.
    pub(crate) fn new(line: &Line) -> Result<Self, Failure> {
        let place = Place::of(line)?;
        let authorization = match &place {
            Place::Folder(_) => None,
            Place::Url(url) => {
                let user = url.user.clone().ok_or_else(|| {
                    Failure::config("who logs in there? Give --user, or set HAREFOOT_USER; the password comes from HAREFOOT_PASSWORD or is asked for")
                })?;
                let password = match &url.password {
                    Some(password) => password.clone(),
                    None => password::of_login(&user)?,
                };
                Some(basic(&user, &password))
            }
        };
        Ok(Self {
            place,
            stream: None,
            used: Instant::now(),
            authorization,
            deadline: line.timeout.map(|seconds| {
                (Instant::now() + Duration::from_secs(seconds.min(u64::from(u32::MAX))), seconds)
            }),
            command: line.command.map_or("", |command| command.name),
            assumed_name: assumed_name(line),
            name: None,
        })
    }

    /// One request. An answer of any status is one.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
        sent: impl FnMut(usize),
    ) -> Result<Answer, Failure> {
        let authorization = self.authorization.clone();
        self.ask_as(authorization.as_deref(), (method, path, &[]), body, sent)
    }

    /// As [`Self::ask`], with a header or two, and perhaps in the name of somebody else.
    pub(crate) fn ask_as(
        &mut self,
        authorization: Option<&str>,
        (method, path, headers): (&str, &str, &[(&str, &str)]),
        body: Option<&[u8]>,
        sent: impl FnMut(usize),
    ) -> Result<Answer, Failure> {
        let prefix = match &self.place {
            Place::Url(url) => url.prefix.clone(),
            Place::Folder(_) => String::new(),
        };
        let host = match &self.place {
            Place::Url(_) => self.place.shown(),
            Place::Folder(_) => "localhost".to_owned(),
        };
        let mut head = format!("{method} {prefix}/api/{path} HTTP/1.1\r\nhost: {host}\r\n");
        if let Some(authorization) = authorization {
            head.push_str(&format!("authorization: {authorization}\r\n"));
        }
        for (name, value) in headers {
            let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let patience = self.patience()?;
        let mut stream = match self.stream.take().filter(|_| self.used.elapsed() < IDLE_MAX) {
            Some(stream) => stream,
            None => self.place.connect().map_err(|error| self.unreachable(&error))?,
        };
        let exchanged = stream
            .set_patience(patience)
            .and_then(|()| exchange::exchange(&mut *stream, &head, body.unwrap_or_default(), sent));
        let answer = exchanged.map_err(|error| self.broken(&error))?;
        self.used = Instant::now();
        self.stream = Some(stream).filter(|_| answer.is_kept);
        Ok(answer)
    }

    /// Connects, unless that was done.
    pub(crate) fn reach(&mut self) -> Result<(), Failure> {
        self.patience()?;
        if self.stream.is_none() {
            self.stream = Some(self.place.connect().map_err(|error| self.unreachable(&error))?);
            self.used = Instant::now();
        }
        Ok(())
    }

    /// Gets what must be there.
    pub(crate) fn get(&mut self, path: &str) -> Result<Json, Failure> {
        let answer = self.ask("GET", path, None, |_| {})?;
        answer.checked()?.json()
    }

    /// Gets what may not be there.
    pub(crate) fn find(&mut self, path: &str) -> Result<Option<Json>, Failure> {
        let answer = self.ask("GET", path, None, |_| {})?;
        if answer.status == 404 { Ok(None) } else { answer.checked()?.json().map(Some) }
    }

    pub(crate) fn put(&mut self, path: &str, body: &Json) -> Result<Answer, Failure> {
        self.ask("PUT", path, Some(body.to_string().as_bytes()), |_| {})
    }

    pub(crate) fn post(&mut self, path: &str, body: &Json) -> Result<Answer, Failure> {
        self.ask("POST", path, Some(body.to_string().as_bytes()), |_| {})
    }

    pub(crate) fn delete(&mut self, path: &str) -> Result<Answer, Failure> {
        self.ask("DELETE", path, None, |_| {})
    }

    /// Whether there is such a vhost.
    pub(crate) fn has_vhost(&mut self, vhost: &str) -> Result<bool, Failure> {
        self.find(&format!("{}?columns=name", path(&["vhosts", vhost]))).map(|found| found.is_some())
    }

    /// Refuses a vhost that is not there.
    pub(crate) fn require_vhost(&mut self, vhost: &str) -> Result<(), Failure> {
        if self.has_vhost(vhost)? { Ok(()) } else { Err(Failure::no_vhost(vhost)) }
    }

    /// What the node calls itself.
    pub(crate) fn name(&mut self) -> Result<String, Failure> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        // Whoever may not monitor still sees in the overview where they are.
        let nodes = match self.ask("GET", "nodes?columns=name", None, |_| {})? {
            refused if refused.status == 401 => self.get("overview?columns=node")?,
            answer => answer.checked()?.json()?,
        };
        let name = nodes.pointer("/0/name").or_else(|| nodes.get("node"));
        let name = name.and_then(Json::as_str).unwrap_or_default().to_owned();
        self.name = Some(name.clone());
        Ok(name)
    }

    /// Refuses if it is not the node that is meant.
    pub(crate) fn require_name(&mut self, meant: &str) -> Result<(), Failure> {
        let name = self.name()?;
        if is_same(meant, &name) {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "Error: unable to perform an operation on node '{meant}'. The node at {} is {name}.",
            self.place.shown()
        )))
    }

    /// What it is told about who asks.
    pub(crate) fn authorization(&self) -> Option<String> {
        self.authorization.clone()
    }

    /// Whether it is on this machine, reached by its socket.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.place, Place::Folder(_))
    }

    /// What the node is called, without asking it.
    pub(crate) fn assumed_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.assumed_name)
    }

    /// How long the next request may take.
    fn patience(&self) -> Result<Option<Duration>, Failure> {
        let Some((deadline, _)) = self.deadline else { return Ok(None) };
        match deadline.checked_duration_since(Instant::now()) {
            Some(rest) if !rest.is_zero() => Ok(Some(rest)),
            _ => Err(self.timed_out()),
        }
    }

    fn timed_out(&self) -> Failure {
        let seconds = self.deadline.map_or(0, |(_, seconds)| seconds);
        Failure::timeout(format!(
            "Error: operation {} on node {} timed out. Timeout value used: {}",
            self.command,
            self.assumed_name(),
            seconds.saturating_mul(1000)
        ))
    }

    fn broken(&self, error: &io::Error) -> Failure {
        if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            return self.timed_out();
        }
        let is_cut_off = matches!(self.place, Place::Folder(_))
            && matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        let why = if is_cut_off { "; who is neither the node's own user nor root is cut off" } else { "" };
        Failure::failed(format!(
            "Error: the connection to node '{}' at {} broke: {error}{why}",
            self.assumed_name(),
            self.place.shown()
        ))
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        let (why, fix) = match (&self.place, error.kind()) {
            (Place::Folder(_), io::ErrorKind::NotFound) => (
                "there is no socket of a node",
                "name the folder of a running node with --data-dir or HAREFOOT_DATA_DIR, or go over HTTP with --url",
            ),
            (Place::Folder(_), io::ErrorKind::ConnectionRefused) => {
                ("the node of this folder does not run", "start it")
            }
            (Place::Folder(_), io::ErrorKind::PermissionDenied) => (
                "this user may not",
                "be the user as whom the node runs, or root; or go over HTTP with --url",
            ),
            (Place::Folder(_), _) => ("", "name another folder with --data-dir, or go over HTTP with --url"),
            (Place::Url(_), io::ErrorKind::InvalidData) => (
                "",
                "name the authority that has signed the node's certificate with --cacert, and the host by a name that is in it",
            ),
            (Place::Url(_), _) => ("", "see whether the node runs, and listens there (--management-listen)"),
        };
        let why = if why.is_empty() { error.to_string() } else { why.to_owned() };
        Failure::failed(format!(
            "Error: unable to perform an operation on node '{}'.\n\n * tried: {}\n * result: {why}\n * try: {fix}\n",
            self.assumed_name(),
            self.place.shown()
        ))
    }
}

impl Answer {
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Why it is none, in the API's words.
    pub(crate) fn reason(&self) -> String {
        let body: Json = serde_json::from_slice(&self.body).unwrap_or_default();
        match body.get("reason") {
            Some(Json::String(reason)) => reason.clone(),
            Some(other) => other.to_string(),
            None => format!("the HTTP API answered with status {}", self.status),
        }
    }

    /// Itself, if it is good; else a failure with the reason.
    pub(crate) fn checked(self) -> Result<Self, Failure> {
        if self.is_good() {
            return Ok(self);
        }
        let reason = self.reason();
        Err(match self.status {
            401 => Failure::unavailable(format!("The node refuses: {reason}")),
            _ => Failure::unavailable(reason),
        })
    }

    pub(crate) fn json(&self) -> Result<Json, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::failed(format!("Error: the HTTP API answered with something else than JSON: {error}"))
        })
    }
}

/// A path behind `/api/`, its parts encoded.
pub(crate) fn path(parts: &[&str]) -> String {
    let encoded: Vec<String> =
        parts.iter().map(|part| utf8_percent_encode(part, PLAIN).to_string()).collect();
    encoded.join("/")
}

/// An `authorization` header.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// What the node is called, as far as this machine knows.
pub(crate) fn assumed_name(line: &Line) -> String {
    let set = || env::var("RABBITMQ_NODENAME").ok().filter(|name| !name.is_empty());
    let name = line.option("--node").map(str::to_owned).or_else(set).unwrap_or_else(|| "rabbit".to_owned());
    if name.contains('@') { name } else { format!("{name}@{}", host()) }
}

/// The host's name up to its first dot, as in names of nodes.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// Whether a name given for a node means this one: without a host any will do, and `localhost` is this machine.
fn is_same(meant: &str, name: &str) -> bool {
    let (meant, meant_host) = meant.split_once('@').unwrap_or((meant, ""));
    let (name, name_host) = name.split_once('@').unwrap_or((name, ""));
    let short = |host: &str| host.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_host = meant_host.is_empty()
        || short(meant_host) == short(name_host)
        || (meant_host.eq_ignore_ascii_case("localhost") && short(name_host) == host().to_ascii_lowercase());
    meant == name && is_host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths_are_encoded_each() {
        assert_eq!(path(&["queues", "/", "a b/ü"]), "queues/%2F/a%20b%2F%C3%BC");
        assert_eq!(path(&["vhosts", ""]), "vhosts/");
    }

    #[test]
    fn a_node_is_meant_with_and_without_its_host() {
        assert!(is_same("rabbit", "rabbit@one") && is_same("rabbit@one.example.com", "rabbit@one"));
        assert!(!is_same("rabbit@two", "rabbit@one") && !is_same("other", "rabbit@one"));
        assert!(is_same("rabbit@localhost", &format!("rabbit@{}", host())));
    }
}
