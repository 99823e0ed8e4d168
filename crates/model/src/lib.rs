//! The words that both sides speak: names, ids, messages, commands, events, refusals.
//!
//! A protocol crate turns bytes into [`Command`]s and [`Event`]s into bytes; the broker turns commands into events.
//! Neither knows the other: what they share is here, and it has no behaviour but encoding.
//!
//! # Glossary
//! - **vhost**: a world of its own of exchanges, queues and permissions.
//! - **exchange**, **binding**, **routing key**, **queue**: what a publish passes through, in this order.
//! - **session**: one conversation with the core: a channel of AMQP 0-9-1.
//! - **delivery**: a message handed to a consumer; *ready* before, *unsettled* until the consumer's verdict.
//! - **settle**: the consumer's verdict on a delivery ([`Outcome`]); "ack" only in AMQP 0-9-1.
//! - **confirm**: what the publisher is told once its message is safe.
//! - **return**: a mandatory message that no queue wanted goes back to its publisher; **requeue**: to its old place.
//! - **refusal**: a wish of the client that is denied, with the facts.

#![warn(missing_docs)]

pub mod command;
pub mod event;
pub mod id;
pub mod message;
pub mod name;
pub mod outcome;
mod prefetch;
pub mod refusal;
pub mod secret;
pub mod table;

pub use command::{Command, SessionCommand};
pub use event::{Delivered, Event, SessionEvent};
pub use id::{DeliveryId, SessionId};
pub use message::Message;
pub use name::Name;
pub use outcome::Outcome;
pub use prefetch::{prefetch, prefetch_whole};
pub use refusal::Refusal;
pub use secret::Secret;
pub use table::{Table, Value};
