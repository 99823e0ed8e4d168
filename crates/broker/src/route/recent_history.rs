//! The exchange `x-recent-history`: a fanout that keeps the last messages, for whatever is bound to it later.
//!
//! They are kept in memory and do not survive a restart, as in RabbitMQ. Here they only wait; that a new binding gets them
//! is `broker::history`.

use std::collections::VecDeque;

use model::{Message, Refusal, Table, Value};
use parking_lot::Mutex;

use super::{
    Published, Words,
    kind::Index,
    target::{Matches, Target, Targets},
    term,
};
use crate::topology::BindingRecord;

const LENGTH: &str = "x-recent-history-length";
const NO_STORE: &str = "x-recent-history-no-store";
/// How many messages are kept if the exchange does not say.
const LENGTH_DEFAULT: usize = 20;
/// Bytes of messages that one exchange keeps; the oldest go first, and a larger one is not kept.
const BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Debug)]
struct RecentHistory {
    targets: Targets,
    length_max: usize,
    /// A leaf among locks: nothing else is taken under it.
    recent: Mutex<Recent>,
}

/// The last messages, the oldest first. Invariant: `bytes` is their sum, and at most [`BYTES_MAX`].
#[derive(Default, Debug)]
struct Recent {
    messages: VecDeque<Message>,
    bytes: usize,
}

pub(super) fn index(arguments: &Table) -> Box<dyn Index> {
    let length = arguments.get(LENGTH).and_then(Value::as_integer);
    let length_max = length.map_or(LENGTH_DEFAULT, |length| usize::try_from(length).unwrap_or(1));
    Box::new(RecentHistory { targets: Targets::default(), length_max, recent: Mutex::default() })
}

/// Refuses a length that is none.
pub(super) fn check_exchange(arguments: &Table) -> Result<(), Refusal> {
    match arguments.get(LENGTH) {
        None => Ok(()),
        Some(length) if length.as_integer().is_some_and(|length| length > 0) => Ok(()),
        Some(other) => {
            let value = term::value(other);
            let reason = format!("Invalid argument {value}, '{LENGTH}' must be a positive integer");
            Err(Refusal::InvalidExchange { reason })
        }
    }
}

impl Recent {
    fn keep(&mut self, message: &Message, length_max: usize) {
        if message.bytes() > BYTES_MAX {
            return;
        }
        self.bytes = self.bytes.saturating_add(message.bytes());
        self.messages.push_back(message.clone());
        while self.messages.len() > length_max || self.bytes > BYTES_MAX {
            let Some(oldest) = self.messages.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
        }
    }
}

impl Index for RecentHistory {
    fn insert(&mut self, _: &BindingRecord, target: Target) {
        self.targets.insert(target);
    }

    fn remove(&mut self, _: &BindingRecord, target: &Target) {
        self.targets.remove(target);
    }

    fn collect(&self, published: &Published<'_>, _: &mut Words, matches: &mut Matches) {
        matches.add(&self.targets);
        if published.headers().get(NO_STORE) != Some(&Value::Bool(true)) {
            self.recent.lock().keep(published.message, self.length_max);
        }
    }

    /// Nor must it be skipped: every message is seen.
    fn depends_on_keys_only(&self) -> bool {
        false
    }

    fn history(&self) -> Vec<Message> {
        self.recent.lock().messages.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
