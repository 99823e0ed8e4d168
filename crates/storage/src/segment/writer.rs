//! Writing a segment file: payloads one after the other, then the footer; a sync every few megabytes, and a last one.
//!
//! ```text
//! payloads ... | index: 16 B each | expiries: 8 B each, if any | priorities: 1 B each, if any | trailer 72 B
//!
//! index entry  delta u32 (from the first index), offset u32, length u32, crc32c of the payload u32
//! trailer      magic u32, crc32c u32 (of the 64 bytes after it), segment id u64, log u64, first u64, last u64,
//!              count u32, flags u32 (1 expiries, 2 priorities), footer offset u64, lowest expiry u64,
//!              crc32c of the footer u32, reserved u32
//! ```
//! The name becomes durable with the checkpoint that refers to it; until then the file is an orphan.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

use std::sync::Arc;

use super::{SPAN_MAX, Segment};
use crate::codec::{crc32c, narrow, put_u32, put_u64, set_u32, wide};
use crate::disk::{DIRECT_UNIT, Disk, File};
use crate::fault::{At, Fault};
use crate::{LogId, layout};

pub(crate) const TRAILER: usize = 72;
pub(crate) const INDEX_ENTRY: usize = 16;
/// "HFS1", read as a little-endian number.
pub(crate) const SEGMENT_MAGIC: u32 = 0x3153_4648;
pub(crate) const FLAG_EXPIRIES: u32 = 1;
pub(crate) const FLAG_PRIORITIES: u32 = 2;

/// Payloads gathered before they are written.
const CHUNK: usize = 1024 * 1024;
/// Bytes written before they are synced: whoever syncs the log meanwhile waits for no more than these.
const SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// How large a segment may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) bytes_max: u64,
    pub(crate) entries_max: u32,
}

/// One entry on its way into a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft<'a> {
    pub(crate) index: u64,
    pub(crate) expires_at_ms: u64,
    pub(crate) priority: u8,
    pub(crate) payload: &'a [u8],
}

/// A segment being written.
#[derive(Debug)]
pub(crate) struct Writer {
    file: Arc<dyn File>,
    name: String,
    id: u64,
    log: LogId,
    bounds: Bounds,
    /// What was gathered, behind as many bytes as put it at a multiple of [`DIRECT_UNIT`].
    buffer: Vec<u8>,
    padding: usize,
    written: u64,
    synced: u64,
    entries: Vec<(u64, u32, u32, u32)>,
    expiries: Vec<u64>,
    priorities: Vec<u8>,
}

