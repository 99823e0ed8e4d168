//! The priority levels of a queue: one [`Fifo`] each, and one log each.
//!
//! A queue without priorities has level 0 only and pays for no other. Levels come into being with their first message; one
//! that is empty costs a few words. What a level knows of the others: nothing.

use std::{cmp::Reverse, collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use model::Message;
use storage::{LogId, Lsn};

use super::fifo::{Amount, Entry, Fetched, Fifo, Glance, Head, Place, Read, Recovered, Ticket};
use crate::{
    mailbox::Parcel,
    topology::{QueueId, QueueKind},
};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Levels {
    id: QueueId,
    lowest: Fifo,
    /// The highest first.
    higher: BTreeMap<Reverse<u8>, Fifo>,
    /// For a quorum queue: how many of a higher level were taken since the last one of the lowest.
    taken_before: Option<u8>,
    /// For a quorum queue: the number of its next entry, whatever that is.
    row: Option<u64>,
}

/// RabbitMQ 4: after so many of a higher priority a quorum queue delivers one of the lower.
const TAKEN_BEFORE_MAX: u8 = 2;

/// What a read of the log is to bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) level: u8,
    pub(super) from: u64,
    pub(super) cold_to: u64,
}

/// Messages of one level that have expired.
#[derive(Default, Debug)]
pub(super) struct Due<M> {
    pub(super) level: u8,
    pub(super) messages: M,
}

impl Levels {
    /// `entries_next`: the number behind the last entry that is no message.
    pub(super) fn new(
        id: QueueId,
        kind: QueueKind,
        recovered: BTreeMap<u8, Recovered>,
        entries_next: u64,
    ) -> Self {
        let is_replicated = kind == QueueKind::Quorum;
        let mut levels = Self {
            id,
            lowest: Fifo::new(0, Recovered::default()),
            higher: BTreeMap::new(),
            taken_before: is_replicated.then_some(0),
            row: None,
        };
        let is_known = recovered.is_empty();
        for (level, recovered) in recovered {
            let fifo = Fifo::new(level, recovered);
            if level == 0 {
                levels.lowest = fifo;
            } else {
                levels.higher.insert(Reverse(level), fifo);
            }
        }
        if kind == QueueKind::Delay && is_known {
            levels.be_strict();
        }
        let next = levels.all().map(Fifo::next_seq).fold(entries_next, u64::max);
        levels.row = is_replicated.then_some(next);
        levels
    }

    fn all(&self) -> impl Iterator<Item = &Fifo> {
        self.higher.values().chain([&self.lowest])
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Fifo> {
        self.higher.values_mut().chain([&mut self.lowest])
    }

    fn level(&mut self, level: u8) -> &mut Fifo {
        if level == 0 {
            return &mut self.lowest;
        }
        self.higher.entry(Reverse(level)).or_insert_with(|| Fifo::new(level, Recovered::default()))
    }

    fn is_lowest_due(&self) -> bool {
        self.taken_before.is_some_and(|taken| taken >= TAKEN_BEFORE_MAX) && self.lowest.head() != Head::Empty
    }

    /// The level whose messages come first.
    fn first(&self) -> &Fifo {
        if self.is_lowest_due() {
            return &self.lowest;
        }
        self.higher.values().find(|fifo| fifo.head() != Head::Empty).unwrap_or(&self.lowest)
    }

    fn first_mut(&mut self) -> &mut Fifo {
        if self.is_lowest_due() {
            return &mut self.lowest;
        }
        self.higher.values_mut().find(|fifo| fifo.head() != Head::Empty).unwrap_or(&mut self.lowest)
    }

    /// From now on messages of level 0 expire strictly in the order of their times: those of all are known.
    pub(super) fn be_strict(&mut self) {
        self.lowest.be_strict();
    }

    /// The log of a level.
    pub(super) fn log(&self, level: u8) -> LogId {
        LogId(self.id.level(level))
    }

    /// The logs that may hold something.
    pub(super) fn logs(&self) -> impl Iterator<Item = LogId> {
        let levels = self.higher.keys().map(|Reverse(level)| *level).chain([0]);
        levels.map(|level| self.log(level))
    }

    /// The number that the next message of a level gets.
    pub(super) fn next_seq(&mut self, level: u8) -> u64 {
        self.row.unwrap_or_else(|| self.level(level).next_seq())
    }

    /// The number of an entry of a quorum queue that is no message.
    pub(super) fn next_in_row(&mut self) -> u64 {
        let row = self.row.get_or_insert_default();
        let next = *row;
        *row = next.saturating_add(1);
        next
    }

    pub(super) fn ready(&self) -> Amount {
        self.all().fold(Amount::default(), |sum, fifo| sum.plus(fifo.ready()))
    }

    pub(super) fn unsettled(&self) -> Amount {
        self.all().fold(Amount::default(), |sum, fifo| sum.plus(fifo.unsettled()))
    }

    /// Bytes of ready messages in memory.
    pub(super) fn resident(&self) -> u64 {
        self.all().fold(0, |sum, fifo| sum.saturating_add(fifo.resident()))
    }

    /// For each log: everything below this number may have been delivered.
    pub(super) fn delivered_below(&self) -> impl Iterator<Item = (LogId, u64)> {
        let highest = self.higher.iter().map(|(Reverse(level), fifo)| (*level, fifo));
        highest.chain([(0, &self.lowest)]).map(|(level, fifo)| (self.log(level), fifo.delivered_below()))
    }

    pub(super) fn head(&self) -> Head {
        self.first().head()
    }

    pub(super) fn messages_at_hand(&self) -> usize {
        self.first().messages_at_hand()
    }

    /// Bytes of messages in memory that are wanted next.
    pub(super) fn front_bytes(&self) -> u64 {
        self.first().front_bytes()
    }

    /// What is to be read next, for the level whose messages come first.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let first = self.first();
        let (from, cold_to) = first.next_on_disk()?;
        Some(Wanted { level: first.level(), from, cold_to })
    }

