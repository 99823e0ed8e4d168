//! Who asks, and what that entitles to.
//!
//! Tags, from RabbitMQ: `management` < `policymaker`, `monitoring` < `administrator`; the two in the middle both include the
//! first, not each other.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use broker::{Broker, Denied, Door};
use model::{Name, Secret};

use crate::{
    api::{Api, Peer},
    problem::Problem,
};

/// Somebody who has logged in.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) user: Name,
    /// With what, for what is done in their name.
    pub(crate) secret: Secret,
    pub(crate) tags: Vec<Name>,
    pub(crate) is_loopback: bool,
    /// Runs the node: is entitled to everything, and no permission in a vhost is looked at.
    pub(crate) is_operator: bool,
}

/// As whom an operator acts: RabbitMQ's command line has this name.
const OPERATOR: &str = "rmq-cli";

/// What a tag entitles to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Right {
    Management,
    Policymaker,
    Monitoring,
    Administrator,
}

impl Right {
    fn tags(self) -> &'static [&'static str] {
        match self {
            Self::Management => &["management", "policymaker", "monitoring", "administrator"],
            Self::Policymaker => &["policymaker", "administrator"],
            Self::Monitoring => &["monitoring", "administrator"],
            Self::Administrator => &["administrator"],
        }
    }

    /// The least that entitles to it.
    pub(crate) fn tag(self) -> &'static str {
        self.tags().first().copied().unwrap_or_default()
    }

    fn refusal(self) -> &'static str {
        match self {
            Self::Management => "Not management user",
            Self::Policymaker => "Not policymaker",
            Self::Monitoring => "Not monitor user",
            Self::Administrator => "Not administrator user",
        }
    }
}

impl Caller {
    /// Whoever asks what anybody may know.
    pub(crate) fn nobody() -> Self {
        Self {
            user: Name::default(),
            secret: Secret::new([]),
            tags: Vec::new(),
            is_loopback: false,
            is_operator: false,
        }
    }

    /// Whoever owns the node's process, or the machine.
    pub(crate) fn operator() -> Self {
        let user = Name::parse(OPERATOR).unwrap_or_default();
        Self { user, secret: Secret::new([]), tags: Vec::new(), is_loopback: true, is_operator: true }
    }

    /// Reads an `authorization` header and looks whether it is true.
    pub(crate) fn log_in(api: &Api, header: &str, peer: Peer) -> Result<Self, Problem> {
        let (scheme, rest) = header.split_once(' ').ok_or(Problem::MalformedLogin)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Problem::LoginFailed);
        }
        let decoded = BASE64_STANDARD.decode(rest.trim()).map_err(|_| Problem::MalformedLogin)?;
        let colon = decoded.iter().position(|byte| *byte == b':').ok_or(Problem::MalformedLogin)?;
        let (user, password) = decoded.split_at(colon);
        let secret = Secret::new(password.get(1..).unwrap_or_default());
        let user = Name::from_bytes(user).map_err(|_| Problem::LoginFailed)?;
        Self::known(api, user, secret, peer)
    }

    /// Looks whether this is the user's password, unless they have failed too often.
    pub(crate) fn known(api: &Api, user: Name, secret: Secret, peer: Peer) -> Result<Self, Problem> {
        let source = peer.ip();
        match api.broker().log_in(Door::Http, (&user, &secret), source, api.world().now_ms()) {
            Ok(()) => Self::with_tags(api.broker(), user, secret, peer),
            Err(Denied::Later { seconds }) => Err(Problem::TooMany(seconds)),
            Err(Denied::Wrong) => {
                tracing::warn!(%user, peer = %source, "HTTP access denied: unknown user, wrong password, or not from the local host");
                Err(Problem::LoginFailed)
            }
        }
    }

    /// Goes on with a session, if that with which it began is still good.
    pub(crate) fn resume(api: &Api, value: &str, peer: Peer) -> Result<Self, Problem> {
        let found = api.sessions().find(value, api.world().now_ms());
        let (user, secret) = found.ok_or(Problem::SessionOver)?;
        if !api.broker().is_login(&user, &secret, peer.is_loopback()) {
            api.sessions().end(value);
            return Err(Problem::SessionOver);
        }
        Self::with_tags(api.broker(), user, secret, peer)
    }

    fn with_tags(broker: &Broker, user: Name, secret: Secret, peer: Peer) -> Result<Self, Problem> {
        let tags = broker.topology().read().user(&user).map(|user| user.tags.clone()).unwrap_or_default();
        let caller = Self { user, secret, tags, is_loopback: peer.is_loopback(), is_operator: false };
        caller.require(Right::Management)?;
        Ok(caller)
    }

    pub(crate) fn has(&self, right: Right) -> bool {
        self.is_operator || self.tags.iter().any(|tag| right.tags().contains(&tag.as_str()))
    }

    pub(crate) fn require(&self, right: Right) -> Result<(), Problem> {
        if self.has(right) { Ok(()) } else { Err(Problem::NotAuthorised(right.refusal().to_owned())) }
    }

    /// Whether the user may know of what is in a vhost.
    pub(crate) fn may_see(&self, broker: &Broker, vhost: &Name) -> bool {
        self.has(Right::Monitoring) || broker.topology().read().permissions(&self.user, vhost).is_some()
    }
}
