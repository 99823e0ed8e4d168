//! Messages: what goes in comes out, from memory and from disk.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_message_comes_back_from_its_disk_form(
        exchange in proptest::collection::vec(any::<u8>(), 0..255),
        key in proptest::collection::vec(any::<u8>(), 0..255),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            proptest::collection::vec(any::<u8>(), 4000..9000),
        ],
        mode in any::<u8>(),
        priority in any::<u8>(),
    ) {
        let properties = [0x18, 0x00, mode, priority];
        let message = Message::new(&exchange, &key, &properties, &body).unwrap();
        let mut payload = message.head().to_vec();
        payload.extend_from_slice(message.body());
        let read = Message::decode(payload.into()).unwrap();
        for m in [&message, &read] {
            prop_assert_eq!(m.exchange(), &exchange[..]);
            prop_assert_eq!(m.routing_key(), &key[..]);
            prop_assert_eq!(m.raw_properties(), &properties[..]);
            prop_assert_eq!(m.body(), &body[..]);
            prop_assert_eq!(&m.body_shared()[..], &body[..]);
            prop_assert_eq!(m.priority(), priority);
            prop_assert_eq!(m.is_persistent(), mode == 2);
            prop_assert_eq!(m.address(), message.address());
        }
    }

    /// What is read of every message is what is read when all of it is asked for.
    #[test]
    fn a_digest_agrees_with_the_properties(
        flags in any::<u16>(),
        values in proptest::collection::vec(prop_oneof![4 => 0..6_u8, 1 => any::<u8>()], 0..60),
        length in 0..60_usize,
    ) {
        let mut raw = flags.to_be_bytes().to_vec();
        raw.extend(values);
        // Most lengths are wrong: the one that fits is tried too.
        for length in length.min(raw.len())..=raw.len() {
            let whole = Properties::parse(&raw[..length]);
            let digest = whole.map(|properties| Digest {
                delivery_mode: properties.delivery_mode.unwrap_or(0),
                priority: properties.priority.unwrap_or(0),
            });
            prop_assert_eq!(Digest::check(&raw[..length]), digest);
        }
    }

    #[test]
    fn properties_are_written_as_they_were_read(bits in any::<u16>(), bytes in proptest::collection::vec(0_u8..3, 0..60)) {
        let list = [&(bits & !3 & !flag::HEADERS).to_be_bytes()[..], &bytes].concat();
        // Any beginning that holds just the properties that the flags announce.
        for end in 2..=list.len() {
            if let Ok(properties) = Properties::parse(&list[..end]) {
                let mut written = Vec::new();
                properties.encode(&mut written);
                prop_assert_eq!(&written, &list[..end]);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(message) = Message::decode(bytes.clone().into()) {
            prop_assert_eq!([message.head(), message.body()].concat(), bytes);
        }
    }
}

#[test]
fn properties_are_read_in_the_order_of_their_flags() {
    let mut raw = vec![0xff, 0xfc];
    let short = |raw: &mut Vec<u8>, text: &[u8]| {
        raw.push(u8::try_from(text.len()).unwrap());
        raw.extend_from_slice(text);
    };
    short(&mut raw, b"text/plain");
    short(&mut raw, b"gzip");
    let mut headers = crate::Table::default();
    headers.push("n", crate::Value::I32(5));
    headers.encode(&mut raw);
    raw.extend_from_slice(&[2, 9]);
    for text in ["corr", "reply", "60000", "id"] {
        short(&mut raw, text.as_bytes());
    }
    raw.extend_from_slice(&77u64.to_be_bytes());
    for text in ["type", "user", "app", "cluster"] {
        short(&mut raw, text.as_bytes());
    }
    let properties = Properties::parse(&raw).unwrap();
    assert_eq!(properties.content_type, Some(&b"text/plain"[..]));
    assert_eq!(properties.headers().unwrap(), headers);
    assert_eq!((properties.delivery_mode, properties.priority), (Some(2), Some(9)));
    assert_eq!(properties.expiration, Some(&b"60000"[..]));
    assert_eq!(properties.timestamp, Some(77));
    assert_eq!(properties.kind, Some(&b"type"[..]));
    assert_eq!(properties.cluster_id, Some(&b"cluster"[..]));
    raw.push(0);
    assert_eq!(Properties::parse(&raw), Err(PropertiesError::Surplus));
    raw.truncate(raw.len() - 2);
    assert_eq!(Properties::parse(&raw), Err(PropertiesError::CutOff));
}

#[test]
fn a_message_takes_one_line_of_the_caches() {
    let counts = 2 * size_of::<usize>();
    assert_eq!(counts + size_of::<Message>(), 64);
}

#[test]
fn an_address_is_the_same_in_one_piece() {
    let body = vec![7; 5000];
    for body in [&body[..10], &body[..]] {
        let (one, other) = (
            Message::new(b"exchange", b"key", b"\x10\x00\x02", body).unwrap(),
            Message::published(b"\x08exchange\x03key", b"\x10\x00\x02", body).unwrap(),
        );
        assert_eq!((one.head(), one.body()), (other.head(), other.body()));
    }
}