    pub(super) fn enqueue(
        &mut self,
        level: u8,
        message: Arc<Message>,
        place: Place,
        (now_ms, expires_at_ms): (u64, u64),
    ) {
        let seq = self.next_seq(level);
        let fifo = self.level(level);
        fifo.note_arrival(seq, now_ms);
        fifo.enqueue(seq, message, place, expires_at_ms);
        if let Some(row) = &mut self.row {
            *row = seq.saturating_add(1);
        }
    }

    /// Whether there is nothing but the lowest level, and nothing ready in it.
    pub(super) fn is_bare(&self) -> bool {
        self.higher.is_empty() && self.lowest.head() == Head::Empty
    }

    /// What is passed next comes now.
    pub(super) fn note_arrival(&mut self, now_ms: u64) {
        self.lowest.note_arrival(self.lowest.next_seq(), now_ms);
    }

    /// As [`Fifo::pass`], in the lowest level.
    pub(super) fn pass(&mut self, message: &Message, place: Place, is_settled: bool) -> Ticket {
        self.lowest.pass(message, place, is_settled)
    }

    /// When the message of a level with this number came in; as [`Fifo::arrived_ms`].
    pub(super) fn arrived_ms(&self, level: u8, seq: u64) -> u64 {
        let fifo = if level == 0 { Some(&self.lowest) } else { self.higher.get(&Reverse(level)) };
        fifo.map_or(0, |fifo| fifo.arrived_ms(seq))
    }

