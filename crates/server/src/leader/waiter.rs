//! A connection as far as it waits for the disk, and as far as it is worth waiting for it.

/// Turns in succession after which somebody is alone.
const SEVERAL: u32 = 16;
/// Led turns in succession after which the worker looks after others, though the next publish always came in time.
const KEPT_MAX: u32 = 64;
/// It is waited for again after two to the power of this many led turns at most, if it did not come in time.
const MISSED_MAX: u32 = 8;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(super) number: u64,
    /// Turns since somebody else waited for the disk, up to [`SEVERAL`].
    alone: u32,
    /// It was just told what it has waited for.
    is_told: bool,
    /// How often in succession it came in time, or did not.
    kept: u32,
    missed: u32,
    /// Led turns for which it is not waited for.
    rests: u32,
}

impl Waiter {
    pub(super) fn new(number: u64) -> Self {
        Self { number, alone: 0, is_told: false, kept: 0, missed: 0, rests: 0 }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.alone >= SEVERAL
    }

    /// It waits for the disk; whether others have since it did last.
    pub(super) fn note_turn(&mut self, is_first: bool) {
        self.alone = if is_first { 0 } else { self.alone.saturating_add(1).min(SEVERAL) };
    }

    /// It is told now what it has waited for.
    pub(super) fn note_told(&mut self) {
        self.is_told = self.rests == 0;
        self.rests = self.rests.saturating_sub(1);
    }

    /// Whether it is worth looking for what it sends next, before the worker turns to anything else.
    pub(crate) fn is_expected(&mut self) -> bool {
        std::mem::take(&mut self.is_told)
    }

    /// What was expected came in time, or did not.
    pub(crate) fn note_expected(&mut self, has_come: bool) {
        if has_come {
            self.missed = 0;
            self.kept = self.kept.saturating_add(1);
            if self.kept >= KEPT_MAX {
                (self.kept, self.rests) = (0, 1);
            }
        } else {
            self.missed = self.missed.saturating_add(1).min(MISSED_MAX);
            (self.kept, self.rests) = (0, 1 << self.missed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many led turns are followed by an expectation, which comes true or does not.
    fn expected(waiter: &mut Waiter, turns: u32, has_come: bool) -> u32 {
        let mut expected = 0;
        for _ in 0..turns {
            waiter.note_told();
            if waiter.is_expected() {
                expected += 1;
                waiter.note_expected(has_come);
            }
            assert!(!waiter.is_expected(), "once a turn");
        }
        expected
    }

    #[test]
    fn who_answers_at_once_is_expected_but_for_a_turn_for_others() {
        let mut waiter = Waiter::new(1);
        assert_eq!(expected(&mut waiter, KEPT_MAX + 1, true), KEPT_MAX);
        assert_eq!(expected(&mut waiter, KEPT_MAX + 1, true), KEPT_MAX);
    }

    #[test]
    fn who_takes_its_time_is_hardly_expected_any_more() {
        let mut waiter = Waiter::new(1);
        assert!(expected(&mut waiter, 10_000, false) < 50);
        // It has become quicker.
        assert!(expected(&mut waiter, 1000, true) > 600);
    }

    #[test]
    fn nobody_is_alone_who_was_not_for_several_turns() {
        let mut waiter = Waiter::new(1);
        waiter.note_turn(true);
        for _ in 0..SEVERAL {
            assert!(!waiter.is_alone());
            waiter.note_turn(false);
        }
        assert!(waiter.is_alone());
        waiter.note_turn(true);
        assert!(!waiter.is_alone());
    }
}
