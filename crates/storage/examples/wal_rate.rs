//! How many records a second go through stage and flush on a real disk: `cargo run --release -p storage --example wal_rate
//! FOLDER [SECONDS]`. The folder must be empty or new, and is left behind.
//!
//! One thread stages a window of records and flushes, in turn, like a publisher that waits for its confirms; another keeps
//! house. Everything is settled a window later, so that files are recycled. Then a backlog is written and read back.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a tool that measures time")]

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use storage::disk::os::OsDisk;
use storage::{Engine, Entry, Fault, LogId, Options, ReadLimit};

const LOG: LogId = LogId(1);

/// What one run of windows did.
#[derive(Debug, Default)]
struct Rate {
    records: u64,
    flushes: u64,
    staging: Duration,
    elapsed: Duration,
}

fn run(engine: &Engine, next: &mut u64, body: &[u8], window: u64, length: Duration) -> Result<Rate, Fault> {
    let begun = Instant::now();
    let mut rate = Rate::default();
    let mut before: Option<RangeInclusive<u64>> = None;
    while begun.elapsed() < length {
        let first = *next;
        let staged = Instant::now();
        for _ in 0..window {
            let mut staging = engine.stage();
            staging.append(LOG, Entry { index: *next, expires_at_ms: 0, priority: 0, head: b"", body });
            *next += 1;
        }
        rate.staging += staged.elapsed();
        if let Some(range) = before.replace(first..=*next - 1) {
            engine.stage().settle(LOG, &[range]);
        }
        engine.flush()?;
        rate.records += window;
        rate.flushes += 1;
    }
    rate.elapsed = begun.elapsed();
    if let Some(range) = before {
        engine.stage().settle(LOG, &[range]);
    }
    Ok(rate)
}

fn backlog(engine: &Engine, next: &mut u64, records: u64) -> Result<(), Fault> {
    let body = [7; 100];
    let first = *next;
    let begun = Instant::now();
    while *next < first + records {
        for _ in 0..1000 {
            let mut staging = engine.stage();
            staging
                .append(LOG, Entry { index: *next, expires_at_ms: 0, priority: 0, head: b"", body: &body });
            *next += 1;
        }
        engine.flush()?;
    }
    println!("backlog of {records} x 100 B written in {:?}", begun.elapsed());
    while engine.housekeep()? {}
    println!("and drained in {:?}: {:?}", begun.elapsed(), engine.usage());
    let begun = Instant::now();
    let (mut from, mut read, mut out) = (0, 0_u64, Vec::new());
    loop {
        out.clear();
        engine.read(LOG, from, ReadLimit { entries: 1000, bytes: 1 << 20 }, &mut out)?;
        let Some(last) = out.last() else { break };
        from = last.index + 1;
        read += out.len() as u64;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("read back {read} in {seconds:.2} s: {:.0} a second", read as f64 / seconds);
    Ok(())
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the folder is missing")]
    NoFolder,
    #[error("the seconds are no number: {0}")]
    Seconds(#[from] std::num::ParseIntError),
    #[error("the folder cannot be opened: {0}")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Storage(#[from] Fault),
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or(Failure::NoFolder)?);
    let length = Duration::from_secs(arguments.next().map_or(Ok(3), |text| text.parse())?);
    let disk = Arc::new(OsDisk::open(&folder)?);
    let (engine, _) = Engine::open(Arc::clone(&disk) as Arc<_>, Options::default())?;
    let stop = AtomicBool::new(false);
    let mut next = 0;
    std::thread::scope(|scope| -> Result<(), Fault> {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if engine.wait_for_housekeeping(Duration::from_millis(100))
                    && let Err(fault) = engine.housekeep()
                {
                    println!("housekeeping: {fault}");
                    return;
                }
            }
        });
        let measured = (|| {
            for (len, window) in [(200, 1), (200, 1000), (1024, 1), (1024, 1000)] {
                let rate = run(&engine, &mut next, &vec![7; len], window, length)?;
                println!(
                    "{len:>5} B, window {window:>4}: {:>9.0} records/s, {:>6.0} syncs/s, staging {:>4.0} ns a record",
                    rate.records as f64 / rate.elapsed.as_secs_f64(),
                    rate.flushes as f64 / rate.elapsed.as_secs_f64(),
                    rate.staging.as_nanos() as f64 / rate.records as f64,
                );
            }
            backlog(&engine, &mut next, 2_000_000)
        })();
        stop.store(true, Ordering::Relaxed);
        measured
    })?;
    drop(engine);
    let begun = Instant::now();
    let (engine, recovered) = Engine::open(disk, Options::default())?;
    println!("recovered {} entries in {:?}", engine.usage().live_entries, begun.elapsed());
    println!("clean: {}, damaged: {}", recovered.clean, recovered.damaged.len());
    Ok(())
}
