//! Messages in the making, against the same done with parsed tables.

use bytes::Bytes;
use model::{Table, Value};
use proptest::prelude::*;
use storage::Lsn;

use super::*;
use crate::{queue::stream::chunk::Membership, route::headers_of};

fn message(headers: Option<&Table>, delivery_mode: Option<u8>, body: &[u8]) -> Message {
    let mut raw = Vec::new();
    if let Some(headers) = headers {
        headers.encode(&mut raw);
    }
    let mut list = Vec::new();
    let raw_headers = headers.map(|_| &raw[..]);
    let content_type = Some(&b"text/plain"[..]);
    Properties {
        content_type,
        raw_headers,
        delivery_mode,
        cluster_id: Some(b"c"),
        app_id: Some(b"a"),
        ..Properties::default()
    }
    .encode(&mut list);
    Message::new(b"x", b"key", &list, body).unwrap()
}

/// The messages of a finished draft.
fn finished(draft: Draft, first_offset: u64) -> Vec<Message> {
    let segment = Membership { first_chunk: 0, first_offset, bytes_before: 0 };
    let head = Head { messages: draft.count(), first_offset, appended_ms: 0, segment };
    let made = draft.finish(0, head);
    let chunk = Chunk::decode(0, Lsn(0), Bytes::copy_from_slice(made.payload())).unwrap();
    assert_eq!((chunk.head, chunk.filter(), chunk.messages_at()), (head, made.filter(), made.messages_at()));
    let mut at = chunk.messages_at();
    let mut found = Vec::new();
    while let Some((bytes, next)) = chunk.message_at(at) {
        found.push(Message::decode(bytes).unwrap());
        at = next;
    }
    found
}

fn headers() -> impl Strategy<Value = Option<Table>> {
    let name = prop_oneof![Just("a"), Just("x-stream-offset"), Just("x-stream-filter-value"), Just("other")];
    let value = prop_oneof![
        any::<i64>().prop_map(Value::I64),
        "[a-z]{0,9}".prop_map(|text| Value::text(&text)),
        Just(Value::Array(vec![Value::Bool(true)])),
    ];
    let field = (name, value).prop_map(|(name, value)| (model::Name::parse(name).unwrap(), value));
    proptest::option::of(proptest::collection::vec(field, 0..5).prop_map(Table))
}

proptest! {
    #[test]
    fn every_message_tells_its_offset_and_keeps_the_rest(
        published in proptest::collection::vec((headers(), proptest::option::of(1..3_u8), 0..30_usize), 1..20),
        first_offset in 0..1_000_000_u64,
    ) {
        let messages: Vec<_> = published.iter().map(|(headers, mode, length)| Arc::new(message(headers.as_ref(), *mode, &vec![7; *length]))).collect();
        let drafts = Draft::all_of(&messages, 16);
        prop_assert_eq!(drafts.len(), 1);
        let found: Vec<_> = drafts.into_iter().flat_map(|draft| finished(draft, first_offset)).collect();
        prop_assert_eq!(found.len(), messages.len());
        for (at, (found, original)) in found.iter().zip(&messages).enumerate() {
            let mut wanted = headers_of(original);
            wanted.0.retain(|(name, _)| &**name != "x-stream-offset");
            wanted.push("x-stream-offset", Value::I64(i64::try_from(first_offset).unwrap() + at as i64));
            prop_assert_eq!(headers_of(found), wanted);
            prop_assert_eq!(found.body(), original.body());
            prop_assert_eq!(found.address(), original.address());
            let (was, is) = (original.properties(), found.properties());
            prop_assert_eq!(is.delivery_mode, was.delivery_mode.or(Some(1)));
            prop_assert_eq!((is.content_type, is.app_id, is.cluster_id), (was.content_type, was.app_id, None));
            prop_assert_eq!(filter_value(found), filter_value(original));
        }
    }
}

#[test]
fn chunks_have_an_end() {
    let small = Arc::new(message(None, None, b""));
    let drafts = Draft::all_of(&vec![Arc::clone(&small); 10_000], 16);
    assert!(
        drafts
            .iter()
            .all(|draft| draft.payload.len() < BYTES_MAX + 200 && draft.payload.capacity() < BYTES_MAX + 300)
    );
    assert_eq!(drafts.iter().map(Draft::count).sum::<u32>(), 10_000);
    let large = Arc::new(message(None, None, &vec![0; BYTES_MAX * 2]));
    let drafts = Draft::all_of(&[&small, &large, &small].map(Arc::clone), 16);
    assert_eq!(drafts.iter().map(Draft::count).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_filter_value_is_a_text() {
    let of = |value: Value| {
        let table = Table(vec![(model::Name::parse("x-stream-filter-value").unwrap(), value)]);
        filter_value(&message(Some(&table), None, b"")).map(<[u8]>::to_vec)
    };
    assert_eq!(of(Value::text("red")), Some(b"red".to_vec()));
    assert_eq!(of(Value::text("")), Some(Vec::new()));
    assert_eq!(of(Value::I32(5)), None);
    assert_eq!(filter_value(&message(None, None, b"")), None);
}
