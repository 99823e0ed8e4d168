//! Engine: the interface of the crate, and which lock guards what.
//!
//! `core` is what staging, planning of reads and all short changes need; it is never held across a system call.
//! `writer` is held across the write and the sync of a batch, `keeper` across a step of housekeeping. The work is
//! done in the files below: staging, flush, read, spilling, housekeeping (drain, merge, upkeep), recovery.

pub(crate) mod aside;
mod core;
mod drain;
mod fetch;
mod flush;
pub(crate) mod lead;
mod merge;
mod read;
pub(crate) mod recover;
mod room;
mod snapshot;
mod spilling;
pub(crate) mod staging;
mod upkeep;
pub(crate) mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use self::core::Core;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::segment::reader::Shelf;
use crate::{LogId, LogState, Lsn, Options};
use flush::Writer;
use upkeep::Keeper;

/// The log engine of a node. Shared by reference among threads.
#[derive(Debug)]
pub struct Engine {
    disk: Arc<dyn Disk>,
    options: Options,
    core: Mutex<Core>,
    /// Rung when something was staged that somebody waits for, and when settled ranges begin to wait.
    work: Condvar,
    /// Rung when housekeeping has become due.
    chores: Condvar,
    /// Rung when a WAL file was released.
    space: Condvar,
    writer: Mutex<Writer>,
    keeper: Mutex<Keeper>,
    shelf: Mutex<Shelf>,
    flushed: AtomicU64,
    staged_bytes: AtomicU64,
    is_poisoned: AtomicBool,
    is_short: AtomicBool,
    share: AtomicU64,
}

impl Engine {
    /// The last LSN on disk. Never goes back, never waits.
    pub fn flushed(&self) -> Lsn {
        Lsn(self.flushed.load(Ordering::Acquire))
    }

    /// Bytes staged but not on disk yet: the measure for back-pressure.
    pub fn staged_bytes(&self) -> u64 {
        self.staged_bytes.load(Ordering::Relaxed)
    }

    /// What is known of a log; all zeros if it holds nothing and never did.
    pub fn state(&self, log: LogId) -> LogState {
        self.core.lock().logs.get(&log.0).map(log_state).unwrap_or_default()
    }

    /// Waits until a flush is due: at once if something was staged that somebody waits for, after
    /// `Options::settle_delay` if there are only settled ranges, and after an idle `timeout` if the last batch still
    /// wants its seal. False if the timeout passed and nothing is due.
    pub fn wait_for_work(&self, timeout: Duration) -> bool {
        let mut core = self.core.lock();
        loop {
            if core.is_urgent || self.is_poisoned.load(Ordering::Acquire) {
                return true;
            }
            if core.has_staged() {
                core.is_settling = true;
                let is_over = self.work.wait_for(&mut core, self.options.settle_delay).timed_out();
                core.is_settling = false;
                if is_over && core.has_staged() {
                    return true;
                }
            } else if self.work.wait_for(&mut core, timeout).timed_out() {
                return core.has_staged() || core.wants_seal;
            }
        }
    }

    /// Waits until [`Engine::housekeep`] has something to do. False if the timeout passed.
    pub fn wait_for_housekeeping(&self, timeout: Duration) -> bool {
        let mut core = self.core.lock();
        while !core.has_chores(self.flushed().0) {
            if self.chores.wait_for(&mut core, timeout).timed_out() {
                return core.has_chores(self.flushed().0);
            }
        }
        true
    }

    /// Refuses everything after a failure of the WAL.
    fn check(&self) -> Result<(), Fault> {
        if self.is_poisoned.load(Ordering::Acquire) { Err(Fault::Poisoned) } else { Ok(()) }
    }

    fn poison(&self) {
        self.is_poisoned.store(true, Ordering::Release);
        self.work.notify_all();
        self.space.notify_all();
        self.chores.notify_all();
    }
}

fn log_state(log: &crate::log::Log) -> LogState {
    log.state()
}
