//! Flipped bits: every file, bit by bit. What is read back is what was written, or the damage is told with its place.

use std::collections::BTreeMap;

use storage::disk::memory::MemoryDisk;
use storage::{Disk, Fault, Reason};
use storage::{Engine, GivenUp, LogId, ReadLimit};

use crate::world::{Kept, Logs, World, open, read_all, tiny};

/// A disk with a bit of everything, sealed, and what it holds.
fn sample(seed: u64, clean: bool) -> (MemoryDisk, Logs) {
    let mut world = World::new(seed);
    while world.engine.usage().segments < 3 || world.engine.usage().wal_files_sealed > 1 {
        world.step().unwrap();
    }
    world.flush().unwrap();
    world.stage();
    world.flush().unwrap();
    world.flush().unwrap();
    let mut logs = world.after(world.groups.len());
    logs.retain(|_, entries| !entries.is_empty());
    if clean {
        world.engine.close(Vec::new()).unwrap();
    }
    (world.disk, logs)
}

/// A copy of the disk as it would be found after a clean power cut, with one bit turned over.
fn flipped(disk: &MemoryDisk, name: &str, offset: usize, bit: u8) -> MemoryDisk {
    let disk = disk.reboot(0, 512);
    assert!(disk.flip(name, offset, bit));
    disk
}

/// All that can be read, and the faults met while reading.
fn contents(engine: &Engine, logs: &Logs) -> (Logs, Vec<Fault>) {
    let mut found = Logs::new();
    let mut faults = Vec::new();
    for log in logs.keys() {
        match read_all(engine, *log, ReadLimit { entries: 3, bytes: u64::MAX }) {
            Ok(entries) if entries.is_empty() => {}
            Ok(entries) => {
                found.insert(*log, entries);
            }
            Err(fault) => faults.push(fault),
        }
    }
    (found, faults)
}

fn names(disk: &MemoryDisk, prefix: &str) -> Vec<(String, usize)> {
    let files = disk.list().unwrap();
    files
        .into_iter()
        .filter(|file| file.name.starts_with(prefix))
        .map(|file| (file.name, file.len as usize))
        .collect()
}

#[test]
fn in_the_wal() {
    let mut told = 0;
    for (seed, clean) in [(1, false), (2, false), (3, true)] {
        let (disk, logs) = sample(seed, clean);
        for (name, len) in names(&disk, "wal-") {
            for offset in (0..len).step_by(if seed == 1 { 7 } else { 23 }) {
                let disk = flipped(&disk, &name, offset, (offset % 8) as u8);
                let (engine, recovered) = open(&disk, &tiny()).unwrap();
                let (found, faults) = contents(&engine, &logs);
                assert!(faults.is_empty(), "{faults:?}");
                if recovered.damaged.is_empty() {
                    assert_eq!(found, logs, "silently changed by {name} at {offset}");
                } else {
                    told += 1;
                    let first = &recovered.damaged[0];
                    assert_eq!(first.file, name);
                    assert!(first.offset as usize <= offset, "{first:?} for {offset}");
                    assert!(first.kept.is_some());
                    assert!(!recovered.clean);
                    assert_most_is_left(&found, &logs);
                }
            }
        }
    }
    assert!(told > 300, "{told}");
}

/// What one flipped bit may cost: the records of one frame whose head is hit, never more than a few entries here; and
/// entries whose settling was hit may be back.
fn assert_most_is_left(found: &Logs, logs: &Logs) {
    let missing: usize = logs
        .iter()
        .map(|(log, entries)| {
            let none = BTreeMap::<u64, Kept>::new();
            let found = found.get(log).unwrap_or(&none);
            entries.iter().filter(|(index, kept)| found.get(index) != Some(kept)).count()
        })
        .sum();
    assert!(missing <= 40, "{missing} entries are missing");
}

#[test]
fn in_segments() {
    let mut told = 0;
    let (disk, logs) = sample(4, false);
    for (name, len) in names(&disk, "segment-") {
        for offset in 0..len {
            let disk = flipped(&disk, &name, offset, (offset % 8) as u8);
            let (engine, recovered) = open(&disk, &tiny()).unwrap();
            assert_eq!(recovered.damaged, [], "bodies are not read at the start");
            let (found, faults) = contents(&engine, &logs);
            for fault in &faults {
                told += 1;
                let Fault::Corrupt { file, .. } = fault else { panic!("{fault:?}") };
                assert_eq!(file, &name);
            }
            for (log, entries) in found {
                assert_eq!(Some(&entries), logs.get(&log));
            }
        }
    }
    assert!(told > 1000, "{told}");
}

