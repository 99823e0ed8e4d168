//! What consumers may ask for.

use super::*;

const NOW_MS: u64 = 1_000_000_000_000;

fn parse(fields: &[(&str, Value)]) -> Result<Wish, Unfit> {
    let fields = fields.iter().map(|(name, value)| (model::Name::parse(name).unwrap(), value.clone()));
    Wish::parse(&Table(fields.collect()), NOW_MS)
}

fn start(value: Value) -> Result<Start, String> {
    parse(&[(OFFSET, value)]).map(|wish| wish.start).map_err(|unfit| unfit.reason)
}

#[test]
fn places_to_begin() {
    assert_eq!(parse(&[]).unwrap(), Wish { start: Start::Next, filter: None });
    for (value, wanted) in [
        (Value::text("first"), Start::First),
        (Value::text("last"), Start::Last),
        (Value::text("next"), Start::Next),
        (Value::text("1h"), Start::Time(NOW_MS - 3_600_000)),
        (Value::text("9999Y"), Start::Time(0)),
        (Value::Timestamp(5), Start::Time(5000)),
        (Value::I8(5), Start::Offset(5)),
        (Value::I64(-1), Start::Offset(0)),
    ] {
        assert_eq!(start(value.clone()), Ok(wanted), "{value:?}");
    }
    for (value, reason) in [
        (Value::text("1w"), "{longstr,<<\"1w\">>}"),
        (Value::text("5"), "{longstr,<<\"5\">>}"),
        (Value::Bool(true), "{bool,true}"),
        (Value::F64(1.0), "{double,1.0}"),
    ] {
        assert_eq!(start(value), Err(format!("{{invalid_stream_offset_arg,{reason}}}")));
    }
}

#[test]
fn filters() {
    let filter = |filter: Value, unfiltered: Value| {
        parse(&[(FILTER, filter), (MATCH_UNFILTERED, unfiltered)]).map(|wish| wish.filter)
    };
    let wanted = |values: &[&str], takes_unvalued| {
        let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        Ok(Some(Filter { values, takes_unvalued }))
    };
    assert_eq!(filter(Value::text("red"), Value::Bool(true)), wanted(&["red"], true));
    assert_eq!(filter(Value::text("red"), Value::text("yes")), wanted(&["red"], false));
    let several = Value::Array(vec![Value::text("red"), Value::text("blue")]);
    assert_eq!(filter(several, Value::Bool(false)), wanted(&["red", "blue"], false));
    assert_eq!(filter(Value::I32(5), Value::Bool(true)), Ok(None));
    assert_eq!(filter(Value::Array(Vec::new()), Value::Bool(true)), Ok(None));
    assert!(filter(Value::Array(vec![Value::I32(5)]), Value::Bool(true)).is_err());
}
