//! What the API is told of the world: it has no clock, no randomness and no machine of its own.

use std::{fmt, net::SocketAddr};

use model::Refusal;

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
