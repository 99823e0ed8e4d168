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
        ConnectionLimits, DiskFreeLimit, Listen, LogLevel, MANAGEMENT_PORT, Mechanism, Settings, Watermark,
    },
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

/// Where the HTTP API is to listen.
#[derive(Debug, Default)]
pub(crate) struct Management {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: Option<u16>,
}

impl Management {
    /// None if nothing was said.
    fn listens(&self) -> Option<Vec<Listen>> {
        let port = self.port.unwrap_or(MANAGEMENT_PORT);
        match self.ip {
            Some(ip) => Some(Listen::on(SocketAddr::new(ip, port))),
            None => self.port.map(Listen::everywhere),
        }
    }
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
        let rank = (position.parse().unwrap_or(u64::MAX), position.to_owned());
        if mechanism(name).is_none() {
            self.warn(Notice::MechanismLeftOut(name.to_owned()));
        }
        self.mechanisms.insert(rank, (name.to_owned(), self.at.clone()));
    }

    /// Decides between what the file has said; called once, when all of it is read.
    pub(crate) fn finish(mut self) -> (Settings, Vec<Problem>) {
        let mut problems = Vec::new();
        if self.is_deaf {
            self.settings.listeners.amqp = Vec::new();
        } else if !self.listeners.is_empty() {
            self.settings.listeners.amqp = distinct(std::mem::take(&mut self.listeners));
        }
        if let Some(listens) = self.management.listens() {
            self.settings.listeners.management = listens;
        }
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
        (self.settings, problems)
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
    let all = [Mechanism::Plain, Mechanism::AmqPlain, Mechanism::Anonymous];
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
