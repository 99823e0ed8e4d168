//! Clients of the core: commands in, events out, on a broker without threads.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where something is not as it should be"
)]

#[path = "client/ending.rs"]
mod ending;
#[path = "client/exchanges.rs"]
mod exchanges;
#[path = "client/login.rs"]
mod login;
#[path = "client/peer.rs"]
mod peer;
#[path = "client/replies.rs"]
mod replies;
#[path = "client/session_limit.rs"]
mod session_limit;
