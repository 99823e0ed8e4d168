//! Field tables: the typed arguments and headers of AMQP 0-9-1, in RabbitMQ's dialect of type tags.
//!
//! [`Table`] is the parsed form, for arguments that the broker reads. Message headers are not parsed into it on their
//! way through: they are [checked](check) once and passed on byte for byte.
//!
//! ```text
//! table = length:u32 { name:shortstr tag:u8 value }      (length counts what follows)
//! array = length:u32 { tag:u8 value }
//! ```

use bytes::{BufMut, Bytes};

use crate::name::{Name, NameError};

/// Nesting beyond this depth is refused, so that a hostile table cannot exhaust the stack.
pub const TABLE_DEPTH_MAX: u32 = 64;

/// A typed value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// `t`
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s` (RabbitMQ: a 16-bit integer, where the 0-9-1 document says short string).
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l` and `L`; RabbitMQ reads both as signed.
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: unscaled value and its number of decimal places.
    Decimal {
        /// Decimal places.
        scale: u8,
        /// Value without the point.
        value: u32,
    },
    /// `S`: text or any bytes.
    Text(Bytes),
    /// `x`
    Bytes(Bytes),
    /// `A`
    Array(Vec<Self>),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `F`
    Table(Table),
    /// `V`
    Void,
}

/// A table in the order in which it came.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Table(pub Vec<(Name, Value)>);

/// Why bytes are no table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TableError {
    /// It ends in the middle of a field.
    #[error("the table is cut off")]
    CutOff,
    /// A type tag that does not exist.
    #[error("unknown type tag {0:#04x} in a table")]
    UnknownTag(u8),
    /// Nested deeper than [`TABLE_DEPTH_MAX`].
    #[error("the table is nested too deeply")]
    TooDeep,
    /// A field's name is no [`Name`].
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Value {
    /// Text as a value.
    pub fn text(text: &str) -> Self {
        Self::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// The value if it is an integer of any width: RabbitMQ treats them as one class.
    pub fn as_integer(&self) -> Option<i64> {
        Some(match *self {
            Self::I8(v) => v.into(),
            Self::U8(v) => v.into(),
            Self::I16(v) => v.into(),
            Self::U16(v) => v.into(),
            Self::I32(v) => v.into(),
            Self::U32(v) => v.into(),
            Self::I64(v) => v,
            _ => return None,
        })
    }

    /// The value if it is text in UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// RabbitMQ's word for the type, as its error texts use it.
    pub fn type_word(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal { .. } => "decimal",
            Self::Text(_) => "longstr",
            Self::Bytes(_) => "binary",
            Self::Array(_) => "array",
            Self::Timestamp(_) => "timestamp",
            Self::Table(_) => "table",
            Self::Void => "void",
        }
    }

    fn tag(&self) -> u8 {
        match self {
            Self::Bool(_) => b't',
            Self::I8(_) => b'b',
            Self::U8(_) => b'B',
            Self::I16(_) => b's',
            Self::U16(_) => b'u',
            Self::I32(_) => b'I',
            Self::U32(_) => b'i',
            Self::I64(_) => b'l',
            Self::F32(_) => b'f',
            Self::F64(_) => b'd',
            Self::Decimal { .. } => b'D',
            Self::Text(_) => b'S',
            Self::Bytes(_) => b'x',
            Self::Array(_) => b'A',
            Self::Timestamp(_) => b'T',
            Self::Table(_) => b'F',
            Self::Void => b'V',
        }
    }

    /// Appends tag and value.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.tag());
        match self {
            Self::Bool(v) => out.put_u8(u8::from(*v)),
            Self::I8(v) => out.put_i8(*v),
            Self::U8(v) => out.put_u8(*v),
            Self::I16(v) => out.put_i16(*v),
            Self::U16(v) => out.put_u16(*v),
            Self::I32(v) => out.put_i32(*v),
            Self::U32(v) => out.put_u32(*v),
            Self::I64(v) => out.put_i64(*v),
            Self::F32(v) => out.put_f32(*v),
            Self::F64(v) => out.put_f64(*v),
            Self::Decimal { scale, value } => {
                out.put_u8(*scale);
                out.put_u32(*value);
            }
            Self::Text(v) | Self::Bytes(v) => {
                out.put_u32(u32::try_from(v.len()).unwrap_or(u32::MAX));
                out.extend_from_slice(v);
            }
            Self::Array(values) => with_length(out, |out| values.iter().for_each(|v| v.encode(out))),
            Self::Timestamp(v) => out.put_u64(*v),
            Self::Table(table) => table.encode(out),
            Self::Void => {}
        }
    }
}

impl Table {
    /// The value of the field called `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(field, _)| &**field == name).map(|(_, value)| value)
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Adds a field at the end. `name` must be short (it is one of ours).
    pub fn push(&mut self, name: &str, value: Value) {
        if let Ok(name) = Name::parse(name) {
            self.0.push((name, value));
        }
    }

    /// Appends length and fields.
    pub fn encode(&self, out: &mut Vec<u8>) {
        with_length(out, |out| self.encode_fields(out));
    }

