//! The broker as a whole, without a socket: clients over a log on a simulated disk.
//!
//! `world` has the node and its peers, `wish` what peers ask for; the other files say how a broker behaves. What a peer
//! hears is told in words, one line an event: see [`world::Peer::hear`].

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where something is not as it should be"
)]

mod wish;
mod world;

mod alarms;
mod cold;
mod counting;
mod credit;
mod delayed;
mod departures;
mod durability;
mod exchanges;
mod leaving;
mod letters;
mod limits;
mod news;
mod order;
mod pacing;
mod peeking;
mod permissions;
mod quorum;
mod refusing;
mod restart;
mod rules;
mod simulation;
mod streams;
mod timeouts;
mod together;
mod tracing;
mod transactions;
mod travels;
mod verdicts;
mod waiting;
