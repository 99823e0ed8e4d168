//! A connection as the core sees it: who it is, its sessions, and the one place where its commands become effects.
//!
//! Owned by the connection's task, which calls [`Client::handle_command`] for each command, [`Client::hand_over`]
//! after each read, and [`Client::handle_time`] and [`Client::poll`] while it can write. Nothing here blocks.
//!
//! ```text
//! commands → handle_command ─ publishes gathered ─ hand_over → queues → mailbox ─┐
//! events   ←── poll ←──── answers, held until durable ← confirms ← deliveries ←──┘
//! ```

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use model::{Command, Delivered, Event, Name, Refusal, SessionCommand, SessionEvent, SessionId};
use storage::Lsn;

use crate::{
    access::Granted,
    broker::Broker,
    census::Seat,
    connected::{Connected, Ends, Protection, Tuned},
    counts::Traffic,
    mailbox::{Delivery, Mail, Mailbox},
    name_maker::NameMaker,
    publishes::{Origin, Publishes},
    queue::{Effects, Queue, Settled},
    route::Scratch,
    session::{Moment, Session, deliveries::Unsettled},
    topology::ConnectionId,
};

mod consume;
mod declare;
mod gathering;
mod lanes;
mod login;
mod overdue;
mod publish;
mod replies;
pub(crate) mod routes;
mod sessions;
mod telling;
mod trace;
mod transact;

use lanes::Lanes;
use routes::Routes;
use sessions::Sessions;

/// See the module's documentation.
pub struct Client {
    broker: Arc<Broker>,
    id: ConnectionId,
    is_loopback: bool,
    mailbox: Arc<Mailbox>,
    user: Name,
    vhost: Name,
    /// How it logged in.
    mechanism: &'static str,
    /// Acts for whoever runs the node: no permission and no limit is looked at.
    is_operator: bool,
    /// Where it comes from.
    ends: Option<Ends>,
    protection: Option<Box<Protection>>,
    /// Whether the vhost wants copies of everything.
    is_traced: Arc<AtomicBool>,
    /// Its place in the vhost, once it is in.
    seat: Option<Seat>,
    /// What operators see of it from then on.
    connected: Option<Arc<Connected>>,
    traffic: Arc<Traffic>,
    granted: Granted,
    sessions: Sessions,
    /// What can be said at once.
    events: VecDeque<Event>,
    publishes: Publishes,
    routes: Routes,
    lanes: Lanes,
    effects: Effects,
    /// Buffers of routing.
    scratch: Scratch,
    mail: Mail,
    /// Deliveries that have been fetched, to be numbered as they are told, after all `events`.
    in_hand: VecDeque<Delivery>,
    /// Buffers of `settle`, empty between calls.
    unsettled: Vec<Unsettled>,
    settled: Vec<Settled>,
    /// Buffer of `hand_over`, empty between calls.
    refused: Vec<Origin>,
    names: NameMaker,
    exclusive_queues: Vec<Arc<Queue>>,
    /// A get that waits for the disk: whose, and whether it is settled at once.
    waiting_get: Option<(SessionId, bool)>,
    /// The log position at which all that was published is safe.
    published_at: Lsn,
    /// The log position this connection will be rung for.
    awaited: Option<Lsn>,
    /// Told that publishing is blocked, by the alarm of this number.
    blocked_by: Option<u64>,
    /// When this connection will be rung for what is unsettled for too long.
    armed_ms: Option<u64>,
    is_closed: bool,
    /// The wall clock, as told last.
    now_ms: u64,
}

