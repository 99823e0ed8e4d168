//! What the node runs with: every setting in its final type, and its default.
//!
//! Not here: how a setting is written in a file (`key`, `table`) or which source wins (`config`).
//! Invariant: a [`Settings`] needs no further check; whoever reads it may trust ranges and spelling.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use broker::stamps::Stamps;
use model::{Name, Secret};

use super::{
    metadata::Metadata,
    problem::Warning,
    tls::{LoginFrom, Tls},
};

/// The version of RabbitMQ that clients and tools are told unless a setting says another.
pub(crate) const RABBITMQ_VERSION: &str = "4.0.5";
/// The port of AMQP without TLS.
pub(crate) const AMQP_PORT: u16 = 5672;
/// The port of the HTTP API without TLS.
pub(crate) const MANAGEMENT_PORT: u16 = 15672;
/// The port of the HTTP API with TLS.
pub(crate) const MANAGEMENT_TLS_PORT: u16 = 15671;
/// The port of the metrics endpoint.
pub(crate) const METRICS_PORT: u16 = 15692;
/// The port of the metrics endpoint with TLS.
pub(crate) const METRICS_TLS_PORT: u16 = 15691;
/// Below this RabbitMQ raises its disk alarm unless told otherwise.
const DISK_FREE_DEFAULT_BYTES: u64 = 50_000_000;

/// Everything a node is told before it starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Where the node keeps its data; as written, perhaps relative.
    pub(crate) data_dir: PathBuf,
    /// The node's name as clients see it, `rabbit@host`.
    pub(crate) node_name: String,
    pub(crate) listeners: Listeners,
    pub(crate) tls: TlsListeners,
    pub(crate) login_from: LoginFrom,
    /// What the HTTP API tells browsers.
    pub(crate) http: management::Options,
    pub(crate) first_user: FirstUser,
    /// Definitions that are taken in at every start: a file or a folder.
    pub(crate) definitions: Option<PathBuf>,
    /// Where it is told what happens in the node; None: in the first user's vhost.
    pub(crate) event_vhost: Option<Name>,
    pub(crate) metadata: Metadata,
    /// What is written on every message that is published.
    pub(crate) stamps: Stamps,
    /// Users who may log in from this machine only.
    pub(crate) loopback_users: BTreeSet<Name>,
    pub(crate) connection: ConnectionLimits,
    pub(crate) memory: Memory,
    pub(crate) disk_free_limit: DiskFreeLimit,
    pub(crate) log: Log,
    pub(crate) identity: Identity,
    /// Where the process id is written beside the data folder.
    pub(crate) pid_file: Option<PathBuf>,
    /// The file that was read, if there was one.
    pub(crate) config_files: Vec<PathBuf>,
    /// What was accepted and has no effect, or is likely a slip: to be logged once, at the start.
    pub(crate) warnings: Vec<Warning>,
}

/// Where the node can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listeners {
    pub(crate) amqp: Vec<Listen>,
    /// AMQP over TLS; what [`TlsListeners`] has stands for all of them.
    pub(crate) amqps: Vec<Listen>,
    /// The HTTP API; empty for none. What nobody asked for is left out where the port is taken.
    pub(crate) management: Vec<Listen>,
    /// The HTTP API over TLS.
    pub(crate) https: Vec<Listen>,
    /// The metrics endpoint; empty for none. What nobody asked for is left out where the port is taken.
    pub(crate) metrics: Vec<Listen>,
    /// The metrics endpoint over TLS.
    pub(crate) metrics_tls: Vec<Listen>,
}

/// How TLS is spoken, where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsListeners {
    pub(crate) amqp: Option<Tls>,
    pub(crate) management: Option<Tls>,
    pub(crate) metrics: Option<Tls>,
}

/// One socket to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// An IPv6 socket is always bound for IPv6 only: its IPv4 half, where wanted, is a [`Listen`] of its own.
    pub(crate) address: SocketAddr,
    /// Whether a node starts without it where the machine does not have this address (`EADDRNOTAVAIL`, `EAFNOSUPPORT`)
    /// or, for what was not asked for, where it is taken.
    pub(crate) optional: bool,
}

impl Listen {
    pub(crate) fn required(address: SocketAddr) -> Self {
        Self { address, optional: false }
    }

