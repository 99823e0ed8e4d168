//! A client, and what it knows: which answers it waits for, what was delivered to it, what it published.

use std::collections::{BTreeMap, VecDeque};

use model::{Event, Message, Name, SessionEvent, SessionId};

use super::model::Model;
use crate::world::{Peer, session_words, text};

/// What a session waits to hear, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Awaited {
    Opened,
    Closed,
    /// The declaration of the queue with this key.
    Declared(u64),
    /// A look at a queue: its ready messages by the model, if they are known.
    Looked(Option<u64>),
    /// The end of the queues of one name that there were.
    Deleted(Vec<u64>),
    Purged(Option<u64>),
    Bound,
    Unbound,
    ConfirmsSelected,
    PrefetchSet,
    Consuming(String),
    Cancelled(String),
    Got {
        queue: u64,
        no_ack: bool,
    },
    Recovered,
    Refused,
}

#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) queue: u64,
    pub(crate) no_ack: bool,
    pub(crate) prefetch: u16,
    pub(crate) unsettled: u16,
    /// The last message it got that had not come back before.
    last: u64,
    /// Its queue is there, and it was not cancelled.
    pub(crate) is_alive: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) queue: u64,
    pub(crate) id: u64,
    consumer: Option<String>,
}

#[derive(Debug)]
struct Published {
    id: u64,
    /// Nobody takes it, and it was mandatory.
    comes_back: bool,
}

/// A session of an actor.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) awaited: VecDeque<Awaited>,
    pub(crate) consumers: BTreeMap<String, Consumer>,
    pub(crate) deliveries: BTreeMap<u64, Delivery>,
    pub(crate) prefetch: u16,
    /// The limit that its consumers share.
    pub(crate) limit: u16,
    pub(crate) has_confirms: bool,
    /// It failed, or was closed: it holds nothing any more.
    pub(crate) is_over: bool,
    last_delivery: u64,
    published: Vec<Published>,
    confirmed: usize,
}

/// What a delivery looked like, for the checks after the step.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) queue: u64,
    pub(crate) id: u64,
}

/// See the module's documentation.
pub(crate) struct Actor {
    pub(crate) id: u64,
    pub(crate) peer: Peer,
    pub(crate) sessions: BTreeMap<u16, Session>,
    /// It was given something to do, and has not heard what came of it.
    pub(crate) is_asked: bool,
}

pub(crate) type Checked<T> = Result<T, String>;

macro_rules! ensure {
    ($condition:expr, $($words:tt)*) => {
        if !$condition {
            return Err(format!($($words)*));
        }
    };
}
pub(crate) use ensure;

impl Actor {
    /// Hears what there is to hear, and of deliveries so many at most.
    pub(crate) fn hear(
        &mut self,
        deliveries_max: usize,
        model: &mut Model,
        is_exact: bool,
        heard: &mut Vec<Heard>,
    ) -> Checked<()> {
        let (events, is_all) = self.peer.events_up_to(deliveries_max);
        self.is_asked = !is_all;
        for event in events {
            match event {
                Event::Session(SessionId(number), event) => {
                    let over = matches!(event, SessionEvent::Closed);
                    let words = session_words(&event);
                    let session =
                        self.sessions.get_mut(&number).ok_or_else(|| format!("{number}: {words}"))?;
                    session
                        .hear(event, model, is_exact, heard)
                        .map_err(|error| format!("actor {} session {number}: {error}; {words}", self.id))?;
                    if over {
                        self.sessions.remove(&number);
                    }
                }
                Event::Blocked { .. } | Event::Unblocked => {}
                other => return Err(format!("actor {}: {other:?}", self.id)),
            }
        }
        Ok(())
    }

    /// Nothing is on its way to any of its sessions but events that can be heard now.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.sessions.values().all(|session| session.awaited.is_empty())
    }

    /// The connection is gone without a word; `was_listening`: it had heard what was on its way.
    pub(crate) fn lost(mut self, model: &mut Model, was_listening: bool) {
        let is_certain = was_listening && self.is_up_to_date();
        drop(self.peer);
        for session in self.sessions.values_mut() {
            session.let_go(model, is_certain);
        }
        let own: Vec<String> = model
            .queues
            .iter()
            .filter(|(_, queue)| queue.owner == Some(self.id))
            .map(|(name, _)| name.clone())
            .collect();
        for name in own {
            model.delete(&name);
        }
    }
}

