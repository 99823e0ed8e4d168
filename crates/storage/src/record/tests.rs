//! Records come back as they were written; anything changed is refused.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where something is not as it should be"
)]

use super::*;
use proptest::prelude::*;

fn check(write: impl Fn(&mut Vec<u8>), expect: &Record<'_>) {
    let mut bytes = Vec::new();
    write(&mut bytes);
    assert_eq!(decode(&bytes).unwrap_err(), Reason::Checksum, "an unsealed record must not pass");
    seal(&mut bytes);
    let (record, len) = decode(&bytes).unwrap();
    assert_eq!(len, bytes.len());
    assert_eq!(&record, expect);
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut wrong = bytes.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&wrong).is_err(), "bit {bit}");
    }
}

#[test]
fn a_small_append_costs_eleven_bytes() {
    let entry = Entry { index: 7, expires_at_ms: 0, priority: 0, head: b"", body: b"" };
    let mut bytes = Vec::new();
    put_append(&mut bytes, LogId(3), &entry);
    assert_eq!(bytes.len(), 11);
}

#[test]
fn several_records_are_sealed_together() {
    let mut bytes = Vec::new();
    put_drop(&mut bytes, LogId(1));
    put_settle(&mut bytes, LogId(2), &[3..=4, 9..=9]);
    seal(&mut bytes);
    let (first, len) = decode(&bytes).unwrap();
    assert_eq!(first, Record::Drop { log: LogId(1) });
    let (second, _) = decode(&bytes[len..]).unwrap();
    assert_eq!(second, Record::Settle { log: LogId(2), ranges: vec![3..=4, 9..=9] });
    assert_eq!(guess_log(&bytes[len..]), Some(LogId(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn appends(log: u64, index: u64, expires: u64, priority: u8, small: bool, payload in prop::collection::vec(any::<u8>(), 0..40)) {
        let (expires_at_ms, priority) = if small { (0, 0) } else { (expires, priority) };
        let (head, body) = payload.split_at(payload.len() / 3);
        let entry = Entry { index, expires_at_ms, priority, head, body };
        check(
            |out| put_append(out, LogId(log), &entry),
            &Record::Append { log: LogId(log), index, expires_at_ms, priority, payload: &payload },
        );
    }

    #[test]
    fn settles(log: u64, steps in prop::collection::vec((2_u64..1 << 40, 0_u64..1000), 0..6)) {
        let mut at = 0;
        let ranges: Vec<_> = steps.iter().map(|(gap, extra)| { let start = at + gap; at = start + extra; start..=at }).collect();
        check(|out| put_settle(out, LogId(log), &ranges), &Record::Settle { log: LogId(log), ranges: ranges.clone() });
    }

    #[test]
    fn anything_else_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let _ = guess_log(&bytes);
        let _ = fields(&bytes);
    }
}