    /// Appends the fields without the length in front: the form that AMQPLAIN uses.
    pub fn encode_fields(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(name.as_bytes());
            value.encode(out);
        }
    }

    /// Reads a table with its length off the front of `input`.
    pub fn decode(input: &mut &[u8]) -> Result<Self, TableError> {
        decode_table(input, 0)
    }

    /// Reads fields without a length in front, to the end of `input`.
    pub fn decode_fields(mut input: &[u8]) -> Result<Self, TableError> {
        decode_fields(&mut input, 0)
    }
}

/// Checks that `input` starts with a well-formed table, without building it, and takes it off the front.
pub fn check(input: &mut &[u8]) -> Result<(), TableError> {
    let mut fields = take_block(input)?;
    check_fields(&mut fields, 0)
}

fn check_fields(fields: &mut &[u8], depth: u32) -> Result<(), TableError> {
    if depth >= TABLE_DEPTH_MAX {
        return Err(TableError::TooDeep);
    }
    while !fields.is_empty() {
        let length = take_u8(fields)?;
        take(fields, usize::from(length))?;
        check_value(fields, depth)?;
    }
    Ok(())
}

fn check_value(input: &mut &[u8], depth: u32) -> Result<(), TableError> {
    let tag = take_u8(input)?;
    let length = match tag {
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'D' => 5,
        b'V' => 0,
        b'S' | b'x' => {
            take_block(input)?;
            0
        }
        b'A' => {
            if depth >= TABLE_DEPTH_MAX {
                return Err(TableError::TooDeep);
            }
            let mut items = take_block(input)?;
            while !items.is_empty() {
                check_value(&mut items, depth + 1)?;
            }
            0
        }
        b'F' => {
            let mut fields = take_block(input)?;
            check_fields(&mut fields, depth + 1)?;
            0
        }
        other => return Err(TableError::UnknownTag(other)),
    };
    take(input, length)?;
    Ok(())
}

fn decode_table(input: &mut &[u8], depth: u32) -> Result<Table, TableError> {
    let mut fields = take_block(input)?;
    decode_fields(&mut fields, depth)
}

fn decode_fields(fields: &mut &[u8], depth: u32) -> Result<Table, TableError> {
    if depth >= TABLE_DEPTH_MAX {
        return Err(TableError::TooDeep);
    }
    let mut table = Table::default();
    while !fields.is_empty() {
        let length = take_u8(fields)?;
        let name = Name::from_bytes(take(fields, usize::from(length))?)?;
        table.0.push((name, decode_value(fields, depth)?));
    }
    Ok(table)
}

fn decode_value(input: &mut &[u8], depth: u32) -> Result<Value, TableError> {
    Ok(match take_u8(input)? {
        b't' => Value::Bool(take_u8(input)? != 0),
        b'b' => Value::I8(i8::from_be_bytes(take_array(input)?)),
        b'B' => Value::U8(take_u8(input)?),
        b's' => Value::I16(i16::from_be_bytes(take_array(input)?)),
        b'u' => Value::U16(u16::from_be_bytes(take_array(input)?)),
        b'I' => Value::I32(i32::from_be_bytes(take_array(input)?)),
        b'i' => Value::U32(u32::from_be_bytes(take_array(input)?)),
        b'l' | b'L' => Value::I64(i64::from_be_bytes(take_array(input)?)),
        b'f' => Value::F32(f32::from_be_bytes(take_array(input)?)),
        b'd' => Value::F64(f64::from_be_bytes(take_array(input)?)),
        b'D' => Value::Decimal { scale: take_u8(input)?, value: u32::from_be_bytes(take_array(input)?) },
        b'S' => Value::Text(Bytes::copy_from_slice(take_block(input)?)),
        b'x' => Value::Bytes(Bytes::copy_from_slice(take_block(input)?)),
        b'A' => {
            if depth >= TABLE_DEPTH_MAX {
                return Err(TableError::TooDeep);
            }
            let mut items = take_block(input)?;
            let mut values = Vec::new();
            while !items.is_empty() {
                values.push(decode_value(&mut items, depth + 1)?);
            }
            Value::Array(values)
        }
        b'T' => Value::Timestamp(u64::from_be_bytes(take_array(input)?)),
        b'F' => Value::Table(decode_table(input, depth + 1)?),
        b'V' => Value::Void,
        other => return Err(TableError::UnknownTag(other)),
    })
}

fn with_length(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.put_u32(0);
    fill(out);
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], TableError> {
    let (taken, rest) = input.split_at_checked(length).ok_or(TableError::CutOff)?;
    *input = rest;
    Ok(taken)
}

fn take_array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], TableError> {
    let (taken, rest) = input.split_first_chunk::<N>().ok_or(TableError::CutOff)?;
    *input = rest;
    Ok(*taken)
}

fn take_u8(input: &mut &[u8]) -> Result<u8, TableError> {
    take_array::<1>(input).map(|[byte]| byte)
}

fn take_block<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], TableError> {
    let length = u32::from_be_bytes(take_array(input)?);
    take(input, usize::try_from(length).map_err(|_| TableError::CutOff)?)
}

#[cfg(test)]
mod tests;
