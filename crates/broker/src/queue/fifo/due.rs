//! Messages whose time is over: they leave from wherever they stand.
//!
//! The one that expires first goes first. One that is not in memory is fetched for that: [`Fifo::due_on_disk`] says
//! which, [`Fifo::remove_expired`] goes on when they are there.

use std::{collections::BTreeMap, sync::Arc};

use model::Message;
use storage::Lsn;

use super::{Entry, Fifo, Head, Place};
use crate::mailbox::Parcel;

/// Messages that were looked for in storage, by number; None for one that is not there.
pub(crate) type Fetched = BTreeMap<u64, Option<Arc<Message>>>;

/// Gaps are not swept together before there are so many.
pub(super) const GAPS_MIN: usize = 64;

impl Fifo {
    /// From now on messages expire strictly in the order of their times.
    pub(crate) fn be_strict(&mut self) {
        self.is_strict = true;
    }

    /// A message that may be cold expires then.
    pub(crate) fn note_cold(&mut self, seq: u64, expires_at_ms: u64) {
        if self.is_cold(seq) {
            self.expiry.note_at(seq, expires_at_ms);
        }
    }

    /// Removes the message that has expired first, by `now_ms`. None if there is none, or if it must be fetched first.
    pub(crate) fn remove_expired(&mut self, now_ms: u64, fetched: &mut Fetched) -> Option<Parcel> {
        loop {
            let (at, seq) = self.next_due().filter(|(at, _)| *at <= now_ms)?;
            if self.head_due() == Some((at, seq)) {
                return self.remove_head();
            }
            let parcel = match self.find(seq) {
                Some(Entry { message: Some(_), .. }) => self.remove(seq),
                None if !self.is_cold(seq) => None,
                _ => {
                    let message = fetched.remove(&seq)?;
                    self.remove_unread(seq, at, message)
                }
            };
            self.expiry.forget_at(seq, at);
            if parcel.is_some() {
                return parcel;
            }
        }
    }

    /// Removes a message whose time has not come. `read` is its expiry and itself, if it is not in memory.
    pub(crate) fn cancel(&mut self, seq: u64, read: Option<(u64, Arc<Message>)>) -> Option<Parcel> {
        let parcel = match read {
            None => self.remove(seq),
            Some((at, message)) => self.remove_unread(seq, at, Some(message)),
        }?;
        self.expiry.forget_at(seq, parcel.ticket.expires_at_ms);
        Some(parcel)
    }

    /// Messages that have expired by `now_ms` and must be fetched, at most so many.
    pub(crate) fn due_on_disk(&self, now_ms: u64, max: usize) -> Vec<u64> {
        if self.is_strict && matches!(self.head(), Head::OnDisk(_)) {
            return Vec::new();
        }
        let is_on_disk = |seq: &u64| match self.find(*seq) {
            Some(entry) => entry.message.is_none(),
            None => self.is_cold(*seq),
        };
        let due = self.expiry.early().take_while(|(at, _)| *at <= now_ms);
        due.map(|(_, seq)| seq).filter(is_on_disk).take(max).collect()
    }

    /// When the next message expires, as far as that is known.
    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.next_due().map(|(at, _)| at)
    }

    /// Whether messages may expire that nobody has asked for: then the head must be known.
    pub(crate) fn may_expire(&self) -> bool {
        self.expiry.is_seen()
    }

    fn next_due(&self) -> Option<(u64, u64)> {
        if self.is_strict && matches!(self.head(), Head::OnDisk(_)) {
            return None;
        }
        [self.head_due(), self.expiry.early().next()].into_iter().flatten().min()
    }

    fn head_due(&self) -> Option<(u64, u64)> {
        let head = match self.front.front() {
            Some(entry) => entry,
            None if self.cold.is_empty() => self.tail.front()?,
            None => return None,
        };
        let ticket = head.ticket;
        (ticket.expires_at_ms != 0 && head.message.is_some()).then_some((ticket.expires_at_ms, ticket.seq))
    }

    pub(super) fn is_cold(&self, seq: u64) -> bool {
        !self.cold.is_empty() && (self.cold.from..self.cold.to).contains(&seq)
    }

    fn find(&self, seq: u64) -> Option<&Entry> {
        let parts = [&self.front, &self.tail].into_iter();
        let mut found = parts.filter_map(|part| {
            let at = part.binary_search_by_key(&seq, |entry| entry.ticket.seq).ok()?;
            part.get(at).filter(|entry| !entry.is_gone)
        });
        found.next()
    }

    fn find_mut(&mut self, seq: u64) -> Option<(&mut Entry, &mut u64)> {
        let front = self.front.binary_search_by_key(&seq, |entry| entry.ticket.seq);
        let (entry, bytes) = match front {
            Ok(at) => (self.front.get_mut(at)?, &mut self.front_bytes),
            Err(_) => {
                let at = self.tail.binary_search_by_key(&seq, |entry| entry.ticket.seq).ok()?;
                (self.tail.get_mut(at)?, &mut self.tail_bytes)
            }
        };
        Some((entry, bytes)).filter(|(entry, _)| !entry.is_gone)
    }

    /// Removes a message in memory out of turn.
    fn remove(&mut self, seq: u64) -> Option<Parcel> {
        let (entry, part_bytes) = self.find_mut(seq)?;
        let message = entry.message.take()?;
        entry.is_gone = true;
        let (ticket, redelivered) = (entry.ticket, entry.redelivered);
        *part_bytes = part_bytes.saturating_sub(ticket.bytes.into());
        self.ready.remove(&ticket);
        self.leave_gap();
        Some(Parcel { ticket, redelivered, message })
    }

    /// Removes a message that is not in memory; without one, what was lost with it.
    fn remove_unread(&mut self, seq: u64, at: u64, message: Option<Arc<Message>>) -> Option<Parcel> {
        if self.is_cold(seq) {
            let body_bytes = message.as_ref().map_or(0, |message| message.body().len() as u64);
            self.leave_cold(body_bytes);
            self.close_gaps();
            let message = message?;
            let ticket = self.ticket(seq, Place::Log(Lsn(0)), at, &message);
            return Some(Parcel { ticket, redelivered: seq < self.redelivered_below, message });
        }
        let (entry, _) = self.find_mut(seq)?;
        entry.is_gone = true;
        let (ticket, redelivered) = (entry.ticket, entry.redelivered);
        self.ready.remove(&ticket);
        self.leave_gap();
        message.map(|message| Parcel { ticket, redelivered, message })
    }

    fn leave_gap(&mut self) {
        self.gaps = self.gaps.saturating_add(1);
        let entries = self.front.len().saturating_add(self.tail.len());
        if self.gaps >= GAPS_MIN && self.gaps > entries / 2 {
            self.front.retain(|entry| !entry.is_gone);
            self.tail.retain(|entry| !entry.is_gone);
            self.gaps = 0;
        }
        self.close_gaps();
    }

    /// Gaps are not left at the head.
    pub(super) fn close_gaps(&mut self) {
        while self.front.pop_front_if(|entry| entry.is_gone).is_some() {}
        if self.front.is_empty() && self.cold.is_empty() {
            while self.tail.pop_front_if(|entry| entry.is_gone).is_some() {}
        }
    }
}
