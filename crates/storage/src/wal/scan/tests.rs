//! Each way in which a chain of frames can end or be broken.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where something is wrong"
)]

use super::*;
use crate::disk::Disk;
use crate::disk::memory::MemoryDisk;
use crate::frame;

/// What was found, in short.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Frame(u64),
    Wounded(usize, u64),
    Gap(usize, u64, Option<(usize, u64)>),
}

/// A frame of one block with the given LSN, and its checksum.
fn block(lsn: u64, previous: u32, epoch: u32) -> (Vec<u8>, u32) {
    let mut buffer = vec![0; FRAME_HEAD];
    buffer.extend_from_slice(&lsn.to_le_bytes());
    let frame = Frame { crc: 0, len: 0, lsn, durable: lsn - 1, count: 1, previous, epoch };
    let crc = frame::seal(&mut buffer, &frame);
    (buffer, crc)
}

/// Frames with the LSNs from `first` on that continue the chain, and the last checksum.
fn chain(first: u64, count: u64, mut previous: u32, epoch: u32) -> (Vec<u8>, u32) {
    let mut bytes = Vec::new();
    for lsn in first..first + count {
        let (block, crc) = block(lsn, previous, epoch);
        bytes.extend(block);
        previous = crc;
    }
    (bytes, previous)
}

fn check(files: &[Vec<u8>], durable: u64, expect: &[Seen], lsn: u64, torn: Option<u64>) {
    let disk = MemoryDisk::new();
    let mut scans = Vec::new();
    for (number, bytes) in files.iter().enumerate() {
        let epoch = u32::try_from(number).unwrap() + 1;
        let name = crate::layout::wal(epoch);
        let file = disk.create(&name).unwrap();
        file.write_at(0, &[bytes]).unwrap();
        scans.push(ScanFile { epoch, name, file, len: wide(bytes.len()) });
    }
    let mut seen = Vec::new();
    let end = scan(&scans, (1, 0), durable, None, |found| {
        seen.push(match found {
            Found::Frame { frame, records, .. } => {
                assert_eq!(records, frame.lsn.to_le_bytes());
                Seen::Frame(frame.lsn)
            }
            Found::Wounded { file, offset, .. } => Seen::Wounded(file, offset),
            Found::Gap { file, offset, end, .. } => Seen::Gap(file, offset, end),
        });
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, expect);
    assert_eq!((end.lsn, end.torn), (lsn, torn));
}

#[test]
fn a_chain_goes_on_in_the_next_file_and_ends_at_zeros() {
    let (mut first, crc) = chain(1, 2, 0, 1);
    first.extend(vec![0; 8192]);
    let (mut second, _) = chain(3, 1, crc, 2);
    second.extend(vec![0; 4096]);
    check(&[first, second], 2, &[Seen::Frame(1), Seen::Frame(2), Seen::Frame(3)], 4, None);
}

#[test]
fn what_a_recycled_file_held_before_is_no_witness() {
    let (mut bytes, crc) = chain(1, 1, 0, 1);
    bytes.extend(chain(3, 2, crc, 77).0);
    check(&[bytes], 1, &[Seen::Frame(1)], 2, None);
}

#[test]
fn a_broken_frame_with_nothing_behind_is_a_torn_tail() {
    let (mut bytes, _) = chain(1, 2, 0, 1);
    bytes[4096 + 50] ^= 1;
    check(&[bytes.clone()], 1, &[Seen::Frame(1)], 2, Some(4096));
    // Unless it is known to have been durable.
    check(&[bytes], 2, &[Seen::Frame(1), Seen::Gap(0, 4096, None)], 3, None);
}

#[test]
fn a_torn_tail_may_begin_a_file() {
    let (first, crc) = chain(1, 1, 0, 1);
    let (mut second, _) = chain(2, 1, crc, 2);
    second[50] ^= 1;
    check(&[first, second], 1, &[Seen::Frame(1)], 2, Some(4096));
}

#[test]
fn a_torn_tail_that_was_cut_off_before_is_passed_over() {
    // The frame that was given its LSN did not fit behind it and went to the next file.
    let (mut first, _) = chain(1, 2, 0, 1);
    first[4096 + 50] ^= 1;
    let (_, crc) = chain(1, 1, 0, 1);
    let (second, _) = chain(2, 2, crc, 2);
    check(&[first.clone(), second.clone()], 0, &[Seen::Frame(1), Seen::Frame(2), Seen::Frame(3)], 4, None);
    let mut wounded = second;
    wounded[50] ^= 1;
    check(&[first, wounded], 0, &[Seen::Frame(1), Seen::Wounded(1, 0), Seen::Frame(3)], 4, None);
}

#[test]
fn a_broken_frame_with_another_behind_is_damage() {
    let (bytes, _) = chain(1, 3, 0, 1);
    let mut wounded = bytes.clone();
    wounded[4096 + 50] ^= 1;
    check(&[wounded], 0, &[Seen::Frame(1), Seen::Wounded(0, 4096), Seen::Frame(3)], 4, None);
    let mut headless = bytes;
    headless[4096] ^= 1;
    let gap = Seen::Gap(0, 4096, Some((0, 8192)));
    check(&[headless], 0, &[Seen::Frame(1), gap, Seen::Frame(3)], 4, None);
}

#[test]
fn a_frame_that_follows_another_than_the_one_before_is_not_taken_silently() {
    let (mut bytes, crc) = chain(1, 1, 0, 1);
    bytes.extend(block(2, crc ^ 1, 1).0);
    let gap = Seen::Gap(0, 4096, Some((0, 4096)));
    check(&[bytes], 0, &[Seen::Frame(1), gap, Seen::Frame(2)], 3, None);
}
