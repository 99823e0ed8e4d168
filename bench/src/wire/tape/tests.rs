//! The ring, its ends and its stamps.

use super::*;
use crate::wire::frame::{BODY, Frame};

fn tape(keys: &[&str]) -> Tape {
    let routes: Vec<_> = keys.iter().map(|key| Publish { exchange: "", key, is_persistent: false }).collect();
    Tape::new(&routes, 1, 128, 10).unwrap()
}

fn bodies(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let mut rest = bytes;
    while let Some((frame, length)) = Frame::first(rest).unwrap() {
        if frame.kind == BODY {
            bodies.push(frame.payload.to_vec());
        }
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
    bodies
}

#[test]
fn it_has_whole_messages_and_each_route_in_turn() {
    let tape = tape(&["a", "bcd"]);
    assert!(tape.bytes().len() >= TAPE_BYTES_MIN);
    assert_eq!(tape.messages() % 2, 0);
    assert_eq!(bodies(tape.bytes()).len(), tape.messages());
    let lengths: Vec<_> = (0..4).map(|number| tape.range(number, number + 1).len()).collect();
    assert_eq!(lengths[0] + 2, lengths[1]);
    assert_eq!(lengths[..2], lengths[2..]);
}

#[test]
fn ranges_end_at_the_end_of_the_ring_and_go_on_from_its_start() {
    let tape = tape(&["a"]);
    let count = tape.messages() as u64;
    assert_eq!(tape.range(0, count), 0..tape.bytes().len());
    assert_eq!(tape.range(count - 1, count + 5).end, tape.bytes().len());
    assert_eq!(tape.range(count, count + 1), tape.range(0, 1));
    assert!(tape.range(5, 5).is_empty());
}

#[test]
fn whole_messages_are_counted_by_bytes() {
    let tape = tape(&["a", "bcd"]);
    let second = tape.range(1, 2);
    assert_eq!(tape.whole_messages(0), 0);
    assert_eq!(tape.whole_messages(second.start - 1), 0);
    assert_eq!(tape.whole_messages(second.start), 1);
    assert_eq!(tape.whole_messages(second.end), 2);
    assert_eq!(tape.whole_messages(tape.bytes().len()), tape.messages());
}

#[test]
fn a_stamp_changes_one_body_and_no_frame() {
    let mut tape = tape(&["a"]);
    let count = tape.messages();
    tape.stamp(count as u64 + 3, 0x0102_0304_0506_0708);
    let bodies = bodies(tape.bytes());
    assert_eq!(bodies.len(), count);
    assert_eq!(bodies[3][..9], [1, 2, 3, 4, 5, 6, 7, 8, b'i']);
    assert_eq!(bodies[2][..2], *b"ab");
    assert_eq!(bodies[4][..2], *b"ab");
}
