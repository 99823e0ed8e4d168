//! Recovery: from what is in the folder to a running engine.
//!
//! The checkpoint, then the WAL files it still needs; bodies of segments are not read, so the time does not grow with
//! the backlog. Nothing has to be written to recover, so a full disk is no obstacle. What cannot be used is reported
//! and kept aside; what is left over of unfinished work is removed.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

mod replay;
mod sweep;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use foldhash::fast::FixedState;
use parking_lot::{Condvar, Mutex};

use super::Engine;
use super::core::{Core, Spare};
use super::flush::Writer;
use super::room;
use super::snapshot::{read_whole, replace};
use super::upkeep::{self, Keeper};
use crate::checkpoint::{self, CleanMark, Groundwork};
use crate::disk::{Disk, Listed};
use crate::fault::{At, Fault, Reason};
use crate::log::Log;
use crate::segment::reader::Shelf;
use crate::wal::WalFile;
use crate::wal::scan::{End, ScanFile};
use crate::{LogId, LogState, Options, layout};
use layout::Kind;

/// The version of everything on disk.
const FORMAT_VERSION: u32 = 1;
const FORMAT_PREFIX: &str = "harefoot storage ";

/// What recovery found.
#[derive(Debug)]
pub struct Recovered {
    /// All durable logs, by ascending id.
    pub logs: Vec<RecoveredLog>,
    /// True if the last stop was clean and nothing is missing: then deliveries are as they were told at that stop.
    pub clean: bool,
    /// A number above the ids of all durable logs that ever were.
    pub next_log_hint: u64,
    /// Confirmed bytes that cannot be used. The logs named are incomplete; where none is named, any log with entries
    /// in that file may be.
    pub damaged: Vec<Damage>,
    /// A write that the crash interrupted, never confirmed, and cut off.
    pub torn_tail: Option<TornTail>,
}

/// One recovered log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredLog {
    /// Its id.
    pub id: LogId,
    /// What is in it.
    pub state: LogState,
    /// After a clean stop, the index up to which it had been delivered, if that was told.
    pub delivered_up_to: Option<u64>,
}

/// Confirmed bytes that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// The log that lost something, if that can be told.
    pub log: Option<LogId>,
    /// What is wrong.
    pub reason: Reason,
    /// The file in which the bytes were kept, unless there were none or there was no space.
    pub kept: Option<String>,
}

/// A frame that a crash interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The WAL file.
    pub file: String,
    /// Where the frame begins.
    pub offset: u64,
    /// Its bytes, as far as they are in the file.
    pub len: u64,
    /// The file in which they were kept, unless there was no space.
    pub kept: Option<String>,
}

/// An intact checkpoint and the slot it is in.
type Decoded = (Groundwork, Vec<(LogId, Log)>, usize);

/// What is known before the WAL is read.
#[derive(Debug)]
struct Found {
    base: Groundwork,
    logs: Vec<(LogId, Log)>,
    /// Which checkpoint slot holds it.
    slot: Option<usize>,
    /// Checkpoint slots that cannot be read.
    unreadable: Vec<Damage>,
    clean: Option<CleanMark>,
    files: Vec<Listed>,
}

