//! A live queue: its order, its consumers and its log behind one short lock.
//!
//! Entered with a batch and run to completion by whichever task brings it. Under the lock only two leaves are taken:
//! the staging of the log (so that log order is queue order) and mailboxes. What must happen after unlock (waking
//! connections, reading the disk, deleting the queue) is collected in [`Effects`].

use std::{
    fmt,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use model::{Message, SessionId};
use storage::{Engine, Fault, LogId, Lsn, ReadLimit};

use crate::{
    flow::Memory,
    mailbox::{Delivery, Mailbox, Notice, Parcel, Pushed},
    topology::QueueRecord,
};

mod consumers;
mod fifo;
mod locked;

pub use consumers::ConsumerKey;
use consumers::Consumers;
pub(crate) use consumers::{Consumer, SessionLimit};
pub use fifo::{Amount, Place};
pub(crate) use fifo::{Entry, Ranges, Recovered};
use fifo::{Fifo, Head, Read};
use locked::{Lock, Locked};

/// Deliveries to one consumer before the lock of its mailbox is given up.
const RUN_DELIVERIES_MAX: usize = 256;
/// Bytes of one read of the log.
const READ_BYTES_MAX: u64 = 1024 * 1024;
/// Messages of one read of the log.
const READ_ENTRIES_MAX: usize = 4096;
/// A queue that is consumed reads ahead when fewer messages than this are at hand.
const READ_AHEAD_BELOW: usize = 2048;
/// Bytes of transient messages written to the spill file at once.
const SPILL_BYTES: u64 = 1024 * 1024;

/// What is to be done once no queue is locked.
#[derive(Default, Debug)]
pub(crate) struct Effects {
    /// Connections with new mail.
    pub(crate) rings: Vec<Arc<Mailbox>>,
    /// Queues whose log must be read.
    pub(crate) reads: Vec<Arc<Queue>>,
    /// Queues that ended with their last consumer.
    pub(crate) deletions: Vec<Arc<Queue>>,
    /// Deliveries on their way into a mailbox; empty between calls.
    run: Vec<Delivery>,
}

impl Effects {
    fn ring(&mut self, mailbox: &Arc<Mailbox>) {
        if !self.rings.last().is_some_and(|last| Arc::ptr_eq(last, mailbox)) {
            self.rings.push(Arc::clone(mailbox));
        }
    }
}

/// The answer to a get.
#[derive(Debug)]
pub(crate) enum Got {
    /// A message, and how many are left.
    Parcel(Parcel, u64),
    Nothing,
    /// The log must be read first: a [`Notice::Got`] follows.
    Later,
}

/// A settled delivery, as its session remembers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    /// None for a get.
    pub(crate) consumer: Option<ConsumerKey>,
    pub(crate) seq: u64,
    pub(crate) bytes: u64,
    pub(crate) place: Place,
}

impl From<&Parcel> for Settled {
    fn from(parcel: &Parcel) -> Self {
        Self { consumer: None, seq: parcel.seq, bytes: parcel.message.bytes() as u64, place: parcel.place }
    }
}

/// Why a consumer was not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unfit {
    /// There are others, or one that is alone.
    ExclusiveUse,
    /// The queue is gone.
    Deleted,
}

/// Why a queue was not deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kept {
    InUse,
    NotEmpty,
}

/// See the module's documentation.
pub struct Queue {
    record: Arc<QueueRecord>,
    log: LogId,
    engine: Arc<Engine>,
    memory: Arc<Memory>,
    is_deleted: AtomicBool,
    state: Lock<State>,
}

#[derive(Debug)]
struct State {
    fifo: Fifo,
    consumers: Consumers,
    gets: Vec<WaitingGet>,
    is_reading: bool,
    had_consumer: bool,
    /// What the node's memory account knows of this queue.
    accounted: u64,
}

#[derive(Debug)]
struct WaitingGet {
    mailbox: Arc<Mailbox>,
    session: SessionId,
    no_ack: bool,
}

