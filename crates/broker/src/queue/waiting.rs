//! Looking at messages that wait for their time, and taking out single ones: for operators. Everything here may block on
//! the disk.
//!
//! A page costs what is on it, however many wait: in memory it is found by its number, of the log it is read.

use std::sync::Arc;

use model::Message;
use storage::{Fault, LogId, Lsn, ReadLimit};

use super::{Effects, Queue, cold::READ_BYTES_MAX, fifo::Glance, settling::Forgotten};

/// Bytes read for one page, about.
const PAGE_BYTES_MAX: u64 = 8 * READ_BYTES_MAX;

/// A message that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What it is called by; later ones have higher numbers.
    pub number: u64,
    /// When its time has come, in milliseconds since 1970.
    pub due_at_ms: u64,
    /// The message.
    pub message: Arc<Message>,
}

/// Messages that wait, in the order in which they came.
#[derive(Debug)]
pub struct Page {
    /// As many as were asked for, or as fit.
    pub messages: Vec<Waiting>,
    /// Where the next page begins; None if this was the last.
    pub next: Option<u64>,
}

/// What became of the wish to take a message out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cancelled {
    /// It is gone, for good once the log is durable up to there.
    Gone(Lsn),
    /// It is not there.
    Missing,
    /// The log is being read: it is not known what is there.
    Busy,
}

impl Queue {
    /// At most `max` of the messages that wait here, from the number `from` on.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn waiting(&self, mut from: u64, max: usize) -> Result<Page, Fault> {
        let mut messages = Vec::new();
        let mut bytes = 0u64;
        while messages.len() < max && bytes < PAGE_BYTES_MAX {
            let glance = self.state.lock().levels.glance(from);
            match glance {
                None => return Ok(Page { messages, next: None }),
                Some(Glance::InMemory(ticket, _, message)) => {
                    from = ticket.seq.saturating_add(1);
                    messages.push(Waiting { number: ticket.seq, due_at_ms: ticket.expires_at_ms, message });
                }
                Some(Glance::OnDisk { range, .. }) => {
                    let entries = max.saturating_sub(messages.len());
                    let limit = ReadLimit { entries, bytes: READ_BYTES_MAX };
                    let (stored, next) = self.read_some(self.waiting_log(), range.start, limit)?;
                    from = next.unwrap_or(range.end).clamp(range.start.saturating_add(1), range.end);
                    for record in stored.into_iter().filter(|record| record.index < range.end) {
                        bytes = bytes.saturating_add(record.payload.len() as u64);
                        let Ok(message) = Message::decode(record.payload) else { continue };
                        let (number, due_at_ms) = (record.index, record.expires_at_ms);
                        messages.push(Waiting { number, due_at_ms, message: Arc::new(message) });
                    }
                }
            }
        }
        Ok(Page { messages, next: Some(from) })
    }

    /// Takes out the message of this number.
    pub(crate) fn cancel_waiting(
        self: &Arc<Self>,
        number: u64,
        out: &mut Effects,
    ) -> Result<Cancelled, Fault> {
        let mut state = self.state.lock();
        let found = match state.levels.glance(number) {
            Some(Glance::InMemory(ticket, ..)) if ticket.seq == number => Ok(Some(None)),
            Some(Glance::OnDisk { range, .. }) if range.start == number => {
                // What a reader has in hand would come back: only one of us reads at a time.
                if state.is_reading {
                    return Ok(Cancelled::Busy);
                }
                state.is_reading = true;
                drop(state);
                let read = self.fetch_stored(self.waiting_log(), number);
                state = self.state.lock();
                state.is_reading = false;
                read.map(|read| read.map(Some))
            }
            _ => Ok(None),
        };
        let outcome = found.map(|found| {
            let parcel = found.and_then(|read| state.levels.cancel(number, read));
            parcel.map_or(Cancelled::Missing, |parcel| {
                let mut forgotten = Forgotten::default();
                forgotten.add(&parcel.ticket, &mut state.returns);
                let mut staging = self.engine.stage();
                forgotten.stage(self.record.id, &mut staging);
                staging.hurry();
                Cancelled::Gone(staging.lsn())
            })
        });
        self.settle_down(&mut state, out);
        self.account(&mut state);
        outcome
    }

    /// Takes out all of them, for good once the log is durable up to there; says how many they were.
    pub fn cancel_all_waiting(&self) -> (u64, Lsn) {
        let amount = self.purge();
        let mut staging = self.engine.stage();
        staging.hurry();
        (amount.messages, staging.lsn())
    }

    fn waiting_log(&self) -> LogId {
        LogId(self.record.id.level(0))
    }
}
