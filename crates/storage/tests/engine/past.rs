//! What all who read a log have read is moved past the page cache, and nothing else is.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use storage::disk::Listed;
use storage::disk::memory::MemoryDisk;
use storage::{Disk, Engine, Entry, File, LogId, Options, ReadLimit};

const LOG: LogId = LogId(1);
const ENTRIES: u64 = 200;

/// A disk that counts what is written to it past the page cache.
#[derive(Debug, Clone, Default)]
struct Watched {
    disk: MemoryDisk,
    past: Arc<AtomicU64>,
}

#[derive(Debug)]
struct WatchedFile {
    file: Arc<dyn File>,
    past: Arc<AtomicU64>,
}

impl Watched {
    fn watch(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(WatchedFile { file, past: Arc::clone(&self.past) })
    }
}

impl Disk for Watched {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.watch(self.disk.open(name)?))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.watch(self.disk.create(name)?))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn list(&self) -> io::Result<Vec<Listed>> {
        self.disk.list()
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }
}

impl File for WatchedFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        self.file.write_at(offset, parts)
    }
    fn write_past(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let is_aligned = offset.is_multiple_of(4096) && bytes.as_ptr().addr().is_multiple_of(4096);
        assert!(is_aligned && bytes.len().is_multiple_of(4096), "{} bytes at {offset}", bytes.len());
        self.past.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_at(offset, &[bytes])
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.file.preallocate(len)
    }
}

fn body(index: u64) -> Vec<u8> {
    let len = 40_000 + index as usize * 7;
    (0..len).map(|at| (at as u64 * 31 + index) as u8).collect()
}

fn open(disk: &Watched) -> Engine {
    let options = Options {
        wal_file_bytes_min: 4 * 1024 * 1024,
        wal_file_bytes_max: 4 * 1024 * 1024,
        ..Options::default()
    };
    Engine::open(Arc::new(disk.clone()), options).unwrap().0
}

/// Fills some WAL files with a log of which this much was read.
fn fill(engine: &Engine, entries: u64, passed: u64) {
    for index in 0..entries {
        let mut staging = engine.stage();
        staging.append(LOG, Entry { index, expires_at_ms: 0, priority: 0, head: b"", body: &body(index) });
        drop(staging);
        engine.flush().unwrap();
        engine.pass(LOG, passed);
    }
}

/// Every entry has to be as it was.
fn check(engine: &Engine, entries: u64) {
    let mut found = Vec::new();
    while found.len() < entries as usize {
        let before = found.len();
        let limit = ReadLimit { entries: 50, bytes: 1 << 20 };
        engine.read(LOG, before as u64, limit, &mut found).unwrap();
        assert!(found.len() > before, "nothing from {before} on");
    }
    for (index, entry) in found.iter().enumerate() {
        assert!(entry.index == index as u64 && entry.payload == body(entry.index), "{index}");
    }
}

/// Moves a log of which this much was read to segments: bytes that went past the page cache.
fn past_bytes(passed: u64) -> u64 {
    let disk = Watched::default();
    let engine = open(&disk);
    fill(&engine, ENTRIES, passed);
    while engine.housekeep().unwrap() {}
    check(&engine, ENTRIES);
    disk.past.load(Ordering::Relaxed)
}

#[test]
fn what_was_read_by_all_goes_past_the_page_cache() {
    assert_eq!(past_bytes(0), 0);
    let all = past_bytes(ENTRIES);
    assert!(all > 4 * 1024 * 1024, "{all}");
    let half = past_bytes(ENTRIES / 2);
    assert!(half > 0 && half < all, "{half} of {all}");
}

#[test]
fn a_power_cut_while_it_is_moved_loses_nothing() {
    let entries = 110;
    for operation in 1.. {
        let disk = Watched::default();
        let engine = open(&disk);
        fill(&engine, entries, entries);
        disk.disk.power_off_after(operation);
        while engine.housekeep().unwrap_or(false) {}
        let is_cut = disk.disk.is_off();
        let after = Watched { disk: disk.disk.reboot(operation, 512), ..Watched::default() };
        check(&open(&after), entries);
        if !is_cut {
            assert!(operation > 10 && disk.past.load(Ordering::Relaxed) > 2 * 1024 * 1024, "{operation}");
            return;
        }
    }
}
