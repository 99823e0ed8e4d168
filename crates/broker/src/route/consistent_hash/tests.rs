//! Which of its bindings a message goes to: as RabbitMQ 4.0.5 answered, and as a plain list of buckets would.

use bytes::Bytes;
use model::{Message, command::Destination};
use proptest::prelude::*;

use super::*;
use crate::{
    route::{ExtraKeys, Scratch},
    topology::{
        Meta, QueueId,
        tests::world::{name, table},
    },
};

fn binding(to: u64, weight: &str, made_at: u64) -> (BindingRecord, Target) {
    let destination = name(&format!("q{to}"));
    let arguments = table(&[]);
    let mut record = BindingRecord::new(name("e"), Destination::Queue, destination, name(weight), arguments);
    record.meta = Meta { index: made_at, now_ms: 0 };
    (record, Target::Queue(QueueId(to)))
}

fn insert(ring: &mut dyn Index, (record, target): (BindingRecord, Target)) {
    ring.insert(&record, target);
}

fn found(ring: &dyn Index, message: &Message) -> Option<u64> {
    let mut matches = Matches::default();
    let extra = ExtraKeys::parse(message).unwrap();
    ring.collect(&Published::new(message, &extra), &mut Scratch::default().words, &mut matches);
    assert!(matches.count() <= 1);
    matches.queues.first().map(|id| id.0)
}

fn with_key(key: &str) -> Message {
    Message::new(b"e", key.as_bytes(), &[0, 0], b"").unwrap()
}

fn with_header(value: Value) -> Message {
    let mut properties = vec![0x20, 0x00];
    table(&[("h", value)]).encode(&mut properties);
    Message::new(b"e", b"key", &properties, b"").unwrap()
}

/// Of the keys `key-0-`, `key-1-x`, `key-2-xx`, … those that reach queue `to`.
fn keys_of(ring: &dyn Index, to: u64) -> Vec<usize> {
    let key = |at: usize| with_key(&format!("key-{at}-{}", "x".repeat(at % 30)));
    (0..150).filter(|at| found(ring, &key(*at)) == Some(to)).collect()
}

#[test]
fn the_ring_is_that_of_rabbitmq() {
    let mut ring = index(&Table::default());
    assert_eq!(found(&*ring, &with_key("key")), None, "an empty ring leads nowhere");
    let one = binding(1, "1", 2);
    for member in
        [binding(3, "3", 1), one.clone(), binding(0, "10", 3), binding(2, "2", 4), binding(4, "2", 5)]
    {
        insert(&mut *ring, member);
    }
    assert_eq!(keys_of(&*ring, 1), [1, 6, 37, 38, 44, 52, 114, 139, 148]);
    assert_eq!(keys_of(&*ring, 2), [11, 19, 20, 27, 39, 64, 75, 82, 85, 103, 141, 149]);
    ring.remove(&one.0, &one.1);
    assert_eq!(keys_of(&*ring, 1), [0; 0]);
    assert_eq!(keys_of(&*ring, 2), [11, 19, 20, 27, 39, 55, 63, 64, 82, 97, 99, 136, 141]);
    insert(&mut *ring, binding(1, "4", 6));
    assert_eq!(keys_of(&*ring, 2), [20, 27, 39, 63, 64, 97, 136, 141]);
    assert_eq!(
        keys_of(&*ring, 4),
        [9, 25, 28, 57, 75, 76, 85, 94, 102, 103, 130, 138, 149],
        "the last one lost to the new one only"
    );
}

/// Eight queues with seven buckets each.
fn eight(arguments: &[(&str, Value)]) -> Box<dyn Index> {
    let mut ring = index(&table(arguments));
    for to in 0..8 {
        insert(&mut *ring, binding(to, "7", to));
    }
    ring
}

