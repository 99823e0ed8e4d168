//! World: an engine on a simulated disk, with a list of all groups staged and what they make of plain maps.
//!
//! After a crash the engine must hold exactly what some prefix of the groups makes, and the prefix must have all groups
//! that were reported as flushed: so nothing is lost, nothing invented, and no group is torn.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use storage::disk::memory::MemoryDisk;
use storage::{Engine, Entry, Fault, Lead, LogId, Lsn, Options, ReadLimit, Recovered, Stored};

/// The same seed, the same numbers (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// An entry as the model keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) expires_at_ms: u64,
    pub(crate) priority: u8,
    pub(crate) payload: Vec<u8>,
}

pub(crate) type Logs = BTreeMap<u64, BTreeMap<u64, Kept>>;

#[derive(Debug, Clone)]
pub(crate) enum Change {
    Append(u64, u64, Kept),
    Settle(u64, RangeInclusive<u64>),
    Drop(u64),
}

impl Change {
    pub(crate) fn apply(&self, logs: &mut Logs) {
        match self {
            Self::Append(log, index, kept) => {
                logs.entry(*log).or_default().insert(*index, kept.clone());
            }
            Self::Settle(log, range) => {
                if let Some(log) = logs.get_mut(log) {
                    log.retain(|index, _| !range.contains(index));
                }
            }
            Self::Drop(log) => {
                logs.remove(log);
            }
        }
    }
}

pub(crate) struct World {
    pub(crate) disk: MemoryDisk,
    pub(crate) engine: Engine,
    pub(crate) options: Options,
    pub(crate) dice: Dice,
    /// What the engine held when it was opened.
    pub(crate) base: Logs,
    pub(crate) groups: Vec<(Lsn, Vec<Change>)>,
    /// What is in memory of the caller only and may be spilled, and what is spilled.
    pub(crate) transient: BTreeMap<(u64, u64), Kept>,
    pub(crate) spilled: Logs,
    pub(crate) next_log: u64,
    /// The last LSN that was reported as flushed.
    pub(crate) flushed: Lsn,
}

/// Sizes at which everything happens all the time.
pub(crate) fn tiny() -> Options {
    Options {
        wal_file_bytes_min: 8 * 1024,
        wal_file_bytes_max: 32 * 1024,
        wal_bytes_max: 4 * 1024 * 1024,
        space_wait: Duration::ZERO,
        batch_bytes_max: 4 * 1024,
        settle_delay: Duration::ZERO,
        segment_bytes_max: 3000,
        segment_entries_max: 8,
        copy_forward_bytes_max: 400,
        footers_bytes_max: 4096,
    }
}

pub(crate) fn open(disk: &MemoryDisk, options: &Options) -> Result<(Engine, Recovered), Fault> {
    Engine::open(Arc::new(disk.clone()), options.clone())
}

fn put(engine: &Engine, changes: &[Change]) -> Lsn {
    let mut staging = engine.stage();
    for change in changes {
        match change {
            Change::Append(log, index, kept) => {
                let (head, body) = kept.payload.split_at(kept.payload.len() / 2);
                let (expires_at_ms, priority) = (kept.expires_at_ms, kept.priority);
                staging.append(LogId(*log), Entry { index: *index, expires_at_ms, priority, head, body });
            }
            Change::Settle(log, range) => staging.settle(LogId(*log), std::slice::from_ref(range)),
            Change::Drop(log) => staging.drop_log(LogId(*log)),
        }
    }
    staging.lsn()
}

