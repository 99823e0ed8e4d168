//! A storage folder as anyone may have changed it: recovery reports or refuses, never panics, and work goes on after.
//!
//! The first byte chooses: bytes changed anywhere in a sound folder; records of any bytes in frames with right checksums;
//! a checkpoint of any bytes with a right checksum.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use storage::disk::memory::MemoryDisk;
use storage::{Disk, Engine, Entry, LogId, Options, ReadLimit};

fuzz_target!(|input: &[u8]| {
    let Some((mode, input)) = input.split_first() else { return };
    let disk = match mode % 3 {
        0 => changed(input),
        1 => records(input),
        _ => checkpoint(input),
    };
    // Three lives: what the first leaves must do for the next.
    for life in 0..3 {
        let Ok((engine, recovered)) = Engine::open(Arc::new(disk.clone()), options()) else { return };
        assert!(!recovered.clean || recovered.damaged.is_empty());
        let logs: Vec<LogId> = recovered.logs.iter().map(|log| log.id).collect();
        work(&engine, &logs);
        if life == 1 && engine.close(Vec::new()).is_err() {
            return;
        }
    }
});

fn options() -> Options {
    Options {
        wal_file_bytes_min: 8 * 1024,
        wal_file_bytes_max: 16 * 1024,
        segment_bytes_max: 2048,
        segment_entries_max: 8,
        copy_forward_bytes_max: 200,
        ..Options::default()
    }
}

/// Reads all, appends to and settles in all, keeps house.
fn work(engine: &Engine, logs: &[LogId]) {
    for log in logs.iter().copied().take(20).chain([LogId(1)]) {
        let mut from = 0;
        loop {
            let mut out = Vec::new();
            let limit = ReadLimit { entries: 16, bytes: 4096 };
            if engine.read(log, from, limit, &mut out).is_err() || out.is_empty() {
                break;
            }
            assert!(out.iter().all(|stored| stored.index >= from));
            assert!(out.is_sorted_by(|one, next| one.index < next.index));
            let Some(next) = out.last().and_then(|last| last.index.checked_add(1)) else { break };
            from = next;
        }
        let state = engine.state(log);
        let mut staging = engine.stage();
        if state.next < u64::MAX {
            let entry =
                Entry { index: state.next, expires_at_ms: 1, priority: 2, head: b"head", body: &[7; 900] };
            staging.append(log, entry);
        }
        staging.settle(log, &[state.first..=state.first, 3..=5]);
    }
    let _ = engine.flush();
    for _ in 0..6 {
        let _ = engine.housekeep();
    }
}

/// A folder with a bit of everything, made by the engine.
fn sound() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (engine, _) = Engine::open(Arc::new(disk.clone()), options()).expect("an empty disk");
    for index in 0..60_u64 {
        let log = LogId(1 + index % 3);
        let mut staging = engine.stage();
        let body = vec![index as u8; (index * 37 % 700) as usize];
        staging.append(log, Entry { index, expires_at_ms: index % 2, priority: 0, head: b"", body: &body });
        if index % 4 == 0 {
            staging.settle(log, &[index / 2..=index / 2 + 1]);
        }
        drop(staging);
        engine.flush().expect("nothing fails");
        engine.housekeep().expect("nothing fails");
    }
    engine.flush().expect("nothing fails");
    disk
}

/// Changes of five bytes each: which file, where, and what happens there: a bit turned over, a cut, or a removal.
fn changed(input: &[u8]) -> MemoryDisk {
    let disk = sound();
    let files = disk.list().expect("nothing fails");
    for change in input.chunks_exact(5) {
        let file = &files[usize::from(change[0]) % files.len()];
        let place = u64::from_le_bytes([change[1], change[2], 0, 0, 0, 0, 0, 0]) % file.len.max(1);
        if change[3] == 0 {
            // It may have been removed by a change before.
            let _ = disk.open(&file.name).and_then(|open| open.set_len(place));
        } else if change[3] == 1 {
            let _ = disk.remove(&file.name);
        } else {
            disk.flip(&file.name, place as usize, change[4]);
        }
    }
    disk
}

fn fresh() -> MemoryDisk {
    let disk = MemoryDisk::new();
    Engine::open(Arc::new(disk.clone()), options()).expect("an empty disk");
    disk
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    crc_fast::crc32_iscsi(bytes).to_le_bytes()
}

/// Frames of records; a byte says how long each record is, and one in eight ends its frame.
fn records(mut input: &[u8]) -> MemoryDisk {
    let disk = fresh();
    let file = disk.open("wal-0000000000000001").expect("it was begun");
    let (mut lsn, mut previous, mut at) = (1_u64, [0; 4], 0_u64);
    while !input.is_empty() && at < 64 * 1024 {
        let (mut body, mut count) = (Vec::new(), 0_u32);
        while let Some((len, rest)) = input.split_first() {
            let (bytes, rest) = rest.split_at(usize::from(*len >> 3).min(rest.len()));
            input = rest;
            let mut record = (bytes.len() as u32).to_le_bytes().to_vec();
            record.extend_from_slice(bytes);
            body.extend_from_slice(&crc(&record));
            body.extend_from_slice(&record);
            count += 1;
            if len & 7 == 0 {
                break;
            }
        }
        let mut covered = (body.len() as u64).to_le_bytes().to_vec();
        covered.extend_from_slice(&lsn.to_le_bytes());
        covered.extend_from_slice(&(lsn - 1).to_le_bytes());
        covered.extend_from_slice(&count.to_le_bytes());
        covered.extend_from_slice(&previous);
        covered.extend_from_slice(&1_u32.to_le_bytes());
        covered.extend_from_slice(&[0; 4]);
        covered.extend_from_slice(&body);
        previous = crc(&covered);
        file.write_at(at, &[b"HFW1", &previous, &covered]).expect("nothing fails");
        at = (at + covered.len() as u64 + 8).next_multiple_of(4096);
        lsn += u64::from(count.max(1));
    }
    disk
}

fn checkpoint(input: &[u8]) -> MemoryDisk {
    let disk = fresh();
    let mut covered = 5_u64.to_le_bytes().to_vec();
    covered.extend_from_slice(&(input.len() as u64).to_le_bytes());
    covered.extend_from_slice(input);
    let file = disk.create("checkpoint-a").expect("nothing fails");
    file.write_at(0, &[b"HFC1", &crc(&covered), &covered]).expect("nothing fails");
    disk
}
