//! The core: topology, routing, sessions, queues. No bytes of any wire, no thread, no clock.
//!
//! [`Broker`] is what all connections share; [`Client`] is one connection's side of it: commands in, events out. The
//! server drives both: it wakes a connection when its [`Bell`] rings, runs the thread that makes the log durable
//! ([`Broker::handle_flushed`]), those that read it ([`Broker::read_one`]) and the one that keeps house.
//!
//! ```text
//!            Client ── session ── confirms, deliveries
//!              │ route, access ──── topology ── metadata (log, snapshots)
//!              ▼
//!            queue ── fifo, consumers ──► mailbox ──► Client of the consumer
//!              └──► storage (staging)
//! ```

#![warn(missing_docs)]

pub mod access;
pub mod argument;
mod attempts;
pub mod broker;
mod census;
pub mod client;
mod connected;
pub mod counts;
pub mod dead_letter;
mod durability;
pub mod flow;
mod mailbox;
mod metadata;
mod name_maker;
mod news;
mod publishes;
pub mod queue;
mod replies;
pub mod route;
mod session;
pub mod stamps;
mod timers;
pub mod topology;

pub use attempts::{Denied, Door, Failures};
pub use broker::{Broker, Settings};
pub use client::{Client, Polled};
pub use connected::{Connected, ConnectionState, Ends, PeerCertificate, Protection, Totals, Tuned};
pub use mailbox::{Bell, Mailbox};
pub use metadata::RecoveryError;
pub use topology::First;
