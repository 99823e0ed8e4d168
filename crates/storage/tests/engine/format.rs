//! The example of `docs/internals/storage-format.md`, made by the engine and compared byte by byte.
//!
//! A block of the document that begins with ```` ```hex FILE OFFSET ```` holds lines of hexadecimal bytes, each with an
//! explanation behind a bar.

use std::collections::BTreeMap;

use storage::disk::memory::MemoryDisk;
use storage::{Disk, Engine, Entry, LogId, Options};

use crate::world::{open, tiny};

const DOCUMENT: &str = include_str!("../../../../docs/internals/storage-format.md");

fn append(engine: &Engine, entries: &[(u64, Entry<'_>)]) {
    let mut staging = engine.stage();
    for (log, entry) in entries {
        staging.append(LogId(*log), *entry);
    }
}

/// The files after the steps which the document tells, and the first WAL file as it was before it was drained.
fn example() -> BTreeMap<String, Vec<u8>> {
    let disk = MemoryDisk::new();
    let options = Options { copy_forward_bytes_max: 0, ..tiny() };
    let (engine, _) = open(&disk, &options).unwrap();
    let plain = Entry { index: 0, expires_at_ms: 0, priority: 0, head: b"he", body: b"llo" };
    let special = Entry { index: 7, expires_at_ms: 1000, priority: 5, head: b"", body: b"x" };
    append(&engine, &[(1, plain), (300, special), (300, Entry { index: 9, ..plain })]);
    engine.flush().unwrap();
    let mut staging = engine.stage();
    staging.settle(LogId(1), &[0..=0]);
    staging.append(LogId(2), Entry { body: b"", head: b"", ..plain });
    staging.drop_log(LogId(2));
    drop(staging);
    engine.flush().unwrap();
    append(&engine, &[(1, Entry { index: 1, ..plain })]);
    engine.flush().unwrap();
    let first = "wal-0000000000000001".to_owned();
    let before = disk.contents(&first).unwrap();
    engine.housekeep().unwrap();
    engine.snapshot_write("topology", b"abc").unwrap();
    engine.close(vec![(LogId(300), 8)]).unwrap();
    let listed = disk.list().unwrap();
    let mut files: BTreeMap<_, _> =
        listed.into_iter().map(|file| (file.name.clone(), disk.contents(&file.name).unwrap())).collect();
    assert_eq!(files.insert(first, before), None, "drained files do not stay");
    files
}

#[derive(Debug)]
struct Block {
    file: String,
    offset: usize,
    bytes: Vec<u8>,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_inside = false;
    for line in document.lines() {
        if let Some(title) = line.strip_prefix("```hex ") {
            let (file, offset) = title.split_once(' ').unwrap();
            blocks.push(Block { file: file.to_owned(), offset: offset.parse().unwrap(), bytes: Vec::new() });
            is_inside = true;
        } else if line.starts_with("```") {
            is_inside = false;
        } else if is_inside {
            let bytes = line.split('|').next().unwrap().split_whitespace();
            let block = blocks.last_mut().unwrap();
            block.bytes.extend(bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()));
        }
    }
    blocks
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_document_shows_what_is_written() {
    let files = example();
    let blocks = blocks(DOCUMENT);
    for block in &blocks {
        let Block { file, offset, bytes } = block;
        let contents = files.get(file).unwrap_or_else(|| panic!("{file} is not written"));
        let end = (offset + bytes.len()).min(contents.len());
        let found = contents.get(*offset..end).unwrap_or_default();
        assert_eq!(hex(found), hex(bytes), "{file} at {offset}");
    }
    // Every format has its example, and the files that are shown from the start are shown to the end.
    for whole in ["format", "segment-0000000000000001", "checkpoint-b", "clean", "snapshot-topology"] {
        let shown: usize =
            blocks.iter().filter(|block| block.file == whole).map(|block| block.bytes.len()).sum();
        assert_eq!(Some(shown), files.get(whole).map(Vec::len), "{whole}");
    }
    let frames = blocks.iter().filter(|block| block.file.starts_with("wal-")).count();
    assert!(frames >= 2);
}
