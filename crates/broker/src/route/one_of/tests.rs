//! Which binding is chosen: as RabbitMQ 4.0.5 does by hash, and evenly at random.

use model::{Message, Table, Value};
use proptest::prelude::*;

use super::*;
use crate::{
    route::{ExtraKeys, Kind, Scratch},
    topology::{
        Meta, QueueId,
        tests::world::{name, table},
    },
};

fn binding(to: u64, key: &str) -> (BindingRecord, Target) {
    let (kind, target) = match to {
        0 => (Destination::Exchange, Target::Exchange(name("e"))),
        to => (Destination::Queue, Target::Queue(QueueId(to))),
    };
    let destination = name(&if to == 0 { "e".to_owned() } else { format!("q{to}") });
    (BindingRecord::new(name("x"), kind, destination, name(key), Table::default()), target)
}

fn insert(index: &mut dyn Index, (record, target): (BindingRecord, Target)) {
    index.insert(&record, target);
}

/// The queue, 0 for the exchange.
fn found(index: &dyn Index, keys: &[&str]) -> Option<u64> {
    let extra = keys[1..].iter().map(|key| Value::text(key)).collect();
    let mut properties = vec![0x20, 0x00];
    table(&[("CC", Value::Array(extra))]).encode(&mut properties);
    let message = Message::new(b"x", keys[0].as_bytes(), &properties, b"").unwrap();
    let extra = ExtraKeys::parse(&message).unwrap();
    let mut matches = Matches::default();
    index.collect(&Published::new(&message, &extra), &mut Scratch::default().words, &mut matches);
    assert!(matches.count() <= 1);
    matches.queues.first().map(|id| id.0).or_else(|| (!matches.exchanges.is_empty()).then_some(0))
}

/// Of the keys `key-0` to `key-11`, where each goes.
fn spread(index: &dyn Index) -> Vec<u64> {
    (0..12).map(|at| found(index, &[&format!("key-{at}")]).unwrap()).collect()
}

#[test]
fn the_modulus_is_that_of_rabbitmq() {
    let mut index = modulus_index();
    assert_eq!(found(&*index, &["k"]), None);
    for (to, key) in [(3, "kq3"), (1, "kq1"), (2, "kq2"), (5, "z"), (4, "a")] {
        insert(&mut *index, binding(to, key));
    }
    assert_eq!(spread(&*index), [1, 4, 5, 5, 5, 2, 1, 4, 2, 1, 3, 2]);
    insert(&mut *index, binding(0, ""));
    insert(&mut *index, binding(1, "again"));
    assert_eq!(spread(&*index)[..8], [4, 0, 2, 5, 4, 1, 3, 0]);
    for (keys, to) in
        [(&["key-1", "a"][..], 2), (&["key-1", "b", "c"], 3), (&[""], 1), (&[&"x".repeat(255)], 5)]
    {
        assert_eq!(found(&*index, keys), Some(to), "{keys:?}");
    }
    let (record, target) = binding(0, "");
    index.remove(&record, &target);
    let (record, target) = binding(1, "again");
    index.remove(&record, &target);
    assert_eq!(spread(&*index), [1, 4, 5, 5, 5, 2, 1, 4, 2, 1, 3, 2]);
    assert!(index.depends_on_keys_only());
}

proptest! {
    #[test]
    fn the_order_of_binding_does_not_matter(
        bindings in prop::collection::btree_set((0..6_u64, "[ab]{0,2}"), 1..12),
        turn in any::<prop::sample::Index>(),
        keys in prop::collection::vec("[a-z.]{0,20}", 1..4),
    ) {
        let mut bindings: Vec<_> = bindings.into_iter().collect();
        let mut one = modulus_index();
        bindings.iter().for_each(|(to, key)| insert(&mut *one, binding(*to, key)));
        let turn = turn.index(bindings.len());
        bindings.rotate_left(turn);
        let mut other = modulus_index();
        bindings.iter().for_each(|(to, key)| insert(&mut *other, binding(*to, key)));
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        prop_assert_eq!(found(&*one, &keys), found(&*other, &keys));
        // A plain list, sorted as RabbitMQ does.
        bindings.sort_by(|(one, one_key), (other, other_key)| {
            (one_key, *one > 0, one).cmp(&(other_key, *other > 0, other))
        });
        let hash = portable_hash::of_list(keys.iter().map(|key| key.as_bytes())) as usize;
        prop_assert_eq!(found(&*one, &keys), Some(bindings[hash % bindings.len()].0));
    }
}

fn random() -> Box<dyn Index> {
    random_index(&ExchangeRecord {
        name: name("x"),
        vhost: name("/"),
        kind: Kind::parse("x-random").unwrap(),
        durable: false,
        auto_delete: false,
        internal: false,
        arguments: Table::default(),
        delay_queue: None,
        meta: Meta { index: 5, now_ms: 0 },
    })
}

#[test]
fn chance_gives_each_binding_its_share() {
    let mut index = random();
    assert_eq!(found(&*index, &["k"]), None);
    // Bound three times, chosen three times as often.
    for (to, key) in [(1, "a"), (1, "b"), (1, "c"), (2, "")] {
        insert(&mut *index, binding(to, key));
    }
    let ones = (0..40_000).filter(|_| found(&*index, &["k"]) == Some(1)).count();
    // Ten standard deviations.
    assert!(ones.abs_diff(30_000) < 900, "{ones}");
    // Neither in turns nor in blocks: one follows itself as often as it should.
    let drawn: Vec<_> = (0..40_000).map(|_| found(&*index, &["k"])).collect();
    let repeats = drawn.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(repeats.abs_diff(25_000) < 1_000, "{repeats}");
    assert!(!index.depends_on_keys_only());
}

#[test]
fn a_local_binding_has_no_key_and_leads_to_a_classic_queue() {
    let refused = |to, key, queue| match check_local_binding(&binding(to, key).0, queue) {
        Err(Refusal::InvalidBinding { reason }) => reason,
        other => panic!("{other:?}"),
    };
    let classic = Some(QueueKind::Classic);
    assert_eq!(check_local_binding(&binding(1, "").0, classic), Ok(()));
    assert_eq!(refused(1, "k", classic), "Non empty binding 'k' key not permitted");
    assert_eq!(refused(1, "ü", classic), "Non empty binding 'Ã¼' key not permitted");
    assert_eq!(refused(0, "k", None), "Non empty binding 'k' key not permitted");
    assert_eq!(refused(0, "", None), "Destination not found");
    let of = |kind: QueueKind| format!("Queue type {} not valid for this exchange type", kind.module());
    for kind in [QueueKind::Quorum, QueueKind::Stream] {
        assert_eq!(refused(1, "", Some(kind)), of(kind));
        assert_eq!(refused(1, "k", Some(kind)), "Non empty binding 'k' key not permitted");
    }
}
