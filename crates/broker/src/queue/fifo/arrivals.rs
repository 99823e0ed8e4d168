//! When the messages of a queue came in, without a note at each of them.
//!
//! Numbers ascend with the time, so that a few marks (this number came at that time) tell of every message when it came,
//! a little too early by the distance of the marks. That distance is a millisecond where messages are taken as they come;
//! in a backlog it grows with it, so that there are never more than [`MARKS_MAX`].
//!
//! Time is the wall clock in milliseconds, which may be set back: nothing here relies on its ascending.

use std::collections::VecDeque;

/// A backlog is divided by so many marks at most, and by half as many at least.
const MARKS_MAX: usize = 64;

/// What was there when the node started came then: before everything.
const UNKNOWN_MS: u64 = 0;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// Numbers and times, the numbers ascending.
    marks: VecDeque<(u64, u64)>,
    last_ms: u64,
    /// Between two marks, in milliseconds.
    distance_ms: u64,
}

impl Arrivals {
    /// Of a queue that has messages from `recovered` on, if it has any.
    pub(super) fn new(recovered: Option<u64>) -> Self {
        let marks = recovered.map(|first| (first, UNKNOWN_MS)).into_iter().collect();
        Self { marks, last_ms: UNKNOWN_MS, distance_ms: 1 }
    }

    /// Whether what comes in now is to be marked.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        // Of a clock that was set back this is a very long time: there is a mark at once.
        now_ms.wrapping_sub(self.last_ms) >= self.distance_ms
    }

    /// This message comes in now; `head` is the first that is ready, None if there is none.
    pub(super) fn mark(&mut self, number: u64, now_ms: u64, head: Option<u64>) {
        if head.is_none() {
            self.distance_ms = 1;
        }
        if self.marks.len() >= MARKS_MAX {
            self.thin(head.unwrap_or(number));
        }
        self.last_ms = now_ms;
        self.marks.push_back((number, now_ms));
    }

    /// Drops marks: those of messages that are gone, and then each second one.
    fn thin(&mut self, head: u64) {
        // What comes back may be older than what is ready: it is told by what is left.
        let gone = self.place_of(head);
        self.marks.drain(..gone);
        if self.marks.len() <= MARKS_MAX / 2 {
            self.distance_ms = (self.distance_ms / 2).max(1);
            return;
        }
        let mut is_kept = false;
        self.marks.retain(|_| {
            is_kept = !is_kept;
            is_kept
        });
        self.distance_ms = self.distance_ms.saturating_mul(2);
    }

    /// The place of the mark by which this message is told.
    fn place_of(&self, number: u64) -> usize {
        self.marks.partition_point(|(first, _)| *first <= number).saturating_sub(1)
    }

    /// When this message came in, or a little earlier; later, if it comes back and is told by no mark any more.
    pub(super) fn of(&self, number: u64) -> u64 {
        self.marks.get(self.place_of(number)).map_or(UNKNOWN_MS, |(_, at_ms)| *at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(arrivals: &mut Arrivals, number: u64, now_ms: u64, head: Option<u64>) {
        if arrivals.is_due(now_ms) {
            arrivals.mark(number, now_ms, head);
        }
    }

    /// Message `number` comes in at `at_ms(number)`; those below `number - behind` are gone.
    fn run(messages: u64, behind: u64, at_ms: impl Fn(u64) -> u64) -> Arrivals {
        let mut arrivals = Arrivals::new(None);
        for number in 1..=messages {
            let head = (behind > 0).then(|| number.saturating_sub(behind).max(1));
            note(&mut arrivals, number, at_ms(number), head);
            assert!(arrivals.marks.len() <= MARKS_MAX);
        }
        arrivals
    }

    #[test]
    fn what_is_taken_as_it_comes_is_told_to_the_millisecond() {
        let arrivals = run(10_000, 0, |number| 1_000 + number / 7);
        for number in 9_990..=10_000 {
            assert_eq!(arrivals.of(number), 1_000 + number / 7);
        }
    }

    #[test]
    fn a_backlog_is_told_by_a_part_of_its_age() {
        let at_ms = |number: u64| 1_000_000 + number * 3;
        let arrivals = run(100_000, u64::MAX, at_ms);
        let all_ms = at_ms(100_000) - at_ms(1);
        for number in (1..100_000).step_by(997) {
            let told = arrivals.of(number);
            assert!(told <= at_ms(number), "{number} is told at {told}");
            assert!(at_ms(number) - told <= all_ms / 15, "{number} is told at {told}");
        }
    }

    #[test]
    fn a_queue_that_stays_behind_is_told_by_a_part_of_how_far_it_is() {
        let at_ms = |number: u64| 1_000_000 + number;
        let arrivals = run(1_000_000, 5_000, at_ms);
        for number in 995_000..1_000_000 {
            let told = arrivals.of(number);
            assert!(told <= at_ms(number) && at_ms(number) - told <= 5_000 / 8, "{number} at {told}");
        }
    }

    #[test]
    fn the_backlog_forgotten_the_next_is_exact_again() {
        let mut arrivals = run(100_000, u64::MAX, |number| 1_000_000 + number * 3);
        assert!(arrivals.distance_ms > 1);
        note(&mut arrivals, 100_001, 9_000_000, None);
        note(&mut arrivals, 100_002, 9_000_001, Some(100_001));
        assert_eq!(arrivals.of(100_002), 9_000_001);
    }

    #[test]
    fn of_what_was_there_before_nobody_knows() {
        let mut arrivals = Arrivals::new(Some(5));
        assert_eq!(arrivals.of(7), UNKNOWN_MS);
        note(&mut arrivals, 9, 1_000, Some(5));
        assert_eq!((arrivals.of(8), arrivals.of(9), arrivals.of(10)), (UNKNOWN_MS, 1_000, 1_000));
        assert_eq!(Arrivals::new(None).of(1), UNKNOWN_MS);
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed() {
        let mut arrivals = Arrivals::new(None);
        note(&mut arrivals, 1, 5_000, None);
        note(&mut arrivals, 2, 1_000, Some(1));
        assert_eq!((arrivals.of(1), arrivals.of(2)), (5_000, 1_000));
    }
}
