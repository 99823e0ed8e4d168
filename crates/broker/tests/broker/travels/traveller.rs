//! A client with one session, in which publishes are confirmed or part of transactions.

use std::collections::{BTreeMap, VecDeque};

use model::{Command, Event, Message, Outcome, SessionCommand, SessionEvent, SessionId};

use super::{
    ledger::{Ledger, Transaction},
    road::{QUEUES, Rules, any_message},
};
use crate::{
    simulation::Dice,
    wish::{consume, get, prefetch, select_confirms, settle},
    world::{Peer, World, text},
};

/// Something delivered and without a verdict.
#[derive(Clone, Copy)]
struct Held {
    id: u64,
    queue: &'static str,
}

pub(crate) struct Traveller {
    number: u64,
    peer: Peer,
    is_transactional: bool,
    held: BTreeMap<u64, Held>,
    /// What each publish brought and where to, in turn, as far as it is not confirmed.
    unconfirmed: VecDeque<(u64, u64, &'static str)>,
    next_publish: u64,
    asked: VecDeque<&'static str>,
    consumes: Vec<&'static str>,
    open: Transaction,
    committing: VecDeque<Transaction>,
    /// Verdicts of the open transaction.
    judged: Vec<(u64, Held)>,
}

/// The message that an event brings.
pub(crate) fn message_of(event: &Event) -> Option<&Message> {
    match event {
        Event::Session(_, SessionEvent::Got { message, .. } | SessionEvent::Delivered { message, .. }) => {
            Some(message)
        }
        _ => None,
    }
}

impl Traveller {
    pub(crate) fn new(world: &World, dice: &mut Dice, ledger: &mut Ledger) -> Self {
        let is_transactional = dice.one_in(3);
        ledger.next_traveller += 1;
        let number = ledger.next_traveller;
        ledger.tell(format!("{number} comes, transactional: {is_transactional}"));
        let mut peer = world.peer();
        let mode = if is_transactional { SessionCommand::SelectTransactions } else { select_confirms() };
        peer.ask_all([mode, prefetch(3)]);
        Self {
            number,
            peer,
            is_transactional,
            held: BTreeMap::new(),
            unconfirmed: VecDeque::new(),
            next_publish: 1,
            asked: VecDeque::new(),
            consumes: Vec::new(),
            open: Transaction::default(),
            committing: VecDeque::new(),
            judged: Vec::new(),
        }
    }

    fn ask(&mut self, commands: Vec<SessionCommand>, now_ms: u64) {
        for command in commands {
            self.peer.client.handle_command(now_ms, Command::Session(SessionId(1), command));
        }
        self.peer.client.hand_over();
    }

    pub(crate) fn act(&mut self, dice: &mut Dice, ledger: &mut Ledger, rules: &[Rules], now_ms: u64) {
        if self.peer.client.is_waiting() || self.peer.client.is_held_back() || !self.committing.is_empty() {
            return;
        }
        let queue = *dice.pick(&QUEUES).unwrap();
        match dice.below(20) {
            0..=6 => self.publish(dice, ledger, rules, now_ms),
            7..=8 => {
                self.asked.push_back(queue);
                self.ask(vec![get(queue)], now_ms);
            }
            9 if !self.consumes.contains(&queue) => {
                self.consumes.push(queue);
                self.ask(vec![consume(queue, queue)], now_ms);
            }
            10..=15 => self.judge(dice, ledger, now_ms),
            16..=17 if self.is_transactional => self.commit(ledger, now_ms),
            18 if self.is_transactional => self.roll_back(ledger, now_ms),
            _ => {}
        }
    }

    fn publish(&mut self, dice: &mut Dice, ledger: &mut Ledger, rules: &[Rules], now_ms: u64) {
        let mut batch = Vec::new();
        for _ in 0..=dice.below(4) {
            let to = *dice.pick(&["w0", "w0", "w1", "w2"]).unwrap();
            let refuses = to == "w0" && rules[0].may_refuse();
            // What a transaction brings to a full queue is refused without a word.
            if refuses && self.is_transactional {
                continue;
            }
            let id = ledger.publish();
            ledger.tell(format!("{} sends {id} to {to}", self.number));
            if self.is_transactional {
                self.open.published.push(id);
            } else {
                self.unconfirmed.push_back((self.next_publish, id, to));
                self.next_publish += 1;
            }
            batch.push(SessionCommand::Publish { message: any_message(dice, to, id), mandatory: false });
        }
        self.ask(batch, now_ms);
    }

