//! What a connection does, told to whoever hears the news.

use model::{Name, SessionId, Table, Value, command::Consume};

use super::Client;
use crate::{
    news::{News, arguments, pid},
    session::SessionConsumer,
};

impl Client {
    fn tell(&self, is_of_user: bool, make: impl FnOnce() -> Vec<News>) {
        // One that has no ends is the node's own.
        if self.ends.is_some() && self.broker.is_heard() {
            self.broker.tell(is_of_user.then_some(&self.user), self.now_ms, make());
        }
    }

    /// The pid that RabbitMQ would have for the connection, or for a session.
    fn pid(&self, session: Option<SessionId>) -> String {
        let own = pid(&self.broker.settings.node, self.id);
        let Some(SessionId(session)) = session else { return own };
        format!("{}.{session}>", own.trim_end_matches('>'))
    }

    pub(super) fn tell_login(&self, user: &Name, mechanism: &str, is_let_in: bool) {
        let outcome = if is_let_in { "user.authentication.success" } else { "user.authentication.failure" };
        self.tell(false, || {
            vec![
                News::new(outcome)
                    .text("name", user)
                    .text("auth_mechanism", mechanism)
                    .text("connection_name", &self.name())
                    .text("connection_type", "network")
                    .text("protocol", "{0,9,1}"),
            ]
        });
    }

    pub(super) fn tell_opened(&self, client_properties: &Table) {
        let provided = client_properties.get("connection_name").and_then(Value::as_text).unwrap_or_default();
        self.tell(true, || {
            vec![
                self.told_connection("connection.created")
                    .text("user", &self.user)
                    .text("vhost", &self.vhost)
                    .text("user_provided_name", provided)
                    .text("protocol", "{0,9,1}")
                    .text("type", "network")
                    .number("connected_at", self.now_ms)
                    .with("client_properties", arguments(client_properties)),
            ]
        });
    }

    pub(super) fn tell_closed(&self) {
        self.tell(false, || vec![self.told_connection("connection.closed")]);
    }

    fn told_connection(&self, key: &'static str) -> News {
        News::new(key)
            .text("name", &self.name())
            .text("pid", &self.pid(None))
            .text("node", &self.broker.settings.node)
    }

    pub(super) fn tell_session(&self, id: SessionId) {
        self.tell(true, || {
            vec![
                News::new("channel.created")
                    .text("name", &format!("{} ({})", self.name(), id.0))
                    .number("number", id.0.into())
                    .text("pid", &self.pid(Some(id)))
                    .text("connection", &self.pid(None))
                    .text("user", &self.user)
                    .text("vhost", &self.vhost),
            ]
        });
    }

    pub(super) fn tell_consumer(&self, id: SessionId, slot: u32, wish: &Consume) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(consumer) = session.consumer_in(slot) else { return };
        self.tell(true, || {
            vec![
                self.told_consumer("consumer.created", id, consumer)
                    .flag("ack_required", !wish.no_ack)
                    .flag("exclusive", wish.exclusive)
                    .number("prefetch_count", session.prefetch.into())
                    .with("arguments", arguments(&wish.arguments)),
            ]
        });
    }

    pub(super) fn tell_consumer_gone(&self, id: SessionId, consumer: &SessionConsumer) {
        self.tell(true, || vec![self.told_consumer("consumer.deleted", id, consumer)]);
    }

    fn told_consumer(&self, key: &'static str, id: SessionId, consumer: &SessionConsumer) -> News {
        News::new(key)
            .text("consumer_tag", &consumer.tag)
            .text("queue", &consumer.queue.record().name)
            .text("channel", &self.pid(Some(id)))
            .text("vhost", &self.vhost)
    }

    /// A session lets go of everything, its consumers first.
    pub(super) fn tell_session_gone(&self, id: SessionId) {
        let Some(session) = self.sessions.get(&id).filter(|session| !session.has_let_go) else { return };
        self.tell(true, || {
            let gone =
                session.consumers().map(|consumer| self.told_consumer("consumer.deleted", id, consumer));
            let closed = News::new("channel.closed").text("pid", &self.pid(Some(id)));
            gone.chain([closed]).collect()
        });
    }
}
