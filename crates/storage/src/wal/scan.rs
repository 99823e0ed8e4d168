//! Reading the WAL back: the chain of frames, its end, and what is wrong with it.
//!
//! A frame continues the chain if its checksum holds, its epoch is the file's, its LSN the next one, and `previous` the
//! checksum of the frame before. Where the chain breaks, everything after is searched for a witness: an intact
//! frame of the right epoch with that LSN or a higher one. With a witness, or if the LSN is known to have been
//! durable, confirmed records are damaged; without, this is the end, and a frame begun there is a torn tail. Every
//! frame was synced before the next was written, so only the last can be torn.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::arithmetic_side_effects)]

use std::sync::Arc;

use crate::codec::{narrow, wide};
use crate::disk::File;
use crate::fault::{At, Fault, Reason};
use crate::frame::{BLOCK, FRAME_HEAD, Frame};

/// Bytes read at once.
const WINDOW: u64 = 1024 * 1024;

/// A WAL file to be read back.
#[derive(Debug)]
pub(crate) struct ScanFile {
    pub(crate) epoch: u32,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) len: u64,
}

/// Something found while reading.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// The next frame of the chain; its records, sealed.
    Frame { file: usize, offset: u64, frame: Frame, records: &'a [u8] },
    /// A frame which is not intact although it was confirmed. Its records, each to be checked.
    Wounded { file: usize, offset: u64, frame: Frame, records: &'a [u8] },
    /// A stretch that holds nothing usable although something was confirmed there.
    Gap { file: usize, offset: u64, end: Option<(usize, u64)>, reason: Reason },
}

/// Where the chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) lsn: u64,
    pub(crate) previous: u32,
    /// The file with the last frame and the offset behind it.
    pub(crate) file: usize,
    pub(crate) offset: u64,
    /// Length of a frame that was begun at the end, as far as it is in the file.
    pub(crate) torn: Option<u64>,
}

