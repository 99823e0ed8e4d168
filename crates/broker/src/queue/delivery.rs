//! Delivering: to consumers in turn, and to whoever asks for one message.

use std::sync::Arc;

use model::SessionId;

use super::{
    ConsumerKey, Effects, Levels, Queue, Returns, State, WaitingGet,
    consumers::{Address, Supply},
    fifo::Head,
    replica::Departure,
    settling::{Forgotten, Settled},
};
use crate::{
    counts::Consumed,
    mailbox::{Delivery, Mailbox, Notice, Parcel, Pushed},
};

/// A queue that is consumed reads ahead when fewer messages than this are at hand.
const READ_AHEAD_BELOW: usize = 2048;

/// The answer to a get.
#[derive(Debug)]
pub(crate) enum Got {
    /// A message, and how many are left.
    Parcel(Parcel, u64),
    Nothing,
    /// The log must be read first: a [`Notice::Got`] follows.
    Later,
}

/// What is ready, with what it has to tell of its returns.
struct Ready<'a> {
    levels: &'a mut Levels,
    returns: &'a Returns,
}

impl Supply for Ready<'_> {
    fn has_next(&self) -> bool {
        self.levels.head() == Head::Ready
    }

    fn next(&mut self) -> Option<Parcel> {
        let mut parcel = self.levels.take()?;
        self.returns.tell(&mut parcel);
        Some(parcel)
    }
}

impl Queue {
    /// Brings the queue to rest after a change: delivers what can be delivered, gives up what expired or is too much,
    /// and asks for what must be read.
    pub(super) fn settle_down(self: &Arc<Self>, state: &mut State, out: &mut Effects) {
        if state.stream.is_some() {
            self.serve_all(state, out);
            return;
        }
        // What expires this very moment is still delivered if somebody is there for it.
        self.expire(state, out.now_ms.saturating_sub(1), out);
        if state.consumers.is_anyone_free() {
            let mut settled = Forgotten::default();
            while self.deliver_run(state, &mut settled, out) {
                state.note_progress(out.now_ms);
            }
            self.let_go(state, &settled, Departure::Settled);
        }
        self.expire(state, out.now_ms, out);
        self.drop_surplus(state, out);
        state.note_capacity(out.now_ms);
        state.let_go_on(out);
        if !state.is_reading && self.wants_read(state, out.now_ms) {
            state.is_reading = true;
            out.reads.push(Arc::clone(self));
        }
        self.arm(state, out);
    }

    /// Whether somebody waits for what is on disk, or soon may.
    fn wants_read(&self, state: &State, now_ms: u64) -> bool {
        let State { levels, consumers, gets, .. } = state;
        if state.unlisted_from.is_some() || (levels.may_expire() && levels.due_on_disk(now_ms, 1).is_some()) {
            return true;
        }
        if levels.wanted().is_none() {
            return false;
        }
        let is_waited_for =
            matches!(levels.head(), Head::OnDisk(_)) && (consumers.is_anyone_free() || !gets.is_empty());
        let has_room =
            levels.messages_at_hand() < READ_AHEAD_BELOW && levels.front_bytes() < self.memory.window() / 2;
        is_waited_for || (has_room && !consumers.is_empty()) || state.needs_head()
    }

    /// Delivers to the consumers whose turn it is, as long as they are those of one connection; false if nothing more can be
    /// delivered.
    fn deliver_run(self: &Arc<Self>, state: &mut State, settled: &mut Forgotten, out: &mut Effects) -> bool {
        let State { levels, consumers, returns, books, .. } = state;
        if levels.head() != Head::Ready {
            return false;
        }
        let Some(address) = consumers.address(self) else { return false };
        let no_ack = address.no_ack;
        let last = consumers.take_turns(&address, &mut Ready { levels, returns }, &mut out.run);
        if let Some(first) = out.run.first() {
            let ticket = &first.parcel.ticket;
            books.note_leaving(out.now_ms, || levels.arrived_ms(ticket.level, ticket.seq));
        }
        if no_ack {
            for Delivery { parcel, .. } in &out.run {
                levels.settle(&parcel.ticket);
                settled.add(&parcel.ticket, returns);
            }
        }
        if let Some(last) = last {
            self.send_run(state, (&address, last), out);
        }
        true
    }

