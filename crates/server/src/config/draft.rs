//! Settings while they are being gathered: what the sources have said so far.
//!
//! A file may say things in any order and in two ways (relative and absolute, `none` and names); only when all of it is
//! read is it clear what holds. Not here: which source wins (`config` applies them from the weakest to the strongest).

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use model::Name;

use super::{
    problem::{Fault, Notice, Origin, Problem, Warning},
    settings::{
        ConnectionLimits, DiskFreeLimit, Listen, LogLevel, MANAGEMENT_PORT, MANAGEMENT_TLS_PORT,
        METRICS_PORT, METRICS_TLS_PORT, Mechanism, Settings, Watermark,
    },
    tls::{self, ClientCertificates},
};

/// What a file has said, beside what it could put into the settings at once.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) settings: Settings,
    /// Where the value that is being put is written; for warnings.
    pub(crate) at: Origin,
    pub(crate) listeners: Vec<Listen>,
    pub(crate) is_deaf: bool,
    pub(crate) management: Management,
    /// Where AMQP over TLS was asked for first.
    pub(crate) amqps: Option<Origin>,
    pub(crate) tls_listeners: Vec<Listen>,
    pub(crate) is_tls_deaf: bool,
    pub(crate) amqp_tls: tls::Draft,
    pub(crate) https: Management,
    pub(crate) metrics: Management,
    pub(crate) metrics_https: Management,
    pub(crate) metrics_tls: tls::Draft,
    pub(crate) management_tls: tls::Draft,
    /// Where it was said that `management.listener` speaks TLS.
    pub(crate) is_listener_tls: Option<Origin>,
    pub(crate) listener_tls: tls::Draft,
    pub(crate) cors_origins: BTreeMap<Rank, String>,
    pub(crate) tags: BTreeMap<String, bool>,
    pub(crate) loopback_none: bool,
    pub(crate) mechanisms: BTreeMap<Rank, (String, Origin)>,
    /// Where it was said who logs in by ANONYMOUS.
    pub(crate) anonymous: Option<Origin>,
    pub(crate) levels: Levels,
    pub(crate) watermarks: Alternatives<f64, u64>,
    pub(crate) disk_limits: Alternatives<f64, u64>,
}

/// Position in a list whose keys are numbered, or at least sorted: 2 before 10, numbers before words.
pub(crate) type Rank = (u64, String);

/// One limit that can be given in two ways.
#[derive(Debug)]
pub(crate) struct Alternatives<R, A> {
    pub(crate) relative: Option<(R, Origin)>,
    pub(crate) absolute: Option<A>,
}

impl<R, A> Default for Alternatives<R, A> {
    fn default() -> Self {
        Self { relative: None, absolute: None }
    }
}

/// Where the HTTP API, or the metrics endpoint, is to listen.
#[derive(Debug, Default)]
pub(crate) struct Management {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: Option<u16>,
}

impl Management {
    /// None if nothing was said.
    fn listens(&self, port: u16) -> Option<Vec<Listen>> {
        (self.ip.is_some() || self.port.is_some()).then(|| self.listens_or(port))
    }

    fn listens_or(&self, port: u16) -> Vec<Listen> {
        let port = self.port.unwrap_or(port);
        match self.ip {
            Some(ip) => Listen::on(SocketAddr::new(ip, port)),
            None => Listen::everywhere(port),
        }
    }
}

/// A family's own files, or those of AMQP if it names none.
fn files_of<'a>(
    own: &'a tls::Draft,
    family: &'static str,
    amqp: &'a tls::Draft,
) -> (&'a tls::Draft, &'static str) {
    let is_own = own.certfile.is_some() || own.keyfile.is_some() || amqp.certfile.is_none();
    if is_own { (own, family) } else { (amqp, "ssl_options") }
}

/// The position in a list that is written with numbers.
pub(crate) fn rank(position: &str) -> Rank {
    (position.parse().unwrap_or(u64::MAX), position.to_owned())
}

/// Log levels by how exactly they are meant.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    pub(crate) console: Option<LogLevel>,
    pub(crate) all: Option<LogLevel>,
}

