//! What a listener says of itself and allows: one value shared by all its connections.

use std::time::Duration;

use model::{Table, Value};

/// The settings of the server's side.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What `connection.start` says of the server; see [`Settings::server_properties`].
    pub server_properties: Table,
    /// Offer SASL PLAIN.
    pub plain: bool,
    /// Offer AMQPLAIN.
    pub amqplain: bool,
    /// Offer ANONYMOUS, which logs in as this user with this password.
    pub anonymous: Option<(model::Name, model::Secret)>,
    /// Most channels of a connection; 0: no limit.
    pub channel_max: u16,
    /// Largest frame, head and end included; 0: no limit is announced, [`FRAME_BYTES_UNLIMITED`] applies.
    pub frame_max: u32,
    /// Largest frame before `connection.tune-ok`.
    pub initial_frame_max: u32,
    /// Most bytes that a peer may send before it is authenticated.
    pub unauthenticated_bytes_max: u32,
    /// The interval proposed to the client; 0: none.
    pub heartbeat_seconds: u16,
    /// From the first byte to `connection.open`.
    pub handshake_timeout: Duration,
    /// How long a peer that failed to log in waits for its end, so that guessing is slow.
    pub silent_close_delay: Duration,
    /// How long a `connection.close` of ours waits for its `close-ok`.
    pub close_timeout: Duration,
    /// Largest body of a message.
    pub message_bytes_max: u64,
}

/// The limit of a frame where none was agreed on.
pub const FRAME_BYTES_UNLIMITED: u32 = 16 * 1024 * 1024;
/// The smallest `frame_max` that a client may choose.
pub const FRAME_BYTES_MIN: u32 = 4096;
/// The smallest `channel_max` that a client may choose.
pub const CHANNELS_MIN: u16 = 1;

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_properties: Self::server_properties("RabbitMQ", "4.0.5", "rabbit@localhost"),
            plain: true,
            amqplain: true,
            anonymous: None,
            channel_max: 2047,
            frame_max: 131_072,
            initial_frame_max: FRAME_BYTES_MIN,
            unauthenticated_bytes_max: 65_536,
            heartbeat_seconds: 60,
            handshake_timeout: Duration::from_secs(10),
            silent_close_delay: Duration::from_secs(3),
            close_timeout: Duration::from_secs(30),
            message_bytes_max: 16 * 1024 * 1024,
        }
    }
}

impl Settings {
    /// The properties that clients look at: what the protocol machine can do, and who the server is.
    pub fn server_properties(product: &str, version: &str, cluster_name: &str) -> Table {
        // The order is RabbitMQ's.
        const CAPABILITIES: [&str; 9] = [
            "publisher_confirms",
            "exchange_exchange_bindings",
            "basic.nack",
            "consumer_cancel_notify",
            "connection.blocked",
            "consumer_priorities",
            "authentication_failure_close",
            "per_consumer_qos",
            "direct_reply_to",
        ];
        let mut capabilities = Table::default();
        for name in CAPABILITIES {
            capabilities.push(name, Value::Bool(true));
        }
        let mut properties = Table::default();
        properties.push("capabilities", Value::Table(capabilities));
        properties.push("cluster_name", Value::text(cluster_name));
        properties.push("product", Value::text(product));
        properties.push("version", Value::text(version));
        properties
    }

    /// The mechanisms offered, in RabbitMQ's order, separated by spaces.
    pub(crate) fn mechanisms(&self, is_external: bool) -> String {
        let mut offered = Vec::new();
        for (name, is_on) in [
            ("AMQPLAIN", self.amqplain),
            ("ANONYMOUS", self.anonymous.is_some()),
            ("EXTERNAL", is_external),
            ("PLAIN", self.plain),
        ] {
            if is_on {
                offered.push(name);
            }
        }
        offered.join(" ")
    }

    /// The limit of a frame where `negotiated` was agreed on.
    pub(crate) fn frame_bytes_max(negotiated: u32) -> u32 {
        if negotiated == 0 { FRAME_BYTES_UNLIMITED } else { negotiated }
    }
}
