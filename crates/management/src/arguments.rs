//! Field tables as JSON, and back.
//!
//! JSON has fewer types: of a number it is only known whether it is an integer, bytes that are no text become base64, and a
//! timestamp is its number. Both ways are RabbitMQ's.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use model::{Table, Value, table::TABLE_DEPTH_MAX};
use serde_json::{Map, Number, Value as Json};

use crate::{call, problem::Problem};

/// A table as an object.
pub(crate) fn to_json(table: &Table) -> Json {
    Json::Object(table.iter().map(|(name, value)| (name.as_str().to_owned(), value_to_json(value))).collect())
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Bool(truth) => Json::Bool(*truth),
        Value::I8(_)
        | Value::U8(_)
        | Value::I16(_)
        | Value::U16(_)
        | Value::I32(_)
        | Value::U32(_)
        | Value::I64(_) => value.as_integer().map_or(Json::Null, Json::from),
        Value::F32(float) => float_to_json(f64::from(*float)),
        Value::F64(float) => float_to_json(*float),
        Value::Decimal { scale, value } => float_to_json(f64::from(*value) / 10_f64.powi((*scale).into())),
        Value::Text(bytes) | Value::Bytes(bytes) => Json::String(text(bytes)),
        Value::Array(values) => values.iter().map(value_to_json).collect(),
        Value::Timestamp(seconds) => Json::from(*seconds),
        Value::Table(table) => to_json(table),
        Value::Void => Json::Null,
    }
}

/// Infinity and what is no number have no form in JSON.
fn float_to_json(float: f64) -> Json {
    Number::from_f64(float).map_or(Json::Null, Json::Number)
}

/// Bytes as text if they are, else in base64.
pub(crate) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => BASE64_STANDARD.encode(bytes),
    }
}

/// An object as a table.
pub(crate) fn from_json(map: &Map<String, Json>) -> Result<Table, Problem> {
    table(map, TABLE_DEPTH_MAX)
}

fn table(map: &Map<String, Json>, depth: u32) -> Result<Table, Problem> {
    let fields = map.iter().map(|(key, json)| Ok((call::name(key)?, value(json, depth)?)));
    fields.collect::<Result<_, Problem>>().map(Table)
}

fn value(json: &Json, depth: u32) -> Result<Value, Problem> {
    let deeper = depth.checked_sub(1).ok_or_else(|| Problem::bad("the arguments are nested too deeply"))?;
    Ok(match json {
        Json::Null => Value::Void,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::I64(integer),
            None => Value::F64(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::Text(Bytes::copy_from_slice(text.as_bytes())),
        Json::Array(items) => {
            Value::Array(items.iter().map(|item| value(item, deeper)).collect::<Result<_, _>>()?)
        }
        Json::Object(map) => Value::Table(table(map, deeper)?),
    })
}
