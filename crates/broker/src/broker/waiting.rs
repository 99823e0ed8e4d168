//! What waits in exchanges of the type `x-delayed-message`, as operators see it: listed, and taken out.

use std::sync::Arc;

use model::Name;
use storage::Fault;

use super::Broker;
use crate::queue::{Cancelled, Effects, Queue};

impl Broker {
    /// Where the messages of an exchange wait, if it makes any wait.
    pub fn waiting_room(&self, vhost: &Name, exchange: &Name) -> Option<Arc<Queue>> {
        let topology = self.topology.read();
        let record = topology.exchange(vhost, exchange).ok()?.delay_queue.as_ref()?;
        self.queue(record)
    }

    /// Takes one message out. For a thread that may block.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn cancel_waiting(&self, room: &Arc<Queue>, number: u64, now_ms: u64) -> Result<Cancelled, Fault> {
        let mut effects = Effects::at(now_ms);
        let outcome = room.cancel_waiting(number, &mut effects);
        self.carry_out(&mut effects);
        outcome
    }
}
