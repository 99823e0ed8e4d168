//! The order of a queue: which messages are ready, and where their bodies are.
//!
//! ```text
//!   front            cold              tail
//!   [r][r][ ][r]     ················  [r][r][r] ← enqueue
//!    ↑ take           only in storage   newest, in memory
//! ```
//! `front` holds what came back (requeued) and what was read back from storage; an entry without a message must be read
//! first. `cold` is a range of sequence numbers of which only storage knows the entries. `tail` takes new messages.
//! A queue of millions is a small front, a small tail and two numbers.
//!
//! An entry that was removed out of turn (it expired: see `due`) leaves a gap behind, never at the head, until gaps are
//! swept together.
//!
//! Knows nothing of consumers, locks or disks: what must be read or written is said in the return values.
//!
//! Invariants: sequence numbers ascend through front, cold and tail; nothing in cold was ever delivered; `ready` counts
//! exactly what is in the three parts; a message is in one of ready (here), unsettled (the session's) or settled (gone).

use std::{collections::VecDeque, ops::RangeInclusive, sync::Arc};

use model::Message;
use storage::Lsn;

use self::{arrivals::Arrivals, expiry::Expiry};
use crate::mailbox::Parcel;

mod arrivals;
mod due;
mod entry;
mod expiry;
mod glance;

pub(crate) use due::Fetched;
pub use entry::{Amount, Place};
pub(crate) use entry::{Entry, Ticket};
pub(crate) use glance::Glance;

/// What a read of storage brought.
#[derive(Debug)]
pub(crate) struct Read {
    /// Where it began.
    pub(crate) from: u64,
    /// Where the cold range ended when it began: what lies behind was in memory, and may have left the queue since.
    pub(crate) cold_to: u64,
    /// Ascending: number, expiry, message.
    pub(crate) entries: Vec<(u64, u64, Arc<Message>)>,
    /// Where it ended: what was asked for below this number and is not among the entries is not there.
    pub(crate) end: u64,
}

/// What stands at the head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Head {
    Empty,
    /// [`Fifo::take`] gives a message.
    Ready,
    /// Storage must be read from this sequence number first.
    OnDisk(u64),
}

/// What a queue had in storage when the node started.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Recovered {
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) messages: u64,
    /// Of heads and bodies.
    pub(crate) bytes: u64,
    /// Messages below this number may have been delivered before.
    pub(crate) delivered_below: u64,
    /// Confirmed messages may be missing.
    pub(crate) is_damaged: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Fifo {
    level: u8,
    front: VecDeque<Entry>,
    cold: Cold,
    tail: VecDeque<Entry>,
    next: u64,
    ready: Amount,
    unsettled: Amount,
    /// Bytes of messages in memory in `front`.
    front_bytes: u64,
    /// Bytes of messages in `tail`.
    tail_bytes: u64,
    expiry: Expiry,
    arrivals: Arrivals,
    /// Nothing expires while the head is not known: only what expires first does.
    is_strict: bool,
    /// Removed out of turn since gaps were swept together.
    gaps: usize,
    redelivered_below: u64,
    delivered_below: u64,
}

#[derive(Debug, Default)]
struct Cold {
    from: u64,
    to: u64,
    amount: Amount,
}

impl Cold {
    fn is_empty(&self) -> bool {
        self.amount.messages == 0
    }
}

/// What a head takes beside the body, at least: for an estimate.
const HEAD_BYTES: u64 = 16;

impl Fifo {
    pub(crate) fn new(level: u8, recovered: Recovered) -> Self {
        let heads = recovered.messages.saturating_mul(HEAD_BYTES);
        let amount = Amount { messages: recovered.messages, bytes: recovered.bytes.saturating_sub(heads) };
        Self {
            level,
            front: VecDeque::new(),
            cold: Cold { from: recovered.first, to: recovered.next, amount },
            tail: VecDeque::new(),
            // Transient messages had numbers too: what is published now is not taken for one that was delivered.
            next: recovered.next.max(recovered.delivered_below).max(1),
            ready: amount,
            unsettled: Amount::default(),
            front_bytes: 0,
            tail_bytes: 0,
            expiry: if recovered.messages == 0 { Expiry::default() } else { Expiry::unknown() },
            arrivals: Arrivals::new((recovered.messages > 0).then_some(recovered.first)),
            is_strict: false,
            gaps: 0,
            redelivered_below: recovered.delivered_below,
            delivered_below: recovered.delivered_below,
        }
    }

    pub(crate) fn level(&self) -> u8 {
        self.level
    }

