//! Bytes that survive: one write-ahead log for a node, segments for what stays, recovery.
//!
//! This crate knows records (log, index, expiry, priority, payload), removals of ranges and atomic groups. It knows no
//! message, no queue, no protocol; no thread and no clock either. Its one door to the world is [`Disk`].
//!
//! # What a folder holds
//!
//! | name | what |
//! |---|---|
//! | `format` | the version of all that follows |
//! | `wal-N` | the log: batches of records in the order in which they were staged; the last one is written |
//! | `spare-N` | the next WAL file, filled with zeros beforehand |
//! | `segment-N` | entries of one log which outlived their WAL file |
//! | `checkpoint-a`, `checkpoint-b` | what is live in the segments, and the first WAL file that is still needed |
//! | `clean` | left by a clean stop |
//! | `snapshot-NAME` | small files replaced as a whole |
//! | `spill-LOG-N` | transient entries that had to leave memory; worthless after a restart |
//! | `aside-…` | bytes which could not be used, kept for a human |
//!
//! The bytes are laid out in `docs/internals/storage-format.md`.
//!
//! # The contract
//!
//! - What was staged under one [`Staging`] is one group: after a crash all of it is there or nothing.
//! - When [`Engine::flushed`] has reached the [`Lsn`] of a group, the group survives every crash.
//! - What is settled never comes back once a later LSN is flushed; it may come back before.
//! - Recovery never shortens the log silently: what could be a torn, unconfirmed write is reported as
//!   [`TornTail`], everything else as [`Damage`], and both are kept aside.
//! - After a failed write or sync of the WAL every call returns [`Fault::Poisoned`]. A lack of space elsewhere is
//!   [`Fault::Full`] and passes.
//!
//! # Threads
//!
//! Any thread stages, reads, spills. One thread calls [`Engine::flush`] whenever [`Engine::wait_for_work`] says so, one calls
//! [`Engine::housekeep`] whenever [`Engine::wait_for_housekeeping`] says so. A thread that is alone with what it stages may
//! flush it too, under [`Engine::lead`]. Inside, the order of locks is keeper,
//! writer, core, shelf; staging takes the core only.
#![warn(missing_docs)]

mod checkpoint;
pub mod codec;
pub mod disk;
mod engine;
mod entry;
mod fault;
mod frame;
mod layout;
mod log;
mod options;
mod record;
mod segment;
mod wal;

pub use disk::{Disk, File};
pub use engine::Engine;
pub use engine::aside::GivenUp;
pub use engine::lead::Lead;
pub use engine::recover::{Damage, Recovered, RecoveredLog, TornTail};
pub use engine::staging::{GROUP_BYTES_MAX, Staging};
pub use engine::usage::{Counters, Usage};
pub use entry::{Entry, LogId, LogState, Lsn, ReadLimit, Stored};
pub use fault::{Fault, Reason};
pub use options::Options;
