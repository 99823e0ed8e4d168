//! Where the live entries of one log stand in the WAL files: 24 bytes each, in ascending order of index.
//!
//! A settled slot at either end leaves at once; one in the middle stays as a tombstone until half of the ring are
//! tombstones. The LSNs ascend too, except for the slots up to `copied_up_to`, which were copied forward when
//! their first file was drained. What a place in a file is, is known by `wal::Places`.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Rings smaller than this are never compacted.
const COMPACT_MIN: usize = 32;
/// An empty ring gives its memory back above this capacity.
const IDLE_CAPACITY_MAX: usize = 4;

/// A live entry: its record begins `offset` bytes after the head of the frame that covers `lsn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) index: u64,
    /// Zero for a tombstone.
    pub(crate) lsn: u64,
    pub(crate) offset: u32,
    /// Bytes of payload.
    pub(crate) len: u32,
}

/// How many entries, and how many bytes of payload, an operation removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Removed {
    pub(crate) fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
    }
}

/// The slots of one log.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    ring: VecDeque<Slot>,
    dead: usize,
    bytes: u64,
    copied_up_to: u64,
}

impl Slots {
    /// Live entries.
    pub(crate) fn len(&self) -> usize {
        self.ring.len() - self.dead
    }

    /// Bytes of live payload.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The lowest live index.
    pub(crate) fn first(&self) -> Option<u64> {
        self.ring.front().map(|slot| slot.index)
    }

