//! Faults of the disk: what stops the engine, what does not, and what is confirmed after.

use std::io::ErrorKind;

use storage::disk::memory::{MemoryDisk, Operation, Rule};
use storage::{Disk, Engine, Entry, Fault, LogId, Lsn, ReadLimit, Reason};

use crate::world::{World, open, read_all, tiny};

fn rule(operation: Operation, prefix: &str, error: ErrorKind) -> Rule {
    Rule { operation, prefix: prefix.to_owned(), after: 0, times: u64::MAX, error }
}

fn put(engine: &Engine, log: u64, len: usize) -> Lsn {
    let mut staging = engine.stage();
    put_into(&mut staging, engine_next(log, len), log, len);
    staging.lsn()
}

/// Indexes come from the caller; here they count up by one for each call, over all logs.
fn engine_next(_log: u64, _len: usize) -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn put_into(staging: &mut storage::Staging<'_>, index: u64, log: u64, len: usize) {
    let body = vec![index as u8; len];
    staging.append(LogId(log), Entry { index, expires_at_ms: 0, priority: 0, head: b"", body: &body });
}

fn entries(engine: &Engine, log: u64) -> usize {
    read_all(engine, log, ReadLimit { entries: 7, bytes: u64::MAX }).unwrap().len()
}

fn fresh() -> (MemoryDisk, Engine) {
    let disk = MemoryDisk::new();
    let (engine, _) = open(&disk, &tiny()).unwrap();
    (disk, engine)
}

#[test]
fn a_failed_write_or_sync_of_the_wal_is_the_end() {
    for operation in [Operation::Write, Operation::Sync] {
        let (disk, engine) = fresh();
        put(&engine, 1, 10);
        let durable = engine.flush().unwrap();
        disk.fail(Rule { times: 1, ..rule(operation, "wal-", ErrorKind::Other) });
        let lost = put(&engine, 1, 10);
        let Err(Fault::Io { file, .. }) = engine.flush() else { panic!("the fault is told") };
        assert!(file.starts_with("wal-"), "{file}");
        // The disk works again, but what the failed sync dropped can never be trusted.
        for _ in 0..3 {
            put(&engine, 1, 10);
            assert!(matches!(engine.flush(), Err(Fault::Poisoned)));
            assert_eq!(engine.flushed(), durable);
            assert!(engine.flushed() < lost);
        }
        assert!(matches!(engine.housekeep(), Err(Fault::Poisoned)));
        assert!(matches!(engine.close(Vec::new()), Err(Fault::Poisoned)));
        assert!(matches!(engine.snapshot_write("x", b""), Err(Fault::Poisoned)));
        assert!(matches!(engine.spill(LogId(1), &[]), Err(Fault::Poisoned)));
        let mut out = Vec::new();
        let limit = ReadLimit { entries: 1, bytes: 1 };
        assert!(matches!(engine.read(LogId(1), 0, limit, &mut out), Err(Fault::Poisoned)));
        assert!(engine.wait_for_work(std::time::Duration::from_secs(60)), "the thread is not left waiting");
        let (engine, recovered) = open(&disk.reboot(1, 512), &tiny()).unwrap();
        assert_eq!(recovered.damaged, []);
        assert_eq!(entries(&engine, 1), 1);
    }
}

#[test]
fn a_failed_change_of_files_is_the_end_too() {
    for operation in [Operation::SyncDir, Operation::Create] {
        let (disk, engine) = fresh();
        disk.fail(rule(operation, "", ErrorKind::Other));
        put(&engine, 1, 6000);
        engine.flush().unwrap();
        put(&engine, 1, 6000);
        assert!(matches!(engine.flush(), Err(Fault::Io { .. })));
        assert!(matches!(engine.flush(), Err(Fault::Poisoned)));
    }
}

#[test]
fn no_space_for_the_spare_is_told_and_no_stop() {
    let (disk, engine) = fresh();
    disk.set_space(Some(disk.used() + 100));
    assert!(engine.housekeep().unwrap_err().is_full());
    put(&engine, 1, 1000);
    engine.flush().unwrap();
    assert!(engine.housekeep().unwrap_err().is_full());
    assert_eq!(disk.contents("spare.part"), None, "nothing half-filled stays");
    disk.set_space(None);
    engine.housekeep().unwrap();
    assert!(disk.list().unwrap().iter().any(|file| file.name.starts_with("spare-")));
}

