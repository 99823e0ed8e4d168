//! The comparison of values and the four modes, as RabbitMQ 4.0.5 answered.

use bytes::Bytes;
use model::{Message, Name, Table, command::Destination};

use super::*;
use crate::{
    route::{ExtraKeys, Scratch},
    topology::{BindingRecord, QueueId},
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn table(fields: &[(&str, Value)]) -> Table {
    Table(fields.iter().map(|(field, value)| (name(field), value.clone())).collect())
}

fn binding(arguments: Table) -> BindingRecord {
    BindingRecord::new(name("e"), Destination::Queue, name("q"), Name::default(), arguments)
}

/// Which of the bindings a message with these headers matches.
fn hits(arguments: &[Table], headers: &Table) -> Vec<usize> {
    let mut index = index();
    for (at, arguments) in arguments.iter().enumerate() {
        index.insert(&binding(arguments.clone()), Target::Queue(QueueId(at as u64)));
    }
    let mut properties = vec![0x20, 0x00];
    headers.encode(&mut properties);
    let message = Message::new(b"e", b"", &properties, b"").unwrap();
    let mut matches = Matches::default();
    let extra = ExtraKeys::default();
    index.collect(&Published::new(&message, &extra), &mut Scratch::default().words, &mut matches);
    let mut hits: Vec<usize> = matches.queues.iter().map(|id| usize::try_from(id.0).unwrap()).collect();
    hits.sort_unstable();
    hits
}

fn values() -> Vec<(&'static str, Value)> {
    vec![
        ("b1", Value::I8(1)),
        ("I1", Value::I32(1)),
        ("l1", Value::I64(1)),
        ("I1000", Value::I32(1000)),
        ("f1", Value::F32(1.0)),
        ("d1", Value::F64(1.0)),
        ("f0.1", Value::F32(0.1)),
        ("d0.1", Value::F64(0.1)),
        ("T1", Value::Timestamp(1)),
        ("T1000", Value::Timestamp(1000)),
        ("S1", Value::text("1")),
        ("Sa", Value::text("a")),
        ("xa", Value::Bytes(Bytes::from_static(b"a"))),
        ("t1", Value::Bool(true)),
        ("D", Value::Decimal { scale: 0, value: 1 }),
        ("D10", Value::Decimal { scale: 1, value: 10 }),
        ("A1", Value::Array(vec![Value::I32(1)])),
        ("Al1", Value::Array(vec![Value::I64(1)])),
        ("F", Value::Table(table(&[("k", Value::I32(1))]))),
        ("V", Value::Void),
        ("Strue", Value::text("true")),
        ("Bff", Value::U8(255)),
        ("b-1", Value::I8(-1)),
        ("d-0", Value::F64(-0.0)),
        ("d0", Value::F64(0.0)),
        ("I0", Value::I32(0)),
        ("A", Value::Array(vec![])),
        ("F0", Value::Table(table(&[]))),
    ]
}

/// Rows: a header's value, and the arguments' values that it matched.
#[test]
fn values_compare_as_in_rabbitmq() {
    let values = values();
    let arguments: Vec<Table> = values
        .iter()
        .map(|(_, value)| table(&[("x-match", Value::text("all")), ("h", value.clone())]))
        .collect();
    for (header, expected) in [
        ("b1", vec!["b1", "I1", "l1", "T1", "V"]),
        ("I1", vec!["b1", "I1", "l1", "T1", "V"]),
        ("l1", vec!["b1", "I1", "l1", "T1", "V"]),
        ("I1000", vec!["I1000", "T1000", "V"]),
        ("f1", vec!["f1", "d1", "V"]),
        ("d1", vec!["f1", "d1", "V"]),
        ("f0.1", vec!["f0.1", "V"]),
        ("d0.1", vec!["d0.1", "V"]),
        ("T1", vec!["I1000", "T1000", "V"]),
        ("T1000", vec!["V"]),
        ("S1", vec!["S1", "V"]),
        ("Sa", vec!["Sa", "xa", "V"]),
        ("xa", vec!["Sa", "xa", "V"]),
        ("t1", vec!["t1", "V"]),
        ("D", vec!["D", "V"]),
        ("D10", vec!["D10", "V"]),
        ("A1", vec!["A1", "V"]),
        ("Al1", vec!["Al1", "V"]),
        ("F", vec!["F", "V"]),
        ("V", vec!["V"]),
        ("Strue", vec!["V", "Strue"]),
        ("Bff", vec!["V", "Bff"]),
        ("b-1", vec!["V", "b-1"]),
        ("d-0", vec!["V", "d-0"]),
        ("d0", vec!["V", "d0"]),
        ("I0", vec!["V", "I0"]),
        ("A", vec!["V", "A", "F0"]),
        ("F0", vec!["V", "A", "F0"]),
    ] {
        let value = values.iter().find(|(name, _)| *name == header).unwrap().1.clone();
        let found: Vec<&str> =
            hits(&arguments, &table(&[("h", value)])).into_iter().map(|at| values[at].0).collect();
        assert_eq!(found, expected, "header {header}");
    }
}

#[test]
fn modes_are_those_of_rabbitmq() {
    let mode = |mode: &str| ("x-match", Value::text(mode));
    let (a, b, xb) = (("a", Value::I32(1)), ("b", Value::I32(2)), ("x-b", Value::I32(2)));
    let cases = [
        ("empty-all", table(&[])),
        ("empty-any", table(&[mode("any")])),
        ("all", table(&[mode("all"), a.clone(), b.clone()])),
        ("any", table(&[mode("any"), a.clone(), b.clone()])),
        ("all-x", table(&[mode("all"), a.clone(), xb.clone()])),
        ("any-x", table(&[mode("any"), xb.clone()])),
        ("allwx", table(&[mode("all-with-x"), a.clone(), xb.clone()])),
        ("anywx", table(&[mode("any-with-x"), a.clone(), xb.clone()])),
        ("voidany", table(&[mode("any"), ("a", Value::Void)])),
        ("only-x-all", table(&[mode("all"), xb.clone()])),
        ("allwx-only", table(&[mode("all-with-x")])),
        ("anywx-only", table(&[mode("any-with-x")])),
        ("allwx-void", table(&[mode("all-with-x"), ("x-b", Value::Void)])),
    ];
    let arguments: Vec<Table> = cases.iter().map(|(_, arguments)| arguments.clone()).collect();
    let always = ["empty-all", "only-x-all", "allwx-only"];
    for (headers, expected) in [
        (table(&[]), vec![]),
        (table(std::slice::from_ref(&a)), vec!["any", "all-x", "anywx", "voidany"]),
        (table(&[("a", Value::I32(2))]), vec!["voidany"]),
        (table(std::slice::from_ref(&b)), vec!["any"]),
        (table(&[a.clone(), b]), vec!["all", "any", "all-x", "anywx", "voidany"]),
        (table(std::slice::from_ref(&xb)), vec!["anywx", "allwx-void"]),
        (table(&[a, xb.clone()]), vec!["any", "all-x", "allwx", "anywx", "voidany", "allwx-void"]),
        (table(&[mode("zz"), xb]), vec!["anywx", "allwx-void"]),
        (table(&[("a", Value::Void)]), vec!["voidany"]),
    ] {
        let found: Vec<&str> = hits(&arguments, &headers).into_iter().map(|at| cases[at].0).collect();
        let mut found: Vec<&str> = found.into_iter().filter(|case| !always.contains(case)).collect();
        found.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(found, expected, "headers {headers:?}");
        let all = hits(&arguments, &headers);
        assert!(always.iter().all(|case| all.iter().any(|at| cases[*at].0 == *case)), "headers {headers:?}");
    }
}

#[test]
fn what_is_no_mode_is_refused_in_rabbitmqs_words() {
    for (value, reason) in [
        (
            Value::text("zz"),
            "Invalid x-match field value <<\"zz\">>; expected all, any, all-with-x, or any-with-x",
        ),
        (Value::text(""), "Invalid x-match field value <<>>; expected all, any, all-with-x, or any-with-x"),
        (
            Value::text("ü\t\""),
            "Invalid x-match field value <<\"ü\\t\\\"\"/utf8>>; expected all, any, all-with-x, or any-with-x",
        ),
        (
            Value::text("a\u{1}"),
            "Invalid x-match field value <<97,1>>; expected all, any, all-with-x, or any-with-x",
        ),
        (
            Value::Bytes(Bytes::from_static(b"\xff\xfe")),
            "Invalid x-match field type binary (value <<\"ÿþ\">>); expected longstr",
        ),
        (Value::I32(1), "Invalid x-match field type signedint (value 1); expected longstr"),
        (Value::Bool(true), "Invalid x-match field type bool (value true); expected longstr"),
        (Value::Void, "Invalid x-match field type void (value undefined); expected longstr"),
        (
            Value::Bytes(Bytes::from_static(b"all")),
            "Invalid x-match field type binary (value <<\"all\">>); expected longstr",
        ),
        (Value::F64(1.5), "Invalid x-match field type double (value 1.5); expected longstr"),
        (
            Value::Array(vec![Value::I32(1), Value::I32(2)]),
            "Invalid x-match field type array (value [{signedint,1},{signedint,2}]); expected longstr",
        ),
        (
            Value::Table(table(&[("a", Value::I32(1))])),
            "Invalid x-match field type table (value [{<<\"a\">>,signedint,1}]); expected longstr",
        ),
        (Value::Timestamp(5), "Invalid x-match field type timestamp (value 5); expected longstr"),
    ] {
        let refusal = check_binding(&binding(table(&[("x-match", value)])));
        assert_eq!(refusal, Err(Refusal::InvalidBinding { reason: reason.to_owned() }));
    }
    for mode in ["all", "any", "all-with-x", "any-with-x"] {
        assert_eq!(check_binding(&binding(table(&[("x-match", Value::text(mode))]))), Ok(()));
    }
    assert_eq!(check_binding(&binding(table(&[]))), Ok(()));
}

#[test]
fn a_removed_binding_matches_no_more() {
    let mut index = index();
    let (one, other) = (binding(table(&[("a", Value::I32(1))])), binding(table(&[("a", Value::I32(2))])));
    let target = Target::Queue(QueueId(1));
    index.insert(&one, target.clone());
    index.insert(&other, target.clone());
    index.remove(&one, &target);
    let mut properties = vec![0x20, 0x00];
    table(&[("a", Value::I32(1))]).encode(&mut properties);
    let message = Message::new(b"e", b"", &properties, b"").unwrap();
    let extra = ExtraKeys::default();
    let mut matches = Matches::default();
    index.collect(&Published::new(&message, &extra), &mut Scratch::default().words, &mut matches);
    assert!(matches.queues.is_empty());
}

#[test]
fn a_field_name_that_is_not_utf8_hides_no_other() {
    let arguments = [table(&[("h", Value::I32(1))])];
    let mut index = index();
    index.insert(&binding(arguments[0].clone()), Target::Queue(QueueId(0)));
    // { "\xff": true, "h": 1 }
    let fields = b"\x01\xfft\x01\x01hI\x00\x00\x00\x01";
    let mut properties = vec![0x20, 0x00, 0, 0, 0, u8::try_from(fields.len()).unwrap()];
    properties.extend_from_slice(fields);
    let message = Message::new(b"e", b"", &properties, b"").unwrap();
    let extra = ExtraKeys::default();
    let mut matches = Matches::default();
    index.collect(&Published::new(&message, &extra), &mut Scratch::default().words, &mut matches);
    assert_eq!(matches.queues, [QueueId(0)]);
}
