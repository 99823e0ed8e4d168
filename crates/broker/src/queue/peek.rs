//! Looking at the messages of a queue in their places: for operators. Nothing is moved, marked or counted. Everything here may
//! block on the disk.
//!
//! Messages stand in the order in which they would be taken, one priority after the other; those of a stream by their offsets.
//! What goes on in the queue meanwhile goes on: a page shows what is there when it is read, and the next one begins behind it.

use std::sync::Arc;

use model::Message;
use storage::{Fault, LogId, ReadLimit, Stored};

use super::{Queue, cold::READ_BYTES_MAX, fifo::Glance};

/// Bytes read for one page, about.
pub(super) const PAGE_BYTES_MAX: u64 = 8 * READ_BYTES_MAX;
/// Entries of one read of the log.
const READ_ENTRIES_MAX: usize = 4096;

/// A place in a queue, which outlasts what goes on in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spot {
    /// The priority.
    pub level: u8,
    /// Messages of this priority with a lower number stand before. In a stream: the offset.
    pub number: u64,
}

/// A message in its place.
#[derive(Clone, Debug)]
pub struct Peeked {
    /// Where it stands.
    pub spot: Spot,
    /// When it expires, in milliseconds since 1970; 0: never.
    pub expires_at_ms: u64,
    /// When it came in, in milliseconds since 1970, or a little earlier: by an eighth of the age of the queue's oldest message
    /// at most. 0: before the node started.
    pub arrived_ms: u64,
    /// Whether it was delivered before, or may have been.
    pub is_redelivered: bool,
    /// The message.
    pub message: Arc<Message>,
}

/// Messages, in the order in which they would be taken.
#[derive(Debug)]
pub struct Peek {
    /// As many as were asked for, or as fit.
    pub messages: Vec<Peeked>,
    /// Where the next page begins; None if this was the last.
    pub next: Option<Spot>,
}

impl Queue {
    /// Where the message stands that has `skip` others before it; None if there are not so many, and for a stream, where the
    /// place is the offset. In the middle of a long queue the log is read up to there.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn spot(&self, mut skip: u64) -> Result<Option<Spot>, Fault> {
        let place = self.state.lock().levels.place_of(&mut skip);
        let Some((level, number)) = place else { return Ok(None) };
        let mut spot = Some(Spot { level, number });
        while let Some(at) = spot.filter(|_| skip > 0) {
            let max = usize::try_from(skip).unwrap_or(READ_ENTRIES_MAX).min(READ_ENTRIES_MAX);
            let page = self.peek(at, max)?;
            skip = skip.saturating_sub(page.messages.len() as u64);
            spot = page.next;
        }
        Ok(spot)
    }

    /// At most `max` messages from a place on.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn peek(&self, at: Spot, max: usize) -> Result<Peek, Fault> {
        let inspection = self.state.lock().stream.as_ref().map(|stream| stream.inspection(at.number));
        if let Some(inspection) = inspection {
            return inspection.run(max);
        }
        let mut read = self.peek_levels(at, max)?;
        let state = self.state.lock();
        for one in &mut read.messages {
            one.arrived_ms = state.levels.arrived_ms(one.spot.level, one.spot.number);
        }
        Ok(read)
    }

    /// As [`Self::peek`], for all but streams and when messages came in.
    fn peek_levels(&self, mut at: Spot, max: usize) -> Result<Peek, Fault> {
        let mut messages = Vec::new();
        let mut bytes = 0u64;
        while messages.len() < max && bytes < PAGE_BYTES_MAX {
            let mut state = self.state.lock();
            let glance = state.levels.glance_at(at.level, at.number);
            if matches!(glance, Ok(Glance::OnDisk { .. })) {
                self.take_snapshot(&mut state);
            }
            drop(state);
            match glance {
                Err(None) => return Ok(Peek { messages, next: None }),
                Err(Some(level)) => at = Spot { level, number: 0 },
                Ok(Glance::InMemory(ticket, is_redelivered, message)) => {
                    let spot = Spot { number: ticket.seq, ..at };
                    at.number = ticket.seq.saturating_add(1);
                    bytes = bytes.saturating_add(ticket.bytes.into());
                    messages.push(Peeked {
                        spot,
                        expires_at_ms: ticket.expires_at_ms,
                        arrived_ms: 0,
                        is_redelivered,
                        message,
                    });
                }
                Ok(Glance::OnDisk { range, redelivered_below }) => {
                    let span =
                        usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(READ_ENTRIES_MAX);
                    let entries = max.saturating_sub(messages.len()).min(READ_ENTRIES_MAX).min(span);
                    let (stored, next) = self.look_into_log(at.level, range.start, entries)?;
                    at.number = next.unwrap_or(range.end).clamp(range.start.saturating_add(1), range.end);
                    for record in stored.into_iter().filter(|record| record.index < range.end) {
                        bytes = bytes.saturating_add(record.payload.len() as u64);
                        let Ok(message) = self.decode(record.payload) else { continue };
                        messages.push(Peeked {
                            spot: Spot { number: record.index, ..at },
                            expires_at_ms: record.expires_at_ms,
                            arrived_ms: 0,
                            is_redelivered: record.index < redelivered_below,
                            message: Arc::new(message),
                        });
                    }
                }
            }
        }
        Ok(Peek { messages, next: Some(at) })
    }

    /// Entries of the log of a level, and where reading goes on. What is damaged is left as it is: it is given up when it is its
    /// turn, not by whoever looks.
    fn look_into_log(
        &self,
        level: u8,
        from: u64,
        entries: usize,
    ) -> Result<(Vec<Stored>, Option<u64>), Fault> {
        let mut stored = Vec::new();
        let limit = ReadLimit { entries, bytes: READ_BYTES_MAX };
        let outcome = self.engine.read(LogId(self.record.id.level(level)), from, limit, &mut stored);
        match (outcome, stored.last().map(|last| last.index.saturating_add(1))) {
            (_, Some(next)) => Ok((stored, Some(next))),
            (Ok(()), None) => Ok((stored, None)),
            (Err(fault), None) => Err(fault),
        }
    }
}
