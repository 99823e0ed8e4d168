//! Publishing: what is checked, where it goes, what the publisher is told.

use std::sync::Arc;

use storage::Lsn;

use model::{Event, Message, Name, Refusal, SessionEvent, SessionId, message::flag, refusal::Permission};

use super::Client;
use crate::{
    access::Wish,
    publishes::Destinations,
    queue::Queue,
    replies::{ReplyConsumer, is_address},
    route::{ExtraKeys, Route},
    session::confirms::Confirms,
    topology::QueueKind,
};

/// The longest that RabbitMQ lets a message live, in milliseconds: ten years.
const EXPIRATION_MS_MAX: u64 = 315_360_000_000;

impl Client {
    pub(super) fn select_confirms(&mut self, id: SessionId, nowait: bool) -> Result<(), Refusal> {
        if let Some(session) = self.sessions.get_mut(&id) {
            if session.transaction.is_some() {
                return Err(Refusal::ConfirmsAfterTransactions);
            }
            session.confirms.get_or_insert_with(Confirms::default);
        }
        self.answer_when(Lsn(0), id, nowait, SessionEvent::ConfirmsSelected);
        Ok(())
    }

    pub(super) fn publish(&mut self, id: SessionId, message: Arc<Message>, mandatory: bool) {
        let body_bytes = message.body().len() as u64;
        let Err(message) = self.take_lane(id, message) else {
            self.traffic.note_size(body_bytes);
            return;
        };
        self.count_lanes();
        if self.sessions.get(&id).is_none_or(|session| session.has_failed) {
            return;
        }
        self.mind_alarms();
        if let Err(refusal) = self.try_publish(id, message, mandatory) {
            self.hand_over();
            self.refuse(id, refusal);
            self.carry_out();
        }
    }

    /// While an alarm is on, the first publish is still taken; then the publisher is told, and not read any more.
    fn mind_alarms(&mut self) {
        if self.blocked_by.is_none()
            && let Some(reason) = self.broker.alarms.reason()
        {
            self.events.push_back(Event::Blocked { reason });
            self.show_blocked(true);
            self.blocked_by = Some(self.broker.alarms.wait(&self.mailbox));
        }
    }

    /// For operators.
    pub(super) fn show_blocked(&self, is_blocked: bool) {
        if let Some(connected) = &self.connected {
            connected.restraint.set_blocked(is_blocked);
        }
    }

    /// Checks in RabbitMQ's order: permission, exchange, expiration, `CC` and `BCC`, topic permission, user-id.
    fn try_publish(&mut self, id: SessionId, message: Arc<Message>, mandatory: bool) -> Result<(), Refusal> {
        let epoch = self.broker.permission_epoch();
        let known = self.routes.find(message.address(), epoch);
        let is_plain = known.is_some() && !message.is_special();
        if known.is_none() {
            self.permit_publish(&message)?;
        }
        let flags = message.flags();
        let message =
            if flags & flag::REPLY_TO == 0 { message } else { self.with_reply_address(id, message)? };
        if flags & flag::EXPIRATION != 0 {
            check_expiration(&message)?;
        }
        let extra =
            if flags & flag::HEADERS == 0 { ExtraKeys::default() } else { ExtraKeys::parse(&message)? };
        let known = known.filter(|_| extra.is_empty());
        if known.is_none() {
            self.permit_topics(&message, &extra)?;
        }
        if flags & flag::USER_ID != 0 {
            self.check_user_id(&message)?;
        }
        let stamps = self.broker.settings.stamps;
        let message = if stamps.is_empty() {
            message
        } else {
            stamps.put_on(message, &self.broker.settings.node, self.now_ms)
        };
        // From here on only a transaction refuses it, and no exchange gets to see `BCC`, unless it keeps the message for
        // later.
        let whole = (!extra.is_empty()).then(|| Arc::clone(&message));
        let message = extra.without_bcc(message);
        let to = match known {
            Some((queues, origin)) => Destinations { queues, replies: Vec::new(), origin },
            None => self.find_route(&message, &extra, epoch),
        };
        let later = whole.and_then(|whole| Some((whole, to.split_off_delays()?)));
        if let Some((whole, (delayed, to))) = later {
            return self.place(id, [(whole, delayed), (message, to)], mandatory);
        }
        self.place(id, [(message, to)], mandatory)?;
        if is_plain {
            self.open_lane(id);
        }
        Ok(())
    }

    /// Puts a message where it is to go; it may go to some places in another form than to the rest.
    fn place<const FORMS: usize>(
        &mut self,
        id: SessionId,
        forms: [(Arc<Message>, Destinations); FORMS],
        mandatory: bool,
    ) -> Result<(), Refusal> {
        if self.is_traced()
            && let Some((message, _)) = forms.last()
        {
            let message = Arc::clone(message);
            self.trace_publish(id, &message, forms.iter().map(|(_, to)| to));
        }
        let is_for_nobody = forms.iter().all(|(_, to)| to.is_nobody());
        self.count_publish(id, &forms, is_for_nobody, mandatory);
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if let Some(transaction) = &mut session.transaction {
            for (message, to) in forms {
                if !to.is_nobody() || (is_for_nobody && mandatory) {
                    transaction.publish(message, to)?;
                }
            }
            return Ok(());
        }
        let origin = session.confirms.as_mut().map(|confirms| (id, confirms.publish(1)));
        if origin.is_some() {
            self.publishes.confirm(id);
        }
        for (message, Destinations { queues, replies, .. }) in forms {
            if is_for_nobody && mandatory {
                self.say(id, SessionEvent::Returned { message });
                return Ok(());
            }
            for consumer in replies {
                self.publishes.reply(consumer, Arc::clone(&message));
            }
            if let Some((last, others)) = queues.split_last() {
                for queue in others {
                    self.publishes.add(queue, Arc::clone(&message), origin);
                }
                self.publishes.add(last, message, origin);
            }
        }
        Ok(())
    }

