//! The counts of exchanges, and what a connection has to add to them: once for all that was read at once.

use std::sync::Arc;

use super::Counter;

/// Exchanges that a connection has something for at the same time.
const ORIGINS_MAX: usize = 512;

/// What an exchange has counted. RabbitMQ: only what clients publish to it, not what comes from other exchanges.
#[derive(Default, Debug)]
pub struct ExchangeCounts {
    publish_in: Counter,
    publish_out: Counter,
    unroutable: Counter,
    looked_at: Counter,
}

impl ExchangeCounts {
    /// Whether anything was published since this was asked last. For one who asks.
    pub fn has_moved(&self) -> bool {
        let now = self.publish_in();
        let has_moved = self.looked_at.get() != now;
        if has_moved {
            self.looked_at.set(now);
        }
        has_moved
    }

    /// Messages that were published to it.
    pub fn publish_in(&self) -> u64 {
        self.publish_in.get()
    }

    /// Those messages, once for each queue that they reached.
    pub fn publish_out(&self) -> u64 {
        self.publish_out.get()
    }

    /// Those that reached nobody.
    pub fn unroutable(&self) -> u64 {
        self.unroutable.get()
    }
}

/// An exchange among those that a connection has something for; good until its [`Origins`] are full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin(usize);

/// The exchanges to which a connection has published.
#[derive(Default, Debug)]
pub(crate) struct Origins {
    all: Vec<Pending>,
    /// Those that have something pending.
    pending: Vec<usize>,
}

#[derive(Debug)]
struct Pending {
    counts: Arc<ExchangeCounts>,
    publish_in: u64,
    publish_out: u64,
    unroutable: u64,
}

impl Origins {
    /// The place of an exchange; None if there are too many: see [`Origins::clear`].
    pub(crate) fn find(&mut self, counts: &Arc<ExchangeCounts>) -> Option<Origin> {
        if let Some(at) = self.all.iter().position(|other| Arc::ptr_eq(&other.counts, counts)) {
            return Some(Origin(at));
        }
        if self.all.len() >= ORIGINS_MAX {
            return None;
        }
        self.all.push(Pending { counts: Arc::clone(counts), publish_in: 0, publish_out: 0, unroutable: 0 });
        Some(Origin(self.all.len().saturating_sub(1)))
    }

    /// Messages were published there, and reached so many queues together.
    pub(crate) fn count(&mut self, Origin(at): Origin, messages: u64, routed: u64) {
        let Some(pending) = self.all.get_mut(at) else { return };
        if pending.publish_in == 0 {
            self.pending.push(at);
        }
        pending.publish_in = pending.publish_in.saturating_add(messages);
        pending.publish_out = pending.publish_out.saturating_add(routed);
    }

    /// One message that was published there reached nobody at all.
    pub(crate) fn count_unroutable(&mut self, Origin(at): Origin) {
        if let Some(pending) = self.all.get_mut(at) {
            pending.unroutable = pending.unroutable.saturating_add(1);
        }
    }

    /// Adds what is pending to the exchanges.
    pub(crate) fn hand_over(&mut self) {
        for at in self.pending.drain(..) {
            let Some(pending) = self.all.get_mut(at) else { continue };
            pending.counts.publish_in.add_shared(std::mem::take(&mut pending.publish_in));
            for (counter, count) in [
                (&pending.counts.publish_out, &mut pending.publish_out),
                (&pending.counts.unroutable, &mut pending.unroutable),
            ] {
                if *count > 0 {
                    counter.add_shared(std::mem::take(count));
                }
            }
        }
    }

    /// Forgets all exchanges: every [`Origin`] is void.
    pub(crate) fn clear(&mut self) {
        self.hand_over();
        self.all.clear();
    }
}
