//! Staging: one atomic group of records, written into the batch that the next flush takes.
//!
//! The guard holds the core's lock: it is a leaf, nothing may be taken below it, and it must be short. Everything
//! staged under one guard lands in one frame. The state of the logs changes at once; what is durable is told by LSNs.

use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use super::Engine;
use super::core::Core;
use crate::codec::wide;
use crate::frame::{self, FRAME_HEAD};
use crate::log::Settled;
use crate::log::slots::Slot;
use crate::record::{self, RANGES_MAX, RECORD_OVERHEAD_MAX};
use crate::{Entry, LogId, Lsn};

/// The most bytes that one group may hold. Whoever stages more has a bug, and the engine panics.
pub const GROUP_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Payloads from here on are given just the memory that they take.
const LARGE_BYTES: usize = 1024 * 1024;

/// A group of records being staged. Dropping it ends the group.
#[derive(Debug)]
pub struct Staging<'a> {
    engine: &'a Engine,
    core: MutexGuard<'a, Core>,
    lsn: u64,
    is_urgent: bool,
    has_chores: bool,
    was_idle: bool,
}

impl Engine {
    /// Begins a group. Waits only for other groups being staged and for short bookkeeping.
    pub fn stage(&self) -> Staging<'_> {
        let core = self.core.lock();
        let was_idle = !core.has_staged();
        Staging { engine: self, core, lsn: 0, is_urgent: false, has_chores: false, was_idle }
    }
}