impl Client {
    pub(crate) fn new(
        broker: Arc<Broker>,
        id: ConnectionId,
        mailbox: Arc<Mailbox>,
        is_loopback: bool,
        seed: [u8; 16],
    ) -> Self {
        Self {
            routes: Routes::new(&broker.kept_routes),
            broker,
            id,
            is_loopback,
            mailbox,
            user: Name::default(),
            vhost: Name::default(),
            mechanism: "",
            is_operator: false,
            ends: None,
            protection: None,
            is_traced: Arc::default(),
            seat: None,
            connected: None,
            traffic: Arc::default(),
            granted: Granted::default(),
            sessions: Sessions::default(),
            events: VecDeque::new(),
            publishes: Publishes::default(),
            lanes: Lanes::default(),
            effects: Effects::default(),
            scratch: Scratch::default(),
            mail: Mail::default(),
            in_hand: VecDeque::new(),
            unsettled: Vec::new(),
            settled: Vec::new(),
            refused: Vec::new(),
            names: NameMaker::new(seed),
            exclusive_queues: Vec::new(),
            waiting_get: None,
            published_at: Lsn(0),
            awaited: None,
            blocked_by: None,
            armed_ms: None,
            is_closed: false,
            now_ms: 0,
        }
    }

    /// Says where the connection comes from, for operators. To be called before it enters a vhost.
    pub fn set_ends(&mut self, ends: Ends) {
        self.ends = Some(ends);
    }

    /// Says what was agreed on, for operators. To be called once it is in a vhost.
    pub fn set_tuned(&self, tuned: Tuned) {
        if let Some(connected) = &self.connected {
            // It is agreed on once.
            let _ = connected.tuned.set(tuned);
        }
    }

    /// Bytes in and out, for whoever drives the connection to keep.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Says how the connection is encrypted, for operators. To be called before it enters a vhost.
    pub fn set_protection(&mut self, protection: Protection) {
        self.protection = Some(Box::new(protection));
    }

    /// Does what the peer asks; the answers come out of [`Client::poll_event`].
    pub fn handle_command(&mut self, now_ms: u64, command: Command) {
        self.now_ms = now_ms;
        self.effects.now_ms = now_ms;
        match command {
            Command::Session(id, SessionCommand::Publish { message, mandatory }) => {
                self.publish(id, message, mandatory);
                return;
            }
            // What was published before is in its queues before anything else is looked at.
            Command::Session(id, command) => {
                self.hand_over();
                self.handle_session_command(id, command);
            }
            Command::Authenticate { mechanism, user, password } => {
                self.authenticate(mechanism, user, &password)
            }
            Command::Vouched { mechanism, user } => self.admit_vouched(mechanism, user),
            Command::Open { vhost, client_properties } => self.open(vhost, &client_properties),
            Command::UpdateSecret { .. } => self.update_secret(),
            Command::Close => {
                self.hand_over();
                self.close();
                self.events.push_back(Event::Closed);
            }
        }
        self.carry_out();
    }

    fn moment(&self) -> Moment {
        let is_told = self.broker.settings.stamps.sent;
        Moment { flushed: self.broker.engine.flushed(), ms: self.now_ms, is_told }
    }

    fn handle_session_command(&mut self, id: SessionId, command: SessionCommand) {
        match command {
            SessionCommand::Open => {
                self.open_session(id);
                return;
            }
            SessionCommand::Close => {
                self.end_session(id);
                return;
            }
            _ => {}
        }
        // A session that has failed, or never was, is spoken to no more.
        let Some(session) = self.sessions.get(&id).filter(|session| !session.has_failed) else { return };
        session.view().touch(self.now_ms);
        let outcome = self.obey(id, command);
        if let Err(refusal) = outcome {
            self.refuse(id, refusal);
        }
    }

