//! Publishes encoded once, in a ring: what a publisher writes again and again, by numbers of messages.
//!
//! Invariants: a tape has whole messages; message `n` is the one at `n` modulo the length of the ring; the bytes of
//! messages that follow each other lie behind each other, except across the end of the ring.

use std::ops::Range;

use anyhow::ensure;

use super::method::Publish;

/// A tape is at least this long, so that a write need not be short.
const TAPE_BYTES_MIN: usize = 64 * 1024;
const TAPE_BYTES_MAX: usize = 1 << 30;

/// A ring of encoded publishes.
#[derive(Clone, Debug)]
pub(crate) struct Tape {
    bytes: Vec<u8>,
    /// Where each message starts; one more than there are messages.
    starts: Vec<usize>,
    /// Where the body of each message lies.
    bodies: Vec<usize>,
}

impl Tape {
    /// A tape of at least `messages_min` messages, each route in turn.
    pub(crate) fn new(
        routes: &[Publish<'_>],
        channel: u16,
        body_bytes: usize,
        messages_min: usize,
    ) -> anyhow::Result<Self> {
        ensure!(!routes.is_empty(), "a tape needs a route");
        let body: Vec<u8> = (b'a'..=b'z').cycle().take(body_bytes).collect();
        let mut tape = Self { bytes: Vec::new(), starts: vec![0], bodies: Vec::new() };
        while tape.bytes.len() < TAPE_BYTES_MIN || tape.bodies.len() < messages_min {
            for route in routes {
                let body_at = route.encode(&mut tape.bytes, channel, &body);
                tape.bodies.push(body_at);
                tape.starts.push(tape.bytes.len());
            }
            ensure!(tape.bytes.len() <= TAPE_BYTES_MAX, "the publishes to prepare are too many");
        }
        Ok(tape)
    }

    /// A tape of one message, which is its body between something before and something behind it.
    pub(crate) fn framed(before: &[u8], body_bytes: usize, behind: &[u8]) -> Self {
        let mut tape = Self { bytes: Vec::new(), starts: vec![0], bodies: Vec::new() };
        while tape.bytes.len() < TAPE_BYTES_MIN {
            tape.bytes.extend_from_slice(before);
            tape.bodies.push(tape.bytes.len());
            tape.bytes.resize(tape.bytes.len() + body_bytes, b'x');
            tape.bytes.extend_from_slice(behind);
            tape.starts.push(tape.bytes.len());
        }
        tape
    }

    /// How many messages the ring has.
    pub(crate) fn messages(&self) -> usize {
        self.bodies.len()
    }

    /// The bytes of message `from` up to, not including, `to`, as far as they lie behind each other: at most to the end
    /// of the ring.
    pub(crate) fn range(&self, from: u64, to: u64) -> Range<usize> {
        let first = self.place(from);
        let wanted = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let last = first.saturating_add(wanted).min(self.messages());
        let at = |place: usize| self.starts.get(place).copied().unwrap_or(self.bytes.len());
        at(first)..at(last)
    }

    /// How many whole messages end at or before `at`, a place in the ring.
    pub(crate) fn whole_messages(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Puts eight bytes at the front of a message's body.
    pub(crate) fn stamp(&mut self, message: u64, stamp: u64) {
        let place = self.place(message);
        let at = self.bodies.get(place).copied().unwrap_or(usize::MAX);
        if let Some(bytes) = at.checked_add(8).and_then(|end| self.bytes.get_mut(at..end)) {
            bytes.copy_from_slice(&stamp.to_be_bytes());
        }
    }

    /// Where in the ring a message stands; a tape has at least one.
    fn place(&self, message: u64) -> usize {
        usize::try_from(message % (self.messages().max(1) as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
