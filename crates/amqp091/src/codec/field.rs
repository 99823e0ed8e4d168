//! The types of a method's fields, read in place and appended to a buffer.

use bytes::BufMut;

/// A value that stands in a method.
pub trait Field<'a>: Sized {
    /// Takes the value off the front of `input`; `None` if `input` ends before the value does.
    fn take(input: &mut &'a [u8]) -> Option<Self>;
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);
}

/// A short string: one byte of length, at most 255 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Short<'a>(pub &'a [u8]);

/// A long string: four bytes of length.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Long<'a>(pub &'a [u8]);

/// A field table as it is encoded, its four bytes of length included. Reading one does not look inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawTable<'a>(pub &'a [u8]);

impl Default for RawTable<'_> {
    fn default() -> Self {
        Self(&[0; 4])
    }
}

impl<'a> Field<'a> for Short<'a> {
    fn take(input: &mut &'a [u8]) -> Option<Self> {
        let length = u8::take(input)?;
        take(input, length.into()).map(Self)
    }

    fn put(&self, out: &mut Vec<u8>) {
        let kept = self.0.get(..255).unwrap_or(self.0);
        out.put_u8(u8::try_from(kept.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(kept);
    }
}

impl<'a> Field<'a> for Long<'a> {
    fn take(input: &mut &'a [u8]) -> Option<Self> {
        let length = u32::take(input)?;
        take(input, usize::try_from(length).ok()?).map(Self)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.put_u32(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        out.extend_from_slice(self.0);
    }
}

impl<'a> Field<'a> for RawTable<'a> {
    fn take(input: &mut &'a [u8]) -> Option<Self> {
        let whole = *input;
        Long::take(input)?;
        whole.get(..whole.len().checked_sub(input.len())?).map(Self)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}

macro_rules! integer {
    ($($type:ty),*) => { $(
        impl<'a> Field<'a> for $type {
            fn take(input: &mut &'a [u8]) -> Option<Self> {
                let (taken, rest) = input.split_first_chunk()?;
                *input = rest;
                Some(Self::from_be_bytes(*taken))
            }

            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
    )* };
}

integer!(u8, u16, u32, u64);

/// Up to eight bits that share a byte, the first one lowest.
#[derive(Default)]
pub(super) struct Bits {
    byte: u8,
    at: u32,
}

impl Bits {
    /// Takes the byte of `count` bits off the front of `input`; no byte if there is no bit.
    pub(super) fn take(input: &mut &[u8], count: usize) -> Option<Self> {
        let byte = if count == 0 { 0 } else { u8::take(input)? };
        Some(Self { byte, at: 0 })
    }

    pub(super) fn next(&mut self) -> bool {
        let bit = self.byte.checked_shr(self.at).unwrap_or(0) & 1;
        self.at = self.at.saturating_add(1);
        bit != 0
    }

    pub(super) fn push(&mut self, bit: bool) {
        self.byte |= u8::from(bit).checked_shl(self.at).unwrap_or(0);
        self.at = self.at.saturating_add(1);
    }

    /// Appends the byte, unless there was no bit.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        if self.at > 0 {
            out.put_u8(self.byte);
        }
    }
}

pub(super) fn take<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(taken)
}
