//! A session: what a channel is to the core. Its consumers, its unsettled deliveries, its unconfirmed publishes.
//!
//! Owned by the task of its connection; nothing here is shared but the [`SessionLimit`].
//!
//! Answers are *held* while an earlier one waits for the disk, so that they leave in the order of the commands.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use foldhash::fast::FixedState;
use model::{Name, Refusal, SessionEvent, SessionId};
use storage::Lsn;

use crate::{
    census::SessionSeat,
    counts::{SessionGauges, SessionView},
    mailbox::{DELIVERY_BYTES, MAILBOX_BYTES_MAX},
    queue::{ConsumerKey, Queue, SessionLimit},
};

pub(crate) mod confirms;
pub(crate) mod deliveries;
mod delivering;
pub(crate) mod timeouts;
pub(crate) mod transaction;
mod watched;

use confirms::Confirms;
use deliveries::{Deliveries, Unsettled};
use timeouts::Timeouts;
use transaction::Transaction;
use watched::Watched;

/// A consumer as its session sees it.
#[derive(Debug)]
pub(crate) struct SessionConsumer {
    pub(crate) tag: Name,
    pub(crate) queue: Arc<Queue>,
    /// None for the moment between its slot and its admission.
    pub(crate) key: Option<ConsumerKey>,
    pub(crate) no_ack: bool,
}

/// The consumer of direct replies.
#[derive(Debug)]
pub(crate) struct Replying {
    pub(crate) tag: Name,
    /// Where requests of this session ask their replies to be sent.
    pub(crate) address: Name,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// As long as it is there, the session counts.
    seat: SessionSeat,
    /// Refused something: commands are ignored until the session is closed.
    pub(crate) has_failed: bool,
    /// It has given everything back, and is told to be closed.
    pub(crate) has_let_go: bool,
    /// The queue that an empty name stands for.
    pub(crate) last_queue: Option<Name>,
    pub(crate) prefetch: u16,
    pub(crate) limit: Arc<SessionLimit>,
    pub(crate) deliveries: Deliveries,
    timeouts: Timeouts,
    pub(crate) watched: Watched,
    /// How long a delivery may stay unsettled whose queue does not say; None: for ever.
    timeout_ms: Option<u64>,
    pub(crate) confirms: Option<Confirms>,
    /// What waits for a commit, if the session wants it so.
    pub(crate) transaction: Option<Box<Transaction>>,
    pub(crate) replying: Option<Replying>,
    consumers: Vec<Option<SessionConsumer>>,
    /// Which of them comes first when the limit has room again.
    next_turn: usize,
    tags: HashMap<Name, u32, FixedState>,
    held: VecDeque<(Lsn, SessionEvent)>,
    /// Bytes of the deliveries among it.
    held_bytes: usize,
}

/// Where the world stands when something is delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// What of the log is durable.
    pub(crate) flushed: Lsn,
    /// The wall clock, in milliseconds since 1970.
    pub(crate) ms: u64,
    /// Whether deliveries tell it.
    pub(crate) is_told: bool,
}

/// How much a session has to say that waits for the disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Held {
    Nothing,
    Something,
    /// As much as a mailbox may hold.
    Full,
}

/// What a held event weighs.
fn message_bytes(event: &SessionEvent) -> usize {
    match event {
        SessionEvent::Delivered { message, .. } => message.bytes().saturating_add(DELIVERY_BYTES),
        _ => 0,
    }
}

