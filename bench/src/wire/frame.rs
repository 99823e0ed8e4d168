//! Frames where they lie in a buffer: AMQP 0-9-1 §4.2.3. Also a careful reader of their payloads.
//!
//! Invariant: whatever the bytes are, nothing here panics; a frame larger than [`PAYLOAD_BYTES_MAX`] is refused before
//! anybody waits for it.

use anyhow::{Context as _, bail, ensure};

/// Kinds of frames.
pub(crate) const METHOD: u8 = 1;
pub(crate) const HEADER: u8 = 2;
pub(crate) const BODY: u8 = 3;
/// The byte that ends a frame.
pub(crate) const END: u8 = 0xCE;
/// What a frame has around its payload: kind, channel, size, end.
const ENVELOPE_BYTES: usize = 8;
/// More than any `frame_max` that a broker proposes by itself.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// A class and a method of it.
pub(crate) type MethodId = (u16, u16);

/// One frame, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first frame of `bytes` and its length with everything around it; `None` if it is not complete.
    #[inline]
    pub(crate) fn first(bytes: &'a [u8]) -> anyhow::Result<Option<(Self, usize)>> {
        let Some((&[kind, c0, c1, s0, s1, s2, s3], rest)) = bytes.split_first_chunk::<7>() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([s0, s1, s2, s3]) as usize;
        if size > PAYLOAD_BYTES_MAX {
            bail!("a frame of {size} bytes: this is not AMQP");
        }
        let (Some(payload), Some(&end)) = (rest.get(..size), rest.get(size)) else { return Ok(None) };
        if end != END {
            bail!("a frame does not end where it should");
        }
        let channel = u16::from_be_bytes([c0, c1]);
        Ok(Some((Self { kind, channel, payload }, size + ENVELOPE_BYTES)))
    }

    /// What method this is, if it is one.
    #[inline]
    pub(crate) fn method(&self) -> Option<MethodId> {
        match (self.kind, self.payload) {
            (METHOD, &[a, b, c, d, ..]) => Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))),
            _ => None,
        }
    }

    /// What follows class and method.
    #[inline]
    pub(crate) fn arguments(&self) -> Reader<'a> {
        Reader(self.payload.get(4..).unwrap_or_default())
    }
}

/// Takes values from the front of a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    fn take(&mut self, length: usize) -> anyhow::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).context("a frame ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> anyhow::Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>().context("a frame ends too early")?;
        self.0 = rest;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> anyhow::Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> anyhow::Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> anyhow::Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> anyhow::Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn short_text(&mut self) -> anyhow::Result<&'a [u8]> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    pub(crate) fn long_text(&mut self) -> anyhow::Result<&'a [u8]> {
        let length = self.u32()?;
        self.take(usize::try_from(length)?)
    }

    /// The texts at the top of a table, with their names; tables in it and the little that brokers put beside them are
    /// stepped over.
    pub(crate) fn texts_of_table(&mut self) -> anyhow::Result<Vec<(String, String)>> {
        let mut table = Reader(self.long_text()?);
        let mut texts = Vec::new();
        while !table.0.is_empty() {
            let name = String::from_utf8_lossy(table.short_text()?).into_owned();
            match table.u8()? {
                b'S' => texts.push((name, String::from_utf8_lossy(table.long_text()?).into_owned())),
                b'F' | b'A' | b'x' => _ = table.long_text()?,
                b't' | b'b' | b'B' => _ = table.take(1)?,
                b's' | b'u' => _ = table.take(2)?,
                b'I' | b'i' | b'f' => _ = table.take(4)?,
                b'l' | b'L' | b'd' | b'T' => _ = table.take(8)?,
                b'D' => _ = table.take(5)?,
                b'V' => {}
                other => bail!("a table has a value of kind {other:#04x}"),
            }
        }
        Ok(texts)
    }
}

/// The code and the text of a `connection.close` or `channel.close`.
pub(crate) fn refusal(frame: &Frame<'_>) -> anyhow::Result<String> {
    let mut arguments = frame.arguments();
    let code = arguments.u16()?;
    let text = arguments.short_text()?;
    ensure!(frame.method().is_some(), "a refusal is a method");
    Ok(format!("{code} {}", String::from_utf8_lossy(text)))
}

#[cfg(test)]
mod tests;