    fn judge(&mut self, dice: &mut Dice, ledger: &mut Ledger, now_ms: u64) {
        let numbers: Vec<u64> = self.held.keys().copied().collect();
        let Some(last) = dice.pick(&numbers).copied() else { return };
        let multiple = dice.one_in(3);
        let outcome = *dice
            .pick(&[Outcome::Accepted, Outcome::Accepted, Outcome::Rejected, Outcome::Requeued])
            .unwrap();
        let numbers = numbers.into_iter().filter(|number| *number == last || (multiple && *number < last));
        for number in numbers.collect::<Vec<_>>() {
            let held = self.held.remove(&number).unwrap();
            ledger.tell(format!("{} {outcome:?} {} of {}", self.number, held.id, held.queue));
            // Nothing comes after the last queue.
            let is_taken =
                outcome == Outcome::Accepted || (outcome == Outcome::Rejected && held.queue == "dead");
            match (self.is_transactional, is_taken) {
                (true, true) => self.open.taken.push(held.id),
                (true, false) => {}
                (false, true) => ledger.take(held.id),
                (false, false) => ledger.give_back(held.id),
            }
            if self.is_transactional {
                self.judged.push((number, held));
            }
        }
        self.ask(vec![settle(last, multiple, outcome)], now_ms);
    }

    fn commit(&mut self, ledger: &mut Ledger, now_ms: u64) {
        ledger.tell(format!("{} commits {:?}", self.number, self.open));
        let transaction = std::mem::take(&mut self.open);
        ledger.begin_commit(&transaction);
        for (_, held) in self.judged.drain(..).filter(|(_, held)| !transaction.taken.contains(&held.id)) {
            ledger.give_back(held.id);
        }
        self.committing.push_back(transaction);
        self.ask(vec![SessionCommand::Commit], now_ms);
    }

    fn roll_back(&mut self, ledger: &mut Ledger, now_ms: u64) {
        ledger.tell(format!("{} rolls back {:?}", self.number, self.open));
        for id in std::mem::take(&mut self.open).published {
            ledger.refuse(id);
        }
        // What was judged has no verdict again.
        self.held.extend(self.judged.drain(..));
        self.ask(vec![SessionCommand::Rollback], now_ms);
    }

    pub(crate) fn hear(&mut self, ledger: &mut Ledger, rules: &[Rules]) -> Result<(), String> {
        for event in self.peer.events() {
            let Event::Session(_, event) = event else { continue };
            match event {
                SessionEvent::Got { delivery, message, .. } => {
                    let queue = self.asked.pop_front().ok_or("an answer to no get")?;
                    self.hold(delivery.0, queue, &message, ledger)?;
                }
                SessionEvent::GotNothing => {
                    self.asked.pop_front().ok_or("an answer to no get")?;
                }
                SessionEvent::Delivered { consumer, delivery, message, .. } => {
                    let queue = QUEUES.into_iter().find(|queue| *queue == &*consumer).ok_or("whose tag?")?;
                    self.hold(delivery.0, queue, &message, ledger)?;
                }
                SessionEvent::Confirmed { publish, multiple } => {
                    for (id, _) in self.answered(publish, multiple) {
                        ledger.confirm(id)?;
                    }
                }
                SessionEvent::NotConfirmed { publish, multiple } => {
                    for (id, to) in self.answered(publish, multiple) {
                        if to != "w0" || !rules[0].may_refuse() {
                            return Err(format!("{id} is refused"));
                        }
                        if rules[0].refuses_for_good() {
                            ledger.refuse(id);
                        }
                    }
                }
                SessionEvent::Committed => {
                    let transaction = self.committing.pop_front().ok_or("a commit nobody asked for")?;
                    ledger.tell(format!("{} has committed", self.number));
                    ledger.end_commit(&transaction)?;
                }
                SessionEvent::ConfirmsSelected
                | SessionEvent::TransactionsSelected
                | SessionEvent::RolledBack
                | SessionEvent::PrefetchSet
                | SessionEvent::Consuming { .. } => {}
                other => return Err(format!("{} hears {other:?}", self.number)),
            }
        }
        Ok(())
    }

    fn hold(
        &mut self,
        number: u64,
        queue: &'static str,
        message: &Message,
        ledger: &mut Ledger,
    ) -> Result<(), String> {
        let id = text(message).parse().map_err(|_| format!("what is {}?", text(message)))?;
        ledger.tell(format!("{} gets {id} of {queue}", self.number));
        self.held.insert(number, Held { id, queue });
        ledger.deliver(id)
    }

    /// The publishes that an answer is for: what they brought, and where to.
    fn answered(&mut self, publish: u64, multiple: bool) -> Vec<(u64, &'static str)> {
        let is_meant = |number: u64| number == publish || (multiple && number < publish);
        let (meant, left): (Vec<_>, Vec<_>) =
            self.unconfirmed.drain(..).partition(|(number, ..)| is_meant(*number));
        self.unconfirmed = left.into();
        meant.into_iter().map(|(_, id, to)| (id, to)).collect()
    }

    /// The connection ends without a word.
    pub(crate) fn go(self, ledger: &mut Ledger) {
        ledger.tell(format!("{} goes", self.number));
        for id in &self.open.published {
            ledger.refuse(*id);
        }
        let judged = self.judged.iter().map(|(_, held)| held);
        for held in self.held.values().chain(judged) {
            ledger.give_back(held.id);
        }
        drop(self.peer);
    }
}