impl Session {
    pub(crate) fn publish(&mut self, id: u64, comes_back: bool) {
        if self.has_confirms {
            self.published.push(Published { id, comes_back });
        }
    }

    pub(crate) fn consume(&mut self, tag: &str, queue: u64, no_ack: bool) {
        let prefetch = if no_ack { 0 } else { self.prefetch };
        let consumer = Consumer { queue, no_ack, prefetch, unsettled: 0, last: 0, is_alive: true };
        self.consumers.insert(tag.to_owned(), consumer);
    }

    /// Whether a consumer has room for one more delivery.
    pub(crate) fn has_capacity(&self, consumer: &Consumer) -> bool {
        let counted = self.deliveries.values().filter(|delivery| delivery.consumer.is_some()).count();
        let limit = self.limit == 0 || counted < usize::from(self.limit);
        consumer.is_alive && limit && (consumer.prefetch == 0 || consumer.unsettled < consumer.prefetch)
    }

    /// Takes out a delivery, with `multiple` all up to it, or all if it is 0.
    pub(crate) fn take(&mut self, number: u64, multiple: bool) -> Vec<Delivery> {
        let numbers: Vec<u64> = match (number, multiple) {
            (0, true) => self.deliveries.keys().copied().collect(),
            (_, true) => self.deliveries.range(..=number).map(|(number, _)| *number).collect(),
            _ => vec![number],
        };
        let taken: Vec<Delivery> =
            numbers.iter().filter_map(|number| self.deliveries.remove(number)).collect();
        for tag in taken.iter().filter_map(|delivery| delivery.consumer.as_ref()) {
            if let Some(consumer) = self.consumers.get_mut(tag) {
                consumer.unsettled -= 1;
            }
        }
        taken
    }

    /// Its deliveries go back, its consumers are gone.
    pub(crate) fn let_go(&mut self, model: &mut Model, is_certain: bool) {
        self.is_over = true;
        for delivery in self.take(0, true) {
            if let Some(queue) = model.by_key(delivery.queue) {
                queue.requeue(delivery.id);
            }
        }
        let gets: Vec<(u64, bool)> = self
            .awaited
            .iter()
            .filter_map(|awaited| match awaited {
                Awaited::Got { queue, no_ack } => Some((*queue, *no_ack)),
                _ => None,
            })
            .collect();
        let consumers = self.consumers.values().map(|consumer| (consumer.queue, consumer.no_ack));
        for (queue, no_ack) in consumers.chain(gets) {
            if let Some(queue) = model.by_key_or_ghost(queue).filter(|_| !is_certain) {
                queue.mix();
                if no_ack {
                    queue.doubt();
                }
            }
        }
        for consumer in self.consumers.values_mut().filter(|consumer| consumer.is_alive) {
            consumer.is_alive = false;
            model.lose_consumer(consumer.queue);
        }
    }

    fn expect(&mut self, awaited: &Awaited) -> Checked<()> {
        let next = self.awaited.pop_front();
        ensure!(next.as_ref() == Some(awaited), "{awaited:?} instead of {next:?}");
        Ok(())
    }

