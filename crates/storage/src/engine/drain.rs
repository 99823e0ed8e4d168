//! Drain: what is still live in the oldest full WAL file moves to segments, or is copied forward; then the file goes.
//!
//! A log's entries move in order of index, together with those of it that were copied forward earlier, so that all that
//! stays in the WAL is above all that is in segments. Nothing is forgotten before a checkpoint says where it is
//! now, and that is written only when every record it reflects is on disk.

use std::sync::Arc;

use super::Engine;
use super::core::Doomed;
use super::fetch::{self, Piece, Source};
use super::upkeep::Keeper;
use crate::fault::Fault;
use crate::log::slots::Slot;
use crate::segment::Segment;
use crate::segment::writer::{Bounds, Draft, Writer};
use crate::{Entry, LogId, Stored};

/// What a record costs besides its payload, about; only thresholds depend on it.
const RECORD_COST: u64 = 24;

/// The file being drained.
#[derive(Debug)]
struct Oldest {
    last_lsn: u64,
    capacity: u64,
    logs: Vec<LogId>,
}

/// Copies staged, with the LSN that each slot has had.
#[derive(Debug, Default)]
struct Copies {
    bytes: u64,
    slots: Vec<(LogId, u64, Slot)>,
}

impl Engine {
    /// Drains the oldest full WAL file. False if there is none.
    pub(super) fn drain(&self, keeper: &mut Keeper) -> Result<bool, Fault> {
        let Some(oldest) = self.oldest() else { return Ok(false) };
        let mut copies = Copies::default();
        for log in &oldest.logs {
            self.drain_log(&oldest, *log, &mut copies)?;
        }
        if !copies.slots.is_empty() {
            self.flush_staged(false)?;
            let mut core = self.core.lock();
            core.counters.copied_bytes += copies.bytes;
            for (log, old_lsn, slot) in copies.slots {
                if let Some(state) = core.logs.get_mut(&log.0) {
                    state.slots.move_to(old_lsn, slot);
                }
            }
        }
        self.checkpoint(keeper, 1)?;
        self.release()?;
        let mut core = self.core.lock();
        core.counters.drained_files += 1;
        // Segments that had become sparse before now are old enough to be merged.
        let sparse = std::mem::take(&mut core.sparse);
        core.merges.extend(sparse);
        Ok(true)
    }

    fn oldest(&self) -> Option<Oldest> {
        let core = self.core.lock();
        let next = core.wal.files.get(1)?;
        let file = core.wal.files.front()?;
        let mut logs: Vec<LogId> = file.logs.iter().map(|id| LogId(*id)).collect();
        logs.sort_unstable();
        Some(Oldest { last_lsn: next.first_lsn - 1, capacity: file.capacity, logs })
    }

    fn drain_log(&self, oldest: &Oldest, log: LogId, copies: &mut Copies) -> Result<(), Fault> {
        loop {
            let (remainder, in_file) = self.weigh(oldest, log);
            if in_file == 0 {
                return Ok(());
            }
            let is_small = remainder < self.options.copy_forward_bytes_max;
            if is_small && copies.bytes.saturating_add(in_file) <= oldest.capacity / 4 {
                return self.copy_forward(oldest, log, copies);
            }
            self.drain_segment(oldest, log)?;
        }
    }

    /// Bytes of the log that could be drained, counted only as far as it matters, and how many of them are in the
    /// file. Entries in the file are counted fully if the sum stays below the limit for copies.
    fn weigh(&self, oldest: &Oldest, log: LogId) -> (u64, u64) {
        let core = self.core.lock();
        let Some(state) = core.logs.get(&log.0) else { return (0, 0) };
        let (mut remainder, mut in_file) = (0, 0);
        for slot in state.slots.up_to_file(oldest.last_lsn) {
            let cost = u64::from(slot.len) + RECORD_COST;
            remainder += cost;
            if slot.lsn <= oldest.last_lsn {
                in_file += cost;
            }
            if remainder >= self.options.copy_forward_bytes_max && in_file > 0 {
                break;
            }
        }
        (remainder, in_file)
    }

    fn copy_forward(&self, oldest: &Oldest, log: LogId, copies: &mut Copies) -> Result<(), Fault> {
        let (slots, pieces) = self.locate(log, |slots| {
            slots.up_to_file(oldest.last_lsn).filter(|slot| slot.lsn <= oldest.last_lsn).collect()
        });
        let mut stored = Vec::with_capacity(slots.len());
        read_pieces(log, &pieces, |entry| {
            stored.push(entry);
            Ok(())
        })?;
        let mut staging = self.stage();
        for (slot, entry) in slots.iter().zip(&stored) {
            if !staging.holds(log, slot) {
                continue;
            }
            let Stored { index, expires_at_ms, priority, payload } = entry;
            let entry = Entry {
                index: *index,
                expires_at_ms: *expires_at_ms,
                priority: *priority,
                head: &[],
                body: payload,
            };
            let copy = staging.copy(log, entry);
            copies.bytes += u64::from(slot.len) + RECORD_COST;
            copies.slots.push((log, slot.lsn, copy));
        }
        Ok(())
    }

