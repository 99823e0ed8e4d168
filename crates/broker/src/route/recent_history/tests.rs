//! What is kept, and for how long.

use model::Name;
use proptest::prelude::*;

use super::*;
use crate::{
    route::{ExtraKeys, Scratch},
    topology::tests::world::table,
};

fn history_of(length: Option<i64>) -> Box<dyn Index> {
    index(&Table(
        length.map(|length| (Name::parse(LENGTH).unwrap(), Value::I64(length))).into_iter().collect(),
    ))
}

fn publish(index: &dyn Index, headers: &Table, body: &[u8]) {
    let mut properties = vec![0x20, 0x00];
    headers.encode(&mut properties);
    let message = Message::new(b"e", b"k", &properties, body).unwrap();
    let extra = ExtraKeys::default();
    let mut matches = Matches::default();
    index.collect(&Published::new(&message, &extra), &mut Scratch::default().words, &mut matches);
}

fn bodies(index: &dyn Index) -> Vec<Vec<u8>> {
    index.history().iter().map(|message| message.body().to_vec()).collect()
}

#[test]
fn twenty_are_kept_unless_the_exchange_says_otherwise() {
    for (length, kept) in [(None, 20), (Some(1), 1), (Some(3), 3), (Some(i64::MAX), 25)] {
        let index = history_of(length);
        (0..25_u8).for_each(|body| publish(&*index, &Table::default(), &[body]));
        let expected: Vec<_> = (25 - kept..25).map(|body| vec![body]).collect();
        assert_eq!(bodies(&*index), expected, "the last, the oldest first");
    }
    assert!(!history_of(None).depends_on_keys_only(), "every message is to be seen");
}

#[test]
fn a_header_says_what_is_not_to_be_kept() {
    let index = history_of(None);
    for (at, value) in
        (0_u8..).zip([Value::Bool(true), Value::Bool(false), Value::Void, Value::text("true"), Value::I32(1)])
    {
        publish(&*index, &table(&[(NO_STORE, value)]), &[at]);
    }
    assert_eq!(bodies(&*index), [[1], [2], [3], [4]], "nothing but true counts");
}

#[test]
fn bytes_are_bounded() {
    let index = history_of(Some(1000));
    let megabyte = vec![0; 1 << 20];
    (0..100).for_each(|_| publish(&*index, &Table::default(), &megabyte));
    assert_eq!(bodies(&*index).len(), 63, "and their heads");
    publish(&*index, &Table::default(), &vec![1; BYTES_MAX]);
    assert_eq!(bodies(&*index).len(), 63, "one that is too large drives none out");
}

proptest! {
    #[test]
    fn history_is_the_end_of_what_was_published(
        length in 1..6_i64,
        published in prop::collection::vec((any::<bool>(), any::<u8>()), 0..30),
    ) {
        let index = history_of(Some(length));
        let mut model = Vec::new();
        for (is_stored, body) in published {
            publish(&*index, &table(&[(NO_STORE, Value::Bool(!is_stored))]), &[body]);
            if is_stored {
                model.push(vec![body]);
            }
            let from = model.len().saturating_sub(usize::try_from(length).unwrap());
            prop_assert_eq!(&bodies(&*index)[..], &model[from..]);
        }
    }
}

#[test]
fn a_length_is_a_positive_integer() {
    for length in [Value::I8(1), Value::I32(5), Value::I64(1 << 40)] {
        assert_eq!(check_exchange(&table(&[(LENGTH, length)])), Ok(()));
    }
    for (length, shown) in [
        (Value::I32(0), "0"),
        (Value::I32(-1), "-1"),
        (Value::text("5"), "<<\"5\">>"),
        (Value::Bool(true), "true"),
        (Value::Void, "undefined"),
        (Value::Array(vec![Value::I32(1)]), "[{signedint,1}]"),
        (Value::Decimal { scale: 0, value: 5 }, "{0,5}"),
    ] {
        let reason =
            format!("Invalid argument {shown}, 'x-recent-history-length' must be a positive integer");
        assert_eq!(check_exchange(&table(&[(LENGTH, length)])), Err(Refusal::InvalidExchange { reason }));
    }
}
