//! The rules a queue lives by: its arguments and the policies that apply to it, put together.

use std::sync::Arc;

use model::{Message, Name, message::flag};
use serde_json::Value as Json;

use crate::{
    argument::{self, Overflow, QueueArguments},
    dead_letter::DeadLetterTo,
    route::delayed,
    topology::{Policy, QueueKind},
};

/// See the module's documentation. What can be set by argument and by policies: the lower number counts, of other values
/// the argument's, but an operator's before a user's. Of quorum queues a policy's `overflow` comes before the argument's.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rules {
    /// How long messages live, in milliseconds.
    pub message_ttl_ms: Option<u64>,
    /// How long the queue lives unused, in milliseconds.
    pub expires_ms: Option<u64>,
    /// The most ready messages.
    pub max_length: Option<u64>,
    /// The most bytes of bodies of ready messages.
    pub max_length_bytes: Option<u64>,
    /// What happens above that.
    pub overflow: Overflow,
    /// Where messages go that the queue gives up.
    pub dead_letter: Option<Arc<DeadLetterTo>>,
    /// The highest priority; None for a queue without priorities.
    pub max_priority: Option<u8>,
    /// How long deliveries may stay unsettled, in milliseconds.
    pub consumer_timeout_ms: Option<u64>,
    /// How often a message may come back before it is given up; None for no limit.
    pub delivery_limit: Option<u64>,
    /// What a stream keeps.
    pub(super) retention: Retention,
    is_quorum: bool,
    /// Messages expire when their delays are over.
    is_delay: bool,
}

/// What a stream keeps, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Retention {
    /// The most bytes.
    pub(super) bytes_max: Option<u64>,
    /// For how long, in milliseconds.
    pub(super) age_max_ms: Option<u64>,
    /// The size at which a segment ends.
    pub(super) segment_bytes_max: u64,
    /// Bytes of the filter of a chunk.
    pub(super) filter_bytes: u8,
}

impl Default for Retention {
    fn default() -> Self {
        let (segment_bytes_max, filter_bytes) = (SEGMENT_BYTES_MAX, FILTER_BYTES);
        Self { bytes_max: None, age_max_ms: None, segment_bytes_max, filter_bytes }
    }
}

/// RabbitMQ: the size at which a segment of a stream ends.
const SEGMENT_BYTES_MAX: u64 = 500_000_000;
/// RabbitMQ: bytes of the filter of a chunk.
const FILTER_BYTES: u8 = 16;
/// RabbitMQ 4: how often a message may come back to a quorum queue.
const DELIVERY_LIMIT: u64 = 20;
/// RabbitMQ 4: messages of a higher priority come before others in a quorum queue.
const QUORUM_LOW_PRIORITY_MAX: u8 = 4;

impl Rules {
    /// Puts arguments, a user's policy and an operator's policy together.
    pub(crate) fn new(
        arguments: &QueueArguments,
        policy: Option<&Policy>,
        operator_policy: Option<&Policy>,
    ) -> Self {
        let of = |policy: Option<&Policy>, key: &str| policy?.definition.get(key).cloned();
        if arguments.kind == QueueKind::Stream {
            let consumer_timeout_ms = of(policy, "consumer-timeout").as_ref().and_then(Json::as_u64);
            let retention =
                Retention::new(arguments, |key| of(operator_policy, key).or_else(|| of(policy, key)));
            return Self { retention, consumer_timeout_ms, ..Self::default() };
        }
        let lowest = |argument: Option<u64>, key: &str| {
            let number = |policy| of(policy, key).as_ref().and_then(Json::as_u64);
            [argument, number(policy), number(operator_policy)].into_iter().flatten().min()
        };
        let text = |key: &str| of(policy, key).and_then(|value| value.as_str().map(str::to_owned));
        let name = |key: &str| text(key).and_then(|text| Name::parse(&text).ok());
        let is_quorum = arguments.kind == QueueKind::Quorum;
        let dead_letter = match &arguments.dead_letter_exchange {
            Some(exchange) => Some((exchange.clone(), arguments.dead_letter_routing_key.clone())),
            None => name("dead-letter-exchange").map(|exchange| (exchange, None)),
        };
        let dead_letter = dead_letter.map(|(exchange, key)| {
            let routing_key = key.or_else(|| name("dead-letter-routing-key"));
            Arc::new(DeadLetterTo { exchange, routing_key })
        });
        let delivery_limit = || {
            let number = |policy| of(policy, "delivery-limit").as_ref().and_then(Json::as_i64);
            let wanted = [arguments.delivery_limit, number(policy), number(operator_policy)];
            let is_wanted = wanted.iter().any(Option::is_some);
            // RabbitMQ: below zero is no limit, unless another sets one.
            let limits = wanted.into_iter().flatten().filter_map(|limit| u64::try_from(limit).ok());
            limits.min().or_else(|| (!is_wanted).then_some(DELIVERY_LIMIT))
        };
        Self {
            message_ttl_ms: lowest(arguments.message_ttl_ms, "message-ttl"),
            expires_ms: lowest(arguments.expires_ms, "expires"),
            max_length: lowest(arguments.max_length, "max-length"),
            max_length_bytes: lowest(arguments.max_length_bytes, "max-length-bytes"),
            overflow: overflow(arguments, of(operator_policy, "overflow").or_else(|| of(policy, "overflow"))),
            dead_letter,
            max_priority: arguments.max_priority,
            consumer_timeout_ms: lowest(arguments.consumer_timeout_ms, "consumer-timeout"),
            delivery_limit: if is_quorum { delivery_limit() } else { None },
            retention: Retention::default(),
            is_quorum,
            is_delay: false,
        }
    }

