//! `CC` and `BCC`, as RabbitMQ 4.0.5 answered; what is left of the properties.

use bytes::Bytes;
use model::Name;
use proptest::prelude::*;

use super::*;

fn table(fields: &[(&str, Value)]) -> Table {
    Table(fields.iter().map(|(field, value)| (Name::parse(field).unwrap(), value.clone())).collect())
}

/// Properties with a content type, these headers and an application id.
fn properties(headers: &Table) -> Vec<u8> {
    let mut raw = vec![0b1010_0000, 0b0000_1000];
    raw.extend_from_slice(b"\x04text");
    headers.encode(&mut raw);
    raw.extend_from_slice(b"\x03app");
    raw
}

fn message(headers: &Table) -> Message {
    Message::new(b"e", b"k", &properties(headers), b"body").unwrap()
}

fn texts(items: &[&str]) -> Value {
    Value::Array(items.iter().map(|item| Value::text(item)).collect())
}

#[test]
fn keys_come_from_both_headers() {
    let odd = Value::Array(vec![
        Value::text("a"),
        Value::I32(1),
        Value::Bytes(Bytes::from_static(b"x")),
        Value::text("b"),
    ]);
    for (headers, expected) in [
        (table(&[("CC", odd)]), vec!["a", "b"]),
        (table(&[("BCC", texts(&["b"])), ("CC", texts(&["c"]))]), vec!["c", "b"]),
        (table(&[("CC", texts(&[]))]), vec![]),
        (table(&[("cc", texts(&["a"])), ("CCC", texts(&["b"]))]), vec![]),
        // As RabbitMQ does, the first of a name counts.
        (table(&[("CC", texts(&["a"])), ("CC", texts(&["b"]))]), vec!["a"]),
    ] {
        let extra = ExtraKeys::parse(&message(&headers)).unwrap();
        assert_eq!(extra.keys(), expected, "{headers:?}");
    }
    let bare = Message::new(b"e", b"k", &[0, 0], b"").unwrap();
    assert!(ExtraKeys::parse(&bare).unwrap().is_empty());
}

#[test]
fn what_is_no_array_is_refused_in_rabbitmqs_words() {
    for (headers, reason) in [
        (table(&[("CC", Value::text("a"))]), r#"{unacceptable_type_in_header,"CC",longstr}"#),
        (table(&[("CC", Value::Void)]), r#"{unacceptable_type_in_header,"CC",void}"#),
        (table(&[("BCC", Value::I32(1))]), r#"{unacceptable_type_in_header,"BCC",signedint}"#),
        (table(&[("CC", Value::Table(Table::default()))]), r#"{unacceptable_type_in_header,"CC",table}"#),
        (
            table(&[("BCC", Value::text("a")), ("CC", Value::I32(1))]),
            r#"{unacceptable_type_in_header,"CC",signedint}"#,
        ),
    ] {
        let refusal = ExtraKeys::parse(&message(&headers)).unwrap_err();
        assert_eq!(refusal, Refusal::InvalidMessage { reason: reason.to_owned() });
    }
}

#[test]
fn only_bcc_is_taken_out() {
    let kept = [("a", Value::I8(1)), ("CC", texts(&["c"])), ("z", Value::F64(0.5))];
    let [a, cc, z] = kept.clone();
    let bcc = ("BCC", texts(&["b1", "b2"]));
    let before = message(&table(&[bcc.clone(), a, cc, bcc, z]));
    let extra = ExtraKeys::parse(&before).unwrap();
    let stripped = extra.without_bcc(Arc::new(before));
    assert_eq!(stripped.raw_properties(), properties(&table(&kept)));
    let without = Arc::new(message(&table(&kept)));
    let same = ExtraKeys::parse(&without).unwrap().without_bcc(Arc::clone(&without));
    assert!(Arc::ptr_eq(&without, &same));
}

#[test]
fn bcc_does_not_hide_behind_a_name_that_is_not_utf8() {
    let mut fields = b"\x01\xfft\x01".to_vec();
    table(&[("BCC", texts(&["b"]))]).encode_fields(&mut fields);
    let mut raw = vec![0x20, 0x00, 0, 0, 0, u8::try_from(fields.len()).unwrap()];
    raw.extend_from_slice(&fields);
    let message = Message::new(b"e", b"k", &raw, b"").unwrap();
    let extra = ExtraKeys::parse(&message).unwrap();
    assert_eq!(extra.keys(), ["b"]);
    let stripped = extra.without_bcc(Arc::new(message));
    assert_eq!(stripped.raw_properties(), b"\x20\x00\x00\x00\x00\x04\x01\xfft\x01");
}

proptest! {
    #[test]
    fn fields_are_found_in_any_table(table in crate::topology::tests::arbitrary::table()) {
        let mut raw = Vec::new();
        table.encode_fields(&mut raw);
        let found: Vec<&[u8]> = Fields(&raw).map(|(name, _)| name).collect();
        let expected: Vec<&[u8]> = table.iter().map(|(name, _)| name.as_bytes()).collect();
        prop_assert_eq!(found, expected);
        let whole: Vec<u8> = Fields(&raw).flat_map(|(_, field)| field.to_vec()).collect();
        prop_assert_eq!(whole, raw);
    }
}
