//! Filter values: what a chunk remembers of those of its messages, and what a consumer wants of them.

use model::Message;

use super::draft::filter_value;

/// How many bits a value sets.
const PROBES: u32 = 3;
/// Bits of a byte.
const BYTE: u32 = 8;

/// A bloom filter over the filter values of a chunk. It says "none" or "perhaps". Messages without a value count as having
/// an empty one; if none has a value there is no filter.
#[derive(Debug)]
pub(super) struct Bloom {
    bytes_wanted: u8,
    bytes: Vec<u8>,
    has_unvalued: bool,
}

impl Bloom {
    pub(super) fn new(bytes_wanted: u8) -> Self {
        Self { bytes_wanted, bytes: Vec::new(), has_unvalued: false }
    }

    pub(super) fn add(&mut self, value: Option<&[u8]>) {
        let Some(value) = value else {
            self.has_unvalued = true;
            return;
        };
        self.bytes.resize(self.bytes_wanted.into(), 0);
        self.set(value);
    }

    fn set(&mut self, value: &[u8]) {
        for (at, mask) in bits(value, self.bytes.len()) {
            if let Some(byte) = self.bytes.get_mut(at) {
                *byte |= mask;
            }
        }
    }

    /// All values are in.
    pub(super) fn finish(&mut self) -> &[u8] {
        if self.has_unvalued && !self.bytes.is_empty() {
            self.set(b"");
        }
        &self.bytes
    }
}

/// Whether a value may be in a chunk with this filter.
fn may_contain(filter: &[u8], value: &[u8]) -> bool {
    bits(value, filter.len()).all(|(at, mask)| filter.get(at).is_some_and(|byte| byte & mask != 0))
}

/// The bits of a value in a filter of so many bytes: the byte, and the bit in it.
fn bits(value: &[u8], bytes: usize) -> impl Iterator<Item = (usize, u8)> {
    let bits = u32::try_from(bytes).unwrap_or_default().saturating_mul(BYTE).max(1);
    let [low, high] = halves(value);
    (0..PROBES).map(move |probe| {
        let bit = low.wrapping_add(probe.wrapping_mul(high | 1)) % bits;
        ((bit / BYTE) as usize, 1 << (bit % BYTE))
    })
}

/// FNV-1a, 64 bits. What it gives is on disk: it must never change.
fn halves(value: &[u8]) -> [u32; 2] {
    let hash = value.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    [hash & 0xffff_ffff, hash >> 32].map(|half| u32::try_from(half).unwrap_or_default())
}

/// What a consumer wants: messages with one of these values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Filter {
    /// At least one.
    pub(crate) values: Vec<Vec<u8>>,
    /// And those without any.
    pub(crate) takes_unvalued: bool,
}

impl Filter {
    /// Whether there may be something in a chunk with this filter.
    pub(super) fn may_match(&self, filter: &[u8]) -> bool {
        if filter.is_empty() {
            return self.takes_unvalued;
        }
        self.values.iter().any(|value| may_contain(filter, value))
            || (self.takes_unvalued && may_contain(filter, b""))
    }

    /// Whether a message is wanted.
    pub(super) fn matches(&self, message: &Message) -> bool {
        match filter_value(message) {
            Some(value) => self.values.iter().any(|wanted| wanted == value),
            None => self.takes_unvalued,
        }
    }
}

#[cfg(test)]
mod tests;
