//! The consumers of a queue and whose turn it is.
//!
//! Strict round robin, one message each, among the consumers of the highest priority that have capacity. A consumer
//! without capacity (prefetch reached, mailbox full, session limit reached) is not in the ring and costs nothing; it
//! comes back when it has capacity again. Those that wait for room in their session's limit come back in the order in
//! which they were refused it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use model::{Name, SessionId};

use crate::{
    mailbox::Mailbox,
    topology::{ConnectionId, QueueKind},
};

mod turns;

pub(super) use turns::{Address, RUN_DELIVERIES_MAX, Supply};

/// A consumer within its queue; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConsumerKey(u64);

/// The limit of unsettled deliveries that a whole session shares (`basic.qos` with `global`).
#[derive(Debug, Default)]
pub(crate) struct SessionLimit {
    /// 0: no limit.
    limit: AtomicU32,
    used: AtomicU32,
}

impl SessionLimit {
    /// Sets the limit (0: none) while `used` deliveries are unsettled.
    pub(crate) fn set(&self, limit: u32, used: u32) {
        self.used.store(used, Ordering::Release);
        self.limit.store(limit, Ordering::Release);
    }

    /// The limit; 0: none.
    pub(crate) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Acquire)
    }

    /// Whether deliveries are counted.
    pub(crate) fn is_set(&self) -> bool {
        self.limit.load(Ordering::Acquire) != 0
    }

    /// Whether one more delivery is allowed.
    pub(crate) fn has_room(&self) -> bool {
        let limit = self.limit.load(Ordering::Acquire);
        limit == 0 || self.used.load(Ordering::Acquire) < limit
    }

    /// One more delivery; false if the limit is reached.
    fn acquire(&self) -> bool {
        let limit = self.limit.load(Ordering::Acquire);
        limit == 0
            || self
                .used
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                    (used < limit).then(|| used.saturating_add(1))
                })
                .is_ok()
    }

    /// `deliveries` fewer.
    pub(crate) fn release(&self, deliveries: u32) {
        let _ = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| Some(used.saturating_sub(deliveries)));
    }
}

/// A consumer as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerRecord {
    /// Its tag.
    pub tag: Name,
    /// Its connection.
    pub connection: ConnectionId,
    /// Its session in that connection.
    pub session: SessionId,
    /// What it gets is settled as it is sent.
    pub no_ack: bool,
    /// Unsettled deliveries that it may have; 0 for no limit.
    pub prefetch: u32,
    /// Those of a higher priority come first.
    pub priority: i64,
    /// There is no other beside it.
    pub is_exclusive: bool,
    /// Nobody else has to go first.
    pub is_active: bool,
    /// Its deliveries that are not settled.
    pub unsettled: u32,
}

/// A consumer as its queue sees it.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) mailbox: Arc<Mailbox>,
    /// Whose it is, for operators.
    pub(crate) connection: ConnectionId,
    pub(crate) tag: Name,
    pub(crate) session: SessionId,
    /// Its place in its session.
    pub(crate) slot: u32,
    pub(crate) no_ack: bool,
    /// 0: no limit.
    pub(crate) prefetch: u32,
    pub(crate) priority: i64,
    pub(crate) limit: Arc<SessionLimit>,
    pub(crate) unsettled: u32,
    is_in_ring: bool,
    /// Its mailbox is full.
    is_stalled: bool,
    /// Its session had no room for a delivery.
    is_limited: bool,
}

