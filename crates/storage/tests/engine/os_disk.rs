//! The real disk: what is written durably is read back, whichever way it was written.

use storage::disk::os::OsDisk;
use storage::{Disk, File};

fn read(file: &dyn File, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let count = file.read_at(offset, &mut bytes).unwrap();
    bytes.truncate(count);
    bytes
}

#[test]
fn writes_past_the_page_cache_and_through_it_make_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let disk = OsDisk::open(folder.path()).unwrap();
    let file = disk.create("wal").unwrap();
    let len = 1024 * 1024;
    file.preallocate(len as u64).unwrap();
    file.write_at(0, &[&vec![1; len]]).unwrap();
    let mut expected = vec![1; len];
    // Blocks and what is no multiple of one, what is large, parts that end anywhere; over each other.
    for (turn, (offset, lens)) in [
        (0, &[4096_usize][..]),
        (4096, &[100, 3996]),
        (8192, &[65536]),
        (8192, &[0, 1, 4095]),
        (12288, &[200_000]),
        (12288, &[8192, 4096]),
        (100, &[10]),
        (4096, &[5000]),
        (0, &[12288]),
    ]
    .into_iter()
    .enumerate()
    {
        let parts: Vec<Vec<u8>> =
            lens.iter().enumerate().map(|(part, len)| vec![(turn * 16 + part) as u8; *len]).collect();
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        file.write_durably(offset as u64, &slices).unwrap();
        let written = parts.concat();
        expected[offset..offset + written.len()].copy_from_slice(&written);
        assert!(read(&*file, 0, len) == expected, "turn {turn}");
    }
    disk.rename("wal", "other").unwrap();
    file.write_durably(4096, &[&[9; 4096]]).unwrap();
    expected[4096..8192].fill(9);
    assert!(read(&*disk.open("other").unwrap(), 0, len) == expected);
}

#[test]
fn a_file_that_was_removed_can_still_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let disk = OsDisk::open(folder.path()).unwrap();
    let file = disk.create("wal").unwrap();
    disk.remove("wal").unwrap();
    file.write_durably(0, &[&[7; 4096]]).unwrap();
    assert_eq!(read(&*file, 0, 4096), [7; 4096]);
}

#[test]
fn what_nobody_reads_soon_is_in_the_file_like_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let disk = OsDisk::open(folder.path()).unwrap();
    let file = disk.create("segment").unwrap();
    let mut room = vec![0_u8; 3 * 4096];
    let start = room.as_ptr().align_offset(4096);
    room[start..start + 8192].fill(1);
    file.write_past(0, &room[start..start + 8192]).unwrap();
    // A place in memory, a length and an offset of which none is a multiple of anything.
    file.write_past(8192, &room[start + 1..start + 4097]).unwrap();
    file.write_past(12288, &room[start..start + 100]).unwrap();
    file.write_past(12388, &room[start..start + 4096]).unwrap();
    file.sync_data().unwrap();
    assert!(read(&*disk.open("segment").unwrap(), 0, 20_000) == vec![1; 12388 + 4096]);
}
