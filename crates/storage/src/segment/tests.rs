//! Liveness of a segment against a plain set.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test may stop where something is not as it should be"
)]

use std::collections::BTreeSet;

use super::*;
use proptest::prelude::*;

fn segment(first: u64, last: u64) -> Segment {
    let count = u32::try_from(last - first + 1).unwrap();
    Segment {
        id: 1,
        first,
        last,
        floor: first,
        count,
        live: count,
        bytes: u64::from(count) * 10,
        file_len: 0,
        bits: None,
    }
}

fn live(segment: &Segment) -> Vec<u64> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(index) = segment.next_live(from) {
        found.push(index);
        from = index + 1;
    }
    found
}

#[test]
fn a_descriptor_costs_less_than_96_bytes() {
    assert!(size_of::<Segment>() <= 96, "{}", size_of::<Segment>());
}

#[test]
fn settling_in_order_needs_no_bitmap() {
    let mut segment = segment(10, 500);
    for index in 0..=300 {
        segment.remove(&(index..=index));
    }
    assert!(segment.bits.is_none());
    assert_eq!((segment.live, segment.next_live(0)), (200, Some(301)));
    assert!(!segment.is_sparse());
}

proptest! {
    #[test]
    fn removal_is_that_of_a_set(first in 0_u64..200, len in 1_u64..300, steps in prop::collection::vec((0_u64..600, 0_u64..80), 0..40)) {
        let mut segment = segment(first, first + len - 1);
        let mut model: BTreeSet<u64> = (first..first + len).collect();
        for (start, extra) in steps {
            let range = start..=start + extra;
            let before = model.len();
            model.retain(|index| !range.contains(index));
            prop_assert_eq!(segment.remove(&range).entries as usize, before - model.len());
            prop_assert_eq!(segment.live as usize, model.len());
            prop_assert_eq!(live(&segment), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(segment.live_bytes(), model.len() as u64 * 10);
        }
    }
}
