//! Limits and costs: what is read at a start, what an empty engine takes, how large bodies go, when threads are woken, and
//! that all threads together do no harm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use storage::disk::memory::MemoryDisk;
use storage::{Disk, Engine, Entry, LogId, LogState, Lsn, Options, ReadLimit};

use crate::world::{open, read_all, tiny};

const ALL: ReadLimit = ReadLimit { entries: 1000, bytes: u64::MAX };

fn put(engine: &Engine, log: u64, index: u64, body: &[u8]) -> Lsn {
    let mut staging = engine.stage();
    staging.append(LogId(log), Entry { index, expires_at_ms: 0, priority: 0, head: b"", body });
    staging.lsn()
}

fn keep_house(engine: &Engine) {
    while engine.housekeep().unwrap() {}
}

/// Bytes read when a backlog of so many entries is recovered, and its number of segments.
fn cost_of_start(entries: u64) -> (u64, u64) {
    let disk = MemoryDisk::new();
    let options = Options { segment_entries_max: 100, segment_bytes_max: 1024 * 1024, ..tiny() };
    let (engine, _) = open(&disk, &options).unwrap();
    for index in 0..entries {
        put(&engine, 1, index, &[7; 100]);
        if index % 20 == 19 {
            engine.flush().unwrap();
            keep_house(&engine);
        }
    }
    engine.flush().unwrap();
    keep_house(&engine);
    let disk = disk.reboot(1, 512);
    let (engine, _) = open(&disk, &options).unwrap();
    let read = disk.bytes_read();
    assert_eq!(engine.state(LogId(1)).entries, entries);
    (read, engine.usage().segments)
}

#[test]
fn a_start_does_not_read_the_backlog() {
    let (few, few_segments) = cost_of_start(2_000);
    let (many, many_segments) = cost_of_start(20_000);
    assert!(many_segments > few_segments * 5);
    let more = many.saturating_sub(few);
    // Two checkpoint slots with a descriptor each, and a WAL that may be filled differently.
    let descriptors = (many_segments - few_segments) * 2 * 40;
    assert!(more < descriptors + 3 * 32 * 1024, "{few} bytes grew to {many}");
    assert!(many < 20_000 * 100 / 8, "{many}");
}

#[test]
fn an_empty_engine_takes_little_space_and_starts_without_preparing() {
    let disk = MemoryDisk::new();
    let (engine, _) = open(&disk, &Options::default()).unwrap();
    assert!(disk.operations() < 12, "{}", disk.operations());
    keep_house(&engine);
    assert!(disk.used() < 16 * 1024 * 1024, "{}", disk.used());
    assert_eq!(engine.usage().wal_bytes, 8 * 1024 * 1024);
}

#[test]
fn a_body_larger_than_a_file_gets_its_own() {
    let disk = MemoryDisk::new();
    let (engine, _) = open(&disk, &tiny()).unwrap();
    keep_house(&engine);
    let body: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 251) as u8).collect();
    put(&engine, 1, 0, b"before");
    engine.flush().unwrap();
    put(&engine, 1, 1, &body);
    put(&engine, 1, 2, b"after");
    let lsn = put(&engine, 2, 5, b"after");
    assert_eq!(engine.flush().unwrap(), lsn);
    let check = |engine: &Engine| {
        let found = read_all(engine, 1, ALL).unwrap();
        assert_eq!(found.len(), 3);
        assert!(found[&1].payload == body);
    };
    check(&engine);
    check(&open(&disk.reboot(0, 4096), &tiny()).unwrap().0);
    keep_house(&engine);
    check(&engine);
    assert!(engine.usage().wal_bytes < 200 * 1024, "a file of that size is not kept");
    check(&open(&disk.reboot(0, 4096), &tiny()).unwrap().0);
    engine.stage().settle(LogId(1), &[0..=9]);
    engine.flush().unwrap();
    keep_house(&engine);
    assert!(disk.used() < 200 * 1024, "{}", disk.used());
}

#[test]
fn reads_keep_their_limits() {
    let disk = MemoryDisk::new();
    let (engine, _) = open(&disk, &tiny()).unwrap();
    for index in 0..200 {
        put(&engine, 1, index, &[1; 100]);
        engine.flush().unwrap();
        keep_house(&engine);
    }
    assert!(engine.usage().segments > 0);
    let read = |from, entries, bytes| {
        let mut out = Vec::new();
        engine.read(LogId(1), from, ReadLimit { entries, bytes }, &mut out).unwrap();
        out.iter().map(|stored| stored.index).collect::<Vec<_>>()
    };
    for from in [0, 3, 100, 195] {
        assert_eq!(read(from, 3, u64::MAX), [from, from + 1, from + 2]);
        assert_eq!(read(from, 100, 0), [from]);
        assert_eq!(read(from, 0, u64::MAX), [from]);
        assert_eq!(read(from, 100, 250), [from, from + 1, from + 2]);
    }
    assert_eq!(read(0, usize::MAX, u64::MAX).len(), 200);
    assert!(read(200, 9, 9).is_empty());
    let staged = put(&engine, 1, 200, b"x");
    assert!(read(200, 9, 9).is_empty(), "not durable yet");
    assert_eq!(engine.flush().unwrap(), staged);
    assert_eq!(read(200, 9, 9), [200]);
    let expect = LogState { first: 0, next: 201, entries: 201, bytes: 20_001 };
    assert_eq!(engine.state(LogId(1)), expect);
    assert_eq!(engine.state(LogId(99)), LogState::default());
}