#[test]
fn a_header_is_hashed_by_its_value() {
    let ring = eight(&[("hash-header", Value::text("h"))]);
    for (value, queue) in [
        (Value::Void, 5),
        (Value::I32(0), 6),
        (Value::I32(1), 4),
        (Value::I64(1), 4),
        (Value::I32(-1), 1),
        (Value::I16(128), 0),
        (Value::I32(70_000), 6),
        (Value::I64(1 << 40), 6),
        (Value::I64(-(1 << 40)), 6),
        (Value::text(""), 6),
        (Value::text("a"), 6),
        (Value::text("b"), 1),
        (Value::text("d"), 7),
        (Value::Bytes(Bytes::from_static(b"b")), 1),
        (Value::Bool(true), 4),
        (Value::Bool(false), 6),
        (Value::Timestamp(1_577_836_800), 0),
        (Value::Timestamp(1_609_459_200), 7),
        (Value::text(&"x".repeat(500)), 1),
    ] {
        assert_eq!(found(&*ring, &with_header(value.clone())), Some(queue), "{value:?}");
    }
    assert_eq!(
        found(&*ring, &with_key("key")),
        Some(5),
        "a header that is not there is like one without value"
    );
    // RabbitMQ has other queues for some of these, and crashes on others.
    for value in [
        Value::Array(vec![]),
        Value::Table(Table::default()),
        Value::Decimal { scale: 1, value: 15 },
        Value::Array(vec![Value::I32(1)]),
    ] {
        let first = found(&*ring, &with_header(value.clone()));
        assert!(first.is_some() && first == found(&*ring, &with_header(value)));
    }
}

#[test]
fn a_property_is_hashed_as_text() {
    for (property, flags) in [("message_id", 1_u16 << 7), ("correlation_id", 1 << 10)] {
        let ring = eight(&[("hash-property", Value::text(property))]);
        let with = |text: &str| {
            let mut properties = flags.to_be_bytes().to_vec();
            properties.push(u8::try_from(text.len()).unwrap());
            properties.extend_from_slice(text.as_bytes());
            Message::new(b"e", b"key", &properties, b"").unwrap()
        };
        for (text, queue) in [("a", 6), ("b", 1), ("", 6), ("123", 1), ("ünï", 2)] {
            assert_eq!(found(&*ring, &with(text)), Some(queue), "{property} {text}");
        }
        assert_eq!(found(&*ring, &with_key("key")), Some(5), "without {property}");
    }
    let ring = eight(&[("hash-property", Value::text("timestamp"))]);
    for (seconds, queue) in [(0_u64, 7), (1, 4), (2, 1), (1_700_000_000, 6), (1_700_000_001, 5), (1 << 40, 4)]
    {
        let mut properties = (1_u16 << 6).to_be_bytes().to_vec();
        properties.extend_from_slice(&seconds.to_be_bytes());
        let message = Message::new(b"e", b"key", &properties, b"").unwrap();
        assert_eq!(found(&*ring, &message), Some(queue), "{seconds}");
    }
}

#[test]
fn extra_keys_do_not_count() {
    let ring = eight(&[]);
    let keys = Value::Array(vec![Value::text("other")]);
    let mut properties = vec![0x20, 0x00];
    table(&[("CC", keys)]).encode(&mut properties);
    let message = Message::new(b"e", b"key-1", &properties, b"").unwrap();
    assert_eq!(found(&*ring, &message), found(&*ring, &with_key("key-1")));
    assert_ne!(found(&*ring, &message), found(&*ring, &with_key("other")));
}

#[test]
fn only_the_routing_key_is_known_beforehand() {
    assert!(eight(&[]).depends_on_keys_only());
    for argument in [("hash-header", Value::text("h")), ("hash-property", Value::text("timestamp"))] {
        assert!(!eight(&[argument]).depends_on_keys_only());
    }
}

