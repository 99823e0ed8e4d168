//! When the deliveries of a session have been unsettled for too long.
//!
//! Nothing is kept of a single delivery. Their numbers ascend with the time, so that a run of them, told in the same span
//! of time, has one deadline; a run spans a small part of the timeout, so that there are few of them however many
//! deliveries there are. Whoever is asked for a run that is over looks for what of it is still unsettled, once.
//!
//! A run may hold deliveries of queues with other timeouts: whose they are is said by their queues.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

/// Runs of a timeout: deliveries are late by at most this part of it.
const RUNS: u64 = 64;

/// See the module's documentation.
#[derive(Default, Debug)]
pub(crate) struct Timeouts {
    /// By timeout in milliseconds.
    runs: BTreeMap<u64, VecDeque<Run>>,
}

/// Deliveries from `first` to where the next run begins.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    /// None of them was told later.
    until_ms: u64,
}

/// A run whose time is over.
#[derive(Debug)]
pub(crate) struct Overdue {
    pub(crate) numbers: Range<u64>,
    pub(crate) timeout_ms: u64,
    until_ms: u64,
}

impl Timeouts {
    /// Delivery `number` is told now. Those below `first_open` are settled.
    pub(crate) fn note(&mut self, number: u64, first_open: u64, timeout_ms: u64, now_ms: u64) {
        let runs = self.runs(timeout_ms);
        while !runs.is_empty() && runs.get(1).map_or(number, |next| next.first) <= first_open {
            runs.pop_front();
        }
        if runs.back().is_none_or(|run| run.until_ms < now_ms) {
            let until_ms = now_ms.saturating_add(timeout_ms / RUNS);
            runs.push_back(Run { first: number, until_ms });
        }
    }

    /// A delivery that was told before has this timeout now.
    pub(crate) fn cover(&mut self, number: u64, timeout_ms: u64, until_ms: u64) {
        let runs = self.runs(timeout_ms);
        if runs.front().is_none_or(|run| number < run.first) {
            runs.push_front(Run { first: number, until_ms });
        }
    }

    fn runs(&mut self, timeout_ms: u64) -> &mut VecDeque<Run> {
        self.runs.entry(timeout_ms).or_default()
    }

    /// When the first run is over.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.runs.iter().filter_map(|(timeout_ms, runs)| due_ms(*timeout_ms, runs)).min()
    }

    /// Takes out a run that is over by `now_ms`; `next` is the number of the next delivery.
    pub(crate) fn pop_overdue(&mut self, now_ms: u64, next: u64) -> Option<Overdue> {
        let mut all = self.runs.iter_mut().map(|(timeout_ms, runs)| (*timeout_ms, runs));
        let is_due = |timeout_ms, runs: &_| due_ms(timeout_ms, runs).is_some_and(|due| due <= now_ms);
        let (timeout_ms, runs) = all.find(|(timeout_ms, runs)| is_due(*timeout_ms, runs))?;
        let Run { first, until_ms } = runs.pop_front()?;
        let end = runs.front().map_or(next, |run| run.first);
        if runs.is_empty() {
            self.runs.remove(&timeout_ms);
        }
        Some(Overdue { numbers: first..end, timeout_ms, until_ms })
    }

    /// What a run turned out to hold of another, longer timeout is waited for.
    pub(crate) fn postpone(&mut self, overdue: &Overdue, number: u64, timeout_ms: u64) {
        self.cover(number, timeout_ms, overdue.until_ms);
    }
}

fn due_ms(timeout_ms: u64, runs: &VecDeque<Run>) -> Option<u64> {
    runs.front().map(|run| run.until_ms.saturating_add(timeout_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overdue(timeouts: &mut Timeouts, now_ms: u64, next: u64) -> Vec<(Range<u64>, u64)> {
        let runs = std::iter::from_fn(|| timeouts.pop_overdue(now_ms, next));
        runs.map(|run| (run.numbers, run.timeout_ms)).collect()
    }

    #[test]
    fn what_is_kept_does_not_grow_with_the_deliveries() {
        let mut timeouts = Timeouts::default();
        for number in 1..=1_000_000 {
            timeouts.note(number, 1, 6400, number / 200);
        }
        let runs: usize = timeouts.runs.values().map(VecDeque::len).sum();
        assert!((45..=66).contains(&runs), "{runs} runs for 5 s of 6.4 s");
    }

    #[test]
    fn no_delivery_is_late_by_more_than_a_part_of_its_timeout_and_none_is_early() {
        let mut timeouts = Timeouts::default();
        let told_ms = |number: u64| number * 7;
        for number in 1..=1000 {
            timeouts.note(number, 1, 640, told_ms(number));
        }
        let mut seen = 1;
        for now_ms in 0..10_000 {
            for (numbers, _) in overdue(&mut timeouts, now_ms, 1001) {
                assert_eq!(numbers.start, seen, "each comes once, in order");
                seen = numbers.end;
                let (first, last) = (told_ms(numbers.start), told_ms(numbers.end - 1));
                assert!(last + 640 <= now_ms && now_ms <= first + 650, "{numbers:?} at {now_ms}");
            }
        }
        assert_eq!(seen, 1001);
        assert_eq!(timeouts.due_ms(), None);
    }

    #[test]
    fn what_is_settled_is_not_waited_for() {
        let mut timeouts = Timeouts::default();
        timeouts.note(1, 1, 640, 0);
        timeouts.note(2, 1, 640, 100);
        timeouts.note(3, 2, 640, 200);
        assert_eq!(timeouts.due_ms(), Some(750), "1 is settled");
        timeouts.note(4, 4, 640, 300);
        assert_eq!(timeouts.due_ms(), Some(950), "all before 4 is settled");
        assert_eq!(overdue(&mut timeouts, 949, 5), []);
        assert_eq!(overdue(&mut timeouts, 950, 5), [(4..5, 640)]);
    }

    #[test]
    fn a_longer_timeout_found_later_is_waited_for() {
        let mut timeouts = Timeouts::default();
        timeouts.note(1, 1, 64, 0);
        let run = timeouts.pop_overdue(65, 2).unwrap();
        timeouts.postpone(&run, 1, 640);
        timeouts.cover(2, 640, 9999);
        assert_eq!(overdue(&mut timeouts, 640, 3), []);
        assert_eq!(overdue(&mut timeouts, 641, 3), [(1..3, 640)]);
    }
}
