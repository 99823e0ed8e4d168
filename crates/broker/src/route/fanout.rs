//! The fanout exchange: every binding matches.

use super::{
    Published, Words,
    kind::Index,
    target::{Matches, Target, Targets},
};
use crate::topology::BindingRecord;

#[derive(Default, Debug)]
struct Fanout {
    targets: Targets,
}

pub(super) fn index() -> Box<dyn Index> {
    Box::<Fanout>::default()
}

impl Index for Fanout {
    fn insert(&mut self, _: &BindingRecord, target: Target) {
        self.targets.insert(target);
    }

    fn remove(&mut self, _: &BindingRecord, target: &Target) {
        self.targets.remove(target);
    }

    fn collect(&self, _: &Published<'_>, _: &mut Words, matches: &mut Matches) {
        matches.add(&self.targets);
    }
}