#[test]
#[should_panic(expected = "is at 6, not at 5")]
fn an_index_that_goes_back_is_a_bug() {
    let (engine, _) = open(&MemoryDisk::new(), &tiny()).unwrap();
    put(&engine, 1, 5, b"");
    put(&engine, 1, 5, b"");
}

#[test]
fn settling_that_somebody_waits_for_is_urgent() {
    let long = Duration::from_secs(3600);
    let (engine, _) = open(&MemoryDisk::new(), &Options { settle_delay: long, ..tiny() }).unwrap();
    put(&engine, 1, 0, b"");
    engine.flush().unwrap();
    let mut staging = engine.stage();
    staging.settle(LogId(1), &[0..=0]);
    staging.hurry();
    drop(staging);
    assert!(engine.wait_for_work(Duration::ZERO));
}

#[test]
fn settling_alone_is_not_urgent_and_an_idle_log_is_sealed() {
    let long = Duration::from_secs(3600);
    let options = Options { settle_delay: Duration::from_millis(1), ..tiny() };
    let (engine, _) = open(&MemoryDisk::new(), &options).unwrap();
    assert!(!engine.wait_for_work(Duration::ZERO));
    put(&engine, 1, 0, b"");
    assert!(engine.wait_for_work(long));
    engine.flush().unwrap();
    assert_eq!(engine.flushed(), Lsn(1));
    assert!(engine.wait_for_work(Duration::ZERO), "the batch wants its seal");
    assert_eq!(engine.flush().unwrap(), Lsn(2));
    assert!(!engine.wait_for_work(Duration::ZERO), "once");
    let mut staging = engine.stage();
    staging.settle(LogId(1), &[7..=9]);
    assert_eq!(staging.lsn(), Lsn(0), "nothing was there");
    staging.settle(LogId(1), &[0..=0]);
    assert_eq!(staging.lsn(), Lsn(3));
    drop(staging);
    assert!(engine.wait_for_work(long), "after the delay");
    assert_eq!(engine.flush().unwrap(), Lsn(3));
}

#[test]
fn a_clean_stop_is_clean_once() {
    let disk = MemoryDisk::new();
    let (engine, first) = open(&disk, &tiny()).unwrap();
    assert!(!first.clean);
    put(&engine, 4, 0, b"x");
    engine.close(vec![(LogId(4), 1)]).unwrap();
    let (engine, second) = open(&disk, &tiny()).unwrap();
    assert!(second.clean);
    assert_eq!(second.logs[0].delivered_up_to, Some(1));
    assert_eq!(second.next_log_hint, 5);
    drop(engine);
    // It may have delivered something before it died.
    let (_, third) = open(&disk, &tiny()).unwrap();
    assert!(!third.clean);
    assert_eq!(third.logs[0].delivered_up_to, None);
}

#[test]
fn ids_of_dropped_logs_are_remembered() {
    let disk = MemoryDisk::new();
    let (engine, _) = open(&disk, &tiny()).unwrap();
    put(&engine, 9, 0, b"x");
    engine.stage().drop_log(LogId(9));
    engine.flush().unwrap();
    for index in 0..40 {
        put(&engine, 1, index, &[0; 2000]);
        engine.flush().unwrap();
        engine.stage().settle(LogId(1), &[0..=index]);
        keep_house(&engine);
    }
    let (_, recovered) = open(&disk.reboot(0, 512), &tiny()).unwrap();
    assert_eq!(recovered.next_log_hint, 10);
    assert_eq!(recovered.logs.len(), 1);
}

/// Appends and settles until told to stop; what is live at the end.
fn publish(
    engine: &Engine,
    log: u64,
    stop: &AtomicBool,
    flushed_up_to: &AtomicU64,
) -> BTreeMap<u64, Vec<u8>> {
    let mut live = BTreeMap::new();
    let mut index = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut staging = engine.stage();
        for _ in 0..8 {
            let body = vec![index as u8; (index % 200) as usize];
            staging.append(
                LogId(log),
                Entry { index, expires_at_ms: index, priority: 3, head: b"h", body: &body },
            );
            live.insert(index, body);
            index += 1;
        }
        let lsn = staging.lsn();
        drop(staging);
        // Most goes soon, every seventh stays for long, and a few stay until the end.
        let gone: Vec<u64> = live.keys().copied().filter(|at| at % 7 != 0 && at + 60 < index).collect();
        let old: Vec<u64> = live.keys().copied().filter(|at| at % 35 != 0 && at + 2000 < index).collect();
        let mut staging = engine.stage();
        for at in gone.into_iter().chain(old) {
            staging.settle(LogId(log), &[at..=at]);
            live.remove(&at);
        }
        drop(staging);
        while engine.flushed() < lsn && !stop.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        flushed_up_to.store(index, Ordering::Relaxed);
    }
    live
}

