//! The buckets that RabbitMQ's function chose on Erlang/OTP 27, and what makes the hash consistent.

use proptest::prelude::*;

use super::*;

#[test]
fn buckets_are_those_of_rabbitmq() {
    for (number, in_2, in_7, in_100, in_million) in [
        (0, 0, 4, 47, 892_565),
        (1, 0, 3, 29, 532_457),
        (42, 1, 6, 6, 143_217),
        ((1 << 21) - 1, 0, 6, 74, 588_834),
        (1 << 21, 0, 4, 47, 892_565),
        ((1 << 27) - 1, 0, 6, 74, 588_834),
        (u64::MAX, 0, 6, 74, 588_834),
        ((-5_i64).cast_unsigned(), 0, 2, 69, 957_335),
        (1 << 40, 0, 4, 47, 892_565),
    ] {
        let found = [2, 7, 100, 1_000_000].map(|buckets| bucket(number, buckets));
        assert_eq!(found, [in_2, in_7, in_100, in_million], "{number}");
    }
    assert_eq!([bucket(42, 0), bucket(42, 1)], [0, 0]);
}

proptest! {
    #[test]
    fn one_more_bucket_takes_only_what_goes_to_it(number in any::<u64>(), buckets in 1..2000_u64) {
        let (before, after) = (bucket(number, buckets), bucket(number, buckets + 1));
        prop_assert!(before < buckets);
        prop_assert!(after == before || after == buckets);
    }
}

#[test]
fn buckets_get_about_the_same() {
    let mut counts = [0_u32; 10];
    for number in 0..100_000_u64 {
        counts[usize::try_from(bucket(number, 10)).unwrap()] += 1;
    }
    // The standard deviation is below 100.
    assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
}
