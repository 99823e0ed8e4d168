//! How typed values stand in the log: JSON that keeps every type exactly.
//!
//! ```json
//! [["x-max-length", {"signedint": 5}], ["x-overflow", {"longstr": "drop-head"}], ["x-odd", {"encoded": "AEEAAAAA"}]]
//! ```
//!
//! A table is a list, since order and repetition are its own. A value stands under RabbitMQ's word for its type. Floats,
//! decimals, nested values and what is not UTF-8 are base64 of their form on the wire: exact, and of bounded nesting.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::{Name, Table, Value, table::TableError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeSeq};

/// A value as it stands in the log.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stored {
    Bool(bool),
    Byte(i8),
    UnsignedByte(u8),
    Short(i16),
    UnsignedShort(u16),
    SignedInt(i32),
    UnsignedInt(u32),
    Long(i64),
    Timestamp(u64),
    LongStr(String),
    Void,
    Encoded(String),
}

impl From<&Value> for Stored {
    fn from(value: &Value) -> Self {
        match value {
            Value::Bool(v) => Self::Bool(*v),
            Value::I8(v) => Self::Byte(*v),
            Value::U8(v) => Self::UnsignedByte(*v),
            Value::I16(v) => Self::Short(*v),
            Value::U16(v) => Self::UnsignedShort(*v),
            Value::I32(v) => Self::SignedInt(*v),
            Value::U32(v) => Self::UnsignedInt(*v),
            Value::I64(v) => Self::Long(*v),
            Value::Timestamp(v) => Self::Timestamp(*v),
            Value::Void => Self::Void,
            Value::Text(v) => match std::str::from_utf8(v) {
                Ok(text) => Self::LongStr(text.to_owned()),
                Err(_) => Self::encoded(value),
            },
            Value::F32(_)
            | Value::F64(_)
            | Value::Decimal { .. }
            | Value::Bytes(_)
            | Value::Array(_)
            | Value::Table(_) => Self::encoded(value),
        }
    }
}

/// Why an encoded value cannot be read.
#[derive(Debug, thiserror::Error)]
enum EncodedError {
    #[error("an encoded value is no base64: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("an encoded value cannot be decoded: {0}")]
    Table(#[from] TableError),
    #[error("an encoded value is none, or several")]
    Count,
}

impl Stored {
    /// The value as a field without a name.
    fn encoded(value: &Value) -> Self {
        let mut bytes = Vec::new();
        Table(vec![(Name::default(), value.clone())]).encode_fields(&mut bytes);
        Self::Encoded(BASE64_STANDARD.encode(bytes))
    }

    fn into_value(self) -> Result<Value, EncodedError> {
        Ok(match self {
            Self::Bool(v) => Value::Bool(v),
            Self::Byte(v) => Value::I8(v),
            Self::UnsignedByte(v) => Value::U8(v),
            Self::Short(v) => Value::I16(v),
            Self::UnsignedShort(v) => Value::U16(v),
            Self::SignedInt(v) => Value::I32(v),
            Self::UnsignedInt(v) => Value::U32(v),
            Self::Long(v) => Value::I64(v),
            Self::Timestamp(v) => Value::Timestamp(v),
            Self::LongStr(v) => Value::Text(v.into()),
            Self::Void => Value::Void,
            Self::Encoded(text) => {
                let Table(fields) = Table::decode_fields(&BASE64_STANDARD.decode(text)?)?;
                let mut fields = fields.into_iter();
                match (fields.next(), fields.next()) {
                    (Some((_, value)), None) => value,
                    _ => return Err(EncodedError::Count),
                }
            }
        })
    }
}

/// For `#[serde(with)]` on a field that is a [`Table`].
pub(super) mod table {
    use super::{Deserialize, Deserializer, Name, SerializeSeq, Serializer, Stored, Table, de};

    pub(in crate::topology) fn serialize<S: Serializer>(
        table: &Table,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(table.0.len()))?;
        for (name, value) in &table.0 {
            list.serialize_element(&(name, Stored::from(value)))?;
        }
        list.end()
    }

    pub(in crate::topology) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Table, D::Error> {
        let fields: Vec<(Name, Stored)> = Vec::deserialize(deserializer)?;
        let values = fields.into_iter().map(|(name, stored)| {
            let value = stored.into_value().map_err(de::Error::custom)?;
            Ok((name, value))
        });
        values.collect::<Result<_, _>>().map(Table)
    }
}

#[cfg(test)]
mod tests;
