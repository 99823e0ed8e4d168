//! The properties of a message as JSON, and back.

use model::{
    Table,
    message::{Properties, PropertiesError},
};
use serde_json::{Map, Value as Json};

use crate::{arguments, call::Object, problem::Problem};

/// The most bytes of a property that is text.
const TEXT_BYTES_MAX: usize = 255;

/// What is set, under RabbitMQ's names; its order is the opposite of the wire's.
pub(crate) fn to_json(properties: &Properties<'_>) -> Json {
    let mut out = Map::new();
    let mut put = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            out.insert(name.to_owned(), value);
        }
    };
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| Json::String(arguments::text(bytes)));
    put("cluster_id", text(properties.cluster_id));
    put("app_id", text(properties.app_id));
    put("user_id", text(properties.user_id));
    put("type", text(properties.kind));
    put("timestamp", properties.timestamp.map(Json::from));
    put("message_id", text(properties.message_id));
    put("expiration", text(properties.expiration));
    put("reply_to", text(properties.reply_to));
    put("correlation_id", text(properties.correlation_id));
    put("priority", properties.priority.map(Json::from));
    put("delivery_mode", properties.delivery_mode.map(Json::from));
    let headers = properties.raw_headers.map(|_| properties.headers().unwrap_or_default());
    put("headers", headers.as_ref().map(arguments::to_json));
    put("content_encoding", text(properties.content_encoding));
    put("content_type", text(properties.content_type));
    Json::Object(out)
}

/// The properties of a body, encoded; unknown ones are passed over, as by RabbitMQ.
pub(crate) fn encode(properties: &Object) -> Result<Vec<u8>, Problem> {
    let text = |name: &str| -> Result<Option<Vec<u8>>, Problem> {
        let Some(text) = properties.text(name)? else { return Ok(None) };
        if text.len() > TEXT_BYTES_MAX {
            return Err(Problem::Bad(format!("{name} is longer than {TEXT_BYTES_MAX} bytes")));
        }
        Ok(Some(text.as_bytes().to_vec()))
    };
    let byte = |name: &str| -> Result<Option<u8>, Problem> {
        let Some(number) = properties.integer(name)? else { return Ok(None) };
        number.try_into().map(Some).map_err(|_| Problem::Bad(format!("{name} should be between 0 and 255")))
    };
    let headers = match properties.get("headers") {
        Some(_) => Some(encoded(&arguments::from_json(&properties.map("headers")?)?)),
        None => None,
    };
    let timestamp = match properties.integer("timestamp")? {
        Some(seconds) => {
            Some(u64::try_from(seconds).map_err(|_| Problem::bad("timestamp should not be negative"))?)
        }
        None => None,
    };
    let (content_type, content_encoding) = (text("content_type")?, text("content_encoding")?);
    let (correlation_id, reply_to) = (text("correlation_id")?, text("reply_to")?);
    let (expiration, message_id) = (text("expiration")?, text("message_id")?);
    let (kind, user_id) = (text("type")?, text("user_id")?);
    let (app_id, cluster_id) = (text("app_id")?, text("cluster_id")?);
    let properties = Properties {
        content_type: content_type.as_deref(),
        content_encoding: content_encoding.as_deref(),
        raw_headers: headers.as_deref(),
        delivery_mode: byte("delivery_mode")?,
        priority: byte("priority")?,
        correlation_id: correlation_id.as_deref(),
        reply_to: reply_to.as_deref(),
        expiration: expiration.as_deref(),
        message_id: message_id.as_deref(),
        timestamp,
        kind: kind.as_deref(),
        user_id: user_id.as_deref(),
        app_id: app_id.as_deref(),
        cluster_id: cluster_id.as_deref(),
    };
    let mut out = Vec::new();
    properties.encode(&mut out);
    let check: Result<_, PropertiesError> = Properties::parse(&out);
    check.map_err(|error| Problem::Bad(error.to_string()))?;
    Ok(out)
}

fn encoded(table: &Table) -> Vec<u8> {
    let mut out = Vec::new();
    table.encode(&mut out);
    out
}
