//! The properties of an AMQP 0-9-1 message, read in place.
//!
//! ```text
//! flags:u16 (bit 0: another word follows) | those values whose bit is set, from bit 15 down:
//! content-type, content-encoding, headers, delivery-mode, priority, correlation-id, reply-to, expiration,
//! message-id, timestamp, type, user-id, app-id, cluster-id
//! ```

use crate::{
    Table,
    table::{self, TableError},
};

/// The bits of the flag word.
pub mod flag {
    /// There are headers.
    pub const HEADERS: u16 = 1 << 13;
    /// There is a reply-to.
    pub const REPLY_TO: u16 = 1 << 9;
    /// There is an expiration.
    pub const EXPIRATION: u16 = 1 << 8;
    /// There is a user-id.
    pub const USER_ID: u16 = 1 << 4;
}

/// The properties of one message, borrowed from its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Properties<'a> {
    /// MIME type of the body.
    pub content_type: Option<&'a [u8]>,
    /// MIME encoding of the body.
    pub content_encoding: Option<&'a [u8]>,
    /// The headers, as an encoded table.
    pub raw_headers: Option<&'a [u8]>,
    /// 2: persistent.
    pub delivery_mode: Option<u8>,
    /// Priority, 0 to 255.
    pub priority: Option<u8>,
    /// For requests and replies.
    pub correlation_id: Option<&'a [u8]>,
    /// The queue that replies go to.
    pub reply_to: Option<&'a [u8]>,
    /// Milliseconds to live, as decimal text.
    pub expiration: Option<&'a [u8]>,
    /// The application's id of the message.
    pub message_id: Option<&'a [u8]>,
    /// Seconds since 1970.
    pub timestamp: Option<u64>,
    /// The application's type of the message.
    pub kind: Option<&'a [u8]>,
    /// The user who published it; checked by the broker.
    pub user_id: Option<&'a [u8]>,
    /// The application that published it.
    pub app_id: Option<&'a [u8]>,
    /// Reserved.
    pub cluster_id: Option<&'a [u8]>,
}

/// Why bytes are no properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PropertiesError {
    /// They end in the middle of a value.
    #[error("the properties are cut off")]
    CutOff,
    /// Bytes are left over.
    #[error("there are bytes behind the properties")]
    Surplus,
    /// A flag of a property that does not exist.
    #[error("unknown property flag")]
    UnknownFlag,
    /// The headers are no table.
    #[error(transparent)]
    Headers(#[from] TableError),
}

/// What the broker looks at in every message, whatever else is there.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Digest {
    pub(crate) delivery_mode: u8,
    pub(crate) priority: u8,
}

impl Digest {
    /// Checks flag words and list as [`Properties::parse`] does, which keeps more of them.
    pub(crate) fn check(mut input: &[u8]) -> Result<Self, PropertiesError> {
        let input = &mut input;
        let flags = take_flags(input)?;
        let mut digest = Self::default();
        let mut rest = flags;
        while rest != 0 {
            let bit = rest.ilog2();
            rest &= !(1 << bit);
            match bit {
                13 => table::check(input)?,
                12 => [digest.delivery_mode] = take_array(input)?,
                11 => [digest.priority] = take_array(input)?,
                6 => drop(take_array::<8>(input)?),
                _ => drop(take_short(input)?),
            }
        }
        if input.is_empty() { Ok(digest) } else { Err(PropertiesError::Surplus) }
    }
}

