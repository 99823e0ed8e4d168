//! A filter never says "none" of what is there.

use proptest::prelude::*;

use super::*;

fn bloom(bytes: u8, values: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut bloom = Bloom::new(bytes);
    for value in values {
        bloom.add(value.as_deref());
    }
    bloom.finish().to_vec()
}

proptest! {
    #[test]
    fn what_is_there_is_found(
        bytes in 16..=255_u8,
        values in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 1..9)), 1..40),
    ) {
        let bits = bloom(bytes, &values);
        for value in &values {
            let filter = match value {
                Some(value) => Filter { values: vec![value.clone()], takes_unvalued: false },
                None => Filter { values: vec![b"no such value".to_vec()], takes_unvalued: true },
            };
            prop_assert!(filter.may_match(&bits), "{value:?}");
        }
    }
}

#[test]
fn few_values_let_most_others_be_passed_over() {
    let bits = bloom(16, &[Some(b"red".to_vec()), Some(b"green".to_vec())]);
    let others = (0..1000)
        .map(|number| Filter { values: vec![format!("v{number}").into_bytes()], takes_unvalued: false });
    let mistaken = others.filter(|filter| filter.may_match(&bits)).count();
    assert!(mistaken < 20, "{mistaken} of 1000");
}

#[test]
fn a_chunk_without_values_has_no_filter() {
    let bits = bloom(16, &[None, None]);
    assert!(bits.is_empty());
    let filter = |takes_unvalued| Filter { values: vec![b"red".to_vec()], takes_unvalued };
    assert!(!filter(false).may_match(&bits));
    assert!(filter(true).may_match(&bits));
    let valued = bloom(16, &[Some(b"red".to_vec())]);
    let other = Filter { values: vec![b"blue".to_vec()], takes_unvalued: true };
    assert!(!other.may_match(&valued), "nothing in it is without a value");
}

#[test]
fn the_bits_of_a_value_never_change() {
    assert_eq!(bits(b"red", 16).collect::<Vec<_>>(), [(3, 16), (6, 32), (9, 64)]);
}
