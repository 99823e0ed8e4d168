//! The simulated disk: what programs see (live) and what survives a power cut (durable), with seeded faults.
//!
//! Every change is an operation with a number. A power cut can be set at any operation; it and all later ones
//! fail. `reboot` then makes the disk a machine would find: synced bytes for certain, any subset of the sectors
//! of unsynced writes, and any prefix of the unsynced changes of names. A failed sync drops what was dirty, as
//! Linux may do. Invariant: nothing here depends on time or on a random source but the given seed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, File, Listed};

/// What an operation does, for choosing which to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `File::write_at`.
    Write,
    /// `File::sync_data`.
    Sync,
    /// `File::set_len` and `File::preallocate`.
    Resize,
    /// `Disk::create`.
    Create,
    /// `Disk::rename`.
    Rename,
    /// `Disk::remove`.
    Remove,
    /// `Disk::sync_dir`.
    SyncDir,
    /// `File::read_at`.
    Read,
}

/// A fault to come: the next operations of a kind on files whose names begin with a prefix.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Which operation fails.
    pub operation: Operation,
    /// On which files, by the beginning of the name; empty for all.
    pub prefix: String,
    /// How many of them pass before one fails.
    pub after: u64,
    /// How many fail from then on.
    pub times: u64,
    /// How they fail.
    pub error: io::ErrorKind,
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    live: BTreeMap<String, Arc<Mutex<Inode>>>,
    durable: BTreeMap<String, Arc<Mutex<Inode>>>,
    renames: Vec<NameChange>,
    operations: u64,
    power_off_at: Option<u64>,
    rules: Vec<Rule>,
    space: Option<u64>,
    bytes_read: u64,
}

#[derive(Debug, Clone)]
enum NameChange {
    Link(String, Arc<Mutex<Inode>>),
    Unlink(String),
    Rename(String, String),
}

#[derive(Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Len(usize),
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryDisk {
    /// An empty disk without limits and faults.
    pub fn new() -> Self {
        Self { state: Arc::default() }
    }

    /// Changes tried so far.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Cuts the power when the given number of further changes is reached: that one fails, and all after it.
    pub fn power_off_after(&self, operations: u64) {
        let mut state = self.state.lock();
        state.power_off_at = Some(state.operations.saturating_add(operations));
    }

    /// True once the power is off.
    pub fn is_off(&self) -> bool {
        let state = self.state.lock();
        state.power_off_at.is_some_and(|at| state.operations >= at)
    }

    /// Adds a fault.
    pub fn fail(&self, rule: Rule) {
        self.state.lock().rules.push(rule);
    }

    /// Removes all faults that were added.
    pub fn heal(&self) {
        self.state.lock().rules.clear();
    }

    /// Limits how many bytes all files together may have.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.state.lock().space = bytes;
    }

    /// Bytes of all files together.
    pub fn used(&self) -> u64 {
        self.state.lock().used()
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.state.lock().bytes_read
    }

    /// What a program sees in a file.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let inode = self.state.lock().live.get(name).cloned()?;
        let bytes = inode.lock().live.clone();
        Some(bytes)
    }

    /// Turns one bit over, in both images, as a failing medium would.
    pub fn flip(&self, name: &str, offset: usize, bit: u8) -> bool {
        let Some(inode) = self.state.lock().live.get(name).cloned() else { return false };
        let mut inode = inode.lock();
        let mask = 1_u8 << (bit & 7);
        let Some(byte) = inode.live.get_mut(offset) else { return false };
        *byte ^= mask;
        if let Some(byte) = inode.durable.get_mut(offset) {
            *byte ^= mask;
        }
        true
    }

    /// The disk which a machine finds after the power was cut now. Unsynced writes survive by sectors of the
    /// given size, chosen by the seed; names by a prefix of their changes. The old disk must not be used on.
    pub fn reboot(&self, seed: u64, sector: usize) -> Self {
        let state = self.state.lock();
        let mut dice = Dice(seed);
        let mut names = state.durable.clone();
        let kept = dice.below(state.renames.len() as u64 + 1);
        for change in state.renames.iter().take(usize::try_from(kept).unwrap_or(usize::MAX)) {
            change.apply(&mut names);
        }
        let mut fresh = State { space: state.space, ..State::default() };
        for (name, inode) in names {
            let image = inode.lock().after_power_cut(&mut dice, sector.max(1));
            let inode =
                Arc::new(Mutex::new(Inode { live: image.clone(), durable: image, pending: Vec::new() }));
            fresh.live.insert(name.clone(), Arc::clone(&inode));
            fresh.durable.insert(name, inode);
        }
        Self { state: Arc::new(Mutex::new(fresh)) }
    }

    /// The disk which the next process finds after this one died but the machine did not: everything written is
    /// seen, and what was not synced still is not.
    pub fn restart(&self) -> Self {
        let mut state = self.state.lock();
        state.power_off_at = None;
        state.rules.clear();
        drop(state);
        self.clone()
    }

    fn begin(&self, operation: Operation, name: &str) -> io::Result<()> {
        self.state.lock().begin(operation, name)
    }
}

impl State {
    fn used(&self) -> u64 {
        self.live.values().map(|inode| inode.lock().live.len() as u64).sum()
    }

