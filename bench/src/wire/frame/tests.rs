//! Frames whole, in pieces, and wrong.

use super::*;
use crate::wire::method::{self, Publish};

fn publish() -> Vec<u8> {
    let mut bytes = Vec::new();
    Publish { exchange: "x", key: "some.key", is_persistent: true }.encode(&mut bytes, 7, b"0123456789");
    bytes
}

#[test]
fn frames_of_a_publish_are_found_one_after_the_other() {
    let bytes = publish();
    let mut rest = bytes.as_slice();
    let mut kinds = Vec::new();
    while let Some((frame, length)) = Frame::first(rest).unwrap() {
        assert_eq!(frame.channel, 7);
        kinds.push((frame.kind, frame.method()));
        rest = &rest[length..];
    }
    assert_eq!(kinds, [(METHOD, Some(method::PUBLISH)), (HEADER, None), (BODY, None)]);
    assert!(rest.is_empty());
}

#[test]
fn a_frame_in_pieces_is_waited_for() {
    let bytes = publish();
    let (whole, length) = Frame::first(&bytes).unwrap().unwrap();
    for cut in 0..length {
        assert_eq!(Frame::first(&bytes[..cut]).unwrap(), None, "{cut}");
    }
    assert_eq!(Frame::first(&bytes[..length]).unwrap(), Some((whole, length)));
}

#[test]
fn arguments_are_read_and_their_end_is_seen() {
    let bytes = publish();
    let (frame, _) = Frame::first(&bytes).unwrap().unwrap();
    let mut arguments = frame.arguments();
    assert_eq!(arguments.u16().unwrap(), 0);
    assert_eq!(arguments.short_text().unwrap(), b"x");
    assert_eq!(arguments.short_text().unwrap(), b"some.key");
    assert_eq!(arguments.u8().unwrap(), 0);
    assert!(arguments.u8().is_err());
}

#[test]
fn what_is_no_frame_is_refused() {
    let mut bytes = publish();
    let (_, length) = Frame::first(&bytes).unwrap().unwrap();
    bytes[length - 1] = 0;
    assert!(Frame::first(&bytes).is_err());
    assert!(Frame::first(b"AMQP\x00\x00\x09\x01").is_err());
    assert!(Frame::first(&[1, 0, 0, 0xff, 0xff, 0xff, 0xff]).is_err());
}

#[test]
fn texts_of_a_table_are_found_between_other_values() {
    let mut table = Vec::new();
    table.extend_from_slice(b"\x07product");
    table.extend_from_slice(b"S\0\0\0\x08RabbitMQ");
    table.extend_from_slice(b"\x04flagt\x01");
    table.extend_from_slice(b"\x04caps");
    table.extend_from_slice(b"F\0\0\0\x04\x01at\x01");
    table.extend_from_slice(b"\x07version");
    table.extend_from_slice(b"S\0\0\0\x054.0.5");
    let mut bytes = u32::try_from(table.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(&table);
    let texts = Reader(&bytes).texts_of_table().unwrap();
    let expected = [("product", "RabbitMQ"), ("version", "4.0.5")];
    assert_eq!(texts, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    for cut in 0..bytes.len() {
        assert!(Reader(&bytes[..cut]).texts_of_table().is_err(), "{cut}");
    }
}

#[test]
fn a_refusal_is_told_in_one_line() {
    let mut bytes = Vec::new();
    method::close(&mut bytes, 404, "NOT_FOUND - no queue");
    let (frame, _) = Frame::first(&bytes).unwrap().unwrap();
    assert_eq!(refusal(&frame).unwrap(), "404 NOT_FOUND - no queue");
}
