//! Refusals and errors in RabbitMQ's words.

#![expect(clippy::too_many_lines, reason = "a test may stop where something is not as it should be")]

use model::{
    Name, Table,
    refusal::{Named, Permission, Resource},
};

use super::*;
use model::Value;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn queue() -> Named {
    Named { resource: Resource::Queue, name: name("q1"), vhost: name("census") }
}

fn exchange() -> Named {
    Named { resource: Resource::Exchange, name: name("e1"), vhost: name("census") }
}

fn check(refusal: Refusal, scope: Scope, text: &str) {
    let reply = Reply::from_refusal(&refusal);
    assert_eq!((reply.scope, reply.text.as_str()), (scope, text));
    assert!(text.starts_with(reply.code.name()));
}

/// The texts of the reference, each seen on a RabbitMQ.
#[test]
fn refusals_are_worded_as_rabbitmq_does() {
    use Scope::{Channel, Connection};
    let user = || name("guest");
    let vhost = || name("census");
    for (refusal, scope, text) in [
        (Refusal::NotFound(queue()), Channel, "NOT_FOUND - no queue 'q1' in vhost 'census'"),
        (Refusal::NotFound(exchange()), Channel, "NOT_FOUND - no exchange 'e1' in vhost 'census'"),
        (Refusal::NoPreviousQueue, Channel, "NOT_FOUND - no previously declared queue"),
        (
            Refusal::InvalidBinding { reason: "Invalid x-match field value <<\"zz\">>".to_owned() },
            Channel,
            "PRECONDITION_FAILED - Invalid x-match field value <<\"zz\">>",
        ),
        (
            Refusal::InvalidQueue { reason: "Invalid value for  x-stream-filter-size-bytes".to_owned() },
            Channel,
            "PRECONDITION_FAILED - Invalid value for  x-stream-filter-size-bytes",
        ),
        (
            Refusal::NoPrefetch(queue()),
            Channel,
            "PRECONDITION_FAILED - consumer prefetch count is not set for stream queue 'q1' in vhost 'census'",
        ),
        (
            Refusal::Locked(queue()),
            Channel,
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q1' in vhost 'census'. It could \
             be originally declared on another connection or the exclusive property value does not match that \
             of the original declaration.",
        ),
        (
            Refusal::ReservedName { resource: Resource::Queue, name: name("amq.foo") },
            Channel,
            "ACCESS_REFUSED - queue name 'amq.foo' contains reserved prefix 'amq.*'",
        ),
        (
            Refusal::DefaultExchange,
            Channel,
            "ACCESS_REFUSED - operation not permitted on the default exchange",
        ),
        (
            Refusal::SystemExchange(exchange()),
            Channel,
            "ACCESS_REFUSED - deletion of system exchange 'e1' in vhost 'census' not allowed",
        ),
        (
            Refusal::UnknownExchangeType { kind: name("x-foo") },
            Channel,
            "PRECONDITION_FAILED - unknown exchange type 'x-foo'",
        ),
        (
            Refusal::UnknownExchangeType { kind: name("") },
            Channel,
            "PRECONDITION_FAILED - invalid exchange type ''",
        ),
        (
            Refusal::UnknownExchangeType { kind: name("foo") },
            Channel,
            "PRECONDITION_FAILED - unknown exchange type 'foo'",
        ),
        (
            Refusal::AccessRefused { permission: Permission::Configure, named: queue(), user: user() },
            Channel,
            "ACCESS_REFUSED - configure access to queue 'q1' in vhost 'census' refused for user 'guest'",
        ),
        (
            Refusal::TopicRefused {
                permission: Permission::Write,
                routing_key: name("x.y"),
                exchange: name("amq.topic"),
                vhost: vhost(),
                user: user(),
            },
            Channel,
            "ACCESS_REFUSED - write access to topic 'x.y' in exchange 'amq.topic' in vhost 'census' refused for \
             user 'guest'",
        ),
        (
            Refusal::InvalidArgument {
                argument: name("x-message-ttl"),
                named: queue(),
                reason: "\"expected integer, got longstr\"".to_owned(),
            },
            Channel,
            "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'q1' in vhost 'census': \"expected \
             integer, got longstr\"",
        ),
        (
            Refusal::InvalidArgumentType {
                argument: name("x-dead-letter-exchange"),
                named: queue(),
                found: "signedint",
            },
            Channel,
            "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q1' in \
             vhost 'census'",
        ),
        (Refusal::InUse(queue()), Channel, "PRECONDITION_FAILED - queue 'q1' in vhost 'census' in use"),
        (Refusal::NotEmpty(queue()), Channel, "PRECONDITION_FAILED - queue 'q1' in vhost 'census' not empty"),
        (
            Refusal::ExclusiveUse(queue()),
            Channel,
            "ACCESS_REFUSED - queue 'q1' in vhost 'census' in exclusive use",
        ),
        (
            Refusal::ConsumerTagInUse { consumer: name("a") },
            Connection,
            "NOT_ALLOWED - attempt to reuse consumer tag 'a'",
        ),
        (
            Refusal::InternalExchange(exchange()),
            Channel,
            "ACCESS_REFUSED - cannot publish to internal exchange 'e1' in vhost 'census'",
        ),
        (Refusal::Immediate, Connection, "NOT_IMPLEMENTED - immediate=true"),
        (
            Refusal::MessageTooLarge { bytes: 17_825_792, bytes_max: 16_777_216 },
            Channel,
            "PRECONDITION_FAILED - message size 17825792 is larger than configured max size 16777216",
        ),
        (
            Refusal::InvalidExpiration { text: "abc".to_owned(), reason: "no_integer".to_owned() },
            Channel,
            "PRECONDITION_FAILED - invalid expiration 'abc': no_integer",
        ),
        (
            Refusal::InvalidMessage { reason: "{unacceptable_type_in_header,\"CC\",longstr}".to_owned() },
            Channel,
            "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}",
        ),
        (
            Refusal::UserIdMismatch { claimed: "other".to_owned(), user: user() },
            Channel,
            "PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest'",
        ),
        (Refusal::UnknownDelivery { delivery: 99 }, Channel, "PRECONDITION_FAILED - unknown delivery tag 99"),
        (
            Refusal::NodeSessionLimit { node: name("rabbit@here"), sessions_max: 2 },
            Connection,
            "NOT_ALLOWED - number of channels opened on node 'rabbit@here' has reached the maximum allowed limit of (2)",
        ),
        (
            Refusal::UserSessionLimit { user: name("guest"), sessions_max: 2 },
            Connection,
            "NOT_ALLOWED - number of channels opened for user 'guest' has reached the maximum allowed user limit of (2)",
        ),
        (
            Refusal::DeliveryTimeout { session: SessionId(3), timeout_ms: 1000 },
            Channel,
            "PRECONDITION_FAILED - delivery acknowledgement on channel 3 timed out. Timeout value used: 1000 ms. \
             This timeout value can be configured, see consumers doc guide to learn more",
        ),
        (Refusal::NoTransaction, Channel, "PRECONDITION_FAILED - channel is not transactional"),
        (
            Refusal::TransactionsAfterConfirms,
            Channel,
            "PRECONDITION_FAILED - cannot switch from confirm to tx mode",
        ),
        (
            Refusal::ConfirmsAfterTransactions,
            Channel,
            "PRECONDITION_FAILED - cannot switch from tx to confirm mode",
        ),
        (Refusal::TransactionFailed, Channel, "PRECONDITION_FAILED - partial tx completion"),
        (
            Refusal::TransactionTooLarge { bytes_max: 7 },
            Channel,
            "PRECONDITION_FAILED - transaction is larger than 7 bytes",
        ),
        (Refusal::ReplyConsumerSettles, Channel, "PRECONDITION_FAILED - reply consumer cannot acknowledge"),
        (Refusal::SecondReplyConsumer, Channel, "PRECONDITION_FAILED - reply consumer already set"),
        (Refusal::NoReplyConsumer, Channel, "PRECONDITION_FAILED - fast reply consumer does not exist"),
        (
            Refusal::TooManyConsumers { consumers_max: 3 },
            Connection,
            "NOT_ALLOWED - reached maximum (3) of consumers per channel",
        ),
        (
            Refusal::NotImplemented {
                what: "queue 'qq1' in vhost 'census' does not support global qos".into(),
            },
            Connection,
            "NOT_IMPLEMENTED - queue 'qq1' in vhost 'census' does not support global qos",
        ),
        (
            Refusal::VhostNotFound { vhost: name("novhost") },
            Connection,
            "NOT_ALLOWED - vhost novhost not found",
        ),
        (
            Refusal::VhostRefused { vhost: vhost(), user: user() },
            Connection,
            "NOT_ALLOWED - access to vhost 'census' refused for user 'guest'",
        ),
        (
            Refusal::ConnectionLimit {
                reason: "connection refused: node connection limit (5) is reached".into(),
            },
            Connection,
            "NOT_ALLOWED - connection refused: node connection limit (5) is reached",
        ),
        (
            Refusal::QueueLimit { queue: name("mq1"), vhost: vhost(), queues_max: 1 },
            Channel,
            "PRECONDITION_FAILED - cannot declare queue 'mq1': queue limit in vhost 'census' (1) is reached",
        ),
        (
            Refusal::NodeQueueLimit { queue: name("mq1"), queues_max: 3 },
            Channel,
            "PRECONDITION_FAILED - cannot declare queue 'mq1': queue limit in cluster (3) is reached",
        ),
        (
            Refusal::ExchangeLimit { named: exchange(), exchanges_max: 10 },
            Channel,
            "PRECONDITION_FAILED - cannot declare exchange 'e1' in vhost 'census': exchange limit of 10 is reached",
        ),
        (Refusal::SecretRefused, Connection, "NOT_ALLOWED - New secret was refused by one of the backends"),
        (Refusal::Internal, Connection, "INTERNAL_ERROR"),
    ] {
        check(refusal, scope, text);
    }
}

