//! The lane of a read: publishes that are like the one before them, and need no more looking.
//!
//! Most publishers send many messages to one address, and many of them arrive together. What was found out about the
//! first of a read (that it may be published, where it goes, that nothing has to be told of it) holds for those behind it
//! with the same address that ask for nothing special. They go straight into the batches of their queues, and are counted
//! together when the read, or the lane, is over.

use std::sync::Arc;

use model::{Message, SessionId};

use super::{Client, publish::count_routed, routes::Known};
use crate::publishes::Publishes;

/// See the module's documentation.
#[derive(Default, Debug)]
pub(super) struct Lane {
    /// Whose it is, and where it leads; None while there is none.
    way: Option<(SessionId, Arc<Known>)>,
    /// The batches of its queues.
    batches: Vec<usize>,
    /// Messages that are not counted yet.
    messages: u64,
}

impl Lane {
    /// Takes a message that is like those before it; gives back what is not.
    pub(super) fn take(
        &mut self,
        id: SessionId,
        message: Arc<Message>,
        publishes: &mut Publishes,
    ) -> Result<(), Arc<Message>> {
        let Some((session, way)) = &self.way else { return Err(message) };
        if *session != id || message.is_special() || *way.address != *message.address() {
            return Err(message);
        }
        self.messages = self.messages.saturating_add(1);
        if let Some((last, others)) = self.batches.split_last() {
            for batch in others {
                publishes.add_to(*batch, Arc::clone(&message));
            }
            publishes.add_to(*last, message);
        }
        Ok(())
    }
}

impl Client {
    /// A plain message was published that went this way: what follows it may do the same.
    pub(super) fn open_lane(&mut self, id: SessionId) {
        let may_have_one = self.broker.settings.stamps.is_empty()
            && !self.is_traced()
            && self.sessions.get(&id).is_some_and(|session| session.transaction.is_none());
        let Some(way) = self.routes.last().filter(|_| may_have_one) else { return };
        // What a queue may refuse is told one by one.
        if way.queues.iter().any(|queue| queue.may_refuse()) {
            return;
        }
        self.lane.batches.extend(way.queues.iter().map(|queue| self.publishes.batch_of(queue)));
        self.lane.way = Some((id, way));
    }

    /// Counts what went along it. From here on each publish is looked at again.
    pub(super) fn close_lane(&mut self) {
        let Some((id, way)) = self.lane.way.take() else { return };
        self.lane.batches.clear();
        let messages = std::mem::take(&mut self.lane.messages);
        let Some(session) = self.sessions.get_mut(&id).filter(|_| messages > 0) else { return };
        let routed = messages.saturating_mul(count_routed(&way.queues));
        session.view().touch(self.now_ms);
        session.view().count_publishes(messages, routed, session.confirms.is_some());
        if let Some(confirms) = &mut session.confirms {
            confirms.publish(messages);
            self.publishes.confirm(id);
        }
        if let Some(origin) = way.origin {
            self.routes.origins.count(origin, messages, routed);
        }
    }
}