    fn obey(&mut self, id: SessionId, command: SessionCommand) -> Result<(), Refusal> {
        match command {
            SessionCommand::Open | SessionCommand::Close | SessionCommand::Publish { .. } => Ok(()),
            SessionCommand::DeclareExchange(wish) => self.declare_exchange(id, wish),
            SessionCommand::DeleteExchange { exchange, if_unused, nowait } => {
                self.delete_exchange(id, exchange, if_unused, nowait)
            }
            SessionCommand::DeclareQueue(wish) => self.declare_queue(id, wish),
            SessionCommand::DeleteQueue { queue, if_unused, if_empty, nowait } => {
                self.delete_queue(id, queue, if_unused, if_empty, nowait)
            }
            SessionCommand::PurgeQueue { queue, nowait } => self.purge_queue(id, queue, nowait),
            SessionCommand::Bind(binding) => self.bind(id, binding),
            SessionCommand::Unbind(binding) => self.unbind(id, binding),
            SessionCommand::SelectConfirms { nowait } => self.select_confirms(id, nowait),
            SessionCommand::SelectTransactions => self.select_transactions(id),
            SessionCommand::Commit => self.commit(id),
            SessionCommand::Rollback => self.roll_back(id),
            SessionCommand::SetPrefetch { count, global } => {
                self.set_prefetch(id, count, global);
                Ok(())
            }
            SessionCommand::Consume(wish) => self.consume(id, wish),
            SessionCommand::Cancel { consumer, nowait } => {
                self.cancel(id, consumer, nowait);
                Ok(())
            }
            SessionCommand::Get { queue, no_ack } => self.get(id, queue, no_ack),
            SessionCommand::Settle { delivery, multiple, outcome } => {
                self.settle(id, delivery.0, multiple, outcome)
            }
            SessionCommand::Recover { nowait } => self.recover(id, nowait),
        }
    }

