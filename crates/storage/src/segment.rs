//! A segment as memory knows it: which entries of a log stand in one file, and which of them are live.
//!
//! The file is written once (`segment::writer`), read-only after (`segment::reader`), and unlinked when nothing in
//! it is live. Invariant: `live` is the number of indexes that `next_live` enumerates. Settling in order only moves
//! `floor`; the bitmap comes with the first hole, or when the indexes themselves have holes.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub(crate) mod reader;
pub(crate) mod writer;

use std::ops::RangeInclusive;

use crate::codec::narrow;
use crate::log::slots::Removed;

/// The most index numbers from the first to the last entry of a segment: bounds the bitmap to 32 KiB.
pub(crate) const SPAN_MAX: u64 = 256 * 1024;

/// The descriptor of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Nothing below is live.
    pub(crate) floor: u64,
    pub(crate) count: u32,
    pub(crate) live: u32,
    /// Bytes of payload of all entries, live or not.
    pub(crate) bytes: u64,
    pub(crate) file_len: u64,
    /// One bit per index from `first` on; none while everything from `floor` to `last` is live.
    pub(crate) bits: Option<Box<[u64]>>,
}

impl Segment {
    /// The name of the file.
    pub(crate) fn name(&self) -> String {
        crate::layout::segment(self.id)
    }

    /// Index numbers from the first to the last.
    pub(crate) fn span(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Words of the bitmap.
    pub(crate) fn words(&self) -> usize {
        narrow(self.span().div_ceil(64))
    }

    /// Bytes of live payload: exact while all is live or nothing is, else by the average of the segment.
    pub(crate) fn live_bytes(&self) -> u64 {
        match self.live {
            0 => 0,
            live if live == self.count => self.bytes,
            live => {
                let part = u128::from(self.bytes) * u128::from(live) / u128::from(self.count.max(1));
                u64::try_from(part).unwrap_or(self.bytes)
            }
        }
    }

    /// The lowest live index that is at least `from`.
    pub(crate) fn next_live(&self, from: u64) -> Option<u64> {
        let from = from.max(self.floor).max(self.first);
        if self.live == 0 || from > self.last {
            return None;
        }
        let Some(bits) = &self.bits else { return Some(from) };
        let delta = from - self.first;
        let mut at = narrow(delta / 64);
        let mut word = bits.get(at)? & (u64::MAX << (delta % 64));
        while word == 0 {
            at += 1;
            word = *bits.get(at)?;
        }
        Some(self.first + at as u64 * 64 + u64::from(word.trailing_zeros()))
    }

    /// Removes the live entries of a range. The bytes are the difference of `live_bytes`.
    pub(crate) fn remove(&mut self, range: &RangeInclusive<u64>) -> Removed {
        let start = (*range.start()).max(self.floor).max(self.first);
        let end = (*range.end()).min(self.last);
        if start > end || self.live == 0 {
            return Removed::default();
        }
        let before = self.live_bytes();
        let floor = self.floor.max(self.first);
        let entries = if let Some(bits) = &mut self.bits {
            clear(bits, start - self.first, end - self.first)
        } else if start > floor {
            let mut bits = vec![0; self.words()].into_boxed_slice();
            set(&mut bits, floor - self.first, self.last - self.first);
            let entries = clear(&mut bits, start - self.first, end - self.first);
            self.bits = Some(bits);
            entries
        } else {
            end - start + 1
        };
        if start == floor {
            self.floor = end + 1;
        }
        // Invariant: no more is removed than was live.
        assert!(entries <= u64::from(self.live), "segment {} counts {} live", self.id, self.live);
        self.live -= u32::try_from(entries).unwrap_or(self.live);
        Removed { entries, bytes: before - self.live_bytes() }
    }

    /// True if much of it is dead and the rest will not soon be consumed in order.
    pub(crate) fn is_sparse(&self) -> bool {
        self.bits.is_some() && self.live > 0 && self.live < self.count / 2
    }
}

fn masks(from: u64, to: u64) -> impl Iterator<Item = (usize, u64)> {
    (from / 64..=to / 64).map(move |word| {
        let low = if word == from / 64 { u64::MAX << (from % 64) } else { u64::MAX };
        let high = if word == to / 64 { u64::MAX >> (63 - to % 64) } else { u64::MAX };
        (narrow(word), low & high)
    })
}

/// Sets the bits from `from` to `to`.
pub(crate) fn set(bits: &mut [u64], from: u64, to: u64) {
    for (at, mask) in masks(from, to) {
        if let Some(word) = bits.get_mut(at) {
            *word |= mask;
        }
    }
}

/// Clears the bits from `from` to `to` and says how many were set.
fn clear(bits: &mut [u64], from: u64, to: u64) -> u64 {
    let mut cleared = 0;
    for (at, mask) in masks(from, to) {
        if let Some(word) = bits.get_mut(at) {
            cleared += u64::from((*word & mask).count_ones());
            *word &= !mask;
        }
    }
    cleared
}

#[cfg(test)]
mod tests;
