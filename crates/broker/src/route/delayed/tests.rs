//! Delays as headers and arguments say them.

use bytes::Bytes;
use model::message::Properties;

use super::*;
use crate::topology::tests::world::{name, table};

fn message(fields: &[(&str, Value)]) -> Message {
    let mut headers = Vec::new();
    table(fields).encode(&mut headers);
    let mut list = Vec::new();
    Properties { raw_headers: Some(&headers), ..Properties::default() }.encode(&mut list);
    Message::new(b"d", b"k", &list, b"body").unwrap()
}

#[test]
fn any_number_of_milliseconds_is_a_delay() {
    for (value, delay_ms_wanted) in [
        (Value::I32(5000), 5000),
        (Value::U8(7), 7),
        (Value::I64(i64::MAX), i64::MAX as u64),
        (Value::text("250"), 250),
        (Value::F64(99.9), 99),
        (Value::F32(1.5), 1),
        (Value::I16(-3), 0),
        (Value::text("soon"), 0),
        (Value::text(""), 0),
        (Value::Bool(true), 0),
        (Value::Timestamp(1000), 0),
        (Value::Array(vec![Value::I32(1)]), 0),
        (Value::F64(f64::NAN), 0),
    ] {
        assert_eq!(delay_ms(&message(&[("x-delay", value.clone())])), delay_ms_wanted, "{value:?}");
    }
    assert_eq!(delay_ms(&Message::new(b"d", b"k", &[0, 0], b"").unwrap()), 0);
}

#[test]
fn the_header_tells_afterwards_how_long_it_was_and_the_rest_stays() {
    let before = [("a", Value::text("1")), ("x-delay", Value::text("40")), ("b", Value::Void)];
    let after = [("a", Value::text("1")), ("x-delay", Value::I64(-40)), ("b", Value::Void)];
    let waited = after_waiting(&message(&before));
    assert_eq!(waited.raw_properties(), message(&after).raw_properties());
    assert_eq!((waited.exchange(), waited.routing_key()), (&b"d"[..], &b"k"[..]));
    assert_eq!(waited.body(), b"body");
    assert_eq!(delay_ms(&waited), 0, "it waits once");
}

#[test]
fn the_type_behind_it_must_be_one_that_there_is() {
    let check = |value: Option<Value>| {
        let fields: Vec<_> = value.into_iter().map(|value| ("x-delayed-type", value)).collect();
        check_exchange(&table(&fields))
    };
    let refused = |reason: &str| Err(Refusal::InvalidExchange { reason: reason.to_owned() });
    let no_type = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
    assert_eq!(check(Some(Value::text("topic"))), Ok(()));
    assert_eq!(check(Some(Value::text("x-consistent-hash"))), Ok(()));
    assert_eq!(check(None), refused(no_type));
    assert_eq!(check(Some(Value::I32(1))), refused(no_type));
    assert_eq!(
        check(Some(Value::Text(Bytes::from_static(b"x-delayed-message")))),
        refused("Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'")
    );
    assert_eq!(check(Some(Value::text("zz"))), Err(Refusal::UnknownExchangeType { kind: name("zz") }));
}
