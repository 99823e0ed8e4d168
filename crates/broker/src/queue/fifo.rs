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
//! Knows nothing of consumers, locks or disks: what must be read or written is said in the return values.
//!
//! Invariants: sequence numbers ascend through front, cold and tail; nothing in cold was ever delivered; `ready` counts
//! exactly what is in the three parts; a message is in one of ready (here), unsettled (the session's) or settled (gone).

use std::{collections::VecDeque, ops::RangeInclusive, sync::Arc};

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

/// Messages and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Amount {
    /// Messages.
    pub messages: u64,
    /// Bytes of head and body.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn remove(&mut self, bytes: u64) {
        assert!(self.messages > 0, "more messages leave than there are");
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// A message that comes back from a session or from storage.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) bytes: u64,
    pub(crate) redelivered: bool,
    pub(crate) place: Place,
    /// None: to be read from storage.
    pub(crate) message: Option<Arc<Message>>,
}

impl From<Parcel> for Entry {
    fn from(parcel: Parcel) -> Self {
        let Parcel { seq, redelivered, place, message } = parcel;
        Self { seq, bytes: message.bytes() as u64, redelivered, place, message: Some(message) }
    }
}

/// What a read of storage brought.
#[derive(Debug)]
pub(crate) struct Read {
    /// Where it began.
    pub(crate) from: u64,
    /// The end of the cold range when it began.
    pub(crate) cold_to: u64,
    /// Ascending.
    pub(crate) entries: Vec<(u64, Arc<Message>)>,
    /// Storage had nothing more.
    pub(crate) is_exhausted: bool,
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
    pub(crate) bytes: u64,
    /// Messages below this number may have been delivered before.
    pub(crate) delivered_below: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Fifo {
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

impl Fifo {
    pub(crate) fn new(recovered: Recovered) -> Self {
        let amount = Amount { messages: recovered.messages, bytes: recovered.bytes };
        Self {
            front: VecDeque::new(),
            cold: Cold { from: recovered.first, to: recovered.next, amount },
            tail: VecDeque::new(),
            next: recovered.next.max(1),
            ready: amount,
            unsettled: Amount::default(),
            front_bytes: 0,
            tail_bytes: 0,
            redelivered_below: recovered.delivered_below,
            delivered_below: recovered.delivered_below,
        }
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

    /// Takes a new message in, at the end.
    pub(crate) fn enqueue(&mut self, message: Arc<Message>, place: Place) {
        let bytes = message.bytes() as u64;
        self.ready.add(bytes);
        self.tail_bytes = self.tail_bytes.saturating_add(bytes);
        let seq = self.next;
        self.next = self.next.saturating_add(1);
        self.tail.push_back(Entry { seq, bytes, redelivered: false, place, message: Some(message) });
    }

    pub(crate) fn head(&self) -> Head {
        if let Some(entry) = self.front.front() {
            return if entry.message.is_some() { Head::Ready } else { Head::OnDisk(entry.seq) };
        }
        if !self.cold.is_empty() {
            return Head::OnDisk(self.cold.from);
        }
        if self.tail.is_empty() { Head::Empty } else { Head::Ready }
    }

    /// Takes the message at the head: it is unsettled from now on. None unless the head is [`Head::Ready`].
    pub(crate) fn take(&mut self) -> Option<Parcel> {
        let (part, part_bytes) = if self.front.is_empty() && self.cold.is_empty() {
            (&mut self.tail, &mut self.tail_bytes)
        } else {
            (&mut self.front, &mut self.front_bytes)
        };
        let message = part.front_mut()?.message.take()?;
        let entry = part.pop_front()?;
        *part_bytes = part_bytes.saturating_sub(entry.bytes);
        self.ready.remove(entry.bytes);
        self.unsettled.add(entry.bytes);
        self.delivered_below = self.delivered_below.max(entry.seq.saturating_add(1));
        Some(Parcel { seq: entry.seq, redelivered: entry.redelivered, place: entry.place, message })
    }

    /// Messages that were taken and reached nobody come back as if they had not been.
    pub(crate) fn unsend(&mut self, parcels: impl Iterator<Item = Parcel>) {
        let entries: Vec<Entry> = parcels.map(Entry::from).collect();
        for entry in &entries {
            self.unsettled.remove(entry.bytes);
            self.ready.add(entry.bytes);
            self.front_bytes = self.front_bytes.saturating_add(entry.bytes);
        }
        self.merge_into_front(entries);
    }

    /// An unsettled message is settled: it is gone.
    pub(crate) fn settle(&mut self, bytes: u64) {
        self.unsettled.remove(bytes);
    }

    /// Unsettled messages come back to their old places, marked redelivered. Any order, no doubles.
    pub(crate) fn requeue(&mut self, mut entries: Vec<Entry>) {
        entries.sort_unstable_by_key(|entry| entry.seq);
        for entry in &mut entries {
            entry.redelivered = true;
            self.unsettled.remove(entry.bytes);
            self.ready.add(entry.bytes);
            if entry.message.is_some() {
                self.front_bytes = self.front_bytes.saturating_add(entry.bytes);
            }
        }
        self.merge_into_front(entries);
    }

    fn merge_into_front(&mut self, entries: Vec<Entry>) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        if self.front.front().is_none_or(|head| last.seq < head.seq) {
            for entry in entries.into_iter().rev() {
                self.front.push_front(entry);
            }
            return;
        }
        if self.front.back().is_some_and(|back| back.seq < first.seq) {
            self.front.extend(entries);
            return;
        }
        self.front.extend(entries);
        self.front.make_contiguous().sort_by_key(|entry| entry.seq);
    }

    /// Takes in what was read from storage; returns how many messages turned out not to be there.
    ///
    /// Entries that are not ready (unsettled ones) are passed over. Storage is the truth: what it does not have is
    /// not waited for.
    pub(crate) fn load(&mut self, read: Read) -> u64 {
        let end = match read.entries.last() {
            Some((seq, _)) if !read.is_exhausted => seq.saturating_add(1),
            _ => read.cold_to,
        };
        let mut at = 0;
        for (seq, message) in read.entries {
            if !self.cold.is_empty() && (self.cold.from..self.cold.to).contains(&seq) {
                self.load_cold(seq, message);
                continue;
            }
            while self.front.get(at).is_some_and(|entry| entry.seq < seq) {
                at = at.saturating_add(1);
            }
            if let Some(entry) =
                self.front.get_mut(at).filter(|entry| entry.seq == seq && entry.message.is_none())
            {
                self.front_bytes = self.front_bytes.saturating_add(entry.bytes);
                entry.message = Some(message);
            }
        }
        self.forget_missing(read.from, end).saturating_add(self.forget_cold_below(end))
    }

    fn forget_missing(&mut self, from: u64, end: u64) -> u64 {
        let before = self.ready.messages;
        let ready = &mut self.ready;
        self.front.retain(|entry| {
            let is_missing = entry.message.is_none() && (from..end).contains(&entry.seq);
            if is_missing {
                ready.remove(entry.bytes);
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
        self.ready.messages = self.ready.messages.saturating_sub(missing.messages);
        self.ready.bytes = self.ready.bytes.saturating_sub(missing.bytes);
        missing.messages
    }

    fn load_cold(&mut self, seq: u64, message: Arc<Message>) {
        let bytes = message.bytes() as u64;
        self.cold.from = seq.saturating_add(1);
        self.cold.amount.messages = self.cold.amount.messages.saturating_sub(1);
        self.cold.amount.bytes =
            if self.cold.is_empty() { 0 } else { self.cold.amount.bytes.saturating_sub(bytes) };
        self.front_bytes = self.front_bytes.saturating_add(bytes);
        let redelivered = seq < self.redelivered_below;
        // What was in the log when it was read is durable.
        let place = Place::Log(Lsn(0));
        self.front.push_back(Entry { seq, bytes, redelivered, place, message: Some(message) });
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
            if !stays && !entry.place.is_readable(flushed) {
                return;
            }
            let Some(mut entry) = self.tail.pop_front() else { return };
            self.tail_bytes = self.tail_bytes.saturating_sub(entry.bytes);
            if stays {
                self.front_bytes = self.front_bytes.saturating_add(entry.bytes);
                self.front.push_back(entry);
                continue;
            }
            entry.message = None;
            if self.cold.is_empty() {
                self.cold.from = entry.seq;
            }
            self.cold.to = entry.seq.saturating_add(1);
            self.cold.amount.add(entry.bytes);
        }
    }

    /// Whether memory holds more than `window` bytes of the tail's messages that only a spill can free.
    pub(crate) fn needs_spill(&self, window: u64, flushed: Lsn) -> bool {
        self.tail_bytes > window / 2
            && self
                .tail
                .front()
                .is_some_and(|entry| entry.place == Place::Memory && !entry.place.is_readable(flushed))
    }

    /// The messages at the start of the tail that must be spilled before they can leave memory, at most `bytes` of them.
    pub(crate) fn spillable(&self, bytes: u64) -> Vec<(u64, Arc<Message>)> {
        let mut sum = 0u64;
        let mut entries = Vec::new();
        for entry in &self.tail {
            if sum >= bytes {
                break;
            }
            sum = sum.saturating_add(entry.bytes);
            if let (Place::Memory, Some(message)) = (entry.place, &entry.message) {
                entries.push((entry.seq, Arc::clone(message)));
            }
        }
        entries
    }

    /// These messages are in the spill file now.
    pub(crate) fn spilled(&mut self, entries: &[(u64, Arc<Message>)]) -> Vec<u64> {
        let mut gone = Vec::new();
        let mut at = 0;
        for (seq, _) in entries {
            while self.tail.get(at).is_some_and(|entry| entry.seq < *seq) {
                at = at.saturating_add(1);
            }
            match self.tail.get_mut(at).filter(|entry| entry.seq == *seq) {
                Some(entry) => entry.place = Place::Spilled,
                None => gone.push(*seq),
            }
        }
        gone
    }

    /// Removes all ready messages. The ranges are what storage is to forget.
    pub(crate) fn purge(&mut self) -> (Amount, Vec<RangeInclusive<u64>>) {
        let mut ranges = Ranges::default();
        for entry in self.front.drain(..).filter(|entry| entry.place.is_stored()) {
            ranges.add(entry.seq);
        }
        if !self.cold.is_empty() {
            ranges.add_range(self.cold.from..=self.cold.to.saturating_sub(1));
        }
        for entry in self.tail.drain(..).filter(|entry| entry.place.is_stored()) {
            ranges.add(entry.seq);
        }
        self.cold.amount = Amount::default();
        self.front_bytes = 0;
        self.tail_bytes = 0;
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

    fn add_range(&mut self, range: RangeInclusive<u64>) {
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
