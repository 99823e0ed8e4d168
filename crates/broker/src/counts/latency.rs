//! How long something took, by classes: a histogram that anybody may add to.

use std::time::Duration;

use super::Counter;

/// Upper bounds of the classes, in microseconds; beyond the last there is one more.
const BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];

/// See the module's documentation.
#[derive(Default, Debug)]
pub struct Latency {
    classes: [Counter; BOUNDS_US.len() + 1],
    sum_us: Counter,
}

impl Latency {
    /// It took so long once.
    pub fn note(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS_US.iter().position(|bound| took_us <= *bound).unwrap_or(BOUNDS_US.len());
        if let Some(counter) = self.classes.get(class) {
            counter.add_shared(1);
        }
        self.sum_us.add_shared(took_us);
    }

    /// The upper bounds of the classes but the last, in seconds.
    pub fn bounds_s(&self) -> impl Iterator<Item = f64> {
        BOUNDS_US.iter().map(|bound| *bound as f64 / 1e6)
    }

    /// How often it fell into each class.
    pub fn counts(&self) -> [u64; BOUNDS_US.len() + 1] {
        self.classes.each_ref().map(Counter::get)
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
        let latency = Latency::default();
        for took_us in [0, 100, 101, 60_000_000] {
            latency.note(Duration::from_micros(took_us));
        }
        let counts = latency.counts();
        assert_eq!(counts.first(), Some(&2));
        assert_eq!(counts.get(1), Some(&1));
        assert_eq!(counts.last(), Some(&1));
        assert!((latency.sum_s() - 60.000_201).abs() < 1e-9);
    }
}
