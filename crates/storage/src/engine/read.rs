//! Read: live entries of a log in ascending order, merged from WAL files, segments and spill files.
//!
//! A plan is made under the core's lock, the bytes are fetched after. Meanwhile a WAL file may be recycled only if
//! nobody holds its handle, so a planned record stays readable; a segment may vanish by a merge, and then the plan is
//! made again.

use std::io;
use std::sync::Arc;

use super::Engine;
use super::fetch::{self, Piece, Source};
use crate::fault::Fault;
use crate::log::{Place, Plan};
use crate::{LogId, ReadLimit, Stored};

/// Plans made again because a segment had been merged away.
const REPLANS_MAX: u32 = 16;

/// A stretch of a plan that comes from one file.
#[derive(Debug)]
pub(super) enum Stretch {
    Segment { number: usize, indexes: Vec<u64> },
    File { source: Source, epoch: u32, is_spill: bool, pieces: Vec<Piece> },
}

impl Engine {
    /// Reads live entries with an index of at least `from`, ascending, and adds them to `out`; at least one if there is
    /// one. Stops before entries that are not durable yet: those are still with whoever staged them. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] if an entry is not what was written; what stands before it was added to `out`. See [`Engine::give_up`].
    pub fn read(&self, log: LogId, from: u64, limit: ReadLimit, out: &mut Vec<Stored>) -> Result<(), Fault> {
        self.check()?;
        let start = out.len();
        let mut from = from;
        for attempt in 0..=REPLANS_MAX {
            let Some((plan, stretches)) = self.plan(log, from, limit) else { return Ok(()) };
            match self.carry_out(log, &plan, &stretches, limit, start, out) {
                Err(Fault::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && attempt < REPLANS_MAX =>
                {
                    if out.len() > start {
                        from = out.last().map_or(from, |last| last.index.saturating_add(1));
                    }
                }
                result => return result,
            }
        }
        Ok(())
    }

    /// Whoever reads the log has read the entries below `index`: they need not be kept in memory. Only a hint, forgotten
    /// with the next start.
    pub fn pass(&self, log: LogId, index: u64) {
        if let Some(state) = self.core.lock().logs.get_mut(&log.0) {
            state.passed = index;
        }
    }

    pub(super) fn is_passed(&self, log: LogId, index: u64) -> bool {
        self.core.lock().logs.get(&log.0).is_some_and(|state| index < state.passed)
    }

    pub(super) fn plan(&self, log: LogId, from: u64, limit: ReadLimit) -> Option<(Plan, Vec<Stretch>)> {
        let core = self.core.lock();
        let state = core.logs.get(&log.0)?;
        let plan = state.plan(from, limit, self.flushed().0);
        let mut stretches: Vec<Stretch> = Vec::new();
        for (index, place) in &plan.entries {
            let index = *index;
            match place {
                Place::Segment(number) => match stretches.last_mut() {
                    Some(Stretch::Segment { number: last, indexes }) if last == number => indexes.push(index),
                    _ => stretches.push(Stretch::Segment { number: *number, indexes: vec![index] }),
                },
                Place::Wal(slot) => {
                    let (file, offset) = core.wal.resolve(slot.lsn, slot.offset)?;
                    let piece = Piece { index, offset, len: slot.len };
                    let source = || Source { file: Arc::clone(&file.file), name: file.name.clone() };
                    add(&mut stretches, piece, file.epoch, false, source);
                }
                Place::Spill(slot) => {
                    let chunk = state.spill.as_deref()?.chunk(slot.chunk)?;
                    let piece = Piece { index, offset: u64::from(slot.offset), len: slot.len };
                    let source = || Source { file: Arc::clone(&chunk.file), name: chunk.name.clone() };
                    add(&mut stretches, piece, slot.chunk, true, source);
                }
            }
        }
        Some((plan, stretches))
    }

    pub(super) fn carry_out(
        &self,
        log: LogId,
        plan: &Plan,
        stretches: &[Stretch],
        limit: ReadLimit,
        start: usize,
        out: &mut Vec<Stored>,
    ) -> Result<(), Fault> {
        let mut bytes: u64 = out.iter().skip(start).map(|stored| stored.payload.len() as u64).sum();
        for stretch in stretches {
            let mut wanted = |is_first: bool, len: u32| {
                let wanted = is_first || bytes < limit.bytes;
                bytes = bytes.saturating_add(u64::from(len));
                wanted
            };
            let is_empty = out.len() == start;
            match stretch {
                Stretch::Segment { number, indexes } => {
                    let Some(segment) = plan.segments.get(*number) else { return Ok(()) };
                    let reader = self.reader(log, segment)?;
                    let mut positions = Vec::with_capacity(indexes.len());
                    let mut ordinal = 0;
                    let mut broken = None;
                    for index in indexes {
                        match reader.find(*index, &mut ordinal) {
                            Ok(position) if wanted(is_empty && positions.is_empty(), position.len) => {
                                positions.push(position);
                            }
                            Ok(_) => break,
                            Err(fault) => {
                                broken = Some(fault);
                                break;
                            }
                        }
                    }
                    fetch::entries(&reader, &positions, |stored| {
                        out.push(stored);
                        Ok(())
                    })?;
                    if let Some(fault) = broken {
                        return Err(fault);
                    }
                }
                Stretch::File { source, pieces, .. } => {
                    let taken = pieces
                        .iter()
                        .enumerate()
                        .take_while(|(at, piece)| wanted(is_empty && *at == 0, piece.len))
                        .count();
                    fetch::records(source, log, pieces.get(..taken).unwrap_or_default(), |stored| {
                        out.push(stored);
                        Ok(())
                    })?;
                }
            }
            if bytes >= limit.bytes {
                break;
            }
        }
        Ok(())
    }
}

fn add(
    stretches: &mut Vec<Stretch>,
    piece: Piece,
    number: u32,
    spill: bool,
    source: impl FnOnce() -> Source,
) {
    match stretches.last_mut() {
        Some(Stretch::File { epoch, is_spill, pieces, .. }) if *epoch == number && *is_spill == spill => {
            pieces.push(piece);
        }
        _ => stretches.push(Stretch::File {
            source: source(),
            epoch: number,
            is_spill: spill,
            pieces: vec![piece],
        }),
    }
}