/// All that can be read when what cannot is given up, and that.
fn contents_left(engine: &Engine, logs: &Logs) -> (Logs, Vec<GivenUp>) {
    let mut found = Logs::new();
    let mut given_up = Vec::new();
    for log in logs.keys() {
        let entries = loop {
            match read_all(engine, *log, ReadLimit { entries: 3, bytes: u64::MAX }) {
                Ok(entries) => break entries,
                Err(_) => {
                    let mut from = 0;
                    // The first that cannot be read: those before it are passed.
                    given_up.push(loop {
                        match engine.give_up(LogId(*log), from).unwrap() {
                            Some(lost) => break lost,
                            None => from += 1,
                        }
                    });
                }
            }
        };
        if !entries.is_empty() {
            found.insert(*log, entries);
        }
    }
    (found, given_up)
}

#[test]
fn what_a_segment_lost_is_given_up_and_the_rest_goes_on() {
    let (disk, logs) = sample(4, false);
    let (mut footers, mut bodies) = (0, 0);
    for (name, len) in names(&disk, "segment-") {
        for offset in (0..len).step_by(3) {
            let disk = flipped(&disk, &name, offset, (offset % 8) as u8);
            let (engine, _) = open(&disk, &tiny()).unwrap();
            let (found, given_up) = contents_left(&engine, &logs);
            let mut left = logs.clone();
            for lost in &given_up {
                assert_eq!(lost.damage.file, name);
                let log = lost.damage.log.unwrap().0;
                let kept = disk.open(lost.damage.kept.as_deref().unwrap()).unwrap();
                assert_eq!(kept.len().unwrap(), len as u64, "the whole segment is kept");
                if lost.indexes.start() == lost.indexes.end() {
                    bodies += 1
                } else {
                    footers += 1
                }
                let entries = left.get_mut(&log).unwrap();
                entries.retain(|index, _| !lost.indexes.contains(index));
            }
            left.retain(|_, entries| !entries.is_empty());
            assert_eq!(found, left, "{name} at {offset}");
            engine.flush().unwrap();
            drop(engine);
            let (engine, recovered) = open(&disk.reboot(0, 512), &tiny()).unwrap();
            assert_eq!(recovered.damaged, []);
            assert_eq!(contents_left(&engine, &logs), (found, Vec::new()), "what was given up is settled");
        }
    }
    assert!(footers > 20 && bodies > 100, "{footers} {bodies}");
}

#[test]
fn in_checkpoints() {
    let mut told = 0;
    for seed in 5..9 {
        let (disk, logs) = sample(seed, false);
        for (name, len) in names(&disk, "checkpoint-") {
            for offset in 0..len {
                let disk = flipped(&disk, &name, offset, (offset % 8) as u8);
                let (engine, recovered) = open(&disk, &tiny()).unwrap();
                let (found, faults) = contents(&engine, &logs);
                assert!(faults.is_empty(), "{faults:?}");
                if recovered.damaged.is_empty() {
                    assert_eq!(found, logs, "silently changed by {name} at {offset}");
                } else {
                    told += 1;
                    assert!(recovered.damaged.iter().any(|damage| damage.file == name && damage.offset == 0));
                    let kept = names(&disk, "segment-").len() + names(&disk, "aside-segment-").len();
                    assert!(kept >= 3, "segments that nobody knows are kept");
                }
            }
        }
    }
    assert!(told > 50, "{told}");
}

#[test]
fn a_segment_that_is_missing_or_cut_is_told() {
    let (disk, logs) = sample(4, false);
    for (name, _) in names(&disk, "segment-") {
        for cut in [false, true] {
            let disk = disk.reboot(0, 512);
            if cut {
                disk.open(&name).unwrap().set_len(10).unwrap();
            } else {
                disk.remove(&name).unwrap();
            }
            let (engine, recovered) = open(&disk, &tiny()).unwrap();
            let [damage] = recovered.damaged.as_slice() else { panic!("{:?}", recovered.damaged) };
            assert_eq!(damage.file, name);
            assert_eq!(damage.reason, if cut { Reason::Short } else { Reason::Missing });
            assert_eq!(damage.kept.is_some(), cut);
            let hurt = damage.log.unwrap().0;
            let (found, faults) = contents(&engine, &logs);
            assert!(faults.is_empty());
            for (log, entries) in &logs {
                assert_eq!(found.get(log) == Some(entries), *log != hurt, "log {log}, hurt {hurt}");
            }
        }
    }
}

#[test]
fn a_wal_file_that_is_missing_is_told() {
    let (disk, _) = sample(6, false);
    let mut files = names(&disk, "wal-");
    // Nothing else need tell of what is in the last one.
    files.pop();
    assert!(!files.is_empty());
    for (name, _) in files {
        let disk = disk.reboot(0, 512);
        disk.remove(&name).unwrap();
        let (_, recovered) = open(&disk, &tiny()).unwrap();
        assert!(!recovered.damaged.is_empty(), "{name}");
    }
}
