//! The publishes of a session that are not confirmed yet.

use std::collections::{BTreeSet, VecDeque};

use storage::Lsn;

/// Publishes 1, 2, 3, … since the session asked for confirms, in order, with the log position each waits for.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    published: u64,
    confirmed: u64,
    /// Runs of publishes that become safe together.
    waiting: VecDeque<Run>,
    /// The last publish whose fate is known and may be told.
    safe: u64,
    /// Publishes that a queue did not take.
    refused: BTreeSet<u64>,
}

/// Publishes up to `last`, from where the run before ends.
#[derive(Clone, Copy, Debug)]
struct Run {
    last: u64,
    /// Safe once this is durable.
    lsn: Lsn,
    /// When they were published.
    at_ms: u64,
}

/// What a publisher is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    pub(crate) publish: u64,
    /// It stands for all before it that were not told of yet.
    pub(crate) multiple: bool,
    pub(crate) is_taken: bool,
    /// How many publishes that are.
    pub(crate) publishes: u64,
    /// When the first of them was published, if it has just become safe.
    pub(crate) since_ms: Option<u64>,
}

impl Confirms {
    /// Counts more publishes and returns the number of the last.
    pub(crate) fn publish(&mut self, messages: u64) -> u64 {
        self.published = self.published.saturating_add(messages);
        self.published
    }

    /// This one was not taken.
    pub(crate) fn refuse(&mut self, publish: u64) {
        self.refused.insert(publish);
    }

    /// All publishes counted so far are safe once `lsn` is durable; the latest of them were made now.
    pub(crate) fn wait(&mut self, lsn: Lsn, now_ms: u64) {
        let last = self.waiting.back().map_or(self.confirmed, |run| run.last);
        if self.published > last {
            // Positions ascend: what waits for less than its predecessors is safe with them.
            let lsn = self.waiting.back().map_or(lsn, |before| before.lsn.max(lsn));
            self.waiting.push_back(Run { last: self.published, lsn, at_ms: now_ms });
        }
    }

    /// How many publishes are not confirmed.
    pub(crate) fn pending(&self) -> u64 {
        self.published.saturating_sub(self.confirmed)
    }

    /// The first position that is waited for.
    pub(crate) fn waits_for(&self) -> Option<Lsn> {
        self.waiting.front().map(|run| run.lsn)
    }

    /// The next thing that can be told now, for as many publishes as possible.
    pub(crate) fn reached(&mut self, flushed: Lsn) -> Option<Verdict> {
        let mut since_ms = None;
        while let Some(run) = self.waiting.pop_front_if(|run| run.lsn <= flushed) {
            since_ms.get_or_insert(run.at_ms);
            self.safe = run.last;
        }
        if self.safe <= self.confirmed {
            return None;
        }
        let next = self.confirmed.saturating_add(1);
        let is_taken = self.refused.first() != Some(&next);
        let mut last = match self.refused.first() {
            Some(refused) if is_taken => self.safe.min(refused.saturating_sub(1)),
            Some(_) => next,
            None => self.safe,
        };
        if !is_taken {
            self.refused.pop_first();
            while last < self.safe && self.refused.first() == Some(&last.saturating_add(1)) {
                self.refused.pop_first();
                last = last.saturating_add(1);
            }
        }
        self.confirmed = last;
        let publishes = last.saturating_sub(next).saturating_add(1);
        Some(Verdict { publish: last, multiple: last > next, is_taken, publishes, since_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When everything is published.
    const NOW_MS: u64 = 1_000;

    fn verdict(publish: u64, publishes: u64, is_taken: bool, since_ms: Option<u64>) -> Option<Verdict> {
        Some(Verdict { publish, multiple: publishes > 1, is_taken, publishes, since_ms })
    }

    fn taken(publish: u64, publishes: u64) -> Option<Verdict> {
        verdict(publish, publishes, true, Some(NOW_MS))
    }

    #[test]
    fn refused_publishes_are_told_in_their_order() {
        let mut confirms = Confirms::default();
        for _ in 0..8 {
            confirms.publish(1);
        }
        for publish in [3, 4, 5, 8] {
            confirms.refuse(publish);
        }
        confirms.wait(Lsn(7), NOW_MS);
        assert_eq!(confirms.reached(Lsn(6)), None);
        let told: Vec<_> = std::iter::from_fn(|| confirms.reached(Lsn(7))).collect();
        // How long it took is told once for what became safe together.
        let expected =
            [taken(2, 2), verdict(5, 3, false, None), verdict(7, 2, true, None), verdict(8, 1, false, None)];
        assert_eq!(told, expected.map(Option::unwrap));
    }

    #[test]
    fn a_confirm_tells_when_the_first_that_it_stands_for_was_published() {
        let mut confirms = Confirms::default();
        for at_ms in [5, 7, 9] {
            confirms.publish(1);
            confirms.wait(Lsn(at_ms), at_ms);
        }
        assert_eq!(confirms.reached(Lsn(7)), verdict(2, 2, true, Some(5)));
        assert_eq!(confirms.reached(Lsn(9)), verdict(3, 1, true, Some(9)));
    }

    #[test]
    fn a_run_is_confirmed_once_its_position_is_durable() {
        let mut confirms = Confirms::default();
        confirms.publish(1);
        confirms.wait(Lsn(5), NOW_MS);
        confirms.publish(1);
        confirms.publish(1);
        confirms.wait(Lsn(9), NOW_MS);
        assert_eq!(confirms.reached(Lsn(4)), None);
        assert_eq!(confirms.reached(Lsn(5)), taken(1, 1));
        assert_eq!(confirms.waits_for(), Some(Lsn(9)));
        assert_eq!(confirms.reached(Lsn(9)), taken(3, 2));
        assert_eq!(confirms.reached(Lsn(9)), None);
    }

    #[test]
    fn a_transient_publish_behind_a_persistent_one_is_confirmed_with_it() {
        let mut confirms = Confirms::default();
        confirms.publish(1);
        confirms.wait(Lsn(5), NOW_MS);
        confirms.publish(1);
        confirms.wait(Lsn(0), NOW_MS);
        assert_eq!(confirms.reached(Lsn(0)), None);
        assert_eq!(confirms.reached(Lsn(5)), taken(2, 2));
    }
}
