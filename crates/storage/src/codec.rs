//! Integers, varints and checksums as they stand on disk: little-endian, LEB128, CRC-32C.
//!
//! No format lives here, only its atoms. Reading never panics and never allocates.

/// The checksum used everywhere on disk: CRC-32C (Castagnoli).
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Memory sizes and offsets as 64-bit numbers; `usize` has at most 64 bits on every supported machine.
pub(crate) fn wide(len: usize) -> u64 {
    len as u64
}

/// A number from disk as a size in memory; one too large for the machine becomes one that no slice has.
pub(crate) fn narrow(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// Takes fields off the front of bytes; `None` when they end too early or a varint is too long.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// All fields of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// LEB128, of at most 64 bits.
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if shift == 63 && part > 1 {
                return None;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// What is left.
    pub fn rest(self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Overwrites four bytes inside a buffer that is known to have them.
pub(crate) fn set_u32(out: &mut [u8], at: usize, value: u32) {
    if let Some(place) = at.checked_add(4).and_then(|end| out.get_mut(at..end)) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_come_back(value in any::<u64>(), small in 0_u64..300) {
            for value in [value, small] {
                let mut bytes = Vec::new();
                put_varint(&mut bytes, value);
                prop_assert!(bytes.len() <= 10);
                let mut fields = Fields::new(&bytes);
                prop_assert_eq!(fields.varint(), Some(value));
                prop_assert!(fields.is_empty());
                let mut cut = Fields::new(&bytes[..bytes.len() - 1]);
                prop_assert_eq!(cut.varint(), None);
            }
        }
    }

    #[test]
    fn a_varint_of_too_many_bits_is_refused() {
        let mut bytes = vec![0xff; 9];
        bytes.push(0x02);
        assert_eq!(Fields::new(&bytes).varint(), None);
    }

    #[test]
    fn the_checksum_is_castagnoli() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
