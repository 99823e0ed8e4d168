//! The headers `CC` and `BCC`: further routing keys of a message.
//!
//! `CC` stays in the message, `BCC` is taken out before anyone can see it.

use std::sync::Arc;

use bytes::{BufMut, Bytes};
use model::{Message, Refusal, Table, Value, message::flag};

const CC: &str = "CC";
const BCC: &str = "BCC";

/// The keys of both headers, `CC` first.
#[derive(Clone, Default, Debug)]
pub struct ExtraKeys {
    keys: Vec<Bytes>,
    has_bcc: bool,
}

impl ExtraKeys {
    /// Reads them from the headers; costs next to nothing when there are none.
    ///
    /// # Errors
    /// When one of the two headers is no array. What is no text inside an array is passed over, as RabbitMQ does.
    pub fn parse(message: &Message) -> Result<Self, Refusal> {
        let mut extra = Self::default();
        if message.flags() & flag::HEADERS == 0 || message.is_rerouted() {
            return Ok(extra);
        }
        let properties = message.properties();
        let find = |wanted: &str| {
            let mut fields = fields_of(properties.raw_headers);
            fields.find(|(name, _)| *name == wanted.as_bytes()).map(|(_, field)| field)
        };
        let (cc, bcc) = (find(CC), find(BCC));
        extra.has_bcc = bcc.is_some();
        extra.take(CC, cc)?;
        extra.take(BCC, bcc)?;
        Ok(extra)
    }

    fn take(&mut self, name: &str, field: Option<&[u8]>) -> Result<(), Refusal> {
        let Some(field) = field else { return Ok(()) };
        let table = Table::decode_fields(field).unwrap_or_default();
        match table.get(name) {
            None => Ok(()),
            Some(Value::Array(items)) => {
                self.keys.extend(items.iter().filter_map(|item| match item {
                    Value::Text(key) => Some(key.clone()),
                    _ => None,
                }));
                Ok(())
            }
            Some(other) => {
                let reason = format!("{{unacceptable_type_in_header,\"{name}\",{}}}", other.type_word());
                Err(Refusal::InvalidMessage { reason })
            }
        }
    }

    /// The keys themselves.
    pub fn keys(&self) -> &[Bytes] {
        &self.keys
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// `BCC` is for routing only: the message as others get to see it.
    pub(crate) fn without_bcc(&self, message: Arc<Message>) -> Arc<Message> {
        if !self.has_bcc {
            return message;
        }
        with_header(&message, BCC, &[]).map_or(message, Arc::new)
    }
}

/// The message with other bytes instead of the field `name` of its headers; everything else keeps its bytes. None if it has
/// no such field.
pub(super) fn with_header(message: &Message, name: &str, instead: &[u8]) -> Option<Message> {
    let raw = message.raw_properties();
    let headers = message.properties().raw_headers?;
    let at = offset(raw, headers)?;
    let mut out = Vec::with_capacity(raw.len().saturating_add(instead.len()));
    out.extend_from_slice(raw.get(..at)?);
    let length_at = out.len();
    out.put_u32(0);
    let mut is_found = false;
    for (other, field) in fields_of(Some(headers)) {
        if other != name.as_bytes() {
            out.extend_from_slice(field);
        } else if !std::mem::replace(&mut is_found, true) {
            out.extend_from_slice(instead);
        }
    }
    let length = u32::try_from(out.len().checked_sub(length_at)?.checked_sub(4)?).ok()?;
    out.get_mut(length_at..length_at.checked_add(4)?)?.copy_from_slice(&length.to_be_bytes());
    out.extend_from_slice(raw.get(at.checked_add(headers.len())?..)?);
    let changed = message.with_properties(&out);
    debug_assert!(changed.is_ok(), "properties with another header are properties: {changed:?}");
    changed.ok().filter(|_| is_found)
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset(whole: &[u8], part: &[u8]) -> Option<usize> {
    (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize).filter(|at| *at <= whole.len())
}

/// The headers of a message; a field whose name is not UTF-8 is passed over.
pub(crate) fn headers_of(message: &Message) -> Table {
    let mut headers = Table::default();
    for (_, field) in fields_of(message.properties().raw_headers) {
        headers.0.extend(Table::decode_fields(field).unwrap_or_default().0);
    }
    headers
}

/// The fields of headers that were checked: each name with the bytes of the whole field.
pub(crate) fn fields_of(raw_headers: Option<&[u8]>) -> Fields<'_> {
    Fields(raw_headers.and_then(|raw| raw.get(4..)).unwrap_or_default())
}

/// See [`fields_of`].
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let whole = self.0;
        let name_bytes = usize::from(*whole.first()?);
        let name = whole.get(1..1_usize.checked_add(name_bytes)?)?;
        let value = whole.get(1_usize.checked_add(name_bytes)?..)?;
        let value_bytes = value_bytes(value)?;
        let (field, rest) =
            whole.split_at_checked(whole.len().checked_sub(value.len())?.checked_add(value_bytes)?)?;
        self.0 = rest;
        Some((name, field))
    }
}

/// How many bytes the value at the front of `input` takes, its tag included.
fn value_bytes(input: &[u8]) -> Option<usize> {
    let (tag, rest) = input.split_first()?;
    let length = match tag {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'S' | b'x' | b'A' | b'F' => {
            let length = u32::from_be_bytes(*rest.first_chunk::<4>()?);
            usize::try_from(length).ok()?.checked_add(4)?
        }
        _ => return None,
    };
    length.checked_add(1)
}

#[cfg(test)]
mod tests;