/// Reads all frames from the first file on and tells `found` of each. `durable` is the highest LSN known to be durable;
/// `complete` the last LSN of all, if a clean stop told it: then nothing is searched behind it.
pub(crate) fn scan(
    files: &[ScanFile],
    start: (u64, u32),
    mut durable: u64,
    complete: Option<u64>,
    mut found: impl FnMut(Found<'_>) -> Result<(), Fault>,
) -> Result<End, Fault> {
    let mut window = Window::default();
    let (mut lsn, mut previous) = start;
    let (mut at, mut offset) = (0, 0);
    loop {
        let here = files.get(at).map(|file| window.frame(file, offset)).transpose()?.flatten();
        if let Some((frame, true)) = here
            && frame.lsn == lsn
            && frame.previous == previous
        {
            durable = durable.max(frame.durable);
            let records = window.records(&frame);
            found(Found::Frame { file: at, offset, frame, records })?;
            (lsn, previous) = (frame.next_lsn(), frame.crc);
            offset = offset.saturating_add(frame.padded());
            continue;
        }
        // A file ends where its successor's first frame continues the chain. That holds even if a frame was begun here:
        // its LSN was given again, so it was a torn tail that an earlier recovery cut off.
        if let Some(next) = continues(files, at, (lsn, previous), &mut window)? {
            (at, offset) = (next, 0);
            continue;
        }
        if complete.is_some_and(|last| last.checked_add(1) == Some(lsn)) {
            return Ok(End { lsn, previous, file: at, offset, torn: None });
        }
        let wounded = here.filter(|(frame, _)| frame.lsn == lsn && frame.previous == previous);
        let after = lsn.saturating_add(u64::from(wounded.is_some()));
        let search = offset.saturating_add(if wounded.is_some() { BLOCK } else { 0 });
        let Some((file, found_at, witness)) = witness(files, at, search, after, &mut window)? else {
            if lsn > durable {
                let left = files.get(at).map_or(0, |file| file.len.saturating_sub(offset));
                let torn = wounded.map(|(frame, _)| frame.padded().min(left));
                return Ok(End { lsn, previous, file: at, offset, torn });
            }
            // A file is begun for a frame: if there is a later one, that is where the frame was.
            let later = at.saturating_add(1);
            let (file, place) = if later < files.len() { (later, 0) } else { (at, offset) };
            found(Found::Gap { file, offset: place, end: None, reason: Reason::Lost })?;
            // Numbers that were given to confirmed records are not given again.
            return Ok(End { lsn: durable.saturating_add(1), previous, file: at, offset, torn: None });
        };
        let end = Some((file, found_at));
        if let (Some((frame, _)), Some(source)) = (wounded, files.get(at)) {
            window.frame(source, offset)?;
            let records = window.records(&frame);
            found(Found::Wounded { file: at, offset, frame, records })?;
        } else {
            // Frames stand in a file from its start: one that is not readable there is where the damage is.
            let (file, offset) = if file > at && found_at > 0 { (file, 0) } else { (at, offset) };
            found(Found::Gap { file, offset, end, reason: Reason::Lost })?;
        }
        (at, offset, lsn, previous) = (file, found_at, witness.lsn, witness.previous);
    }
}

/// The next file whose first frame, by its head, continues the chain.
fn continues(
    files: &[ScanFile],
    at: usize,
    (lsn, previous): (u64, u32),
    window: &mut Window,
) -> Result<Option<usize>, Fault> {
    for (number, file) in files.iter().enumerate().skip(at.saturating_add(1)) {
        // It need not be intact: then it is looked at more closely where it stands.
        if let Some(frame) = window.head(file, 0)?
            && frame.lsn == lsn
            && frame.previous == previous
        {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// The first intact frame, from a position on, with at least that LSN.
fn witness(
    files: &[ScanFile],
    at: usize,
    offset: u64,
    lsn: u64,
    window: &mut Window,
) -> Result<Option<(usize, u64, Frame)>, Fault> {
    for (number, file) in files.iter().enumerate().skip(at) {
        let mut position = if number == at { offset } else { 0 };
        while position < file.len {
            let head = window.head(file, position)?;
            if head.is_some_and(|frame| frame.lsn >= lsn)
                && let Some((frame, true)) = window.frame(file, position)?
            {
                return Ok(Some((number, position, frame)));
            }
            position = position.saturating_add(BLOCK);
        }
    }
    Ok(None)
}

/// A stretch of a file in memory.
#[derive(Debug, Default)]
struct Window {
    epoch: u32,
    offset: u64,
    bytes: Vec<u8>,
    /// Where in `bytes` the frame asked for last begins.
    frame_at: usize,
}

impl Window {
    /// Makes sure that the bytes from `offset` on are here, as many as wanted or as there are.
    fn load(&mut self, file: &ScanFile, offset: u64, len: u64) -> Result<(), Fault> {
        let end = offset.saturating_add(len).min(file.len);
        let have = self.offset.saturating_add(wide(self.bytes.len()));
        if self.epoch != file.epoch || offset < self.offset || end > have {
            let until = offset.saturating_add(len.max(WINDOW)).min(file.len);
            self.bytes.clear();
            self.bytes.resize(narrow(until.saturating_sub(offset)), 0);
            let read = file.file.read_at(offset, &mut self.bytes).at(&file.name)?;
            self.bytes.truncate(read);
            (self.epoch, self.offset) = (file.epoch, offset);
        }
        self.frame_at = narrow(offset.saturating_sub(self.offset));
        Ok(())
    }

    /// The head of a frame of this file, if there is one.
    fn head(&mut self, file: &ScanFile, offset: u64) -> Result<Option<Frame>, Fault> {
        self.load(file, offset, wide(FRAME_HEAD))?;
        let frame = Frame::parse(self.bytes.get(self.frame_at..).unwrap_or_default());
        Ok(frame.filter(|frame| frame.epoch == file.epoch))
    }

    /// A frame of this file, and whether it is intact.
    fn frame(&mut self, file: &ScanFile, offset: u64) -> Result<Option<(Frame, bool)>, Fault> {
        let Some(frame) = self.head(file, offset)? else { return Ok(None) };
        if offset.saturating_add(frame.unpadded()) > file.len {
            return Ok(Some((frame, false)));
        }
        self.load(file, offset, frame.unpadded())?;
        let end = self.frame_at.saturating_add(narrow(frame.unpadded()));
        let is_intact = self.bytes.get(self.frame_at..end).is_some_and(|bytes| frame.is_intact(bytes));
        Ok(Some((frame, is_intact)))
    }

    /// The records of the frame asked for last, as far as they are here.
    fn records(&self, frame: &Frame) -> &[u8] {
        let start = self.frame_at.saturating_add(FRAME_HEAD);
        let end = start.saturating_add(narrow(frame.len)).min(self.bytes.len());
        self.bytes.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
