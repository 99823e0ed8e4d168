//! The topic exchange: patterns of words between dots, `*` for one word, `#` for any number of them.
//!
//! A trie with a node per word of a pattern. A publish walks it with a set of active nodes, one word at a time, so that
//! its cost depends on the nodes it reaches and not on the bindings that do not match, and cannot explode with several
//! `#` in a pattern: a node is active at most once.
//!
//! ```text
//! pattern  logs.*.error    root ─ logs ─ * ─ error
//!          logs.#               └ logs ─ #            (active from `logs` on, and then with every further word)
//! ```
//!
//! The empty key has no word at all: only the empty pattern and patterns of nothing but `#` match it. A word may be empty
//! (`a..b`), and `*` matches that.

use std::collections::{HashMap, HashSet};

use foldhash::quality::RandomState;

use super::{
    Published,
    kind::Index,
    target::{Matches, Target, Targets},
};
use crate::topology::BindingRecord;

const ROOT: u32 = 0;

/// Nodes by number; freed numbers are used again.
#[derive(Debug)]
struct Topic {
    nodes: Vec<Node>,
    free: Vec<u32>,
}

#[derive(Default, Debug)]
struct Node {
    /// Children by word. Never iterated.
    words: HashMap<Box<[u8]>, u32, RandomState>,
    /// The child for `*`.
    star: Option<u32>,
    /// The child for `#`.
    hash: Option<u32>,
    targets: Targets,
}

impl Node {
    fn is_unused(&self) -> bool {
        self.words.is_empty() && self.star.is_none() && self.hash.is_none() && self.targets.is_empty()
    }

    fn child(&self, word: &[u8]) -> Option<u32> {
        match word {
            b"*" => self.star,
            b"#" => self.hash,
            word => self.words.get(word).copied(),
        }
    }

    fn set_child(&mut self, word: &[u8], child: Option<u32>) {
        match (word, child) {
            (b"*", child) => self.star = child,
            (b"#", child) => self.hash = child,
            (word, Some(child)) => {
                self.words.insert(word.into(), child);
            }
            (word, None) => {
                self.words.remove(word);
            }
        }
    }
}

/// Buffers of a walk, kept between publishes.
#[derive(Default, Debug)]
pub(crate) struct Words {
    active: Vec<u32>,
    next: Vec<u32>,
    /// Active `#` nodes. They stay active to the end of the key, and are the only ones that could be reached twice.
    hashes: Vec<u32>,
    seen: HashSet<u32, RandomState>,
}

impl Words {
    fn clear(&mut self) {
        self.active.clear();
        self.next.clear();
        self.hashes.clear();
        if !self.seen.is_empty() {
            self.seen.clear();
        }
    }

    fn add_hash(&mut self, node: u32) -> bool {
        // A set only where a list would be slow to search.
        const LIST_MAX: usize = 8;
        let is_new = if self.hashes.len() <= LIST_MAX {
            !self.hashes.contains(&node)
        } else {
            if self.seen.is_empty() {
                self.seen.extend(self.hashes.iter().copied());
            }
            self.seen.insert(node)
        };
        if is_new {
            self.hashes.push(node);
        }
        is_new
    }
}

pub(super) fn index() -> Box<dyn Index> {
    Box::new(Topic { nodes: vec![Node::default()], free: Vec::new() })
}

/// The words of a key or pattern: none if it is empty.
fn words(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    (!key.is_empty()).then(|| key.split(|byte| *byte == b'.')).into_iter().flatten()
}

