//! How long something took, by classes: a histogram that anybody may add to.

use std::time::Duration;

use super::Counter;

/// Upper bounds of classes for what takes as long as a disk does, in microseconds.
const DISK_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];

/// Upper bounds of classes for what may take as long as anybody lets it, in microseconds: from a millisecond, which is
/// how exactly the core knows the time, to a day.
const WAIT_US: [u64; 19] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    1_800_000_000,
    7_200_000_000,
    86_400_000_000,
];

/// See the module's documentation.
#[derive(Debug)]
pub struct Latency {
    bounds_us: &'static [u64],
    /// One more than there are bounds: what is beyond the last.
    classes: Box<[Counter]>,
    sum_us: Counter,
}

impl Latency {
    fn new(bounds_us: &'static [u64]) -> Self {
        let classes = std::iter::repeat_with(Counter::default).take(bounds_us.len() + 1).collect();
        Self { bounds_us, classes, sum_us: Counter::default() }
    }

    /// For what a disk does.
    pub(super) fn of_disk() -> Self {
        Self::new(&DISK_US)
    }

    /// For what waits.
    pub(super) fn of_wait() -> Self {
        Self::new(&WAIT_US)
    }

    /// It took so long once.
    pub fn note(&self, took: Duration) {
        self.note_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// It took from then until now, in milliseconds of the wall clock; nothing if that was set back.
    pub(crate) fn note_since(&self, since_ms: u64, now_ms: u64) {
        self.note_us(now_ms.saturating_sub(since_ms).saturating_mul(1000));
    }

    fn note_us(&self, took_us: u64) {
        let class = self.bounds_us.partition_point(|bound| *bound < took_us);
        if let Some(counter) = self.classes.get(class) {
            counter.add_shared(1);
        }
        self.sum_us.add_shared(took_us);
    }

    /// The upper bounds of the classes but the last, in seconds.
    pub fn bounds_s(&self) -> impl Iterator<Item = f64> {
        self.bounds_us.iter().map(|bound| *bound as f64 / 1e6)
    }

    /// How often it fell into each class.
    pub fn counts(&self) -> Vec<u64> {
        self.classes.iter().map(Counter::get).collect()
    }

    /// All of it together, in seconds.
    pub fn sum_s(&self) -> f64 {
        self.sum_us.get() as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Latency;

    #[test]
    fn a_bound_belongs_to_its_class_and_what_is_beyond_all_to_the_last() {
        let latency = Latency::of_disk();
        for took_us in [0, 100, 101, 60_000_000] {
            latency.note(Duration::from_micros(took_us));
        }
        let counts = latency.counts();
        assert_eq!(counts.first(), Some(&2));
        assert_eq!(counts.get(1), Some(&1));
        assert_eq!(counts.last(), Some(&1));
        assert_eq!(counts.len(), latency.bounds_s().count() + 1);
        assert!((latency.sum_s() - 60.000_201).abs() < 1e-9);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_long() {
        let latency = Latency::of_wait();
        latency.note_since(2_000, 1_000);
        latency.note_since(1_000, 1_002);
        latency.note_since(0, 86_400_001);
        let counts = latency.counts();
        assert_eq!((counts.first(), counts.get(1), counts.last()), (Some(&1), Some(&1), Some(&1)));
        assert!((latency.sum_s() - 86_400.003).abs() < 1e-9);
    }
}