    /// Hands the gathered publishes to their queues. To be called after each read at the latest.
    pub fn hand_over(&mut self) {
        self.close_lanes();
        if self.publishes.is_empty() {
            // What reached nobody was published all the same.
            self.routes.origins.hand_over();
            return;
        }
        let safe_at = self.publishes.hand_over(&mut self.refused, &mut self.effects);
        if let Some(queue) = self.effects.ahead.take() {
            queue.pace(&self.mailbox, &mut self.effects);
            if let Some(connected) = self.connected.as_ref().filter(|_| self.mailbox.is_held()) {
                connected.restraint.note_flow(self.now_ms);
            }
        }
        self.routes.origins.hand_over();
        self.published_at = self.published_at.max(safe_at);
        for (id, publish) in self.refused.drain(..) {
            if let Some(confirms) = self.sessions.get_mut(&id).and_then(|session| session.confirms.as_mut()) {
                confirms.refuse(publish);
            }
        }
        while let Some(id) = self.publishes.confirming.pop() {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.confirm_at(safe_at, self.now_ms);
            }
        }
        self.carry_out();
    }

    fn carry_out(&mut self) {
        self.broker.carry_out(&mut self.effects);
    }

    /// The next answer that needs no looking: for the driver between two commands.
    pub fn pop_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether [`Client::pop_event`] has something.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next thing to tell the peer. None: nothing now; the bell rings when there is.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            self.gather();
            self.number_in_hand();
        }
        self.traffic.note_turn();
        self.events.pop_front()
    }

    /// As [`Client::poll_event`], but deliveries are told to `deliver` where they lie, as long as it says that there is room.
    pub fn poll(&mut self, deliver: impl FnMut(SessionId, Delivered<'_>) -> bool) -> Polled {
        if self.events.is_empty() {
            self.gather();
        }
        let polled = match self.events.pop_front() {
            Some(event) => Polled::Event(event),
            None if self.in_hand.is_empty() => Polled::Nothing,
            None => {
                self.tell_in_hand(deliver);
                Polled::Delivered
            }
        };
        self.traffic.note_turn();
        polled
    }

    /// Says something that waits for nothing but its turn.
    fn say(&mut self, id: SessionId, event: SessionEvent) {
        self.say_when(Lsn(0), id, event);
    }

    /// Says something once `lsn` is durable, in its turn.
    fn say_when(&mut self, lsn: Lsn, id: SessionId, event: SessionEvent) {
        let flushed = self.broker.engine.flushed();
        let said = match self.sessions.get_mut(&id) {
            Some(session) => session.hold(lsn, flushed, event),
            None => Some(event),
        };
        if let Some(event) = said {
            self.events.push_back(Event::Session(id, event));
        }
    }

    /// Answers unless no answer is wanted.
    fn answer_when(&mut self, lsn: Lsn, id: SessionId, nowait: bool, event: SessionEvent) {
        if !nowait {
            self.say_when(lsn, id, event);
        }
    }

    /// The session has gone wrong: it lets go of everything, and says so.
    fn refuse(&mut self, id: SessionId, refusal: Refusal) {
        self.let_go(id);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.has_failed = true;
        }
        self.say(id, SessionEvent::Refused(refusal));
    }

    /// Ends a session in order.
    fn end_session(&mut self, id: SessionId) {
        self.let_go(id);
        self.say(id, SessionEvent::Closed);
        // Answers that wait for the disk are said before the goodbye: it goes then.
        if self.sessions.get(&id).is_some_and(|session| session.waits_for().is_none()) {
            self.sessions.remove(&id);
        }
    }

    /// Consumers go, unsettled deliveries go back, confirms are owed no more.
    fn let_go(&mut self, id: SessionId) {
        self.tell_session_gone(id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.has_let_go = true;
        dismiss(session, &mut self.effects);
        // What is on its way is numbered first, so that it goes back with the rest.
        self.gather_mail();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.drain_consumers();
        session.confirms = None;
        if let Some(replying) = session.replying.take() {
            self.broker.replies.remove(&replying.address);
        }
        session.roll_back(self.now_ms);
        let mut unsettled = Vec::new();
        session.deliveries.take(0, true, |_, delivery| unsettled.push(delivery));
        self.put_back(unsettled);
        if self.waiting_get.is_some_and(|(waiting, _)| waiting == id) {
            self.waiting_get = None;
        }
        self.carry_out();
    }

    /// The whole connection lets go of everything it holds.
    fn close(&mut self) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        // First of all, so that nothing of one session is given to a consumer of another that will not hear it.
        for session in self.sessions.values() {
            dismiss(session, &mut self.effects);
        }
        // From here on queues get back what they try to deliver.
        let mail = self.mailbox.close();
        self.return_mail(mail);
        for id in self.sessions.ids() {
            self.let_go(id);
        }
        self.sessions.clear();
        for queue in std::mem::take(&mut self.exclusive_queues) {
            self.broker.delete_queue(&queue, None, self.now_ms);
        }
        if self.seat.take().is_some() {
            self.tell_closed();
        }
        self.carry_out();
        self.routes.origins.clear();
        self.broker.disconnect(self.id);
    }

    /// Whether the peer waits for anything to be on disk: a confirm, an answer.
    pub fn is_owed(&self) -> bool {
        let flushed = self.broker.engine.flushed();
        self.sessions.touched().any(|session| session.waits_for().is_some_and(|lsn| lsn > flushed))
    }

    /// A get waits for the disk: no further command is to be handed in until the bell has rung.
    pub fn is_waiting(&self) -> bool {
        self.waiting_get.is_some()
    }

    /// The peer publishes faster than the disk writes or consumers take, or an alarm is on: its socket is not to be read
    /// for now.
    pub fn is_held_back(&self) -> bool {
        self.blocked_by.is_some()
            || self.mailbox.is_held()
            || (self.awaited.is_some() && self.broker.is_behind())
    }

    /// Everything of this connection is gone.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Who it is; empty before authentication.
    pub fn user(&self) -> &Name {
        &self.user
    }

    /// Where it is; empty before it has opened a vhost.
    pub fn vhost(&self) -> &Name {
        &self.vhost
    }
}

/// What [`Client::poll`] came to.
#[derive(Debug)]
pub enum Polled {
    /// Nothing now; the bell rings when there is.
    Nothing,
    /// This is to be told.
    Event(Event),
    /// Deliveries were told.
    Delivered,
}

/// The consumers of a session get nothing more.
fn dismiss(session: &Session, out: &mut Effects) {
    for consumer in session.consumers() {
        if let Some(key) = consumer.key {
            consumer.queue.cancel(key, out);
        }
    }
}

/// However a connection ends, a panic in its task included, what it held goes back.
impl Drop for Client {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).field("user", &self.user).finish_non_exhaustive()
    }
}
