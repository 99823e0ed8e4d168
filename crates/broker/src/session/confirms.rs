//! The publishes of a session that are not confirmed yet.

use std::collections::{BTreeSet, VecDeque};

use storage::Lsn;

/// Publishes 1, 2, 3, … since the session asked for confirms, in order, with the log position each waits for.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    published: u64,
    confirmed: u64,
    /// (last publish, position): runs of publishes that become safe together.
    waiting: VecDeque<(u64, Lsn)>,
    /// The last publish whose fate is known and may be told.
    safe: u64,
    /// Publishes that a queue did not take.
    refused: BTreeSet<u64>,
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
}

impl Confirms {
    /// Counts one more publish and returns its number.
    pub(crate) fn publish(&mut self) -> u64 {
        self.published = self.published.saturating_add(1);
        self.published
    }

    /// This one was not taken.
    pub(crate) fn refuse(&mut self, publish: u64) {
        self.refused.insert(publish);
    }

    /// All publishes counted so far are safe once `lsn` is durable.
    pub(crate) fn wait(&mut self, lsn: Lsn) {
        let last = self.waiting.back().map_or(self.confirmed, |(last, _)| *last);
        if self.published > last {
            // Positions ascend: what waits for less than its predecessors is safe with them.
            let lsn = self.waiting.back().map_or(lsn, |(_, before)| (*before).max(lsn));
            self.waiting.push_back((self.published, lsn));
        }
    }

    /// How many publishes are not confirmed.
    pub(crate) fn pending(&self) -> u64 {
        self.published.saturating_sub(self.confirmed)
    }

    /// The first position that is waited for.
    pub(crate) fn waits_for(&self) -> Option<Lsn> {
        self.waiting.front().map(|(_, lsn)| *lsn)
    }

    /// The next thing that can be told now, for as many publishes as possible.
    pub(crate) fn reached(&mut self, flushed: Lsn) -> Option<Verdict> {
        while let Some((publish, _)) = self.waiting.pop_front_if(|(_, lsn)| *lsn <= flushed) {
            self.safe = publish;
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
        Some(Verdict { publish: last, multiple: last > next, is_taken, publishes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(publish: u64, publishes: u64) -> Option<Verdict> {
        Some(Verdict { publish, multiple: publishes > 1, is_taken: true, publishes })
    }

    #[test]
    fn refused_publishes_are_told_in_their_order() {
        let mut confirms = Confirms::default();
        let refused = |publish, publishes| {
            Some(Verdict { publish, multiple: publishes > 1, is_taken: false, publishes })
        };
        for _ in 0..8 {
            confirms.publish();
        }
        for publish in [3, 4, 5, 8] {
            confirms.refuse(publish);
        }
        confirms.wait(Lsn(7));
        assert_eq!(confirms.reached(Lsn(6)), None);
        let told: Vec<_> = std::iter::from_fn(|| confirms.reached(Lsn(7))).collect();
        let expected = [taken(2, 2), refused(5, 3), taken(7, 2), refused(8, 1)];
        assert_eq!(told, expected.map(Option::unwrap));
    }

    #[test]
    fn a_run_is_confirmed_once_its_position_is_durable() {
        let mut confirms = Confirms::default();
        confirms.publish();
        confirms.wait(Lsn(5));
        confirms.publish();
        confirms.publish();
        confirms.wait(Lsn(9));
        assert_eq!(confirms.reached(Lsn(4)), None);
        assert_eq!(confirms.reached(Lsn(5)), taken(1, 1));
        assert_eq!(confirms.waits_for(), Some(Lsn(9)));
        assert_eq!(confirms.reached(Lsn(9)), taken(3, 2));
        assert_eq!(confirms.reached(Lsn(9)), None);
    }

    #[test]
    fn a_transient_publish_behind_a_persistent_one_is_confirmed_with_it() {
        let mut confirms = Confirms::default();
        confirms.publish();
        confirms.wait(Lsn(5));
        confirms.publish();
        confirms.wait(Lsn(0));
        assert_eq!(confirms.reached(Lsn(0)), None);
        assert_eq!(confirms.reached(Lsn(5)), taken(2, 2));
    }
}
