//! The publishes of a session that are not confirmed yet.

use std::collections::VecDeque;

use storage::Lsn;

/// Publishes 1, 2, 3, … since the session asked for confirms, in order, with the log position each waits for.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    published: u64,
    confirmed: u64,
    /// (last publish, position): runs of publishes that become safe together.
    waiting: VecDeque<(u64, Lsn)>,
}

impl Confirms {
    /// Counts one more publish.
    pub(crate) fn publish(&mut self) {
        self.published = self.published.saturating_add(1);
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

    /// The first position that is waited for.
    pub(crate) fn waits_for(&self) -> Option<Lsn> {
        self.waiting.front().map(|(_, lsn)| *lsn)
    }

    /// What can be confirmed now: the last safe publish and whether it stands for several.
    pub(crate) fn reached(&mut self, flushed: Lsn) -> Option<(u64, bool)> {
        let mut last = None;
        while let Some((publish, _)) = self.waiting.front().filter(|(_, lsn)| *lsn <= flushed) {
            last = Some(*publish);
            self.waiting.pop_front();
        }
        let last = last?;
        let multiple = last.saturating_sub(self.confirmed) > 1;
        self.confirmed = last;
        Some((last, multiple))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_confirmed_once_its_position_is_durable() {
        let mut confirms = Confirms::default();
        confirms.publish();
        confirms.wait(Lsn(5));
        confirms.publish();
        confirms.publish();
        confirms.wait(Lsn(9));
        assert_eq!(confirms.reached(Lsn(4)), None);
        assert_eq!(confirms.reached(Lsn(5)), Some((1, false)));
        assert_eq!(confirms.waits_for(), Some(Lsn(9)));
        assert_eq!(confirms.reached(Lsn(9)), Some((3, true)));
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
        assert_eq!(confirms.reached(Lsn(5)), Some((2, true)));
    }
}
