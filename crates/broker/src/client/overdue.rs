//! Deliveries that stay unsettled for too long.

use std::sync::Arc;

use model::{Outcome, Refusal, SessionId};

use super::{Client, gathering::earlier};

impl Client {
    /// So late is it now. Takes back what has been unsettled for too long; to be called whenever the bell has rung.
    pub fn handle_time(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.effects.now_ms = now_ms;
        if self.armed_ms.is_none_or(|armed| now_ms < armed) {
            return;
        }
        self.armed_ms = None;
        for id in self.sessions.ids() {
            self.end_waiting(id);
        }
        self.carry_out();
    }

    fn end_waiting(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let overdue = session.overdue(self.now_ms);
        let Some((_, timeout_ms)) = overdue.first().copied().filter(|_| !session.has_failed) else { return };
        tracing::warn!(user = %self.user, vhost = %self.vhost, session = id.0, deliveries = overdue.len(), timeout_ms, "deliveries were not settled in time");
        if self.broker.settings.timeout_ends_session {
            self.refuse(id, Refusal::DeliveryTimeout { session: id, timeout_ms });
            return;
        }
        for (delivery, _) in overdue {
            // It was unsettled a moment ago.
            let taken = self.settle_at_once(id, delivery, false, Outcome::Requeued);
            debug_assert!(taken.is_ok(), "delivery {delivery} is not there");
            if let Some(session) = self.sessions.get_mut(&id) {
                session.deliveries.forgive(delivery);
            }
        }
    }

    /// Sees to it that the bell rings when something is due, at `due_ms` or in a session that is to be looked at. Those that
    /// are not have not changed since.
    pub(super) fn arm(&mut self, due_ms: Option<u64>) {
        let touched = self.sessions.touched().filter_map(|session| session.due_ms()).min();
        let Some(due) = earlier(due_ms, touched) else { return };
        if self.armed_ms.is_none_or(|armed| due < armed) {
            self.armed_ms = Some(due);
            self.broker.ring_at(due, Arc::downgrade(&self.mailbox));
        }
    }
}
