//! How scripts write what the broker tells.

use std::{collections::HashMap, sync::Arc};

use model::{
    DeliveryId, Event, Message, Name, Refusal, SessionEvent, SessionId,
    refusal::{Named, Resource},
};

use crate::notation::{self, Words};

struct Fields<'a>(HashMap<&'a str, &'a str>);

impl Fields<'_> {
    fn bytes(&self, field: &str) -> Vec<u8> {
        self.0.get(field).map(|text| notation::bytes(text)).unwrap_or_default()
    }

    fn name(&self, field: &str) -> Name {
        Name::from_bytes(&self.bytes(field)).unwrap()
    }

    fn number(&self, field: &str) -> u64 {
        self.0.get(field).map_or(0, |text| text.parse().expect("a number"))
    }

    fn is(&self, field: &str) -> bool {
        self.0.get(field).is_some_and(|text| *text == "true")
    }

    fn message(&self) -> Arc<Message> {
        let properties =
            if self.0.contains_key("properties") { self.bytes("properties") } else { vec![0, 0] };
        let body = self.bytes("body");
        let message = Message::new(&self.bytes("exchange"), &self.bytes("routing_key"), &properties, &body);
        Arc::new(message.expect("a message"))
    }
}

/// `[SESSION] NAME fields…`
pub(crate) fn parse(words: &mut Words<'_>) -> Event {
    let first = words.next().expect("an event");
    let Ok(number) = first.parse::<u16>() else { return connection_event(first, words) };
    let name = words.next().expect("an event");
    let event = match name {
        "refused" => SessionEvent::Refused(refusal(words)),
        _ => session_event(name, &Fields(words.fields().into_iter().collect())),
    };
    Event::Session(SessionId(number), event)
}

fn connection_event(name: &str, words: &mut Words<'_>) -> Event {
    match name {
        "authenticated" => {
            Event::Authenticated { user: Fields(words.fields().into_iter().collect()).name("user") }
        }
        "authentication-refused" => Event::AuthenticationRefused { mechanism: "PLAIN" },
        "opened" => Event::Opened,
        "secret-updated" => Event::SecretUpdated,
        "refused" => Event::Refused(refusal(words)),
        "closed" => Event::Closed,
        "forced" => Event::Forced { reason: words.next().map(notation::bytes).map(text).unwrap() },
        "blocked" => Event::Blocked { reason: "low on memory" },
        "unblocked" => Event::Unblocked,
        other => panic!("no such event: {other}"),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn session_event(name: &str, fields: &Fields<'_>) -> SessionEvent {
    let publish = fields.number("publish");
    let multiple = fields.is("multiple");
    match name {
        "opened" => SessionEvent::Opened,
        "closed" => SessionEvent::Closed,
        "exchange-declared" => SessionEvent::ExchangeDeclared,
        "exchange-deleted" => SessionEvent::ExchangeDeleted,
        "exchange-bound" => SessionEvent::ExchangeBound,
        "exchange-unbound" => SessionEvent::ExchangeUnbound,
        "queue-declared" => SessionEvent::QueueDeclared {
            queue: fields.name("queue"),
            messages: fields.number("messages"),
            consumers: fields.number("consumers").try_into().unwrap(),
        },
        "queue-bound" => SessionEvent::QueueBound,
        "queue-unbound" => SessionEvent::QueueUnbound,
        "queue-purged" => SessionEvent::QueuePurged { messages: fields.number("messages") },
        "queue-deleted" => SessionEvent::QueueDeleted { messages: fields.number("messages") },
        "returned" => SessionEvent::Returned { message: fields.message() },
        "confirmed" => SessionEvent::Confirmed { publish, multiple },
        "not-confirmed" => SessionEvent::NotConfirmed { publish, multiple },
        "confirms-selected" => SessionEvent::ConfirmsSelected,
        "transactions-selected" => SessionEvent::TransactionsSelected,
        "committed" => SessionEvent::Committed,
        "rolled-back" => SessionEvent::RolledBack,
        "prefetch-set" => SessionEvent::PrefetchSet,
        "consuming" => SessionEvent::Consuming { consumer: fields.name("consumer") },
        "consume-cancelled" => SessionEvent::ConsumeCancelled { consumer: fields.name("consumer") },
        "consumer-lost" => SessionEvent::ConsumerLost { consumer: fields.name("consumer") },
        "delivered" => SessionEvent::Delivered {
            consumer: fields.name("consumer"),
            delivery: DeliveryId(fields.number("delivery")),
            redelivered: fields.is("redelivered"),
            message: fields.message(),
        },
        "got" => SessionEvent::Got {
            delivery: DeliveryId(fields.number("delivery")),
            redelivered: fields.is("redelivered"),
            message: fields.message(),
            messages: fields.number("messages"),
        },
        "got-nothing" => SessionEvent::GotNothing,
        "recovered" => SessionEvent::Recovered,
        other => panic!("no such event: {other}"),
    }
}

fn refusal(words: &mut Words<'_>) -> Refusal {
    let word = words.next().expect("a refusal");
    let fields = Fields(words.fields().into_iter().collect());
    let named = |resource| Named { resource, name: fields.name("name"), vhost: Name::parse("/").unwrap() };
    match word {
        "no-queue" => Refusal::NotFound(named(Resource::Queue)),
        "no-exchange" => Refusal::NotFound(named(Resource::Exchange)),
        "locked" => Refusal::Locked(named(Resource::Queue)),
        "internal-exchange" => Refusal::InternalExchange(named(Resource::Exchange)),
        "consumer-tag" => Refusal::ConsumerTagInUse { consumer: fields.name("name") },
        "no-transaction" => Refusal::NoTransaction,
        "transactions-after-confirms" => Refusal::TransactionsAfterConfirms,
        "confirms-after-transactions" => Refusal::ConfirmsAfterTransactions,
        "no-reply-consumer" => Refusal::NoReplyConsumer,
        "second-reply-consumer" => Refusal::SecondReplyConsumer,
        "unknown-delivery" => Refusal::UnknownDelivery { delivery: fields.number("delivery") },
        "no-vhost" => Refusal::VhostNotFound { vhost: fields.name("name") },
        "secret" => Refusal::SecretRefused,
        "internal" => Refusal::Internal,
        other => panic!("no such refusal: {other}"),
    }
}
