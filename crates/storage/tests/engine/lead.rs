//! Who leads flushes what it stages, and leaves the rest to the thread whose task that is.

use std::thread;
use std::time::Duration;

use storage::disk::memory::MemoryDisk;
use storage::{Engine, Entry, LogId, Lsn, Options};

use crate::world::{open, tiny};

const LONG: Duration = Duration::from_secs(3600);

fn engine() -> Engine {
    open(&MemoryDisk::new(), &tiny()).unwrap().0
}

fn put(engine: &Engine, index: u64, body: &[u8]) -> Lsn {
    let mut staging = engine.stage();
    staging.append(LogId(1), Entry { index, expires_at_ms: 0, priority: 0, head: b"", body });
    staging.lsn()
}

#[test]
fn who_leads_makes_durable_what_everybody_has_staged() {
    let engine = engine();
    let lead = engine.lead().unwrap();
    put(&engine, 0, b"mine");
    let others = put(&engine, 1, b"another's");
    assert_eq!(lead.flush().unwrap(), Some(others));
    assert_eq!(engine.flushed(), others);
    assert!(!engine.wait_for_work(Duration::ZERO) || engine.flush().unwrap() > others, "but for the seal");
}

#[test]
fn one_leads_and_only_where_nobody_waits() {
    let engine = engine();
    let lead = engine.lead().unwrap();
    assert!(engine.lead().is_none());
    assert_eq!(lead.flush().unwrap(), None, "there is nothing");
    put(&engine, 0, b"");
    assert!(engine.lead().is_none(), "the thread is on its way");
    engine.flush().unwrap();
    assert!(engine.lead().is_some());
}

#[test]
fn what_needs_another_file_is_left_to_the_thread() {
    let engine = engine();
    let lead = engine.lead().unwrap();
    let lsn = put(&engine, 0, &[0; 10_000]);
    assert_eq!(lead.flush().unwrap(), None);
    assert!(engine.wait_for_work(LONG));
    assert_eq!(engine.flush().unwrap(), lsn);
}

#[test]
fn a_lead_that_comes_to_nothing_rings_the_thread() {
    let engine = engine();
    let lead = engine.lead().unwrap();
    thread::scope(|scope| {
        let flushed = scope.spawn(|| {
            assert!(engine.wait_for_work(LONG));
            engine.flush().unwrap()
        });
        let lsn = put(&engine, 0, b"");
        drop(lead);
        assert_eq!(flushed.join().unwrap(), lsn);
    });
}

#[test]
fn what_is_settled_under_a_lead_is_not_forgotten() {
    let options = Options { settle_delay: Duration::from_millis(1), ..tiny() };
    let (engine, _) = open(&MemoryDisk::new(), &options).unwrap();
    let first = put(&engine, 0, b"");
    engine.flush().unwrap();
    thread::scope(|scope| {
        let flushed = scope.spawn(|| {
            assert!(engine.wait_for_work(LONG));
            engine.flush().unwrap()
        });
        let lead = engine.lead().unwrap();
        engine.stage().settle(LogId(1), &[0..=0]);
        assert_eq!(lead.flush().unwrap(), None, "nobody waits for it");
        assert!(flushed.join().unwrap() > first);
    });
}
