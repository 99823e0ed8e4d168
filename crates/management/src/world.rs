//! What the API is told of the world: it has no clock, no randomness and no machine of its own.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use model::Refusal;
use serde::Serialize;
use serde_json::Value as Json;

/// The code and the text by which a protocol refuses a wish, as `(406, "PRECONDITION_FAILED - …")`.
pub type Explain = fn(&Refusal) -> (u16, String);

/// The world around the node.
pub trait World: Send + Sync + fmt::Debug {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
    /// Random bytes.
    fn random(&self) -> [u8; 16];
    /// What the node uses of its machine.
    fn usage(&self) -> Usage;
    /// Has the node stop in order, as soon as this is answered.
    fn stop(&self);
    /// The certificates with which a protocol of [`Listening`] is spoken; None if it needs none.
    fn certificates(&self, protocol: &str) -> Option<Certificates>;
    /// What the node finds on its machine.
    fn machine(&self) -> Machine;
    /// Every limit of the node as a whole.
    fn limits(&self) -> Vec<Limit>;
    /// Every setting, and where its value comes from; no secret is among them.
    fn settings(&self) -> Vec<Setting>;
    /// Sets a limit until the node stops. False if there is no such memory.
    fn set_threshold(&self, resource: Resource, threshold: Threshold) -> bool;
    /// Sets the least severe event that is logged, by RabbitMQ's word, until the node stops. False if there is no such word.
    fn set_log_level(&self, word: &str) -> bool;
    /// At most `max` of the last lines of the log with a number of at least `from`, the oldest first; and the number that the
    /// next line gets.
    fn log_lines(&self, from: u64, max: usize) -> (Vec<String>, u64);
    /// Whether clients of AMQP can connect.
    fn is_open(&self) -> bool;
    /// Has nobody connect by AMQP any more, or anybody again. Connections that there are go on.
    fn set_open(&self, is_open: bool);
    /// Whether the node is to be left alone: its clients were sent away.
    fn is_drained(&self) -> bool;
    /// Notes that it is, or no more.
    fn set_drained(&self, is_drained: bool);
}

/// What an alarm is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// Memory of the process.
    Memory,
    /// Free bytes where the data is.
    Disk,
}

/// When an alarm is raised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Threshold {
    /// A multiple of all memory.
    OfMemory(f64),
    /// Bytes.
    Bytes(u64),
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Source {
    /// `default`, `file`, `environment`, `command line`, `cgroup`, `system` or `runtime`.
    pub source: &'static str,
    /// The file and line, the variable, the option, the group.
    pub place: Option<String>,
}

/// A limit of the node.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Limit {
    /// Its name, for good.
    pub name: &'static str,
    /// What there can be at most (`disk_free`: at least); null for no limit.
    pub value: Option<u64>,
    /// What there is now, where that is known.
    pub used: Option<u64>,
    /// `bytes`, `milliseconds`, `seconds`, or what is counted.
    pub unit: &'static str,
    /// Where the value comes from.
    #[serde(flatten)]
    pub from: Source,
    /// The setting that changes it; none if nothing does.
    pub setting: Option<&'static str>,
    /// What happens at it.
    pub meaning: &'static str,
}

/// A setting of the node.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Setting {
    /// Its key, as in the configuration file.
    pub key: String,
    /// As it would be written there.
    pub value: Json,
    /// Where the value comes from.
    #[serde(flatten)]
    pub from: Source,
    /// What it is without a word.
    pub default: String,
    /// What it means.
    pub meaning: &'static str,
}

/// The certificates of a listener, as far as they can expire.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Certificates {
    /// Where the node's own chain is.
    pub certfile: String,
    /// Where the authorities are that vouch for clients.
    pub cacertfile: Option<String>,
    /// Of the node's own chain.
    pub chain: Vec<Expires>,
    /// Of the authorities.
    pub authorities: Vec<Expires>,
}

/// When a certificate can no longer be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expires {
    /// Seconds since 1970.
    pub at_s: u64,
    /// The same as RabbitMQ writes it: `2027-01-31 9:05:00`.
    pub text: String,
}

/// What the node finds on its machine and has no say in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Machine {
    /// What TLS can be spoken with, the preferred ones first.
    pub cipher_suites: Vec<CipherSuite>,
    /// By their names.
    pub interfaces: Vec<Interface>,
    /// How names of hosts become addresses.
    pub resolver: Resolver,
}

/// A way to encrypt, by RabbitMQ's words for its parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct CipherSuite {
    /// OpenSSL's name, as configurations have it.
    pub name: &'static str,
    /// How keys are agreed on.
    pub key_exchange: &'static str,
    /// The cipher.
    pub cipher: &'static str,
    /// What authenticates.
    pub mac: &'static str,
    /// The hash that keys are made with.
    pub prf: &'static str,
}

/// A network interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// `up`, `broadcast`, `loopback`, `pointtopoint`, `running`, `multicast`.
    pub flags: Vec<&'static str>,
    /// Six bytes in hexadecimal, if it has any.
    pub hardware_address: Option<String>,
    /// What can be listened on.
    pub addresses: Vec<InterfaceAddress>,
}

/// An address of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct InterfaceAddress {
    /// Itself.
    pub address: IpAddr,
    /// Which of its bits are the network's.
    pub netmask: Option<IpAddr>,
    /// What reaches all of the network.
    pub broadcast: Option<IpAddr>,
}

/// How the system resolves names of hosts.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Resolver {
    /// The sources that are asked one after the other (`hosts` of `nsswitch.conf`), such as `files` and `dns`.
    pub lookup: Vec<String>,
    /// The file of hosts.
    pub hosts_file: &'static str,
    /// The file that says which servers to ask.
    pub resolv_conf: &'static str,
    /// Those servers.
    pub name_servers: Vec<String>,
    /// What is put behind a name without dots.
    pub search: Vec<String>,
}

/// What the node uses of its machine now.
#[derive(Clone, Copy, Default, Debug)]
pub struct Usage {
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// Memory in bytes above which publishers are stopped.
    pub memory_bytes_max: u64,
    /// Bytes free where the data is.
    pub disk_free_bytes: u64,
    /// Free bytes below which publishers are stopped.
    pub disk_free_bytes_min: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// File descriptors that may be open.
    pub open_files_max: u64,
    /// Since the node started, in milliseconds.
    pub uptime_ms: u64,
}

/// Who the node is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its name, `rabbit@host`.
    pub node: String,
    /// The version of RabbitMQ that clients are told.
    pub rabbitmq_version: String,
    /// The product that clients are told.
    pub product_name: String,
    /// Harefoot's own version.
    pub version: String,
    /// Cores of the machine.
    pub processors: usize,
    /// Of the operating system.
    pub process_id: u32,
    /// Where its data is.
    pub data_dir: String,
    /// The files its settings came from.
    pub config_files: Vec<String>,
}

/// A socket that the node listens on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listening {
    /// RabbitMQ's word for what is spoken there: `amqp`, `http`, ….
    pub protocol: &'static str,
    /// Where.
    pub address: SocketAddr,
}