    /// The number that the next message gets.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next
    }

    pub(crate) fn ready(&self) -> Amount {
        self.ready
    }

    pub(crate) fn unsettled(&self) -> Amount {
        self.unsettled
    }

    /// Bytes of ready messages in memory.
    pub(crate) fn resident(&self) -> u64 {
        self.front_bytes.saturating_add(self.tail_bytes)
    }

    /// Bytes of messages in memory that are wanted next.
    pub(crate) fn front_bytes(&self) -> u64 {
        self.front_bytes
    }

    /// Every message that was ever delivered has a lower number.
    pub(crate) fn delivered_below(&self) -> u64 {
        self.delivered_below
    }

    /// Messages that can be taken without reading storage.
    pub(crate) fn messages_at_hand(&self) -> usize {
        if self.cold.is_empty() { self.front.len().saturating_add(self.tail.len()) } else { self.front.len() }
    }

    /// Where storage is to be read next, and the end of the cold range; None if everything ready is in memory.
    pub(crate) fn next_on_disk(&self) -> Option<(u64, u64)> {
        if let Head::OnDisk(seq) = self.head() {
            return Some((seq, self.cold.to.max(seq.saturating_add(1))));
        }
        if self.cold.is_empty() { None } else { Some((self.cold.from, self.cold.to)) }
    }

    /// Takes a new message in, at the end, with a number that is not below the next one. `expires_at_ms` is 0 for never.
    pub(crate) fn enqueue(&mut self, seq: u64, message: Arc<Message>, place: Place, expires_at_ms: u64) {
        let ticket = self.ticket(seq, place, expires_at_ms, &message);
        if self.ready.messages == 0 && self.unsettled.messages == 0 {
            self.expiry = Expiry::default();
        }
        self.expiry.note_last(&ticket);
        self.ready.add(&ticket);
        self.tail_bytes = self.tail_bytes.saturating_add(ticket.bytes.into());
        self.next = seq.saturating_add(1);
        self.tail.push_back(Entry::new(ticket, false, Some(message)));
    }

    /// A new message comes in and is taken at once, while nothing is ready. It never expires.
    pub(crate) fn pass(&mut self, message: &Message, place: Place, is_settled: bool) -> Ticket {
        let ticket = self.ticket(self.next, place, 0, message);
        self.next = self.next.saturating_add(1);
        self.delivered_below = self.next;
        if !is_settled {
            self.unsettled.add(&ticket);
        }
        ticket
    }

    fn ticket(&self, seq: u64, place: Place, expires_at_ms: u64, message: &Message) -> Ticket {
        let bytes = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        Ticket {
            seq,
            expires_at_ms,
            place,
            bytes: bytes(message.bytes()),
            body_bytes: bytes(message.body().len()),
            level: self.level,
        }
    }

    pub(crate) fn head(&self) -> Head {
        if let Some(entry) = self.front.front() {
            return if entry.message.is_some() { Head::Ready } else { Head::OnDisk(entry.ticket.seq) };
        }
        if !self.cold.is_empty() {
            return Head::OnDisk(self.cold.from);
        }
        if self.tail.is_empty() { Head::Empty } else { Head::Ready }
    }

    /// The number of the first message that is ready.
    fn first_ready(&self) -> Option<u64> {
        let cold = (!self.cold.is_empty()).then_some(self.cold.from);
        let number = |entry: &Entry| entry.ticket.seq;
        self.front.front().map(number).or(cold).or_else(|| self.tail.front().map(number))
    }

    /// The message that is taken in next comes now: for [`Fifo::arrived_ms`].
    pub(crate) fn note_arrival(&mut self, seq: u64, now_ms: u64) {
        if self.arrivals.is_due(now_ms) {
            let head = self.first_ready();
            self.arrivals.mark(seq, now_ms, head);
        }
    }

    /// When this message came in, by the wall clock in milliseconds, or not much earlier. 0: before the node started.
    pub(crate) fn arrived_ms(&self, seq: u64) -> u64 {
        self.arrivals.of(seq)
    }

    /// When the first message that is ready came in, if there is one; as [`Fifo::arrived_ms`].
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        self.first_ready().map(|seq| self.arrived_ms(seq))
    }

    /// Takes the message at the head: it is unsettled from now on. None unless the head is [`Head::Ready`].
    pub(crate) fn take(&mut self) -> Option<Parcel> {
        let parcel = self.remove_head()?;
        self.unsettled.add(&parcel.ticket);
        self.delivered_below = self.delivered_below.max(parcel.ticket.seq.saturating_add(1));
        Some(parcel)
    }

    /// Removes the message at the head. None unless the head is [`Head::Ready`].
    pub(crate) fn remove_head(&mut self) -> Option<Parcel> {
        let (part, part_bytes) = if self.front.is_empty() && self.cold.is_empty() {
            (&mut self.tail, &mut self.tail_bytes)
        } else {
            (&mut self.front, &mut self.front_bytes)
        };
        let message = part.front_mut()?.message.take()?;
        let Entry { ticket, redelivered, .. } = part.pop_front()?;
        *part_bytes = part_bytes.saturating_sub(ticket.bytes.into());
        self.ready.remove(&ticket);
        self.expiry.forget(&ticket);
        self.close_gaps();
        Some(Parcel { ticket, redelivered, message })
    }

    /// Messages that were taken and reached nobody come back as if they had not been.
    pub(crate) fn unsend(&mut self, parcels: impl Iterator<Item = Parcel>) {
        self.take_back(parcels.map(Entry::from).collect());
    }

    /// An unsettled message is settled: it is gone.
    pub(crate) fn settle(&mut self, ticket: &Ticket) {
        self.unsettled.remove(ticket);
    }

    /// Unsettled messages come back to their old places, marked redelivered. Any order, no doubles.
    pub(crate) fn requeue(&mut self, mut entries: Vec<Entry>) {
        entries.sort_unstable_by_key(|entry| entry.ticket.seq);
        for entry in &mut entries {
            entry.redelivered = true;
        }
        self.take_back(entries);
    }

    fn take_back(&mut self, entries: Vec<Entry>) {
        for entry in &entries {
            self.unsettled.remove(&entry.ticket);
            self.ready.add(&entry.ticket);
            self.front_bytes = self.front_bytes.saturating_add(entry.resident());
            self.expiry.note(&entry.ticket);
        }
        self.merge_into_front(entries);
    }

    fn merge_into_front(&mut self, entries: Vec<Entry>) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        if self.front.front().is_none_or(|head| last.ticket.seq < head.ticket.seq) {
            for entry in entries.into_iter().rev() {
                self.front.push_front(entry);
            }
            return;
        }
        if self.front.back().is_some_and(|back| back.ticket.seq < first.ticket.seq) {
            self.front.extend(entries);
            return;
        }
        self.front.extend(entries);
        self.front.make_contiguous().sort_by_key(|entry| entry.ticket.seq);
    }

    /// Takes in what was read from storage; returns how many messages turned out not to be there.
    ///
    /// Entries that are not ready (unsettled ones) are passed over. Storage is the truth: what it does not have is
    /// not waited for.
    pub(crate) fn load(&mut self, read: Read) -> u64 {
        let mut at = 0;
        for (seq, expires_at_ms, message) in read.entries {
            // What was in the tail when the read began is not to be judged by it.
            if seq < read.cold_to && self.is_cold(seq) {
                self.load_cold(seq, expires_at_ms, message);
                continue;
            }
            while self.front.get(at).is_some_and(|entry| entry.ticket.seq < seq) {
                at = at.saturating_add(1);
            }
            let wanted =
                |entry: &&mut Entry| entry.ticket.seq == seq && entry.message.is_none() && !entry.is_gone;
            if let Some(entry) = self.front.get_mut(at).filter(wanted) {
                self.front_bytes = self.front_bytes.saturating_add(entry.ticket.bytes.into());
                entry.message = Some(message);
                self.expiry.note(&entry.ticket);
            }
        }
        let missing = self
            .forget_missing(read.from, read.end)
            .saturating_add(self.forget_cold_below(read.end.min(read.cold_to)));
        self.close_gaps();
        missing
    }

    fn forget_missing(&mut self, from: u64, end: u64) -> u64 {
        let before = self.ready.messages;
        let ready = &mut self.ready;
        self.front.retain(|entry| {
            let is_missing =
                entry.message.is_none() && !entry.is_gone && (from..end).contains(&entry.ticket.seq);
            if is_missing {
                ready.remove(&entry.ticket);
            }
            !is_missing
        });
        before.saturating_sub(self.ready.messages)
    }

    fn forget_cold_below(&mut self, end: u64) -> u64 {
        if self.cold.is_empty() {
            return 0;
        }
        self.cold.from = self.cold.from.max(end);
        if self.cold.from < self.cold.to {
            return 0;
        }
        let missing = std::mem::take(&mut self.cold.amount);
        self.ready = self.ready.minus(missing);
        missing.messages
    }

    fn load_cold(&mut self, seq: u64, expires_at_ms: u64, message: Arc<Message>) {
        // What was in the log when it was read is durable.
        let ticket = self.ticket(seq, Place::Log(Lsn(0)), expires_at_ms, &message);
        self.cold.from = seq.saturating_add(1);
        self.leave_cold(ticket.body_bytes.into());
        self.ready.add(&ticket);
        self.front_bytes = self.front_bytes.saturating_add(ticket.bytes.into());
        self.expiry.note(&ticket);
        let redelivered = seq < self.redelivered_below;
        self.front.push_back(Entry::new(ticket, redelivered, Some(message)));
    }

    /// A message of the cold range is ready no more.
    fn leave_cold(&mut self, body_bytes: u64) {
        let rest = self.cold.amount.minus(Amount { messages: 1, bytes: body_bytes });
        // The last one takes with it what an estimate was too high; what it was too low shows now.
        let left = if rest.messages == 0 { Amount::default() } else { rest };
        self.ready = self.ready.minus(self.cold.amount).plus(left);
        self.cold.amount = left;
    }

    /// Makes messages in the middle leave memory, until about `window` bytes of ready messages are in it: half of it
    /// at the front, where they are wanted next, half at the tail.
    ///
    /// Stops at a message that is not in storage yet: see [`Fifo::spillable`].
    pub(crate) fn evict(&mut self, window: u64, flushed: Lsn) {
        let half = window / 2;
        while self.tail_bytes > half {
            let stays = self.cold.is_empty() && self.front_bytes < half;
            let Some(entry) = self.tail.front() else { return };
            if !stays && !entry.is_gone && !entry.ticket.place.is_readable(flushed) {
                return;
            }
            let Some(entry) = self.tail.pop_front() else { return };
            if entry.is_gone {
                continue;
            }
            let bytes = entry.ticket.bytes.into();
            self.tail_bytes = self.tail_bytes.saturating_sub(bytes);
            if stays {
                self.front_bytes = self.front_bytes.saturating_add(bytes);
                self.front.push_back(entry);
                continue;
            }
            let seq = entry.ticket.seq;
            if self.cold.is_empty() {
                self.cold.from = seq;
            }
            self.cold.to = seq.saturating_add(1);
            self.cold.amount.add(&entry.ticket);
        }
    }

    /// Whether memory holds more than `window` bytes of the tail's messages that only a spill can free.
    pub(crate) fn needs_spill(&self, window: u64, flushed: Lsn) -> bool {
        self.tail_bytes > window / 2
            && self.tail.front().is_some_and(|entry| {
                entry.ticket.place == Place::Memory && !entry.ticket.place.is_readable(flushed)
            })
    }

    /// The messages at the start of the tail that must be spilled before they can leave memory, at most `bytes` of them.
    pub(crate) fn spillable(&self, bytes: u64) -> Vec<(Ticket, Arc<Message>)> {
        let mut sum = 0u64;
        let mut entries = Vec::new();
        for entry in &self.tail {
            if sum >= bytes {
                break;
            }
            sum = sum.saturating_add(entry.ticket.bytes.into());
            if let (Place::Memory, Some(message)) = (entry.ticket.place, &entry.message) {
                entries.push((entry.ticket, Arc::clone(message)));
            }
        }
        entries
    }

    /// These messages are in the spill file now.
    pub(crate) fn spilled(&mut self, entries: &[(Ticket, Arc<Message>)]) -> Vec<u64> {
        let mut gone = Vec::new();
        let mut at = 0;
        for (Ticket { seq, .. }, _) in entries {
            while self.tail.get(at).is_some_and(|entry| entry.ticket.seq < *seq) {
                at = at.saturating_add(1);
            }
            match self.tail.get_mut(at).filter(|entry| entry.ticket.seq == *seq && !entry.is_gone) {
                Some(entry) => entry.ticket.place = Place::Spilled,
                None => gone.push(*seq),
            }
        }
        gone
    }

    /// Removes all ready messages. The ranges are what storage is to forget.
    pub(crate) fn purge(&mut self) -> (Amount, Vec<RangeInclusive<u64>>) {
        let mut ranges = Ranges::default();
        let is_stored = |entry: &Entry| entry.ticket.place.is_stored() && !entry.is_gone;
        for entry in self.front.drain(..).filter(is_stored) {
            ranges.add(entry.ticket.seq);
        }
        if !self.cold.is_empty() {
            ranges.add_range(self.cold.from..=self.cold.to.saturating_sub(1));
        }
        for entry in self.tail.drain(..).filter(is_stored) {
            ranges.add(entry.ticket.seq);
        }
        self.cold.amount = Amount::default();
        self.front_bytes = 0;
        self.tail_bytes = 0;
        self.expiry.clear();
        (std::mem::take(&mut self.ready), ranges.into_vec())
    }
}

/// Sequence numbers gathered into ranges; ascending input makes them few.
#[derive(Default, Debug)]
pub(crate) struct Ranges(Vec<RangeInclusive<u64>>);

impl Ranges {
    pub(crate) fn add(&mut self, seq: u64) {
        self.add_range(seq..=seq);
    }

    pub(crate) fn add_range(&mut self, range: RangeInclusive<u64>) {
        if let Some(last) = self.0.last_mut()
            && last.end().checked_add(1) == Some(*range.start())
        {
            *last = *last.start()..=*range.end();
            return;
        }
        self.0.push(range);
    }

    pub(crate) fn as_slice(&self) -> &[RangeInclusive<u64>] {
        &self.0
    }

    pub(crate) fn into_vec(self) -> Vec<RangeInclusive<u64>> {
        self.0
    }
}

#[cfg(test)]
mod tests;
