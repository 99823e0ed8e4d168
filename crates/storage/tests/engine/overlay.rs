//! A folder that is only looked at: what is read is what is there and what was written since, and the folder stays as it is.

#![expect(clippy::disallowed_methods, reason = "the folder is looked at from outside")]

use std::sync::Arc;

use storage::disk::os::OsDisk;
use storage::disk::overlay::OverlayDisk;
use storage::{Disk, Engine, Entry, LogId, Options, ReadLimit};

const LOG: LogId = LogId(7);

fn contents(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    all.sort();
    all
}

fn count(engine: &Engine) -> usize {
    let mut stored = Vec::new();
    engine.read(LOG, 0, ReadLimit { entries: 1000, bytes: u64::MAX }, &mut stored).unwrap();
    stored.len()
}

#[test]
fn an_engine_over_it_reads_everything_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) =
        Engine::open(Arc::new(OsDisk::open(folder.path()).unwrap()), Options::default()).unwrap();
    for index in 0..10 {
        let entry = Entry { index, expires_at_ms: 0, priority: 0, head: b"head", body: b"body" };
        engine.stage().append(LOG, entry);
    }
    engine.flush().unwrap();
    drop(engine);
    let before = contents(folder.path());
    let disk = OverlayDisk::open(folder.path()).unwrap();
    let (engine, recovered) = Engine::open(Arc::new(disk), Options::default()).unwrap();
    assert!(!recovered.clean && recovered.damaged.is_empty());
    assert_eq!(count(&engine), 10);
    let entry = Entry { index: 10, expires_at_ms: 0, priority: 0, head: b"", body: b"more" };
    engine.stage().append(LOG, entry);
    engine.flush().unwrap();
    assert_eq!(count(&engine), 11);
    engine.close(Vec::new()).unwrap();
    assert!(contents(folder.path()) == before, "the folder has changed");
}

#[test]
fn what_is_written_is_read_back_over_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), b"0123456789").unwrap();
    let disk = OverlayDisk::open(folder.path()).unwrap();
    let file = disk.open("a").unwrap();
    let read = |offset: u64, len: usize| {
        let mut into = vec![0xff; len];
        let read = file.read_at(offset, &mut into).unwrap();
        into.truncate(read);
        into
    };
    file.write_at(8, &[b"ab", b"cd"]).unwrap();
    file.write_at(2, &[b"xx"]).unwrap();
    assert_eq!(read(0, 100), b"01xx4567abcd");
    assert_eq!(read(9, 2), b"bc");
    file.set_len(5).unwrap();
    file.preallocate(7).unwrap();
    assert_eq!(read(0, 100), b"01xx4\0\0");
    disk.rename("a", "b").unwrap();
    assert!(disk.open("a").is_err());
    disk.create("c").unwrap();
    disk.remove("b").unwrap();
    let names: Vec<_> = disk.list().unwrap().into_iter().map(|listed| listed.name).collect();
    assert_eq!(names, ["c"]);
    assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), b"0123456789");
    assert!(disk.open("../a").is_err());
}
