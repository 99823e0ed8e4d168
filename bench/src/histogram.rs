//! A histogram of durations: buckets whose width is at most 1/64 of their value, so that a percentile is exact to 1.6 %.
//!
//! Invariant: the counts of the buckets sum up to `count`. Values are nanoseconds; any `u64` has a bucket.

use std::time::Duration;

/// Buckets per doubling, as a power of two.
const PRECISION_BITS: u32 = 6;
const PER_DOUBLING: usize = 1 << PRECISION_BITS;
/// The first doublings are exact and share their buckets.
const BUCKETS: usize = (64 - PRECISION_BITS as usize + 1) * PER_DOUBLING;

/// Counts by size.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0 }
    }
}

impl Histogram {
    #[inline]
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        self.record_many(nanoseconds, 1);
    }

    #[inline]
    pub(crate) fn record_many(&mut self, nanoseconds: u64, times: u64) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(nanoseconds)) {
            *bucket += times;
            self.count += times;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The value that `share` of all values do not exceed; `None` if there are none.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        let wanted = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (bucket, times) in self.buckets.iter().enumerate() {
            seen += times;
            if seen >= wanted {
                return Some(Duration::from_nanos(highest_of(bucket)));
            }
        }
        None
    }
}

fn bucket_of(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    let shift = bits.saturating_sub(PRECISION_BITS + 1);
    // Below the second doubling a value is its own bucket; above, its first bits are.
    shift as usize * PER_DOUBLING + (value >> shift) as usize
}

/// The highest value that falls into a bucket.
fn highest_of(bucket: usize) -> u64 {
    let shift = (bucket / PER_DOUBLING).saturating_sub(1) as u32;
    let first_bits = (bucket - shift as usize * PER_DOUBLING) as u64;
    let above = u128::from(first_bits + 1) << shift;
    u64::try_from(above - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bucket_that_is_close_above_it() {
        let values = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1, 3 << bit >> 1]);
        for value in values.chain([u64::MAX, 12_345, 999_999_999]) {
            let bucket = bucket_of(value);
            assert!(bucket < BUCKETS, "{value}");
            let highest = highest_of(bucket);
            assert!(highest >= value && highest - value <= value / 64, "{value} {highest}");
            assert_eq!(bucket_of(highest), bucket, "{value}");
        }
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for bucket in 0..BUCKETS - 1 {
            assert_eq!(bucket_of(highest_of(bucket) + 1), bucket + 1, "{bucket}");
        }
        assert_eq!(highest_of(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        (1..=1000).for_each(|value| histogram.record(value * 1000));
        for (share, exact) in [(0.5, 500_000), (0.99, 990_000), (0.999, 999_000), (1.0, 1_000_000)] {
            let found = u64::try_from(histogram.quantile(share).unwrap().as_nanos()).unwrap();
            assert!(found >= exact && found - exact <= exact / 64, "{share}: {found}");
        }
        assert!(histogram.quantile(0.0).unwrap() < Duration::from_nanos(1_020));
    }

    #[test]
    fn histograms_add_up() {
        let (mut few, mut many) = (Histogram::default(), Histogram::default());
        few.record(10);
        many.record_many(1_000, 99);
        few.add(&many);
        assert_eq!(few.count(), 100);
        assert_eq!(few.quantile(0.01), Some(Duration::from_nanos(10)));
        assert!(few.quantile(0.02).unwrap() > Duration::from_nanos(900));
    }
}