impl Queue {
    pub(crate) fn new(
        record: Arc<QueueRecord>,
        engine: Arc<Engine>,
        memory: Arc<Memory>,
        recovered: Recovered,
    ) -> Self {
        let state = State {
            fifo: Fifo::new(recovered),
            consumers: Consumers::default(),
            gets: Vec::new(),
            is_reading: false,
            had_consumer: false,
            accounted: 0,
        };
        let log = LogId(record.id.0);
        Self { record, log, engine, memory, is_deleted: AtomicBool::new(false), state: Lock::new(state) }
    }

    /// What was declared.
    pub fn record(&self) -> &Arc<QueueRecord> {
        &self.record
    }

    /// Whether the queue is gone; a route that leads to it is stale.
    pub fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    /// Ready messages, unsettled messages, consumers.
    pub fn counts(&self) -> (Amount, Amount, u32) {
        let state = self.state.lock();
        let consumers = u32::try_from(state.consumers.len()).unwrap_or(u32::MAX);
        (state.fifo.ready(), state.fifo.unsettled(), consumers)
    }

    /// Every message that was ever delivered has a lower number than this.
    pub(crate) fn delivered_below(&self) -> u64 {
        self.state.lock().fifo.delivered_below()
    }

    /// Takes messages in. Returns when they are safe: once this position of the log is durable.
    pub(crate) fn publish(self: &Arc<Self>, messages: &mut Vec<Arc<Message>>, out: &mut Effects) -> Lsn {
        let mut state = self.state.lock();
        if self.is_deleted() {
            // RabbitMQ: what races with the deletion of its queue goes with the queue.
            messages.clear();
            return Lsn(0);
        }
        let lsn = self.stage_publishes(&state.fifo, messages);
        for message in messages.drain(..) {
            let is_logged = self.record.durable && message.is_persistent();
            state.fifo.enqueue(message, if is_logged { Place::Log(lsn) } else { Place::Memory });
        }
        self.settle_down(&mut state, out);
        self.make_room(state);
        lsn
    }

    fn stage_publishes(&self, fifo: &Fifo, messages: &[Arc<Message>]) -> Lsn {
        if !self.record.durable || !messages.iter().any(|message| message.is_persistent()) {
            return Lsn(0);
        }
        let mut staging = self.engine.stage();
        for (message, index) in messages.iter().zip(fifo.next_seq()..) {
            if message.is_persistent() {
                let (head, body) = (message.head(), message.body());
                staging.append(self.log, storage::Entry { index, expires_at_ms: 0, priority: 0, head, body });
            }
        }
        staging.lsn()
    }