impl Draft {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            at: Origin::Line(0),
            listeners: Vec::new(),
            is_deaf: false,
            management: Management::default(),
            amqps: None,
            tls_listeners: Vec::new(),
            is_tls_deaf: false,
            amqp_tls: tls::Draft::default(),
            https: Management::default(),
            metrics: Management::default(),
            metrics_https: Management::default(),
            metrics_tls: tls::Draft::default(),
            management_tls: tls::Draft::default(),
            is_listener_tls: None,
            listener_tls: tls::Draft::default(),
            cors_origins: BTreeMap::new(),
            tags: BTreeMap::new(),
            loopback_none: false,
            mechanisms: BTreeMap::new(),
            anonymous: None,
            levels: Levels::default(),
            watermarks: Alternatives::default(),
            disk_limits: Alternatives::default(),
        }
    }

    /// Notes something about the value that is being put.
    pub(crate) fn warn(&mut self, notice: Notice) {
        self.settings.warnings.push(Warning { origin: self.at.clone(), notice });
    }

    /// `loopback_users.$user`: the default stands for users of whom nothing is said.
    ///
    /// RabbitMQ drops `guest` from the list as soon as any other user is put on it; here only `guest = false` does.
    pub(crate) fn put_loopback_user(&mut self, user: &str, is_bound: bool) {
        if let Ok(user) = Name::parse(user) {
            if is_bound {
                self.settings.loopback_users.insert(user);
            } else {
                self.settings.loopback_users.remove(&user);
            }
        }
    }

    /// `auth_mechanisms.$n`.
    pub(crate) fn put_mechanism(&mut self, position: &str, name: &str) {
        if mechanism(name).is_none() {
            self.warn(Notice::MechanismLeftOut(name.to_owned()));
        }
        self.mechanisms.insert(rank(position), (name.to_owned(), self.at.clone()));
    }

    /// Decides between what the file has said; called once, when all of it is read.
    pub(crate) fn finish(mut self) -> (Settings, Vec<Problem>) {
        let mut problems = Vec::new();
        if self.is_deaf {
            self.settings.listeners.amqp = Vec::new();
        } else if !self.listeners.is_empty() {
            self.settings.listeners.amqp = distinct(std::mem::take(&mut self.listeners));
        }
        if let Some(listens) = self.management.listens(MANAGEMENT_PORT) {
            self.settings.listeners.management = listens;
        }
        if let Some(listens) = self.metrics.listens(METRICS_PORT) {
            self.settings.listeners.metrics = listens;
        }
        self.settings.http.cors_origins = std::mem::take(&mut self.cors_origins).into_values().collect();
        self.decide_tls(&mut problems);
        self.decide_metrics_tls(&mut problems);
        self.decide_https(&mut problems);
        if !self.tags.is_empty() {
            let tags = std::mem::take(&mut self.tags);
            self.settings.first_user.tags =
                tags.into_iter().filter_map(|(tag, is_set)| is_set.then_some(tag)).collect();
        }
        if self.loopback_none {
            self.settings.loopback_users.clear();
        }
        if let Some(level) = self.levels.console.or(self.levels.all) {
            self.settings.log.level = level;
        }
        self.decide_limits();
        if let Some((_, origin)) = self.mechanisms.values().next() {
            let found: Vec<_> = self.mechanisms.values().filter_map(|(name, _)| mechanism(name)).collect();
            if found.is_empty() {
                problems.push(Problem { origin: origin.clone(), fault: Fault::NoMechanism });
            } else {
                self.settings.connection.mechanisms = distinct(found);
            }
        }
        self.decide_anonymous(&mut problems);
        self.decide_external(&mut problems);
        (self.settings, problems)
    }

    /// AMQP over TLS.
    fn decide_tls(&mut self, problems: &mut Vec<Problem>) {
        let Some(origin) = self.amqps.clone().filter(|_| !self.is_tls_deaf) else { return };
        match self.amqp_tls.decide("ssl_options", &origin, &mut self.settings.warnings) {
            Ok(tls) => self.settings.tls.amqp = Some(tls),
            Err(problem) => problems.push(problem),
        }
        self.settings.listeners.amqps = distinct(std::mem::take(&mut self.tls_listeners));
    }

    /// The HTTP API over TLS. RabbitMQ: where there is TLS, plain HTTP has to be asked for.
    fn decide_https(&mut self, problems: &mut Vec<Problem>) {
        let (own, family, origin) = match (&self.management_tls.at, &self.is_listener_tls) {
            (Some(origin), _) => (&self.management_tls, "management.ssl", origin.clone()),
            (None, Some(origin)) => (&self.listener_tls, "management.listener.ssl_opts", origin.clone()),
            (None, None) => return self.warn_of_unused_tls(),
        };
        let (files, family) = files_of(own, family, &self.amqp_tls);
        match files.decide(family, &origin, &mut self.settings.warnings) {
            Ok(tls) => self.settings.tls.management = Some(tls),
            Err(problem) => problems.push(problem),
        }
        let listeners = &mut self.settings.listeners;
        if self.management_tls.at.is_some() {
            listeners.https = self.https.listens_or(MANAGEMENT_TLS_PORT);
            if self.management.listens(MANAGEMENT_PORT).is_none() {
                listeners.management = Vec::new();
            }
        } else {
            listeners.https = self.management.listens_or(MANAGEMENT_PORT);
            listeners.management = Vec::new();
        }
    }

    /// The metrics endpoint over TLS. RabbitMQ: likewise.
    fn decide_metrics_tls(&mut self, problems: &mut Vec<Problem>) {
        let Some(origin) = self.metrics_tls.at.clone() else { return };
        let (files, family) = files_of(&self.metrics_tls, "prometheus.ssl", &self.amqp_tls);
        match files.decide(family, &origin, &mut self.settings.warnings) {
            Ok(tls) => self.settings.tls.metrics = Some(tls),
            Err(problem) => problems.push(problem),
        }
        self.settings.listeners.metrics_tls = self.metrics_https.listens_or(METRICS_TLS_PORT);
        if self.metrics.listens(METRICS_PORT).is_none() {
            self.settings.listeners.metrics = Vec::new();
        }
    }

    /// Files that nothing uses were meant for something.
    fn warn_of_unused_tls(&mut self) {
        let is_used = self.settings.tls.amqp.is_some() || self.settings.tls.metrics.is_some();
        if let Some(origin) = self.amqp_tls.at.clone().filter(|_| !is_used && !self.is_tls_deaf) {
            self.settings.warnings.push(Warning { origin, notice: Notice::NobodyListensWithTls });
        }
    }

    /// Who logs in by certificate has to be able to show one.
    fn decide_external(&mut self, problems: &mut Vec<Problem>) {
        let mechanisms = &mut self.settings.connection.mechanisms;
        let is_possible =
            self.settings.tls.amqp.as_ref().is_some_and(|tls| tls.clients != ClientCertificates::Unasked);
        if is_possible || !mechanisms.contains(&Mechanism::External) {
            return;
        }
        mechanisms.retain(|mechanism| *mechanism != Mechanism::External);
        let found = self.mechanisms.values().find(|(name, _)| name == Mechanism::External.name());
        let Some((_, origin)) = found else { return };
        let origin = origin.clone();
        if mechanisms.is_empty() {
            problems.push(Problem { origin, fault: Fault::ExternalAlone });
        } else {
            self.settings.warnings.push(Warning { origin, notice: Notice::ExternalNotOffered });
        }
    }

    /// Nobody is let in without a password unless that is asked for by name.
    fn decide_anonymous(&mut self, problems: &mut Vec<Problem>) {
        let connection = &self.settings.connection;
        let Some(origin) = self.anonymous.take() else { return };
        let who =
            |limits: &ConnectionLimits| (limits.anonymous_user.clone(), limits.anonymous_password.clone());
        match (connection.mechanisms.contains(&Mechanism::Anonymous), &connection.anonymous_user) {
            (true, None) => problems.push(Problem { origin, fault: Fault::AnonymousNobody }),
            (false, Some(_)) if who(connection) != who(&ConnectionLimits::default()) => {
                self.settings.warnings.push(Warning { origin, notice: Notice::AnonymousNotOffered });
            }
            _ => {}
        }
    }

    /// RabbitMQ: an absolute limit outranks a relative one.
    fn decide_limits(&mut self) {
        let watermarks = std::mem::take(&mut self.watermarks);
        if let Some((share, _)) = watermarks.relative {
            self.settings.memory.high_watermark = Watermark::Relative(share);
        }
        if let Some(bytes) = watermarks.absolute {
            self.settings.memory.high_watermark = Watermark::Absolute(bytes);
            let (loser, winner) = ("vm_memory_high_watermark.relative", "vm_memory_high_watermark.absolute");
            self.outranked(watermarks.relative, loser, winner);
        }
        let limits = std::mem::take(&mut self.disk_limits);
        if let Some((multiple, _)) = limits.relative {
            self.settings.disk_free_limit = DiskFreeLimit::OfMemory(multiple);
        }
        if let Some(bytes) = limits.absolute {
            self.settings.disk_free_limit = DiskFreeLimit::Absolute(bytes);
            self.outranked(limits.relative, "disk_free_limit.relative", "disk_free_limit.absolute");
        }
    }

    fn outranked<T>(&mut self, loser_value: Option<(T, Origin)>, loser: &'static str, winner: &'static str) {
        if let Some((_, origin)) = loser_value {
            self.settings.warnings.push(Warning { origin, notice: Notice::Outranked { loser, winner } });
        }
    }
}

fn mechanism(name: &str) -> Option<Mechanism> {
    let all = [Mechanism::Plain, Mechanism::AmqPlain, Mechanism::Anonymous, Mechanism::External];
    all.into_iter().find(|mechanism| mechanism.name() == name)
}

/// The first of each, in their order.
pub(crate) fn distinct<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}
