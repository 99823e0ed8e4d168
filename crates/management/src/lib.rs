//! The HTTP API that operators' tools know from RabbitMQ: requests in, responses out; never a socket.
//!
//! [`Api::answer`] takes a whole request and gives the whole response. It waits for the disk where RabbitMQ's clients expect
//! that what they were told has happened: call it from a thread that may block. What it cannot know (time, randomness, what
//! the machine has left) comes from a [`World`]; refusals of the core become words by an [`Explain`], which is the protocol's.
//!
//! ```text
//! request → login → route → api::… ─ topology, live queues        (looked at)
//!                                  ─ Broker::change                (users, vhosts, policies, …)
//!                                  ─ conversation: a Client        (queues, exchanges, bindings, messages)
//! ```
//! Shapes, status codes and texts are those of RabbitMQ 4, but where it answers 500 to ordinary input.

#![warn(missing_docs)]

mod api;
mod arguments;
mod body;
mod call;
mod conversation;
mod guard;
mod list;
mod login;
mod metrics;
mod moment;
mod multipart;
mod problem;
mod properties;
mod reply;
mod samples;
mod sessions;
mod world;

pub use api::{Api, Peer, read};
pub use body::Body;
pub use guard::Options;
pub use list::Listing;
pub use samples::TICK_MS;
pub use world::{
    Certificates, CipherSuite, Expires, Explain, Identity, Interface, InterfaceAddress, Limit, Listening,
    Machine, Resolver, Resource, Setting, Source, Threshold, Usage, World,
};
