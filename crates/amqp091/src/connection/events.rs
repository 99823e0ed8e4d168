//! Events in, methods out: what the broker tells, in the words of the protocol.

use std::time::Instant;

use model::{Delivered, DeliveryId, Event, Message, Name, Refusal, SessionEvent, SessionId};

use super::{Connection, End, State};
use crate::{
    channel::{Ending, State as ChannelState},
    codec::{Long, Method, MethodId, Short},
    reply::{Code, Reply, Scope},
};

impl Connection {
    /// The broker tells something. Afterwards there may be a command to poll.
    pub fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Session(SessionId(number), event) => self.session_event(now, number, event),
            Event::Authenticated { user } => self.authenticated(user),
            Event::AuthenticationRefused { mechanism } => self.login_refused(now, mechanism),
            Event::Opened => self.entered(),
            Event::SecretUpdated => {
                if self.is_open() {
                    self.output.method(0, &Method::ConnectionUpdateSecretOk {});
                }
            }
            Event::Refused(refusal) => self.connection_refused(now, &refusal),
            Event::Closed => {
                if self.state == State::Leaving {
                    self.output.method(0, &Method::ConnectionCloseOk {});
                    self.state = State::Closed;
                    self.deadline = None;
                }
            }
            Event::Forced { reason } => self.forced(now, reason),
            Event::Blocked { reason } => {
                if self.is_open() && self.capabilities.blocked {
                    self.output.method(0, &Method::ConnectionBlocked { reason: short(reason) });
                    self.is_blocked_told = true;
                }
            }
            Event::Unblocked => {
                if self.is_open() && std::mem::take(&mut self.is_blocked_told) {
                    self.output.method(0, &Method::ConnectionUnblocked {});
                }
            }
        }
    }

    /// The broker delivers a message that lies elsewhere.
    pub fn handle_delivery(&mut self, SessionId(number): SessionId, delivered: Delivered<'_>) {
        if self.channels.find(number).is_some_and(|channel| channel.is_listening()) {
            self.output.delivery(number, self.payload_bytes_out_max, delivered);
        }
    }

    fn connection_refused(&mut self, now: Instant, refusal: &Refusal) {
        let method = match self.state {
            State::Entering => MethodId::CONNECTION_OPEN,
            State::Running => MethodId::UPDATE_SECRET,
            State::Securing | State::Tuning | State::Opening => MethodId::NONE,
            State::Header
            | State::Starting
            | State::Leaving
            | State::Closing { .. }
            | State::Silent
            | State::Closed => return,
        };
        let reply = Reply::from_refusal(refusal);
        self.close(now, End::Refused(reply.clone()), &reply, method, true);
    }

    fn forced(&mut self, now: Instant, reason: String) {
        match self.state {
            State::Running => {
                let reply = Reply::forced(&reason);
                self.close(now, End::Forced { reason }, &reply, MethodId::NONE, true);
            }
            State::Leaving | State::Closing { .. } | State::Closed => {}
            // RabbitMQ: nobody is told who is not in yet.
            State::Header
            | State::Starting
            | State::Securing
            | State::Tuning
            | State::Opening
            | State::Entering
            | State::Silent => self.finish(|| End::Forced { reason }),
        }
    }

    fn session_event(&mut self, now: Instant, number: u16, event: SessionEvent) {
        let Some(channel) = self.channels.find(number) else { return };
        let ending = channel.endings.front().copied();
        if matches!(event, SessionEvent::Closed) {
            channel.endings.pop_front();
            let is_last = channel.endings.is_empty();
            if ending == Some(Ending::ByPeer) {
                self.output.method(number, &Method::ChannelCloseOk {});
                if is_last && self.channels.state(number) == ChannelState::Leaving {
                    self.channels.set_state(number, ChannelState::Free);
                }
            }
            self.channels.forget(number);
            return;
        }
        let is_too_late = ending.is_some() && matches!(event, SessionEvent::Refused(_));
        if !channel.is_listening() || is_too_late {
            return;
        }
        let last = channel.last;
        if let SessionEvent::Refused(refusal) = &event {
            self.session_refused(now, number, refusal, last);
        } else {
            self.tell(number, event);
        }
    }

    fn session_refused(&mut self, now: Instant, number: u16, refusal: &Refusal, last: MethodId) {
        let reply = Reply::from_refusal(refusal);
        let method = about(refusal).unwrap_or(last);
        match reply.scope {
            Scope::Channel => self.close_channel(number, &reply, method),
            Scope::Connection => self.close(now, End::Refused(reply.clone()), &reply, method, true),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "`method_of` is exhaustive")]
    fn tell(&mut self, number: u16, event: SessionEvent) {
        match event {
            SessionEvent::Delivered { consumer, delivery, redelivered, message } => {
                let delivered = Delivered { consumer: &consumer, delivery, redelivered, message: &message };
                self.output.delivery(number, self.payload_bytes_out_max, delivered);
            }
            SessionEvent::Got { delivery: DeliveryId(tag), redelivered, message, messages } => {
                let method = Method::BasicGetOk {
                    delivery_tag: tag,
                    redelivered,
                    exchange: Short(message.exchange()),
                    routing_key: Short(message.routing_key()),
                    message_count: count(messages),
                };
                self.with_content(number, &method, &message);
            }
            SessionEvent::Returned { message } => {
                let method = Method::BasicReturn {
                    reply_code: Code::NoRoute.number(),
                    reply_text: short(Code::NoRoute.name()),
                    exchange: Short(message.exchange()),
                    routing_key: Short(message.routing_key()),
                };
                self.with_content(number, &method, &message);
            }
            SessionEvent::ConsumerLost { consumer } => self.consumer_lost(number, &consumer),
            plain => {
                if let Some(method) = method_of(&plain) {
                    self.output.method(number, &method);
                }
            }
        }
    }

    fn with_content(&mut self, number: u16, method: &Method<'_>, message: &Message) {
        self.output.method(number, method);
        self.output.content(number, self.payload_bytes_out_max, message);
    }

    fn consumer_lost(&mut self, number: u16, consumer: &Name) {
        if self.capabilities.consumer_cancel_notify {
            let method = Method::BasicCancel { consumer_tag: short(consumer), nowait: true };
            self.output.method(number, &method);
        }
    }
}