/// All live entries of a log, read in small steps.
pub(crate) fn read_all(engine: &Engine, log: u64, limit: ReadLimit) -> Result<BTreeMap<u64, Kept>, Fault> {
    let mut found = BTreeMap::new();
    let mut from = 0;
    loop {
        let mut out: Vec<Stored> = Vec::new();
        engine.read(LogId(log), from, limit, &mut out)?;
        if out.is_empty() {
            return Ok(found);
        }
        assert!(out.len() <= limit.entries.max(1));
        for stored in out {
            assert!(stored.index >= from, "reads ascend");
            from = stored.index + 1;
            let Stored { index, expires_at_ms, priority, payload } = stored;
            found.insert(index, Kept { expires_at_ms, priority, payload: payload.to_vec() });
        }
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let disk = MemoryDisk::new();
        let options = tiny();
        let (engine, recovered) = open(&disk, &options).unwrap();
        assert!(recovered.logs.is_empty() && recovered.damaged.is_empty());
        Self::on(disk, engine, options, seed)
    }

    pub(crate) fn on(disk: MemoryDisk, engine: Engine, options: Options, seed: u64) -> Self {
        Self {
            disk,
            engine,
            options,
            dice: Dice(seed),
            base: Logs::new(),
            groups: Vec::new(),
            transient: BTreeMap::new(),
            spilled: Logs::new(),
            next_log: 1,
            flushed: Lsn(0),
        }
    }

    /// What some number of groups makes of the base.
    pub(crate) fn after(&self, groups: usize) -> Logs {
        let mut logs = self.base.clone();
        for (_, changes) in &self.groups[..groups] {
            for change in changes {
                change.apply(&mut logs);
            }
        }
        logs
    }

    fn kept(&mut self, log: u64, index: u64) -> Kept {
        let len = match self.dice.below(40) {
            0 => 5000,
            1 => 40_000,
            2..=9 => 0,
            _ => self.dice.below(300),
        };
        let flavour = log.wrapping_mul(31).wrapping_add(index);
        let payload = (0..len).map(|at| (flavour.wrapping_mul(at + 7) >> 3) as u8).collect();
        let expires_at_ms = if self.dice.below(4) == 0 { 1_700_000_000_000 + index } else { 0 };
        let priority = if self.dice.below(4) == 0 { (index % 10) as u8 } else { 0 };
        Kept { expires_at_ms, priority, payload }
    }

    fn pick(&mut self) -> u64 {
        if self.next_log == 1 || (self.next_log < 7 && self.dice.below(12) == 0) {
            self.next_log += 1;
        }
        1 + self.dice.below(self.next_log - 1)
    }

    /// Stages one group of a few changes.
    pub(crate) fn stage(&mut self) {
        let changes = self.some_changes();
        self.stage_group(changes);
    }

    /// The same, and flushes it without the thread whose task that is, unless somebody waits for that one.
    fn lead(&mut self) -> Result<(), Fault> {
        let changes = self.some_changes();
        let lead = self.engine.lead();
        let lsn = put(&self.engine, &changes);
        let flushed = lead.map_or(Ok(None), Lead::flush);
        self.note(lsn, changes);
        self.flushed = flushed?.unwrap_or(self.flushed);
        Ok(())
    }

    fn some_changes(&mut self) -> Vec<Change> {
        let count = 1 + self.dice.below(5);
        let mut changes = Vec::new();
        for _ in 0..count {
            let log = self.pick();
            let dropped = changes.iter().chain(self.groups.iter().flat_map(|(_, changes)| changes));
            let was_dropped =
                dropped.into_iter().any(|change| matches!(change, Change::Drop(id) if *id == log));
            match self.dice.below(20) {
                0 if self.dice.below(6) == 0 && self.base.get(&log).is_none() => {
                    changes.push(Change::Drop(log))
                }
                1..=6 => changes.push(Change::Settle(log, self.range(log))),
                _ if was_dropped => {}
                _ => {
                    let staged = changes.iter().filter_map(|change| match change {
                        Change::Append(id, index, _) if *id == log => Some(index + 1),
                        _ => None,
                    });
                    let mut index = self.engine.state(LogId(log)).next.max(staged.max().unwrap_or(0));
                    index = index.max(
                        self.transient
                            .keys()
                            .filter(|(id, _)| *id == log)
                            .map(|(_, i)| i + 1)
                            .max()
                            .unwrap_or(0),
                    );
                    match self.dice.below(8) {
                        0 => {
                            let kept = self.kept(log, index);
                            self.transient.insert((log, index), kept);
                        }
                        1 => changes.push(Change::Append(
                            log,
                            index + self.dice.below(50),
                            self.kept(log, index),
                        )),
                        _ => changes.push(Change::Append(log, index, self.kept(log, index))),
                    }
                }
            }
        }
        changes
    }

    fn range(&mut self, log: u64) -> RangeInclusive<u64> {
        let state = self.engine.state(LogId(log));
        let span = state.next.saturating_sub(state.first) + 1;
        match self.dice.below(5) {
            0 | 1 => state.first..=state.first + self.dice.below(4),
            2 => 0..=state.first + self.dice.below(span),
            _ => {
                let start = state.first + self.dice.below(span);
                start..=start + self.dice.below(3)
            }
        }
    }

    pub(crate) fn stage_group(&mut self, changes: Vec<Change>) {
        let lsn = put(&self.engine, &changes);
        self.note(lsn, changes);
    }

    fn note(&mut self, lsn: Lsn, changes: Vec<Change>) {
        for change in &changes {
            change.apply(&mut self.spilled);
            match change {
                Change::Settle(log, range) => {
                    self.transient.retain(|(id, index), _| id != log || !range.contains(index));
                }
                Change::Drop(log) => self.transient.retain(|(id, _), _| id != log),
                Change::Append(log, index, _) => {
                    if let Some(spilled) = self.spilled.get_mut(log) {
                        spilled.remove(index);
                    }
                }
            }
        }
        self.groups.push((lsn, changes));
    }

    /// Spills some of what is transient.
    pub(crate) fn spill(&mut self) -> Result<(), Fault> {
        let Some((log, _)) = self.transient.keys().next().copied() else { return Ok(()) };
        let some: Vec<(u64, Kept)> = self
            .transient
            .iter()
            .filter(|((id, _), _)| *id == log)
            .map(|((_, index), kept)| (*index, kept.clone()))
            .collect();
        let entries: Vec<Entry<'_>> = some
            .iter()
            .map(|(index, kept)| Entry {
                index: *index,
                expires_at_ms: kept.expires_at_ms,
                priority: kept.priority,
                head: &[],
                body: &kept.payload,
            })
            .collect();
        self.engine.spill(LogId(log), &entries)?;
        self.transient.retain(|(id, _), _| *id != log);
        self.spilled.entry(log).or_default().extend(some);
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        self.flushed = self.engine.flush()?;
        Ok(())
    }

    /// One random step.
    pub(crate) fn step(&mut self) -> Result<(), Fault> {
        match self.dice.below(16) {
            0..=8 => {
                self.stage();
                Ok(())
            }
            9 | 10 => self.flush(),
            11 => self.lead(),
            12..=14 => self.engine.housekeep().map(drop),
            _ => self.spill(),
        }
    }

    /// Compares everything in the engine with what must be there; all of it must be flushed.
    pub(crate) fn check(&mut self) {
        let limit = ReadLimit { entries: 1 + self.dice.below(40) as usize, bytes: self.dice.below(4000) };
        let mut expect = self.after(self.groups.len());
        for (log, spilled) in &self.spilled {
            expect.entry(*log).or_default().extend(spilled.clone());
        }
        for log in 1..self.next_log {
            let found = read_all(&self.engine, log, limit).unwrap();
            let expect = expect.remove(&log).unwrap_or_default();
            assert_eq!(found, expect, "log {log}");
            let state = self.engine.state(LogId(log));
            assert_eq!(state.entries, expect.len() as u64, "log {log}");
            assert_eq!(state.first, expect.keys().next().copied().unwrap_or(state.next), "log {log}");
        }
    }

    /// Goes on with another engine, which must hold what a prefix of the groups makes, with all that was flushed.
    /// Returns the length of the prefix.
    pub(crate) fn adopt(&mut self, disk: MemoryDisk, engine: Engine, recovered: &Recovered) -> usize {
        assert_eq!(recovered.damaged, []);
        let found: Logs = recovered
            .logs
            .iter()
            .map(|log| {
                let limit = ReadLimit { entries: 100, bytes: u64::MAX };
                let entries = read_all(&engine, log.id.0, limit).unwrap();
                assert_eq!(log.state.entries, entries.len() as u64);
                (log.id.0, entries)
            })
            .filter(|(_, entries)| !entries.is_empty())
            .collect();
        let flushed = self.engine.flushed().max(self.flushed);
        let durable =
            self.groups.iter().rposition(|(lsn, _)| *lsn <= flushed && *lsn > Lsn(0)).map_or(0, |at| at + 1);
        let mut logs = self.after(durable);
        let mut matching = None;
        for groups in durable..=self.groups.len() {
            if logs.iter().filter(|(_, entries)| !entries.is_empty()).eq(found.iter()) {
                matching = Some(groups);
                break;
            }
            for change in self.groups.get(groups).into_iter().flat_map(|(_, changes)| changes) {
                change.apply(&mut logs);
            }
        }
        let Some(matching) = matching else {
            panic!("neither {durable} nor more of {} groups make what was found", self.groups.len());
        };
        self.base = found;
        self.groups.clear();
        self.transient.clear();
        self.spilled.clear();
        self.flushed = engine.flushed();
        self.disk = disk;
        self.engine = engine;
        self.next_log = self.next_log.max(recovered.next_log_hint).max(1);
        matching
    }
}
