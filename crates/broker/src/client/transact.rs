//! Transactions: what is held until the commit, and what the commit does with it.

use std::sync::Arc;

use model::{Outcome, Refusal, SessionEvent, SessionId};
use storage::Lsn;

use super::Client;
use crate::{
    dead_letter::{Letter, Reason},
    queue::{Arrival, Forgotten, Refused, Transfer},
    session::{
        deliveries::{Unsettled, consumed},
        transaction::{Publish, Transaction, Verdict},
    },
};

impl Client {
    pub(super) fn select_transactions(&mut self, id: SessionId) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if session.confirms.is_some() {
            return Err(Refusal::TransactionsAfterConfirms);
        }
        session.transaction.get_or_insert_default();
        self.say(id, SessionEvent::TransactionsSelected);
        Ok(())
    }

    /// A verdict waits for the commit.
    pub(super) fn hold_verdict(
        &mut self,
        id: SessionId,
        delivery: u64,
        multiple: bool,
        outcome: Outcome,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let Some(transaction) = &mut session.transaction else { return Ok(()) };
        let flushed = self.broker.engine.flushed();
        let mut since_ms = None;
        let hold = |delivery, unsettled: Unsettled| {
            since_ms = since_ms.or_else(|| session.watched.end(delivery));
            let is_readable = unsettled.ticket.place.is_readable(flushed);
            transaction.settle(outcome, delivery, unsettled, is_readable);
        };
        let taken = session.deliveries.take(delivery, multiple, hold);
        if outcome == Outcome::Accepted {
            self.note_accepted(since_ms);
        }
        taken.ok_or(Refusal::UnknownDelivery { delivery })
    }

    pub(super) fn roll_back(&mut self, id: SessionId) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if session.transaction.is_none() {
            return Err(Refusal::NoTransaction);
        }
        session.roll_back(self.now_ms);
        self.say(id, SessionEvent::RolledBack);
        Ok(())
    }

    /// Everything in the transaction takes effect, or, if a queue is gone or has no room, nothing.
    pub(super) fn commit(&mut self, id: SessionId) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let transaction = session.transaction.as_mut().ok_or(Refusal::NoTransaction)?;
        let transaction = std::mem::take(&mut **transaction);
        match self.take_effect(&transaction) {
            Ok(lsn) => {
                self.conclude(id, transaction);
                self.say_when(lsn, id, SessionEvent::Committed);
                Ok(())
            }
            Err(refusal) => {
                // It goes with its session, which gives the deliveries back.
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.transaction = Some(Box::new(transaction));
                }
                Err(refusal)
            }
        }
    }

    /// Does to queues what the transaction says, but for what comes back to them.
    fn take_effect(&mut self, transaction: &Transaction) -> Result<Lsn, Refusal> {
        let mut transfer = Transfer::default();
        let mut weight = transaction.weight;
        let mut unreadable = Vec::new();
        for Publish { message, to } in &transaction.publishes {
            transfer.publishes.push(Arrival { message: Arc::clone(message), queues: Arc::clone(&to.queues) });
        }
        for Verdict { outcome, unsettled, .. } in &transaction.verdicts {
            let queue = &unsettled.queue;
            if *outcome == Outcome::Requeued {
                continue;
            }
            if *outcome == Outcome::Rejected
                && let Some(to) = queue.dead_letter_to()
            {
                let Some(message) = queue.message_of(&unsettled.ticket, unsettled.message.clone()) else {
                    unreadable.push(unsettled.clone());
                    continue;
                };
                let (queue, reason) = (Arc::clone(queue), Reason::Rejected);
                let letter = Letter { queue, to, reason, left: Forgotten::default(), message };
                let arrival = self.broker.address(&letter, self.now_ms);
                weight.add(&arrival.message, arrival.queues.len())?;
                transfer.letters.push(arrival);
            }
            transfer.settled.push((Arc::clone(queue), unsettled.settled(), *outcome));
        }
        let outcome = transfer.carry_out(&self.broker.engine, &mut self.effects);
        let lsn = outcome.map_err(|Refused| Refusal::TransactionFailed)?;
        self.reject(unreadable);
        Ok(lsn)
    }

    /// The rest of a commit, when the queues have taken everything.
    fn conclude(&mut self, id: SessionId, transaction: Transaction) {
        for Publish { message, to } in transaction.publishes {
            if to.is_nobody() {
                self.say(id, SessionEvent::Returned { message });
                continue;
            }
            for consumer in to.replies {
                consumer.deliver(Arc::clone(&message));
                self.effects.rings.push(Arc::clone(&consumer.mailbox));
            }
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let verdicts = transaction.verdicts;
        for verdict in verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Accepted) {
            session.view().count_acks(verdict.unsettled.queue.record().kind, 1);
        }
        let is_limited = session.limit.is_set();
        if is_limited {
            session.limit.release(consumed(verdicts.iter().map(|verdict| &verdict.unsettled)));
        }
        let requeued = verdicts.into_iter().filter(|verdict| verdict.outcome == Outcome::Requeued);
        self.put_back(requeued.map(|verdict| verdict.unsettled).collect());
        if is_limited {
            self.resume_consumers(id);
        }
    }
}