#[test]
fn no_space_for_the_next_file_keeps_what_is_staged() {
    let (disk, engine) = fresh();
    put(&engine, 1, 6000);
    engine.flush().unwrap();
    disk.set_space(Some(disk.used()));
    let waiting = put(&engine, 1, 6000);
    for _ in 0..3 {
        assert!(engine.flush().unwrap_err().is_full());
        assert!(engine.flushed() < waiting);
        assert!(engine.staged_bytes() > 6000);
        assert!(engine.wait_for_work(std::time::Duration::ZERO), "it is still due");
    }
    let more = put(&engine, 2, 10);
    disk.set_space(None);
    assert_eq!(engine.flush().unwrap(), more);
    assert_eq!(engine.staged_bytes(), 0);
    assert_eq!((entries(&engine, 1), entries(&engine, 2)), (2, 1));
}

#[test]
fn no_space_or_an_error_in_segments_and_checkpoints_is_tried_again() {
    for (operation, prefix) in [
        (Operation::Write, "segment-"),
        (Operation::Sync, "segment-"),
        (Operation::Create, "segment-"),
        (Operation::Write, "checkpoint-"),
        (Operation::Sync, "checkpoint-"),
        (Operation::Create, "checkpoint-"),
    ] {
        for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
            let (disk, engine) = fresh();
            for _ in 0..6 {
                put(&engine, 1, 3000);
                put(&engine, 2, 20);
                engine.flush().unwrap();
            }
            disk.fail(rule(operation, prefix, kind));
            for _ in 0..4 {
                let fault = engine.housekeep().unwrap_err();
                assert_eq!(fault.is_full(), kind == ErrorKind::StorageFull, "{fault:?}");
                put(&engine, 1, 100);
                engine.flush().unwrap();
                assert!(entries(&engine, 1) > 6);
            }
            let (other, recovered) = open(&disk.reboot(3, 512), &tiny()).unwrap();
            assert_eq!(recovered.damaged, []);
            assert_eq!((entries(&other, 1), entries(&other, 2)), (10, 6));
            disk.heal();
            while engine.housekeep().unwrap() {}
            assert_eq!(engine.usage().wal_files_sealed, 0);
            assert_eq!((entries(&engine, 1), entries(&engine, 2)), (10, 6));
        }
    }
}

#[test]
fn recovery_works_on_a_full_disk() {
    for seed in 0..30 {
        let mut world = World::new(seed);
        for _ in 0..100 {
            world.step().unwrap();
        }
        let disk = world.disk.reboot(seed, 512);
        disk.set_space(Some(disk.used()));
        let (engine, recovered) = open(&disk, &world.options).unwrap();
        world.adopt(disk, engine, &recovered);
        world.check();
        world.disk.set_space(None);
        for _ in 0..50 {
            world.step().unwrap();
        }
        world.flush().unwrap();
        world.check();
    }
}

#[test]
fn a_torn_tail_is_cut_told_and_kept_unless_there_is_no_space() {
    for space in [None, Some(0)] {
        let (disk, engine) = fresh();
        put(&engine, 1, 100);
        engine.flush().unwrap();
        put(&engine, 1, 2000);
        // The head of the frame reaches the disk, some of the rest does not.
        disk.power_off_after(1);
        assert!(engine.flush().is_err());
        let torn = (0..200).find_map(|seed| {
            let disk = disk.reboot(seed, 512);
            disk.set_space(space.map(|space| disk.used() + space));
            let (engine, recovered) = open(&disk, &tiny()).unwrap();
            assert_eq!(recovered.damaged, []);
            recovered.torn_tail.map(|torn| (disk, engine, torn))
        });
        let (disk, engine, torn) = torn.expect("some seed tears the frame");
        assert_eq!((torn.file.as_str(), torn.offset), ("wal-0000000000000001", 4096));
        assert_eq!(torn.kept.is_some(), space.is_none());
        if let Some(kept) = torn.kept {
            assert_eq!(disk.contents(&kept).unwrap().len() as u64, torn.len);
        }
        assert_eq!(entries(&engine, 1), 1);
    }
}

