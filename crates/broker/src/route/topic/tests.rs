//! The trie against a naive matcher, against what RabbitMQ answered, and against the clock.

use model::{Message, Name, Table, command::Destination};
use proptest::prelude::*;

use super::*;
use crate::{
    route::ExtraKeys,
    topology::{BindingRecord, QueueId},
};

fn binding(pattern: &str) -> BindingRecord {
    let name = |text| Name::parse(text).unwrap();
    BindingRecord::new(name("e"), Destination::Queue, name("q"), name(pattern), Table::default())
}

fn empty() -> Topic {
    Topic { nodes: vec![Node::default()], free: Vec::new() }
}

/// The queues that `key` finds, with repetitions, in ascending order.
fn found(trie: &Topic, words: &mut Words, key: &str) -> Vec<u64> {
    let message = Message::new(b"e", key.as_bytes(), &[0, 0], b"").unwrap();
    let extra = ExtraKeys::default();
    let mut matches = Matches::default();
    trie.collect(&Published::new(&message, &extra), words, &mut matches);
    let mut ids: Vec<u64> = matches.queues.iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids
}

/// The definition, word by word.
fn matches_naively(pattern: &[&str], key: &[&str]) -> bool {
    match pattern.split_first() {
        None => key.is_empty(),
        Some((&"#", rest)) => (0..=key.len()).any(|skipped| matches_naively(rest, &key[skipped..])),
        Some((&"*", rest)) => !key.is_empty() && matches_naively(rest, &key[1..]),
        Some((word, rest)) => key.first() == Some(word) && matches_naively(rest, &key[1..]),
    }
}

fn split(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

fn pattern() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "", "*", "#", "*a"]), 0..6)
        .prop_map(|words| words.join("."))
}

fn key() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "", "*", "#", "*a"]), 0..8)
        .prop_map(|words| words.join("."))
}

proptest! {
    #[test]
    fn finds_what_a_naive_matcher_finds_while_bindings_come_and_go(
        steps in prop::collection::vec((any::<bool>(), pattern(), 1..4_u64), 1..40),
        keys in prop::collection::vec(key(), 1..8),
    ) {
        let mut trie = empty();
        let mut words = Words::default();
        let mut bound: Vec<(String, u64)> = Vec::new();
        for (comes, pattern, id) in steps {
            let target = Target::Queue(QueueId(id));
            if comes {
                trie.insert(&binding(&pattern), target);
                bound.push((pattern, id));
            } else if let Some(at) = bound.iter().position(|known| *known == (pattern.clone(), id)) {
                trie.remove(&binding(&pattern), &target);
                bound.swap_remove(at);
            } else {
                // What was never bound can be removed without harm, unless a queue of the same pattern is.
                if !bound.iter().any(|(known, _)| *known == pattern) {
                    trie.remove(&binding(&pattern), &target);
                }
            }
            for key in &keys {
                let is_hit = |(pattern, _): &&(String, u64)| matches_naively(&split(pattern), &split(key));
                let mut expected: Vec<(&str, u64)> =
                    bound.iter().filter(is_hit).map(|(pattern, id)| (pattern.as_str(), *id)).collect();
                // A pattern and a queue together are one target of one node, however often they are bound.
                expected.sort_unstable();
                expected.dedup();
                let mut expected: Vec<u64> = expected.into_iter().map(|(_, id)| id).collect();
                expected.sort_unstable();
                prop_assert_eq!(found(&trie, &mut words, key), expected, "key {:?}", key);
            }
        }
        for (pattern, id) in bound {
            trie.remove(&binding(&pattern), &Target::Queue(QueueId(id)));
        }
        prop_assert!(trie.nodes[0].is_unused());
        prop_assert_eq!(trie.free.len() + 1, trie.nodes.len(), "every node but the root is free again");
    }
}

/// What RabbitMQ 4.0.5 answered: a key, and which of the patterns matched.
#[test]
fn matches_as_rabbitmq_does() {
    let patterns = [
        "", "*", "#", ".", "*.*", "#.#", "a.*", "a.#", "*.a", "#.a", "a.#.b", "a.b", "#.*", "*.#", "a..b",
        "**", "a*", "#a",
    ];
    let mut trie = empty();
    for (at, pattern) in patterns.iter().enumerate() {
        trie.insert(&binding(pattern), Target::Queue(QueueId(at as u64)));
    }
    let mut words = Words::default();
    for (key, expected) in [
        ("", vec!["", "#", "#.#"]),
        (".", vec!["#", ".", "*.*", "#.#", "#.*", "*.#"]),
        ("a", vec!["*", "#", "#.#", "a.#", "#.a", "#.*", "*.#"]),
        ("a.", vec!["#", "*.*", "#.#", "a.*", "a.#", "#.*", "*.#"]),
        (".a", vec!["#", "*.*", "#.#", "*.a", "#.a", "#.*", "*.#"]),
        ("a.b", vec!["#", "*.*", "#.#", "a.*", "a.#", "a.#.b", "a.b", "#.*", "*.#"]),
        ("a.x.b", vec!["#", "#.#", "a.#", "a.#.b", "#.*", "*.#"]),
        ("a..b", vec!["#", "#.#", "a.#", "a.#.b", "#.*", "*.#", "a..b"]),
        ("a.b.c", vec!["#", "#.#", "a.#", "#.*", "*.#"]),
        ("a.a", vec!["#", "*.*", "#.#", "a.*", "a.#", "*.a", "#.a", "#.*", "*.#"]),
        ("..", vec!["#", "#.#", "#.*", "*.#"]),
        ("**", vec!["*", "#", "#.#", "#.*", "*.#", "**"]),
        ("a*", vec!["*", "#", "#.#", "#.*", "*.#", "a*"]),
        ("#a", vec!["*", "#", "#.#", "#.*", "*.#", "#a"]),
        ("#", vec!["*", "#", "#.#", "#.*", "*.#"]),
        ("*", vec!["*", "#", "#.#", "#.*", "*.#"]),
    ] {
        let ids = found(&trie, &mut words, key);
        let hits: Vec<&str> = ids.iter().map(|id| patterns[usize::try_from(*id).unwrap()]).collect();
        assert_eq!(hits, expected, "key {key:?}");
    }
}

#[test]
fn many_hashes_do_not_explode() {
    let mut trie = empty();
    let patterns = ["#.a.#.a.#.a.#.a.#.a.#.a.#.b", &["#"; 100].join("."), &["a.#"; 60].join(".")];
    for (at, pattern) in patterns.iter().enumerate() {
        trie.insert(&binding(pattern), Target::Queue(QueueId(at as u64)));
    }
    // 128 words: with one branch per `#` and word, this would not end in the age of the universe.
    let key = ["a"; 128].join(".");
    assert_eq!(found(&trie, &mut Words::default(), &key), [1, 2]);
}

#[test]
fn a_pattern_bound_twice_leaves_with_the_second_unbind() {
    let mut trie = empty();
    let mut words = Words::default();
    let target = Target::Queue(QueueId(7));
    trie.insert(&binding("a.*"), target.clone());
    trie.insert(&binding("a.*"), target.clone());
    trie.remove(&binding("a.*"), &target);
    assert_eq!(found(&trie, &mut words, "a.b"), [7]);
    trie.remove(&binding("a.*"), &target);
    assert_eq!(found(&trie, &mut words, "a.b"), [0_u64; 0]);
}