impl Writer {
    pub(crate) fn create(disk: &dyn Disk, id: u64, log: LogId, bounds: Bounds) -> Result<Self, Fault> {
        let name = layout::segment(id);
        let file = disk.create(&name).at(&name)?;
        let mut buffer: Vec<u8> = Vec::with_capacity(CHUNK + DIRECT_UNIT);
        let padding = buffer.as_ptr().align_offset(DIRECT_UNIT).min(DIRECT_UNIT);
        buffer.resize(padding, 0);
        Ok(Self {
            file,
            name,
            id,
            log,
            bounds,
            buffer,
            padding,
            written: 0,
            synced: 0,
            entries: Vec::new(),
            expiries: Vec::new(),
            priorities: Vec::new(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of payload so far.
    fn offset(&self) -> u64 {
        self.written.saturating_add(wide(self.gathered().len()))
    }

    fn gathered(&self) -> &[u8] {
        self.buffer.get(self.padding..).unwrap_or_default()
    }

    /// True if the entry, which has a higher index than all before, still belongs into this segment.
    pub(crate) fn fits(&self, draft: &Draft<'_>) -> bool {
        let Some((first, ..)) = self.entries.first() else { return true };
        wide(self.entries.len()) < u64::from(self.bounds.entries_max)
            && self.offset().saturating_add(wide(draft.payload.len())) <= self.bounds.bytes_max
            && draft.index.saturating_sub(*first) < SPAN_MAX
    }

    /// Adds an entry. Asks before it writes whether all who read the log have read it: then it is not kept in memory.
    pub(crate) fn push(&mut self, draft: &Draft<'_>, is_past: impl FnOnce() -> bool) -> Result<(), Fault> {
        // Invariant: the index ascends, and offsets fit 32 bits because only a first entry may exceed the bounds.
        assert!(self.entries.last().is_none_or(|(last, ..)| *last < draft.index), "{} ascends", self.name);
        let offset = u32::try_from(self.offset()).map_err(|_| self.too_large())?;
        let len = u32::try_from(draft.payload.len()).map_err(|_| self.too_large())?;
        self.entries.push((draft.index, offset, len, crc32c(draft.payload)));
        self.expiries.push(draft.expires_at_ms);
        self.priorities.push(draft.priority);
        let mut payload = draft.payload;
        if self.gathered().len().saturating_add(payload.len()) >= CHUNK {
            if payload.len() >= CHUNK {
                return self.write_out(payload);
            }
            // A whole chunk: what is written past the page cache has to begin and end where a block does.
            let (last, rest) = payload.split_at(CHUNK.saturating_sub(self.gathered().len()));
            self.buffer.extend_from_slice(last);
            if is_past() {
                self.file.write_past(self.written, self.gathered()).at(&self.name)?;
                self.note_written(0)?;
            } else {
                self.write_out(&[])?;
            }
            payload = rest;
        }
        self.buffer.extend_from_slice(payload);
        Ok(())
    }

    fn too_large(&self) -> Fault {
        Fault::corrupt(&self.name, self.written, crate::fault::Reason::Field)
    }

    /// Writes what was gathered, and `last` behind it without a copy.
    fn write_out(&mut self, last: &[u8]) -> Result<(), Fault> {
        self.file.write_at(self.written, &[self.gathered(), last]).at(&self.name)?;
        self.note_written(wide(last.len()))
    }

    /// All that was gathered is written, and so many bytes behind it: syncs them if it is time.
    fn note_written(&mut self, more: u64) -> Result<(), Fault> {
        self.written = self.offset().saturating_add(more);
        self.buffer.truncate(self.padding);
        if self.written.saturating_sub(self.synced) >= SYNC_BYTES {
            self.file.sync_data().at(&self.name)?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// Writes the footer and syncs. There must have been at least one entry.
    pub(crate) fn finish(mut self) -> Result<Segment, Fault> {
        let bytes = self.offset();
        let (Some((first, ..)), Some((last, ..))) = (self.entries.first(), self.entries.last()) else {
            unreachable!("a segment is begun for an entry")
        };
        let (first, last) = (*first, *last);
        let (footer, flags) = self.footer(first);
        self.buffer.extend_from_slice(&footer);
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let expires_min = self.expiries.iter().copied().filter(|at| *at != 0).min().unwrap_or(0);
        let mut trailer = Vec::with_capacity(TRAILER);
        put_u32(&mut trailer, SEGMENT_MAGIC);
        put_u32(&mut trailer, 0);
        for field in [self.id, self.log.0, first, last] {
            put_u64(&mut trailer, field);
        }
        put_u32(&mut trailer, count);
        put_u32(&mut trailer, flags);
        put_u64(&mut trailer, bytes);
        put_u64(&mut trailer, expires_min);
        put_u32(&mut trailer, crc32c(&footer));
        put_u32(&mut trailer, 0);
        let crc = crc32c(trailer.get(8..).unwrap_or_default());
        set_u32(&mut trailer, 4, crc);
        self.buffer.extend_from_slice(&trailer);
        self.write_out(&[])?;
        self.file.sync_data().at(&self.name)?;
        let mut segment = Segment {
            id: self.id,
            first,
            last,
            floor: first,
            count,
            live: count,
            bytes,
            file_len: self.written,
            bits: None,
        };
        if segment.span() != u64::from(count) {
            let mut bits = vec![0_u64; segment.words()].into_boxed_slice();
            for (index, ..) in &self.entries {
                let delta = index.saturating_sub(first);
                super::set(&mut bits, delta, delta);
            }
            segment.bits = Some(bits);
        }
        Ok(segment)
    }

    fn footer(&self, first: u64) -> (Vec<u8>, u32) {
        let mut flags = 0;
        let mut footer = Vec::with_capacity(self.entries.len().saturating_mul(INDEX_ENTRY));
        for (index, offset, len, crc) in &self.entries {
            // The span is bounded by SPAN_MAX, far below 32 bits.
            put_u32(&mut footer, u32::try_from(index.saturating_sub(first)).unwrap_or(u32::MAX));
            put_u32(&mut footer, *offset);
            put_u32(&mut footer, *len);
            put_u32(&mut footer, *crc);
        }
        if self.expiries.iter().any(|at| *at != 0) {
            flags |= FLAG_EXPIRIES;
            for at in &self.expiries {
                put_u64(&mut footer, *at);
            }
        }
        if self.priorities.iter().any(|priority| *priority != 0) {
            flags |= FLAG_PRIORITIES;
            footer.extend_from_slice(&self.priorities);
        }
        (footer, flags)
    }
}

/// Bytes of a footer with the given number of entries and columns; `None` if absurd.
pub(crate) fn footer_len(count: u32, flags: u32) -> Option<usize> {
    let mut each = INDEX_ENTRY;
    if flags & FLAG_EXPIRIES != 0 {
        each = each.checked_add(8)?;
    }
    if flags & FLAG_PRIORITIES != 0 {
        each = each.checked_add(1)?;
    }
    narrow(u64::from(count)).checked_mul(each)
}
