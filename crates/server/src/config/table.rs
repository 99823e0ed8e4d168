//! The table of every key that has an effect: one row each, which `--describe` prints and the document is made from.
//!
//! Keys that start with `harefoot.` are our own; all others mean what they mean to RabbitMQ. Not here: how a value is
//! read (`key`), RabbitMQ's keys without effect (`foreign`), the rows of TLS (`tls_keys`), for browsers (`http_keys`) and of
//! metadata (`metadata_keys`).

use std::path::PathBuf;

use broker::{stamps::Stamp, topology::QueueKind};

use super::{
    draft::Draft,
    http_keys,
    key::{Key, Kind, Range},
    metadata_keys,
    problem::Notice,
    settings::{LogFormat, LogLevel},
    tls_keys,
};

const U16_MAX: u64 = u16::MAX as u64;
const U32_MAX: u64 = u32::MAX as u64;
/// The smallest frame that AMQP 0-9-1 lets a peer ask for (§4.2.3, frame-min-size).
const FRAME_MIN: u64 = 4096;
/// RabbitMQ: no message may be larger, whatever is set.
const MESSAGE_BYTES_MAX: u64 = 512 * 1024 * 1024;

const LEVELS: &[&str] =
    &["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency", "none"];
const MECHANISMS: &[&str] = &["PLAIN", "AMQPLAIN", "ANONYMOUS", "EXTERNAL", "RABBIT-CR-DEMO"];

/// Every key that has an effect, in the order in which they are described.
pub(crate) fn keys() -> impl Iterator<Item = &'static Key> {
    let tls = tls_keys::TABLES.iter().copied().flatten();
    KEYS.iter().chain(metadata_keys::KEYS).chain(tls).chain(http_keys::KEYS)
}

