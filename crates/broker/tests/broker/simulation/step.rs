//! What may happen in a step.

use std::collections::BTreeSet;

use model::{Outcome, SessionCommand, Table, Value, command::DeclareQueue};

use super::{
    actor::{Actor, Awaited, Checked, Session, body_bytes},
    model::Queue,
    sim::Sim,
};
use crate::wish::{
    bind, cancel, consume, consume_no_ack, delete, durable_queue, get, get_no_ack, look_at, message,
    prefetch, prefetch_of_session, purge, recover, select_confirms, settle, table, unbind,
};

const QUEUES: u64 = 6;
const ACTORS_MAX: usize = 4;

impl Sim {
    pub(crate) fn step(&mut self) -> Checked<()> {
        match self.dice.below(130) {
            0..=17 => return self.flush(),
            18..=22 => self.keep_house(),
            23..=32 => {
                self.tell("read".to_owned());
                self.world().broker.read_one(std::time::Duration::ZERO, || 0);
            }
            33 => {
                let operations = 1 + self.dice.below(40);
                self.tell(format!("the power goes in {operations} operations"));
                self.world().disk.power_off_after(operations);
            }
            34 if self.dice.one_in(3) => return self.crash(),
            35 if self.dice.one_in(3) => return self.restart(),
            36 => {
                let is_low = self.dice.one_in(2);
                self.tell(format!("alarm {is_low}"));
                self.world().broker.alarms().set_memory(is_low);
            }
            37..=40 => self.connect(),
            41 => return self.lose_actor(),
            42..=52 => {
                let Some(at) = self.any_actor() else { return Ok(()) };
                if !self.is_eager && self.dice.one_in(3) {
                    return self.hear_some(at);
                }
                return self.hear(at, &mut Vec::new());
            }
            _ => return self.act(),
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Checked<()> {
        self.tell("flush".to_owned());
        if self.world().try_flush().is_ok() {
            self.model.flushed();
        }
        Ok(())
    }

    fn keep_house(&mut self) {
        self.tell("keep house".to_owned());
        // What fails here fails for want of power: the next step finds that out.
        let _ = self.world().broker.keep_house();
    }

    fn any_actor(&mut self) -> Option<usize> {
        let actors = self.actors.len() as u64;
        (actors > 0).then(|| self.dice.below(actors) as usize)
    }

    fn connect(&mut self) {
        if self.actors.len() >= ACTORS_MAX {
            return;
        }
        self.next_actor += 1;
        self.tell(format!("{} connects", self.next_actor));
        let peer = self.world().peer();
        let mut sessions = std::collections::BTreeMap::new();
        sessions.insert(1, Session::default());
        self.actors.push(Actor { id: self.next_actor, peer, sessions, is_asked: false });
    }

    fn lose_actor(&mut self) -> Checked<()> {
        let Some(at) = self.any_actor() else { return Ok(()) };
        self.is_mixed = true;
        let was_listening = self.is_eager || self.dice.one_in(2);
        if was_listening {
            self.hear(at, &mut Vec::new())?;
        }
        let actor = self.actors.swap_remove(at);
        self.tell(format!("{} is lost, listening: {was_listening}", actor.id));
        actor.lost(&mut self.model, was_listening);
        Ok(())
    }

    /// Somebody does something.
    fn act(&mut self) -> Checked<()> {
        let Some(at) = self.any_actor() else {
            self.connect();
            return Ok(());
        };
        let client = &self.actors[at].peer.client;
        if client.is_waiting() || client.is_held_back() {
            return Ok(());
        }
        let number = 1 + self.dice.below(2) as u16;
        let Some(session) = self.actors[at].sessions.get(&number) else {
            self.ask(at, number, SessionCommand::Open, Some(Awaited::Opened));
            return Ok(());
        };
        if session.is_over {
            if !session.awaited.contains(&Awaited::Closed) {
                self.ask(at, number, SessionCommand::Close, Some(Awaited::Closed));
            }
            return Ok(());
        }
        self.act_in(at, number)
    }

    fn act_in(&mut self, at: usize, number: u16) -> Checked<()> {
        let queue = format!("q{}", self.dice.below(QUEUES));
        match self.dice.below(80) {
            0..=29 => self.publish(at, number),
            30..=36 => self.consume(at, number, &queue),
            37..=38 => self.cancel(at, number),
            39..=45 => self.get(at, number, &queue),
            46..=57 => self.settle(at, number),
            58..=60 => return self.settle_all(at, number),
            61 => return self.purge(at, number, &queue),
            62..=68 => self.declare(at, number, &queue)?,
            69 => self.delete(at, number, &queue),
            70..=72 => self.bind(at, number, &queue),
            73 => self.unbind(at, number, &queue),
            74..=75 => return self.limit(at, number),
            76..=77 => {
                self.ask(at, number, select_confirms(), Some(Awaited::ConfirmsSelected));
                self.session(at, number).has_confirms = true;
            }
            78 if self.dice.one_in(3) => {
                self.ask(at, number, settle(999_999, false, Outcome::Accepted), Some(Awaited::Refused));
                self.let_go(at, number);
            }
            79 if self.dice.one_in(3) => {
                self.ask(at, number, SessionCommand::Close, Some(Awaited::Closed));
                self.let_go(at, number);
            }
            _ => {}
        }
        Ok(())
    }

    fn session(&mut self, at: usize, number: u16) -> &mut Session {
        self.actors[at].sessions.entry(number).or_default()
    }

    /// The session holds nothing any more.
    fn let_go(&mut self, at: usize, number: u16) {
        let is_eager = self.is_eager;
        let actor = &mut self.actors[at];
        let session = actor.sessions.entry(number).or_default();
        // The last answer awaited is that to its end.
        let is_certain = is_eager && session.awaited.len() <= 1;
        session.let_go(&mut self.model, is_certain);
        self.is_mixed = true;
    }

    /// Whether an actor may use a queue; if not, the session fails.
    fn may_use(&mut self, at: usize, queue: &str) -> bool {
        let id = self.actors[at].id;
        self.model.queues.get(queue).is_some_and(|queue| queue.owner.is_none_or(|owner| owner == id))
    }

    fn ask_in_vain(&mut self, at: usize, number: u16, command: SessionCommand) {
        // Too many of these and nothing would ever happen.
        if self.dice.one_in(4) {
            self.ask(at, number, command, Some(Awaited::Refused));
            self.let_go(at, number);
        }
    }

    fn publish(&mut self, at: usize, number: u16) {
        let mut batch = Vec::new();
        for _ in 0..=self.dice.below(6) {
            let exchange = *self.dice.pick(&["", "", "", "f", "d"]).unwrap_or(&"");
            let key = match exchange {
                "" => format!("q{}", self.dice.below(QUEUES)),
                _ => format!("k{}", self.dice.below(2)),
            };
            self.next_message += 1;
            let id = self.next_message;
            let (persistent, mandatory) = (!self.dice.one_in(4), self.dice.one_in(3));
            let mut body = id.to_string().into_bytes();
            body.resize(body_bytes(id), 0);
            let queues: BTreeSet<String> = self.model.route(exchange, &key);
            let comes_back = queues.is_empty() && mandatory;
            self.model.publish(&queues, id, persistent);
            self.session(at, number).publish(id, comes_back);
            self.tell(format!(
                "{}.{number}: {id} to {queues:?}, persistent: {persistent}",
                self.actors[at].id
            ));
            batch.push(SessionCommand::Publish {
                message: message(exchange, &key, &body, persistent),
                mandatory,
            });
        }
        self.actors[at].is_asked = true;
        self.actors[at].peer.ask_all_in(number, batch);
    }

    fn consume(&mut self, at: usize, number: u16, queue: &str) {
        if !self.may_use(at, queue) {
            return self.ask_in_vain(at, number, consume(queue, ""));
        }
        self.next_tag += 1;
        let tag = format!("c{}", self.next_tag);
        let no_ack = self.dice.one_in(4);
        let wish = if no_ack { consume_no_ack(queue, &tag) } else { consume(queue, &tag) };
        let Some(known) = self.model.queues.get_mut(queue) else { return };
        known.consumers += 1;
        known.had_consumer = true;
        let key = known.key;
        self.session(at, number).consume(&tag, key, no_ack);
        self.ask(at, number, wish, Some(Awaited::Consuming(tag)));
    }

    fn cancel(&mut self, at: usize, number: u16) {
        let session = self.session(at, number);
        let Some(tag) = session.consumers.keys().next().cloned() else { return };
        if session.awaited.iter().any(|awaited| *awaited == Awaited::Cancelled(tag.clone())) {
            return;
        }
        let gone = session.consumers.get_mut(&tag).filter(|consumer| consumer.is_alive).map(|consumer| {
            consumer.is_alive = false;
            consumer.queue
        });
        self.ask(at, number, cancel(&tag), Some(Awaited::Cancelled(tag)));
        if let Some(key) = gone {
            self.model.lose_consumer(key);
        }
    }

    fn get(&mut self, at: usize, number: u16, queue: &str) {
        if !self.may_use(at, queue) {
            return self.ask_in_vain(at, number, get(queue));
        }
        let no_ack = self.dice.one_in(4);
        let key = self.model.queues[queue].key;
        let wish = if no_ack { get_no_ack(queue) } else { get(queue) };
        self.ask(at, number, wish, Some(Awaited::Got { queue: key, no_ack }));
    }

    fn settle(&mut self, at: usize, number: u16) {
        let numbers: Vec<u64> = self.session(at, number).deliveries.keys().copied().collect();
        let Some(delivery) = self.dice.pick(&numbers).copied() else { return };
        let multiple = self.dice.one_in(3);
        self.settle_up_to(at, number, delivery, multiple);
    }

    fn settle_up_to(&mut self, at: usize, number: u16, delivery: u64, multiple: bool) {
        let outcomes = [Outcome::Accepted, Outcome::Accepted, Outcome::Rejected, Outcome::Requeued];
        let outcome = *self.dice.pick(&outcomes).unwrap_or(&Outcome::Accepted);
        let settled = self.session(at, number).take(delivery, multiple);
        for delivery in settled {
            let Some(queue) = self.model.by_key(delivery.queue) else { continue };
            match outcome {
                Outcome::Requeued => queue.requeue(delivery.id),
                Outcome::Accepted | Outcome::Rejected => queue.settle(delivery.id),
            }
        }
        self.ask(at, number, settle(delivery, multiple, outcome), None);
    }

    /// A verdict on everything, or everything is wanted again. What is held back was not heard, but is meant as well.
    fn settle_all(&mut self, at: usize, number: u16) -> Checked<()> {
        self.hear(at, &mut Vec::new())?;
        if !self.session(at, number).awaited.is_empty() || self.session(at, number).is_over {
            return Ok(());
        }
        if self.dice.one_in(2) {
            self.settle_up_to(at, number, 0, true);
            return Ok(());
        }
        for delivery in self.session(at, number).take(0, true) {
            if let Some(queue) = self.model.by_key(delivery.queue) {
                queue.requeue(delivery.id);
            }
        }
        self.ask(at, number, recover(), Some(Awaited::Recovered));
        Ok(())
    }

    fn purge(&mut self, at: usize, number: u16, queue: &str) -> Checked<()> {
        if !self.may_use(at, queue) {
            self.ask_in_vain(at, number, purge(queue));
            return Ok(());
        }
        // What is on its way stays, so the model must know what is.
        self.hear_all(&mut Vec::new())?;
        if !self.actors.iter().all(Actor::is_up_to_date) || self.session(at, number).is_over {
            return Ok(());
        }
        let Some(known) = self.model.queues.get_mut(queue) else { return Ok(()) };
        let ready: Vec<u64> = known.ready().collect();
        let count = (!known.is_doubtful()).then_some(ready.len() as u64);
        for id in ready {
            known.settle(id);
        }
        self.ask(at, number, purge(queue), Some(Awaited::Purged(count)));
        Ok(())
    }

    fn declare(&mut self, at: usize, number: u16, queue: &str) -> Checked<()> {
        if self.model.queues.contains_key(queue) {
            return self.look_at(at, number, queue);
        }
        // Two of one name, of which the disk knows neither end nor beginning, are more than the model tells apart.
        if self.model.ghosts.iter().any(|(ghost, ..)| ghost == queue) {
            return Ok(());
        }
        let id = self.actors[at].id;
        let (durable, exclusive) = (!self.dice.one_in(4), self.dice.one_in(8));
        let auto_delete = self.dice.one_in(6);
        let owner = exclusive.then_some(id);
        let is_quorum = self.has_quorums && durable && !exclusive && !auto_delete;
        let durably = durable && !exclusive;
        let declared = Queue { durable: durably, owner, auto_delete, is_quorum, ..Queue::default() };
        let key = self.model.declare(queue, declared);
        // However often messages come back, they stay.
        let quorum = [("x-queue-type", Value::text("quorum")), ("x-delivery-limit", Value::I32(-1))];
        let arguments = if is_quorum { table(&quorum) } else { Table::default() };
        let wish = DeclareQueue { durable, exclusive, auto_delete, arguments, ..durable_queue(queue) };
        self.ask(at, number, SessionCommand::DeclareQueue(wish), Some(Awaited::Declared(key)));
        Ok(())
    }

    fn look_at(&mut self, at: usize, number: u16, queue: &str) -> Checked<()> {
        if !self.may_use(at, queue) {
            self.ask_in_vain(at, number, look_at(queue));
            return Ok(());
        }
        self.hear_all(&mut Vec::new())?;
        if self.session(at, number).is_over {
            return Ok(());
        }
        let is_exact = self.actors.iter().all(Actor::is_up_to_date);
        let Some(known) = self.model.queues.get(queue) else { return Ok(()) };
        let count = (is_exact && !known.is_doubtful()).then(|| known.ready().count() as u64);
        self.ask(at, number, look_at(queue), Some(Awaited::Looked(count)));
        Ok(())
    }

    fn delete(&mut self, at: usize, number: u16, queue: &str) {
        if self.model.queues.contains_key(queue) && !self.may_use(at, queue) {
            return self.ask_in_vain(at, number, delete(queue));
        }
        if let Some(known) = self.model.queues.get(queue) {
            let key = known.key;
            let sessions = self.actors.iter_mut().flat_map(|actor| actor.sessions.values_mut());
            for consumer in sessions.flat_map(|session| session.consumers.values_mut()) {
                consumer.is_alive &= consumer.queue != key;
            }
        }
        let keys = self.model.keys_of(queue);
        self.model.delete(queue);
        self.ask(at, number, delete(queue), Some(Awaited::Deleted(keys)));
    }

    fn bind(&mut self, at: usize, number: u16, queue: &str) {
        if !self.may_use(at, queue) {
            return self.ask_in_vain(at, number, bind("f", queue, ""));
        }
        let exchange = *self.dice.pick(&["f", "d"]).unwrap_or(&"f");
        let key = format!("k{}", self.dice.below(2));
        self.model.bind((exchange, queue.to_owned(), key.clone()));
        self.ask(at, number, bind(exchange, queue, &key), Some(Awaited::Bound));
    }

    fn unbind(&mut self, at: usize, number: u16, queue: &str) {
        let bound = self.model.bindings.keys().find(|(_, bound, _)| bound == queue).cloned();
        let Some((exchange, _, key)) = bound.filter(|_| self.may_use(at, queue)) else { return };
        self.model.unbind(&(exchange, queue.to_owned(), key.clone()));
        self.ask(at, number, unbind(exchange, queue, &key), Some(Awaited::Unbound));
    }

    fn limit(&mut self, at: usize, number: u16) -> Checked<()> {
        let count = self.dice.below(5) as u16;
        if self.dice.one_in(2) || self.has_quorums {
            self.session(at, number).prefetch = count;
            self.ask(at, number, prefetch(count), Some(Awaited::PrefetchSet));
            return Ok(());
        }
        self.session(at, number).limit = count;
        self.ask(at, number, prefetch_of_session(count), Some(Awaited::PrefetchSet));
        Ok(())
    }
}
