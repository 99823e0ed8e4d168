//! How messages leave a quorum queue: by entries of its log, like everything that happens to it (decision 20).
//!
//! A batch of messages that are gone is one entry in the log of what is no message. In memory they are gone at once. Their own
//! records, and those of their returns, go with the next *snapshot*: what is live after it, with the number of the next entry,
//! is the queue, and the entries before it are not needed any more. What stands in the log since the last snapshot is
//! replayed when the node starts ([`replay`]).
//!
//! In other queues what is gone is removed from storage, and nothing is kept of it here.

use std::{collections::BTreeMap, sync::Arc};

use storage::{Engine, Fault, LogId, LogState, ReadLimit, Staging};

use super::{
    Forgotten, Queue, Recovered, State,
    replica::{Departure, Entry},
    returns::{self, Returns},
};
use crate::topology::QueueId;

/// Entries from one snapshot to the next.
const ENTRIES_MAX: usize = 64;
/// Bytes of messages that are gone and still stand in the log.
const BYTES_MAX: u64 = 1024 * 1024;
/// What is read of the log at once.
const READ: ReadLimit = ReadLimit { entries: 4096, bytes: 256 * 1024 };

/// What left a quorum queue since its last snapshot.
#[derive(Default, Debug)]
pub(super) struct Departures {
    entries: usize,
    /// What storage need not keep after the next snapshot: messages, their returns, and the entries themselves.
    gone: Forgotten,
}

impl Queue {
    /// Messages are gone.
    pub(super) fn let_go(&self, state: &mut State, forgotten: &Forgotten, how: Departure) {
        if !forgotten.is_empty() {
            self.stage_departure(state, forgotten, how, &mut self.engine.stage());
        }
    }

    /// The same, as part of a group.
    pub(super) fn stage_departure(
        &self,
        state: &mut State,
        forgotten: &Forgotten,
        how: Departure,
        staging: &mut Staging<'_>,
    ) {
        let State { levels, departures, .. } = state;
        let Some(departures) = departures else {
            forgotten.stage(self.record.id, staging);
            return;
        };
        // The logs of a queue that is deleted are dropped, or have been.
        if forgotten.is_empty() || self.is_deleted() {
            return;
        }
        let index = levels.next_in_row();
        let head = forgotten.entry(how);
        let log = LogId(self.record.id.level(returns::LEVEL));
        let entry = storage::Entry { index, expires_at_ms: 0, priority: 0, head: &head, body: &[] };
        staging.append_unhurried(log, entry);
        departures.add(index, forgotten);
        if departures.are_many() || how == Departure::Purged {
            std::mem::take(&mut **departures).gone.stage(self.record.id, staging);
        }
    }

    /// From now on the log has only what is in the queue: for whoever is about to read it.
    pub(super) fn take_snapshot(&self, state: &mut State) {
        if let Some(departures) = state.departures.as_mut().filter(|departures| departures.entries > 0) {
            std::mem::take(&mut **departures).gone.stage(self.record.id, &mut self.engine.stage());
        }
    }
}

impl Departures {
    fn add(&mut self, index: u64, forgotten: &Forgotten) {
        self.entries = self.entries.saturating_add(1);
        self.gone.absorb(forgotten);
        self.gone.level(returns::LEVEL).add(index);
    }

    fn are_many(&self) -> bool {
        self.entries >= ENTRIES_MAX || self.gone.bytes() >= BYTES_MAX
    }
}

/// Replays what happened since the last snapshot of a queue, and takes the next one: `recovered` is then what is in the queue.
/// Returns how often that came back. Waits for the disk.
pub(super) fn replay(
    engine: &Arc<Engine>,
    id: QueueId,
    recovered: &mut BTreeMap<u8, Recovered>,
) -> Result<Returns, Fault> {
    let log = LogId(id.level(returns::LEVEL));
    let (mut returns, mut departures) = (Returns::default(), Departures::default());
    let mut from = 0;
    loop {
        let mut stored = Vec::new();
        engine.read(log, from, READ, &mut stored)?;
        let Some(last) = stored.last() else { break };
        from = last.index.saturating_add(1);
        for record in &stored {
            match Entry::decode(&record.payload) {
                Some(Entry::Return(back)) => returns.replay(back, record.index),
                Some(Entry::Departure(_, parts)) => {
                    let mut forgotten = Forgotten::default();
                    for (level, ranges) in parts {
                        forgotten.add_ranges(level, ranges, &mut returns);
                    }
                    departures.add(record.index, &forgotten);
                }
                None => tracing::error!(?log, index = record.index, "an entry of the log is unknown"),
            }
        }
    }
    if departures.entries > 0 {
        departures.gone.stage(id, &mut engine.stage());
        for (level, recovered) in recovered {
            let LogState { first, next, entries: messages, bytes } = engine.state(LogId(id.level(*level)));
            *recovered = Recovered { first, next, messages, bytes, ..*recovered };
        }
    }
    Ok(returns)
}