impl<'a> Properties<'a> {
    /// Reads flag words and list.
    ///
    /// # Errors
    /// When they are malformed; headers are checked to the last nested field.
    pub fn parse(mut input: &'a [u8]) -> Result<Self, PropertiesError> {
        let input = &mut input;
        let flags = take_flags(input)?;
        let mut properties = Self::default();
        let has = |bit: u32| flags & (1 << bit) != 0;
        properties.content_type = has(15).then(|| take_short(input)).transpose()?;
        properties.content_encoding = has(14).then(|| take_short(input)).transpose()?;
        properties.raw_headers = has(13).then(|| take_headers(input)).transpose()?;
        properties.delivery_mode = has(12).then(|| take_array::<1>(input)).transpose()?.map(|[v]| v);
        properties.priority = has(11).then(|| take_array::<1>(input)).transpose()?.map(|[v]| v);
        properties.correlation_id = has(10).then(|| take_short(input)).transpose()?;
        properties.reply_to = has(9).then(|| take_short(input)).transpose()?;
        properties.expiration = has(8).then(|| take_short(input)).transpose()?;
        properties.message_id = has(7).then(|| take_short(input)).transpose()?;
        properties.timestamp = has(6).then(|| take_array(input)).transpose()?.map(u64::from_be_bytes);
        properties.kind = has(5).then(|| take_short(input)).transpose()?;
        properties.user_id = has(4).then(|| take_short(input)).transpose()?;
        properties.app_id = has(3).then(|| take_short(input)).transpose()?;
        properties.cluster_id = has(2).then(|| take_short(input)).transpose()?;
        if input.is_empty() { Ok(properties) } else { Err(PropertiesError::Surplus) }
    }

    /// Writes flag word and list, as [`Properties::parse`] reads them. Texts are at most 255 bytes (cut off beyond).
    pub fn encode(&self, out: &mut Vec<u8>) {
        let present = [
            self.content_type.is_some(),
            self.content_encoding.is_some(),
            self.raw_headers.is_some(),
            self.delivery_mode.is_some(),
            self.priority.is_some(),
            self.correlation_id.is_some(),
            self.reply_to.is_some(),
            self.expiration.is_some(),
            self.message_id.is_some(),
            self.timestamp.is_some(),
            self.kind.is_some(),
            self.user_id.is_some(),
            self.app_id.is_some(),
            self.cluster_id.is_some(),
        ];
        let flags = present.iter().fold(0_u16, |flags, present| (flags << 1) | u16::from(*present)) << 2;
        out.extend_from_slice(&flags.to_be_bytes());
        put_short(out, self.content_type);
        put_short(out, self.content_encoding);
        out.extend_from_slice(self.raw_headers.unwrap_or_default());
        out.extend(self.delivery_mode);
        out.extend(self.priority);
        put_short(out, self.correlation_id);
        put_short(out, self.reply_to);
        put_short(out, self.expiration);
        put_short(out, self.message_id);
        out.extend(self.timestamp.map(u64::to_be_bytes).into_iter().flatten());
        put_short(out, self.kind);
        put_short(out, self.user_id);
        put_short(out, self.app_id);
        put_short(out, self.cluster_id);
    }

    /// The headers, parsed.
    ///
    /// # Errors
    /// When a field's name is not UTF-8.
    pub fn headers(&self) -> Result<Table, TableError> {
        self.raw_headers.map_or_else(|| Ok(Table::default()), |mut raw| Table::decode(&mut raw))
    }
}

fn put_short(out: &mut Vec<u8>, text: Option<&[u8]>) {
    let Some(text) = text else { return };
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend_from_slice(text.get(..length.into()).unwrap_or_default());
}

fn take_flags(input: &mut &[u8]) -> Result<u16, PropertiesError> {
    let flags = u16::from_be_bytes(take_array(input)?);
    // Bit 1 would be a fifteenth property, bit 0 a second word of flags: 0-9-1 has neither.
    if flags & 0b11 == 0 { Ok(flags) } else { Err(PropertiesError::UnknownFlag) }
}

fn take_headers<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], PropertiesError> {
    let whole = *input;
    table::check(input)?;
    whole.get(..whole.len() - input.len()).ok_or(PropertiesError::CutOff)
}

fn take_array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], PropertiesError> {
    let (taken, rest) = input.split_first_chunk::<N>().ok_or(PropertiesError::CutOff)?;
    *input = rest;
    Ok(*taken)
}

fn take_short<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], PropertiesError> {
    let [length] = take_array(input)?;
    let (taken, rest) = input.split_at_checked(length.into()).ok_or(PropertiesError::CutOff)?;
    *input = rest;
    Ok(taken)
}
