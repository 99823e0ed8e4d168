//! What a session with transactions has asked for since its last commit: publishes and verdicts that have no effect yet.
//!
//! Publishes are held with the route they had when they were published. Verdicts hold their deliveries, which no other
//! verdict can reach, but which count against all limits as before.

use std::sync::Arc;

use model::{Message, Outcome, Refusal};

use super::deliveries::{RESIDENT_BYTES_MAX, Unsettled, consumed};
use crate::{mailbox::DELIVERY_BYTES, publishes::Destinations};

/// What comes into queues with one commit: so much is written to the log at once.
const BYTES_MAX: usize = 128 * 1024 * 1024;

/// See the module's documentation.
#[derive(Default, Debug)]
pub(crate) struct Transaction {
    pub(crate) publishes: Vec<Publish>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) weight: Weight,
    /// Bytes of the messages that verdicts hold.
    resident: u64,
}

/// Bytes that come into queues: a message counts once for each of them.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Weight(usize);

/// A publish whose time is yet to come.
#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) message: Arc<Message>,
    pub(crate) to: Destinations,
}

/// A verdict that does not count yet.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// The number of the delivery.
    pub(crate) delivery: u64,
    pub(crate) unsettled: Unsettled,
}

impl Transaction {
    /// Holds a publish.
    pub(crate) fn publish(&mut self, message: Arc<Message>, to: Destinations) -> Result<(), Refusal> {
        self.weight.add(&message, to.queues.len())?;
        self.publishes.push(Publish { message, to });
        Ok(())
    }

    /// Holds a verdict.
    pub(crate) fn settle(
        &mut self,
        outcome: Outcome,
        delivery: u64,
        mut unsettled: Unsettled,
        is_readable: bool,
    ) {
        if is_readable && self.resident >= RESIDENT_BYTES_MAX {
            unsettled.message = None;
        }
        if unsettled.message.is_some() {
            self.resident = self.resident.saturating_add(unsettled.ticket.bytes.into());
        }
        self.verdicts.push(Verdict { outcome, delivery, unsettled });
    }

    /// How many of the deliveries came to a consumer.
    pub(crate) fn consumed(&self) -> u32 {
        consumed(self.verdicts.iter().map(|verdict| &verdict.unsettled))
    }
}

impl Weight {
    /// Adds a message with so many queues.
    pub(crate) fn add(&mut self, message: &Message, queues: usize) -> Result<(), Refusal> {
        let bytes = message.bytes().saturating_add(DELIVERY_BYTES).saturating_mul(queues.max(1));
        self.0 = self.0.saturating_add(bytes);
        if self.0 > BYTES_MAX {
            return Err(Refusal::TransactionTooLarge { bytes_max: BYTES_MAX as u64 });
        }
        Ok(())
    }
}
