//! The checkpoint: what must be known of every log besides the WAL files, and which of those are still needed.
//!
//! ```text
//! magic u32, crc32c u32 (of all that follows), generation u64, body length u64
//! body: durable LSN u64, first LSN u64, first epoch u32, previous crc32c u32, next segment u64, next log u64,
//!       logs varint, then per log:
//!         id varint, next index varint, drained below varint, segments varint, then per segment:
//!           id, first, last - first, floor - first, entries, live, payload bytes, file length: varints;
//!           words varint (0: no bitmap), then so many u64
//! ```
//! Two slots are written in turn. A checkpoint says what holds up to its durable LSN; the WAL is read again from
//! its first file on, and records that were reflected already change nothing. The clean mark is a file of its own
//! (`CleanMark`), because it must go as soon as the engine runs again.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

use std::collections::VecDeque;

use crate::LogId;
use crate::codec::{Fields, crc32c, narrow, put_u32, put_u64, put_varint, set_u32, wide};
use crate::fault::Reason;
use crate::frame::COUNTER_MAX;
use crate::log::Log;
use crate::segment::{self, SPAN_MAX, Segment};

/// "HFC1", read as a little-endian number.
const MAGIC: u32 = 0x3143_4648;
/// "HFX1", read as a little-endian number.
const CLEAN_MAGIC: u32 = 0x3158_4648;
const HEAD: usize = 24;
/// No segment file is longer: a single entry and its footer.
const FILE_BYTES_MAX: u64 = 1 << 33;

/// The part of a checkpoint that is not about single logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Groundwork {
    pub(crate) generation: u64,
    /// Everything up to this LSN was on disk when the checkpoint was written.
    pub(crate) durable: u64,
    /// The LSN of the first frame of the first WAL file needed.
    pub(crate) first_lsn: u64,
    /// Its number.
    pub(crate) first_epoch: u32,
    /// The checksum of the frame before it.
    pub(crate) previous: u32,
    pub(crate) next_segment: u64,
    pub(crate) next_log: u64,
}

impl Groundwork {
    /// Where a new storage begins.
    pub(crate) const NEW: Self = Self {
        generation: 0,
        durable: 0,
        first_lsn: 1,
        first_epoch: 1,
        previous: 0,
        next_segment: 1,
        next_log: 0,
    };
}

/// Encodes a checkpoint of the given logs, which come in ascending order.
pub(crate) fn encode<'a>(
    base: &Groundwork,
    logs: impl ExactSizeIterator<Item = (LogId, &'a Log)>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(logs.len().saturating_mul(16).saturating_add(128));
    put_u32(&mut out, MAGIC);
    put_u32(&mut out, 0);
    put_u64(&mut out, base.generation);
    put_u64(&mut out, 0);
    put_u64(&mut out, base.durable);
    put_u64(&mut out, base.first_lsn);
    put_u32(&mut out, base.first_epoch);
    put_u32(&mut out, base.previous);
    put_u64(&mut out, base.next_segment);
    put_u64(&mut out, base.next_log);
    put_varint(&mut out, wide(logs.len()));
    for (id, log) in logs {
        for field in [id.0, log.next, log.drained_below, wide(log.segments.len())] {
            put_varint(&mut out, field);
        }
        for segment in &log.segments {
            put_segment(&mut out, segment);
        }
    }
    let body = wide(out.len().saturating_sub(HEAD));
    if let Some(place) = out.get_mut(16..HEAD) {
        place.copy_from_slice(&body.to_le_bytes());
    }
    let crc = crc32c(out.get(8..).unwrap_or_default());
    set_u32(&mut out, 4, crc);
    out
}

fn put_segment(out: &mut Vec<u8>, segment: &Segment) {
    let fields = [
        segment.id,
        segment.first,
        segment.last.saturating_sub(segment.first),
        segment.floor.saturating_sub(segment.first),
        u64::from(segment.count),
        u64::from(segment.live),
        segment.bytes,
        segment.file_len,
    ];
    for field in fields {
        put_varint(out, field);
    }
    let bits = segment.bits.as_deref().unwrap_or_default();
    put_varint(out, wide(bits.len()));
    for word in bits {
        put_u64(out, *word);
    }
}

/// Decodes a checkpoint.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Groundwork, Vec<(LogId, Log)>), Reason> {
    let mut head = Fields::new(bytes);
    let mut start = || Some((head.u32()?, head.u32()?, head.u64()?, head.u64()?));
    let (magic, crc, generation, len) = start().ok_or(Reason::Short)?;
    if magic != MAGIC {
        return Err(Reason::Field);
    }
    let whole = HEAD.checked_add(narrow(len)).ok_or(Reason::Field)?;
    let covered = bytes.get(8..whole).ok_or(Reason::Short)?;
    if crc32c(covered) != crc {
        return Err(Reason::Checksum);
    }
    let body = bytes.get(HEAD..whole).ok_or(Reason::Short)?;
    fields(generation, body).ok_or(Reason::Field)
}

