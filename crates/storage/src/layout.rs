//! The names of the files in the folder, and which kind a name is of.
//!
//! Numbers are sixteen hexadecimal digits, so that the order of names is the order of numbers.

use crate::LogId;

/// The format version.
pub(crate) const FORMAT: &str = "format";
/// The two checkpoint slots.
pub(crate) const CHECKPOINTS: [&str; 2] = ["checkpoint-a", "checkpoint-b"];
/// Written by a clean stop, removed by the next start.
pub(crate) const CLEAN: &str = "clean";
/// The next WAL file while it is filled with zeros.
pub(crate) const SPARE_PART: &str = "spare.part";
/// Takes space that is given up when there is no other.
pub(crate) const BALLAST: &str = "ballast";

const SPARE: &str = "spare-";
const WAL: &str = "wal-";
const SEGMENT: &str = "segment-";
const SPILL: &str = "spill-";
const SNAPSHOT: &str = "snapshot-";
const ASIDE: &str = "aside-";
/// What an unfinished snapshot ends with.
const PART: &str = ".part";

/// The kind of a file, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Wal(u32),
    Segment(u64),
    Spare(u64),
    Spill,
    Part,
    Other,
}

pub(crate) fn wal(epoch: u32) -> String {
    format!("{WAL}{epoch:016x}")
}

pub(crate) fn segment(id: u64) -> String {
    format!("{SEGMENT}{id:016x}")
}

/// The next WAL file, ready for use. Each has a name of its own: the one in use may not be renamed yet when another
/// is prepared.
pub(crate) fn spare(number: u64) -> String {
    format!("{SPARE}{number:016x}")
}

pub(crate) fn spill(log: LogId, chunk: u32) -> String {
    format!("{SPILL}{:016x}-{chunk:08x}", log.0)
}

pub(crate) fn snapshot(name: &str) -> String {
    format!("{SNAPSHOT}{name}")
}

pub(crate) fn snapshot_part(name: &str) -> String {
    format!("{SNAPSHOT}{name}{PART}")
}

/// Where bytes are kept that could not be used.
pub(crate) fn aside(name: &str, offset: u64) -> String {
    format!("{ASIDE}{name}-{offset:x}")
}

/// True if `name` can name a snapshot.
pub(crate) fn is_snapshot_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

pub(crate) fn kind(name: &str) -> Kind {
    let hex = |digits: &str| {
        let plain = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
    };
    if let Some(epoch) = name.strip_prefix(WAL).and_then(hex) {
        u32::try_from(epoch).map_or(Kind::Other, Kind::Wal)
    } else if let Some(id) = name.strip_prefix(SEGMENT).and_then(hex) {
        Kind::Segment(id)
    } else if let Some(number) = name.strip_prefix(SPARE).and_then(hex) {
        Kind::Spare(number)
    } else if name.starts_with(SPILL) {
        Kind::Spill
    } else if name.ends_with(PART) {
        Kind::Part
    } else {
        Kind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_kind() {
        let check = |name: &str, expect| assert_eq!(kind(name), expect, "{name}");
        check(&wal(0x1f), Kind::Wal(0x1f));
        check(&segment(u64::MAX), Kind::Segment(u64::MAX));
        check(&spill(LogId(1 << 63), 4), Kind::Spill);
        check(&snapshot_part("topology"), Kind::Part);
        check(&spare(9), Kind::Spare(9));
        check(SPARE_PART, Kind::Part);
        check(BALLAST, Kind::Other);
        check(&snapshot("topology"), Kind::Other);
        check(&aside(&wal(3), 4096), Kind::Other);
        check("wal-zz", Kind::Other);
        check("wal-+000000000000001", Kind::Other);
    }

    #[test]
    fn snapshot_names_cannot_leave_the_folder() {
        assert!(is_snapshot_name("topology-2_x"));
        for wrong in ["", "a/b", "..", "a.part", &"x".repeat(65)] {
            assert!(!is_snapshot_name(wrong), "{wrong}");
        }
    }
}