#[test]
fn a_flush_waits_for_housekeeping_when_the_wal_has_reached_its_bound() {
    let disk = MemoryDisk::new();
    let options = storage::Options { wal_bytes_max: 100 * 1024, ..tiny() };
    let (engine, _) = open(&disk, &options).unwrap();
    let mut refused = None;
    for _ in 0..100 {
        let lsn = put(&engine, 1, 3000);
        match engine.flush() {
            Ok(flushed) => assert_eq!(flushed, lsn),
            Err(fault) => {
                assert!(fault.is_full(), "{fault:?}");
                refused = Some(lsn);
                break;
            }
        }
    }
    let lsn = refused.expect("the bound was reached");
    assert!(engine.usage().wal_bytes < 200 * 1024);
    engine.housekeep().unwrap();
    assert!(engine.flushed() >= lsn, "draining had to flush, and could");
    while engine.housekeep().unwrap() {}
    put(&engine, 1, 3000);
    engine.flush().unwrap();
}

#[test]
fn spilling_without_space_takes_nothing() {
    let (disk, engine) = fresh();
    disk.set_space(Some(disk.used() + 10));
    let entry = Entry { index: 5, expires_at_ms: 0, priority: 0, head: b"", body: &[1; 100] };
    let log = LogId(LogId::VOLATILE | 4);
    assert!(engine.spill(log, &[entry]).unwrap_err().is_full());
    assert_eq!(engine.state(log).entries, 0);
    disk.set_space(None);
    engine.spill(log, &[entry]).unwrap();
    assert_eq!(engine.state(log).entries, 1);
    let mut out = Vec::new();
    engine.read(log, 0, ReadLimit { entries: 9, bytes: 9 }, &mut out).unwrap();
    assert_eq!(out.len(), 1);
    engine.stage().settle(log, &[0..=9]);
    while engine.housekeep().unwrap() {}
    assert!(disk.list().unwrap().iter().all(|file| !file.name.starts_with("spill-")));
    assert_eq!(engine.flushed(), Lsn(0), "no record was needed");
}

#[test]
fn snapshots_are_replaced_whole() {
    let disk = MemoryDisk::new();
    let (engine, _) = open(&disk, &tiny()).unwrap();
    assert_eq!(engine.snapshot_read("topology").unwrap(), None);
    assert!(matches!(engine.snapshot_write("../x", b""), Err(Fault::Name { .. })));
    engine.snapshot_write("topology", b"first").unwrap();
    let before = disk.operations();
    engine.snapshot_write("topology", &[7; 3000]).unwrap();
    for operation in 1..=disk.operations() - before {
        for seed in 0..10 {
            let disk = MemoryDisk::new();
            let (engine, _) = open(&disk, &tiny()).unwrap();
            engine.snapshot_write("topology", b"first").unwrap();
            disk.power_off_after(operation);
            assert!(engine.snapshot_write("topology", &[7; 3000]).is_err());
            let (engine, _) = open(&disk.reboot(seed, 512), &tiny()).unwrap();
            let found = engine.snapshot_read("topology").unwrap().unwrap();
            assert!(&*found == b"first" || *found == [7; 3000]);
        }
    }
    assert!(disk.flip("snapshot-topology", 100, 3));
    let Err(Fault::Corrupt { file, reason: Reason::Checksum, .. }) = engine.snapshot_read("topology") else {
        panic!("a flipped bit is seen")
    };
    assert_eq!(file, "snapshot-topology");
}

#[test]
fn a_newer_format_is_refused() {
    let disk = MemoryDisk::new();
    let file = disk.create("format").unwrap();
    file.write_at(0, &[b"harefoot storage 2\n"]).unwrap();
    let fault = open(&disk, &tiny()).map(|_| ()).unwrap_err();
    assert!(matches!(fault, Fault::NewerFormat { found: 2, known: 1 }), "{fault:?}");
    for wrong in ["", "harefoot storage 0\n", "harefoot storage x\n", "other\n"] {
        let disk = MemoryDisk::new();
        disk.create("format").unwrap().write_at(0, &[wrong.as_bytes()]).unwrap();
        assert!(matches!(open(&disk, &tiny()), Err(Fault::Corrupt { .. })), "{wrong:?}");
    }
    let disk = MemoryDisk::new();
    disk.create("wal-0000000000000001").unwrap();
    assert!(matches!(open(&disk, &tiny()), Err(Fault::Corrupt { .. })), "log files without a version");
}
