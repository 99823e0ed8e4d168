//! Telling the news to whatever is bound to `amq.rabbitmq.event`, and lines of the log to `amq.rabbitmq.log`. While nothing
//! is bound, nothing is made of them.

use std::sync::Arc;

use model::{Message, Name, Refusal, Table, Value, message::Properties};

use super::Broker;
use crate::{
    news::{EXCHANGE, News},
    publishes::Publishes,
    queue::Effects,
    route::{ExtraKeys, Kind, Scratch},
    topology::{Entry, Fact, Topology},
};

/// The exchange of the lines of the log.
const LOG_EXCHANGE: &str = "amq.rabbitmq.log";
/// Whom RabbitMQ names where nobody asked for it.
const NOBODY: &str = "rmq-internal";

impl Broker {
    /// Makes the exchange of the news, if its vhost is there and has none.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn add_event_exchange(&self, now_ms: u64) -> Result<(), Refusal> {
        self.add_own_exchange(EXCHANGE, now_ms)
    }

    /// Makes the exchange of the lines of the log, if its vhost is there and has none.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn add_log_exchange(&self, now_ms: u64) -> Result<(), Refusal> {
        self.add_own_exchange(LOG_EXCHANGE, now_ms)
    }

    fn add_own_exchange(&self, name: &str, now_ms: u64) -> Result<(), Refusal> {
        let vhost = &self.settings.event_vhost;
        let name = Name::parse(name).unwrap_or_default();
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

    /// A line was logged. Must not log anything itself that would come here again.
    pub fn tell_line(&self, level: &str, line: &str, content_type: &str, now_ms: u64) {
        if !self.topology.read().is_bound(&self.settings.event_vhost, LOG_EXCHANGE) {
            return;
        }
        let mut headers = Table::default();
        headers.push("node", Value::text(&self.settings.node));
        let mut raw_headers = Vec::new();
        headers.encode(&mut raw_headers);
        let mut list = Vec::new();
        let properties = Properties {
            content_type: Some(content_type.as_bytes()),
            raw_headers: Some(&raw_headers),
            timestamp: Some(now_ms / 1000),
            ..Properties::default()
        };
        properties.encode(&mut list);
        let message = Message::new(LOG_EXCHANGE.as_bytes(), level.as_bytes(), &list, line.as_bytes());
        self.publish_own(now_ms, message.ok());
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
    pub(super) fn news_of(&self, topology: &Topology, entry: &Entry) -> Vec<News> {
        let is_heard = topology.is_bound(&self.settings.event_vhost, EXCHANGE);
        if is_heard { News::of_entry(topology, entry) } else { Vec::new() }
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
        self.publish_own(now_ms, news.into_iter().filter_map(|news| news.compose(by, now_ms)));
    }

    fn publish_own(&self, now_ms: u64, messages: impl IntoIterator<Item = Message>) {
        let mut publishes = Publishes::default();
        let mut scratch = Scratch::default();
        for message in messages {
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