impl Engine {
    /// Recovers what the disk holds, or begins anew on an empty one.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Recovered), Fault> {
        let options = options.sane();
        check_format(&*disk)?;
        let found = survey(&*disk)?;
        let scans = open_wal(&*disk, &found)?;
        let mut core = Core::new(options.wal_file_bytes_min);
        core.next_segment = found.base.next_segment;
        core.next_log = found.base.next_log;
        core.generation = found.base.generation;
        core.has_ballast = found
            .files
            .iter()
            .any(|file| file.name == layout::BALLAST && file.len == options.wal_file_bytes_min);
        let keeper = Keeper {
            slot: found.slot.map_or(0, |slot| usize::from(slot == 0)),
            generation: found.base.generation,
        };
        let mut damaged = missing_start(&found, &scans);
        core.logs.extend(found.logs.into_iter().map(|(id, log)| (id.0, log)));
        for scan in &scans {
            core.wal.files.push_back(WalFile {
                epoch: scan.epoch,
                name: scan.name.clone(),
                file: Arc::clone(&scan.file),
                capacity: scan.len,
                first_lsn: 0,
                previous: 0,
                logs: HashSet::with_hasher(FixedState::default()),
            });
        }
        let complete = found.clean.as_ref().map(|mark| mark.durable);
        let end = replay::replay(&*disk, &mut core, &scans, &found.base, complete, &mut damaged)?;
        let torn_tail = end.torn.and_then(|len| sweep::keep_torn(&*disk, &scans, &end, len));
        if let Some(scan) = scans.get(end.file) {
            // What was read may not have been synced before the crash, and is confirmed by being here from now on.
            scan.file.sync_data().at(&scan.name)?;
        }
        sweep::sweep(&*disk, &mut core, &found.files, found.base.first_epoch, &mut damaged)?;
        if found.clean.is_some() {
            upkeep::remove(&*disk, layout::CLEAN)?;
        }
        disk.sync_dir().at("")?;
        let clean = damaged.is_empty() && complete.is_some_and(|last| last.checked_add(1) == Some(end.lsn));
        let recovered = summary(&core, clean.then_some(found.clean).flatten(), damaged, torn_tail);
        take_spare(&*disk, &mut core, &found.files, &options)?;
        let share = AtomicU64::new(room::share(&*disk));
        let writer = begin_writing(&*disk, &mut core, &end, &found.base, &options)?;
        let engine = Self {
            disk,
            shelf: Mutex::new(Shelf::new(options.footers_bytes_max)),
            options,
            core: Mutex::new(core),
            work: Condvar::new(),
            chores: Condvar::new(),
            space: Condvar::new(),
            writer: Mutex::new(writer),
            keeper: Mutex::new(keeper),
            flushed: AtomicU64::new(end.lsn.saturating_sub(1)),
            staged_bytes: AtomicU64::new(0),
            is_poisoned: AtomicBool::new(false),
            is_short: AtomicBool::new(false),
            share,
        };
        Ok((engine, recovered))
    }
}

/// Refuses files of a newer version; gives an empty disk its version.
fn check_format(disk: &dyn Disk) -> Result<(), Fault> {
    let name = layout::FORMAT;
    let Some(bytes) = read_whole(disk, name)? else {
        let is_ours = |listed: &Listed| matches!(layout::kind(&listed.name), Kind::Wal(_) | Kind::Segment(_));
        if disk.list().at("")?.iter().any(is_ours) {
            return Err(Fault::corrupt(name, 0, Reason::Missing));
        }
        let line = format!("{FORMAT_PREFIX}{FORMAT_VERSION}\n");
        return replace(disk, &format!("{name}.part"), name, &[line.as_bytes()]);
    };
    let version = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|line| line.trim_end().strip_prefix(FORMAT_PREFIX)?.parse::<u32>().ok())
        .filter(|version| *version > 0)
        .ok_or_else(|| Fault::corrupt(name, 0, Reason::Field))?;
    if version > FORMAT_VERSION {
        return Err(Fault::NewerFormat { found: version, known: FORMAT_VERSION });
    }
    Ok(())
}

/// Reads the newest intact checkpoint, the clean mark and the list of files.
fn survey(disk: &dyn Disk) -> Result<Found, Fault> {
    let mut best: Option<Decoded> = None;
    let mut unreadable = Vec::new();
    for (slot, name) in layout::CHECKPOINTS.into_iter().enumerate() {
        let Some(bytes) = read_whole(disk, name)? else { continue };
        match checkpoint::decode(&bytes) {
            Ok((base, logs)) => {
                if best.as_ref().is_none_or(|(other, ..)| other.generation < base.generation) {
                    best = Some((base, logs, slot));
                }
            }
            Err(reason) => {
                unreadable.push(Damage { file: name.to_owned(), offset: 0, log: None, reason, kept: None });
            }
        }
    }
    let clean = read_whole(disk, layout::CLEAN)?.and_then(|bytes| CleanMark::decode(&bytes));
    let files = disk.list().at("")?;
    let (base, logs, slot) = match best {
        Some((base, logs, slot)) => (base, logs, Some(slot)),
        None => (Groundwork::NEW, Vec::new(), None),
    };
    Ok(Found { base, logs, slot, unreadable, clean, files })
}

