//! Reading a segment file: its footer once, checked as a whole, then payloads by position, each checked by itself.
//!
//! A footer is at most 1.6 MiB; `Shelf` keeps those read last, up to a number of bytes.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

use std::sync::Arc;

use super::Segment;
use super::writer::{FLAG_EXPIRIES, FLAG_PRIORITIES, INDEX_ENTRY, SEGMENT_MAGIC, TRAILER, footer_len};
use crate::LogId;
use crate::codec::{Fields, crc32c, narrow, wide};
use crate::disk::{Disk, File};
use crate::fault::{At, Fault, Reason};

/// What the footer says of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) index: u64,
    pub(crate) offset: u32,
    pub(crate) len: u32,
    pub(crate) crc: u32,
    pub(crate) expires_at_ms: u64,
    pub(crate) priority: u8,
}

/// An open segment with its footer.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    first: u64,
    count: usize,
    footer: Vec<u8>,
    expiries_at: Option<usize>,
    priorities_at: Option<usize>,
}

impl Reader {
    /// Opens the file and checks that it is the one described.
    pub(crate) fn open(disk: &dyn Disk, log: LogId, segment: &Segment) -> Result<Self, Fault> {
        let name = segment.name();
        let file = disk.open(&name).at(&name)?;
        let trailer_at = segment.file_len.saturating_sub(wide(TRAILER));
        let mut trailer = [0_u8; TRAILER];
        let read = file.read_at(trailer_at, &mut trailer).at(&name)?;
        if read < TRAILER || segment.file_len < wide(TRAILER) {
            return Err(Fault::corrupt(&name, trailer_at, Reason::Short));
        }
        let wrong = |reason| Fault::corrupt(&name, trailer_at, reason);
        let parsed = Trailer::parse(&trailer).map_err(wrong)?;
        if parsed.id != segment.id
            || parsed.log != log
            || parsed.first != segment.first
            || parsed.count != segment.count
        {
            return Err(wrong(Reason::Misplaced));
        }
        let len = footer_len(parsed.count, parsed.flags).ok_or_else(|| wrong(Reason::Field))?;
        if parsed.footer_at.checked_add(wide(len)) != Some(trailer_at) {
            return Err(wrong(Reason::Field));
        }
        let mut footer = vec![0; len];
        let read = file.read_at(parsed.footer_at, &mut footer).at(&name)?;
        if read < len {
            return Err(Fault::corrupt(&name, parsed.footer_at, Reason::Short));
        }
        if crc32c(&footer) != parsed.footer_crc {
            return Err(Fault::corrupt(&name, parsed.footer_at, Reason::Checksum));
        }
        let count = narrow(u64::from(parsed.count));
        let mut at = count.saturating_mul(INDEX_ENTRY);
        let expiries_at = (parsed.flags & FLAG_EXPIRIES != 0).then_some(at);
        if expiries_at.is_some() {
            at = at.saturating_add(count.saturating_mul(8));
        }
        let priorities_at = (parsed.flags & FLAG_PRIORITIES != 0).then_some(at);
        Ok(Self {
            id: segment.id,
            name,
            file,
            first: segment.first,
            count,
            footer,
            expiries_at,
            priorities_at,
        })
    }

    /// The entry of that number in the file.
    fn position(&self, ordinal: usize) -> Option<Position> {
        let mut fields = Fields::new(self.footer.get(ordinal.checked_mul(INDEX_ENTRY)?..)?);
        let index = self.first.checked_add(u64::from(fields.u32()?))?;
        let (offset, len, crc) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let expires_at_ms = match self.expiries_at {
            Some(at) => Fields::new(self.footer.get(at.checked_add(ordinal.checked_mul(8)?)?..)?).u64()?,
            None => 0,
        };
        let priority = match self.priorities_at {
            Some(at) => *self.footer.get(at.checked_add(ordinal)?)?,
            None => 0,
        };
        Some(Position { index, offset, len, crc, expires_at_ms, priority })
    }

    /// The entry with that index, searched from a guess: entries asked for in order are found at once.
    pub(crate) fn find(&self, index: u64, ordinal: &mut usize) -> Result<Position, Fault> {
        let guess = self.position(*ordinal).filter(|position| position.index == index);
        let found = match guess {
            Some(position) => Some(position),
            None => self.search(index, ordinal),
        };
        *ordinal = ordinal.saturating_add(1);
        found.ok_or_else(|| Fault::corrupt(&self.name, 0, Reason::Misplaced))
    }

    fn search(&self, index: u64, ordinal: &mut usize) -> Option<Position> {
        let (mut low, mut high) = (0_usize, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if self.position(middle)?.index < index {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        *ordinal = low;
        self.position(low).filter(|position| position.index == index)
    }
}

#[derive(Debug)]
struct Trailer {
    id: u64,
    log: LogId,
    first: u64,
    count: u32,
    flags: u32,
    footer_at: u64,
    footer_crc: u32,
}

impl Trailer {
    fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let mut fields = Fields::new(bytes);
        let mut head = || Some((fields.u32()?, fields.u32()?));
        let (magic, crc) = head().ok_or(Reason::Short)?;
        if magic != SEGMENT_MAGIC || bytes.get(8..).is_none_or(|covered| crc32c(covered) != crc) {
            return Err(Reason::Checksum);
        }
        let mut rest = || {
            let (id, log, first, _last) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
            let (count, flags) = (fields.u32()?, fields.u32()?);
            let (footer_at, _expires_min, footer_crc) = (fields.u64()?, fields.u64()?, fields.u32()?);
            Some(Self { id, log: LogId(log), first, count, flags, footer_at, footer_crc })
        };
        rest().ok_or(Reason::Short)
    }
}

/// The readers used last.
#[derive(Debug)]
pub(crate) struct Shelf {
    readers: Vec<Arc<Reader>>,
    bytes_max: usize,
}

impl Shelf {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { readers: Vec::new(), bytes_max }
    }

    /// The reader of a segment, moved to the front.
    pub(crate) fn find(&mut self, id: u64) -> Option<Arc<Reader>> {
        let at = self.readers.iter().position(|reader| reader.id == id)?;
        let reader = self.readers.remove(at);
        self.readers.insert(0, Arc::clone(&reader));
        Some(reader)
    }

    /// Keeps a reader, letting go of those not used for longest.
    pub(crate) fn keep(&mut self, reader: Arc<Reader>) {
        self.forget(reader.id);
        self.readers.insert(0, reader);
        let mut bytes = 0_usize;
        let bytes_max = self.bytes_max;
        let mut kept = 0_usize;
        self.readers.retain(|reader| {
            bytes = bytes.saturating_add(reader.footer.len()).saturating_add(1024);
            kept = kept.saturating_add(1);
            kept == 1 || bytes <= bytes_max
        });
    }

    pub(crate) fn forget(&mut self, id: u64) {
        self.readers.retain(|reader| reader.id != id);
    }
}
