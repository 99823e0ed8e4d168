//! A message as its queue sees it: where it is, what it weighs, how it is found again.

use std::sync::Arc;

use model::Message;
use storage::Lsn;

use crate::mailbox::Parcel;

/// Where a message is beside memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Nowhere: it is gone with the process.
    Memory,
    /// In the queue's log; readable once this position is durable.
    Log(Lsn),
    /// In the queue's spill file, which does not outlive the process.
    Spilled,
}

impl Place {
    /// Whether storage has an entry for it.
    pub fn is_stored(self) -> bool {
        self != Self::Memory
    }

    /// Whether the message may leave memory now.
    pub(crate) fn is_readable(self, flushed: Lsn) -> bool {
        match self {
            Self::Memory => false,
            Self::Log(lsn) => lsn <= flushed,
            Self::Spilled => true,
        }
    }
}

/// Messages and the bytes of their bodies.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Amount {
    /// Messages.
    pub messages: u64,
    /// Bytes of bodies. After a restart an estimate until the messages have been read.
    pub bytes: u64,
}

impl Amount {
    /// One message.
    pub(crate) fn of(message: &Message) -> Self {
        Self { messages: 1, bytes: message.body().len() as u64 }
    }

    pub(super) fn add(&mut self, ticket: &Ticket) {
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(ticket.body_bytes.into());
    }

    pub(super) fn remove(&mut self, ticket: &Ticket) {
        assert!(self.messages > 0, "more messages leave than there are");
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(ticket.body_bytes.into());
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(other.messages),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// A message without its body: what is needed to find it again, to put it back, to account for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    pub(crate) seq: u64,
    /// Milliseconds since 1970; 0: never.
    pub(crate) expires_at_ms: u64,
    pub(crate) place: Place,
    /// Of head and body.
    pub(crate) bytes: u32,
    pub(crate) body_bytes: u32,
    /// Its priority within the queue.
    pub(crate) level: u8,
}

/// A message that comes back from a session or from storage.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) ticket: Ticket,
    pub(crate) redelivered: bool,
    /// Removed out of turn: a gap.
    pub(super) is_gone: bool,
    /// None: to be read from storage.
    pub(crate) message: Option<Arc<Message>>,
}

impl Entry {
    pub(crate) fn new(ticket: Ticket, redelivered: bool, message: Option<Arc<Message>>) -> Self {
        Self { ticket, redelivered, is_gone: false, message }
    }

    pub(super) fn resident(&self) -> u64 {
        if self.message.is_some() { self.ticket.bytes.into() } else { 0 }
    }
}

impl From<Parcel> for Entry {
    fn from(parcel: Parcel) -> Self {
        let Parcel { ticket, redelivered, message } = parcel;
        Self::new(ticket, redelivered, Some(message))
    }
}
