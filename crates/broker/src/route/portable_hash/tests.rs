//! The hashes that `erlang:phash2` gave on Erlang/OTP 27.

use super::*;

/// 1, 2, 3, … up to `length`.
fn counting(length: u8) -> Vec<u8> {
    (1..=length).collect()
}

#[test]
fn byte_strings_of_all_lengths() {
    for (length, hash) in [
        (0, 13_708_901),
        (1, 76_691_218),
        (3, 6_479_071),
        (4, 39_890_977),
        (7, 7_299_836),
        (8, 85_689_312),
        (11, 21_612_627),
        (12, 103_762_329),
        (13, 92_101_820),
        (23, 3_885_157),
        (24, 47_816_058),
        (25, 10_118_065),
        (37, 69_848_252),
    ] {
        assert_eq!(of_bytes(&counting(length)), hash, "{length} bytes");
    }
    assert_eq!(of_bytes(b"hello world, this is longer"), 6_866_608);
}

#[test]
fn lists() {
    for (length, hash) in [(1, 19_302_439), (2, 14_890_615), (3, 15_831_155), (13, 30_706_181)] {
        let items: Vec<Vec<u8>> = (1..=length).map(counting).collect();
        assert_eq!(of_list(items.iter().map(|item| &item[..])), hash, "{length} items");
    }
    for (items, hash) in [(&[""][..], 38_220_213), (&["a"], 53_691_870), (&["a", "b"], 3_094_894)] {
        assert_eq!(of_list(items.iter().map(|item| item.as_bytes())), hash, "{items:?}");
    }
}

#[test]
fn floats() {
    for (value, hash) in [
        (0.0, 20_875_736),
        (-0.0, 20_875_736),
        (1.0, 77_147_068),
        (1.5, 10_380_315),
        (-2.25, 106_798_634),
        (0.1, 114_238_079),
        (1.0e300, 119_088_650),
    ] {
        assert_eq!(of_float(value), hash, "{value}");
    }
}
