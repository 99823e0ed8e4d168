//! From a request to its response: login, the table of what there is, and the response's form.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use broker::{
    Broker,
    topology::{Entry, Invalid, Topology},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use model::{
    Name, Refusal,
    refusal::{Permission, Resource},
};

use crate::{
    body::Body,
    call::{Call, Object, Query, parts},
    conversation::{no_vhost_access, reason},
    guard::{Guard, Options},
    list,
    login::{Caller, Right},
    problem::Problem,
    reply::{Answer, Reply},
    samples,
    sessions::{Sessions, of_cookies},
    world::{Explain, Identity, Listening, World},
};

mod bindings;
mod channels;
mod connections;
mod consumers;
mod definitions;
mod delayed;
mod exchanges;
mod features;
mod health;
mod input;
mod limits;
mod messages;
mod node;
mod openapi;
mod operation;
mod parameters;
mod peek;
mod permissions;
mod policies;
mod queues;
mod routes;
pub(crate) mod sessions;
mod settings;
mod statistics;
mod users;
mod vhosts;
mod why;

pub use input::read;

/// From where a request comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// From the network: whoever asks logs in.
    Network(SocketAddr),
    /// The same, over TLS.
    Encrypted(SocketAddr),
    /// From whoever owns the node's process, or the machine: a request without a login may do everything.
    Operator,
}

impl Peer {
    /// Where the other end is.
    pub(crate) fn ip(self) -> IpAddr {
        match self {
            Self::Network(address) | Self::Encrypted(address) => address.ip(),
            Self::Operator => Ipv6Addr::LOCALHOST.into(),
        }
    }

    pub(crate) fn is_loopback(self) -> bool {
        self.ip().to_canonical().is_loopback()
    }

    pub(crate) fn is_secure(self) -> bool {
        matches!(self, Self::Encrypted(_))
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Network(address)
    }
}

/// The HTTP API of a node.
pub struct Api {
    broker: Arc<Broker>,
    world: Arc<dyn World>,
    explain: Explain,
    identity: Identity,
    listening: Vec<Listening>,
    samples: samples::Shared,
    guard: Guard,
    sessions: Sessions,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("node", &self.identity.node).finish_non_exhaustive()
    }
}

impl Api {
    /// The API of this broker.
    pub fn new(
        broker: Arc<Broker>,
        world: Arc<dyn World>,
        explain: Explain,
        identity: Identity,
        listening: Vec<Listening>,
    ) -> Self {
        let (guard, sessions) = (Guard::default(), Sessions::default());
        Self {
            broker,
            world,
            explain,
            identity,
            listening,
            samples: samples::Shared::default(),
            guard,
            sessions,
        }
    }

    /// The same with what an operator has set; None if that can be no header of HTTP.
    pub fn with_options(self, options: Options) -> Option<Self> {
        let guard = Guard::new(options)?;
        Some(Self { guard, ..self })
    }

    /// The answer to a body that has more than [`Api::body_bytes_max`].
    pub fn refuse_body(path: &str) -> Response<Body> {
        refuse(&Problem::TooLarge(Self::body_bytes_max(path)))
    }

    /// The most bytes of a body: definitions are large, the rest is not.
    pub fn body_bytes_max(path: &str) -> usize {
        if path.starts_with("/api/definitions") { 50 * 1024 * 1024 } else { 1024 * 1024 }
    }

    /// Takes definitions in, as a POST of them would: all of a file, or nothing. Waits for the disk.
    ///
    /// # Errors
    /// What is wrong with them, in a sentence.
    pub fn load(&self, definitions: &[u8]) -> Result<(), String> {
        let loaded =
            Object::parse(definitions).and_then(|body| definitions::take_in(self, None, &body, None));
        loaded.map_err(|problem| problem.reason())
    }

    /// Takes samples of what is counted: to be called every [`TICK_MS`](crate::TICK_MS) by whoever keeps time.
    pub fn take_samples(&self) {
        let usage = self.world.usage();
        self.samples.write().take(&self.broker, &usage, self.world.now_ms());
    }

