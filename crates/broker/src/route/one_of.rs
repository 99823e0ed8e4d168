//! Exchanges that lead a message to one of their bindings, whatever its key: `x-random`, `x-local-random` and
//! `x-modulus-hash`.
//!
//! A destination that is bound several times is chosen as many times as often. On one node every classic queue is local.

use std::sync::atomic::{AtomicU64, Ordering};

use model::{Name, Refusal, command::Destination};

use super::{
    Published, Words,
    kind::Index,
    portable_hash,
    target::{Matches, Target},
    term,
};
use crate::topology::{BindingRecord, ExchangeRecord, QueueKind};

#[derive(Debug)]
struct OneOf {
    choice: Choice,
    /// In order, so that the hash of a message finds the same one after a restart.
    bindings: Vec<(Order, Target)>,
}

#[derive(Debug)]
enum Choice {
    /// The number of draws so far, from a start of the exchange's own.
    Random(AtomicU64),
    /// By the hash of all routing keys.
    Keys,
}

/// RabbitMQ 4.0.5's order of bindings: key, then exchanges before queues, then name.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Order {
    routing_key: Name,
    is_queue: bool,
    destination: Name,
    identity: Box<[u8]>,
}

impl Order {
    fn of(binding: &BindingRecord) -> Self {
        Self {
            routing_key: binding.routing_key.clone(),
            is_queue: binding.destination_kind == Destination::Queue,
            destination: binding.destination.clone(),
            identity: binding.identity().into(),
        }
    }
}

pub(super) fn random_index(record: &ExchangeRecord) -> Box<dyn Index> {
    let start = scattered(record.meta.index);
    Box::new(OneOf { choice: Choice::Random(AtomicU64::new(start)), bindings: Vec::new() })
}

pub(super) fn modulus_index() -> Box<dyn Index> {
    Box::new(OneOf { choice: Choice::Keys, bindings: Vec::new() })
}

pub(super) const LOCAL: &str = "x-local-random";

/// Refuses what `x-local-random` cannot lead to.
pub(super) fn check_local_binding(binding: &BindingRecord, queue: Option<QueueKind>) -> Result<(), Refusal> {
    let key = binding.routing_key.as_bytes();
    let reason = match queue {
        _ if !key.is_empty() => {
            let key: String = term::latin1(key).collect();
            format!("Non empty binding '{key}' key not permitted")
        }
        Some(QueueKind::Classic) => return Ok(()),
        Some(kind) => format!("Queue type {} not valid for this exchange type", kind.module()),
        None => "Destination not found".to_owned(),
    };
    Err(Refusal::InvalidBinding { reason })
}

/// Neighbouring numbers, far apart (the finish of `SplitMix64`).
fn scattered(number: u64) -> u64 {
    let mut number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Choice {
    /// A number below `count`.
    fn of(&self, published: &Published<'_>, count: usize) -> Option<usize> {
        let count = u64::try_from(count).ok()?;
        let chosen = match self {
            Self::Random(draws) => {
                let drawn = u128::from(scattered(draws.fetch_add(1, Ordering::Relaxed)));
                u64::try_from((drawn.checked_mul(count.into())?) >> 64).ok()?
            }
            Self::Keys => u64::from(portable_hash::of_list(published.keys())).checked_rem(count)?,
        };
        usize::try_from(chosen).ok()
    }
}

impl Index for OneOf {
    fn insert(&mut self, binding: &BindingRecord, target: Target) {
        let order = Order::of(binding);
        let at = self.bindings.partition_point(|(other, _)| *other < order);
        self.bindings.insert(at, (order, target));
    }

    fn remove(&mut self, binding: &BindingRecord, _: &Target) {
        let order = Order::of(binding);
        if let Ok(at) = self.bindings.binary_search_by(|(other, _)| other.cmp(&order)) {
            self.bindings.remove(at);
        }
    }

    fn collect(&self, published: &Published<'_>, _: &mut Words, matches: &mut Matches) {
        let chosen = self.choice.of(published, self.bindings.len());
        if let Some((_, target)) = chosen.and_then(|at| self.bindings.get(at)) {
            matches.add_one(target);
        }
    }

    fn depends_on_keys_only(&self) -> bool {
        matches!(self.choice, Choice::Keys)
    }
}

#[cfg(test)]
mod tests;
