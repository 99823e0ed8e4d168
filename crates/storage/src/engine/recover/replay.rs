//! Replay: the records of the WAL, applied to the state of the checkpoint.
//!
//! Records that the checkpoint reflects already change nothing: entries below `drained_below` are passed over, settling
//! is idempotent, and a drop comes after everything else of its log. A wounded frame gives what is intact in it: a
//! record with a good checksum is what was confirmed, even if its group is incomplete, and the damage is told.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

use super::Damage;
use super::sweep;
use crate::LogId;
use crate::checkpoint::Groundwork;
use crate::codec::{narrow, wide};
use crate::disk::Disk;
use crate::engine::core::Core;
use crate::fault::{Fault, Reason};
use crate::frame::{FRAME_HEAD, Frame};
use crate::log::Settled;
use crate::log::slots::Slot;
use crate::record::{self, Record};
use crate::wal::scan::{self, End, Found, ScanFile};

/// Reads the WAL back into the core and says where it ends.
pub(super) fn replay(
    disk: &dyn Disk,
    core: &mut Core,
    scans: &[ScanFile],
    base: &Groundwork,
    complete: Option<u64>,
    damaged: &mut Vec<Damage>,
) -> Result<End, Fault> {
    let start = (base.first_lsn, base.previous);
    let mut begun: Vec<Option<(u64, u32)>> = vec![None; scans.len()];
    let end = scan::scan(scans, start, base.durable, complete, |found| {
        match found {
            Found::Frame { file, offset, frame, records } => {
                note(core, scans, &mut begun, file, offset, &frame);
                apply_all(core, scans, file, offset, &frame, records, damaged);
            }
            Found::Wounded { file, offset, frame, records } => {
                note(core, scans, &mut begun, file, offset, &frame);
                let kept = sweep::keep(
                    disk,
                    scans,
                    (file, offset),
                    Some((file, offset.saturating_add(frame.padded()))),
                );
                let name = scans.get(file).map_or_else(String::new, |scan| scan.name.clone());
                damaged.push(Damage { file: name, offset, log: None, reason: Reason::Checksum, kept });
                apply_all(core, scans, file, offset, &frame, records, damaged);
            }
            Found::Gap { file, offset, end, reason } => {
                let kept = sweep::keep(disk, scans, (file, offset), end);
                let name = scans.get(file).map_or_else(String::new, |scan| scan.name.clone());
                damaged.push(Damage { file: name, offset, log: None, reason, kept });
            }
        }
        Ok(())
    })?;
    // A file without a frame begins where the one after it does, or at the end.
    let mut next = (end.lsn, end.previous);
    for (file, begun) in core.wal.files.iter_mut().zip(&begun).rev() {
        next = begun.unwrap_or(next);
        (file.first_lsn, file.previous) = next;
    }
    Ok(end)
}

/// Keeps in mind where a frame stands, and with which frame a file begins.
fn note(
    core: &mut Core,
    scans: &[ScanFile],
    begun: &mut [Option<(u64, u32)>],
    file: usize,
    offset: u64,
    frame: &Frame,
) {
    if let Some(scan) = scans.get(file) {
        core.wal.note(frame.lsn, scan.epoch, offset);
    }
    if let Some(begun) = begun.get_mut(file) {
        begun.get_or_insert((frame.lsn, frame.previous));
    }
}

fn apply_all(
    core: &mut Core,
    scans: &[ScanFile],
    file: usize,
    offset: u64,
    frame: &Frame,
    records: &[u8],
    damaged: &mut Vec<Damage>,
) {
    let name = || scans.get(file).map_or_else(String::new, |scan| scan.name.clone());
    let mut at = 0_usize;
    for number in 0..frame.count {
        let rest = records.get(at..).unwrap_or_default();
        let lsn = frame.lsn.saturating_add(u64::from(number));
        match record::decode(rest) {
            Ok((record, len)) => {
                if let Ok(place) = u32::try_from(at) {
                    apply(core, file, lsn, place, &record);
                }
                at = at.saturating_add(len);
            }
            Err(reason) => {
                let place = offset.saturating_add(wide(FRAME_HEAD)).saturating_add(wide(at));
                let log = record::guess_log(rest).filter(|log| core.logs.contains_key(&log.0));
                damaged.push(Damage { file: name(), offset: place, log, reason, kept: None });
                let len = record::total_len(rest).filter(|len| *len <= rest.len());
                let Some(len) = len else { return };
                at = at.saturating_add(len);
            }
        }
    }
}

fn apply(core: &mut Core, file: usize, lsn: u64, offset: u32, record: &Record<'_>) {
    match record {
        Record::Append { log, index, payload, .. } => {
            append(core, file, *log, lsn, offset, (*index, payload.len()))
        }
        Record::Settle { log, ranges } => {
            let Some(state) = core.logs.get_mut(&log.0) else { return };
            let mut settled = Settled::default();
            for range in ranges {
                state.settle(range, &mut settled);
            }
            core.retire(*log, settled, lsn);
        }
        Record::Drop { log } => {
            core.forget(*log, lsn);
        }
    }
}

fn append(core: &mut Core, file: usize, log: LogId, lsn: u64, offset: u32, (index, len): (u64, usize)) {
    // No writer makes these: see `Staging::append`.
    if log.is_volatile() || index == u64::MAX {
        return;
    }
    core.next_log = core.next_log.max(log.0.saturating_add(1));
    let state = core.logs.entry(log.0).or_default();
    state.next = state.next.max(index.saturating_add(1));
    if index < state.drained_below {
        return;
    }
    // A record is read into memory as a whole, so its length fits.
    let len = u32::try_from(narrow(wide(len))).unwrap_or(u32::MAX);
    state.slots.replay(Slot { index, lsn, offset, len });
    if let Some(file) = core.wal.files.get_mut(file) {
        file.logs.insert(log.0);
    }
}