fn fields(generation: u64, body: &[u8]) -> Option<(Groundwork, Vec<(LogId, Log)>)> {
    let mut fields = Fields::new(body);
    let base = Groundwork {
        generation,
        durable: fields.u64()?,
        first_lsn: fields.u64()?,
        first_epoch: fields.u32()?,
        previous: fields.u32()?,
        next_segment: fields.u64()?,
        next_log: fields.u64()?,
    };
    let counters = [generation, base.durable, base.first_lsn, base.next_segment];
    if counters.iter().any(|counter| *counter >= COUNTER_MAX) || base.next_log > LogId::VOLATILE {
        return None;
    }
    let count = narrow(fields.varint()?);
    // A log takes at least four bytes.
    let mut logs = Vec::with_capacity(count.min(body.len() / 4));
    for _ in 0..count {
        let id = LogId(fields.varint()?);
        if id.is_volatile() {
            return None;
        }
        let mut log = Log { next: fields.varint()?, drained_below: fields.varint()?, ..Log::default() };
        let segments = fields.varint()?;
        for _ in 0..segments {
            log.segments.push_back(take_segment(&mut fields)?);
        }
        if !ascends(&log.segments, log.drained_below) {
            return None;
        }
        logs.push((id, log));
    }
    fields.is_empty().then_some((base, logs))
}

fn take_segment(fields: &mut Fields<'_>) -> Option<Segment> {
    let id = fields.varint()?;
    let first = fields.varint()?;
    let last = first.checked_add(fields.varint()?)?;
    let floor = first.checked_add(fields.varint()?)?;
    let count = u32::try_from(fields.varint()?).ok()?;
    let live = u32::try_from(fields.varint()?).ok()?;
    let mut segment = Segment {
        id,
        first,
        last,
        floor,
        count,
        live,
        bytes: fields.varint()?,
        file_len: fields.varint()?,
        bits: None,
    };
    let words = narrow(fields.varint()?);
    let span = last.checked_sub(first)?.checked_add(1)?;
    if words > 0 {
        if span > SPAN_MAX || words != segment.words() {
            return None;
        }
        let mut bits = Vec::with_capacity(words);
        for _ in 0..words {
            bits.push(fields.u64()?);
        }
        segment.bits = Some(bits.into_boxed_slice());
    }
    let plausible = live > 0
        && live <= count
        && u64::from(count) <= span
        && floor <= last
        && segment.file_len <= FILE_BYTES_MAX
        && segment.bytes <= segment.file_len
        && is_consistent(&segment);
    plausible.then_some(segment)
}

/// The number of live entries is that of the bits from the floor on, or of the indexes if there are no bits.
fn is_consistent(segment: &Segment) -> bool {
    let Some(bits) = &segment.bits else {
        let from_floor = segment.last.saturating_sub(segment.floor).saturating_add(1);
        return u64::from(segment.live) == from_floor && u64::from(segment.count) == segment.span();
    };
    let mut allowed = vec![0; bits.len()];
    segment::set(
        &mut allowed,
        segment.floor.saturating_sub(segment.first),
        segment.last.saturating_sub(segment.first),
    );
    let live: u32 = bits.iter().map(|word| word.count_ones()).sum();
    live == segment.live && bits.iter().zip(&allowed).all(|(word, allowed)| word & !allowed == 0)
}

fn ascends(segments: &VecDeque<Segment>, below: u64) -> bool {
    let mut from = 0;
    segments.iter().all(|segment| {
        let ascends = segment.first >= from && segment.last < below;
        from = segment.last.saturating_add(1);
        ascends
    })
}

/// What a clean stop leaves: up to which LSN everything is in place, and how far each log was delivered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CleanMark {
    pub(crate) durable: u64,
    pub(crate) delivered: Vec<(LogId, u64)>,
}

impl CleanMark {
    /// magic u32, crc32c u32 (of what follows), durable LSN u64, count varint, (log varint, index varint) each.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.delivered.len().saturating_mul(8).saturating_add(32));
        put_u32(&mut out, CLEAN_MAGIC);
        put_u32(&mut out, 0);
        put_u64(&mut out, self.durable);
        put_varint(&mut out, wide(self.delivered.len()));
        for (log, up_to) in &self.delivered {
            put_varint(&mut out, log.0);
            put_varint(&mut out, *up_to);
        }
        let crc = crc32c(out.get(8..).unwrap_or_default());
        set_u32(&mut out, 4, crc);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let (magic, crc) = (fields.u32()?, fields.u32()?);
        if magic != CLEAN_MAGIC || crc32c(fields.rest()) != crc {
            return None;
        }
        let durable = fields.u64()?;
        let count = narrow(fields.varint()?);
        let mut delivered = Vec::with_capacity(count.min(bytes.len() / 2));
        for _ in 0..count {
            delivered.push((LogId(fields.varint()?), fields.varint()?));
        }
        fields.is_empty().then_some(Self { durable, delivered })
    }
}

#[cfg(test)]
mod tests;
