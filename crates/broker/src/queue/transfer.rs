//! What happens to several queues at once: messages come in here and are gone there, in one group of the log, so that a
//! crash leaves all of it or nothing.
//!
//! Only here are several queues locked at once, always in the order of their ids.

use std::sync::Arc;

use model::{Message, Outcome};
use storage::{Engine, Lsn};

use super::{Amount, Departure, Effects, Queue, Settled, State, locked::Locked, settling::Forgotten};
use crate::{counts::Consumed, dead_letter::Reason, topology::QueueKind};

/// A message for queues, each of which appears once.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) message: Arc<Message>,
    pub(crate) queues: Arc<[Arc<Queue>]>,
}

/// See the module's documentation.
#[derive(Default, Debug)]
pub(crate) struct Transfer {
    /// All their queues take them in, or nothing happens at all.
    pub(crate) publishes: Vec<Arrival>,
    /// Those of their queues that have room take them in.
    pub(crate) letters: Vec<Arrival>,
    /// Deliveries that are done with; somebody waits for that to be durable.
    pub(crate) settled: Vec<(Arc<Queue>, Settled, Outcome)>,
    /// What queues have given up already, but for its place in their logs.
    pub(crate) given_up: Vec<(Arc<Queue>, Forgotten, Reason)>,
}

/// A queue is gone, or it refuses what it has no room for.
#[derive(Debug)]
pub(crate) struct Refused;

/// The queues of a transfer, by id.
struct Members<'a>(Vec<Member<'a>>);

struct Member<'a> {
    queue: &'a Arc<Queue>,
    state: Locked<'a, State>,
    /// What is going to come in.
    announced: Amount,
    forgotten: Forgotten,
}

impl Transfer {
    /// Does it. Returns the position of the log at which all of it is durable.
    pub(crate) fn carry_out(&self, engine: &Engine, out: &mut Effects) -> Result<Lsn, Refused> {
        let mut members = self.lock();
        if !self.publishes.iter().all(|arrival| members.announce(arrival)) {
            return Err(Refused);
        }
        for (queue, settled, outcome) in &self.settled {
            let Some(Member { state, forgotten, .. }) = members.find(queue) else { continue };
            if *outcome == Outcome::Accepted {
                state.books.count_consumed(Consumed::of_acks(1));
            }
            state.settle(settled, forgotten);
            state.credit(std::iter::once(settled.consumer));
        }
        let lsn = self.write(engine, &mut members, out.now_ms);
        members.unlock(out);
        Ok(lsn)
    }

    /// Puts the messages into their queues and everything that is to survive into one group of the log.
    fn write<'a>(&'a self, engine: &'a Engine, members: &mut Members<'a>, now_ms: u64) -> Lsn {
        let mut staging = Some(engine.stage());
        let publishes = self.publishes.iter().map(|arrival| (arrival, true));
        let letters = self.letters.iter().map(|arrival| (arrival, false));
        for (Arrival { message, queues }, has_room) in publishes.chain(letters) {
            for queue in &**queues {
                let Some(Member { queue, state, .. }) = members.find(queue) else { continue };
                if has_room {
                    state.books.count_publishes(1);
                }
                if has_room || (!queue.is_deleted() && state.has_room_for(Amount::of(message))) {
                    queue.append(state, &mut staging, Arc::clone(message), now_ms);
                }
            }
        }
        let Some(mut staging) = staging else { return Lsn(0) };
        for Member { queue, state, forgotten, .. } in &mut members.0 {
            queue.stage_departure(state, forgotten, Departure::Settled, &mut staging);
        }
        for (queue, forgotten, reason) in &self.given_up {
            match members.find(queue) {
                Some(Member { state, .. }) => {
                    queue.stage_departure(state, forgotten, Departure::GivenUp(*reason), &mut staging);
                }
                None => forgotten.stage(queue.record.id, &mut staging),
            }
        }
        if !self.settled.is_empty() {
            staging.hurry();
        }
        staging.lsn()
    }

    fn lock(&self) -> Members<'_> {
        let arrivals = self.publishes.iter().chain(&self.letters).flat_map(|arrival| arrival.queues.iter());
        let settled = self.settled.iter().map(|(queue, ..)| queue);
        // In a quorum queue that is an entry, numbered under its lock.
        let given_up = self.given_up.iter().map(|(queue, ..)| queue);
        let given_up = given_up.filter(|queue| queue.record.kind == QueueKind::Quorum);
        let mut queues: Vec<_> = arrivals.chain(settled).chain(given_up).collect();
        queues.sort_unstable_by_key(|queue| queue.record.id);
        queues.dedup_by_key(|queue| queue.record.id);
        let members = queues.into_iter().map(|queue| Member {
            queue,
            state: queue.state.lock(),
            announced: Amount::default(),
            forgotten: Forgotten::default(),
        });
        Members(members.collect())
    }
}

impl<'a> Members<'a> {
    fn find(&mut self, queue: &Queue) -> Option<&mut Member<'a>> {
        let at = self.0.binary_search_by_key(&queue.record.id, |member| member.queue.record.id).ok()?;
        self.0.get_mut(at)
    }

    /// Whether all queues of a message have room for it and everything announced before.
    fn announce(&mut self, arrival: &Arrival) -> bool {
        let amount = Amount::of(&arrival.message);
        arrival.queues.iter().all(|queue| {
            self.find(queue).is_some_and(|Member { queue, state, announced, .. }| {
                *announced = announced.plus(amount);
                !queue.is_deleted() && state.has_room_for(*announced)
            })
        })
    }

    fn unlock(self, out: &mut Effects) {
        let queues: Vec<_> = self.0.iter().map(|member| member.queue).collect();
        for Member { queue, mut state, .. } in self.0 {
            queue.settle_down(&mut state, out);
        }
        // Making room may mean to wait for the disk: one queue at a time, with no other one locked.
        for queue in queues {
            queue.make_room(queue.state.lock());
        }
    }
}
