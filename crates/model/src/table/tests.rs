//! Tables: round trips, order, hostile bytes.

use proptest::prelude::*;

use super::*;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        (-1e30f64..1e30).prop_map(Value::F64),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| Value::Decimal { scale, value }),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|v| Value::Text(v.into())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|v| Value::Bytes(v.into())),
        any::<u64>().prop_map(Value::Timestamp),
        Just(Value::Void),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec(("[a-z]{0,8}", inner), 0..6)
                .prop_map(|fields| Value::Table(table_of(fields))),
        ]
    })
}

fn table_of(fields: Vec<(String, Value)>) -> Table {
    Table(fields.into_iter().map(|(name, value)| (Name::parse(&name).unwrap(), value)).collect())
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_the_same(fields in proptest::collection::vec(("[a-z]{0,12}", value()), 0..8)) {
        let table = table_of(fields);
        let mut bytes = Vec::new();
        table.encode(&mut bytes);
        bytes.extend_from_slice(b"rest");
        let mut input = &bytes[..];
        prop_assert_eq!(check(&mut input), Ok(()));
        prop_assert_eq!(input, b"rest");
        let mut input = &bytes[..];
        prop_assert_eq!(Table::decode(&mut input).unwrap(), table);
        prop_assert_eq!(input, b"rest");
    }

    #[test]
    fn checking_and_decoding_agree_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let checked = check(&mut &bytes[..]);
        match Table::decode(&mut &bytes[..]) {
            Ok(_) => prop_assert_eq!(checked, Ok(())),
            // Names are looked at only when a table is built.
            Err(TableError::Name(_)) => {}
            Err(error) => prop_assert_eq!(checked, Err(error)),
        }
    }
}

#[test]
fn a_table_nested_beyond_the_limit_is_refused_and_not_followed() {
    let mut bytes = Vec::new();
    for _ in 0..100_000 {
        let mut outer = vec![0, b'F'];
        outer.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
        if bytes.len() > 4000 {
            break;
        }
        outer.append(&mut bytes);
        bytes = outer;
    }
    let mut table = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    table.append(&mut bytes);
    assert_eq!(check(&mut &table[..]), Err(TableError::TooDeep));
    assert_eq!(Table::decode(&mut &table[..]), Err(TableError::TooDeep));
}
