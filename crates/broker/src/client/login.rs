//! Who the peer is and which vhost it enters.

use std::sync::{Arc, OnceLock, atomic::AtomicU32};

use parking_lot::Mutex;

use model::{Event, Name, Refusal, Secret, SessionEvent, SessionId, Table};

use super::Client;
use crate::{
    attempts::Door,
    census::Seat,
    connected::{Connected, Restraint},
    session::Session,
};

impl Client {
    pub(super) fn authenticate(&mut self, mechanism: &'static str, user: Name, password: &Secret) {
        let is_login = match self.ends {
            Some(ends) => {
                let who = (&user, password);
                self.broker.log_in(Door::Amqp, who, ends.peer.ip(), self.now_ms).is_ok()
            }
            // Of the node's own making: nobody is guessing.
            None => self.broker.is_login(&user, password, self.is_loopback),
        };
        self.admit(is_login, mechanism, user);
    }

    /// The transport vouches for the user, who has to exist all the same.
    pub(super) fn admit_vouched(&mut self, mechanism: &'static str, user: Name) {
        let is_login = self.broker.is_user(&user, self.is_loopback);
        self.admit(is_login, mechanism, user);
    }

    fn admit(&mut self, is_login: bool, mechanism: &'static str, user: Name) {
        if is_login {
            if self.ends.is_some() {
                self.broker.node_counts().logins.add_shared(1);
            }
            self.tell_login(&user, mechanism, true);
            self.user = user.clone();
            self.mechanism = mechanism;
            self.events.push_back(Event::Authenticated { user });
            return;
        }
        tracing::warn!(%user, mechanism, "login refused: unknown user, wrong password, not from the local host, or too many failures before");
        if self.ends.is_some() {
            self.broker.node_counts().logins_refused.add_shared(1);
        }
        self.tell_login(&user, mechanism, false);
        self.events.push_back(Event::AuthenticationRefused { mechanism });
    }

    /// Lets the connection act for the operator of the node, in place of authentication: every permission is granted, no limit
    /// of connections and channels is looked at, and exclusive queues of others may be touched. Only for whoever owns the
    /// node's process.
    pub fn authenticate_operator(&mut self, user: Name) {
        self.user = user;
        self.is_operator = true;
        self.mechanism = "OPERATOR";
    }

    pub(super) fn open(&mut self, vhost: Name, client_properties: &Table) {
        match self.enter(&vhost) {
            Ok(seat) => {
                self.seat = Some(seat);
                self.is_traced = self.broker.topology.read().tracing_of(&vhost);
                self.vhost = vhost;
                self.register(client_properties);
                self.tell_opened(client_properties);
                self.events.push_back(Event::Opened);
            }
            Err(refusal) => self.events.push_back(Event::Refused(refusal)),
        }
    }

    fn register(&mut self, client_properties: &Table) {
        let mut encoded = Vec::new();
        client_properties.encode_fields(&mut encoded);
        let connected = Arc::new(Connected {
            id: self.id,
            user: self.user.clone(),
            vhost: self.vhost.clone(),
            mechanism: self.mechanism,
            since_ms: self.now_ms,
            ends: self.ends,
            protection: self.protection.take(),
            client_properties: encoded.into(),
            sessions: AtomicU32::new(0),
            views: Mutex::default(),
            traffic: Arc::clone(&self.traffic),
            tuned: OnceLock::new(),
            restraint: Restraint::default(),
            mailbox: Arc::clone(&self.mailbox),
        });
        self.broker.node_counts().connection_created.add_shared(1);
        self.broker.register.enter(Arc::clone(&connected));
        self.connected = Some(connected);
    }

    /// Checks in RabbitMQ's order: the node's limit, the vhost and its limit, the user's limit, permissions.
    fn enter(&self, vhost: &Name) -> Result<Seat, Refusal> {
        if self.is_operator {
            return self.enter_as_operator(vhost);
        }
        let connections_max = self.broker.settings.connections_max;
        if let Some(limit) = connections_max.filter(|max| self.broker.client_count() as u64 > *max) {
            let reason = format!("connection refused: node connection limit ({limit}) is reached");
            return Err(Refusal::ConnectionLimit { reason });
        }
        let topology = self.broker.topology.read();
        let admission = topology.enter(vhost, &self.user);
        if let Err(refusal @ Refusal::VhostNotFound { .. }) = admission {
            return Err(refusal);
        }
        let vhost_max = topology.vhost_limits(vhost).max_connections;
        let user_max = topology.user(&self.user).and_then(|user| user.limits.max_connections);
        let seat = self.broker.census.enter((vhost, vhost_max), (&self.user, user_max))?;
        admission.map(|()| seat)
    }

    fn enter_as_operator(&self, vhost: &Name) -> Result<Seat, Refusal> {
        if self.broker.topology.read().vhost(vhost).is_none() {
            return Err(Refusal::VhostNotFound { vhost: vhost.clone() });
        }
        self.broker.census.enter((vhost, None), (&self.user, None))
    }

    pub(super) fn open_session(&mut self, id: SessionId) {
        let user_max = self.broker.topology.read().user(&self.user).and_then(|user| user.limits.max_channels);
        let settings = &self.broker.settings;
        let sessions_max = if self.is_operator { None } else { settings.sessions_max };
        let node = (&settings.node, sessions_max);
        let event = match self.broker.census.open_session(
            node,
            (&self.user, user_max),
            (id, self.connected.clone()),
            self.broker.node_counts(),
        ) {
            Ok(seat) => {
                let session = Session::new(id, seat, settings.consumer_timeout_ms);
                self.sessions.insert(session);
                self.tell_session(id);
                SessionEvent::Opened
            }
            Err(refusal) => SessionEvent::Refused(refusal),
        };
        self.say(id, event);
    }

    /// RabbitMQ: a password was good for the login, and a new one is taken without a look at it. That is for secrets that
    /// expire.
    pub(super) fn update_secret(&mut self) {
        self.events.push_back(Event::SecretUpdated);
    }
}
