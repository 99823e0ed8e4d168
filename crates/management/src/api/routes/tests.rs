//! Nothing in the table hides anything else of it.

use std::collections::BTreeSet;

use super::{all, find};

/// A path that a route is there for.
fn example(path: &str) -> Vec<String> {
    path.split('/')
        .map(|part| if part.starts_with('{') { "any".to_owned() } else { part.to_owned() })
        .collect()
}

#[test]
fn every_path_is_found_as_itself() {
    for route in all() {
        let found = find(&example(route.path)).map(|found| found.path);
        assert_eq!(found, Some(route.path));
    }
    assert!(all().count() > 100);
}

#[test]
fn paths_are_neither_shorter_nor_longer() {
    for route in all() {
        let mut path = example(route.path);
        path.push(String::new());
        path.push("more".to_owned());
        assert!(find(&path).is_none_or(|found| found.path != route.path));
    }
    assert!(find(&[]).is_none());
    assert!(find(&[String::new()]).is_none());
}

#[test]
fn every_path_has_methods_each_of_them_once() {
    for route in all() {
        let methods: Vec<&str> = route.operations().map(|operation| operation.method).collect();
        let distinct: BTreeSet<&str> = methods.iter().copied().collect();
        assert!(!methods.is_empty() && distinct.len() == methods.len(), "{}: {methods:?}", route.path);
        assert!(route.allowed().ends_with("OPTIONS"));
    }
}
