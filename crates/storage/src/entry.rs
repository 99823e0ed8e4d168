//! The words of the interface: which log, which position, what goes in and what comes out.
//!
//! Plain values only; what happens to them is the engine's.

use bytes::Bytes;

/// A log of its own index sequence. Ids of durable logs are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u64);

impl LogId {
    /// The bit that marks a log which never is in the WAL.
    pub const VOLATILE: u64 = 1 << 63;

    /// True for a log that can only be spilled and is gone after a restart.
    pub fn is_volatile(self) -> bool {
        self.0 & Self::VOLATILE != 0
    }
}

/// A position in the total order of staged records. Zero is before everything: there is nothing to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

/// An entry on its way in. Its payload is `head` followed by `body`.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its place in the log, above all before.
    pub index: u64,
    /// When it expires, in milliseconds since 1970; zero for never. Kept, not acted upon.
    pub expires_at_ms: u64,
    /// Its priority. Kept, not acted upon.
    pub priority: u8,
    /// The first part of the payload.
    pub head: &'a [u8],
    /// The second part of the payload.
    pub body: &'a [u8],
}

/// An entry read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the log.
    pub index: u64,
    /// When it expires; zero for never.
    pub expires_at_ms: u64,
    /// Its priority.
    pub priority: u8,
    /// The payload. It may share its memory with neighbours read at the same time, up to 256 KiB.
    pub payload: Bytes,
}

/// How much to read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// At most so many entries; zero counts as one.
    pub entries: usize,
    /// No further entry once there are so many bytes of payload.
    pub bytes: u64,
}

/// What is known of a log without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogState {
    /// The lowest live index; `next` if nothing is live.
    pub first: u64,
    /// One above the highest index ever staged or spilled.
    pub next: u64,
    /// Live entries.
    pub entries: u64,
    /// Bytes of their payloads. Of a segment in which some entries are settled the average is taken.
    pub bytes: u64,
}