    fn hear(
        &mut self,
        event: SessionEvent,
        model: &mut Model,
        is_exact: bool,
        heard: &mut Vec<Heard>,
    ) -> Checked<()> {
        match event {
            SessionEvent::Opened => self.expect(&Awaited::Opened),
            SessionEvent::Closed => self.expect(&Awaited::Closed),
            SessionEvent::QueueBound => self.expect(&Awaited::Bound),
            SessionEvent::QueueUnbound => self.expect(&Awaited::Unbound),
            SessionEvent::ConfirmsSelected => self.expect(&Awaited::ConfirmsSelected),
            SessionEvent::PrefetchSet => self.expect(&Awaited::PrefetchSet),
            SessionEvent::Recovered => self.expect(&Awaited::Recovered),
            SessionEvent::Refused(_) => self.expect(&Awaited::Refused),
            SessionEvent::Consuming { consumer } => self.expect(&Awaited::Consuming(consumer.to_string())),
            SessionEvent::ConsumeCancelled { consumer } => self.hear_cancelled(&consumer),
            SessionEvent::ConsumerLost { consumer } => self.hear_lost(&consumer),
            SessionEvent::QueueDeclared { messages, .. } => self.hear_declared(messages, model),
            SessionEvent::QueueDeleted { .. } => self.hear_deleted(model),
            SessionEvent::QueuePurged { messages } => match self.awaited.pop_front() {
                Some(Awaited::Purged(wanted)) if wanted.is_none_or(|wanted| wanted == messages) => Ok(()),
                other => Err(format!("purged {messages} instead of {other:?}")),
            },
            SessionEvent::Returned { message } => self.hear_returned(&message),
            SessionEvent::Confirmed { publish, multiple } => self.hear_confirmed(publish, multiple, model),
            SessionEvent::Delivered { consumer, delivery, redelivered, message } => {
                let known = self.consumers.get(&*consumer).ok_or("an unknown consumer")?;
                let (queue, no_ack) = (known.queue, known.no_ack);
                let tag = Some(consumer.to_string());
                let id = self.hear_message(delivery.0, (queue, no_ack), redelivered, &message, tag, model)?;
                // What a session had heard when it ended went back before.
                if !self.is_over {
                    heard.push(Heard { queue, id });
                }
                Ok(())
            }
            SessionEvent::Got { delivery, redelivered, message, messages } => {
                let Some(Awaited::Got { queue, no_ack }) = self.awaited.pop_front() else {
                    return Err("an answer to no get".to_owned());
                };
                let id =
                    self.hear_message(delivery.0, (queue, no_ack), redelivered, &message, None, model)?;
                if let Some(queue) = model.by_key(queue).filter(|queue| is_exact && !queue.is_doubtful()) {
                    ensure!(queue.ready().next().is_none_or(|first| first > id), "{id} is not the first");
                    let left = queue.ready().count() as u64;
                    ensure!(left == messages, "{messages} left instead of {left}");
                }
                Ok(())
            }
            SessionEvent::GotNothing => {
                let Some(Awaited::Got { queue, .. }) = self.awaited.pop_front() else {
                    return Err("an answer to no get".to_owned());
                };
                if let Some(queue) = model.by_key(queue).filter(|queue| is_exact && !queue.is_doubtful()) {
                    ensure!(queue.ready().next().is_none(), "there is something to get");
                }
                Ok(())
            }
            other => Err(format!("unexpected: {other:?}")),
        }
    }

    fn hear_cancelled(&mut self, tag: &Name) -> Checked<()> {
        self.expect(&Awaited::Cancelled(tag.to_string()))?;
        // It may have been told before that its queue is gone.
        self.consumers.remove(&**tag);
        Ok(())
    }

    fn hear_lost(&mut self, tag: &Name) -> Checked<()> {
        let consumer = self.consumers.get(&**tag).ok_or("lost a consumer that is not there")?;
        ensure!(!consumer.is_alive, "lost a consumer whose queue is there");
        self.consumers.remove(&**tag);
        Ok(())
    }

    fn hear_declared(&mut self, messages: u64, model: &mut Model) -> Checked<()> {
        match self.awaited.pop_front() {
            Some(Awaited::Declared(key)) => {
                ensure!(messages == 0, "{messages} messages in a new queue");
                let ghosts = model.ghosts.iter_mut().map(|(_, queue, _)| queue);
                let mut all = model.queues.values_mut().chain(ghosts);
                if let Some(queue) = all.find(|queue| queue.key == key) {
                    queue.is_promised = true;
                }
                Ok(())
            }
            Some(Awaited::Looked(wanted)) if wanted.is_none_or(|wanted| wanted == messages) => Ok(()),
            other => Err(format!("{messages} messages instead of {other:?}")),
        }
    }

    fn hear_deleted(&mut self, model: &mut Model) -> Checked<()> {
        let Some(Awaited::Deleted(keys)) = self.awaited.pop_front() else {
            return Err("the end of no queue".to_owned());
        };
        for ghost in model.ghosts.iter_mut().filter(|(_, ghost, _)| keys.contains(&ghost.key)) {
            ghost.2 = true;
        }
        Ok(())
    }

