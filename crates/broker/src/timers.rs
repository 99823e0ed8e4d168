//! When queues and connections want to be woken: the deadlines of all of them, and the wait for the next.
//!
//! A queue or a connection arms itself for its next deadline and remembers that; an entry that is out of date wakes it once for nothing.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use crate::{mailbox::Mailbox, queue::Queue};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    armed: Mutex<BinaryHeap<Reverse<Armed>>>,
    earlier: Condvar,
}

/// Who is woken.
#[derive(Debug)]
pub(crate) enum Sleeper {
    Queue(Arc<Queue>),
    /// It may be gone by then.
    Connection(Weak<Mailbox>),
}

#[derive(Debug)]
struct Armed {
    at_ms: u64,
    sleeper: Sleeper,
}

impl PartialEq for Armed {
    fn eq(&self, other: &Self) -> bool {
        self.at_ms == other.at_ms
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
        self.at_ms.cmp(&other.at_ms)
    }
}

impl Timers {
    /// Wakes somebody at `at_ms` (milliseconds since 1970).
    pub(crate) fn arm(&self, at_ms: u64, sleeper: Sleeper) {
        let mut armed = self.armed.lock();
        let is_earliest = armed.peek().is_none_or(|Reverse(first)| at_ms < first.at_ms);
        armed.push(Reverse(Armed { at_ms, sleeper }));
        if is_earliest {
            self.earlier.notify_one();
        }
    }

    /// Takes out somebody whose time has come.
    pub(crate) fn pop_due(&self, now_ms: u64) -> Option<Sleeper> {
        let mut armed = self.armed.lock();
        if armed.peek().is_none_or(|Reverse(first)| first.at_ms > now_ms) {
            return None;
        }
        armed.pop().map(|Reverse(first)| first.sleeper)
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
