//! What a start finds, and what a read makes of entries that are no chunks or are not there.

use storage::{Entry, Options, disk::memory::MemoryDisk};

use super::*;
use crate::queue::stream::{
    chunk::{Head, tests::put_message},
    segments::Segments,
};

const ID: LogId = LogId(5);

fn open(disk: &MemoryDisk) -> (Log, Recovered) {
    let (engine, recovered) = Engine::open(Arc::new(disk.clone()), Options::default()).unwrap();
    let state = recovered.logs.iter().find(|log| log.id == ID).map(|log| log.state).unwrap_or_default();
    let found = Recovered { first: state.first, next: state.next, ..Recovered::default() };
    (Log { engine: Arc::new(engine), id: ID, is_untouched: false }, found)
}

fn append(log: &Log, index: u64, head: &[u8], body: &[u8]) {
    let mut staging = log.engine.stage();
    staging.append(ID, Entry { index, expires_at_ms: 0, priority: 0, head, body });
}

/// Chunks of two messages, in segments of at least 5000 bytes.
fn fill(log: &Log, chunks: u64) -> Segments {
    let message = model::Message::new(b"", b"s", &[0, 0], &[7; 1000]).unwrap();
    let mut segments = Segments::default();
    for number in 0..chunks {
        let segment = segments.next_membership(number, number * 2, 5000);
        let head = Head { messages: 2, first_offset: number * 2, appended_ms: number, segment };
        let mut body = Vec::new();
        put_message(&mut body, &message);
        put_message(&mut body, &message);
        let encoded = head.encode(&[]);
        segments.append(&head, (encoded.len() + body.len()) as u64);
        append(log, number, &encoded, &body);
    }
    segments
}

#[test]
fn a_start_finds_the_segments_that_were_there() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let segments = fill(&log, 20);
    log.engine.flush().unwrap();
    drop(log);
    let (log, recovered) = open(&disk);
    let found = log.survey(&recovered);
    assert_eq!(format!("{:?}", found.segments), format!("{segments:?}"));
    assert_eq!((found.next_chunk, found.next_offset), (20, 40));
    let damaged = log.survey(&Recovered { is_damaged: true, ..recovered });
    assert_eq!(damaged.next_offset, 40 + OFFSETS_SKIPPED);
    let empty = log.survey(&Recovered::default());
    assert_eq!((empty.next_chunk, empty.next_offset), (0, 0));
}

#[test]
fn without_its_last_chunk_a_stream_goes_on_later() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    fill(&log, 20);
    log.engine.stage().settle(ID, &[18..=19]);
    log.engine.flush().unwrap();
    drop(log);
    let (log, recovered) = open(&disk);
    let found = log.survey(&recovered);
    assert_eq!((found.next_chunk, found.next_offset), (20, 36 + OFFSETS_SKIPPED));
    assert_eq!(found.segments.first().unwrap().first_chunk, 0);
}

#[test]
fn what_is_no_chunk_is_passed_over() {
    let (log, _) = open(&MemoryDisk::new());
    fill(&log, 3);
    for index in 3..6 {
        append(&log, index, b"no", b" chunk");
    }
    log.engine.flush().unwrap();
    let (chunks, next) = log.read(1, 1 << 20).unwrap();
    assert_eq!((chunks.iter().map(|chunk| chunk.number).collect::<Vec<_>>(), next), (vec![1, 2], Some(6)));
    let (chunks, next) = log.read(4, 1 << 20).unwrap();
    assert_eq!((chunks.len(), next), (0, Some(6)));
    assert_eq!(log.read(6, 1 << 20).unwrap().1, None);
}
