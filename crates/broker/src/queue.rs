//! A live queue: its order, its consumers and its log behind one short lock.
//!
//! Entered with a batch and run to completion by whichever task brings it. Under the lock only leaves are taken:
//! the staging of the log (so that log order is queue order), mailboxes, the list of what has changed (`books`). What must happen after unlock (waking
//! connections, reading the disk, moving dead letters, deleting the queue) is collected in [`Effects`].
//!
//! Here is what a queue is and how it begins and ends; what it does is below: taking in (`intake`), delivering
//! (`delivery`), settling (`settling`), reading back (`cold`), what its rules make it do (`limits`). A stream is a queue
//! whose messages are in `stream` instead of `levels`; where the two part ways the methods here ask for it first.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use model::SessionId;
use parking_lot::Mutex;
use storage::{Engine, LogId, Lsn};

use crate::{
    counts::Ledger,
    dead_letter::DeadLetterTo,
    flow::Memory,
    mailbox::{Delivery, Mailbox, Notice},
    topology::{QueueKind, QueueRecord},
};

mod books;
mod capacity;
mod cold;
mod consumers;
mod delivery;
mod departures;
mod fifo;
mod intake;
mod levels;
mod limits;
mod locked;
mod outbox;
mod pacing;
mod passing;
mod peek;
mod replica;
mod returns;
mod rules;
mod settling;
mod stream;
mod transfer;
mod waiting;

use books::Books;
use capacity::Capacity;
use consumers::Consumers;
pub(crate) use consumers::{Consumer, SessionLimit};
pub use consumers::{ConsumerKey, ConsumerRecord};
pub(crate) use delivery::Got;
use departures::Departures;
pub use fifo::{Amount, Place};
pub(crate) use fifo::{Entry, Recovered, Ticket};
use levels::Levels;
use locked::Lock;
use outbox::Outbox;
use pacing::Pacing;
pub use peek::{Peek, Peeked, Spot};
use replica::Departure;
pub(crate) use returns::DELIVERY_COUNT;
use returns::Returns;
pub use rules::Rules;
pub(crate) use settling::{Forgotten, Settled};
use stream::Stream;
pub(crate) use stream::seek;
pub(crate) use transfer::{Arrival, Refused, Transfer};
pub use waiting::{Cancelled, Page, Waiting};

const NO_TIMEOUT: u64 = u64::MAX;

/// What is to be done once no queue is locked.
#[derive(Default, Debug)]
pub(crate) struct Effects {
    /// Not an effect but the time at which they come about: the wall clock, in milliseconds since 1970.
    pub(crate) now_ms: u64,
    /// Connections with new mail.
    pub(crate) rings: Vec<Arc<Mailbox>>,
    /// Queues whose log must be read.
    pub(crate) reads: Vec<Arc<Queue>>,
    /// Queues that want to be looked at when the log is durable up to a position.
    pub(crate) awaited: Vec<(Lsn, Arc<Queue>)>,
    /// Queues that want to be woken at a time.
    pub(crate) timers: Vec<(u64, Arc<Queue>)>,
    /// Queues that have given messages up.
    pub(crate) posts: Vec<Arc<Queue>>,
    /// Queues that have come to their end.
    pub(crate) deletions: Vec<Arc<Queue>>,
    /// A queue that is ahead of its consumers, for whoever has published to it.
    pub(crate) ahead: Option<Arc<Queue>>,
    /// Deliveries on their way into a mailbox; empty between calls.
    run: Vec<Delivery>,
}

impl Effects {
    pub(crate) fn at(now_ms: u64) -> Self {
        Self { now_ms, ..Self::default() }
    }

