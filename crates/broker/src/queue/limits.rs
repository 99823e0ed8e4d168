//! What the rules make a queue do by itself: give up what expired or is too much, and end when nobody uses it.

use std::sync::{Arc, atomic::Ordering};

use storage::LogId;

use super::{
    Amount, Effects, NO_TIMEOUT, Queue, Rules, State,
    fifo::{Fetched, Head},
    levels::Due,
    replica::Departure,
    settling::Forgotten,
};
use crate::{argument::Overflow, dead_letter::Reason};

/// Messages given up at a time, so that nobody waits long for the queue; the rest follows at once.
pub(super) const GIVEN_UP_MAX: usize = 1000;

impl State {
    /// Whether so much more fits in, for a queue that refuses what does not.
    pub(super) fn has_room_for(&self, more: Amount) -> bool {
        if !self.rules.may_refuse() {
            return true;
        }
        let sum = self.levels.ready().plus(more);
        !self.rules.is_over(sum.messages, sum.bytes)
    }

    fn is_over(&self) -> bool {
        if !self.rules.has_limit() || self.rules.overflow != Overflow::DropHead {
            return false;
        }
        let ready = self.levels.ready();
        self.rules.is_over(ready.messages, ready.bytes)
    }

    /// Whether the message at the head is wanted though nobody has asked for it.
    pub(super) fn needs_head(&self) -> bool {
        let may_expire = || self.rules.message_ttl_ms.is_some() || self.levels.may_expire();
        matches!(self.levels.head(), Head::OnDisk(_)) && (may_expire() || self.is_over())
    }
}

impl Queue {
    /// Gives up what has expired by `now_ms`.
    pub(super) fn expire(self: &Arc<Self>, state: &mut State, now_ms: u64, out: &mut Effects) {
        self.expire_fetched(state, now_ms, &mut Due::default(), out);
    }

    /// The same, with what was fetched for it.
    pub(super) fn expire_fetched(
        self: &Arc<Self>,
        state: &mut State,
        now_ms: u64,
        fetched: &mut Due<Fetched>,
        out: &mut Effects,
    ) {
        if !state.levels.may_expire() {
            return;
        }
        let mut forgotten = Forgotten::default();
        for _ in 0..GIVEN_UP_MAX {
            let Some(parcel) = state.levels.remove_expired(now_ms, fetched) else { break };
            self.give_up(state, parcel, Reason::Expired, &mut forgotten, out);
        }
        self.let_go(state, &forgotten, Departure::GivenUp(Reason::Expired));
    }

    /// Gives up the oldest messages as long as there are too many.
    pub(super) fn drop_surplus(self: &Arc<Self>, state: &mut State, out: &mut Effects) {
        let mut forgotten = Forgotten::default();
        while state.is_over() {
            // What is on disk is read first, and dropped then.
            let Some(parcel) = state.levels.remove_head() else { break };
            self.give_up(state, parcel, Reason::MaxLength, &mut forgotten, out);
        }
        self.let_go(state, &forgotten, Departure::GivenUp(Reason::MaxLength));
    }

    /// Sees to it that the queue is woken when something is due.
    pub(super) fn arm(self: &Arc<Self>, state: &mut State, out: &mut Effects) {
        // What is being read may change what comes next, and arms the queue then.
        let may_expire = !state.is_reading && state.levels.may_expire();
        let expiry = if may_expire { state.levels.next_expiry() } else { None };
        let end = state.ends_at_ms();
        let Some(next) = [expiry, end, state.goes_on_ms()].into_iter().flatten().min() else { return };
        if state.armed_ms.is_none_or(|armed| next < armed) {
            state.armed_ms = Some(next);
            out.timers.push((next, Arc::clone(self)));
        }
    }

    /// The queue is woken.
    pub(crate) fn handle_time(self: &Arc<Self>, out: &mut Effects) {
        let mut state = self.state.lock();
        if self.is_deleted() {
            return;
        }
        state.armed_ms = None;
        if state.ends_at_ms().is_some_and(|end| end <= out.now_ms) {
            out.deletions.push(Arc::clone(self));
            return;
        }
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }

    /// The queue is in use, and lives on.
    pub(crate) fn touch(self: &Arc<Self>, out: &mut Effects) {
        let mut state = self.state.lock();
        state.used_ms = out.now_ms;
        self.arm(&mut state, out);
    }

    /// Other rules from now on.
    pub(crate) fn set_rules(self: &Arc<Self>, rules: Rules, out: &mut Effects) {
        let mut state = self.state.lock();
        if state.rules == rules {
            return;
        }
        if state.rules.expires_ms != rules.expires_ms {
            state.used_ms = out.now_ms;
        }
        self.may_refuse.store(rules.may_refuse(), Ordering::Release);
        let timeout_ms = rules.consumer_timeout_ms.unwrap_or(NO_TIMEOUT);
        self.consumer_timeout_ms.store(timeout_ms, Ordering::Relaxed);
        state.rules = rules;
        let State { rules, stream, .. } = &mut *state;
        if let Some(gone) = stream.as_mut().and_then(|stream| stream.retain(&rules.retention, out.now_ms)) {
            self.forget(LogId(self.record.id.0), &[gone]);
        }
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }
}

impl State {
    /// When the queue ends if nobody uses it until then.
    fn ends_at_ms(&self) -> Option<u64> {
        let expires_ms = self.rules.expires_ms.filter(|_| self.consumers.is_empty())?;
        Some(self.used_ms.saturating_add(expires_ms))
    }
}
