//! Snapshots: small files that are replaced as a whole, for state that is not a log.
//!
//! ```text
//! magic u32, crc32c u32 (of what follows), length u64, bytes
//! ```
//! The new file is written and synced under another name, renamed, and the folder synced: a crash leaves the old one
//! or the new one.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

use std::io;

use bytes::Bytes;

use super::Engine;
use crate::codec::{Fields, crc32c, narrow, put_u32, put_u64, set_u32, wide};
use crate::disk::Disk;
use crate::fault::{At, Fault, Reason};
use crate::layout;

/// "HFN1", read as a little-endian number.
const MAGIC: u32 = 0x314e_4648;
const HEAD: usize = 16;

impl Engine {
    /// Replaces the snapshot of that name, durably.
    ///
    /// # Errors
    /// The old snapshot then still holds.
    pub fn snapshot_write(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        check_name(name)?;
        self.check()?;
        let mut head = Vec::with_capacity(HEAD);
        put_u32(&mut head, MAGIC);
        put_u32(&mut head, 0);
        put_u64(&mut head, wide(bytes.len()));
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        digest.update(head.get(8..).unwrap_or_default());
        digest.update(bytes);
        set_u32(&mut head, 4, u32::try_from(digest.finalize()).unwrap_or_default());
        replace(&*self.disk, &layout::snapshot_part(name), &layout::snapshot(name), &[&head, bytes])
    }

    /// The snapshot of that name, if there is one.
    pub fn snapshot_read(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        check_name(name)?;
        let name = layout::snapshot(name);
        let Some(bytes) = read_whole(&*self.disk, &name)? else { return Ok(None) };
        let corrupt = |reason| Fault::corrupt(&name, 0, reason);
        let mut fields = Fields::new(&bytes);
        let mut head = || Some((fields.u32()?, fields.u32()?, fields.u64()?));
        let (magic, crc, len) = head().ok_or_else(|| corrupt(Reason::Short))?;
        if magic != MAGIC || bytes.len() != HEAD.saturating_add(narrow(len)) {
            return Err(corrupt(Reason::Field));
        }
        if bytes.get(8..).is_none_or(|covered| crc32c(covered) != crc) {
            return Err(corrupt(Reason::Checksum));
        }
        Ok(Some(Bytes::from(bytes).slice(HEAD..)))
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    if layout::is_snapshot_name(name) { Ok(()) } else { Err(Fault::Name { name: name.to_owned() }) }
}

/// Writes a file under one name, syncs it, and gives it another name for good.
pub(super) fn replace(disk: &dyn Disk, part: &str, name: &str, bytes: &[&[u8]]) -> Result<(), Fault> {
    let written = disk.create(part).and_then(|file| {
        file.write_at(0, bytes)?;
        file.sync_data()?;
        disk.rename(part, name)?;
        disk.sync_dir()
    });
    if written.is_err() {
        // What is left of it is removed at the next start at the latest.
        let _ = disk.remove(part);
    }
    written.at(name)
}

/// All bytes of a file; `None` if there is no such file.
pub(super) fn read_whole(disk: &dyn Disk, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    let file = match disk.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::io(name, error)),
    };
    let mut bytes = vec![0; narrow(file.len().at(name)?)];
    let read = file.read_at(0, &mut bytes).at(name)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}
