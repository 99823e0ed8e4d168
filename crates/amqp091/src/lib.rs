//! AMQP 0-9-1 as a state machine: bytes in, commands out; events in, bytes out.
//!
//! [`Connection`] is the server's end. It knows no socket, thread or clock: its driver gives it the bytes it has read,
//! takes [`model::Command`]s out one by one, gives it the broker's [`model::Event`]s, and writes what waits in the
//! output. [`client`] is the other end of the same codec, for tests, measurements and bridges.
//!
//! ```text
//!   Header ──0-9-1──► Starting ──start-ok──► Securing ──Authenticated──► Tuning ──tune-ok──► Opening ──Opened──► Running
//!     │ other header      │ error                │ refused                │ error               │ refused          │
//!     ▼                   ▼                      ▼                        ▼                     ▼                  ▼
//!   Closed             Silent (3 s) ──► Closed  Closing or Silent       Closing ◄── any error of the connection ───┤
//!                                                 │ close-ok, time                                                 │
//!                                                 ▼                          close-ok ◄── Closed ◄── Leaving ◄─────┘
//!                                               Closed                                            connection.close
//! ```
//!
//! What is spoken is RabbitMQ 4.0.5's dialect, its texts included. Not spoken: `tx` (540 so far), `basic.credit`
//! (internal to RabbitMQ), and SASL mechanisms with more than one step.

#![warn(missing_docs)]
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]
#![warn(clippy::wildcard_enum_match_arm)]

pub mod client;
pub mod codec;
pub mod connection;
pub mod error;
pub mod reply;
pub mod settings;

mod channel;
mod channels;
mod output;
mod sasl;
mod translate;

pub use connection::{Connection, End, Tune};
pub use error::ProtocolError;
pub use reply::{Code, Reply, Scope};
pub use settings::Settings;
