//! How scripts write methods, strings, tables and frames. Works from the codec's table of shapes, not from its code:
//! so a mistake in the code that is generated from it does not cancel out.

use amqp091::codec::{
    FRAME_BODY, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD,
    methods::{Kind, MethodId, SHAPES, Shape},
};
use model::{Name, Table, Value};

/// The words of a line: quoted strings and braces hold together.
pub(crate) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text.trim() }
    }

    pub(crate) fn finish(&self) {
        assert!(self.rest.is_empty(), "left over: {}", self.rest);
    }

    pub(crate) fn next(&mut self) -> Option<&'a str> {
        let (mut depth, mut is_quoted, mut is_escaped) = (0, false, false);
        let end = self.rest.find(|c: char| {
            if is_escaped {
                is_escaped = false;
            } else {
                match c {
                    '\\' => is_escaped = true,
                    '"' => is_quoted = !is_quoted,
                    '{' if !is_quoted => depth += 1,
                    '}' if !is_quoted => depth -= 1,
                    ' ' if !is_quoted && depth == 0 => return true,
                    _ => {}
                }
            }
            false
        });
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        (!word.is_empty()).then_some(word)
    }

    /// The words that are left, as names with values; a bare word is `true`.
    pub(crate) fn fields(&mut self) -> Vec<(&'a str, &'a str)> {
        let mut fields = Vec::new();
        while let Some(word) = self.next() {
            fields.push(word.split_once('=').unwrap_or((word, "true")));
        }
        fields
    }
}

/// A quoted string with `\0`, `\xNN`, `\n`, `\r`, `\"`, `\\`; or `COUNT*BYTE`; or the word itself.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    if let Some((count, byte)) = text.split_once('*')
        && let (Ok(count), [byte]) = (count.parse::<usize>(), byte.as_bytes())
    {
        return vec![*byte; count];
    }
    let Some(inner) = text.strip_prefix('"') else { return text.as_bytes().to_vec() };
    let mut out = Vec::new();
    let mut input = inner.strip_suffix('"').expect("the quote is closed").bytes();
    while let Some(byte) = input.next() {
        out.push(if byte != b'\\' {
            byte
        } else {
            match input.next().expect("something behind the backslash") {
                b'0' => 0,
                b'n' => b'\n',
                b'r' => b'\r',
                b'x' => {
                    let digits = [input.next().expect("two digits"), input.next().expect("two digits")];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            }
        });
    }
    out
}

pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in bytes {
        match byte {
            0 => out.push_str("\\0"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            0x20..=0x7E => out.push(char::from(byte)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out.push('"');
    out
}

/// Long bytes are shown by their length and sum only.
pub(crate) fn show_bytes(bytes: &[u8]) -> String {
    if bytes.len() <= 64 {
        return quote(bytes);
    }
    match bytes.first() {
        Some(first) if bytes.iter().all(|byte| byte == first) => {
            format!("{}*{}", bytes.len(), char::from(*first))
        }
        _ => format!("({} bytes)", bytes.len()),
    }
}

/// `{name=value,…}`: true and false, numbers (`I`), quoted strings (`S`), tables in braces (`F`).
fn table(text: &str) -> Table {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).expect("a table in braces");
    let mut fields = Table::default();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 && at > start => {
                let (name, text) = inner[start..at].split_once('=').expect("name=value");
                let value = match text {
                    "true" | "false" => Value::Bool(text == "true"),
                    _ if text.starts_with('{') => Value::Table(table(text)),
                    _ if text.starts_with('"') => Value::Text(bytes(text).into()),
                    number => Value::I32(number.parse().expect("a number")),
                };
                fields.0.push((Name::parse(name).unwrap(), value));
                start = at + 1;
            }
            _ => {}
        }
    }
    fields
}

/// The bytes that a line of the client stands for.
pub(crate) fn client_bytes(words: &mut Words<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let first = words.next().expect("something to send");
    match first {
        "header" => return words.next().map_or_else(|| b"AMQP\0\0\x09\x01".to_vec(), bytes),
        "raw" => return bytes(words.next().expect("bytes")),
        // frame KIND CHANNEL PAYLOAD [end=N] [size=N]
        "frame" => {
            let kind = words.next().expect("a type").parse().expect("a number");
            let channel = words.next().expect("a channel").parse().expect("a number");
            let payload = bytes(words.next().expect("a payload"));
            put(&mut out, kind, channel, &payload);
            for (field, value) in words.fields() {
                match field {
                    "end" => *out.last_mut().unwrap() = value.parse().unwrap(),
                    "size" => out[3..7].copy_from_slice(&value.parse::<u32>().unwrap().to_be_bytes()),
                    other => panic!("no such field: {other}"),
                }
            }
            return out;
        }
        _ => {}
    }
    let (channel, name) = match first.parse::<u16>() {
        Ok(channel) => (channel, words.next().expect("a method")),
        Err(_) => (0, first),
    };
    match name {
        "heartbeat" => put(&mut out, FRAME_HEARTBEAT, channel, &[]),
        "body" => put(&mut out, FRAME_BODY, channel, &bytes(words.next().expect("bytes"))),
        "content" => put(&mut out, FRAME_HEADER, channel, &content_header(words)),
        _ => {
            let shape = SHAPES.iter().find(|shape| shape.name == name);
            let shape = shape.unwrap_or_else(|| panic!("no such method: {name}"));
            put(&mut out, FRAME_METHOD, channel, &method(shape, &words.fields()));
        }
    }
    out
}