impl Session {
    pub(crate) fn new(id: SessionId, seat: SessionSeat, timeout_ms: Option<u64>) -> Self {
        Self {
            id,
            seat,
            has_failed: false,
            has_let_go: false,
            last_queue: None,
            prefetch: 0,
            limit: Arc::default(),
            deliveries: Deliveries::default(),
            timeouts: Timeouts::default(),
            watched: Watched::default(),
            timeout_ms,
            confirms: None,
            transaction: None,
            replying: None,
            consumers: Vec::new(),
            next_turn: 0,
            tags: HashMap::default(),
            held: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// What others see of it.
    pub(crate) fn view(&self) -> &SessionView {
        self.seat.view()
    }

    /// Lets others see how it stands.
    pub(crate) fn show(&self) {
        let transaction = self.transaction.as_deref();
        let confirms = self.confirms.as_ref();
        self.view().show(SessionGauges {
            consumers: self.tags.len() as u64 + u64::from(self.replying.is_some()),
            unsettled: self.deliveries.count(),
            unconfirmed: confirms.map_or(0, Confirms::pending),
            uncommitted: transaction.map_or(0, |transaction| transaction.publishes.len() as u64),
            verdicts_uncommitted: transaction.map_or(0, |transaction| transaction.verdicts.len() as u64),
            prefetch: self.prefetch.into(),
            prefetch_shared: self.limit.limit().into(),
            confirms: confirms.is_some(),
            transactional: transaction.is_some(),
        });
    }

    /// Says `event` after `lsn` is durable and everything before it was said. Returns it if that is now.
    pub(crate) fn hold(&mut self, lsn: Lsn, flushed: Lsn, event: SessionEvent) -> Option<SessionEvent> {
        if self.held.is_empty() && lsn <= flushed {
            return Some(event);
        }
        self.held_bytes = self.held_bytes.saturating_add(message_bytes(&event));
        self.held.push_back((lsn.max(self.held_until()), event));
        None
    }

    /// What waits for the disk before it is said, and with it all that comes later.
    pub(crate) fn held(&self) -> Held {
        match self.held.len() {
            0 => Held::Nothing,
            _ if self.held_bytes < MAILBOX_BYTES_MAX => Held::Something,
            _ => Held::Full,
        }
    }

    /// The position of the log at which everything held can be said.
    fn held_until(&self) -> Lsn {
        self.held.back().map_or(Lsn(0), |(lsn, _)| *lsn)
    }

    /// All publishes so far are safe once `lsn` is durable. They are confirmed after what is held now: a message that
    /// comes back may be among it.
    pub(crate) fn confirm_at(&mut self, lsn: Lsn, now_ms: u64) {
        let lsn = lsn.max(self.held_until());
        if let Some(confirms) = &mut self.confirms {
            confirms.wait(lsn, now_ms);
        }
    }

    /// How many unsettled deliveries count against the session's limit.
    pub(crate) fn consumed(&self) -> u32 {
        let held = self.transaction.as_ref().map_or(0, |transaction| transaction.consumed());
        self.deliveries.consumed().saturating_add(held)
    }

    /// Forgets what waits for a commit: the deliveries are unsettled as before.
    pub(crate) fn roll_back(&mut self, now_ms: u64) {
        let Some(transaction) = &mut self.transaction else { return };
        for verdict in std::mem::take(&mut **transaction).verdicts {
            if let Some(timeout_ms) = self.timeout_of(&verdict.unsettled) {
                self.timeouts.cover(verdict.delivery, timeout_ms, now_ms);
            }
            self.deliveries.reopen(verdict.delivery, verdict.unsettled);
        }
    }

    fn timeout_of(&self, unsettled: &Unsettled) -> Option<u64> {
        unsettled.queue.consumer_timeout_ms().or(self.timeout_ms)
    }

    /// When a delivery may have been unsettled for too long.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.timeouts.due_ms()
    }

    /// The deliveries that are unsettled for too long, each with its timeout.
    pub(crate) fn overdue(&mut self, now_ms: u64) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        while let Some(run) = self.timeouts.pop_overdue(now_ms, self.deliveries.next()) {
            let mut longer = Vec::new();
            for (number, unsettled) in self.deliveries.open_among(run.numbers.clone()) {
                match self.timeout_of(unsettled) {
                    Some(timeout_ms) if timeout_ms > run.timeout_ms => longer.push((number, timeout_ms)),
                    Some(timeout_ms) => found.push((number, timeout_ms)),
                    None => {}
                }
            }
            for (number, timeout_ms) in longer {
                self.timeouts.postpone(&run, number, timeout_ms);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Numbers a delivery and remembers it until it is settled.
    fn open(&mut self, unsettled: Unsettled, now: Moment) -> u64 {
        let timeout_ms = self.timeout_of(&unsettled);
        let is_readable = unsettled.ticket.place.is_readable(now.flushed);
        let number = self.deliveries.open(unsettled, is_readable);
        self.watched.begin(number, now.ms);
        if let Some(timeout_ms) = timeout_ms {
            self.timeouts.note(number, self.deliveries.first_open(), timeout_ms, now.ms);
        }
        number
    }

    /// The next held event that may be said.
    pub(crate) fn release(&mut self, flushed: Lsn) -> Option<SessionEvent> {
        let (_, event) = self.held.pop_front_if(|(lsn, _)| *lsn <= flushed)?;
        self.held_bytes = self.held_bytes.saturating_sub(message_bytes(&event));
        Some(event)
    }

    /// The first position of the log that this session waits for.
    pub(crate) fn waits_for(&self) -> Option<Lsn> {
        let held = self.held.front().map(|(lsn, _)| *lsn);
        let confirm = self.confirms.as_ref().and_then(Confirms::waits_for);
        match (held, confirm) {
            (Some(held), Some(confirm)) => Some(held.min(confirm)),
            (held, confirm) => held.or(confirm),
        }
    }

    /// Whether there may be one more consumer, with this tag.
    pub(crate) fn check_new_consumer(&self, tag: &Name, consumers_max: u32) -> Result<(), Refusal> {
        if self.tags.contains_key(tag) {
            return Err(Refusal::ConsumerTagInUse { consumer: tag.clone() });
        }
        if self.tags.len() >= consumers_max as usize {
            return Err(Refusal::TooManyConsumers { consumers_max });
        }
        Ok(())
    }

    /// The queue of a consumer, and its key there.
    pub(crate) fn consumer_of(&self, tag: &str) -> Option<(Arc<Queue>, Option<ConsumerKey>)> {
        let consumer = self.consumers.get(*self.tags.get(tag)? as usize)?.as_ref()?;
        Some((Arc::clone(&consumer.queue), consumer.key))
    }

    /// Takes a consumer in and gives it a slot.
    pub(crate) fn add_consumer(&mut self, consumer: SessionConsumer) -> u32 {
        let free = self.consumers.iter().position(Option::is_none).unwrap_or(self.consumers.len());
        let slot = u32::try_from(free).unwrap_or(u32::MAX);
        self.tags.insert(consumer.tag.clone(), slot);
        if free == self.consumers.len() {
            self.consumers.push(None);
        }
        if let Some(place) = self.consumers.get_mut(free) {
            *place = Some(consumer);
        }
        slot
    }

    pub(crate) fn consumer_in(&self, slot: u32) -> Option<&SessionConsumer> {
        self.consumers.get(slot as usize)?.as_ref()
    }

    pub(crate) fn consumer_mut(&mut self, slot: u32) -> Option<&mut SessionConsumer> {
        self.place_mut(slot)?.as_mut()
    }

    fn place_mut(&mut self, slot: u32) -> Option<&mut Option<SessionConsumer>> {
        self.consumers.get_mut(slot as usize)
    }

    pub(crate) fn remove_consumer(&mut self, tag: &str) -> Option<SessionConsumer> {
        let slot = self.tags.remove(tag)?;
        self.consumers.get_mut(slot as usize)?.take()
    }

    pub(crate) fn remove_slot(&mut self, slot: u32) -> Option<SessionConsumer> {
        let consumer = self.place_mut(slot)?.take()?;
        self.tags.remove(&consumer.tag);
        Some(consumer)
    }

    pub(crate) fn consumers(&self) -> impl Iterator<Item = &SessionConsumer> {
        self.consumers.iter().flatten()
    }

    /// The consumers, each time from another one on: who comes first may take all the room that there is.
    pub(crate) fn consumers_in_turn(&mut self) -> impl Iterator<Item = &SessionConsumer> {
        let first = if self.next_turn < self.consumers.len() { self.next_turn } else { 0 };
        self.next_turn = first.saturating_add(1);
        let (later, sooner) = self.consumers.split_at(first);
        sooner.iter().chain(later).flatten()
    }

    pub(crate) fn drain_consumers(&mut self) -> Vec<SessionConsumer> {
        self.tags.clear();
        std::mem::take(&mut self.consumers).into_iter().flatten().collect()
    }
}
