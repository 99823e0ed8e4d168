//! What keeps the broker within its means: the memory account of the queues and the node's alarms.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::Mutex;

use crate::mailbox::Mailbox;

/// Bytes of messages that a queue keeps in memory while the node has plenty.
const WINDOW_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of messages that a queue keeps in memory while the node has not.
const WINDOW_BYTES_TIGHT: u64 = 64 * 1024;

/// Bytes of ready messages in memory, of all queues together.
#[derive(Debug)]
pub struct Memory {
    resident: AtomicU64,
    budget_bytes: u64,
}

impl Memory {
    /// An account with `budget_bytes` to spend before windows get small.
    pub fn new(budget_bytes: u64) -> Self {
        Self { resident: AtomicU64::new(0), budget_bytes }
    }

    pub(crate) fn change(&self, from: u64, to: u64) {
        if to >= from {
            self.resident.fetch_add(to.saturating_sub(from), Ordering::Relaxed);
        } else {
            self.resident.fetch_sub(from.saturating_sub(to), Ordering::Relaxed);
        }
    }

    /// Bytes of messages that one queue may keep in memory now.
    pub(crate) fn window(&self) -> u64 {
        if self.resident.load(Ordering::Relaxed) <= self.budget_bytes {
            WINDOW_BYTES
        } else {
            WINDOW_BYTES_TIGHT
        }
    }

    /// Bytes of ready messages in memory.
    pub fn resident(&self) -> u64 {
        self.resident.load(Ordering::Relaxed)
    }
}

/// The alarms of the node, and who waits for them to end.
#[derive(Debug, Default)]
pub struct Alarms {
    is_memory_low: AtomicBool,
    is_disk_low: AtomicBool,
    /// How often the alarms were over.
    lifted: AtomicU64,
    blocked: Mutex<Vec<Arc<Mailbox>>>,
}

impl Alarms {
    /// The reason that blocked publishers are told; None while there is no alarm.
    pub fn reason(&self) -> Option<&'static str> {
        match (self.is_memory_low.load(Ordering::Acquire), self.is_disk_low.load(Ordering::Acquire)) {
            (false, false) => None,
            (true, false) => Some("low on memory"),
            (false, true) => Some("low on disk"),
            (true, true) => Some("low on memory & disk"),
        }
    }

    /// What the node is short of now, in RabbitMQ's words.
    pub fn resources(&self) -> Vec<&'static str> {
        let all = [("memory", &self.is_memory_low), ("disk", &self.is_disk_low)];
        all.into_iter().filter(|(_, is_low)| is_low.load(Ordering::Acquire)).map(|(name, _)| name).collect()
    }

    /// Sets or lifts the memory alarm; true if that changed it.
    pub fn set_memory(&self, is_low: bool) -> bool {
        self.set(&self.is_memory_low, is_low)
    }

    /// Sets or lifts the disk alarm; true if that changed it.
    pub fn set_disk(&self, is_low: bool) -> bool {
        self.set(&self.is_disk_low, is_low)
    }

    fn set(&self, alarm: &AtomicBool, is_low: bool) -> bool {
        let changed = alarm.swap(is_low, Ordering::AcqRel) != is_low;
        if changed && self.reason().is_none() {
            self.lifted.fetch_add(1, Ordering::AcqRel);
            for mailbox in std::mem::take(&mut *self.blocked.lock()) {
                mailbox.ring();
            }
        }
        changed
    }

    /// Rings `mailbox` once the alarms are over. Returns their number, for [`Alarms::is_over`].
    pub(crate) fn wait(&self, mailbox: &Arc<Mailbox>) -> u64 {
        let alarm = self.lifted.load(Ordering::Acquire);
        self.blocked.lock().push(Arc::clone(mailbox));
        if self.is_over(alarm) {
            mailbox.ring();
        }
        alarm
    }

    /// Whether this alarm is over; there may be another by now.
    pub(crate) fn is_over(&self, alarm: u64) -> bool {
        self.lifted.load(Ordering::Acquire) != alarm || self.reason().is_none()
    }
}
