//! One WAL record: `Append`, `Settle` or `Drop`; also the form of a spilled entry.
//!
//! ```text
//!  0        4        8      9
//! +--------+--------+------+----------------------------------------------------------+
//! | crc32c | length | kind | [priority u8] [expires varint] log varint, then the body |
//! +--------+--------+------+----------------------------------------------------------+
//! Append  index varint, payload to the end
//! Settle  count varint, then per range: gap varint (from the end of the one before), extra varint (length - 1)
//! Drop    nothing
//! ```
//! `length` counts the bytes after it; the checksum covers everything after itself. The low four bits of `kind`
//! are the kind, 0x10 says that a priority and 0x20 that an expiry follows. The checksums of a batch are filled in
//! by `seal`, outside any lock. What a record does to a log does not live here.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

use std::ops::RangeInclusive;

use crate::codec::{Fields, crc32c, narrow, put_varint, set_u32, wide};
use crate::fault::Reason;
use crate::{Entry, LogId};

/// Bytes before the kind: checksum and length.
pub(crate) const RECORD_HEAD: usize = 8;
/// The most bytes of a record that are not payload: head, kind, priority and three varints.
pub(crate) const RECORD_OVERHEAD_MAX: usize = RECORD_HEAD + 2 + 30;
/// Ranges read from one `Settle` record; a writer splits above it.
pub(crate) const RANGES_MAX: usize = 4096;

const KIND_APPEND: u8 = 1;
const KIND_SETTLE: u8 = 2;
const KIND_DROP: u8 = 3;
const KIND_MASK: u8 = 0x0f;
const HAS_PRIORITY: u8 = 0x10;
const HAS_EXPIRY: u8 = 0x20;

/// A decoded record; the payload is a slice of what was decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Append { log: LogId, index: u64, expires_at_ms: u64, priority: u8, payload: &'a [u8] },
    Settle { log: LogId, ranges: Vec<RangeInclusive<u64>> },
    Drop { log: LogId },
}

impl Record<'_> {
    pub(crate) fn log(&self) -> LogId {
        match self {
            Self::Append { log, .. } | Self::Settle { log, .. } | Self::Drop { log } => *log,
        }
    }
}

/// Appends an `Append` record with its checksum left open.
pub(crate) fn put_append(out: &mut Vec<u8>, log: LogId, entry: &Entry<'_>) {
    let payload = entry.head.len().saturating_add(entry.body.len());
    out.reserve(payload.saturating_add(RECORD_OVERHEAD_MAX));
    let start = begin(out);
    let flags = if entry.priority == 0 { 0 } else { HAS_PRIORITY }
        | if entry.expires_at_ms == 0 { 0 } else { HAS_EXPIRY };
    out.push(KIND_APPEND | flags);
    if entry.priority != 0 {
        out.push(entry.priority);
    }
    if entry.expires_at_ms != 0 {
        put_varint(out, entry.expires_at_ms);
    }
    put_varint(out, log.0);
    put_varint(out, entry.index);
    out.extend_from_slice(entry.head);
    out.extend_from_slice(entry.body);
    end(out, start);
}

/// Appends a `Settle` record. The ranges must be ascending, apart and not empty.
pub(crate) fn put_settle(out: &mut Vec<u8>, log: LogId, ranges: &[RangeInclusive<u64>]) {
    let start = begin(out);
    out.push(KIND_SETTLE);
    put_varint(out, log.0);
    put_varint(out, wide(ranges.len()));
    let mut previous = 0_u64;
    for range in ranges {
        put_varint(out, range.start().saturating_sub(previous));
        put_varint(out, range.end().saturating_sub(*range.start()));
        previous = *range.end();
    }
    end(out, start);
}

/// Appends a `Drop` record.
pub(crate) fn put_drop(out: &mut Vec<u8>, log: LogId) {
    let start = begin(out);
    out.push(KIND_DROP);
    put_varint(out, log.0);
    end(out, start);
}

fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_HEAD]);
    start
}

fn end(out: &mut [u8], start: usize) {
    let body = start.saturating_add(RECORD_HEAD);
    let len = u32::try_from(out.len().saturating_sub(body));
    let len = len.unwrap_or_else(|_| unreachable!("a record is bounded by the largest group"));
    set_u32(out, start.saturating_add(4), len);
}

/// Fills in the checksums of all records in `bytes`, which must hold whole records only.
pub(crate) fn seal(bytes: &mut [u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(len) = total_len(rest) else { return };
        let Some((record, after)) = rest.split_at_mut_checked(len) else { return };
        let crc = crc32c(record.get(4..).unwrap_or_default());
        set_u32(record, 0, crc);
        rest = after;
    }
}

/// The length of the record that begins here, as it says itself.
pub(crate) fn total_len(bytes: &[u8]) -> Option<usize> {
    let mut fields = Fields::new(bytes);
    fields.u32()?;
    Some(narrow(u64::from(fields.u32()?)).saturating_add(RECORD_HEAD))
}

/// Decodes the record at the front of `bytes`, checksum included, and says how long it is.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Record<'_>, usize), Reason> {
    let mut head = Fields::new(bytes);
    let crc = head.u32().ok_or(Reason::Short)?;
    let len = total_len(bytes).ok_or(Reason::Short)?;
    let covered = bytes.get(4..len).ok_or(Reason::Short)?;
    if crc32c(covered) != crc {
        return Err(Reason::Checksum);
    }
    let record = covered.get(4..).and_then(fields).ok_or(Reason::Field)?;
    Ok((record, len))
}

/// The log named by the record at the front of `bytes`, whether or not its checksum holds.
pub(crate) fn guess_log(bytes: &[u8]) -> Option<LogId> {
    let len = total_len(bytes)?;
    let body = bytes.get(RECORD_HEAD..len)?;
    fields(body).map(|record| record.log())
}

fn fields(body: &[u8]) -> Option<Record<'_>> {
    let mut fields = Fields::new(body);
    let kind = fields.u8()?;
    let priority = if kind & HAS_PRIORITY == 0 { 0 } else { fields.u8()? };
    let expires_at_ms = if kind & HAS_EXPIRY == 0 { 0 } else { fields.varint()? };
    let log = LogId(fields.varint()?);
    let record = match kind & KIND_MASK {
        KIND_APPEND => {
            let index = fields.varint()?;
            return Some(Record::Append { log, index, expires_at_ms, priority, payload: fields.rest() });
        }
        KIND_SETTLE => {
            let count = narrow(fields.varint()?);
            if count > RANGES_MAX {
                return None;
            }
            let mut ranges = Vec::with_capacity(count);
            let mut previous = 0_u64;
            for _ in 0..count {
                let start = previous.checked_add(fields.varint()?)?;
                let end = start.checked_add(fields.varint()?)?;
                ranges.push(start..=end);
                previous = end;
            }
            Record::Settle { log, ranges }
        }
        KIND_DROP => Record::Drop { log },
        _ => return None,
    };
    fields.is_empty().then_some(record)
}

#[cfg(test)]
mod tests;
