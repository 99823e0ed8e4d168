//! The direct exchange: a binding matches the routing key that equals its own.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use super::{
    Published, Words,
    kind::Index,
    target::{Matches, Target, Targets},
};
use crate::topology::BindingRecord;

/// Targets by binding key. Never iterated.
#[derive(Default, Debug)]
struct Direct {
    keys: HashMap<Box<[u8]>, Targets, RandomState>,
}

pub(super) fn index() -> Box<dyn Index> {
    Box::<Direct>::default()
}

impl Index for Direct {
    fn insert(&mut self, binding: &BindingRecord, target: Target) {
        self.keys.entry(binding.routing_key.as_bytes().into()).or_default().insert(target);
    }

    fn remove(&mut self, binding: &BindingRecord, target: &Target) {
        let key = binding.routing_key.as_bytes();
        if let Some(targets) = self.keys.get_mut(key) {
            targets.remove(target);
            if targets.is_empty() {
                self.keys.remove(key);
            }
        }
    }

    fn collect(&self, published: &Published<'_>, _: &mut Words, matches: &mut Matches) {
        for key in published.keys() {
            if let Some(targets) = self.keys.get(key) {
                matches.add(targets);
            }
        }
    }
}