    fn ring(&mut self, mailbox: &Arc<Mailbox>) {
        if !self.rings.last().is_some_and(|last| Arc::ptr_eq(last, mailbox)) {
            self.rings.push(Arc::clone(mailbox));
        }
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
    engine: Arc<Engine>,
    memory: Arc<Memory>,
    is_deleted: AtomicBool,
    may_refuse: AtomicBool,
    /// Milliseconds; [`NO_TIMEOUT`] if neither arguments nor policies say.
    consumer_timeout_ms: AtomicU64,
    state: Lock<State>,
    /// Held by whoever spills, without the lock of the state while the disk is written.
    spilling: Mutex<()>,
}

#[derive(Debug)]
struct State {
    levels: Levels,
    /// For a stream, whose messages are there and not in `levels`.
    stream: Option<Box<Stream>>,
    consumers: Consumers,
    rules: Rules,
    gets: Vec<WaitingGet>,
    returns: Returns,
    /// Of a quorum queue.
    departures: Option<Box<Departures>>,
    /// The log is to be read from here on, to find out when its messages expire; until then none of those does.
    unlisted_from: Option<u64>,
    outbox: Outbox,
    is_reading: bool,
    had_consumer: bool,
    /// What the node's memory account knows of this queue.
    accounted: u64,
    books: Books,
    /// None without consumers.
    capacity: Option<Box<Capacity>>,
    /// None while nobody has to pause.
    pacing: Option<Box<Pacing>>,
    /// When it will be woken.
    armed_ms: Option<u64>,
    /// When it was last used, for its expiry.
    used_ms: u64,
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
        rules: Rules,
        engine: Arc<Engine>,
        (memory, ledger): (Arc<Memory>, Arc<Ledger>),
        mut recovered: BTreeMap<u8, Recovered>,
    ) -> Self {
        let stream = (record.kind == QueueKind::Stream).then(|| {
            let recovered = recovered.remove(&0).unwrap_or_default();
            Box::new(Stream::new(Arc::clone(&engine), LogId(record.id.0), &recovered))
        });
        let is_replicated = record.kind == QueueKind::Quorum;
        let entries = recovered.remove(&returns::LEVEL).filter(|_| is_replicated);
        let returns = entries.map_or_else(Returns::default, |_| {
            departures::replay(&engine, record.id, &mut recovered).unwrap_or_else(|fault| {
                tracing::error!(queue = %record.name, vhost = %record.vhost, %fault, "what happened to messages cannot be read: some may come back, and counts of returns begin anew");
                Returns::default()
            })
        });
        let entries_next = entries.map_or(0, |entries| entries.next);
        let may_refuse = AtomicBool::new(rules.may_refuse());
        let consumer_timeout_ms = AtomicU64::new(rules.consumer_timeout_ms.unwrap_or(NO_TIMEOUT));
        let is_listed = record.kind != QueueKind::Delay || recovered.is_empty();
        let state = State {
            levels: Levels::new(record.id, record.kind, recovered, entries_next),
            stream,
            consumers: Consumers::new(record.arguments.single_active_consumer, record.kind),
            rules,
            gets: Vec::new(),
            returns,
            departures: is_replicated.then(Box::default),
            unlisted_from: (!is_listed).then_some(0),
            outbox: Outbox::default(),
            is_reading: false,
            had_consumer: false,
            accounted: 0,
            books: Books::new(&record, ledger),
            capacity: None,
            pacing: None,
            armed_ms: None,
            used_ms: 0,
        };
        let queue = Self {
            record,
            engine,
            memory,
            is_deleted: AtomicBool::new(false),
            may_refuse,
            consumer_timeout_ms,
            state: Lock::new(state),
            spilling: Mutex::new(()),
        };
        // What was recovered is carried in.
        drop(queue.state.lock());
        queue
    }

    /// What was declared.
    pub fn record(&self) -> &Arc<QueueRecord> {
        &self.record
    }

    /// Whether it is a stream: nothing is taken from it.
    pub(crate) fn is_stream(&self) -> bool {
        self.record.kind == QueueKind::Stream
    }

    /// Whether the queue is gone; a route that leads to it is stale.
    pub fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    /// Whether it may refuse a publish, now.
    pub(crate) fn may_refuse(&self) -> bool {
        self.may_refuse.load(Ordering::Acquire)
    }

