//! Where a binding leads, and counted sets of it.
//!
//! The same pattern may be bound to the same destination several times (the arguments of a binding are part of what it
//! is), so a target is counted and leaves with its last binding.

use model::Name;

use crate::topology::QueueId;

/// What one binding leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// A queue.
    Queue(QueueId),
    /// Another exchange of the same vhost.
    Exchange(Name),
}

/// A counted set of targets. Invariant: both lists ascend, and no count is 0.
#[derive(Default, Debug)]
pub(crate) struct Targets {
    queues: Vec<(QueueId, u32)>,
    exchanges: Vec<(Name, u32)>,
}

impl Targets {
    /// Counts `target` once more.
    pub(crate) fn insert(&mut self, target: Target) {
        match target {
            Target::Queue(id) => count(&mut self.queues, id),
            Target::Exchange(name) => count(&mut self.exchanges, name),
        }
    }

    /// Counts `target` once less.
    pub(crate) fn remove(&mut self, target: &Target) {
        match target {
            Target::Queue(id) => discount(&mut self.queues, id),
            Target::Exchange(name) => discount(&mut self.exchanges, name),
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.exchanges.is_empty()
    }
}

fn count<T: Ord>(list: &mut Vec<(T, u32)>, item: T) {
    match list.binary_search_by(|(other, _)| other.cmp(&item)) {
        Ok(at) => {
            if let Some((_, count)) = list.get_mut(at) {
                *count = count.saturating_add(1);
            }
        }
        Err(at) => list.insert(at, (item, 1)),
    }
}

fn discount<T: Ord>(list: &mut Vec<(T, u32)>, item: &T) {
    let Ok(at) = list.binary_search_by(|(other, _)| other.cmp(item)) else { return };
    if let Some((_, count)) = list.get_mut(at) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            list.remove(at);
        }
    }
}

/// What a publish has matched so far, with repetitions.
#[derive(Default, Debug)]
pub(crate) struct Matches {
    pub(super) queues: Vec<QueueId>,
    pub(super) exchanges: Vec<Name>,
}

impl Matches {
    /// Adds all of `targets`.
    pub(crate) fn add(&mut self, targets: &Targets) {
        self.queues.extend(targets.queues.iter().map(|(id, _)| *id));
        self.exchanges.extend(targets.exchanges.iter().map(|(name, _)| name.clone()));
    }

    /// Adds one target.
    pub(crate) fn add_one(&mut self, target: &Target) {
        match target {
            Target::Queue(id) => self.queues.push(*id),
            Target::Exchange(name) => self.exchanges.push(name.clone()),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.queues.len().saturating_add(self.exchanges.len())
    }
}
