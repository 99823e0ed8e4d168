//! The scenarios by name, and one module for each kind.
//!
//! A module measures one broker and puts its rows into the report; which broker, in which order and how often is `run`'s.

pub(crate) mod backlog;
pub(crate) mod declare;
pub(crate) mod disk;
pub(crate) mod growth;
pub(crate) mod idle;
pub(crate) mod restart;
pub(crate) mod traffic;

use clap::ValueEnum;

/// What can be measured; the letters are those of the reference measurements of RabbitMQ.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, ValueEnum)]
pub(crate) enum Scenario {
    /// Transient 16 B, auto-ack, no confirms, 1 publisher → 1 consumer.
    A16,
    /// Transient 128 B, auto-ack, no confirms, 1 publisher → 1 consumer.
    A128,
    /// Transient 1 KiB, auto-ack, no confirms, 1 publisher → 1 consumer.
    A1k,
    /// Transient 16 KiB, auto-ack, no confirms, 1 publisher → 1 consumer.
    A16k,
    /// Persistent 1 KiB, durable queue, 1000 unconfirmed at most, prefetch 1000, an ack per 100.
    B,
    /// Persistent 1 KiB, durable queue, one confirm at a time, ack each.
    C,
    /// Persistent 1 KiB, durable queue, one confirm at a time, no consumer.
    C2,
    /// Fanout to 10 queues, transient 128 B; counted by deliveries.
    E10,
    /// Fanout to 100 queues, transient 128 B; counted by deliveries.
    E100,
    /// Topic with 1,000 wildcard bindings, one match each, transient 128 B.
    F1k,
    /// Topic with 10,000 wildcard bindings, one match each, transient 128 B.
    F10k,
    /// As f10k, by a direct exchange: 10,000 bindings, the same keys.
    Direct,
    /// Latency at 1,000 messages a second, transient 128 B.
    K1k,
    /// Latency at 10,000 messages a second, transient 128 B.
    K10k,
    /// Backlog: fill without a consumer, then drain; persistent 128 B, by tenths.
    G,
    /// Stream: fill without a consumer, then read by one connection; persistent 128 B, by tenths.
    Stream,
    /// Queues: declared one at a time, and 100 at once.
    H,
    /// Idle connections with a channel each.
    I,
    /// Restart with a backlog, after `kill -9` and after a clean stop.
    Restart,
    /// One queue, 1 to 1,000 consumers; transient 128 B.
    ManyConsumers,
    /// 1 to 10,000 queues, one publisher, one consuming connection; transient 128 B.
    ManyQueues,
    /// One queue, 1 to 1,000 publishing connections; transient 128 B.
    ManyPublishers,
    /// The disk: 4 KiB written and synced into a preallocated file.
    Disk,
    /// The relay at 128 B, 1 KiB and 16 KiB.
    Relay,
}

/// The size of the relay's messages that a scenario is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Reference {
    pub(crate) body_bytes: usize,
    pub(crate) column: &'static str,
}

pub(crate) const R128: Reference = Reference { body_bytes: 128, column: "÷ R128" };
pub(crate) const R1K: Reference = Reference { body_bytes: 1024, column: "÷ R1K" };
pub(crate) const R16K: Reference = Reference { body_bytes: 16 * 1024, column: "÷ R16K" };

impl Scenario {
    pub(crate) const ALL: &'static [Self] = &[
        Self::Relay,
        Self::Disk,
        Self::A16,
        Self::A128,
        Self::A1k,
        Self::A16k,
        Self::B,
        Self::C,
        Self::C2,
        Self::E10,
        Self::E100,
        Self::F1k,
        Self::F10k,
        Self::Direct,
        Self::K1k,
        Self::K10k,
        Self::G,
        Self::Stream,
        Self::H,
        Self::I,
        Self::Restart,
        Self::ManyConsumers,
        Self::ManyQueues,
        Self::ManyPublishers,
    ];

    /// Whether it is run when nothing is chosen: what takes seconds, not minutes.
    pub(crate) fn is_short(self) -> bool {
        traffic::flow(self, None).is_some() || matches!(self, Self::Relay | Self::Disk)
    }

    /// The heading of its table.
    pub(crate) fn title(self, queue_type: Option<&str>) -> String {
        let word = self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        let meaning = self.to_possible_value().and_then(|value| Some(value.get_help()?.to_string()));
        let kind = queue_type.filter(|_| matches!(self, Self::B | Self::C | Self::C2));
        let kind = kind.map_or_else(String::new, |kind| format!(" ({kind} queue)"));
        format!("{word}{kind}: {}", meaning.unwrap_or_default())
    }

    /// What a message of it is compared with.
    pub(crate) fn reference(self) -> Option<Reference> {
        match self {
            Self::A1k | Self::B | Self::C | Self::C2 => Some(R1K),
            Self::A16k => Some(R16K),
            Self::A16
            | Self::A128
            | Self::E10
            | Self::E100
            | Self::F1k
            | Self::F10k
            | Self::Direct
            | Self::G
            | Self::Stream
            | Self::ManyConsumers
            | Self::ManyQueues
            | Self::ManyPublishers => Some(R128),
            Self::K1k | Self::K10k | Self::H | Self::I | Self::Restart | Self::Disk | Self::Relay => None,
        }
    }

    /// Whether the relay's rows stand in its table.
    pub(crate) fn shows_relay(self) -> bool {
        matches!(self, Self::A16 | Self::A128 | Self::A1k | Self::A16k)
    }

    /// Whether every message of it waits for the disk, so that the disk's own rate is its limit.
    pub(crate) fn waits_for_disk(self) -> bool {
        matches!(self, Self::C | Self::C2)
    }
}
