//! The share of time in which a queue could have delivered at once: that nothing waited, or somebody was free to take it.

use std::sync::Arc;

use super::{Queue, State, fifo::Head};

/// Time looked back on, in milliseconds: what is older counts less and less.
const SPAN_MS: u64 = 10_000;

/// See the module's documentation. RabbitMQ's `consumer_capacity`.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Capacity {
    since_ms: u64,
    /// How it has been since then.
    is_able: bool,
    able_ms: u64,
    all_ms: u64,
}

impl Capacity {
    fn new(is_able: bool, now_ms: u64) -> Self {
        Self { since_ms: now_ms, is_able, able_ms: 0, all_ms: 0 }
    }

    /// It is so from now on.
    fn note(&mut self, is_able: bool, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.since_ms);
        self.all_ms = self.all_ms.saturating_add(passed_ms);
        if self.is_able {
            self.able_ms = self.able_ms.saturating_add(passed_ms);
        }
        if self.all_ms > SPAN_MS {
            // Ten seconds weigh as much as all the time before them.
            self.able_ms = self.able_ms.saturating_mul(SPAN_MS) / self.all_ms / 2;
            self.all_ms = SPAN_MS / 2;
        }
        (self.since_ms, self.is_able) = (now_ms, is_able);
    }

    fn share(mut self, now_ms: u64) -> f64 {
        self.note(self.is_able, now_ms);
        if self.all_ms == 0 {
            return f64::from(u8::from(self.is_able));
        }
        self.able_ms as f64 / self.all_ms as f64
    }
}

impl State {
    /// To be called when the queue has come to rest.
    pub(super) fn note_capacity(&mut self, now_ms: u64) {
        if self.consumers.is_empty() {
            self.capacity = None;
            return;
        }
        let has_nothing = self.stream.is_none() && self.levels.head() == Head::Empty;
        let is_able = has_nothing || self.consumers.is_anyone_free();
        match &mut self.capacity {
            Some(capacity) => capacity.note(is_able, now_ms),
            None => self.capacity = Some(Box::new(Capacity::new(is_able, now_ms))),
        }
    }
}

impl Queue {
    /// The share of time in which it could have delivered at once, as RabbitMQ has it: 0 without consumers.
    pub fn capacity(self: &Arc<Self>, now_ms: u64) -> f64 {
        self.state.lock().capacity.as_ref().map_or(0.0, |capacity| capacity.share(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::Capacity;

    #[test]
    fn it_is_the_share_of_time() {
        let mut capacity = Capacity::new(true, 1_000);
        assert_eq!(capacity.share(1_000), 1.0);
        capacity.note(false, 4_000);
        assert_eq!(capacity.share(5_000), 0.75);
        capacity.note(true, 7_000);
        assert_eq!(capacity.share(7_000), 0.5);
    }

    #[test]
    fn the_past_is_forgotten() {
        let mut capacity = Capacity::new(false, 0);
        for second in 1..=600 {
            capacity.note(second > 560, second * 1_000);
        }
        assert!(capacity.share(600_000) > 0.95);
        assert!(Capacity::new(true, 5).share(0) > 0.9, "a clock that goes back");
    }
}
