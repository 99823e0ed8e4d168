//! Aside: bytes that cannot be used are copied for a human, and what they held is given up so that work goes on.
//!
//! Recovery meets damage in WAL files and checkpoints; bodies in segments are only read when they are wanted, and then
//! [`Engine::give_up`] is for whoever wants them.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

use std::io;
use std::ops::{Range, RangeInclusive};

use super::Engine;
use super::read::Stretch;
use super::recover::Damage;
use crate::codec::{narrow, wide};
use crate::disk::{Disk, File};
use crate::fault::{At, Fault};
use crate::record::RECORD_OVERHEAD_MAX;
use crate::segment::Segment;
use crate::{LogId, ReadLimit, layout};

/// Bytes copied at once.
const COPY: u64 = 1024 * 1024;

/// Entries that are lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// Where the damage is, and where the bytes were kept.
    pub damage: Damage,
    /// The entries of the log that cannot be read, as far as they were live.
    pub indexes: RangeInclusive<u64>,
}

impl Engine {
    /// Gives up the first live entry of a log from `from` on if its bytes are not what was written, or all entries of its
    /// segment from there on if the footer is not. The bytes are copied aside first. None if the entry can be read,
    /// or there is none. Waits for the disk.
    ///
    /// # Errors
    /// A [`Fault`] if the entry cannot be read for another reason, or its bytes cannot be copied: then nothing is given
    /// up, and the call may be repeated.
    pub fn give_up(&self, log: LogId, from: u64) -> Result<Option<GivenUp>, Fault> {
        self.check()?;
        let one = ReadLimit { entries: 1, bytes: 1 };
        let Some((plan, stretches)) = self.plan(log, from, one) else { return Ok(None) };
        let (file, offset, reason) = match self.carry_out(log, &plan, &stretches, one, 0, &mut Vec::new()) {
            Ok(()) => return Ok(None),
            Err(Fault::Corrupt { file, offset, reason }) => (file, offset, reason),
            Err(fault) => return Err(fault),
        };
        let Some(&(index, _)) = plan.entries.first() else { return Ok(None) };
        let (indexes, kept) = match stretches.first() {
            Some(Stretch::Segment { number, .. }) => {
                let Some(segment) = plan.segments.get(*number) else { return Ok(None) };
                let last = if self.is_listed(log, segment, index) { index } else { segment.last };
                (index..=last, self.keep_segment(segment)?)
            }
            Some(Stretch::File { source, pieces, .. }) => {
                let len = pieces.first().map_or(0, |piece| u64::from(piece.len));
                let end = offset.saturating_add(len).saturating_add(wide(RECORD_OVERHEAD_MAX));
                let kept = copy(&*self.disk, &*source.file, &source.name, offset..end).at(&source.name)?;
                (index..=index, kept)
            }
            None => return Ok(None),
        };
        self.stage().settle(log, std::slice::from_ref(&indexes));
        let damage = Damage { file, offset, log: Some(log), reason, kept: Some(kept) };
        Ok(Some(GivenUp { damage, indexes }))
    }

    /// Whether the footer of the segment can be read and tells of the entry.
    fn is_listed(&self, log: LogId, segment: &Segment, index: u64) -> bool {
        self.reader(log, segment).is_ok_and(|reader| reader.find(index, &mut 0).is_ok())
    }

    /// Copies a segment, once however much of it turns out to be damaged.
    fn keep_segment(&self, segment: &Segment) -> Result<String, Fault> {
        let name = segment.name();
        let aside = layout::aside(&name, 0);
        let is_kept =
            self.disk.open(&aside).and_then(|copy| copy.len()).is_ok_and(|len| len == segment.file_len);
        if is_kept {
            return Ok(aside);
        }
        let file = self.disk.open(&name).at(&name)?;
        copy(&*self.disk, &*file, &name, 0..segment.file_len).at(&aside)
    }
}

/// Copies a stretch of a file aside, as far as there is one. Returns the name of the copy.
pub(super) fn copy(disk: &dyn Disk, file: &dyn File, name: &str, range: Range<u64>) -> io::Result<String> {
    let aside = layout::aside(name, range.start);
    let write = || {
        let copy = disk.create(&aside)?;
        let mut at = range.start;
        let mut buffer = vec![0; narrow(COPY)];
        while at < range.end {
            let wanted = narrow((range.end.saturating_sub(at)).min(COPY));
            let read = file.read_at(at, buffer.get_mut(..wanted).unwrap_or_default())?;
            if read == 0 {
                break;
            }
            copy.write_at(at.saturating_sub(range.start), &[buffer.get(..read).unwrap_or_default()])?;
            at = at.saturating_add(wide(read));
        }
        copy.sync_data()?;
        disk.sync_dir()
    };
    write().inspect_err(|_| {
        // Half a copy is of no use, and its space may be needed.
        let _ = disk.remove(&aside);
    })?;
    Ok(aside)
}