    /// When the oldest message that is ready came in, if there is one; as [`Fifo::arrived_ms`].
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        self.all().filter_map(Fifo::oldest_ms).min()
    }

    pub(super) fn take(&mut self) -> Option<Parcel> {
        let parcel = self.first_mut().take()?;
        if let Some(taken) = &mut self.taken_before {
            *taken = if parcel.ticket.level == 0 { 0 } else { taken.saturating_add(1) };
        }
        Some(parcel)
    }

    pub(super) fn remove_head(&mut self) -> Option<Parcel> {
        self.first_mut().remove_head()
    }

    /// `fetched`: what was looked for in the log of its level.
    pub(super) fn remove_expired(&mut self, now_ms: u64, fetched: &mut Due<Fetched>) -> Option<Parcel> {
        let mut nothing = Fetched::new();
        self.all_mut().find_map(|fifo| {
            let is_its = fifo.level() == fetched.level;
            fifo.remove_expired(now_ms, if is_its { &mut fetched.messages } else { &mut nothing })
        })
    }

    /// Messages of one level that have expired by `now_ms` and must be fetched, at most so many.
    pub(super) fn due_on_disk(&self, now_ms: u64, max: usize) -> Option<Due<Vec<u64>>> {
        let due = |fifo: &Fifo| Due { level: fifo.level(), messages: fifo.due_on_disk(now_ms, max) };
        self.all().map(due).find(|due| !due.messages.is_empty())
    }

    /// A message of level 0 that may be on disk expires then.
    pub(super) fn note_cold(&mut self, seq: u64, expires_at_ms: u64) {
        self.lowest.note_cold(seq, expires_at_ms);
    }

    /// The first message of level 0 from this number on.
    pub(super) fn glance(&self, from: u64) -> Option<Glance> {
        self.lowest.glance(from)
    }

    /// The first message of a level from this number on, and else the next level's number.
    pub(super) fn glance_at(&self, level: u8, from: u64) -> Result<Glance, Option<u8>> {
        let below = |level: u8| {
            let higher = self.higher.keys().map(|Reverse(level)| *level);
            higher.chain([0]).find(|other| *other < level)
        };
        let fifo = if level == 0 { Some(&self.lowest) } else { self.higher.get(&Reverse(level)) };
        fifo.and_then(|fifo| fifo.glance(from)).ok_or_else(|| below(level))
    }

    /// The level and number from which on the message stands that has `skip` others before it; see [`Fifo::place_of`].
    pub(super) fn place_of(&self, skip: &mut u64) -> Option<(u8, u64)> {
        self.all().find_map(|fifo| fifo.place_of(skip).map(|seq| (fifo.level(), seq)))
    }

    /// Removes a message of level 0; `read` is its expiry and itself, if it is not in memory.
    pub(super) fn cancel(&mut self, seq: u64, read: Option<(u64, Arc<Message>)>) -> Option<Parcel> {
        self.lowest.cancel(seq, read)
    }

    /// When the next message in memory expires, if one does.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.all().filter_map(Fifo::next_expiry).min()
    }

    pub(super) fn may_expire(&self) -> bool {
        self.all().any(Fifo::may_expire)
    }

    pub(super) fn settle(&mut self, ticket: &Ticket) {
        self.level(ticket.level).settle(ticket);
    }

    pub(super) fn unsend(&mut self, parcels: impl Iterator<Item = Parcel>) {
        if self.higher.is_empty() {
            self.lowest.unsend(parcels);
            return;
        }
        let mut by_level: BTreeMap<u8, Vec<Parcel>> = BTreeMap::new();
        for parcel in parcels {
            by_level.entry(parcel.ticket.level).or_default().push(parcel);
        }
        for (level, parcels) in by_level {
            self.level(level).unsend(parcels.into_iter());
        }
    }

    pub(super) fn requeue(&mut self, entries: Vec<Entry>) {
        if self.higher.is_empty() {
            self.lowest.requeue(entries);
            return;
        }
        let mut by_level: BTreeMap<u8, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            by_level.entry(entry.ticket.level).or_default().push(entry);
        }
        for (level, entries) in by_level {
            self.level(level).requeue(entries);
        }
    }

    pub(super) fn load(&mut self, level: u8, read: Read) -> u64 {
        self.level(level).load(read)
    }

    pub(super) fn evict(&mut self, window: u64, flushed: Lsn) {
        for fifo in self.all_mut() {
            fifo.evict(window, flushed);
        }
    }

    /// A level that holds more than `window` bytes which only a spill can free.
    pub(super) fn needs_spill(&self, window: u64, flushed: Lsn) -> Option<u8> {
        self.all().find(|fifo| fifo.needs_spill(window, flushed)).map(Fifo::level)
    }

    pub(super) fn spillable(&mut self, level: u8, bytes: u64) -> Vec<(Ticket, Arc<Message>)> {
        self.level(level).spillable(bytes)
    }

    pub(super) fn spilled(&mut self, level: u8, entries: &[(Ticket, Arc<Message>)]) -> Vec<u64> {
        self.level(level).spilled(entries)
    }

    /// Removes all ready messages; says which storage is to forget, by level.
    pub(super) fn purge(&mut self, mut forget: impl FnMut(u8, Vec<RangeInclusive<u64>>)) -> Amount {
        let mut sum = Amount::default();
        for fifo in self.all_mut() {
            let (amount, ranges) = fifo.purge();
            forget(fifo.level(), ranges);
            sum = sum.plus(amount);
        }
        sum
    }
}