#[test]
fn inequivalences_name_the_types_where_one_side_is_missing() {
    let value = |value| Property::Value(Box::new(value));
    let plain = |word: &str| Property::Plain(word.to_owned());
    let kind = |word: &str| Property::Kind(word.to_owned());
    let table = {
        let mut table = Table::default();
        table.push("a", Value::text("b"));
        Value::Table(table)
    };
    for (received, current, text) in [
        (plain("false"), plain("true"), "received 'false' but current is 'true'"),
        (plain("drop-head"), plain("60000"), "received 'drop-head' but current is '60000'"),
        (kind("x-random"), kind("direct"), "received ''x-random'' but current is 'direct'"),
        (
            value(Value::I32(5)),
            Property::None,
            "received the value '5' of type 'signedint' but current is none",
        ),
        (
            Property::None,
            value(Value::text("quorum")),
            "received none but current is the value 'quorum' of type 'longstr'",
        ),
        (value(Value::I64(1000)), value(Value::I32(60000)), "received '1000' but current is '60000'"),
        (value(Value::Bool(true)), value(Value::F64(1.5)), "received 'true' but current is '1.5'"),
        (
            value(table),
            value(Value::Array(vec![Value::U8(1), Value::Void])),
            "received '[{<<\"a\">>,longstr,<<\"b\">>}]' but current is '[{unsignedbyte,1},{void,undefined}]'",
        ),
    ] {
        let argument = name("x-arg");
        check(
            Refusal::Inequivalent { argument, named: queue(), received, current },
            Scope::Channel,
            &format!(
                "PRECONDITION_FAILED - inequivalent arg 'x-arg' for queue 'q1' in vhost 'census': {text}"
            ),
        );
    }
}

/// RabbitMQ: 255 bytes are shown whole, of more the first 252 and three dots.
#[test]
fn long_texts_are_cut_at_a_character() {
    let text = |name_of: &str| {
        let named = Named { name: name(name_of), ..queue() };
        Reply::from_refusal(&Refusal::NotFound(named)).text
    };
    let whole = text(&"n".repeat(214));
    assert!(whole.len() == 255 && whole.ends_with("in vhost 'census'"));
    let cut = text(&"n".repeat(255));
    assert!(cut.len() == 255 && cut.ends_with("nnn..."));
    let cut = text(&"\u{e9}".repeat(127));
    assert!(cut.len() <= 255 && cut.ends_with("\u{e9}\u{e9}..."));
}