    /// RabbitMQ counts what is in a transaction when that is committed; here it is counted when it is published.
    fn count_publish(
        &mut self,
        id: SessionId,
        forms: &[(Arc<Message>, Destinations)],
        is_for_nobody: bool,
        mandatory: bool,
    ) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some((message, last)) = forms.last() else { return };
        let queues = forms.iter().map(|(_, to)| count_routed(&to.queues)).sum();
        let view = session.view();
        view.touch(self.now_ms);
        view.count_publishes(1, queues, session.confirms.is_some());
        if is_for_nobody {
            view.count_unroutable(mandatory);
        }
        self.traffic.note_size(message.body().len() as u64);
        if let Some(origin) = last.origin {
            self.routes.origins.count(origin, 1, queues);
            if is_for_nobody {
                self.routes.origins.count_unroutable(origin);
            }
        }
    }

    fn permit_publish(&mut self, message: &Message) -> Result<(), Refusal> {
        let exchange = exchange_of(message);
        self.permit(Wish::Publish { exchange: &exchange })?;
        if exchange.is_empty() {
            // The default exchange is always there.
            return Ok(());
        }
        self.broker.topology.read().publishable(&self.vhost, &exchange)
    }

    fn permit_topics(&mut self, message: &Message, extra: &ExtraKeys) -> Result<(), Refusal> {
        let exchange = exchange_of(message);
        let keys = std::iter::once(message.routing_key()).chain(extra.keys().iter().map(|key| &key[..]));
        for key in keys {
            self.permit_topic(Permission::Write, &exchange, key)?;
        }
        Ok(())
    }

    fn find_route(&mut self, message: &Message, extra: &ExtraKeys, epoch: u64) -> Destinations {
        let is_default = exchange_of(message).is_empty();
        let replies = if is_default { self.find_replies(message, extra) } else { Vec::new() };
        if is_default && extra.is_empty() && is_address(message.routing_key()) {
            let origin = self.broker.topology.read().default_exchange_counts(&self.vhost);
            let origin = origin.and_then(|counts| self.routes.origin(&Route::from_exchange(counts)));
            return Destinations { queues: Arc::default(), replies, origin };
        }
        let route: Route = self.broker.topology.read().route(&self.vhost, message, extra, &mut self.scratch);
        let queues = self.broker.live_queues(&route.queues);
        let origin = self.routes.origin(&route);
        if route.is_cacheable && extra.is_empty() && !queues.is_empty() {
            self.routes.keep(message.address(), (Arc::clone(&queues), origin), route, epoch);
        }
        Destinations { queues, replies, origin }
    }

    /// The sessions that a message reaches as a direct reply, each once.
    fn find_replies(&self, message: &Message, extra: &ExtraKeys) -> Vec<Arc<ReplyConsumer>> {
        let keys = std::iter::once(message.routing_key()).chain(extra.keys().iter().map(|key| &**key));
        let mut found: Vec<Arc<ReplyConsumer>> = Vec::new();
        for consumer in keys.filter_map(|key| self.broker.replies.find(key)) {
            if !found.iter().any(|other| Arc::ptr_eq(other, &consumer)) {
                found.push(consumer);
            }
        }
        found
    }

    fn check_user_id(&self, message: &Message) -> Result<(), Refusal> {
        let claimed = message.properties().user_id.unwrap_or_default();
        let topology = self.broker.topology.read();
        let may_impersonate = || topology.user(&self.user).is_some_and(|user| user.has_tag("impersonator"));
        if claimed == self.user.as_bytes() || may_impersonate() {
            return Ok(());
        }
        let claimed = String::from_utf8_lossy(claimed).into_owned();
        Err(Refusal::UserIdMismatch { claimed, user: self.user.clone() })
    }
}

/// How many queues a message reaches. What waits for its time is in one that nobody sees.
pub(super) fn count_routed(queues: &[Arc<Queue>]) -> u64 {
    queues.iter().filter(|queue| queue.record().kind != QueueKind::Delay).count() as u64
}

/// The exchange by name. One that is not UTF-8 does not exist; its name in a text is the nearest that is.
fn exchange_of(message: &Message) -> Name {
    let bytes = message.exchange();
    Name::from_bytes(bytes)
        .or_else(|_| Name::parse(String::from_utf8_lossy(bytes.get(..80).unwrap_or(bytes)).as_ref()))
        .unwrap_or_default()
}

/// RabbitMQ: a number of milliseconds and nothing behind it, at most ten years.
fn check_expiration(message: &Message) -> Result<(), Refusal> {
    let text = String::from_utf8_lossy(message.properties().expiration.unwrap_or_default()).into_owned();
    let refuse = |reason: String| Err(Refusal::InvalidExpiration { text: text.clone(), reason });
    let sign_bytes = usize::from(text.starts_with(['+', '-']));
    let digits = text.bytes().skip(sign_bytes).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(sign_bytes.saturating_add(digits));
    match number.parse::<i128>() {
        Err(_) => refuse("no_integer".to_owned()),
        Ok(_) if !rest.is_empty() => refuse(format!("{{leftover_string,{rest:?}}}")),
        Ok(ms) if ms < 0 => refuse(format!("{{value_negative,{ms}}}")),
        Ok(ms) if ms > EXPIRATION_MS_MAX.into() => refuse(format!("{{value_too_large,{ms}}}")),
        Ok(_) => Ok(()),
    }
}
