//! One WAL frame: the head of a batch of records, padded to whole blocks of 4 KiB.
//!
//! ```text
//!  0       4        8        16     24        32      36           40      44         48
//! +-------+--------+--------+------+---------+-------+------------+-------+----------+---------------
//! | magic | crc32c | length | lsn  | durable | count | previous   | epoch | reserved | records, zeros
//! |       |        | u64    | u64  | u64     | u32   | crc32c     | u32   | 0        | to 4 KiB
//! +-------+--------+--------+------+---------+-------+------------+-------+----------+---------------
//! ```
//! `lsn` is that of the first record; the frame covers `count` LSNs, one if it is empty. `durable` is the last LSN
//! known to be on disk when the frame was written; `previous` the checksum of the frame before; `epoch` the number
//! of the WAL file, which tells a frame from what a recycled file held before. The checksum covers the bytes from 8
//! to the end of the records.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

use crate::codec::{Fields, crc32c, narrow, set_u32, wide};

/// Batches begin at multiples of this, so that no confirmed sector is written twice.
pub(crate) const BLOCK: u64 = 4096;
/// The head of a frame.
pub(crate) const FRAME_HEAD: usize = 48;
/// "HFW1", read as a little-endian number.
pub(crate) const FRAME_MAGIC: u32 = 0x3157_4648;

/// LSNs and other counters on disk stay below this, so that counting on never overflows.
pub(crate) const COUNTER_MAX: u64 = 1 << 62;

/// The fields of a frame's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) crc: u32,
    /// Bytes of records.
    pub(crate) len: u64,
    pub(crate) lsn: u64,
    pub(crate) durable: u64,
    pub(crate) count: u32,
    pub(crate) previous: u32,
    pub(crate) epoch: u32,
}

impl Frame {
    /// Reads a head; `None` if these bytes are none. The checksum is not looked at.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        if fields.u32()? != FRAME_MAGIC {
            return None;
        }
        let crc = fields.u32()?;
        let len = fields.u64()?;
        let lsn = fields.u64()?;
        let durable = fields.u64()?;
        let count = fields.u32()?;
        let previous = fields.u32()?;
        let epoch = fields.u32()?;
        let reserved = fields.u32()?;
        let plausible = reserved == 0 && (1..COUNTER_MAX).contains(&lsn) && durable < lsn;
        plausible.then_some(Self { crc, len, lsn, durable, count, previous, epoch })
    }

    /// True if the checksum holds over `bytes`, the head and the records.
    pub(crate) fn is_intact(&self, bytes: &[u8]) -> bool {
        bytes.get(8..).is_some_and(|covered| crc32c(covered) == self.crc)
    }

    /// The LSN after those that the frame covers.
    pub(crate) fn next_lsn(&self) -> u64 {
        self.lsn.saturating_add(u64::from(self.count.max(1)))
    }

    /// Bytes of head and records.
    pub(crate) fn unpadded(&self) -> u64 {
        self.len.saturating_add(wide(FRAME_HEAD))
    }

    /// Bytes that the frame takes in the file.
    pub(crate) fn padded(&self) -> u64 {
        padded(self.unpadded())
    }
}

/// The next multiple of a block.
pub(crate) fn padded(len: u64) -> u64 {
    len.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX)
}

/// Writes the head into the first bytes of `buffer`, which holds room for it and the sealed records, pads the
/// buffer with zeros and returns the checksum. `frame.crc` and `frame.len` are taken from the buffer.
pub(crate) fn seal(buffer: &mut Vec<u8>, frame: &Frame) -> u32 {
    let len = wide(buffer.len().saturating_sub(FRAME_HEAD));
    let mut head = [0_u8; FRAME_HEAD];
    set_u32(&mut head, 0, FRAME_MAGIC);
    for (at, value) in [(8, len), (16, frame.lsn), (24, frame.durable)] {
        if let Some(place) = head.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>()) {
            *place = value.to_le_bytes();
        }
    }
    for (at, value) in [(32, frame.count), (36, frame.previous), (40, frame.epoch)] {
        set_u32(&mut head, at, value);
    }
    if let Some(place) = buffer.get_mut(..FRAME_HEAD) {
        place.copy_from_slice(&head);
    }
    let crc = crc32c(buffer.get(8..).unwrap_or_default());
    set_u32(buffer, 4, crc);
    buffer.resize(narrow(padded(wide(buffer.len()))), 0);
    crc
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may stop where something is not as it should be")]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_frame_is_read_back_and_any_changed_bit_is_seen() {
        let mut buffer = vec![0; FRAME_HEAD];
        buffer.extend_from_slice(b"records");
        let frame = Frame { crc: 0, len: 0, lsn: 5, durable: 4, count: 2, previous: 9, epoch: 3 };
        let crc = seal(&mut buffer, &frame);
        assert_eq!(buffer.len(), 4096);
        let read = Frame::parse(&buffer).unwrap();
        assert_eq!(read, Frame { crc, len: 7, ..frame });
        assert_eq!((read.next_lsn(), read.unpadded(), read.padded()), (7, 55, 4096));
        assert!(read.is_intact(&buffer[..55]));
        for bit in 0..55 * 8 {
            let mut wrong = buffer.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let seen = Frame::parse(&wrong).is_some_and(|read| read.is_intact(&wrong[..55]) && read.len == 7);
            assert!(!seen, "bit {bit}");
        }
    }
}