    pub(crate) fn optional(address: SocketAddr) -> Self {
        Self { address, optional: true }
    }

    /// Both loopback addresses; a machine may be without the second.
    pub(crate) fn loopback(port: u16) -> Vec<Self> {
        vec![
            Self::required((Ipv4Addr::LOCALHOST, port).into()),
            Self::optional((Ipv6Addr::LOCALHOST, port).into()),
        ]
    }

    /// Both loopback addresses, where nobody else is there first: for what was not asked for.
    fn if_free(port: u16) -> Vec<Self> {
        vec![
            Self::optional((Ipv4Addr::LOCALHOST, port).into()),
            Self::optional((Ipv6Addr::LOCALHOST, port).into()),
        ]
    }

    /// Every address of the machine; it may be without IPv6.
    pub(crate) fn everywhere(port: u16) -> Vec<Self> {
        vec![
            Self::required((Ipv4Addr::UNSPECIFIED, port).into()),
            Self::optional((Ipv6Addr::UNSPECIFIED, port).into()),
        ]
    }

    /// One address, as an operator means it: `::` is every address, of IPv4 too.
    pub(crate) fn on(address: SocketAddr) -> Vec<Self> {
        match address.ip() {
            IpAddr::V6(ip) if ip.is_unspecified() => Self::everywhere(address.port()),
            IpAddr::V6(_) | IpAddr::V4(_) => vec![Self::required(address)],
        }
    }
}

/// The user and vhost that an empty data folder is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FirstUser {
    pub(crate) name: Name,
    pub(crate) password: Secret,
    pub(crate) vhost: Name,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) permissions: Permissions,
}

impl FirstUser {
    /// Whether user and password are those that everybody knows.
    pub(crate) fn is_guest(&self) -> bool {
        self.name.as_str() == "guest" && self.password.expose() == b"guest"
    }
}

/// Three patterns over names of resources, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permissions {
    pub(crate) configure: String,
    pub(crate) write: String,
    pub(crate) read: String,
}

/// What one connection may ask for, and how many there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// Proposed in `connection.tune`; 0 means none.
    pub(crate) heartbeat_s: u16,
    /// Proposed in `connection.tune`; 0 means no limit.
    pub(crate) frame_max: u32,
    /// The largest frame before tuning is done.
    pub(crate) initial_frame_max: u32,
    /// Proposed in `connection.tune`; 0 means no limit.
    pub(crate) channel_max: u16,
    /// Connections of the node; `None` for no limit.
    pub(crate) connections_max: Option<u32>,
    /// Channels of the node; `None` for no limit.
    pub(crate) node_channels_max: Option<u64>,
    /// Consumers of one channel; `None` for no limit.
    pub(crate) channel_consumers_max: Option<u32>,
    pub(crate) message_bytes_max: u64,
    /// From accept to `connection.open-ok`; `None` for no limit.
    pub(crate) handshake_timeout_ms: Option<u64>,
    /// From accept to the end of TLS's handshake; `None`: the limit above counts alone.
    pub(crate) tls_handshake_timeout_ms: Option<u64>,
    /// How long a delivery may stay unsettled; `None` for ever.
    pub(crate) consumer_timeout_ms: Option<u64>,
    /// Whether the channel of such a delivery is closed; else the delivery alone is taken back.
    pub(crate) timeout_closes_channel: bool,
    /// SASL mechanisms that are offered; never empty.
    pub(crate) mechanisms: Vec<Mechanism>,
    /// Who logs in by ANONYMOUS; `None` for nobody.
    pub(crate) anonymous_user: Option<Name>,
    pub(crate) anonymous_password: Secret,
}

/// A SASL mechanism that exists here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    AmqPlain,
    Anonymous,
    External,
}

impl Mechanism {
    /// As it is named on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
            Self::Anonymous => "ANONYMOUS",
            Self::External => "EXTERNAL",
        }
    }
}

/// How much memory there is, and above which use of it publishers are stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Memory {
    pub(crate) high_watermark: Watermark,
    /// What the operator says the machine has, where that cannot be found out.
    pub(crate) total_bytes: Option<u64>,
}

/// The memory alarm's threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Watermark {
    /// A share of all memory.
    Relative(f64),
    Absolute(u64),
}

