//! The lanes of a read: publishes that are like one before them need no more looking.
//!
//! Publishers send many messages to few addresses, and many of them arrive together. What was found out about the first to
//! an address in a read (that it may be published, where it goes, that nothing has to be told of it) holds for those
//! behind it that ask for nothing special. They go straight into the batches of their queues, and are counted together.

use std::{ops::Range, sync::Arc};

use model::{Message, SessionId};

use super::{Client, publish::count_routed, routes::Known};

/// Lanes for which there is room between two reads.
const KEPT_MAX: usize = 16;

/// See the module's documentation.
#[derive(Default, Debug)]
pub(super) struct Lanes {
    /// Whose they are.
    session: Option<SessionId>,
    all: Vec<Lane>,
    /// Of all lanes, one behind the other.
    batches: Vec<usize>,
    /// The one that was taken last.
    last: usize,
    /// Messages that their session has not counted yet.
    messages: u64,
    /// The same, once for each queue that they reach.
    routed: u64,
}

#[derive(Debug)]
struct Lane {
    way: Arc<Known>,
    /// Where its batches stand among those of all lanes.
    batches: Range<usize>,
    /// How many queues a message reaches.
    routed: u64,
    messages: u64,
}

impl Lanes {
    /// Whether lane `at` is that of `way`: its number may be that of a lane in an earlier read.
    fn is(&self, at: usize, way: &Arc<Known>) -> bool {
        self.all.get(at).is_some_and(|lane| Arc::ptr_eq(&lane.way, way))
    }
}

impl Client {
    /// Takes a message that is like one before it; gives back what is not.
    pub(super) fn take_lane(&mut self, id: SessionId, message: Arc<Message>) -> Result<(), Arc<Message>> {
        let Self { lanes, routes, publishes, .. } = self;
        if lanes.session != Some(id) || message.is_special() {
            return Err(message);
        }
        let is_last = lanes.all.get(lanes.last).is_some_and(|lane| *lane.way.address == *message.address());
        if !is_last {
            match routes.look(message.address()) {
                Some(way) if lanes.is(way.lane(), way) => lanes.last = way.lane(),
                _ => return Err(message),
            }
        }
        let Some(lane) = lanes.all.get_mut(lanes.last) else { return Err(message) };
        lane.messages = lane.messages.saturating_add(1);
        lanes.messages = lanes.messages.saturating_add(1);
        lanes.routed = lanes.routed.saturating_add(lane.routed);
        if let Some((last, others)) = lanes.batches.get(lane.batches.clone()).and_then(<[_]>::split_last) {
            for batch in others {
                publishes.add_to(*batch, Arc::clone(&message));
            }
            publishes.add_to(*last, message);
        }
        Ok(())
    }

    /// A plain message was published to the address that was looked for last: what follows it may go the same way.
    pub(super) fn open_lane(&mut self, id: SessionId) {
        let may_have_one = self.broker.settings.stamps.is_empty()
            && !self.is_traced()
            && self.sessions.get(&id).is_some_and(|session| session.transaction.is_none());
        let Some(way) = self.routes.last().filter(|_| may_have_one) else { return };
        // What a queue may refuse is told one by one.
        if way.queues.iter().any(|queue| queue.may_refuse()) {
            return;
        }
        if self.lanes.session != Some(id) {
            self.close_lanes();
            self.lanes.session = Some(id);
        }
        let Lanes { all, batches, last, .. } = &mut self.lanes;
        let first_batch = batches.len();
        batches.extend(way.queues.iter().map(|queue| self.publishes.batch_of(queue)));
        *last = all.len();
        way.set_lane(*last);
        let routed = count_routed(&way.queues);
        all.push(Lane { way, batches: first_batch..batches.len(), routed, messages: 0 });
    }

    /// Counts in their session what went along lanes, so that what comes next has its number.
    pub(super) fn count_lanes(&mut self) {
        let (messages, routed) =
            (std::mem::take(&mut self.lanes.messages), std::mem::take(&mut self.lanes.routed));
        let Some(id) = self.lanes.session.filter(|_| messages > 0) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.view().touch(self.now_ms);
        session.view().count_publishes(messages, routed, session.confirms.is_some());
        if let Some(confirms) = &mut session.confirms {
            confirms.publish(messages);
            self.publishes.confirm(id);
        }
    }

    /// From here on each publish is looked at again.
    pub(super) fn close_lanes(&mut self) {
        self.count_lanes();
        let Lanes { session, all, batches, .. } = &mut self.lanes;
        *session = None;
        for Lane { way, routed, messages, .. } in all.drain(..) {
            if let Some(origin) = way.origin.filter(|_| messages > 0) {
                self.routes.origins.count(origin, messages, messages.saturating_mul(routed));
            }
        }
        batches.clear();
        all.shrink_to(KEPT_MAX);
        batches.shrink_to(KEPT_MAX);
    }
}
