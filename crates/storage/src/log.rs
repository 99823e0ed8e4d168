//! One log as memory knows it: slots in the WAL files, segments below them, spilled entries beside them.
//!
//! Invariant: every slot has an index of at least `drained_below`, every segment's last index is below it, and
//! segments ascend without overlap. So a read merges two ascending runs only: what is durable, and what is spilled.

pub(crate) mod slots;
pub(crate) mod spill;

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use crate::segment::Segment;
use crate::{LogState, ReadLimit};
use slots::{Removed, Slot, Slots};
use spill::{Spill, SpillSlot};

/// The state of one log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// One above the highest index that was appended.
    pub(crate) next: u64,
    /// Indexes below are in segments or settled.
    pub(crate) drained_below: u64,
    /// First LSN of the batch that noted this log as having records in its file.
    pub(crate) noted: u64,
    /// Whoever reads the log has read the entries below.
    pub(crate) passed: u64,
    pub(crate) slots: Slots,
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) spill: Option<Box<Spill>>,
}

/// What settling removed, and what thereby became useless.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// From WAL files and segments: only this needs a record.
    pub(crate) durable: Removed,
    /// From memory of spilled entries.
    pub(crate) spilled: Removed,
    /// Segments without a live entry.
    pub(crate) segments: Vec<u64>,
    /// Spill files without a live entry.
    pub(crate) spills: Vec<String>,
    /// A segment became sparse.
    pub(crate) is_sparse: bool,
}

/// Where to find an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// In the segment of that number in the plan.
    Segment(usize),
    Wal(Slot),
    Spill(SpillSlot),
}

/// What a read will fetch, ascending by index.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) entries: Vec<(u64, Place)>,
    /// Descriptors without their bitmaps.
    pub(crate) segments: Vec<Segment>,
}

impl Log {
    pub(crate) fn state(&self) -> LogState {
        let spilled = self.spill.as_deref();
        let next = self.next.max(spilled.map_or(0, |spill| spill.next));
        let first = [
            self.segments.front().and_then(|segment| segment.next_live(0)),
            self.slots.first(),
            spilled.and_then(Spill::first),
        ];
        let mut entries = self.slots.len() as u64 + spilled.map_or(0, Spill::len);
        let mut bytes = self.slots.bytes() + spilled.map_or(0, Spill::bytes);
        for segment in &self.segments {
            entries += u64::from(segment.live);
            bytes += segment.live_bytes();
        }
        LogState { first: first.into_iter().flatten().min().unwrap_or(next), next, entries, bytes }
    }

    /// Removes the live entries of a range, wherever they are.
    pub(crate) fn settle(&mut self, range: &RangeInclusive<u64>, out: &mut Settled) {
        out.durable.add(self.slots.remove(range));
        if *range.start() < self.drained_below {
            self.settle_segments(range, out);
        }
        if let Some(spill) = &mut self.spill {
            out.spilled.add(spill.remove(range, &mut out.spills));
            if spill.is_unused() {
                self.spill = None;
            }
        }
    }

    fn settle_segments(&mut self, range: &RangeInclusive<u64>, out: &mut Settled) {
        let from = self.segments.partition_point(|segment| segment.last < *range.start());
        let mut died = false;
        for segment in self.segments.range_mut(from..) {
            if segment.first > *range.end() {
                break;
            }
            out.durable.add(segment.remove(range));
            if segment.live == 0 {
                out.segments.push(segment.id);
                died = true;
            }
            out.is_sparse |= segment.is_sparse();
        }
        if died {
            self.segments.retain(|segment| segment.live > 0);
            if self.segments.is_empty() && self.segments.capacity() > 4 {
                self.segments = VecDeque::new();
            }
        }
    }

    /// Lists the live entries from `from` on, up to the first that is not on disk yet. At least one, if there is
    /// one; the bytes of entries in segments are not known here.
    pub(crate) fn plan(&self, from: u64, limit: ReadLimit, flushed: u64) -> Plan {
        let mut plan = Plan::default();
        let entries_max = limit.entries.max(1);
        let mut bytes = 0_u64;
        let mut spilled = self.spill.iter().flat_map(|spill| spill.from(from)).peekable();
        let mut slots = self.slots.from(from).peekable();
        let mut cursor = Cursor::new(&self.segments, from);
        while plan.entries.len() < entries_max && (plan.entries.is_empty() || bytes < limit.bytes) {
            let in_segment = cursor.peek();
            let durable = in_segment.or_else(|| slots.peek().map(|slot| slot.index));
            let spill = spilled.peek().map(|slot| slot.index);
            if let Some(index) = spill.filter(|index| durable.is_none_or(|other| *index < other)) {
                let Some(slot) = spilled.next().filter(|slot| slot.is_written) else { break };
                bytes += u64::from(slot.len);
                plan.entries.push((index, Place::Spill(slot)));
            } else if let Some(index) = in_segment {
                let number = cursor.take(&mut plan.segments);
                plan.entries.push((index, Place::Segment(number)));
            } else {
                let Some(slot) = slots.next().filter(|slot| slot.lsn <= flushed) else { break };
                bytes += u64::from(slot.len);
                plan.entries.push((slot.index, Place::Wal(slot)));
            }
        }
        plan
    }
}

/// Walks the live indexes of all segments.
#[derive(Debug)]
struct Cursor<'a> {
    segments: &'a VecDeque<Segment>,
    at: usize,
    next: Option<u64>,
    is_listed: bool,
}

impl<'a> Cursor<'a> {
    fn new(segments: &'a VecDeque<Segment>, from: u64) -> Self {
        let at = segments.partition_point(|segment| segment.last < from);
        let mut cursor = Self { segments, at, next: None, is_listed: false };
        cursor.settle_on(from);
        cursor
    }

    fn settle_on(&mut self, from: u64) {
        self.next = None;
        while let Some(segment) = self.segments.get(self.at) {
            self.next = segment.next_live(from);
            if self.next.is_some() {
                return;
            }
            self.at += 1;
            self.is_listed = false;
        }
    }

    fn peek(&self) -> Option<u64> {
        self.next
    }

    /// Moves past the entry and returns its segment's number in the list.
    fn take(&mut self, listed: &mut Vec<Segment>) -> usize {
        if let (false, Some(segment)) = (self.is_listed, self.segments.get(self.at)) {
            listed.push(Segment { bits: None, ..*segment });
            self.is_listed = true;
        }
        let number = listed.len() - 1;
        if let Some(index) = self.next {
            self.settle_on(index.saturating_add(1));
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_log_costs_little() {
        assert!(size_of::<Log>() <= 160, "{}", size_of::<Log>());
    }
}