impl Watermark {
    /// The threshold on a machine of `total_bytes`.
    pub(crate) fn bytes(self, total_bytes: u64) -> u64 {
        match self {
            Self::Relative(share) => share_of(share, total_bytes),
            Self::Absolute(bytes) => bytes.min(total_bytes),
        }
    }
}

/// The disk alarm's threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DiskFreeLimit {
    /// 50 MB.
    Default,
    Absolute(u64),
    /// A multiple of all memory.
    OfMemory(f64),
}

impl DiskFreeLimit {
    /// The threshold on a machine of `total_memory_bytes`; never below the `headroom_bytes` that the log needs.
    pub(crate) fn bytes(self, total_memory_bytes: u64, headroom_bytes: u64) -> u64 {
        let wanted = match self {
            Self::Default => DISK_FREE_DEFAULT_BYTES,
            Self::Absolute(bytes) => bytes,
            Self::OfMemory(multiple) => share_of(multiple, total_memory_bytes),
        };
        wanted.max(headroom_bytes)
    }
}

/// `share` of `total`, to the precision that a threshold needs; a float's cast saturates.
fn share_of(share: f64, total: u64) -> u64 {
    (share * total as f64) as u64
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) level: LogLevel,
    pub(crate) format: LogFormat,
    /// Events are published too.
    pub(crate) has_exchange: bool,
    /// The least severe of those.
    pub(crate) exchange_level: LogLevel,
}

/// The least severe event that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
    None,
}

impl LogLevel {
    /// By RabbitMQ's words.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        super::table::level(word)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Plaintext,
    Json,
}

/// What the node says it is, in the properties that clients look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) product: String,
    pub(crate) version: String,
}

impl Settings {
    /// What an operator gets who says nothing.
    pub(crate) fn defaults(hostname: &str) -> Self {
        Self {
            data_dir: PathBuf::from("./harefoot-data"),
            node_name: format!("rabbit@{hostname}"),
            listeners: Listeners {
                amqp: Listen::loopback(AMQP_PORT),
                amqps: Vec::new(),
                management: Listen::if_free(MANAGEMENT_PORT),
                https: Vec::new(),
                metrics: Listen::if_free(METRICS_PORT),
                metrics_tls: Vec::new(),
            },
            tls: TlsListeners::default(),
            login_from: LoginFrom::default(),
            http: management::Options::default(),
            definitions: None,
            first_user: FirstUser::default(),
            event_vhost: None,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
            loopback_users: BTreeSet::from([short("guest")]),
            connection: ConnectionLimits::default(),
            memory: Memory { high_watermark: Watermark::Relative(0.6), total_bytes: None },
            disk_free_limit: DiskFreeLimit::Default,
            log: Log {
                level: LogLevel::Info,
                format: LogFormat::Plaintext,
                has_exchange: false,
                exchange_level: LogLevel::Info,
            },
            identity: Identity { product: "RabbitMQ".to_owned(), version: RABBITMQ_VERSION.to_owned() },
            pid_file: None,
            config_files: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// A name that is known to be short enough.
fn short(name: &'static str) -> Name {
    Name::parse(name).unwrap_or_default()
}

impl Default for FirstUser {
    fn default() -> Self {
        Self {
            name: short("guest"),
            password: Secret::new("guest"),
            vhost: short("/"),
            tags: BTreeSet::from(["administrator".to_owned()]),
            permissions: Permissions {
                configure: ".*".to_owned(),
                write: ".*".to_owned(),
                read: ".*".to_owned(),
            },
        }
    }
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            heartbeat_s: 60,
            frame_max: 131_072,
            initial_frame_max: 4096,
            channel_max: 2047,
            connections_max: None,
            node_channels_max: None,
            channel_consumers_max: None,
            message_bytes_max: 16 * 1024 * 1024,
            handshake_timeout_ms: Some(10_000),
            tls_handshake_timeout_ms: Some(5_000),
            consumer_timeout_ms: None,
            timeout_closes_channel: false,
            mechanisms: vec![Mechanism::Plain, Mechanism::AmqPlain],
            anonymous_user: Name::parse("guest").ok(),
            anonymous_password: Secret::new("guest"),
        }
    }
}
