//! Checkpoints come back as they were written; anything changed is refused.

#![expect(
    clippy::indexing_slicing,
    clippy::redundant_clone,
    reason = "a test may stop where something is not as it should be"
)]

use super::*;
use proptest::prelude::*;

fn sample() -> (Groundwork, Vec<(LogId, Log)>) {
    let base = Groundwork {
        generation: 9,
        durable: 500,
        first_lsn: 400,
        first_epoch: 7,
        previous: 0xabcd,
        next_segment: 12,
        next_log: 90,
    };
    let whole = Segment {
        id: 3,
        first: 10,
        last: 109,
        floor: 20,
        count: 100,
        live: 90,
        bytes: 5000,
        file_len: 7000,
        bits: None,
    };
    let holed = Segment {
        id: 11,
        first: 200,
        last: 330,
        floor: 200,
        count: 3,
        live: 2,
        bits: Some(Box::new([1, 0, 4])),
        ..whole.clone()
    };
    let mut log = Log { next: 1000, drained_below: 400, ..Log::default() };
    log.segments.push_back(whole);
    log.segments.push_back(holed);
    (base, vec![(LogId(1), Log { next: 5, ..Log::default() }), (LogId(89), log)])
}

fn encoded() -> Vec<u8> {
    let (base, logs) = sample();
    encode(&base, logs.iter().map(|(id, log)| (*id, log)))
}

#[test]
fn a_checkpoint_comes_back() {
    let (base, logs) = sample();
    let (read, read_logs) = decode(&encoded()).unwrap();
    assert_eq!(read, base);
    assert_eq!(read_logs.len(), logs.len());
    for ((id, log), (read_id, read)) in logs.iter().zip(&read_logs) {
        assert_eq!((id, log.next, log.drained_below), (read_id, read.next, read.drained_below));
        assert_eq!(log.segments, read.segments);
    }
}

#[test]
fn every_changed_bit_and_every_cut_is_refused() {
    let bytes = encoded();
    for bit in 0..bytes.len() * 8 {
        let mut wrong = bytes.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&wrong).is_err(), "bit {bit}");
    }
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_clean_mark_comes_back_or_is_refused() {
    let mark = CleanMark { durable: 77, delivered: vec![(LogId(1), 5), (LogId(300), u64::MAX)] };
    let bytes = mark.encode();
    assert_eq!(CleanMark::decode(&bytes), Some(mark));
    for bit in 0..bytes.len() * 8 {
        let mut wrong = bytes.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(CleanMark::decode(&wrong), None, "bit {bit}");
    }
}

proptest! {
    #[test]
    fn a_body_of_anything_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = fields(1, &bytes);
        let _ = CleanMark::decode(&bytes);
    }
}
