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
    assert_eq!(Return::decode(&payload), Some(Return { level: 1, index: 7, count: 3 }));
}

proptest! {
    #[test]
    fn entries_come_back(body in proptest::collection::vec(any::<u8>(), 0..6000), level: u8, index: u64, count: u64) {
        let message = message(&body);
        let decoded = decode_enqueue(entry(&message)).unwrap();
        prop_assert_eq!((decoded.head(), decoded.body()), (message.head(), &body[..]));
        let back = Return { level, index, count };
        prop_assert_eq!(Return::decode(&back.encode()), Some(back));
        let encoded = back.encode();
        prop_assert_eq!(Return::decode(&encoded[..encoded.len() - 1]), None);
    }

    #[test]
    fn nonsense_is_refused_or_is_a_message(payload in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = Return::decode(&payload);
        if let Ok(message) = decode_enqueue(payload.into()) {
            prop_assert!(matches!(message.head()[0], 1..=3));
        }
    }
}
