//! Settling: deliveries that are done with, come back, or are rejected for good.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use model::Message;
use storage::{LogId, Staging};

use super::{
    ConsumerKey, Effects, Entry, Queue, State,
    fifo::{Ranges, Ticket},
    replica::Departure,
    returns::{self, Returns},
};
use crate::{
    counts::Consumed,
    dead_letter::{Letter, Reason},
    mailbox::Parcel,
    topology::{QueueId, QueueKind},
};

/// A settled delivery, as its session remembers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    /// None for a get.
    pub(crate) consumer: Option<ConsumerKey>,
    pub(crate) ticket: Ticket,
}

impl From<&Parcel> for Settled {
    fn from(parcel: &Parcel) -> Self {
        Self { consumer: None, ticket: parcel.ticket }
    }
}

/// Messages that storage need not keep, level by level, and the counts of their returns.
#[derive(Debug, Default)]
pub(crate) struct Forgotten {
    lowest: Ranges,
    higher: BTreeMap<u8, Ranges>,
    /// What they take in memory, those of whole ranges left out.
    bytes: u64,
}

impl Forgotten {
    pub(super) fn add(&mut self, ticket: &Ticket, returns: &mut Returns) {
        if let Some(at) = returns.forget(ticket) {
            self.level(returns::LEVEL).add(at);
        }
        if !ticket.place.is_stored() {
            return;
        }
        self.level(ticket.level).add(ticket.seq);
        self.bytes = self.bytes.saturating_add(ticket.bytes.into());
    }

    /// All messages of a level with these numbers.
    pub(super) fn add_ranges(&mut self, level: u8, ranges: Vec<RangeInclusive<u64>>, returns: &mut Returns) {
        for range in ranges {
            for at in returns.forget_range(level, &range) {
                self.level(returns::LEVEL).add(at);
            }
            self.level(level).add_range(range);
        }
    }

    pub(super) fn level(&mut self, level: u8) -> &mut Ranges {
        if level == 0 { &mut self.lowest } else { self.higher.entry(level).or_default() }
    }

    /// The entry of a quorum queue which says that these messages are gone.
    pub(super) fn entry(&self, how: Departure) -> Vec<u8> {
        how.encode(self.parts().filter(|(level, _)| *level != returns::LEVEL))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lowest.as_slice().is_empty() && self.higher.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds what another one has.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (level, ranges) in other.parts() {
            for range in ranges {
                self.level(level).add_range(range.clone());
            }
        }
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Tells storage, as part of a group.
    pub(super) fn stage(&self, queue: QueueId, staging: &mut Staging<'_>) {
        for (level, ranges) in self.parts() {
            staging.settle(LogId(queue.level(level)), ranges);
        }
    }

    /// What there is of each level.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u8, &[RangeInclusive<u64>])> {
        let higher = self.higher.iter().map(|(level, ranges)| (*level, ranges));
        let all = std::iter::once((0, &self.lowest)).chain(higher);
        all.map(|(level, ranges)| (level, ranges.as_slice())).filter(|(_, ranges)| !ranges.is_empty())
    }
}

impl Queue {
    /// Removes entries from a log.
    pub(super) fn forget(&self, log: LogId, ranges: &[RangeInclusive<u64>]) {
        if !ranges.is_empty() {
            self.engine.stage().settle(log, ranges);
        }
    }

    /// The log in which a message is.
    pub(super) fn log(&self, ticket: &Ticket) -> LogId {
        LogId(self.record.id.level(ticket.level))
    }

    /// Deliveries are accepted.
    pub(crate) fn accept(self: &Arc<Self>, settled: &[Settled], out: &mut Effects) {
        let mut state = self.state.lock();
        state.books.count_consumed(Consumed::of_acks(settled.len()));
        self.settle_in(&mut state, settled, out);
    }

    /// Deliveries are done with.
    fn settle(self: &Arc<Self>, settled: &[Settled], out: &mut Effects) {
        self.settle_in(&mut self.state.lock(), settled, out);
    }

    fn settle_in(self: &Arc<Self>, state: &mut State, settled: &[Settled], out: &mut Effects) {
        let mut forgotten = Forgotten::default();
        for delivery in settled {
            state.settle(delivery, &mut forgotten);
        }
        self.let_go(state, &forgotten, Departure::Settled);
        state.credit(settled.iter().map(|delivery| delivery.consumer));
        self.settle_down(state, out);
        self.account(state);
    }