/// The method that tells of an event, where one method is all it takes.
fn method_of(event: &SessionEvent) -> Option<Method<'_>> {
    Some(match event {
        SessionEvent::Opened => Method::ChannelOpenOk { channel_id: Long(b"") },
        SessionEvent::ExchangeDeclared => Method::ExchangeDeclareOk {},
        SessionEvent::ExchangeDeleted => Method::ExchangeDeleteOk {},
        SessionEvent::ExchangeBound => Method::ExchangeBindOk {},
        SessionEvent::ExchangeUnbound => Method::ExchangeUnbindOk {},
        SessionEvent::QueueDeclared { queue, messages, consumers } => Method::QueueDeclareOk {
            queue: short(queue),
            message_count: count(*messages),
            consumer_count: *consumers,
        },
        SessionEvent::QueueBound => Method::QueueBindOk {},
        SessionEvent::QueueUnbound => Method::QueueUnbindOk {},
        SessionEvent::QueuePurged { messages } => Method::QueuePurgeOk { message_count: count(*messages) },
        SessionEvent::QueueDeleted { messages } => Method::QueueDeleteOk { message_count: count(*messages) },
        SessionEvent::Confirmed { publish, multiple } => {
            Method::BasicAck { delivery_tag: *publish, multiple: *multiple }
        }
        SessionEvent::NotConfirmed { publish, multiple } => {
            Method::BasicNack { delivery_tag: *publish, multiple: *multiple, requeue: false }
        }
        SessionEvent::ConfirmsSelected => Method::ConfirmSelectOk {},
        SessionEvent::TransactionsSelected => Method::TxSelectOk {},
        SessionEvent::Committed => Method::TxCommitOk {},
        SessionEvent::RolledBack => Method::TxRollbackOk {},
        SessionEvent::PrefetchSet => Method::BasicQosOk {},
        SessionEvent::Consuming { consumer } => Method::BasicConsumeOk { consumer_tag: short(consumer) },
        SessionEvent::ConsumeCancelled { consumer } => {
            Method::BasicCancelOk { consumer_tag: short(consumer) }
        }
        SessionEvent::GotNothing => Method::BasicGetEmpty { cluster_id: Short(b"") },
        SessionEvent::Recovered => Method::BasicRecoverOk {},
        SessionEvent::Closed
        | SessionEvent::Refused(_)
        | SessionEvent::Returned { .. }
        | SessionEvent::ConsumerLost { .. }
        | SessionEvent::Delivered { .. }
        | SessionEvent::Got { .. } => return None,
    })
}

/// The method that only this refusal can be about, where others may have come since.
fn about(refusal: &Refusal) -> Option<MethodId> {
    if matches!(
        refusal,
        Refusal::DeliveryTimeout { .. } | Refusal::NodeSessionLimit { .. } | Refusal::UserSessionLimit { .. }
    ) {
        // RabbitMQ: no method is named.
        return Some(MethodId::NONE);
    }
    let is_of_publish = matches!(
        refusal,
        Refusal::InternalExchange(_)
            | Refusal::Immediate
            | Refusal::MessageTooLarge { .. }
            | Refusal::InvalidExpiration { .. }
            | Refusal::InvalidMessage { .. }
            | Refusal::UserIdMismatch { .. }
            | Refusal::NoReplyConsumer
    );
    is_of_publish.then_some(MethodId::PUBLISH)
}

fn short(text: &str) -> Short<'_> {
    Short(text.as_bytes())
}

/// Counts of messages have four bytes on the wire.
fn count(messages: u64) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}