    /// Live slots with an index of at least `from`, ascending.
    pub(crate) fn from(&self, from: u64) -> impl Iterator<Item = Slot> + '_ {
        let start = self.ring.partition_point(|slot| slot.index < from);
        self.ring.range(start..).copied().filter(|slot| slot.lsn != 0)
    }

    /// The live slots that stand in files up to the one whose last LSN is given, and those before them which were
    /// copied forward: exactly what may be drained so that all that stays has a higher index.
    pub(crate) fn up_to_file(&self, last_lsn: u64) -> impl Iterator<Item = Slot> + '_ {
        self.ring
            .iter()
            .copied()
            .take_while(move |slot| slot.lsn <= last_lsn || slot.index <= self.copied_up_to)
            .filter(|slot| slot.lsn != 0)
    }

    /// Adds a slot above all others.
    pub(crate) fn push(&mut self, slot: Slot) {
        self.bytes += u64::from(slot.len);
        self.ring.push_back(slot);
    }

    /// Adds a slot, or moves the one of the same index, while the WAL is read back. Out of order are only those
    /// that were copied forward.
    pub(crate) fn replay(&mut self, slot: Slot) {
        match self.ring.back() {
            Some(last) if last.index >= slot.index => {}
            _ => return self.push(slot),
        }
        self.copied_up_to = self.copied_up_to.max(slot.index);
        let at = self.ring.partition_point(|other| other.index < slot.index);
        match self.ring.get_mut(at).filter(|other| other.index == slot.index) {
            Some(place) => {
                if place.lsn == 0 {
                    self.dead -= 1;
                } else {
                    self.bytes -= u64::from(place.len);
                }
                *place = slot;
            }
            None => self.ring.insert(at, slot),
        }
        self.bytes += u64::from(slot.len);
    }

    /// Lets a slot point at its copy, unless it was settled meanwhile.
    pub(crate) fn move_to(&mut self, old_lsn: u64, copy: Slot) {
        self.copied_up_to = self.copied_up_to.max(copy.index);
        let at = self.ring.partition_point(|slot| slot.index < copy.index);
        if let Some(place) =
            self.ring.get_mut(at).filter(|slot| slot.index == copy.index && slot.lsn == old_lsn)
        {
            *place = copy;
        }
    }

    /// True if the slot is live and still where it was.
    pub(crate) fn holds(&self, slot: &Slot) -> bool {
        let at = self.ring.partition_point(|other| other.index < slot.index);
        self.ring.get(at).is_some_and(|other| other == slot)
    }

    /// Removes the live entries of a range.
    pub(crate) fn remove(&mut self, range: &RangeInclusive<u64>) -> Removed {
        let mut removed = Removed::default();
        // In-order settling meets the front without a search.
        let mut at = match self.ring.front() {
            None => return removed,
            Some(front) if front.index >= *range.start() => 0,
            Some(_) => self.ring.partition_point(|slot| slot.index < *range.start()),
        };
        while let Some(slot) = self.ring.get_mut(at).filter(|slot| slot.index <= *range.end()) {
            if slot.lsn != 0 {
                slot.lsn = 0;
                removed.entries += 1;
                removed.bytes += u64::from(slot.len);
                self.dead += 1;
            }
            at += 1;
        }
        self.bytes -= removed.bytes;
        if removed.entries > 0 {
            self.trim();
        }
        removed
    }

    fn trim(&mut self) {
        while self.ring.front().is_some_and(|slot| slot.lsn == 0) {
            self.ring.pop_front();
            self.dead -= 1;
        }
        while self.ring.back().is_some_and(|slot| slot.lsn == 0) {
            self.ring.pop_back();
            self.dead -= 1;
        }
        if self.dead >= COMPACT_MIN && self.dead * 2 > self.ring.len() {
            self.ring.retain(|slot| slot.lsn != 0);
            self.dead = 0;
        }
        if self.ring.is_empty() && self.ring.capacity() > IDLE_CAPACITY_MAX {
            self.ring = VecDeque::new();
        } else if self.ring.capacity() > 1024 && self.ring.len() < self.ring.capacity() / 8 {
            self.ring.shrink_to(self.ring.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(index: u64, lsn: u64) -> Slot {
        Slot { index, lsn, offset: 0, len: 10 }
    }

    fn indexes(slots: &Slots) -> Vec<u64> {
        slots.from(0).map(|slot| slot.index).collect()
    }

    #[test]
    fn a_slot_is_24_bytes() {
        assert_eq!(size_of::<Slot>(), 24);
    }

    #[test]
    fn removal_counts_once_and_tombstones_do_not_pile_up() {
        let mut slots = Slots::default();
        for index in 1..=1000 {
            slots.push(slot(index, index));
        }
        assert_eq!(slots.remove(&(2..=999)), Removed { entries: 998, bytes: 9980 });
        assert_eq!(slots.remove(&(2..=999)), Removed::default());
        assert_eq!(indexes(&slots), [1, 1000]);
        assert!(slots.ring.len() < 100, "compacted");
        assert_eq!((slots.len(), slots.bytes(), slots.first()), (2, 20, Some(1)));
        slots.remove(&(0..=u64::MAX));
        assert_eq!((slots.len(), slots.bytes(), slots.ring.capacity()), (0, 0, 0));
    }

    #[test]
    fn copies_move_and_are_drained_with_the_file_before_them() {
        let mut slots = Slots::default();
        for index in 1..=6 {
            slots.push(slot(index, index));
        }
        slots.move_to(1, slot(1, 20));
        slots.move_to(2, slot(2, 21));
        slots.move_to(9, slot(3, 22));
        let drained: Vec<_> = slots.up_to_file(4).map(|slot| (slot.index, slot.lsn)).collect();
        assert_eq!(drained, [(1, 20), (2, 21), (3, 3), (4, 4)]);
    }

    #[test]
    fn replay_takes_the_later_place() {
        let mut slots = Slots::default();
        for (index, lsn) in [(5, 1), (6, 2), (2, 3), (5, 4), (1, 5), (7, 6)] {
            slots.replay(slot(index, lsn));
        }
        assert_eq!(
            slots.from(0).map(|slot| (slot.index, slot.lsn)).collect::<Vec<_>>(),
            [(1, 5), (2, 3), (5, 4), (6, 2), (7, 6)]
        );
        assert_eq!((slots.len(), slots.bytes()), (5, 50));
    }
}