    /// Lets messages leave memory beyond the queue's window, spilling those that are nowhere else.
    fn make_room<'a>(&'a self, mut state: Locked<'a, State>) {
        let window = self.memory.window();
        if state.fifo.resident() > window / 2 {
            let flushed = self.engine.flushed();
            state.fifo.evict(window, flushed);
            if state.fifo.needs_spill(window, flushed) {
                let entries = state.fifo.spillable(SPILL_BYTES);
                drop(state);
                state = self.spill(&entries);
                state.fifo.evict(window, flushed);
            }
        }
        self.account(&mut state);
    }

    fn spill(&self, entries: &[(u64, Arc<Message>)]) -> Locked<'_, State> {
        let records: Vec<_> = entries
            .iter()
            .map(|(index, message)| storage::Entry {
                index: *index,
                expires_at_ms: 0,
                priority: 0,
                head: message.head(),
                body: message.body(),
            })
            .collect();
        let outcome = self.engine.spill(self.log, &records);
        let mut state = self.state.lock();
        match outcome {
            Ok(()) => {
                let gone = state.fifo.spilled(entries);
                self.forget(&gone.into_iter().map(|seq| seq..=seq).collect::<Vec<_>>());
            }
            Err(fault) => {
                tracing::warn!(queue = %self.record.name, %fault, "cannot spill transient messages: they stay in memory")
            }
        }
        state
    }

    fn account(&self, state: &mut State) {
        let resident = state.fifo.resident();
        self.memory.change(state.accounted, resident);
        state.accounted = resident;
    }

    /// Removes entries from the log.
    fn forget(&self, ranges: &[RangeInclusive<u64>]) {
        if !ranges.is_empty() {
            self.engine.stage().settle(self.log, ranges);
        }
    }

    /// Delivers what can be delivered and asks for what must be read.
    fn settle_down(self: &Arc<Self>, state: &mut State, out: &mut Effects) {
        if state.consumers.is_anyone_free() {
            let mut settled = Ranges::default();
            while self.deliver_run(state, &mut settled, out) {}
            self.forget(settled.as_slice());
        }
        if !state.is_reading && self.wants_read(state) {
            state.is_reading = true;
            out.reads.push(Arc::clone(self));
        }
    }

    /// Whether somebody waits for what is on disk, or soon may.
    fn wants_read(&self, state: &State) -> bool {
        let State { fifo, consumers, gets, .. } = state;
        if fifo.next_on_disk().is_none() {
            return false;
        }
        let is_waited_for =
            matches!(fifo.head(), Head::OnDisk(_)) && (consumers.is_anyone_free() || !gets.is_empty());
        let has_room =
            fifo.messages_at_hand() < READ_AHEAD_BELOW && fifo.front_bytes() < self.memory.window() / 2;
        is_waited_for || (has_room && !consumers.is_empty())
    }

    /// Delivers to the consumer whose turn it is; false if nothing more can be delivered.
    fn deliver_run(self: &Arc<Self>, state: &mut State, settled: &mut Ranges, out: &mut Effects) -> bool {
        let State { fifo, consumers, .. } = state;
        if fifo.head() != Head::Ready {
            return false;
        }
        let Some((key, is_alone)) = consumers.turn() else { return false };
        let Some(consumer) = consumers.get_mut(key) else { return false };
        let run_max = if is_alone { RUN_DELIVERIES_MAX } else { 1 };
        let mut is_limited = false;
        while out.run.len() < run_max && fifo.head() == Head::Ready {
            if consumer.prefetch != 0 && !consumer.no_ack && consumer.unsettled >= consumer.prefetch {
                break;
            }
            if !consumer.charge() {
                is_limited = true;
                break;
            }
            let Some(parcel) = fifo.take() else { break };
            out.run.push(Delivery { session: consumer.session, slot: consumer.slot, parcel });
        }
        let mailbox = Arc::clone(&consumer.mailbox);
        if consumer.no_ack {
            for delivery in &out.run {
                fifo.settle(delivery.parcel.message.bytes() as u64);
                if delivery.parcel.place.is_stored() {
                    settled.add(delivery.parcel.seq);
                }
            }
        }
        match mailbox.push(&mut out.run, key, || Arc::clone(self)) {
            Pushed::Room => out.ring(&mailbox),
            Pushed::Full => {
                consumers.stall(key);
                out.ring(&mailbox);
            }
            Pushed::Gone => {
                // The connection is ending: its consumers are about to be removed. What is settled with the delivery
                // counts as sent; the rest goes back.
                if consumers.get_mut(key).is_some_and(|consumer| !consumer.no_ack) {
                    fifo.unsend(out.run.drain(..).map(|delivery| delivery.parcel));
                }
                out.run.clear();
                consumers.stall(key);
            }
        }
        consumers.end_turn(key, is_limited);
        true
    }

    /// Takes one message out of turn.
    pub(crate) fn get(
        self: &Arc<Self>,
        no_ack: bool,
        mailbox: &Arc<Mailbox>,
        session: SessionId,
        out: &mut Effects,
    ) -> Got {
        let mut state = self.state.lock();
        match state.fifo.head() {
            Head::Empty => Got::Nothing,
            Head::OnDisk(_) => {
                state.gets.push(WaitingGet { mailbox: Arc::clone(mailbox), session, no_ack });
                self.settle_down(&mut state, out);
                Got::Later
            }
            Head::Ready => match state.fifo.take() {
                Some(parcel) => {
                    if no_ack {
                        self.settle_one(&mut state.fifo, Settled::from(&parcel));
                    }
                    self.account(&mut state);
                    Got::Parcel(parcel, state.fifo.ready().messages)
                }
                None => Got::Nothing,
            },
        }
    }

    fn settle_one(&self, fifo: &mut Fifo, settled: Settled) {
        fifo.settle(settled.bytes);
        if settled.place.is_stored() {
            self.forget(&[settled.seq..=settled.seq]);
        }
    }

    /// Reads the log ahead. Blocks on the disk: for a reader thread.
    pub(crate) fn read(self: &Arc<Self>, out: &mut Effects) {
        let next = {
            let mut state = self.state.lock();
            let next = state.fifo.next_on_disk();
            state.is_reading = next.is_some();
            next
        };
        let read = next.map(|(from, cold_to)| self.read_from(from, cold_to));
        let mut state = self.state.lock();
        state.is_reading = false;
        match read.transpose() {
            // A purge was faster: whoever waits is told.
            Ok(None) => {}
            Ok(Some(read)) => {
                let missing = state.fifo.load(read);
                if missing > 0 {
                    tracing::error!(queue = %self.record.name, vhost = %self.record.vhost, missing, "messages are not in the log that should be");
                }
            }
            Err(fault) => {
                tracing::error!(queue = %self.record.name, vhost = %self.record.vhost, %fault, "cannot read the queue's log: the queue stands still");
                return;
            }
        }
        self.serve_gets(&mut state, out);
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }

    fn read_from(&self, from: u64, cold_to: u64) -> Result<Read, Fault> {
        let mut stored = Vec::new();
        let bytes = READ_BYTES_MAX.min(self.memory.window() / 2);
        let limit = ReadLimit { entries: READ_ENTRIES_MAX, bytes };
        self.engine.read(self.log, from, limit, &mut stored)?;
        let is_exhausted = stored.is_empty();
        let mut entries = Vec::with_capacity(stored.len());
        for record in stored {
            match Message::decode(record.payload) {
                Ok(message) => entries.push((record.index, Arc::new(message))),
                Err(error) => {
                    tracing::error!(queue = %self.record.name, index = record.index, %error, "an entry of the log is no message");
                }
            }
        }
        Ok(Read { from, cold_to, entries, is_exhausted })
    }

    fn serve_gets(self: &Arc<Self>, state: &mut State, out: &mut Effects) {
        for get in std::mem::take(&mut state.gets) {
            if matches!(state.fifo.head(), Head::OnDisk(_)) {
                state.gets.push(get);
                continue;
            }
            let parcel = state.fifo.take();
            let settled = parcel.as_ref().filter(|_| get.no_ack).map(Settled::from);
            let queue = Arc::clone(self);
            let left = state.fifo.ready().messages;
            let notice = Notice::Got { session: get.session, queue, parcel, left };
            match get.mailbox.notify(notice) {
                Ok(()) => {
                    if let Some(settled) = settled {
                        self.settle_one(&mut state.fifo, settled);
                    }
                    out.ring(&get.mailbox);
                }
                Err(Notice::Got { parcel: Some(parcel), .. }) => state.fifo.unsend([parcel].into_iter()),
                Err(_) => {}
            }
        }
    }

    /// Deliveries are settled.
    pub(crate) fn settle(self: &Arc<Self>, settled: &[Settled], out: &mut Effects) {
        let mut ranges = Ranges::default();
        let mut state = self.state.lock();
        for delivery in settled {
            state.fifo.settle(delivery.bytes);
            if delivery.place.is_stored() {
                ranges.add(delivery.seq);
            }
        }
        self.forget(ranges.as_slice());
        credit(&mut state.consumers, settled.iter().map(|delivery| delivery.consumer));
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }

    /// Deliveries come back to their old places; those of a queue that is gone are gone.
    pub(crate) fn requeue(self: &Arc<Self>, returned: Vec<(Option<ConsumerKey>, Entry)>, out: &mut Effects) {
        let mut state = self.state.lock();
        if self.is_deleted() {
            return;
        }
        credit(&mut state.consumers, returned.iter().map(|(consumer, _)| *consumer));
        state.fifo.requeue(returned.into_iter().map(|(_, entry)| entry).collect());
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }

    /// Admits a consumer.
    pub(crate) fn consume(
        self: &Arc<Self>,
        consumer: Consumer,
        exclusive: bool,
        out: &mut Effects,
    ) -> Result<ConsumerKey, Unfit> {
        let mut state = self.state.lock();
        if self.is_deleted() {
            return Err(Unfit::Deleted);
        }
        if state.consumers.has_exclusive() || (exclusive && !state.consumers.is_empty()) {
            return Err(Unfit::ExclusiveUse);
        }
        let key = state.consumers.add(consumer, exclusive);
        state.had_consumer = true;
        self.settle_down(&mut state, out);
        self.account(&mut state);
        Ok(key)
    }

    /// Dismisses a consumer. Its unsettled deliveries stay with its session.
    pub(crate) fn cancel(self: &Arc<Self>, consumer: ConsumerKey, out: &mut Effects) {
        let mut state = self.state.lock();
        if state.consumers.remove(consumer).is_none() {
            return;
        }
        if self.record.auto_delete && state.had_consumer && state.consumers.is_empty() {
            out.deletions.push(Arc::clone(self));
        }
        self.settle_down(&mut state, out);
    }

    /// The consumer's mailbox has room again.
    pub(crate) fn resume(self: &Arc<Self>, consumer: ConsumerKey, out: &mut Effects) {
        let mut state = self.state.lock();
        state.consumers.resume(consumer);
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }

    /// A session's limit has room again.
    pub(crate) fn resume_limited(self: &Arc<Self>, limit: &Arc<SessionLimit>, out: &mut Effects) {
        let mut state = self.state.lock();
        state.consumers.resume_limited(limit);
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }

    /// Removes the ready messages.
    pub(crate) fn purge(&self) -> Amount {
        let mut state = self.state.lock();
        let (amount, ranges) = state.fifo.purge();
        self.forget(&ranges);
        self.account(&mut state);
        amount
    }

    /// Marks the queue deleted, if the conditions hold; nothing goes in or out any more.
    pub(crate) fn delete(
        self: &Arc<Self>,
        if_unused: bool,
        if_empty: bool,
        out: &mut Effects,
    ) -> Result<Amount, Kept> {
        let mut state = self.state.lock();
        if if_unused && !state.consumers.is_empty() {
            return Err(Kept::InUse);
        }
        if if_empty && state.fifo.ready().messages > 0 {
            return Err(Kept::NotEmpty);
        }
        self.is_deleted.store(true, Ordering::Release);
        for consumer in state.consumers.drain() {
            let notice = Notice::ConsumerLost { session: consumer.session, slot: consumer.slot };
            if consumer.mailbox.notify(notice).is_ok() {
                out.ring(&consumer.mailbox);
            }
        }
        for get in std::mem::take(&mut state.gets) {
            let queue = Arc::clone(self);
            let _ = get.mailbox.notify(Notice::Got { session: get.session, queue, parcel: None, left: 0 });
            out.ring(&get.mailbox);
        }
        let (amount, _) = state.fifo.purge();
        self.account(&mut state);
        Ok(amount)
    }
}

fn credit(consumers: &mut Consumers, keys: impl Iterator<Item = Option<ConsumerKey>>) {
    let mut run: Option<(ConsumerKey, u32)> = None;
    for key in keys.flatten() {
        match &mut run {
            Some((last, count)) if *last == key => *count = count.saturating_add(1),
            _ => {
                if let Some((last, count)) = run.replace((key, 1)) {
                    consumers.credit(last, count);
                }
            }
        }
    }
    if let Some((last, count)) = run {
        consumers.credit(last, count);
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("name", &self.record.name).finish_non_exhaustive()
    }
}
