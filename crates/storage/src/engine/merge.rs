//! Merge: neighbouring segments of a log that are sparse or small become one.
//!
//! Only live entries are copied. The old files go once a checkpoint knows the new one; until then that is an orphan.
//! Segments that are consumed in order are not sparse: they soon go by themselves.

use std::collections::VecDeque;

use super::Engine;
use super::core::Doomed;
use super::drain::draft;
use super::fetch;
use super::upkeep::Keeper;
use crate::fault::Fault;
use crate::log::Log;
use crate::segment::{SPAN_MAX, Segment};
use crate::{LogId, Options};

/// So many small segments in a row are worth merging.
pub(super) const RUN_MIN: usize = 4;

impl Engine {
    /// Merges one run of segments if some are due, else writes a checkpoint if one is wanted.
    pub(super) fn merge_next(&self, keeper: &mut Keeper) -> Result<(), Fault> {
        let next = self.core.lock().merges.pop_first();
        match next {
            Some(log) => self.merge(LogId(log)).inspect_err(|fault| {
                // What lacks space is tried again; what cannot be read stays as it is.
                if fault.is_full() {
                    self.core.lock().merges.insert(log);
                }
            }),
            None if self.core.lock().wants_checkpoint => self.checkpoint(keeper, 0),
            None => Ok(()),
        }
    }

    fn merge(&self, log: LogId) -> Result<(), Fault> {
        let olds = {
            let core = self.core.lock();
            let Some(state) = core.logs.get(&log.0) else { return Ok(()) };
            match choose(&state.segments, &self.options) {
                Some(olds) => olds,
                None => return Ok(()),
            }
        };
        let mut merged = Merged::default();
        if let Err(fault) = self.write_merged(log, &olds, &mut merged) {
            for name in merged.names {
                // Orphans are removed at the next start at the latest.
                let _ = self.disk.remove(&name);
            }
            return Err(fault);
        }
        self.replace(log, &olds, merged);
        Ok(())
    }

    fn write_merged(&self, log: LogId, olds: &[Segment], merged: &mut Merged) -> Result<(), Fault> {
        let mut writer = None;
        for old in olds {
            let reader = self.reader(log, old)?;
            let mut positions = Vec::with_capacity(old.live as usize);
            let mut ordinal = 0;
            let mut next = old.next_live(0);
            while let Some(index) = next {
                positions.push(reader.find(index, &mut ordinal)?);
                next = old.next_live(index.saturating_add(1));
            }
            fetch::entries(&reader, &positions, |entry| {
                let draft = draft(&entry);
                let mut current = match writer.take() {
                    Some(writer) => writer,
                    None => merged.begin(self, log)?,
                };
                if !current.fits(&draft) {
                    merged.segments.push(current.finish()?);
                    current = merged.begin(self, log)?;
                }
                current.push(&draft, || false)?;
                merged.indexes.push(entry.index);
                writer = Some(current);
                Ok(())
            })?;
        }
        if let Some(writer) = writer {
            merged.segments.push(writer.finish()?);
        }
        Ok(())
    }

    /// Puts the merged segments in the place of the old ones, but for what was settled meanwhile.
    fn replace(&self, log: LogId, olds: &[Segment], merged: Merged) {
        let mut guard = self.core.lock();
        let core = &mut *guard;
        let lsn = core.last_lsn();
        let mut news = merged.segments;
        core.counters.merged_segments += olds.len() as u64;
        core.counters.segment_bytes_written += news.iter().map(|segment| segment.file_len).sum::<u64>();
        core.wants_checkpoint = true;
        let Some(state) = core.logs.get_mut(&log.0) else {
            core.doomed.extend(news.iter().map(|new| Doomed {
                segment: new.id,
                lsn,
                after_generation: None,
            }));
            return;
        };
        for index in merged.indexes {
            if !is_live(state, index) {
                for new in &mut news {
                    new.remove(&(index..=index));
                }
            }
        }
        let is_old = |segment: &Segment| olds.iter().any(|old| old.id == segment.id);
        let gone = state.segments.iter().filter(|segment| is_old(segment)).map(|segment| segment.id);
        let after_generation = Some(core.generation);
        core.doomed.extend(gone.map(|segment| Doomed { segment, lsn, after_generation }));
        state.segments.retain(|segment| !is_old(segment));
        for new in news {
            if new.live == 0 {
                core.doomed.push(Doomed { segment: new.id, lsn, after_generation: None });
                continue;
            }
            let at = state.segments.partition_point(|segment| segment.first < new.first);
            state.segments.insert(at, new);
        }
        if choose(&state.segments, &self.options).is_some() {
            core.merges.insert(log.0);
        }
    }
}

/// What a merge has written so far.
#[derive(Debug, Default)]
struct Merged {
    segments: Vec<Segment>,
    names: Vec<String>,
    indexes: Vec<u64>,
}

impl Merged {
    fn begin(&mut self, engine: &Engine, log: LogId) -> Result<crate::segment::writer::Writer, Fault> {
        let writer = engine.segment_writer(log)?;
        self.names.push(writer.name().to_owned());
        Ok(writer)
    }
}

fn is_live(state: &Log, index: u64) -> bool {
    let at = state.segments.partition_point(|segment| segment.last < index);
    state.segments.get(at).is_some_and(|segment| segment.next_live(index) == Some(index))
}

/// The first run of segments worth merging into one: with a sparse one in it, or of several small ones.
fn choose(segments: &VecDeque<Segment>, options: &Options) -> Option<Vec<Segment>> {
    let is_small = |segment: &Segment| {
        segment.live_bytes() < options.segment_bytes_max / 4 && segment.live < options.segment_entries_max / 4
    };
    let mut start = 0;
    while let Some(first) = segments.get(start) {
        let (mut entries, mut bytes) = (0_u64, 0_u64);
        let run: Vec<&Segment> = segments
            .range(start..)
            .take_while(|segment| {
                entries += u64::from(segment.live);
                bytes += segment.live_bytes();
                (segment.is_sparse() || is_small(segment))
                    && entries <= u64::from(options.segment_entries_max)
                    && bytes <= options.segment_bytes_max
                    && segment.last - first.first < SPAN_MAX
            })
            .collect();
        if run.len() >= RUN_MIN || run.iter().any(|segment| segment.is_sparse()) {
            return Some(run.into_iter().cloned().collect());
        }
        start += run.len().max(1);
    }
    None
}