fn content_header(words: &mut Words<'_>) -> Vec<u8> {
    let (mut class, mut weight, mut size, mut properties) = (60_u16, 0_u16, 0_u64, vec![0, 0]);
    for (field, value) in words.fields() {
        match field {
            "class" => class = value.parse().unwrap(),
            "weight" => weight = value.parse().unwrap(),
            "size" => size = value.parse().unwrap(),
            "properties" => properties = bytes(value),
            other => panic!("no such field: {other}"),
        }
    }
    let mut payload = class.to_be_bytes().to_vec();
    payload.extend_from_slice(&weight.to_be_bytes());
    payload.extend_from_slice(&size.to_be_bytes());
    payload.extend_from_slice(&properties);
    payload
}

pub(crate) fn put(out: &mut Vec<u8>, kind: u8, channel: u16, payload: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
    out.extend_from_slice(payload);
    out.push(0xCE);
}

fn method(shape: &Shape, given: &[(&str, &str)]) -> Vec<u8> {
    for (name, _) in given {
        let is_known = shape.fields.iter().any(|(field, _)| field == name);
        assert!(is_known || *name == "more", "{} has no field {name}", shape.name);
    }
    let mut out = shape.id.class.to_be_bytes().to_vec();
    out.extend_from_slice(&shape.id.method.to_be_bytes());
    let (mut bits, mut bit_at) = (0_u8, 0);
    for &(name, kind) in shape.fields {
        let value = given.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
        if kind != Kind::Bit && bit_at > 0 {
            out.push(bits);
            (bits, bit_at) = (0, 0);
        }
        let number = || value.map_or(0, |value| value.parse::<u64>().expect("a number")).to_be_bytes();
        match kind {
            Kind::Octet => out.extend_from_slice(&number()[7..]),
            Kind::Short16 => out.extend_from_slice(&number()[6..]),
            Kind::Long32 => out.extend_from_slice(&number()[4..]),
            Kind::LongLong64 => out.extend_from_slice(&number()),
            Kind::ShortString => {
                let text = value.map(bytes).unwrap_or_default();
                out.push(u8::try_from(text.len()).unwrap());
                out.extend_from_slice(&text);
            }
            Kind::LongString => {
                let text = value.map(bytes).unwrap_or_default();
                out.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
                out.extend_from_slice(&text);
            }
            Kind::Table => match value {
                Some(raw) if raw.starts_with('"') => out.extend_from_slice(&bytes(raw)),
                value => value.map(table).unwrap_or_default().encode(&mut out),
            },
            Kind::Bit => {
                bits |= u8::from(value == Some("true")) << bit_at;
                bit_at += 1;
            }
        }
    }
    if bit_at > 0 {
        out.push(bits);
    }
    if let Some((_, more)) = given.iter().find(|(name, _)| *name == "more") {
        out.extend_from_slice(&bytes(more));
    }
    out
}

/// A method's payload as a line; fields that are empty, zero or false are left out.
pub(crate) fn show_method(payload: &[u8]) -> String {
    let mut input = payload;
    let id = MethodId::new(number::<2>(&mut input) as u16, number::<2>(&mut input) as u16);
    let shape = SHAPES.iter().find(|shape| shape.id == id).expect("a method that exists");
    let mut out = shape.name.to_owned();
    let mut bit_at = 0;
    let mut bits = 0;
    for &(name, kind) in shape.fields {
        let text = match kind {
            Kind::Octet => plain(number::<1>(&mut input)),
            Kind::Short16 => plain(number::<2>(&mut input)),
            Kind::Long32 => plain(number::<4>(&mut input)),
            Kind::LongLong64 => plain(number::<8>(&mut input)),
            Kind::ShortString => {
                let length = number::<1>(&mut input);
                text(&mut input, length)
            }
            Kind::LongString => {
                let length = number::<4>(&mut input);
                text(&mut input, length)
            }
            Kind::Table => {
                let table = Table::decode(&mut input).expect("a table");
                if table.is_empty() { String::new() } else { format!("{table:?}") }
            }
            Kind::Bit => {
                if bit_at == 0 {
                    bits = number::<1>(&mut input);
                }
                bit_at += 1;
                if bits >> (bit_at - 1) & 1 == 1 { "true".to_owned() } else { String::new() }
            }
        };
        if !text.is_empty() {
            out.push_str(&format!(" {name}={text}"));
        }
    }
    assert!(input.is_empty(), "bytes behind {}", shape.name);
    out
}

fn plain(number: u64) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn text(input: &mut &[u8], length: u64) -> String {
    let (text, rest) = input.split_at(usize::try_from(length).unwrap());
    *input = rest;
    if text.is_empty() { String::new() } else { quote(text) }
}

fn number<const BYTES: usize>(input: &mut &[u8]) -> u64 {
    let (bytes, rest) = input.split_first_chunk::<BYTES>().expect("the field is all there");
    *input = rest;
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