impl Consumer {
    pub(crate) fn new(
        mailbox: Arc<Mailbox>,
        (connection, session, tag): (ConnectionId, SessionId, Name),
        slot: u32,
        limit: Arc<SessionLimit>,
    ) -> Self {
        Self {
            mailbox,
            connection,
            tag,
            session,
            slot,
            no_ack: false,
            prefetch: 0,
            priority: 0,
            limit,
            unsettled: 0,
            is_in_ring: false,
            is_stalled: false,
            is_limited: false,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.is_stalled
            && !self.is_limited
            && (self.no_ack || self.prefetch == 0 || self.unsettled < self.prefetch)
    }

    /// Counts one delivery against the limits; false if one of them is reached.
    pub(crate) fn charge(&mut self) -> bool {
        // RabbitMQ: what is settled with its delivery waits for room as well, and takes none.
        if self.no_ack {
            return self.limit.has_room();
        }
        if !self.limit.acquire() {
            return false;
        }
        self.unsettled = self.unsettled.saturating_add(1);
        true
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    all: BTreeMap<ConsumerKey, Consumer>,
    rings: BTreeMap<Reverse<i64>, VecDeque<ConsumerKey>>,
    /// Those that wait for room in their session, in the order in which they were refused it.
    limited: VecDeque<ConsumerKey>,
    /// How many have a full mailbox.
    stalled: usize,
    next_key: u64,
    /// The one that is alone, if it asked for that.
    exclusive: Option<ConsumerKey>,
    /// Only one at a time is delivered to.
    is_single: bool,
    /// Which one that is.
    active: Option<ConsumerKey>,
    /// It makes way for one of a higher priority, once it has settled what it has: RabbitMQ 4, quorum queues.
    makes_way: bool,
}

impl Consumers {
    pub(crate) fn new(is_single: bool, kind: QueueKind) -> Self {
        Self { is_single, makes_way: is_single && kind == QueueKind::Quorum, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// As operators see them, the oldest first.
    pub(crate) fn records(&self) -> Vec<ConsumerRecord> {
        let record = |(key, consumer): (&ConsumerKey, &Consumer)| ConsumerRecord {
            tag: consumer.tag.clone(),
            connection: consumer.connection,
            session: consumer.session,
            no_ack: consumer.no_ack,
            prefetch: consumer.prefetch,
            priority: consumer.priority,
            is_exclusive: self.exclusive == Some(*key),
            is_active: !self.is_single || self.active == Some(*key),
            unsettled: consumer.unsettled,
        };
        self.all.iter().map(record).collect()
    }

    /// Whether one more cannot be admitted.
    pub(crate) fn refuses(&self, exclusive: bool) -> bool {
        self.exclusive.is_some() || (exclusive && (self.is_single || !self.is_empty()))
    }

    /// Whether somebody could be delivered to.
    pub(crate) fn is_anyone_free(&self) -> bool {
        !self.rings.is_empty()
    }

    /// Whether somebody has a full mailbox.
    pub(crate) fn is_anyone_stalled(&self) -> bool {
        self.stalled > 0
    }

    pub(crate) fn add(&mut self, consumer: Consumer, exclusive: bool) -> ConsumerKey {
        self.next_key = self.next_key.saturating_add(1);
        let key = ConsumerKey(self.next_key);
        if exclusive {
            self.exclusive = Some(key);
        }
        self.all.insert(key, consumer);
        if self.is_single {
            self.active.get_or_insert(key);
        }
        self.make_way();
        self.enter_ring(key);
        key
    }

    pub(crate) fn remove(&mut self, key: ConsumerKey) -> Option<Consumer> {
        let consumer = self.all.remove(&key)?;
        self.stalled -= usize::from(consumer.is_stalled);
        if consumer.is_in_ring {
            self.leave_ring(Reverse(consumer.priority), key);
        }
        if consumer.is_limited {
            self.limited.retain(|other| *other != key);
        }
        if self.exclusive == Some(key) {
            self.exclusive = None;
        }
        if self.active == Some(key) {
            self.active = self.successor();
            if let Some(next) = self.active {
                self.enter_ring(next);
            }
        }
        Some(consumer)
    }

    /// The one of the highest priority that has waited longest.
    fn successor(&self) -> Option<ConsumerKey> {
        let best = self.all.iter().min_by_key(|(key, consumer)| (Reverse(consumer.priority), **key));
        best.map(|(key, _)| *key)
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Consumer> {
        self.rings.clear();
        self.limited.clear();
        self.stalled = 0;
        self.exclusive = None;
        self.active = None;
        std::mem::take(&mut self.all).into_values()
    }

    /// Whose turn it is, and whether nobody else of the same priority waits for a turn.
    fn turn(&self) -> Option<(ConsumerKey, bool)> {
        let (_, ring) = self.rings.first_key_value()?;
        Some((*ring.front()?, ring.len() == 1))
    }

    pub(crate) fn get_mut(&mut self, key: ConsumerKey) -> Option<&mut Consumer> {
        self.all.get_mut(&key)
    }

    /// The turn of `key`, which stands first in its ring, is over.
    fn end_turn(&mut self, key: ConsumerKey, is_limited: bool) {
        let Some(consumer) = self.all.get_mut(&key) else { return };
        let priority = Reverse(consumer.priority);
        if is_limited {
            consumer.is_limited = true;
            self.limited.push_back(key);
        }
        let stays = consumer.has_room();
        consumer.is_in_ring = stays;
        let Some(ring) = self.rings.get_mut(&priority) else { return };
        ring.pop_front();
        if stays {
            ring.push_back(key);
        } else if ring.is_empty() {
            self.rings.remove(&priority);
        }
    }

    /// The consumer's mailbox is full: no turn until [`Consumers::resume`].
    pub(crate) fn stall(&mut self, key: ConsumerKey) {
        let Some(consumer) = self.all.get_mut(&key) else { return };
        self.stalled += usize::from(!consumer.is_stalled);
        consumer.is_stalled = true;
        if std::mem::take(&mut consumer.is_in_ring) {
            let priority = Reverse(consumer.priority);
            self.leave_ring(priority, key);
        }
    }

    /// The consumer's mailbox was emptied.
    pub(crate) fn resume(&mut self, key: ConsumerKey) {
        if let Some(consumer) = self.all.get_mut(&key) {
            self.stalled -= usize::from(consumer.is_stalled);
            consumer.is_stalled = false;
        }
        self.enter_ring(key);
    }

    /// The limit has room again.
    pub(crate) fn resume_limited(&mut self, limit: &Arc<SessionLimit>) {
        for _ in 0..self.limited.len() {
            let Some(key) = self.limited.pop_front() else { break };
            match self.all.get_mut(&key) {
                Some(consumer) if Arc::ptr_eq(&consumer.limit, limit) => {
                    consumer.is_limited = false;
                    self.enter_ring(key);
                }
                _ => self.limited.push_back(key),
            }
        }
    }

    /// `deliveries` of the consumer were settled.
    pub(crate) fn credit(&mut self, key: ConsumerKey, deliveries: u32) {
        if let Some(consumer) = self.all.get_mut(&key) {
            consumer.unsettled = consumer.unsettled.saturating_sub(deliveries);
        }
        self.make_way();
        self.enter_ring(key);
    }

    /// The active consumer gets nothing more if one of a higher priority waits, and is succeeded when it has nothing left.
    fn make_way(&mut self) {
        let Some(active) = self.active.filter(|key| self.is_to_make_way(*key)) else { return };
        let Some(consumer) = self.all.get_mut(&active) else { return };
        let (priority, unsettled) = (consumer.priority, consumer.unsettled);
        if std::mem::take(&mut consumer.is_in_ring) {
            self.leave_ring(Reverse(priority), active);
        }
        if unsettled == 0 {
            self.active = self.successor();
            if let Some(next) = self.active {
                self.enter_ring(next);
            }
        }
    }

    fn is_to_make_way(&self, key: ConsumerKey) -> bool {
        let own = self.all.get(&key).map(|consumer| consumer.priority);
        self.makes_way && self.all.values().any(|other| Some(other.priority) > own)
    }

    fn enter_ring(&mut self, key: ConsumerKey) {
        if self.is_single && (self.active != Some(key) || self.is_to_make_way(key)) {
            return;
        }
        if let Some(consumer) = self.all.get_mut(&key)
            && !consumer.is_in_ring
            && consumer.has_room()
        {
            consumer.is_in_ring = true;
            self.rings.entry(Reverse(consumer.priority)).or_default().push_back(key);
        }
    }

    fn leave_ring(&mut self, priority: Reverse<i64>, key: ConsumerKey) {
        if let Some(ring) = self.rings.get_mut(&priority) {
            // Mostly it has a turn or has just had one; there may be thousands in between.
            if ring.pop_front_if(|first| *first == key).is_none()
                && ring.pop_back_if(|last| *last == key).is_none()
            {
                ring.retain(|other| *other != key);
            }
            if ring.is_empty() {
                self.rings.remove(&priority);
            }
        }
    }
}