    /// Moves as much of the log as one segment takes.
    fn drain_segment(&self, oldest: &Oldest, log: LogId) -> Result<(), Fault> {
        let entries_max = self.options.segment_entries_max as usize;
        let mut bytes = 0_u64;
        let mut fits = |slot: &Slot| {
            let fits =
                bytes == 0 || bytes.saturating_add(u64::from(slot.len)) <= self.options.segment_bytes_max;
            bytes = bytes.saturating_add(u64::from(slot.len));
            fits
        };
        let (slots, pieces) = self.locate(log, |slots| {
            slots.up_to_file(oldest.last_lsn).take(entries_max).take_while(&mut fits).collect()
        });
        if slots.is_empty() {
            return Ok(());
        }
        let mut writer = self.segment_writer(log)?;
        let mut taken = 0;
        let mut is_full = false;
        let written = read_pieces(log, &pieces, |entry| {
            let draft = draft(&entry);
            is_full |= !writer.fits(&draft);
            if !is_full {
                writer.push(&draft, || self.is_passed(log, draft.index))?;
                taken += 1;
            }
            Ok(())
        });
        let name = writer.name().to_owned();
        let segment = written.and_then(|()| writer.finish()).inspect_err(|_| {
            // An orphan is removed at the next start at the latest.
            let _ = self.disk.remove(&name);
        })?;
        self.install(log, segment, slots.get(..taken).unwrap_or_default());
        Ok(())
    }

    /// Begins a segment of its own number.
    pub(super) fn segment_writer(&self, log: LogId) -> Result<Writer, Fault> {
        let id = {
            let mut core = self.core.lock();
            let id = core.next_segment;
            core.next_segment += 1;
            id
        };
        let bounds = Bounds {
            bytes_max: self.options.segment_bytes_max,
            entries_max: self.options.segment_entries_max,
        };
        Writer::create(&*self.disk, id, log, bounds)
    }

    /// Puts a written segment in the place of the slots it was made from, but for what was settled meanwhile.
    fn install(&self, log: LogId, mut segment: Segment, slots: &[Slot]) {
        let mut core = self.core.lock();
        let lsn = core.last_lsn();
        core.counters.segment_bytes_written += segment.file_len;
        let Some(state) = core.logs.get_mut(&log.0) else {
            core.doomed.push(Doomed { segment: segment.id, lsn, after_generation: None });
            return;
        };
        let mut live = state.slots.from(segment.first).peekable();
        for slot in slots {
            if live.peek().is_some_and(|still| still.index == slot.index) {
                live.next();
            } else {
                segment.remove(&(slot.index..=slot.index));
            }
        }
        drop(live);
        state.slots.remove(&(segment.first..=segment.last));
        state.drained_below = state.drained_below.max(segment.last.saturating_add(1));
        if segment.live == 0 {
            core.doomed.push(Doomed { segment: segment.id, lsn, after_generation: None });
            return;
        }
        state.segments.push_back(segment);
        if state.segments.len() >= super::merge::RUN_MIN {
            core.sparse.insert(log.0);
        }
    }

    /// Chooses slots of a log and says where their records are. The files stay readable while the result lives.
    fn locate(
        &self,
        log: LogId,
        choose: impl FnOnce(&crate::log::slots::Slots) -> Vec<Slot>,
    ) -> (Vec<Slot>, Vec<(Source, Vec<Piece>)>) {
        let core = self.core.lock();
        let Some(state) = core.logs.get(&log.0) else { return (Vec::new(), Vec::new()) };
        let slots = choose(&state.slots);
        let mut pieces: Vec<(Source, Vec<Piece>)> = Vec::new();
        let mut last = None;
        for slot in &slots {
            // Invariant: a slot that can be drained was flushed, and its file is not released.
            let Some((file, offset)) = core.wal.resolve(slot.lsn, slot.offset) else {
                unreachable!("log {log:?} index {} has no place", slot.index)
            };
            if last != Some(file.epoch) {
                last = Some(file.epoch);
                pieces.push((Source { file: Arc::clone(&file.file), name: file.name.clone() }, Vec::new()));
            }
            if let Some((_, pieces)) = pieces.last_mut() {
                pieces.push(Piece { index: slot.index, offset, len: slot.len });
            }
        }
        (slots, pieces)
    }
}

/// The stored entry as one to be written to a segment.
pub(super) fn draft(entry: &Stored) -> Draft<'_> {
    Draft {
        index: entry.index,
        expires_at_ms: entry.expires_at_ms,
        priority: entry.priority,
        payload: &entry.payload,
    }
}

fn read_pieces(
    log: LogId,
    pieces: &[(Source, Vec<Piece>)],
    mut sink: impl FnMut(Stored) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for (source, pieces) in pieces {
        fetch::records(source, log, pieces, &mut sink)?;
    }
    Ok(())
}
