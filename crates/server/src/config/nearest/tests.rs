//! Distances that can be counted by hand, and the choice among candidates.

use super::*;

#[test]
fn distances() {
    let check = |a: &str, b: &str, expected: usize| {
        assert_eq!(distance(a, b), expected, "{a} {b}");
        assert_eq!(distance(b, a), expected, "{b} {a}");
    };
    check("", "", 0);
    check("", "abc", 3);
    check("heartbeat", "heartbeat", 0);
    check("heartbaet", "heartbeat", 1);
    check("hartbeat", "heartbeat", 1);
    check("heartbeet", "heartbeat", 1);
    check("kitten", "sitting", 3);
    check(&"x".repeat(WORD_BYTES_MAX + 1), "x", usize::MAX);
}

#[test]
fn only_a_near_word_is_offered() {
    let known = ["heartbeat", "frame_max", "channel_max"];
    assert_eq!(nearest("hearbeat", known.into_iter()), Some("heartbeat"));
    assert_eq!(nearest("frame_mx", known.into_iter()), Some("frame_max"));
    assert_eq!(nearest("colour", known.into_iter()), None);
}