    fn begin(&mut self, operation: Operation, name: &str) -> io::Result<()> {
        if operation != Operation::Read {
            self.operations += 1;
        }
        if self.power_off_at.is_some_and(|at| self.operations >= at) {
            return Err(io::Error::other("the power is off"));
        }
        for rule in &mut self.rules {
            if rule.operation != operation || !name.starts_with(&rule.prefix) {
                continue;
            }
            if rule.after > 0 {
                rule.after -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                return Err(rule.error.into());
            }
        }
        Ok(())
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.live);
        self.renames.push(change);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Arc<Mutex<Inode>>>) {
        match self {
            Self::Link(name, inode) => {
                names.insert(name.clone(), Arc::clone(inode));
            }
            Self::Unlink(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}

impl Inode {
    fn write(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if image.len() < end {
            image.resize(end, 0);
        }
        if let Some(place) = image.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
    }

    fn sync(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.live);
    }

    fn after_power_cut(&self, dice: &mut Dice, sector: usize) -> Vec<u8> {
        let mut image = self.durable.clone();
        // All, none or some: a cut between two syncs mostly loses everything or nothing.
        let mood = dice.below(4);
        for change in &self.pending {
            match change {
                Change::Len(len) => {
                    if mood != 0 && (mood == 1 || dice.below(2) == 0) {
                        image.resize(*len, 0);
                    }
                }
                Change::Write { offset, bytes } => {
                    let mut at = *offset;
                    let end = offset + bytes.len();
                    while at < end {
                        let stop = (at / sector * sector + sector).min(end);
                        if mood != 0
                            && (mood == 1 || dice.below(2) == 0)
                            && let Some(part) = bytes.get(at - offset..stop - offset)
                        {
                            Self::write(&mut image, at, part);
                        }
                        at = stop;
                    }
                }
            }
        }
        image
    }
}

impl Disk for MemoryDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let inode = self.state.lock().live.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile { disk: self.clone(), name: name.to_owned(), inode }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.begin(Operation::Create, name)?;
        let inode = Arc::new(Mutex::new(Inode::default()));
        self.state.lock().change(NameChange::Link(name.to_owned(), Arc::clone(&inode)));
        Ok(Arc::new(MemoryFile { disk: self.clone(), name: name.to_owned(), inode }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.begin(Operation::Remove, name)?;
        let mut state = self.state.lock();
        if !state.live.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(NameChange::Unlink(name.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.begin(Operation::Rename, from)?;
        let mut state = self.state.lock();
        if !state.live.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let state = self.state.lock();
        Ok(state
            .live
            .iter()
            .map(|(name, inode)| Listed { name: name.clone(), len: inode.lock().live.len() as u64 })
            .collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.begin(Operation::SyncDir, "")?;
        let mut state = self.state.lock();
        state.renames.clear();
        state.durable = state.live.clone();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state.lock();
        Ok(state.space.map_or(u64::MAX, |space| space.saturating_sub(state.used())))
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    name: String,
    inode: Arc<Mutex<Inode>>,
}

impl MemoryFile {
    /// Refuses growth that the disk has no space for.
    fn reserve(&self, len: usize) -> io::Result<()> {
        let state = self.disk.state.lock();
        let Some(space) = state.space else { return Ok(()) };
        let now = self.inode.lock().live.len();
        let grown = len.saturating_sub(now) as u64;
        if grown > 0 && state.used().saturating_add(grown) > space {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput.into())
}

impl File for MemoryFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.disk.begin(Operation::Read, &self.name)?;
        let offset = position(offset)?;
        let read = {
            let inode = self.inode.lock();
            let rest = inode.live.get(offset..).unwrap_or_default();
            let read = rest.len().min(into.len());
            if let (Some(to), Some(from)) = (into.get_mut(..read), rest.get(..read)) {
                to.copy_from_slice(from);
            }
            read
        };
        self.disk.state.lock().bytes_read += read as u64;
        Ok(read)
    }

    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let offset = position(offset)?;
        let bytes = parts.concat();
        let begun = self.disk.begin(Operation::Write, &self.name);
        if begun.is_ok() {
            self.reserve(offset + bytes.len())?;
        }
        // A write that the power cut, or that failed, may have left any part of its bytes behind.
        let mut inode = self.inode.lock();
        if begun.is_ok() {
            Inode::write(&mut inode.live, offset, &bytes);
            inode.pending.push(Change::Write { offset, bytes });
            return Ok(());
        }
        drop(inode);
        if self.disk.is_cut_now() {
            self.inode.lock().pending.push(Change::Write { offset, bytes });
        }
        begun
    }

    fn sync_data(&self) -> io::Result<()> {
        let begun = self.disk.begin(Operation::Sync, &self.name);
        let off = self.disk.is_off();
        let mut inode = self.inode.lock();
        if begun.is_ok() {
            inode.sync();
        } else if !off {
            // Linux may mark the pages clean: what they held is never written.
            inode.pending.clear();
        }
        begun
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.lock().live.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.begin(Operation::Resize, &self.name)?;
        let len = position(len)?;
        self.reserve(len)?;
        let mut inode = self.inode.lock();
        inode.live.resize(len, 0);
        inode.pending.push(Change::Len(len));
        Ok(())
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.disk.begin(Operation::Resize, &self.name)?;
        let len = position(len)?;
        self.reserve(len)?;
        let mut inode = self.inode.lock();
        if inode.live.len() < len {
            inode.live.resize(len, 0);
            inode.pending.push(Change::Len(len));
        }
        Ok(())
    }
}

impl MemoryDisk {
    /// True for the very operation at which the power went off.
    fn is_cut_now(&self) -> bool {
        let state = self.state.lock();
        state.power_off_at == Some(state.operations)
    }
}

/// A small generator of numbers (splitmix64): the same seed, the same disk.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}
