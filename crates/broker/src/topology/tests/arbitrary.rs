//! Values of every type, for property tests.

use bytes::Bytes;
use model::{Name, Table, Value};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Name> {
    prop::sample::select(vec!["", "a", "b", "x-c", "ü"]).prop_map(|text| Name::parse(text).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..6).prop_map(Bytes::from);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        // NaN is not equal to itself, so that a table with one could not be compared.
        any::<f32>().prop_filter("NaN", |v| !v.is_nan()).prop_map(Value::F32),
        any::<f64>().prop_filter("NaN", |v| !v.is_nan()).prop_map(Value::F64),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| Value::Decimal { scale, value }),
        bytes().prop_map(Value::Text),
        "[a-zü\"\\\\\n]{0,6}".prop_map(|text| Value::text(&text)),
        bytes().prop_map(Value::Bytes),
        any::<u64>().prop_map(Value::Timestamp),
        Just(Value::Void),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((name(), inner), 0..4).prop_map(|fields| Value::Table(Table(fields))),
        ]
    })
}

/// A table, with repeated and empty names.
pub(crate) fn table() -> impl Strategy<Value = Table> {
    prop::collection::vec((name(), value()), 0..6).prop_map(Table)
}
