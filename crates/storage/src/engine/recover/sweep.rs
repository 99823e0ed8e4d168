//! Sweep: after the replay, which files are in their place, which are left over, and what is kept for a human.
//!
//! While anything is damaged, nothing is removed that might hold what is missing. Keeping bytes aside is best effort: it
//! must not stop recovery, least of all on a full disk.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use super::{Damage, TornTail};
use crate::disk::{Disk, Listed};
use crate::engine::aside::copy;
use crate::engine::core::Core;
use crate::engine::upkeep::remove;
use crate::fault::{Fault, Reason};
use crate::wal::scan::{End, ScanFile};
use crate::{LogId, layout};
use layout::Kind;

/// Copies a stretch of the WAL aside, up to the end of its first file. Returns the name of the copy.
pub(super) fn keep(
    disk: &dyn Disk,
    scans: &[ScanFile],
    (file, offset): (usize, u64),
    end: Option<(usize, u64)>,
) -> Option<String> {
    let scan = scans.get(file)?;
    let end = match end {
        Some((other, end)) if other == file => end.min(scan.len),
        _ => scan.len,
    };
    if end <= offset {
        return None;
    }
    copy(disk, &*scan.file, &scan.name, offset..end).ok()
}

/// Keeps a torn frame aside.
pub(super) fn keep_torn(disk: &dyn Disk, scans: &[ScanFile], end: &End, len: u64) -> Option<TornTail> {
    let scan = scans.get(end.file)?;
    let kept = keep(disk, scans, (end.file, end.offset), Some((end.file, end.offset.saturating_add(len))));
    Some(TornTail { file: scan.name.clone(), offset: end.offset, len, kept })
}

/// Compares the folder with what should be in it.
pub(super) fn sweep(
    disk: &dyn Disk,
    core: &mut Core,
    files: &[Listed],
    first_epoch: u32,
    damaged: &mut Vec<Damage>,
) -> Result<(), Fault> {
    let mut segments: BTreeMap<u64, u64> = BTreeMap::new();
    for listed in files {
        if let Kind::Segment(id) = layout::kind(&listed.name) {
            segments.insert(id, listed.len);
            core.next_segment = core.next_segment.max(id.saturating_add(1));
        }
    }
    check_segments(disk, core, &mut segments, damaged);
    for id in segments.into_keys() {
        let name = layout::segment(id);
        if damaged.is_empty() {
            remove(disk, &name)?;
        } else {
            set_aside(disk, &name);
        }
    }
    // Everything that was doomed by the replay is among the files just removed.
    core.doomed.clear();
    for listed in files {
        match layout::kind(&listed.name) {
            Kind::Wal(epoch) if epoch < first_epoch => remove(disk, &listed.name)?,
            Kind::Spill | Kind::Part => remove(disk, &listed.name)?,
            _ => {}
        }
    }
    Ok(())
}

/// Takes the files that are in use out of the list; segments whose file is missing or too short are given up.
fn check_segments(
    disk: &dyn Disk,
    core: &mut Core,
    segments: &mut BTreeMap<u64, u64>,
    damaged: &mut Vec<Damage>,
) {
    let mut lost: Vec<(LogId, u64, Reason)> = Vec::new();
    for (id, log) in &core.logs {
        for segment in &log.segments {
            match segments.remove(&segment.id) {
                Some(len) if len == segment.file_len => {}
                Some(_) => lost.push((LogId(*id), segment.id, Reason::Short)),
                None => lost.push((LogId(*id), segment.id, Reason::Missing)),
            }
        }
    }
    // The order of the map must not show.
    lost.sort_unstable_by_key(|(log, segment, _)| (*log, *segment));
    for (log, id, reason) in lost {
        if let Some(state) = core.logs.get_mut(&log.0) {
            state.segments.retain(|segment| segment.id != id);
        }
        let file = layout::segment(id);
        let kept = if reason == Reason::Missing { None } else { set_aside(disk, &file) };
        damaged.push(Damage { file, offset: 0, log: Some(log), reason, kept });
    }
}

fn set_aside(disk: &dyn Disk, name: &str) -> Option<String> {
    let aside = layout::aside(name, 0);
    disk.rename(name, &aside).ok().map(|()| aside)
}