/// Reads from everywhere: what is found is what was written, in order.
fn consume(engine: &Engine, log: u64, stop: &AtomicBool) -> u64 {
    let mut seen = 0;
    let mut from = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut out = Vec::new();
        engine.read(LogId(log), from, ReadLimit { entries: 50, bytes: 3000 }, &mut out).unwrap();
        assert!(out.is_sorted_by(|one, next| one.index < next.index));
        for stored in &out {
            assert!(stored.index >= from);
            assert_eq!(stored.payload.first(), Some(&b'h'));
            assert!(stored.payload[1..].iter().all(|byte| *byte == stored.index as u8));
            assert_eq!(stored.payload.len() as u64, 1 + stored.index % 200);
            assert_eq!((stored.expires_at_ms, stored.priority), (stored.index, 3));
        }
        seen += out.len() as u64;
        // A live entry which is durable is always found, whatever moves it at the moment.
        from = out.last().map_or(0, |last| last.index + 1);
        let state = engine.state(LogId(log));
        if from > 0 && state.first == 0 {
            let mut first = Vec::new();
            engine.read(LogId(log), 0, ReadLimit { entries: 1, bytes: 0 }, &mut first).unwrap();
            assert_eq!(first.first().map(|stored| stored.index), Some(0));
        }
    }
    seen
}

/// Sets its flags when it goes.
struct Stopper<'a>([&'a AtomicBool; 3]);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        for flag in self.0 {
            flag.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn threads_together_do_no_harm() {
    let disk = MemoryDisk::new();
    let options = Options { space_wait: Duration::from_secs(60), wal_bytes_max: 1024 * 1024, ..tiny() };
    let (engine, _) = open(&disk, &options).unwrap();
    let [stop, stop_flush, stop_house] = [(); 3].map(|()| AtomicBool::new(false));
    let progress: Vec<AtomicU64> = (0..2).map(|_| AtomicU64::new(0)).collect();
    let engine = Arc::new(engine);
    let lives: Vec<_> = std::thread::scope(|scope| {
        // If one fails, none is waited for for ever.
        let _stopper = Stopper([&stop, &stop_flush, &stop_house]);
        let flusher = scope.spawn(|| {
            while !stop_flush.load(Ordering::Relaxed) {
                if engine.wait_for_work(Duration::from_millis(5)) {
                    engine.flush().unwrap();
                }
            }
        });
        scope.spawn(|| {
            while !stop_house.load(Ordering::Relaxed) {
                if engine.wait_for_housekeeping(Duration::from_millis(5)) {
                    engine.housekeep().unwrap();
                }
            }
        });
        let publishers: Vec<_> = (0..2)
            .map(|log| {
                let (engine, stop, progress) = (&engine, &stop, &progress[log as usize]);
                scope.spawn(move || publish(engine, log + 1, stop, progress))
            })
            .collect();
        let consumers: Vec<_> = (0..2)
            .map(|log| {
                let (engine, stop) = (&engine, &stop);
                scope.spawn(move || consume(engine, log + 1, stop))
            })
            .collect();
        while progress.iter().any(|progress| progress.load(Ordering::Relaxed) < 6000) {
            assert!(!consumers.iter().any(|thread| thread.is_finished()), "a reader failed");
            assert!(!publishers.iter().any(|thread| thread.is_finished()), "a publisher failed");
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        let lives = publishers.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(consumers.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>() > 1000);
        stop_flush.store(true, Ordering::Relaxed);
        // Whoever flushes may wait for whoever keeps house.
        flusher.join().unwrap();
        stop_house.store(true, Ordering::Relaxed);
        lives
    });
    engine.flush().unwrap();
    let counters = engine.usage().counters;
    assert!(
        counters.drained_files > 20 && counters.merged_segments > 0 && counters.copied_bytes > 0,
        "{counters:?}"
    );
    let check = |engine: &Engine| {
        for (log, live) in lives.iter().enumerate() {
            let live: &BTreeMap<u64, Vec<u8>> = live;
            let found = read_all(engine, log as u64 + 1, ALL).unwrap();
            let found = found.into_iter().map(|(index, kept)| (index, kept.payload[1..].to_vec()));
            assert_eq!(&found.collect::<BTreeMap<_, _>>(), live);
        }
    };
    check(&engine);
    check(&open(&disk.reboot(9, 512), &tiny()).unwrap().0);
    // How far housekeeping is behind depends on the machine; what it leaves once it has caught up does not.
    while engine.housekeep().unwrap() {
        engine.flush().unwrap();
    }
    check(&engine);
    // How much is left depends on how far one of them came before the other.
    let live: usize = lives.iter().map(BTreeMap::len).sum();
    let files = disk.list().unwrap().len();
    assert!(files < 100 + live / 3, "{files} files for {live} entries");
}