#[test]
fn refusals_are_in_rabbitmqs_words() {
    for (arguments, reason) in [
        (vec![("hash-property", "nope")], "Unsupported property: nope"),
        (vec![("hash-property", "")], "Unsupported property: "),
        (
            vec![("hash-header", "h"), ("hash-property", "nope")],
            "hash-header and hash-property are mutually exclusive",
        ),
    ] {
        let arguments: Vec<_> = arguments.into_iter().map(|(key, text)| (key, Value::text(text))).collect();
        let refusal = Refusal::InvalidExchange { reason: reason.to_owned() };
        assert_eq!(check_exchange(&table(&arguments)), Err(refusal));
    }
    for (key, value) in [("hash-header", Value::I32(1)), ("hash-property", Value::Void)] {
        assert!(check_exchange(&table(&[(key, value)])).is_err());
    }
    for arguments in [vec![], vec![("hash-header", "")], vec![("hash-property", "timestamp")]] {
        let arguments: Vec<_> = arguments.into_iter().map(|(key, text)| (key, Value::text(text))).collect();
        assert_eq!(check_exchange(&table(&arguments)), Ok(()));
    }
    for (key, reason) in [
        ("0", "The binding key must be greater than 0"),
        ("-0", "The binding key must be greater than 0"),
        ("-99999999999999999999", "The binding key must be greater than 0"),
        ("10001", "The binding key must not exceed 10000"),
        ("99999999999999999999", "The binding key must not exceed 10000"),
        ("", "The binding key must be an integer: <<>>"),
        ("1.5", "The binding key must be an integer: <<\"1.5\">>"),
        (" 1", "The binding key must be an integer: <<\" 1\">>"),
        ("-", "The binding key must be an integer: <<\"-\">>"),
        ("ünï", "The binding key must be an integer: <<\"ünï\"/utf8>>"),
    ] {
        let refusal = Refusal::InvalidBinding { reason: reason.to_owned() };
        assert_eq!(check_binding(&binding(0, key, 0).0), Err(refusal), "{key}");
    }
    for key in ["1", "10000", "+5", "007"] {
        assert_eq!(check_binding(&binding(0, key, 0).0), Ok(()), "{key}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Weights are different, so that bindings of one queue are.
    Bind {
        to: u64,
        weight: u32,
    },
    Unbind {
        at: prop::sample::Index,
    },
    /// What a restart does: bindings come in another order, with the times of their making.
    Recover {
        shift: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u64, 1..9_u32).prop_map(|(to, weight)| Step::Bind { to, weight }),
        2 => any::<prop::sample::Index>().prop_map(|at| Step::Unbind { at }),
        1 => (0..9_usize).prop_map(|shift| Step::Recover { shift }),
    ]
}

/// The queue of each bucket: bindings in order, of several to one queue the first.
fn buckets(bound: &[(u64, u32, u64)]) -> Vec<u64> {
    let mut seen = Vec::new();
    let mut buckets = Vec::new();
    for (to, weight, _) in bound {
        if !seen.contains(to) {
            seen.push(*to);
            buckets.extend(std::iter::repeat_n(*to, *weight as usize));
        }
    }
    buckets
}

proptest! {
    #[test]
    fn a_ring_does_what_a_list_of_buckets_does(steps in prop::collection::vec(step(), 1..40)) {
        let mut ring = index(&Table::default());
        let mut bound: Vec<(u64, u32, u64)> = Vec::new();
        for (made_at, step) in (0_u64..).zip(steps) {
            match step {
                Step::Bind { to, weight } if bound.iter().all(|old| (old.0, old.1) != (to, weight)) => {
                    insert(&mut *ring, binding(to, &weight.to_string(), made_at));
                    bound.push((to, weight, made_at));
                }
                Step::Unbind { at } if !bound.is_empty() => {
                    let (to, weight, made_at) = bound.remove(at.index(bound.len()));
                    let (record, target) = binding(to, &weight.to_string(), made_at);
                    ring.remove(&record, &target);
                }
                Step::Recover { shift } => {
                    let mut shuffled = bound.clone();
                    shuffled.sort_by_key(|(to, weight, _)| (*to, *weight));
                    let turn = shift.checked_rem(shuffled.len()).unwrap_or(0);
                    shuffled.rotate_left(turn);
                    ring = index(&Table::default());
                    for (to, weight, made_at) in shuffled {
                        insert(&mut *ring, binding(to, &weight.to_string(), made_at));
                    }
                }
                Step::Bind { .. } | Step::Unbind { .. } => {}
            }
            let buckets = buckets(&bound);
            for key in ["", "a", "key-7", "key-8", "another"] {
                let number = portable_hash::of_bytes(key.as_bytes()).into();
                let at = jump::bucket(number, buckets.len() as u64);
                let expected = buckets.get(usize::try_from(at).unwrap()).copied();
                prop_assert_eq!(found(&*ring, &with_key(key)), expected);
            }
        }
    }
}

#[test]
fn messages_spread_by_weight() {
    let mut ring = index(&Table::default());
    for (to, weight) in [(1, "1"), (2, "2"), (3, "5")] {
        insert(&mut *ring, binding(to, weight, to));
    }
    let mut counts = [0_u32; 4];
    for key in 0..80_000 {
        let to = found(&*ring, &with_key(&format!("client.{key}"))).unwrap();
        counts[usize::try_from(to).unwrap()] += 1;
    }
    // Ten standard deviations.
    for (to, share) in [(1, 10_000), (2, 20_000), (3, 50_000)] {
        assert!(counts[to].abs_diff(share) < 1_300, "{counts:?}");
    }
}

#[test]
fn a_weight_that_is_none_weighs_nothing() {
    // Out of a log that another version wrote.
    let mut ring = index(&Table::default());
    insert(&mut *ring, binding(1, "heavy", 1));
    assert_eq!(found(&*ring, &with_key("key")), None);
}
