//! Telling the news to whatever is bound to `amq.rabbitmq.event`. While nothing is, nothing is made of them.

use std::sync::Arc;

use model::{Name, Table};

use super::Broker;
use crate::{
    news::{EXCHANGE, News},
    publishes::Publishes,
    queue::Effects,
    route::{ExtraKeys, Kind, Scratch},
    topology::{Entry, Fact, Topology},
};

/// Whom RabbitMQ names where nobody asked for it.
const NOBODY: &str = "rmq-internal";

impl Broker {
    /// Makes the exchange of the news, if its vhost is there and has none.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn add_event_exchange(&self, now_ms: u64) -> Result<(), model::Refusal> {
        let vhost = &self.settings.event_vhost;
        let name = Name::parse(EXCHANGE).unwrap_or_default();
        self.change(now_ms, |topology| {
            let is_wanted = topology.vhost(vhost).is_some() && topology.exchange(vhost, &name).is_err();
            Ok(is_wanted.then(|| Entry::CreateExchange {
                vhost: vhost.clone(),
                name: name.clone(),
                kind: Kind::TOPIC,
                durable: true,
                auto_delete: false,
                internal: true,
                arguments: Table::default(),
                delay_queue: None,
            }))
        })?;
        Ok(())
    }

    /// An alarm has come up, or is over.
    pub fn tell_alarm(&self, source: &str, is_on: bool, now_ms: u64) {
        if self.is_heard() {
            let news = News::new(if is_on { "alarm.set" } else { "alarm.cleared" });
            let news = news.text("source", source).text("node", &self.settings.node);
            self.tell(None, now_ms, [news]);
        }
    }

    /// Whether anybody hears the news.
    pub(crate) fn is_heard(&self) -> bool {
        self.topology.read().is_bound(&self.settings.event_vhost, EXCHANGE)
    }

    /// What an entry that is about to be applied has to tell.
    pub(super) fn news_of(&self, entry: &Entry) -> Vec<News> {
        let topology = self.topology.read();
        let is_heard = topology.is_bound(&self.settings.event_vhost, EXCHANGE);
        if is_heard { News::of_entry(&topology, entry) } else { Vec::new() }
    }

    /// The metadata have changed.
    pub(super) fn tell_changes(&self, by: Option<&Name>, now_ms: u64, mut news: Vec<News>, facts: &[Fact]) {
        if facts.is_empty() && news.is_empty() || !self.is_heard() {
            return;
        }
        news.extend(facts.iter().filter_map(|fact| News::of_fact(fact, &self.settings.node)));
        self.tell(Some(by.map_or(NOBODY, |by| by)), now_ms, news);
    }

    /// Publishes news. Nobody waits for it to be safe.
    pub(crate) fn tell(&self, by: Option<&str>, now_ms: u64, news: impl IntoIterator<Item = News>) {
        let mut publishes = Publishes::default();
        let mut scratch = Scratch::default();
        for message in news.into_iter().filter_map(|news| news.compose(by, now_ms)) {
            let route = |topology: &Topology, scratch: &mut Scratch| {
                topology.route(&self.settings.event_vhost, &message, &ExtraKeys::default(), scratch)
            };
            let route = route(&self.topology.read(), &mut scratch);
            let message = Arc::new(message);
            for queue in &*self.live_queues(&route.queues) {
                publishes.add(queue, Arc::clone(&message), None);
            }
        }
        let mut effects = Effects::at(now_ms);
        publishes.hand_over(&mut Vec::new(), &mut effects);
        self.carry_out(&mut effects);
    }
}
