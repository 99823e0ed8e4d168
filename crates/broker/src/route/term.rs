//! Values as RabbitMQ prints them in its refusals: Erlang terms.
//!
//! Clients compare these texts, so the common cases look exactly the same; long or nested values are RabbitMQ's form too,
//! but nobody depends on them.

use model::{Table, Value};

/// A byte string: `<<"text">>` if it is printable, as UTF-8 (`<<"täxt"/utf8>>`) or as Latin-1, else `<<1,2,3>>`.
pub(crate) fn binary(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "<<>>".to_owned();
    }
    let utf8 = std::str::from_utf8(bytes).ok().and_then(|text| quoted(text.chars()));
    if let Some(text) = utf8 {
        return if bytes.is_ascii() { format!("<<{text}>>") } else { format!("<<{text}/utf8>>") };
    }
    match quoted(latin1(bytes)) {
        Some(text) => format!("<<{text}>>"),
        None => format!("<<{}>>", join(bytes.iter().map(u8::to_string))),
    }
}

/// Bytes as `~s` prints them: each is a character.
pub(crate) fn latin1(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes.iter().map(|byte| char::from(*byte))
}

/// A string in quotes; None if a character cannot be printed.
fn quoted(text: impl Iterator<Item = char>) -> Option<String> {
    let mut out = String::from("\"");
    for c in text {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\u{1b}' => out.push_str("\\e"),
            c if c.is_control() => return None,
            c => out.push(c),
        }
    }
    out.push('"');
    Some(out)
}

/// The value of a table's field, without its type.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Bool(v) => v.to_string(),
        Value::F32(v) => float(f64::from(*v)),
        Value::F64(v) => float(*v),
        Value::Decimal { scale, value } => format!("{{{scale},{value}}}"),
        Value::Text(v) | Value::Bytes(v) => binary(v),
        Value::Array(values) => {
            format!(
                "[{}]",
                join(values.iter().map(|item| format!("{{{},{}}}", item.type_word(), self::value(item))))
            )
        }
        Value::Timestamp(v) => v.to_string(),
        Value::Table(fields) => table(fields),
        Value::Void => "undefined".to_owned(),
        Value::I8(_)
        | Value::U8(_)
        | Value::I16(_)
        | Value::U16(_)
        | Value::I32(_)
        | Value::U32(_)
        | Value::I64(_) => value.as_integer().unwrap_or(0).to_string(),
    }
}

fn table(fields: &Table) -> String {
    let field = |(name, value): (&model::Name, &Value)| {
        format!("{{{},{},{}}}", binary(name.as_bytes()), value.type_word(), self::value(value))
    };
    format!("[{}]", join(fields.iter().map(field)))
}

fn float(value: f64) -> String {
    format!("{value:?}")
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}