impl Staging<'_> {
    /// Adds an entry to a log.
    ///
    /// # Panics
    /// If the index is not above all that were appended to the log before, or is the highest number, or the log is
    /// volatile.
    pub fn append(&mut self, log: LogId, entry: Entry<'_>) {
        self.append_unhurried(log, entry);
        self.is_urgent = true;
    }

    /// The same for an entry that nobody need wait for.
    ///
    /// # Panics
    /// As [`Staging::append`].
    pub fn append_unhurried(&mut self, log: LogId, entry: Entry<'_>) {
        assert!(!log.is_volatile(), "log {log:?} is never in the WAL");
        assert!(entry.index < u64::MAX, "no index comes after the highest number");
        let payload = entry.head.len() + entry.body.len();
        let (lsn, offset) = self.record(payload, |out| record::put_append(out, log, &entry));
        let core = &mut *self.core;
        core.next_log = core.next_log.max(log.0 + 1);
        let state = core.logs.entry(log.0).or_default();
        assert!(entry.index >= state.next, "log {log:?} is at {}, not at {}", state.next, entry.index);
        state.next = entry.index.saturating_add(1);
        let len = u32::try_from(payload).unwrap_or_else(|_| unreachable!("bounded by the group"));
        state.slots.push(Slot { index: entry.index, lsn, offset, len });
        self.note(log);
    }

    /// Removes entries, whatever the reason. Unknown and settled indexes are passed over. Nobody need wait for it.
    pub fn settle(&mut self, log: LogId, ranges: &[RangeInclusive<u64>]) {
        let Some(state) = self.core.logs.get_mut(&log.0) else { return };
        let mut settled = Settled::default();
        let mut recorded = Vec::new();
        for range in ranges {
            let before = settled.durable.entries;
            state.settle(range, &mut settled);
            if settled.durable.entries > before {
                recorded.push(range.clone());
            }
        }
        if !recorded.is_empty() {
            let recorded = ascending(recorded);
            for part in recorded.chunks(RANGES_MAX) {
                self.record(part.len() * 20, |out| record::put_settle(out, log, part));
            }
        }
        let lsn = self.core.last_lsn();
        self.has_chores |= self.core.retire(log, settled, lsn);
    }

    /// Somebody waits for what is removed in this group.
    pub fn hurry(&mut self) {
        self.is_urgent |= self.lsn != 0;
    }

    /// Removes a log and all that is in it. Its id must not be used again.
    pub fn drop_log(&mut self, log: LogId) {
        if !self.core.logs.contains_key(&log.0) {
            return;
        }
        if !log.is_volatile() {
            self.record(16, |out| record::put_drop(out, log));
            self.is_urgent = true;
        }
        let lsn = self.core.last_lsn();
        self.core.forget(log, lsn);
        self.has_chores = true;
    }

    /// The LSN of the group so far: it is durable when [`Engine::flushed`] has reached it. Zero if nothing in it is
    /// written.
    pub fn lsn(&self) -> Lsn {
        Lsn(self.lsn)
    }

    /// Stages the copy of an entry that stands in a WAL file to be drained; the caller moves the slot once the
    /// copy is on disk.
    pub(super) fn copy(&mut self, log: LogId, entry: Entry<'_>) -> Slot {
        let payload = entry.head.len() + entry.body.len();
        let (lsn, offset) = self.record(payload, |out| record::put_append(out, log, &entry));
        self.note(log);
        let len = u32::try_from(payload).unwrap_or_else(|_| unreachable!("bounded by the group"));
        Slot { index: entry.index, lsn, offset, len }
    }

    /// True if the slot is live and still where it was.
    pub(super) fn holds(&self, log: LogId, slot: &Slot) -> bool {
        self.core.logs.get(&log.0).is_some_and(|state| state.slots.holds(slot))
    }

    /// Lets the file of this batch know that it holds entries of the log.
    fn note(&mut self, log: LogId) {
        let core = &mut *self.core;
        let (Some(state), Some(batch)) = (core.logs.get_mut(&log.0), core.staged.back_mut()) else { return };
        if state.noted != batch.first_lsn {
            state.noted = batch.first_lsn;
            batch.logs.push(log.0);
        }
    }

    /// Writes one record and returns its LSN and its place in the batch.
    fn record(&mut self, payload: usize, put: impl FnOnce(&mut Vec<u8>)) -> (u64, u32) {
        let batch_bytes_max = self.engine.options.batch_bytes_max.min(GROUP_BYTES_MAX / 2);
        let is_first = self.lsn == 0;
        let lsn = self.core.next_lsn;
        let batch = self.core.batch(is_first, wide(payload), batch_bytes_max);
        let start = batch.buffer.len();
        // Invariant: a batch with its last group stays below 4 GiB, so that offsets in it fit 32 bits.
        let end = wide(start).saturating_add(wide(payload)).saturating_add(wide(RECORD_OVERHEAD_MAX));
        assert!(end < GROUP_BYTES_MAX + GROUP_BYTES_MAX / 2, "a group is limited to {GROUP_BYTES_MAX} bytes");
        if payload >= LARGE_BYTES {
            // Doubled, it would be copied, and in memory twice, for the sake of its last bytes.
            let whole =
                usize::try_from(frame::padded(end)).unwrap_or_else(|_| unreachable!("asserted above"));
            batch.buffer.reserve_exact(whole - start);
        }
        put(&mut batch.buffer);
        batch.count += 1;
        let grown = wide(batch.buffer.len() - start);
        let offset = u32::try_from(start - FRAME_HEAD).unwrap_or_else(|_| unreachable!("asserted above"));
        self.core.next_lsn += 1;
        self.lsn = lsn;
        self.engine.staged_bytes.fetch_add(grown, Ordering::Relaxed);
        (lsn, offset)
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // One ring begins the wait for more to settle, another ends it; the rest need none.
        let has_begun = self.was_idle && self.core.has_staged() && !self.core.is_settling;
        let ring = !self.core.is_led && ((self.is_urgent && !self.core.is_urgent) || has_begun);
        self.core.is_urgent |= self.is_urgent;
        if ring {
            self.engine.work.notify_one();
        }
        if self.has_chores {
            self.engine.chores.notify_one();
        }
    }
}

/// Ranges in ascending order, those that touch put together.
fn ascending(mut ranges: Vec<RangeInclusive<u64>>) -> Vec<RangeInclusive<u64>> {
    if ranges.is_sorted_by(|one, next| one.end() < next.start()) {
        return ranges;
    }
    ranges.sort_by_key(|range| *range.start());
    let mut joined: Vec<RangeInclusive<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end().saturating_add(1) >= *range.start() => {
                *last = *last.start()..=(*last.end()).max(*range.end());
            }
            _ => joined.push(range),
        }
    }
    joined
}