static KEYS: &[Key] = &[
    // Where it listens.
    Key {
        name: "listeners.tcp.$name",
        default: "(127.0.0.1:5672 and [::1]:5672)",
        help: "An address to listen on for AMQP; a port alone means every address of the machine. \
               The name only tells several of them apart (`default` is customary).",
        kind: Kind::Address { set: |draft, _, listen| draft.listeners.extend(listen) },
    },
    Key {
        name: "listeners.tcp",
        default: "(not set)",
        help: "`none` switches plain AMQP off, whatever `listeners.tcp.$name` says.",
        kind: Kind::OneOf { words: &["none"], set: |draft, _, _| draft.is_deaf = true },
    },
    Key {
        name: "management.tcp.port",
        default: "(15672)",
        help: "The port of the HTTP API. Where neither it nor an address is set, the API listens on the local host only, \
               and not at all if the port is taken; with a port alone, on every address of the machine.",
        kind: MANAGEMENT_PORT,
    },
    Key {
        name: "management.tcp.ip",
        default: "(127.0.0.1 and ::1)",
        help: "The address of the HTTP API.",
        kind: MANAGEMENT_IP,
    },
    Key {
        name: "management.listener.port",
        default: "(15672)",
        help: "The older name of `management.tcp.port`.",
        kind: MANAGEMENT_PORT,
    },
    Key {
        name: "management.listener.ip",
        default: "(127.0.0.1 and ::1)",
        help: "The older name of `management.tcp.ip`.",
        kind: MANAGEMENT_IP,
    },
    Key {
        name: "prometheus.tcp.port",
        default: "(15692)",
        help: "The port of the metrics endpoint. Where neither it nor an address is set, it is served on the local host only, \
               and not at all if the port is taken; with a port alone, on every address of the machine.",
        kind: Kind::Integer {
            range: Range::from(1, U16_MAX),
            set: |draft, _, port| draft.metrics.port = Some(narrow(port, u16::MAX)),
        },
    },
    Key {
        name: "prometheus.tcp.ip",
        default: "(127.0.0.1 and ::1)",
        help: "The address of the metrics endpoint.",
        kind: Kind::Ip { set: |draft, _, ip| draft.metrics.ip = Some(ip) },
    },
    Key {
        name: "load_definitions",
        default: "(none)",
        help: "A file of definitions, or a folder with several (`*.json`, by name), taken in at every start before anybody is \
               let in. A new data folder then gets no default user and no vhost but those of the file.",
        kind: DEFINITIONS,
    },
    Key {
        name: "definitions.local.path",
        default: "(none)",
        help: "The same as `load_definitions`.",
        kind: DEFINITIONS,
    },
    Key {
        name: "management.load_definitions",
        default: "(none)",
        help: "The older name of `load_definitions`.",
        kind: DEFINITIONS,
    },
    // Who may log in.
    Key {
        name: "default_user",
        default: "guest",
        help: "The user that an empty data folder is given.",
        kind: Kind::Name { set: |draft, _, name| draft.settings.first_user.name = name },
    },
    Key {
        name: "default_pass",
        default: "guest",
        help: "That user's password.",
        kind: Kind::Secret { set: |draft, _, secret| draft.settings.first_user.password = secret },
    },
    Key {
        name: "default_vhost",
        default: "/",
        help: "The vhost that an empty data folder is given.",
        kind: Kind::Name { set: |draft, _, name| draft.settings.first_user.vhost = name },
    },
    Key {
        name: "event_exchange.vhost",
        default: "(default_vhost)",
        help: "The vhost in which the exchange amq.rabbitmq.event tells what happens in the node.",
        kind: Kind::Name { set: |draft, _, name| draft.settings.event_vhost = Some(name) },
    },
    Key {
        name: "default_user_tags.$tag",
        default: "(administrator)",
        help: "Whether that user has this tag; any such line replaces the default.",
        kind: Kind::Boolean {
            set: |draft, tag, is_set| {
                draft.tags.insert(tag.to_owned(), is_set);
            },
        },
    },
    Key {
        name: "default_permissions.configure",
        default: ".*",
        help: "Names of what that user may declare and delete in the vhost, as a regular expression.",
        kind: Kind::Text {
            set: |draft, _, text| text.clone_into(&mut draft.settings.first_user.permissions.configure),
        },
    },
    Key {
        name: "default_permissions.write",
        default: ".*",
        help: "Names of what that user may publish and bind to.",
        kind: Kind::Text {
            set: |draft, _, text| text.clone_into(&mut draft.settings.first_user.permissions.write),
        },
    },
    Key {
        name: "default_permissions.read",
        default: ".*",
        help: "Names of what that user may consume and bind from.",
        kind: Kind::Text {
            set: |draft, _, text| text.clone_into(&mut draft.settings.first_user.permissions.read),
        },
    },
    Key {
        name: "loopback_users.$user",
        default: "(guest = true)",
        help: "Whether this user may log in from this machine only. \
               `guest` stays bound unless it is set to false, whatever is said of others.",
        kind: Kind::Boolean { set: Draft::put_loopback_user },
    },
    Key {
        name: "loopback_users",
        default: "(not set)",
        help: "`none` lets every user log in from everywhere.",
        kind: Kind::OneOf { words: &["none"], set: |draft, _, _| draft.loopback_none = true },
    },
    Key {
        name: "auth_mechanisms.$n",
        default: "(PLAIN, AMQPLAIN)",
        help: "The SASL mechanisms to offer, by number; one that does not exist here is left out with a warning, \
               and a list of only such ones is refused.",
        kind: Kind::OneOf { words: MECHANISMS, set: Draft::put_mechanism },
    },
    Key {
        name: "anonymous_login_user",
        default: "guest",
        help: "The user that somebody is who logs in by ANONYMOUS, if that is offered; `none` for nobody.",
        kind: Kind::Name {
            set: |draft, _, name| {
                draft.settings.connection.anonymous_user = (&*name != "none").then_some(name);
                draft.anonymous = Some(draft.at.clone());
            },
        },
    },
    Key {
        name: "anonymous_login_pass",
        default: "guest",
        help: "That user's password.",
        kind: Kind::Secret {
            set: |draft, _, secret| {
                draft.settings.connection.anonymous_password = secret;
                draft.anonymous.get_or_insert_with(|| draft.at.clone());
            },
        },
    },
    // What a connection may ask for.
    Key {
        name: "heartbeat",
        default: "60",
        help: "Seconds between heartbeats that are proposed to a client; 0 for none.",
        kind: Kind::Integer {
            range: Range::from(0, U16_MAX),
            set: |draft, _, seconds| draft.settings.connection.heartbeat_s = narrow(seconds, u16::MAX),
        },
    },
    Key {
        name: "frame_max",
        default: "131072",
        help: "The largest frame that is proposed to a client; 0 for no limit.",
        kind: Kind::FrameBytes {
            range: Range::from(FRAME_MIN, U32_MAX).or_zero(),
            set: |draft, _, bytes| draft.settings.connection.frame_max = narrow(bytes, u32::MAX),
        },
    },
    Key {
        name: "initial_frame_max",
        default: "4096",
        help: "The largest frame before a client has logged in and the limits are agreed; larger for long tokens.",
        kind: Kind::FrameBytes {
            range: Range::from(FRAME_MIN, U32_MAX),
            set: |draft, _, bytes| draft.settings.connection.initial_frame_max = narrow(bytes, u32::MAX),
        },
    },
    Key {
        name: "max_channels_per_connection",
        default: "2047",
        help: "Channels of one connection; 0 for no limit.",
        kind: CHANNELS,
    },
    Key {
        name: "channel_max",
        default: "2047",
        help: "The older name of `max_channels_per_connection`.",
        kind: CHANNELS,
    },
    Key { name: "max_connections", default: "infinity", help: "Connections of the node.", kind: CONNECTIONS },
    Key {
        name: "connection_max",
        default: "infinity",
        help: "The older name of `max_connections`.",
        kind: CONNECTIONS,
    },
    Key {
        name: "channel_max_per_node",
        default: "infinity",
        help: "Channels of the node.",
        kind: Kind::Limit {
            range: Range::from(0, U32_MAX),
            set: |draft, _, limit| draft.settings.connection.node_channels_max = limit,
        },
    },
    Key {
        name: "consumer_max_per_channel",
        default: "infinity",
        help: "Consumers of one channel.",
        kind: Kind::Limit {
            range: Range::from(1, U32_MAX),
            set: |draft, _, limit| {
                draft.settings.connection.channel_consumers_max =
                    limit.map(|number| narrow(number, u32::MAX));
            },
        },
    },
    Key {
        name: "max_message_size",
        default: "16777216",
        help: "The largest body of a message.",
        kind: Kind::Bytes {
            range: Range::from(1, MESSAGE_BYTES_MAX),
            set: |draft, _, bytes| draft.settings.connection.message_bytes_max = bytes,
        },
    },
    Key {
        name: "handshake_timeout",
        default: "10000",
        help: "Milliseconds in which a client has to be logged in.",
        kind: Kind::Limit {
            range: Range::from(1, U32_MAX),
            set: |draft, _, limit| draft.settings.connection.handshake_timeout_ms = limit,
        },
    },
    Key {
        name: "consumer_timeout",
        default: "infinity",
        help: "Milliseconds in which a consumer has to settle a delivery.",
        kind: Kind::Limit {
            range: Range::from(1, U32_MAX),
            set: |draft, _, limit| draft.settings.connection.consumer_timeout_ms = limit,
        },
    },
    Key {
        name: "harefoot.consumer_timeout_action",
        default: "return",
        help: "What happens then: the delivery goes back to its queue, or its channel is closed as RabbitMQ does.",
        kind: Kind::OneOf {
            words: &["return", "close_channel"],
            set: |draft, _, word| draft.settings.connection.timeout_closes_channel = word == "close_channel",
        },
    },
    Key {
        name: "default_queue_type",
        default: "classic",
        help: "The type of queues that can be of any and name none, unless their vhost has a default.",
        kind: Kind::OneOf {
            words: &["classic", "quorum", "stream"],
            set: |draft, _, word| {
                draft.settings.metadata.default_queue_type =
                    QueueKind::parse(word.as_bytes()).unwrap_or_default();
            },
        },
    },
    Key {
        name: "message_interceptors.incoming.set_header_timestamp.overwrite",
        default: "(not set)",
        help: "Every message that is published gets the time, as header `timestamp_in_ms` and property `timestamp`; what the \
               publisher wrote there stays, or not (`true`).",
        kind: Kind::Boolean {
            set: |draft, _, overwrites| draft.settings.stamps.time = Some(stamp(overwrites)),
        },
    },
    Key {
        name: "message_interceptors.incoming.set_header_routing_node.overwrite",
        default: "(not set)",
        help: "The same with the node's name, as header `x-routed-by`.",
        kind: Kind::Boolean {
            set: |draft, _, overwrites| draft.settings.stamps.node = Some(stamp(overwrites)),
        },
    },
    Key {
        name: "message_interceptors.outgoing.timestamp.enabled",
        default: "false",
        help: "Whether deliveries tell when they were sent, in the header `x-opt-rabbitmq-sent-time` (milliseconds since 1970).",
        kind: Kind::Boolean { set: |draft, _, is_on| draft.settings.stamps.sent = is_on },
    },
    // Memory and disk.
    Key {
        name: "vm_memory_high_watermark.relative",
        default: "0.6",
        help: "The share of all memory above which publishers are blocked.",
        kind: Kind::Share {
            max: 1.0,
            set: |draft, _, share| draft.watermarks.relative = Some((share, draft.at.clone())),
        },
    },
    Key {
        name: "vm_memory_high_watermark.absolute",
        default: "(not set)",
        help: "The same in bytes; outranks the share.",
        kind: Kind::Bytes {
            range: Range::from(0, u64::MAX),
            set: |draft, _, bytes| draft.watermarks.absolute = Some(bytes),
        },
    },
    Key {
        name: "total_memory_available_override_value",
        default: "(what the machine has, or the node's cgroup allows)",
        help: "How much memory to reckon with.",
        kind: Kind::Bytes {
            range: Range::from(1, u64::MAX),
            set: |draft, _, bytes| draft.settings.memory.total_bytes = Some(bytes),
        },
    },
    Key {
        name: "disk_free_limit.absolute",
        default: "(50MB, never less than the 16 MiB that the log needs)",
        help: "Free space of the data folder's disk below which publishers are blocked.",
        kind: Kind::Bytes {
            range: Range::from(0, u64::MAX),
            set: |draft, _, bytes| draft.disk_limits.absolute = Some(bytes),
        },
    },
    Key {
        name: "disk_free_limit.relative",
        default: "(not set)",
        help: "The same as a multiple of all memory; the absolute limit outranks it.",
        kind: Kind::Share {
            max: f64::MAX,
            set: |draft, _, multiple| draft.disk_limits.relative = Some((multiple, draft.at.clone())),
        },
    },
    // Logs.
    Key {
        name: "log.console.level",
        default: "info",
        help: "The least severe event that is logged; outranks the two below.",
        kind: Kind::OneOf { words: LEVELS, set: |draft, _, word| draft.levels.console = level(word) },
    },
    Key {
        name: "log.level",
        default: "info",
        help: "The same.",
        kind: Kind::OneOf { words: LEVELS, set: |draft, _, word| draft.levels.all = level(word) },
    },
    Key {
        name: "log.default.level",
        default: "info",
        help: "The same.",
        kind: Kind::OneOf { words: LEVELS, set: |draft, _, word| draft.levels.all = level(word) },
    },
    Key {
        name: "log.console.formatter",
        default: "plaintext",
        help: "A line of text or a JSON object for each event.",
        kind: Kind::OneOf {
            words: &["plaintext", "json"],
            set: |draft, _, word| {
                let is_json = word == "json";
                draft.settings.log.format = if is_json { LogFormat::Json } else { LogFormat::Plaintext };
            },
        },
    },
    Key {
        name: "log.exchange",
        default: "false",
        help: "Whether lines of the log are published to amq.rabbitmq.log too, in the vhost of events.",
        kind: Kind::Boolean { set: |draft, _, is_on| draft.settings.log.has_exchange = is_on },
    },
    Key {
        name: "log.exchange.level",
        default: "info",
        help: "The least severe event of those.",
        kind: Kind::OneOf {
            words: LEVELS,
            set: |draft, _, word| {
                draft.settings.log.exchange_level = level(word).unwrap_or(LogLevel::Info);
            },
        },
    },
    Key {
        name: "log.console",
        default: "true",
        help: "`false` has no effect: logs always go to the standard error output.",
        kind: Kind::Boolean {
            set: |draft, _, is_on| {
                if !is_on {
                    draft.warn(Notice::LogsGoToStderr("log.console"));
                }
            },
        },
    },
    Key {
        name: "log.console.stdio",
        default: "stderr",
        help: "`stdout` has no effect: logs always go to the standard error output.",
        kind: Kind::OneOf {
            words: &["stderr", "stdout"],
            set: |draft, _, word| {
                if word == "stdout" {
                    draft.warn(Notice::LogsGoToStderr("log.console.stdio"));
                }
            },
        },
    },
    // What it says it is.
    Key {
        name: "harefoot.product",
        default: "RabbitMQ",
        help: "The `product` among the properties that a client is shown; some clients look for this word.",
        kind: PRODUCT,
    },
    Key {
        name: "harefoot.product_version",
        default: "4.0.5",
        help: "The `version` among those properties; clients choose what they use by it.",
        kind: PRODUCT_VERSION,
    },
    Key {
        name: "product.name",
        default: "RabbitMQ",
        help: "RabbitMQ's name of `harefoot.product`.",
        kind: PRODUCT,
    },
    Key {
        name: "product.version",
        default: "4.0.5",
        help: "RabbitMQ's name of `harefoot.product_version`.",
        kind: PRODUCT_VERSION,
    },
    Key {
        name: "harefoot.data_dir",
        default: "./harefoot-data",
        help: "The data folder; if relative, then to the folder in which the node is started.",
        kind: Kind::Text { set: |draft, _, text| draft.settings.data_dir = PathBuf::from(text) },
    },
];

