//! What came before a binding, delivered to where it leads: see `route::recent_history`.

use std::sync::Arc;

use model::{Message, Name, command::Destination};

use super::Broker;
use crate::{
    publishes::Publishes,
    queue::{Effects, Queue},
    route::{ExtraKeys, Scratch},
    topology::{BindingRecord, Fact},
};

impl Broker {
    /// Gives new bindings their histories. Nobody waits for it to be safe.
    pub(super) fn deliver_histories(&self, now_ms: u64, facts: Vec<Fact>) {
        for fact in facts {
            if let Fact::HistoryDue { vhost, binding, messages } = fact {
                self.deliver_history(now_ms, &vhost, &binding, messages);
            }
        }
    }

    fn deliver_history(&self, now_ms: u64, vhost: &Name, binding: &BindingRecord, messages: Vec<Message>) {
        let mut publishes = Publishes::default();
        let mut scratch = Scratch::default();
        for message in messages {
            let message = Arc::new(message);
            for queue in &*self.destinations(vhost, binding, &message, &mut scratch) {
                publishes.add(queue, Arc::clone(&message), None);
            }
        }
        let mut effects = Effects::at(now_ms);
        // Whoever published it had an answer long ago.
        publishes.hand_over(&mut Vec::new(), &mut effects);
        self.carry_out(&mut effects);
    }

    fn destinations(
        &self,
        vhost: &Name,
        binding: &BindingRecord,
        message: &Message,
        scratch: &mut Scratch,
    ) -> Arc<[Arc<Queue>]> {
        let topology = self.topology.read();
        let ids = match binding.destination_kind {
            Destination::Queue => {
                topology.find_queue(vhost, &binding.destination).map(|queue| queue.id).into_iter().collect()
            }
            Destination::Exchange => {
                let extra = ExtraKeys::parse(message).unwrap_or_default();
                topology.route_from(binding.destination.as_bytes(), vhost, message, &extra, scratch).queues
            }
        };
        self.live_queues(&ids)
    }
}