    /// How long its deliveries may stay unsettled, if it says so.
    pub(crate) fn consumer_timeout_ms(&self) -> Option<u64> {
        let timeout_ms = self.consumer_timeout_ms.load(Ordering::Relaxed);
        (timeout_ms != NO_TIMEOUT).then_some(timeout_ms)
    }

    /// Ready messages, unsettled messages, consumers.
    pub fn counts(&self) -> (Amount, Amount, u32) {
        let state = self.state.lock();
        let consumers = u32::try_from(state.consumers.len()).unwrap_or(u32::MAX);
        let ready = state.stream.as_ref().map_or_else(|| state.levels.ready(), |stream| stream.amount());
        (ready, state.levels.unsettled(), consumers)
    }

    /// Its consumers, the oldest first.
    pub fn consumers(&self) -> Vec<ConsumerRecord> {
        self.state.lock().consumers.records()
    }

    /// Bytes of ready messages in memory.
    pub fn resident_bytes(&self) -> u64 {
        self.state.lock().levels.resident()
    }

    /// When the oldest of its ready messages came in, in milliseconds of the wall clock, or a little earlier; 0 if that was
    /// before the node started. None without ready messages, and for a stream.
    pub fn oldest_ms(&self) -> Option<u64> {
        self.state.lock().levels.oldest_ms()
    }

    /// What it lives by now.
    pub fn rules(&self) -> Rules {
        self.state.lock().rules.clone()
    }

    /// Where it sends what it gives up.
    pub(crate) fn dead_letter_to(&self) -> Option<Arc<DeadLetterTo>> {
        self.state.lock().rules.dead_letter.clone()
    }

    /// For each log of the queue: every message that was ever delivered has a lower number than this.
    pub(crate) fn delivered_below(&self) -> Vec<(LogId, u64)> {
        self.state.lock().levels.delivered_below().collect()
    }

    /// The logs in which the queue has messages.
    pub(crate) fn logs(&self) -> Vec<LogId> {
        let counts = (self.record.kind == QueueKind::Quorum).then(|| self.record.id.level(returns::LEVEL));
        self.state.lock().levels.logs().chain(counts.map(LogId)).collect()
    }

    fn account(&self, state: &mut State) {
        let resident =
            state.stream.as_ref().map_or_else(|| state.levels.resident(), |stream| stream.resident());
        self.memory.change(state.accounted, resident);
        state.accounted = resident;
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
        if state.consumers.refuses(exclusive) {
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
        if let Some(stream) = &mut state.stream {
            stream.detach(consumer);
        }
        if self.record.auto_delete && state.had_consumer && state.consumers.is_empty() {
            out.deletions.push(Arc::clone(self));
        }
        state.used_ms = out.now_ms;
        self.settle_down(&mut state, out);
    }

    /// The consumer's mailbox has room again.
    pub(crate) fn resume(self: &Arc<Self>, consumer: ConsumerKey, out: &mut Effects) {
        let mut state = self.state.lock();
        state.consumers.resume(consumer);
        if let Some(stream) = &mut state.stream {
            stream.wake(consumer);
        }
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
        let State { levels, returns, .. } = &mut *state;
        let mut forgotten = Forgotten::default();
        let amount = levels.purge(|level, ranges| forgotten.add_ranges(level, ranges, returns));
        self.let_go(&mut state, &forgotten, Departure::Purged);
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
        if if_empty && state.levels.ready().messages > 0 {
            return Err(Kept::NotEmpty);
        }
        self.is_deleted.store(true, Ordering::Release);
        if let Some(stream) = &mut state.stream {
            stream.detach_all();
        }
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
        let amount = state.levels.purge(|_, _| {});
        state.let_go_on(out);
        self.account(&mut state);
        state.books.close();
        Ok(amount)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("name", &self.record.name).finish_non_exhaustive()
    }
}