const DEFINITIONS: Kind =
    Kind::Text { set: |draft, _, path| draft.settings.definitions = Some(PathBuf::from(path)) };

const MANAGEMENT_PORT: Kind = Kind::Integer {
    range: Range::from(1, U16_MAX),
    set: |draft, _, port| draft.management.port = Some(narrow(port, u16::MAX)),
};

const MANAGEMENT_IP: Kind = Kind::Ip { set: |draft, _, ip| draft.management.ip = Some(ip) };

const CHANNELS: Kind = Kind::Integer {
    range: Range::from(0, U16_MAX),
    set: |draft, _, channels| draft.settings.connection.channel_max = narrow(channels, u16::MAX),
};

const CONNECTIONS: Kind = Kind::Limit {
    range: Range::from(0, U32_MAX),
    set: |draft, _, limit| {
        draft.settings.connection.connections_max = limit.map(|number| narrow(number, u32::MAX));
    },
};

const PRODUCT: Kind =
    Kind::Text { set: |draft, _, text| text.clone_into(&mut draft.settings.identity.product) };

const PRODUCT_VERSION: Kind =
    Kind::Text { set: |draft, _, text| text.clone_into(&mut draft.settings.identity.version) };

fn stamp(overwrites: bool) -> Stamp {
    if overwrites { Stamp::Overwrite } else { Stamp::Keep }
}

/// A number that the row's range has held below `max` already.
fn narrow<T: TryFrom<u64>>(number: u64, max: T) -> T {
    T::try_from(number).unwrap_or(max)
}

/// RabbitMQ: severities between our four are rounded to the one above, so that nothing asked for is lost.
pub(super) fn level(word: &str) -> Option<LogLevel> {
    match word {
        "debug" => Some(LogLevel::Debug),
        "info" => Some(LogLevel::Info),
        "notice" | "warning" => Some(LogLevel::Warning),
        "error" | "critical" | "alert" | "emergency" => Some(LogLevel::Error),
        "none" => Some(LogLevel::None),
        _ => None,
    }
}