    /// Answers a request whose body is here as a whole. Waits for the disk.
    pub fn answer(&self, request: &Request<Bytes>, peer: impl Into<Peer>) -> Response<Body> {
        let outcome = self.outcome(request, peer.into());
        if let Err(Problem::Internal) = &outcome {
            tracing::error!(path = request.uri().path(), "an HTTP request failed inside the broker");
        }
        let mut response = match outcome {
            Ok((status, body, header)) => {
                let mut response = respond(status, body);
                if let Some((name, text)) = header
                    && let Ok(value) = HeaderValue::try_from(text)
                {
                    response.headers_mut().insert(name, value);
                }
                response
            }
            Err(problem) => refuse(&problem),
        };
        if request.method() == Method::HEAD {
            *response.body_mut() = Bytes::new().into();
        }
        self.guard.protect(request.method(), request.headers(), response.headers_mut());
        response
    }

    fn outcome(&self, request: &Request<Bytes>, peer: Peer) -> Result<Shaped, Problem> {
        let path = parts(request.uri().path()).ok_or_else(|| Problem::bad("the path is not UTF-8"))?;
        let (api, path) = path.split_first().ok_or(Problem::NotFound)?;
        if api != "api" {
            return Err(Problem::NotFound);
        }
        let route = routes::find(path).ok_or(Problem::NotFound)?;
        let method = match *request.method() {
            Method::HEAD => &Method::GET,
            ref other => other,
        };
        if *method == Method::OPTIONS {
            return Ok((StatusCode::OK, None, Some((header::ALLOW, route.allowed()))));
        }
        let action = route.action(method).ok_or_else(|| Problem::MethodNotAllowed(route.allowed()))?;
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        if !text("accept").is_none_or(is_json_wanted) {
            return Err(Problem::NotAcceptable);
        }
        let session = text("cookie").and_then(of_cookies);
        let caller = match (text("authorization"), session) {
            _ if route.is_open => Caller::nobody(),
            (Some(header), _) => Caller::log_in(self, header, peer)?,
            (None, _) if peer == Peer::Operator => Caller::operator(),
            (None, Some(value)) => {
                if !self.guard.may_use_cookie(request.method(), request.headers()) {
                    let said = "another site may not act for whoever is logged in here";
                    return Err(Problem::NotAuthorised(said.to_owned()));
                }
                Caller::resume(self, value, peer)?
            }
            (None, None) => return Err(Problem::NoCredentials),
        };
        let call = Call {
            caller,
            path: path.to_vec(),
            query: Query::parse(request.uri().query().unwrap_or_default()),
            body: request.body().clone(),
            reason: text("x-reason").map(str::to_owned),
            content_type: text("content-type").map(str::to_owned),
            peer,
            session: session.map(str::to_owned),
        };
        if !route.is_open {
            call.caller.require(route.right)?;
        }
        shape(action(self, &call)?, &call.query)
    }

    pub(crate) fn listening(&self) -> &[Listening] {
        &self.listening
    }

