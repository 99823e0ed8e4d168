//! Fetching entries by position: neighbours in a file come with one read, each is checked by itself.
//!
//! Nothing here knows why entries are wanted, or takes a lock but the shelf's.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Engine;
use crate::codec::{crc32c, narrow, wide};
use crate::disk::File;
use crate::fault::{At, Fault, Reason};
use crate::record::{self, RECORD_OVERHEAD_MAX, Record};
use crate::segment::Segment;
use crate::segment::reader::{Position, Reader};
use crate::{LogId, Stored};

/// Neighbours are read together up to so many bytes.
const RUN_BYTES_MAX: u64 = 256 * 1024;
/// A gap up to this size is read over.
const GAP_BYTES_MAX: u64 = 4096;

/// A record in a WAL or spill file: an index, where it begins, and the bytes of its payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) index: u64,
    pub(super) offset: u64,
    pub(super) len: u32,
}

/// A file with a name for reporting.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) file: Arc<dyn File>,
    pub(super) name: String,
}

/// How many items from the front are read together. `extent` gives the first byte and the end of an item.
fn run<T>(items: &[T], extent: impl Fn(&T) -> (u64, u64)) -> (usize, u64, u64) {
    let Some((start, mut end)) = items.first().map(&extent) else { return (0, 0, 0) };
    let mut taken = 1;
    for item in items.iter().skip(1) {
        let (next, next_end) = extent(item);
        let is_near = next >= start && next <= end.saturating_add(GAP_BYTES_MAX);
        if !is_near || next_end.saturating_sub(start) > RUN_BYTES_MAX {
            break;
        }
        end = end.max(next_end);
        taken += 1;
    }
    (taken, start, end)
}

/// Reads into `room`, or into new memory if that is somebody's.
fn read_range(source: &Source, start: u64, end: u64, room: Bytes) -> Result<Bytes, Fault> {
    let len = narrow(end.saturating_sub(start));
    let mut buffer = match room.try_into_mut() {
        Ok(mut buffer) if buffer.capacity() >= len => {
            buffer.resize(len, 0);
            buffer
        }
        _ => BytesMut::zeroed(len),
    };
    let read = source.file.read_at(start, &mut buffer).at(&source.name)?;
    buffer.truncate(read);
    Ok(buffer.freeze())
}

/// Reads records of one log from a WAL or spill file, in the order given.
pub(super) fn records(
    source: &Source,
    log: LogId,
    pieces: &[Piece],
    mut sink: impl FnMut(Stored) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let extent = |piece: &Piece| {
        (piece.offset, piece.offset.saturating_add(u64::from(piece.len) + wide(RECORD_OVERHEAD_MAX)))
    };
    let mut rest = pieces;
    let mut bytes = Bytes::new();
    while !rest.is_empty() {
        let (taken, start, end) = run(rest, extent);
        bytes = read_range(source, start, end, bytes)?;
        let (now, later) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
        for piece in now {
            let at = bytes.slice(narrow(piece.offset - start).min(bytes.len())..);
            let corrupt = |reason| Fault::corrupt(&source.name, piece.offset, reason);
            match record::decode(&at).map_err(corrupt)?.0 {
                Record::Append { log: found, index, expires_at_ms, priority, payload }
                    if found == log
                        && index == piece.index
                        && wide(payload.len()) == u64::from(piece.len) =>
                {
                    let payload = at.slice_ref(payload);
                    sink(Stored { index, expires_at_ms, priority, payload })?;
                }
                _ => return Err(corrupt(Reason::Misplaced)),
            }
        }
        rest = later;
    }
    Ok(())
}

/// Reads entries of a segment, in the order given.
pub(super) fn entries(
    reader: &Reader,
    positions: &[Position],
    mut sink: impl FnMut(Stored) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let source = Source { file: Arc::clone(&reader.file), name: reader.name.clone() };
    let extent = |position: &Position| {
        (u64::from(position.offset), u64::from(position.offset) + u64::from(position.len))
    };
    let mut rest = positions;
    let mut bytes = Bytes::new();
    while !rest.is_empty() {
        let (taken, start, end) = run(rest, extent);
        bytes = read_range(&source, start, end, bytes)?;
        let (now, later) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
        for position in now {
            let offset = u64::from(position.offset);
            let from = narrow(offset - start);
            let to = from.saturating_add(narrow(u64::from(position.len)));
            if to > bytes.len() {
                return Err(Fault::corrupt(&source.name, offset, Reason::Short));
            }
            let payload = bytes.slice(from..to);
            if crc32c(&payload) != position.crc {
                return Err(Fault::corrupt(&source.name, offset, Reason::Checksum));
            }
            let Position { index, expires_at_ms, priority, .. } = *position;
            sink(Stored { index, expires_at_ms, priority, payload })?;
        }
        rest = later;
    }
    Ok(())
}

impl Engine {
    /// The reader of a segment, from the shelf or opened.
    pub(super) fn reader(&self, log: LogId, segment: &Segment) -> Result<Arc<Reader>, Fault> {
        if let Some(reader) = self.shelf.lock().find(segment.id) {
            return Ok(reader);
        }
        let reader = Arc::new(Reader::open(&*self.disk, log, segment)?);
        self.shelf.lock().keep(Arc::clone(&reader));
        Ok(reader)
    }
}
