//! Turns: consumers of one connection are delivered to together, one message each in turn.

use std::sync::Arc;

use super::{Consumer, ConsumerKey, Consumers};
use crate::{
    mailbox::{Delivery, MAILBOX_BYTES_MAX, Mailbox, Parcel},
    queue::Queue,
};

/// Deliveries in a run, before the lock of the mailbox is given up.
pub(in crate::queue) const RUN_DELIVERIES_MAX: usize = 256;

/// What consumers have in common that are delivered to together.
#[derive(Debug)]
pub(in crate::queue) struct Address {
    pub(in crate::queue) mailbox: Arc<Mailbox>,
    pub(in crate::queue) no_ack: bool,
}

/// What there is to deliver, one after the other.
pub(in crate::queue) trait Supply {
    /// Whether there is one more.
    fn has_next(&self) -> bool;

    /// Takes it.
    fn next(&mut self) -> Option<Parcel>;
}

impl Consumers {
    /// Where the consumer gets its deliveries whose turn it is. Those whose mailbox others have filled pause before they are
    /// given anything: however many they are, they put no more into it than one would.
    pub(in crate::queue) fn address(&mut self, queue: &Arc<Queue>) -> Option<Address> {
        loop {
            let (key, is_alone) = self.turn()?;
            let Consumer { mailbox, no_ack, .. } = self.all.get(&key)?;
            if is_alone || !mailbox.pauses(key, || Arc::clone(queue)) {
                return Some(Address { mailbox: Arc::clone(mailbox), no_ack: *no_ack });
            }
            self.stall(key);
        }
    }

    /// Fills `run`, which is empty, for the consumers whose turn it is, as long as they have this address. Returns who came
    /// last; None if nobody had a turn.
    pub(in crate::queue) fn take_turns(
        &mut self,
        address: &Address,
        supply: &mut impl Supply,
        run: &mut Vec<Delivery>,
    ) -> Option<ConsumerKey> {
        let (mut last, mut room) = (None, MAILBOX_BYTES_MAX);
        while run.len() < RUN_DELIVERIES_MAX && room > 0 && supply.has_next() {
            let Some((key, is_alone, consumer)) = self.turn_at(address) else { break };
            let turn_end = if is_alone { RUN_DELIVERIES_MAX } else { run.len().saturating_add(1) };
            let mut is_limited = false;
            while run.len() < turn_end && room > 0 && supply.has_next() && consumer.has_room() {
                if !consumer.charge() {
                    is_limited = true;
                    break;
                }
                let Some(parcel) = supply.next() else { break };
                room = room.saturating_sub(parcel.message.bytes());
                run.push(Delivery { session: consumer.session, slot: consumer.slot, parcel });
            }
            self.end_turn(key, is_limited);
            last = Some(key);
        }
        last
    }

    /// Whose turn it is, if the consumer has this address, and whether nobody else of the same priority waits for a turn.
    fn turn_at(&mut self, address: &Address) -> Option<(ConsumerKey, bool, &mut Consumer)> {
        let (key, is_alone) = self.turn()?;
        let consumer = self.all.get_mut(&key)?;
        let is_its = consumer.no_ack == address.no_ack && Arc::ptr_eq(&consumer.mailbox, &address.mailbox);
        is_its.then_some((key, is_alone, consumer))
    }
}