impl Topic {
    fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number as usize)
    }

    fn node_mut(&mut self, number: u32) -> Option<&mut Node> {
        self.nodes.get_mut(number as usize)
    }

    /// The node that a pattern ends in, made if need be.
    fn reach(&mut self, pattern: &[u8]) -> u32 {
        let mut at = ROOT;
        for word in words(pattern) {
            at = match self.node(at).and_then(|node| node.child(word)) {
                Some(child) => child,
                None => self.grow(at, word),
            };
        }
        at
    }

    fn grow(&mut self, parent: u32, word: &[u8]) -> u32 {
        let number = match self.free.pop() {
            // Nodes were emptied when they were freed.
            Some(number) => number,
            None => {
                self.nodes.push(Node::default());
                u32::try_from(self.nodes.len().saturating_sub(1)).unwrap_or(u32::MAX)
            }
        };
        if let Some(parent) = self.node_mut(parent) {
            parent.set_child(word, Some(number));
        }
        number
    }

    /// The nodes from the root to the end of a pattern; None if it is not here.
    fn path(&self, pattern: &[u8]) -> Option<Vec<u32>> {
        let mut path = vec![ROOT];
        let mut at = ROOT;
        for word in words(pattern) {
            at = self.node(at)?.child(word)?;
            path.push(at);
        }
        Some(path)
    }

    /// Frees the nodes of `path` that nothing needs any more, from the end up.
    fn prune(&mut self, pattern: &[u8], path: &[u32]) {
        let words: Vec<&[u8]> = words(pattern).collect();
        let steps = path.windows(2).zip(words);
        for (pair, word) in steps.rev() {
            let &[parent, child] = pair else { return };
            if !self.node(child).is_some_and(Node::is_unused) {
                return;
            }
            if let Some(place) = self.node_mut(child) {
                *place = Node::default();
            }
            self.free.push(child);
            if let Some(parent) = self.node_mut(parent) {
                parent.set_child(word, None);
            }
        }
    }

    /// Makes `number` active, and with it the chain of `#` behind it, each of which may stand for no word.
    fn activate(&self, number: u32, set: &mut Words) {
        set.next.push(number);
        let mut at = self.node(number).and_then(|node| node.hash);
        while let Some(hash) = at.filter(|hash| set.add_hash(*hash)) {
            at = self.node(hash).and_then(|node| node.hash);
        }
    }

    /// Makes active what follows `node` with `word`.
    fn follow(&self, number: u32, word: &[u8], set: &mut Words) {
        let Some(node) = self.node(number) else { return };
        if !node.words.is_empty()
            && let Some(child) = node.words.get(word)
        {
            self.activate(*child, set);
        }
        if let Some(star) = node.star {
            self.activate(star, set);
        }
    }

    fn walk(&self, key: &[u8], set: &mut Words, matches: &mut Matches) {
        set.clear();
        self.activate(ROOT, set);
        std::mem::swap(&mut set.active, &mut set.next);
        for word in words(key) {
            let before = set.hashes.len();
            for at in 0..set.active.len() {
                if let Some(number) = set.active.get(at).copied() {
                    self.follow(number, word, set);
                }
            }
            // Those that only became active with this word have not seen it.
            for at in 0..before {
                if let Some(number) = set.hashes.get(at).copied() {
                    self.follow(number, word, set);
                }
            }
            set.active.clear();
            std::mem::swap(&mut set.active, &mut set.next);
            if set.active.is_empty() && set.hashes.is_empty() {
                return;
            }
        }
        for number in set.active.iter().chain(&set.hashes) {
            if let Some(node) = self.node(*number) {
                matches.add(&node.targets);
            }
        }
    }
}

impl Index for Topic {
    fn insert(&mut self, binding: &BindingRecord, target: Target) {
        let number = self.reach(binding.routing_key.as_bytes());
        if let Some(node) = self.node_mut(number) {
            node.targets.insert(target);
        }
    }

    fn remove(&mut self, binding: &BindingRecord, target: &Target) {
        let pattern = binding.routing_key.as_bytes();
        let Some(path) = self.path(pattern) else { return };
        if let Some(node) = path.last().and_then(|last| self.node_mut(*last)) {
            node.targets.remove(target);
        }
        self.prune(pattern, &path);
    }

    fn collect(&self, published: &Published<'_>, words: &mut Words, matches: &mut Matches) {
        for key in published.keys() {
            self.walk(key, words, matches);
        }
    }
}

#[cfg(test)]
mod tests;