/// Opens the WAL files that are still needed, oldest first.
fn open_wal(disk: &dyn Disk, found: &Found) -> Result<Vec<ScanFile>, Fault> {
    let mut scans = Vec::new();
    for listed in &found.files {
        if let Kind::Wal(epoch) = layout::kind(&listed.name)
            && epoch >= found.base.first_epoch
        {
            let file = disk.open(&listed.name).at(&listed.name)?;
            scans.push(ScanFile { epoch, name: listed.name.clone(), file, len: listed.len });
        }
    }
    scans.sort_by_key(|scan| scan.epoch);
    Ok(scans)
}

/// A checkpoint slot that cannot be read is what a crash leaves, as long as the other one has all its WAL files. If
/// not, the unreadable one had been in force.
fn missing_start(found: &Found, scans: &[ScanFile]) -> Vec<Damage> {
    let is_new = found.slot.is_none() && found.unreadable.is_empty() && scans.is_empty();
    if is_new || scans.first().is_some_and(|scan| scan.epoch == found.base.first_epoch) {
        return Vec::new();
    }
    let mut damaged = found.unreadable.clone();
    let file = layout::wal(found.base.first_epoch);
    damaged.push(Damage { file, offset: 0, log: None, reason: Reason::Missing, kept: None });
    damaged
}

fn summary(
    core: &Core,
    clean: Option<CleanMark>,
    damaged: Vec<Damage>,
    torn_tail: Option<TornTail>,
) -> Recovered {
    let mut delivered = clean.as_ref().map(|mark| mark.delivered.clone()).unwrap_or_default();
    delivered.sort_unstable();
    let delivered_up_to = |id: LogId| {
        let at = delivered.binary_search_by_key(&id, |(log, _)| *log).ok()?;
        delivered.get(at).map(|(_, up_to)| *up_to)
    };
    let mut logs: Vec<RecoveredLog> = core
        .logs
        .iter()
        .map(|(id, log)| {
            let id = LogId(*id);
            RecoveredLog { id, state: log.state(), delivered_up_to: delivered_up_to(id) }
        })
        .collect();
    logs.sort_unstable_by_key(|log| log.id);
    Recovered { logs, clean: clean.is_some(), next_log_hint: core.next_log, damaged, torn_tail }
}

/// Takes a prepared WAL file that was left, if it is of use, and removes others.
fn take_spare(disk: &dyn Disk, core: &mut Core, files: &[Listed], options: &Options) -> Result<(), Fault> {
    for listed in files {
        let Kind::Spare(number) = layout::kind(&listed.name) else { continue };
        core.next_spare = core.next_spare.max(number.saturating_add(1));
        let fits = (options.wal_file_bytes_min..=options.wal_file_bytes_max).contains(&listed.len);
        if fits && core.spare.is_none() {
            let file = disk.open(&listed.name).at(&listed.name)?;
            core.spare = Some(Spare { name: listed.name.clone(), file, capacity: listed.len });
        } else {
            upkeep::remove(disk, &listed.name)?;
        }
    }
    Ok(())
}

/// Goes on in the last WAL file, behind the last frame, or begins the first.
fn begin_writing(
    disk: &dyn Disk,
    core: &mut Core,
    end: &End,
    base: &Groundwork,
    options: &Options,
) -> Result<Writer, Fault> {
    core.next_lsn = end.lsn;
    if core.wal.files.is_empty() {
        let epoch = base.first_epoch;
        let name = layout::wal(epoch);
        let capacity = options.wal_file_bytes_min;
        let file = disk.create(&name).at(&name)?;
        file.preallocate(capacity).and_then(|()| file.sync_data()).at(&name)?;
        disk.sync_dir().at(&name)?;
        core.wal.files.push_back(WalFile {
            epoch,
            name,
            file,
            capacity,
            first_lsn: end.lsn,
            previous: end.previous,
            logs: HashSet::with_hasher(FixedState::default()),
        });
    } else {
        core.wants_seal = true;
    }
    let last = core.wal.files.len().saturating_sub(1);
    let position = if end.file == last { end.offset } else { 0 };
    let Some(active) = core.wal.files.get(last) else { unreachable!("there is one now") };
    core.room = active.capacity.saturating_sub(position);
    Ok(Writer {
        file: Arc::clone(&active.file),
        name: active.name.clone(),
        epoch: active.epoch,
        position,
        capacity: active.capacity,
        previous: end.previous,
    })
}