    fn hear_returned(&mut self, message: &Message) -> Checked<()> {
        let id = number(message)?;
        let Some(published) = self.published.iter_mut().find(|published| published.id == id) else {
            // What was published before confirms were selected is not kept.
            let is_later = self.published.first().is_some_and(|first| id >= first.id);
            return if is_later { Err("not its message".to_owned()) } else { Ok(()) };
        };
        ensure!(std::mem::take(&mut published.comes_back), "{id} came back");
        Ok(())
    }

    fn hear_confirmed(&mut self, publish: u64, multiple: bool, model: &mut Model) -> Checked<()> {
        ensure!(!self.is_over, "confirmed to a session that is over");
        let publish = publish as usize;
        ensure!(publish <= self.published.len(), "confirmed what was not published");
        ensure!(
            if multiple { publish > self.confirmed + 1 } else { publish == self.confirmed + 1 },
            "confirmed {publish} after {}",
            self.confirmed
        );
        for published in &self.published[self.confirmed..publish] {
            ensure!(!published.comes_back, "{} was confirmed before it came back", published.id);
            model.confirmed(published.id);
        }
        self.confirmed = publish;
        Ok(())
    }

    /// Checks a message that was handed over.
    fn hear_message(
        &mut self,
        delivery: u64,
        (key, no_ack): (u64, bool),
        redelivered: bool,
        message: &Message,
        tag: Option<String>,
        model: &mut Model,
    ) -> Checked<u64> {
        self.last_delivery += 1;
        ensure!(delivery == self.last_delivery, "delivery {delivery} instead of {}", self.last_delivery);
        let id = number(message)?;
        let Some(queue) = model.by_key(key) else {
            // The queue was deleted behind it. There is something to settle all the same.
            if let Some(ghost) = model.by_key_or_ghost(key).filter(|_| no_ack) {
                ghost.settle(id);
            }
            return Ok(self.hold(delivery, Delivery { queue: key, id, consumer: tag }, no_ack));
        };
        let Some(entry) = queue.entries.get_mut(&id).filter(|entry| entry.is_ready) else {
            // What a session had heard when it ended went back before.
            return if self.is_over {
                Ok(id)
            } else {
                Err(format!("{id} is not in the queue, or not ready"))
            };
        };
        if self.is_over {
            // It went back before, and may have been heard by others since.
            entry.was_delivered = true;
            queue.heard_below = queue.heard_below.max(id + 1);
            return Ok(id);
        }
        ensure!(redelivered || !entry.was_delivered, "{id} was delivered before");
        ensure!(
            !redelivered || entry.was_delivered || id < queue.flagged_below,
            "{id} was not delivered before"
        );
        entry.was_delivered = true;
        queue.heard_below = queue.heard_below.max(id + 1);
        entry.is_doubtful = false;
        entry.is_ready = false;
        if no_ack {
            queue.settle(id);
        }
        if let Some(consumer) = tag.as_ref().and_then(|tag| self.consumers.get_mut(tag)) {
            ensure!(id > consumer.last || queue.returned.contains(&id), "{id} after {}", consumer.last);
            if !queue.returned.contains(&id) {
                consumer.last = id;
            }
        }
        Ok(self.hold(delivery, Delivery { queue: key, id, consumer: tag }, no_ack))
    }

    fn hold(&mut self, number: u64, delivery: Delivery, no_ack: bool) -> u64 {
        let id = delivery.id;
        if no_ack || self.is_over {
            return id;
        }
        if let Some(consumer) = delivery.consumer.as_ref().and_then(|tag| self.consumers.get_mut(tag)) {
            consumer.unsettled += 1;
        }
        self.deliveries.insert(number, delivery);
        id
    }
}

/// The bytes that a message of this number has.
pub(crate) fn body_bytes(id: u64) -> usize {
    match id % 23 {
        0 => 150_000,
        1..=3 => 20_000,
        4..=9 => 3000,
        _ => 50,
    }
}

/// The number of a message, which must be whole.
fn number(message: &Message) -> Checked<u64> {
    let id: u64 = text(message).parse().map_err(|_| "a message that nobody published")?;
    ensure!(message.body().len() == body_bytes(id), "{id} has {} bytes", message.body().len());
    Ok(id)
}
