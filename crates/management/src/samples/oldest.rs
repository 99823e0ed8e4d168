//! How old the oldest message of the node is: of the queues in which messages were ready when samples were taken.
//!
//! Queues that have nothing cost nothing here, and a queue that has something is asked once for each sample.

use std::{collections::BTreeMap, sync::Arc};

use broker::{counts::Sums, queue::Queue};

/// See the module's documentation.
#[derive(Default, Debug)]
pub(crate) struct Oldest {
    /// The queues in which messages are ready, by their numbers.
    waiting: BTreeMap<u64, Arc<Queue>>,
    /// When the oldest message came in, and when that was found out, in milliseconds of the wall clock.
    found_ms: Option<(u64, u64)>,
}

impl Oldest {
    /// A queue has changed.
    pub(super) fn note(&mut self, queue: &Arc<Queue>, sums: &Sums) {
        let number = queue.record().id.0;
        if sums.ready == 0 {
            self.waiting.remove(&number);
        } else {
            self.waiting.insert(number, Arc::clone(queue));
        }
    }

    /// Asks those in which messages are ready.
    pub(super) fn take(&mut self, now_ms: u64) {
        self.waiting.retain(|_, queue| !queue.is_deleted());
        let oldest = self.waiting.values().filter_map(|queue| queue.oldest_ms()).min();
        self.found_ms = oldest.map(|at_ms| (at_ms, now_ms));
    }

    /// The age of the oldest message in milliseconds when samples were taken last, at most that of the node; 0 without
    /// messages.
    pub(crate) fn age_ms(&self, started_ms: u64) -> u64 {
        self.found_ms.map_or(0, |(at_ms, found_ms)| found_ms.saturating_sub(at_ms.max(started_ms)))
    }
}