    /// Deliveries are rejected for good: settled, and dead-lettered if there is a place for that.
    pub(crate) fn reject(
        self: &Arc<Self>,
        rejected: Vec<(Settled, Option<Arc<Message>>)>,
        reason: Reason,
        out: &mut Effects,
    ) {
        if self.is_stream() || self.state.lock().rules.dead_letter.is_none() {
            let settled: Vec<_> = rejected.into_iter().map(|(settled, _)| settled).collect();
            self.settle(&settled, out);
            return;
        }
        let fetched = rejected.into_iter().map(|(settled, message)| {
            let message = self.message_of(&settled.ticket, message);
            (settled, message)
        });
        let fetched: Vec<_> = fetched.collect();
        let mut forgotten = Forgotten::default();
        let mut state = self.state.lock();
        state.credit(fetched.iter().map(|(settled, _)| settled.consumer));
        for (settled, message) in fetched {
            state.levels.settle(&settled.ticket);
            // One that cannot be read stays in the log, for whoever repairs it.
            if let Some(message) = message {
                let parcel = Parcel { ticket: settled.ticket, redelivered: false, message };
                self.give_up(&mut state, parcel, reason, &mut forgotten, out);
            }
        }
        self.let_go(&mut state, &forgotten, Departure::GivenUp(reason));
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }

    /// The message of a delivery: the one at hand, or what storage has. None if that cannot be read.
    pub(crate) fn message_of(&self, ticket: &Ticket, at_hand: Option<Arc<Message>>) -> Option<Arc<Message>> {
        at_hand.or_else(|| self.fetch(ticket))
    }

    /// A message leaves the queue without having been consumed.
    pub(super) fn give_up(
        self: &Arc<Self>,
        state: &mut State,
        parcel: Parcel,
        reason: Reason,
        forgotten: &mut Forgotten,
        out: &mut Effects,
    ) {
        let Parcel { ticket, message, .. } = parcel;
        state.books.count_letter(state.rules.dead_letter.is_some(), reason);
        let Some(to) = state.rules.dead_letter.clone() else {
            forgotten.add(&ticket, &mut state.returns);
            return;
        };
        let mut left = Forgotten::default();
        left.add(&ticket, &mut state.returns);
        let letter = Letter { queue: Arc::clone(self), to, reason, left, message };
        self.send(state, letter, out);
    }

    /// Deliveries come back to their old places; those of a queue that is gone are gone.
    pub(crate) fn requeue(
        self: &Arc<Self>,
        mut returned: Vec<(Option<ConsumerKey>, Entry)>,
        out: &mut Effects,
    ) {
        if self.is_stream() {
            // RabbitMQ: nothing comes back to a stream, but its consumer has room again.
            let settled =
                |(consumer, entry): (Option<ConsumerKey>, Entry)| Settled { consumer, ticket: entry.ticket };
            self.settle(&returned.into_iter().map(settled).collect::<Vec<_>>(), out);
            return;
        }
        if self.record.kind == QueueKind::Quorum {
            self.give_up_spent(&mut returned, out);
        }
        let mut state = self.state.lock();
        if self.is_deleted() {
            return;
        }
        state.credit(returned.iter().map(|(consumer, _)| *consumer));
        if self.record.kind == QueueKind::Quorum {
            let log = LogId(self.record.id.level(returns::LEVEL));
            let mut staging = self.engine.stage();
            let State { returns, levels, .. } = &mut *state;
            for (_, entry) in &returned {
                returns.add(&entry.ticket, levels.next_in_row(), log, &mut staging);
            }
        }
        state.levels.requeue(returned.into_iter().map(|(_, entry)| entry).collect());
        // They have been delivered in time once: what is over by now is not delivered again.
        self.expire(&mut state, out.now_ms, out);
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }
}

impl Queue {
    /// Messages that come back once too often go for good.
    fn give_up_spent(self: &Arc<Self>, returned: &mut Vec<(Option<ConsumerKey>, Entry)>, out: &mut Effects) {
        let mut spent = Vec::new();
        {
            let state = self.state.lock();
            let Some(limit) = state.rules.delivery_limit else { return };
            for (consumer, entry) in
                returned.extract_if(.., |(_, entry)| state.returns.count(&entry.ticket) >= limit)
            {
                spent.push((Settled { consumer, ticket: entry.ticket }, entry.message));
            }
        }
        if !spent.is_empty() {
            self.reject(spent, Reason::DeliveryLimit, out);
        }
    }
}

impl State {
    /// A delivery is done with; what storage need not keep is added to `forgotten`.
    pub(super) fn settle(&mut self, delivery: &Settled, forgotten: &mut Forgotten) {
        // A stream keeps everything.
        if self.stream.is_none() {
            self.levels.settle(&delivery.ticket);
            forgotten.add(&delivery.ticket, &mut self.returns);
        }
    }

    /// Consumers have room again: one more for each time that their key comes.
    pub(super) fn credit(&mut self, keys: impl Iterator<Item = Option<ConsumerKey>>) {
        let mut run: Option<(ConsumerKey, u32)> = None;
        for key in keys.flatten() {
            match &mut run {
                Some((last, count)) if *last == key => *count = count.saturating_add(1),
                _ => {
                    if let Some((last, count)) = run.replace((key, 1)) {
                        self.credit_one(last, count);
                    }
                }
            }
        }
        if let Some((last, count)) = run {
            self.credit_one(last, count);
        }
    }

    fn credit_one(&mut self, key: ConsumerKey, deliveries: u32) {
        self.consumers.credit(key, deliveries);
        if let Some(stream) = &mut self.stream {
            stream.wake(key);
        }
    }
}
