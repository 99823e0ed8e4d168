//! How counts have moved: samples of them, taken every five seconds, and the rates that come of it.
//!
//! What does not move costs nothing: a series begins with a count's first change, notes changes only, and goes when there was
//! none for as long as it is kept. Pure: the time is an argument, and whoever keeps time calls [`Samples::take`].
//!
//! The lock around them is taken before that of the topology, by whoever needs both, and once.
//!
//! Kept as RabbitMQ keeps it by default: of a vhost and the node ten minutes by 5 s, an hour by minutes, 8 hours by 10
//! minutes, a day by half hours; of queues, exchanges, connections and sessions the first two of these.

mod connection;
mod oldest;
mod past;
mod range;
mod series;
mod taking;
mod track;

use oldest::Oldest;
pub(crate) use past::{Line, Part, Past, Stats, View};
pub(crate) use range::{Range, Ranges};
use series::Series;
pub(crate) use taking::{
    Samples, Shared, churn, of_connection, of_queue, of_session, of_vhost, queue, session, used, vhost,
};
pub(crate) use track::{Details, Track};

/// Milliseconds between two samples.
pub const TICK_MS: u64 = 5_000;

/// Ticks of a step, and steps that are kept.
pub(crate) type Level = (u32, u32);

/// RabbitMQ's `global` retention.
pub(crate) const GLOBAL: &[Level] = &[(1, 120), (12, 60), (120, 48), (360, 48)];
/// RabbitMQ's `basic` retention.
pub(crate) const BASIC: &[Level] = &[(1, 120), (12, 60)];
