//! Descriptions that describe what they should; running them needs a broker.

use std::collections::BTreeSet;

use super::*;
use crate::scenario::{Scenario, traffic};

/// Whether two queues or two keys of a description are the same, which it must not have.
fn has_twins(flow: &Flow) -> bool {
    let queues: BTreeSet<_> = flow.queues.iter().collect();
    let keys: BTreeSet<_> = flow.keys.iter().collect();
    queues.len() != flow.queues.len() || keys.len() != flow.keys.len()
}

fn flow(scenario: Scenario) -> Flow {
    traffic::flow(scenario, None).unwrap()
}

/// What a topic pattern of the two kinds that the bench binds matches, word by word.
fn matches(pattern: &str, key: &str) -> bool {
    let (pattern, key): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), key.split('.').collect());
    match pattern.as_slice() {
        [first, "*"] => matches!(key.as_slice(), [word, _] if word == first),
        ["*", second, "#"] => matches!(key.as_slice(), [_, word, ..] if word == second),
        _ => panic!("{pattern:?}"),
    }
}

#[test]
fn every_key_of_the_topic_scenarios_matches_exactly_one_binding() {
    let flow = flow(Scenario::F1k);
    assert_eq!(flow.bindings.len(), 1_000);
    assert_eq!(flow.keys.len(), 1_000);
    assert!(!has_twins(&flow));
    for key in &flow.keys {
        assert_eq!(flow.bindings.iter().filter(|(_, pattern)| matches(pattern, key)).count(), 1, "{key}");
    }
    // Neighbours differ in the kind of pattern that they match.
    assert!(flow.keys.windows(2).any(|pair| pair[0].starts_with('k') != pair[1].starts_with('k')));
}

#[test]
fn the_direct_case_differs_from_the_topic_case_in_the_matching_alone() {
    let (direct, topic) = (flow(Scenario::Direct), flow(Scenario::F10k));
    assert_eq!(direct.keys, topic.keys);
    assert_eq!(direct.bindings.len(), topic.bindings.len());
    assert_eq!((direct.body_bytes, direct.pace), (topic.body_bytes, topic.pace));
}

#[test]
fn a_window_fits_on_the_tape() {
    let flow = flow(Scenario::B);
    let Pace::Allowance(allowance) = flow.pace else { panic!("confirms") };
    let tape = flow.tape(allowance).unwrap();
    assert!(tape.messages() >= 1_000);
}

#[test]
fn every_scenario_of_traffic_has_queues_and_keys_that_are_its_own() {
    let mut count = 0;
    for scenario in Scenario::ALL {
        let Some(flow) = traffic::flow(*scenario, None) else { continue };
        count += 1;
        assert!(!flow.queues.is_empty() && !flow.keys.is_empty(), "{scenario:?}");
        assert!(!has_twins(&flow), "{scenario:?}");
    }
    assert!(count >= 14, "{count}");
}
