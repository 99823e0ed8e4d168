//! A series against a list of everything.

use proptest::prelude::*;

use super::{Series, unzigzag, zigzag};
use crate::samples::GLOBAL;

#[test]
fn differences_of_either_sign_come_back() {
    for difference in [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 12_345_u64.wrapping_neg()] {
        assert_eq!(unzigzag(zigzag(difference)), difference);
    }
    assert_eq!(zigzag(3_u64.wrapping_neg()), 5);
}

proptest! {
    #[test]
    fn what_is_within_the_range_is_as_it_was(changes in prop::collection::vec((1_u32..400, 0_u64..1_000_000), 1..120), before: u64) {
        let begin = 360_000;
        let mut series = Series::new(GLOBAL, begin, before);
        let mut all = vec![(0, before)];
        let mut tick = begin;
        for (gap, value) in changes {
            series.push(GLOBAL, tick, value);
            all.push((tick, value));
            tick += gap;
        }
        let now = all.last().map_or(begin, |(tick, _)| *tick);
        for (level, (unit, kept)) in GLOBAL.iter().enumerate() {
            let first = (now / unit).saturating_sub(kept - 1);
            let ticks: Vec<u32> = (first..=now / unit).map(|step| step * unit).collect();
            let wanted: Vec<u64> = ticks
                .iter()
                .map(|tick| all.iter().rfind(|(at, _)| at <= tick).map_or(before, |(_, value)| *value))
                .collect();
            prop_assert_eq!(series.at(level, GLOBAL, ticks.into_iter()), wanted, "level {}", level);
        }
    }
}

#[test]
fn a_busy_series_takes_little_memory_and_an_idle_one_does_not_grow() {
    let mut series = Series::new(GLOBAL, 1, 0);
    for tick in 1..20_000_u32 {
        series.push(GLOBAL, tick, u64::from(tick) * 5_000);
    }
    let bytes: usize = series.levels.iter().map(|steps| steps.changes.len()).sum();
    assert!(bytes < 1_400, "{bytes} bytes for 276 steps");
    series.push(GLOBAL, 40_000, 100_000_001);
    assert!(series.levels.iter().all(|steps| steps.changes.len() <= 9), "what is out of range is gone");
}
