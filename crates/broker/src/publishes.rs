//! The publishes of one read, grouped by queue, so that each queue is locked once for its batch.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::FixedState;
use model::{Message, SessionId};
use storage::Lsn;

use crate::{
    counts,
    queue::{Effects, Queue},
    replies::ReplyConsumer,
    topology::QueueKind,
};

/// Queues found by looking through the batches; beyond, by a map.
const LINEAR_MAX: usize = 8;
/// Batches whose buffers are kept for the next read.
const KEPT_MAX: usize = 4;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Publishes {
    batches: Vec<Batch>,
    by_queue: HashMap<u64, usize, FixedState>,
    /// Direct replies.
    replies: Vec<(Arc<ReplyConsumer>, Arc<Message>)>,
    /// Sessions with publishes to confirm.
    pub(crate) confirming: Vec<SessionId>,
}

/// Whom a message reaches.
#[derive(Debug)]
pub(crate) struct Destinations {
    pub(crate) queues: Arc<[Arc<Queue>]>,
    /// Sessions that wait for it as a direct reply.
    pub(crate) replies: Vec<Arc<ReplyConsumer>>,
    /// The exchange that it was published to, for as long as it is on its way.
    pub(crate) origin: Option<counts::Origin>,
}

impl Destinations {
    pub(crate) fn is_nobody(&self) -> bool {
        self.queues.is_empty() && self.replies.is_empty()
    }

    /// The queues in which it waits, and the rest; None if it waits nowhere.
    pub(crate) fn split_off_delays(&self) -> Option<(Self, Self)> {
        let is_delay = |queue: &&Arc<Queue>| queue.record().kind == QueueKind::Delay;
        if !self.queues.iter().any(|queue| is_delay(&queue)) {
            return None;
        }
        let (delays, others): (Vec<_>, Vec<_>) = self.queues.iter().partition(is_delay);
        let of = |queues: Vec<&Arc<Queue>>| queues.into_iter().cloned().collect();
        let waits = Self { queues: of(delays), replies: Vec::new(), origin: None };
        Some((waits, Self { queues: of(others), replies: self.replies.clone(), origin: self.origin }))
    }
}

#[derive(Debug)]
struct Batch {
    queue: Arc<Queue>,
    messages: Vec<Arc<Message>>,
    /// Where each message comes from, for a queue that may refuse it.
    origins: Vec<Option<Origin>>,
}

/// A publish that is to be confirmed: its session and its number there.
pub(crate) type Origin = (SessionId, u64);

impl Publishes {
    /// Adds a message for `queue`.
    pub(crate) fn add(&mut self, queue: &Arc<Queue>, message: Arc<Message>, origin: Option<Origin>) {
        let at = self.batch_of(queue);
        let Some(batch) = self.batches.get_mut(at) else { return };
        batch.messages.push(message);
        if queue.may_refuse() {
            batch.origins.push(origin);
        }
    }

    /// Adds a message for the queue of a batch, which refuses nothing.
    pub(crate) fn add_to(&mut self, batch: usize, message: Arc<Message>) {
        if let Some(batch) = self.batches.get_mut(batch) {
            batch.messages.push(message);
        }
    }

    /// The batch of a queue, until everything is handed over.
    pub(crate) fn batch_of(&mut self, queue: &Arc<Queue>) -> usize {
        self.find(queue).unwrap_or_else(|| self.begin(queue))
    }

    fn begin(&mut self, queue: &Arc<Queue>) -> usize {
        let at = self.batches.len();
        if at >= LINEAR_MAX {
            self.by_queue.insert(queue.record().id.0, at);
        }
        self.batches.push(Batch { queue: Arc::clone(queue), messages: Vec::new(), origins: Vec::new() });
        at
    }

    fn find(&self, queue: &Arc<Queue>) -> Option<usize> {
        let linear = self.batches.iter().take(LINEAR_MAX).position(|batch| Arc::ptr_eq(&batch.queue, queue));
        linear.or_else(|| self.by_queue.get(&queue.record().id.0).copied())
    }

    /// Adds a direct reply.
    pub(crate) fn reply(&mut self, consumer: Arc<ReplyConsumer>, message: Arc<Message>) {
        self.replies.push((consumer, message));
    }

    /// The session wants to know when what was added so far is safe.
    pub(crate) fn confirm(&mut self, session: SessionId) {
        if !self.confirming.contains(&session) {
            self.confirming.push(session);
        }
    }

    /// Whether there is nothing to hand over.
    pub(crate) fn is_empty(&self) -> bool {
        self.confirming.is_empty()
            && self.replies.is_empty()
            && self.batches.iter().all(|batch| batch.messages.is_empty())
    }

    /// Hands everything to the queues; returns the log position at which all of it is safe, and adds what was not taken
    /// to `refused`.
    pub(crate) fn hand_over(&mut self, refused: &mut Vec<Origin>, out: &mut Effects) -> Lsn {
        for (consumer, message) in self.replies.drain(..) {
            consumer.deliver(message);
            out.rings.push(Arc::clone(&consumer.mailbox));
        }
        let mut safe_at = Lsn(0);
        let mut places = Vec::new();
        let mut batches = self.batches.as_mut_slice();
        while let Some((batch, later)) = std::mem::take(&mut batches).split_first_mut() {
            if let Some(next) = later.first() {
                model::prefetch_whole(&*next.queue);
            }
            batches = later;
            if batch.messages.is_empty() {
                continue;
            }
            // A rule that came in between does not refuse what could not be told of it.
            let may_refuse = batch.messages.len() == batch.origins.len();
            let told = may_refuse.then_some(&mut places);
            safe_at = safe_at.max(batch.queue.publish(&mut batch.messages, told, out));
            for place in places.drain(..) {
                refused.extend(batch.origins.get(place).copied().flatten());
            }
            batch.origins.clear();
        }
        if self.batches.len() > KEPT_MAX {
            self.batches.clear();
            self.by_queue.clear();
        } else {
            self.batches.retain(|batch| !batch.queue.is_deleted());
        }
        safe_at
    }
}
