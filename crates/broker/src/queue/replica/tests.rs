//! Entries come back, older ones too, and nothing else is taken for one.

use proptest::prelude::*;

use super::*;

fn message(body: &[u8]) -> Message {
    Message::new(b"x", b"key", &[0x10, 0, 2], body).unwrap()
}

fn entry(message: &Message) -> Bytes {
    [&enqueue_head(message)[..], message.body()].concat().into()
}

#[test]
fn the_bytes_are_those_of_the_decision() {
    let message = message(b"hello");
    let payload = entry(&message);
    assert_eq!(payload[..3], [0x81, 0, 0]);
    assert_eq!(payload[3..], [message.head(), message.body()].concat());
    let back = Return { level: 1, index: 300, count: 2 };
    assert_eq!(back.encode(), [0x83, 0, 1, 0xac, 0x02, 2]);
    let parts: [(u8, &[_]); 2] = [(0, &[3..=3, 5..=9]), (1, &[4..=4])];
    let bytes = |how: Departure| how.encode(parts.into_iter());
    assert_eq!(bytes(Departure::Settled), [0x82, 0, 0, 2, 3, 0, 2, 4, 1, 1, 4, 0]);
    let expired = Departure::GivenUp(Reason::Expired);
    assert_eq!(bytes(expired), [0x84, 0, 1, 0, 2, 3, 0, 2, 4, 1, 1, 4, 0]);
    assert_eq!(bytes(Departure::Purged)[..4], [0x85, 0, 0, 2]);
}

#[test]
fn what_another_term_and_another_queue_say_is_passed_over() {
    let message = message(b"hello");
    for before in [&[0x81, 0xac, 0x02, 0][..], &[0x81, 5, 0x80, 0x01, 0xff, 0x01]] {
        let payload: Bytes = [before, message.head(), message.body()].concat().into();
        let decoded = decode_enqueue(payload).unwrap();
        assert_eq!((decoded.head(), decoded.body()), (message.head(), message.body()));
    }
}

#[test]
fn what_was_written_before_there_were_terms_is_read() {
    let message = message(b"old");
    let payload: Bytes = [message.head(), message.body()].concat().into();
    assert_eq!(decode_enqueue(payload).unwrap().body(), b"old");
    let payload = [&[1_u8][..], &7_u64.to_be_bytes(), &3_u64.to_be_bytes()].concat();
    let back = Return { level: 1, index: 7, count: 3 };
    assert_eq!(Entry::decode(&payload), Some(Entry::Return(back)));
}

fn departure() -> impl Strategy<Value = Departure> {
    let reasons = [Reason::Rejected, Reason::Expired, Reason::MaxLength, Reason::DeliveryLimit];
    prop_oneof![
        Just(Departure::Settled),
        proptest::sample::select(reasons.to_vec()).prop_map(Departure::GivenUp),
        Just(Departure::Purged),
    ]
}

proptest! {
    #[test]
    fn entries_come_back(body in proptest::collection::vec(any::<u8>(), 0..6000), level: u8, index: u64, count: u64) {
        let message = message(&body);
        let decoded = decode_enqueue(entry(&message)).unwrap();
        prop_assert_eq!((decoded.head(), decoded.body()), (message.head(), &body[..]));
        let back = Return { level, index, count };
        prop_assert_eq!(Entry::decode(&back.encode()), Some(Entry::Return(back)));
        let encoded = back.encode();
        prop_assert_eq!(Entry::decode(&encoded[..encoded.len() - 1]), None);
    }

    #[test]
    fn departures_come_back(
        how in departure(),
        parts in proptest::collection::btree_map(0..9_u8, proptest::collection::btree_map(1..1000_u64, 0..5_u64, 1..20), 1..3),
    ) {
        // Ranges that are apart: of every thousand numbers one.
        let parts: Vec<Part> = parts
            .into_iter()
            .map(|(level, ranges)| (level, ranges.into_iter().map(|(at, more)| at * 1000..=at * 1000 + more).collect()))
            .collect();
        let out_of_order = |ranges: &[RangeInclusive<u64>]| ranges.iter().rev().cloned().collect::<Vec<_>>();
        let shuffled: Vec<_> = parts.iter().map(|(level, ranges)| (*level, out_of_order(ranges))).collect();
        let encoded = how.encode(shuffled.iter().map(|(level, ranges)| (*level, ranges.as_slice())));
        prop_assert_eq!(Entry::decode(&encoded), Some(Entry::Departure(how, parts)));
        prop_assert_eq!(Entry::decode(&encoded[..encoded.len() - 1]), None);
    }

    #[test]
    fn nonsense_is_refused_or_is_a_message(payload in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = Entry::decode(&payload);
        if let Ok(message) = decode_enqueue(payload.into()) {
            prop_assert!(matches!(message.head()[0], 1..=3));
        }
    }
}
