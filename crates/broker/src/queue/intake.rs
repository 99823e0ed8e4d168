//! Taking messages in, and keeping memory within bounds while doing so.

use std::sync::Arc;

use model::Message;
use storage::{Lsn, Staging};

use super::{
    Amount, Books, Effects, Forgotten, Levels, Place, Queue, State, fifo::Ticket, locked::Locked, replica,
};
use crate::{
    argument::Overflow,
    dead_letter::{Letter, Reason},
    topology::QueueKind,
};

/// Bytes of transient messages written to the spill file at once.
const SPILL_BYTES: u64 = 1024 * 1024;

impl Queue {
    /// Takes messages in. Returns when they are safe: once this position of the log is durable. Those that the queue
    /// does not take are told by their places in `messages`; with nowhere to tell it takes all.
    pub(crate) fn publish(
        self: &Arc<Self>,
        messages: &mut Vec<Arc<Message>>,
        refused: Option<&mut Vec<usize>>,
        out: &mut Effects,
    ) -> Lsn {
        if self.is_stream() {
            return self.publish_to_stream(messages, out);
        }
        let mut state = self.state.lock();
        if self.is_deleted() {
            // RabbitMQ: what races with the deletion of its queue goes with the queue.
            messages.clear();
            return Lsn(0);
        }
        let lsn = if let Some(refused) = refused.filter(|_| state.rules.may_refuse()) {
            self.take_in_one_by_one(&mut state, messages, refused, out)
        } else {
            state.books.count_publishes(messages.len());
            let mut messages = messages.drain(..);
            let passed = self.pass(&mut state, &mut messages, out);
            let taken = self.take_in(&mut state, messages, out.now_ms);
            self.settle_down(&mut state, out);
            taken.max(passed)
        };
        if out.ahead.is_none() && state.is_ahead(out.now_ms) {
            out.ahead = Some(Arc::clone(self));
        }
        self.make_room(state);
        lsn
    }

    /// Whether there is room depends on what was delivered before: each message is looked at by itself.
    fn take_in_one_by_one(
        self: &Arc<Self>,
        state: &mut State,
        messages: &mut Vec<Arc<Message>>,
        refused: &mut Vec<usize>,
        out: &mut Effects,
    ) -> Lsn {
        let mut safe_at = Lsn(0);
        for (at, message) in messages.drain(..).enumerate() {
            if !state.has_room_for(Amount::of(&message)) {
                refused.push(at);
                if let (Overflow::RejectPublishDeadLetter, Some(to)) =
                    (state.rules.overflow, &state.rules.dead_letter)
                {
                    let (queue, to) = (Arc::clone(self), Arc::clone(to));
                    let letter =
                        Letter { queue, to, reason: Reason::MaxLength, left: Forgotten::default(), message };
                    self.send(state, letter, out);
                }
                continue;
            }
            state.books.count_publishes(1);
            safe_at = safe_at.max(self.take_in(state, std::iter::once(message), out.now_ms));
            self.settle_down(state, out);
        }
        safe_at
    }

    fn take_in(&self, state: &mut State, messages: impl Iterator<Item = Arc<Message>>, now_ms: u64) -> Lsn {
        let mut staging = None;
        for message in messages {
            self.append(state, &mut staging, message, now_ms);
        }
        staging.map_or(Lsn(0), |staging| staging.lsn())
    }

    /// Puts a message at the end, in memory and, if it is to survive, in the log.
    pub(super) fn append<'a>(
        &'a self,
        state: &mut State,
        staging: &mut Option<Staging<'a>>,
        message: Arc<Message>,
        now_ms: u64,
    ) {
        if state.stream.is_some() {
            let staging = staging.get_or_insert_with(|| self.engine.stage());
            self.append_to_stream(state, staging, message, now_ms);
            return;
        }
        let level = state.rules.level(&message);
        let expires_at_ms = state.rules.expires_at_ms(&message, now_ms);
        let State { levels, books, .. } = state;
        let place = self.stage(levels, books, staging, &message, (level, expires_at_ms));
        levels.enqueue(level, message, place, (now_ms, expires_at_ms));
    }

    /// Whether a message is to survive a restart.
    pub(super) fn keeps(&self, message: &Message) -> bool {
        self.record.durable && (message.is_persistent() || self.record.kind != QueueKind::Classic)
    }

    /// Hands the next message to the log, if it is to survive.
    pub(super) fn stage<'a>(
        &'a self,
        levels: &mut Levels,
        books: &mut Books,
        staging: &mut Option<Staging<'a>>,
        message: &Message,
        (level, expires_at_ms): (u8, u64),
    ) -> Place {
        if !self.keeps(message) {
            return Place::Memory;
        }
        let staging = staging.get_or_insert_with(|| self.engine.stage());
        let is_replicated = self.record.kind == QueueKind::Quorum;
        let entry_head = is_replicated.then(|| replica::enqueue_head(message));
        let (head, body) = (entry_head.as_deref().unwrap_or_else(|| message.head()), message.body());
        let index = levels.next_seq(level);
        let entry = storage::Entry { index, expires_at_ms, priority: level, head, body };
        staging.append(levels.log(level), entry);
        books.count_disk_write();
        Place::Log(staging.lsn())
    }

    /// Lets messages leave memory beyond the queue's window, spilling those that are nowhere else.
    pub(super) fn make_room<'a>(&'a self, mut state: Locked<'a, State>) {
        let window = self.memory.window();
        if state.levels.resident() > window / 2 {
            let flushed = self.engine.flushed();
            state.levels.evict(window, flushed);
            if state.levels.needs_spill(window, flushed).is_some() {
                drop(state);
                state = self.spill(window);
            }
        }
        self.account(&mut state);
    }

    /// Writes messages to the spill file. Who comes while another does it waits: what both had in hand would be taken for
    /// settled by the one that is done last, because it is not where it was.
    fn spill(&self, window: u64) -> Locked<'_, State> {
        let _turn = self.spilling.lock();
        let mut state = self.state.lock();
        let flushed = self.engine.flushed();
        state.levels.evict(window, flushed);
        let Some(level) = state.levels.needs_spill(window, flushed) else { return state };
        let entries = state.levels.spillable(level, SPILL_BYTES);
        drop(state);
        let mut state = self.write_spill(level, &entries);
        state.levels.evict(window, flushed);
        state
    }

    fn write_spill(&self, level: u8, entries: &[(Ticket, Arc<Message>)]) -> Locked<'_, State> {
        let log = storage::LogId(self.record.id.level(level));
        let records: Vec<_> = entries
            .iter()
            .map(|(ticket, message)| storage::Entry {
                index: ticket.seq,
                expires_at_ms: ticket.expires_at_ms,
                priority: level,
                head: message.head(),
                body: message.body(),
            })
            .collect();
        let outcome = self.engine.spill(log, &records);
        let mut state = self.state.lock();
        match outcome {
            Ok(()) => {
                let gone = state.levels.spilled(level, entries);
                self.forget(log, &gone.into_iter().map(|seq| seq..=seq).collect::<Vec<_>>());
            }
            Err(fault) => {
                tracing::warn!(queue = %self.record.name, %fault, "cannot spill transient messages: they stay in memory")
            }
        }
        state
    }
}
