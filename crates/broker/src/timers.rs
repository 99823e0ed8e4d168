//! When queues want to be woken: the deadlines of all of them, and the wait for the next.
//!
//! A queue arms itself for its next deadline and remembers that; an entry that is out of date wakes it once for nothing.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};

use crate::queue::Queue;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    armed: Mutex<BinaryHeap<Reverse<Armed>>>,
    earlier: Condvar,
}

#[derive(Debug)]
struct Armed {
    at_ms: u64,
    queue: Arc<Queue>,
}

impl Armed {
    fn key(&self) -> (u64, u64) {
        (self.at_ms, self.queue.record().id.0)
    }
}

impl PartialEq for Armed {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Armed {}

impl PartialOrd for Armed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Armed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Timers {
    /// Wakes `queue` at `at_ms` (milliseconds since 1970).
    pub(crate) fn arm(&self, at_ms: u64, queue: Arc<Queue>) {
        let mut armed = self.armed.lock();
        let is_earliest = armed.peek().is_none_or(|Reverse(first)| at_ms < first.at_ms);
        armed.push(Reverse(Armed { at_ms, queue }));
        if is_earliest {
            self.earlier.notify_one();
        }
    }

    /// Takes out a queue whose time has come.
    pub(crate) fn pop_due(&self, now_ms: u64) -> Option<Arc<Queue>> {
        let mut armed = self.armed.lock();
        if armed.peek().is_none_or(|Reverse(first)| first.at_ms > now_ms) {
            return None;
        }
        armed.pop().map(|Reverse(first)| first.queue)
    }

    /// Waits until the next deadline, at most `timeout`.
    pub(crate) fn wait(&self, now_ms: u64, timeout: Duration) {
        let mut armed = self.armed.lock();
        let until = armed.peek().map_or(timeout, |Reverse(first)| {
            Duration::from_millis(first.at_ms.saturating_sub(now_ms)).min(timeout)
        });
        if !until.is_zero() {
            self.earlier.wait_for(&mut armed, until);
        }
    }
}