    /// Puts what was taken for consumers into the mailbox of their connection. The last of them pauses if it is full, and the
    /// others when their turn comes. What is settled with its delivery is settled already.
    pub(super) fn send_run(
        self: &Arc<Self>,
        state: &mut State,
        (address, last): (&Address, ConsumerKey),
        out: &mut Effects,
    ) {
        if out.run.is_empty() {
            return;
        }
        let State { levels, consumers, books, .. } = state;
        let mut sent = Consumed::default();
        for delivery in &out.run {
            sent.note(address.no_ack, delivery.parcel.redelivered);
        }
        match address.mailbox.push(&mut out.run, last, || Arc::clone(self)) {
            Pushed::Room => {
                books.count_consumed(sent);
                out.ring(&address.mailbox);
            }
            Pushed::Full => {
                books.count_consumed(sent);
                consumers.stall(last);
                out.ring(&address.mailbox);
            }
            Pushed::Gone => {
                // The connection is ending: its consumers are about to be removed. What is settled with the delivery
                // counts as sent; the rest goes back.
                if !address.no_ack {
                    levels.unsend(out.run.drain(..).map(|delivery| delivery.parcel));
                }
                out.run.clear();
                consumers.stall(last);
            }
        }
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
        state.used_ms = out.now_ms;
        self.expire(&mut state, out.now_ms, out);
        let got = match state.levels.head() {
            Head::Empty => Got::Nothing,
            Head::OnDisk(_) => {
                state.gets.push(WaitingGet { mailbox: Arc::clone(mailbox), session, no_ack });
                Got::Later
            }
            Head::Ready => match state.levels.take() {
                Some(mut parcel) => {
                    state.returns.tell(&mut parcel);
                    let State { levels, books, .. } = &mut *state;
                    let ticket = &parcel.ticket;
                    books.note_leaving(out.now_ms, || levels.arrived_ms(ticket.level, ticket.seq));
                    if no_ack {
                        self.settle_one(&mut state, Settled::from(&parcel));
                    }
                    Got::Parcel(parcel, state.levels.ready().messages)
                }
                None => Got::Nothing,
            },
        };
        state.count_got(no_ack, &got);
        self.settle_down(&mut state, out);
        self.account(&mut state);
        got
    }

    fn settle_one(&self, state: &mut State, settled: Settled) {
        state.levels.settle(&settled.ticket);
        let mut forgotten = Forgotten::default();
        forgotten.add(&settled.ticket, &mut state.returns);
        self.let_go(state, &forgotten, Departure::Settled);
    }

    pub(super) fn serve_gets(self: &Arc<Self>, state: &mut State, out: &mut Effects) {
        for get in std::mem::take(&mut state.gets) {
            if matches!(state.levels.head(), Head::OnDisk(_)) {
                state.gets.push(get);
                continue;
            }
            let mut parcel = state.levels.take();
            if let Some(parcel) = &mut parcel {
                state.returns.tell(parcel);
            }
            let redelivered = parcel.as_ref().map(|parcel| parcel.redelivered);
            let settled = parcel.as_ref().filter(|_| get.no_ack).map(Settled::from);
            let queue = Arc::clone(self);
            let left = state.levels.ready().messages;
            let notice = Notice::Got { session: get.session, queue, parcel, left };
            let got = Consumed::of_get(get.no_ack, redelivered);
            match get.mailbox.notify(notice) {
                Ok(()) => {
                    state.books.count_consumed(got);
                    if let Some(settled) = settled {
                        self.settle_one(state, settled);
                    }
                    out.ring(&get.mailbox);
                }
                Err(Notice::Got { parcel: Some(parcel), .. }) => state.levels.unsend([parcel].into_iter()),
                Err(_) => {}
            }
        }
    }
}