    pub(crate) fn samples(&self) -> &samples::Shared {
        &self.samples
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn cluster_name(&self) -> String {
        node::cluster_name_of(self, &self.broker.topology().read())
    }

    pub(crate) fn vhost_names(&self) -> Vec<Name> {
        self.broker.topology().read().vhosts().map(|vhost| vhost.name.clone()).collect()
    }

    pub(crate) fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn world(&self) -> &dyn World {
        &*self.world
    }

    pub(crate) fn explain(&self, refusal: &Refusal) -> (u16, String) {
        (self.explain)(refusal)
    }

    /// Refuses callers who may not read from a queue or an exchange. On the socket nobody's permissions are asked for.
    fn check_reading(
        &self,
        call: &Call,
        topology: &Topology,
        vhost: &Name,
        resource: Resource,
        name: &Name,
    ) -> Result<(), Problem> {
        if call.caller.is_operator {
            return Ok(());
        }
        let allowed = topology.check_access(&call.caller.user, vhost, Permission::Read, resource, name);
        allowed.map_err(|refusal| Problem::NotAuthorised(reason(&self.explain(&refusal).1).to_owned()))
    }

    /// The vhost that a part of the path names, if it exists and the caller may know of it.
    fn vhost(&self, call: &Call, at: usize) -> Result<Name, Problem> {
        let name = call.name(at)?;
        if !self.broker.topology().read().vhosts().any(|vhost| vhost.name == name) {
            return Err(Problem::NotFound);
        }
        if !call.caller.may_see(&self.broker, &name) {
            return Err(no_vhost_access());
        }
        Ok(name)
    }

    /// The vhosts that the caller may know of: all of them, or the one that a part of the path names.
    fn vhosts(&self, call: &Call, at: usize) -> Result<Vec<Name>, Problem> {
        if call.path.len() > at {
            return self.vhost(call, at).map(|vhost| vec![vhost]);
        }
        let all: Vec<Name> = self.broker.topology().read().vhosts().map(|vhost| vhost.name.clone()).collect();
        Ok(all.into_iter().filter(|vhost| call.caller.may_see(&self.broker, vhost)).collect())
    }

    /// Changes the metadata as the caller wishes, and waits until that is on disk.
    fn change<Entries: IntoIterator<Item = Entry>>(
        &self,
        call: &Call,
        wish: impl FnOnce(&Topology) -> Result<Entries, Invalid>,
    ) -> Result<(), Problem> {
        let position = self.broker.change_all(Some(&call.caller.user), self.world.now_ms(), |topology| {
            wish(topology).map(Vec::from_iter).map_err(|invalid| of_invalid(&invalid))
        })?;
        self.broker.wait_durable(position);
        Ok(())
    }
}

/// Why an operator's wish is denied.
fn of_invalid(invalid: &Invalid) -> Problem {
    match invalid {
        Invalid::NoVhost { .. } | Invalid::NoUser { .. } | Invalid::NotFound { .. } => Problem::NotFound,
        Invalid::UnknownPolicyKey { .. }
        | Invalid::PolicyValue { .. }
        | Invalid::Pattern(_)
        | Invalid::ParameterLimit { .. }
        | Invalid::EmptyPolicy => Problem::Bad(format!("Validation failed\n\n{invalid}\n")),
        Invalid::UserExists { .. } => Problem::Exists(invalid.to_string()),
        other => Problem::Bad(other.to_string()),
    }
}

/// Status, body, and a header that goes with them.
type Shaped = (StatusCode, Option<Body>, Option<(HeaderName, String)>);

fn shape(reply: Reply, query: &Query) -> Result<Shaped, Problem> {
    Ok(match reply {
        Reply::Object(object) => {
            let text = match list::columns(query)? {
                Some(columns) => list::cut(&object, columns).to_string(),
                None => object.to_string(),
            };
            (StatusCode::OK, Some(Bytes::from(text).into()), None)
        }
        Reply::List(rows) => (StatusCode::OK, Some(list::shape(rows, query)?.into()), None),
        Reply::Created(location) => {
            (StatusCode::CREATED, None, location.map(|place| (header::LOCATION, place)))
        }
        Reply::Done => (StatusCode::NO_CONTENT, None, None),
        // RabbitMQ: the word, as JSON.
        Reply::LoggedIn(cookie) => {
            let body = Bytes::from_static(b"\"ok\"");
            (StatusCode::OK, Some(body.into()), Some((header::SET_COOKIE, cookie)))
        }
        Reply::LoggedOut(cookie) => (StatusCode::NO_CONTENT, None, Some((header::SET_COOKIE, cookie))),
    })
}

fn is_json_wanted(accept: &str) -> bool {
    accept.split(',').any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        matches!(kind, "*/*" | "application/*" | "application/json" | "")
    })
}

fn respond(status: StatusCode, body: Option<Body>) -> Response<Body> {
    let has_body = body.is_some();
    let mut response = Response::new(body.unwrap_or_else(|| Bytes::new().into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if has_body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}

fn refuse(problem: &Problem) -> Response<Body> {
    let body = problem.body().map(|body| Bytes::from(body.to_string()).into());
    let mut response = respond(problem.status(), body);
    let headers = response.headers_mut();
    match problem {
        Problem::NoCredentials | Problem::LoginFailed => {
            let ask = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");
            headers.insert(header::WWW_AUTHENTICATE, ask);
        }
        Problem::TooMany(seconds) => {
            headers.insert(header::RETRY_AFTER, (*seconds).into());
        }
        Problem::MethodNotAllowed(allowed) => {
            if let Ok(allowed) = HeaderValue::try_from(allowed) {
                headers.insert(header::ALLOW, allowed);
            }
        }
        _ => {}
    }
    response
}

/// Whether somebody has the right to a thing of their own, or of others.
fn require_own(call: &Call, owner: &Name, right: Right) -> Result<(), Problem> {
    if call.caller.user == *owner { Ok(()) } else { call.caller.require(right) }
}

/// Nothing to tell.
fn none(_: &Api, _: &Call) -> Answer {
    Ok(Reply::List(Vec::new()))
}