    /// Those of the queue in which messages wait for `exchange`.
    pub(crate) fn of_delay(exchange: &Name) -> Self {
        let to = DeadLetterTo { exchange: exchange.clone(), routing_key: None };
        Self { dead_letter: Some(Arc::new(to)), is_delay: true, ..Self::default() }
    }

    /// Whether publishers are told no when it is full.
    pub fn refuses_when_full(&self) -> bool {
        self.may_refuse()
    }

    /// Whether publishes may be refused.
    pub(super) fn may_refuse(&self) -> bool {
        self.has_limit() && self.overflow != Overflow::DropHead
    }

    pub(super) fn has_limit(&self) -> bool {
        self.max_length.is_some() || self.max_length_bytes.is_some()
    }

    /// Whether so many messages and bytes are too many.
    pub(super) fn is_over(&self, messages: u64, bytes: u64) -> bool {
        self.max_length.is_some_and(|max| messages > max)
            || self.max_length_bytes.is_some_and(|max| bytes > max)
    }

    /// Whether messages have no priority and no time to live but their own.
    pub(super) fn are_plain(&self) -> bool {
        self.max_priority.is_none() && self.message_ttl_ms.is_none()
    }

    /// The priority level of a message.
    pub(super) fn level(&self, message: &Message) -> u8 {
        if self.is_quorum {
            return u8::from(message.priority() > QUORUM_LOW_PRIORITY_MAX);
        }
        self.max_priority.map_or(0, |max| message.priority().min(max))
    }

    /// When a message that comes in now expires, in milliseconds since 1970; 0: never.
    pub(super) fn expires_at_ms(&self, message: &Message, now_ms: u64) -> u64 {
        if self.is_delay {
            return now_ms.saturating_add(delayed::delay_ms(message)).max(1);
        }
        let own = if message.flags() & flag::EXPIRATION == 0 { None } else { expiration_ms(message) };
        let ttl_ms = [own, self.message_ttl_ms].into_iter().flatten().min();
        // 0 stands for never.
        ttl_ms.map_or(0, |ttl_ms| now_ms.saturating_add(ttl_ms).max(1))
    }
}

impl Retention {
    /// RabbitMQ: of a stream's settings a policy's comes before an argument.
    fn new(arguments: &QueueArguments, policy: impl Fn(&str) -> Option<Json>) -> Self {
        let number = |key| policy(key).as_ref().and_then(Json::as_u64);
        let (stream, default) = (&arguments.stream, Self::default());
        let filter_bytes = number("stream-filter-size-bytes").and_then(|bytes| u8::try_from(bytes).ok());
        let age_ms = policy("max-age").as_ref().and_then(Json::as_str).and_then(argument::age_ms);
        let segment_bytes_max = number("stream-max-segment-size-bytes").or(stream.segment_bytes_max);
        Self {
            bytes_max: number("max-length-bytes").or(arguments.max_length_bytes),
            age_max_ms: age_ms.or(stream.age_max_ms),
            segment_bytes_max: segment_bytes_max.unwrap_or(default.segment_bytes_max),
            filter_bytes: filter_bytes.or(stream.filter_bytes).unwrap_or(default.filter_bytes),
        }
    }
}

/// What happens above a limit, by argument and by whichever policy has a say.
fn overflow(arguments: &QueueArguments, of_policy: Option<Json>) -> Overflow {
    let of_policy = of_policy.and_then(|word| Overflow::parse(word.as_str()?));
    let counts = if arguments.kind == QueueKind::Quorum {
        // RabbitMQ: a quorum queue cannot dead-letter what it does not take, and then drops its head.
        of_policy.or(arguments.overflow).filter(|overflow| *overflow != Overflow::RejectPublishDeadLetter)
    } else {
        arguments.overflow.or(of_policy)
    };
    counts.unwrap_or_default()
}

/// The message's own time to live; that it is a number was checked when it was published.
fn expiration_ms(message: &Message) -> Option<u64> {
    std::str::from_utf8(message.properties().expiration?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
