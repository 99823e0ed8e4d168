//! Every refusal as RabbitMQ 4.0.5 worded it.

use bytes::Bytes;
use model::refusal::{Property, Resource};

use super::{equivalence::plain, *};

fn table(fields: &[(&str, Value)]) -> Table {
    Table(fields.iter().map(|(field, value)| (name(field), value.clone())).collect())
}

fn named() -> Named {
    Named { resource: Resource::Queue, name: name("q"), vhost: name("/") }
}

/// The refusal in short: argument and reason.
fn refusal(fields: &[(&str, Value)]) -> Option<(String, String)> {
    Some(match QueueArguments::parse(&table(fields), named).err()? {
        Refusal::InvalidArgument { argument, reason, .. } => (argument.to_string(), reason),
        Refusal::InvalidArgumentType { argument, found, .. } => {
            (argument.to_string(), format!("type {found}"))
        }
        Refusal::ForeignArgument { argument, queue_type, .. } => {
            (argument.to_string(), queue_type.to_owned())
        }
        other => panic!("{other:?}"),
    })
}

fn check(argument: &str, value: Value, expected: Option<&str>) {
    let found = refusal(&[(argument, value.clone())]);
    let expected = expected.map(|reason| (argument.to_owned(), reason.to_owned()));
    assert_eq!(found, expected, "{argument} = {value:?}");
}

fn not_integers() -> [(Value, &'static str); 6] {
    [
        (Value::text("a"), "\"expected integer, got longstr\""),
        (Value::F64(1.5), "\"expected integer, got double\""),
        (Value::Bool(true), "\"expected integer, got bool\""),
        (Value::Void, "\"expected integer, got void\""),
        (Value::Timestamp(5), "\"expected integer, got timestamp\""),
        (Value::Array(Vec::new()), "\"expected integer, got array\""),
    ]
}

fn not_texts() -> [(Value, &'static str); 4] {
    [
        (Value::I32(5), "{unacceptable_type,signedint}"),
        (Value::Bool(true), "{unacceptable_type,bool}"),
        (Value::Void, "{unacceptable_type,void}"),
        (Value::Bytes(Bytes::from_static(b"classic")), "{unacceptable_type,binary}"),
    ]
}

#[test]
fn numbers_have_types_and_ranges() {
    let numbers = [
        "x-message-ttl",
        "x-expires",
        "x-max-length",
        "x-max-length-bytes",
        "x-max-priority",
        "x-queue-version",
    ];
    for argument in numbers {
        for (value, reason) in not_integers() {
            check(argument, value, Some(reason));
        }
        check(argument, Value::I32(-1), Some("{value_negative,-1}"));
    }
    for argument in ["x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-max-priority"] {
        check(argument, Value::I8(5), None);
        check(argument, Value::U8(200), None);
    }
    for argument in ["x-message-ttl", "x-expires"] {
        check(argument, Value::I64(315_360_000_000), None);
        check(argument, Value::I64(315_360_000_001), Some("{value_too_large,315360000001}"));
    }
    check("x-expires", Value::I32(0), Some("{value_zero,0}"));
    check("x-message-ttl", Value::I32(0), None);
    check("x-max-length", Value::I64(1 << 62), None);
    check("x-max-priority", Value::I32(0), None);
    check("x-max-priority", Value::I32(255), None);
    check("x-max-priority", Value::I32(256), Some("{max_value_exceeded,256}"));
    check("x-queue-version", Value::I32(0), Some("\"unsupported queue version '0'\""));
    check("x-queue-version", Value::I32(1), None);
    check("x-queue-version", Value::I32(2), None);
    check("x-queue-version", Value::I32(3), Some("\"unsupported queue version '3'\""));
}

#[test]
fn texts_have_types_and_words() {
    for argument in
        ["x-overflow", "x-queue-mode", "x-queue-type", "x-queue-leader-locator", DEAD_LETTER_ROUTING_KEY]
    {
        for (value, reason) in not_texts() {
            check(argument, value, Some(reason));
        }
    }
    for (argument, word, reason) in [
        ("x-overflow", "zz", Some("invalid_overflow")),
        ("x-overflow", "", Some("invalid_overflow")),
        ("x-overflow", "drop-head", None),
        ("x-overflow", "reject-publish", None),
        ("x-overflow", "reject-publish-dlx", None),
        ("x-queue-mode", "zz", Some("\"unsupported queue mode 'zz'\"")),
        ("x-queue-mode", "", Some("\"unsupported queue mode ''\"")),
        ("x-queue-mode", "lazy", None),
        ("x-queue-mode", "default", None),
        ("x-queue-type", "zz", Some("\"unsupported queue type 'zz'\"")),
        ("x-queue-type", "Classic", Some("\"unsupported queue type 'Classic'\"")),
        ("x-queue-type", "", Some("\"unsupported queue type ''\"")),
        ("x-queue-type", "classic", None),
        ("x-queue-type", "quorum", None),
        ("x-queue-type", "stream", None),
        ("x-queue-leader-locator", "zz", Some("invalid_queue_locator_arg")),
        ("x-queue-leader-locator", "min-masters", None),
        ("x-queue-leader-locator", "client-local", None),
        ("x-queue-leader-locator", "random", None),
        ("x-queue-leader-locator", "balanced", None),
        ("x-queue-leader-locator", "least-leaders", None),
        ("x-queue-master-locator", "zz", None),
        (DEAD_LETTER_ROUTING_KEY, "k", Some("routing_key_but_no_dlx_defined")),
        (DEAD_LETTER_EXCHANGE, "", None),
        (DEAD_LETTER_EXCHANGE, "x", None),
        ("x-foo", "anything", None),
        ("foo", "anything", None),
    ] {
        check(argument, Value::text(word), reason);
    }
}

#[test]
fn dead_letters_need_an_exchange_with_a_name() {
    for (value, word) in [
        (Value::I32(5), "type signedint"),
        (Value::Bool(true), "type bool"),
        (Value::Void, "type void"),
        (Value::Bytes(Bytes::from_static(b"x")), "type binary"),
    ] {
        check(DEAD_LETTER_EXCHANGE, value, Some(word));
    }
    let exchange = (DEAD_LETTER_EXCHANGE, Value::text("d"));
    assert_eq!(refusal(&[exchange.clone(), (DEAD_LETTER_ROUTING_KEY, Value::text("k"))]), None);
    let long = Value::text(&"k".repeat(256));
    check(DEAD_LETTER_EXCHANGE, long.clone(), Some(NOT_A_NAME));
    let refused = refusal(&[exchange, (DEAD_LETTER_ROUTING_KEY, long)]);
    assert_eq!(refused, Some((DEAD_LETTER_ROUTING_KEY.to_owned(), NOT_A_NAME.to_owned())));
}

#[test]
fn flags_are_booleans() {
    check("x-single-active-consumer", Value::Bool(true), None);
    check("x-single-active-consumer", Value::Bool(false), None);
    check("x-single-active-consumer", Value::I32(1), Some("{unacceptable_type,signedint}"));
    check("x-single-active-consumer", Value::text("true"), Some("{unacceptable_type,longstr}"));
}

#[test]
fn arguments_of_other_types_are_refused() {
    for kind in [QueueKind::Classic, QueueKind::Quorum] {
        for argument in foreign(kind) {
            for value in [Value::I32(1), Value::text("a"), Value::Void] {
                let found = refusal(&[("x-queue-type", Value::text(kind.name())), (*argument, value)]);
                assert_eq!(found, Some(((*argument).to_owned(), kind.module().to_owned())));
            }
        }
    }
    // Newer than 4.0.5, which takes them for unknown.
    for argument in ["x-stream-filter-size-bytes", "x-consumer-timeout", "x-delayed-retry-type"] {
        check(argument, Value::I32(1), None);
    }
}

/// Of several mistakes the one that RabbitMQ reports is reported.
#[test]
fn mistakes_are_found_in_rabbitmqs_order() {
    let order = [
        DEAD_LETTER_EXCHANGE,
        "x-queue-type",
        "x-expires",
        "x-message-ttl",
        DEAD_LETTER_ROUTING_KEY,
        "x-max-length",
        "x-max-length-bytes",
        "x-max-priority",
        "x-overflow",
        "x-queue-mode",
        "x-queue-version",
        "x-single-active-consumer",
        "x-queue-leader-locator",
        "x-delivery-limit",
    ];
    let mut left: Vec<(&str, Value)> = order.iter().rev().map(|argument| (*argument, Value::Void)).collect();
    for argument in order {
        assert_eq!(refusal(&left).map(|(found, _)| found).as_deref(), Some(argument));
        left.retain(|(other, _)| *other != argument);
    }
    assert_eq!(refusal(&left), None);
}

/// Of several that the type does not have, the first as the client wrote them.
#[test]
fn the_first_foreign_argument_is_reported() {
    let stream = ("x-queue-type", Value::text("stream"));
    let (key, exchange) =
        ((DEAD_LETTER_ROUTING_KEY, Value::text("k")), (DEAD_LETTER_EXCHANGE, Value::text("d")));
    for [first, second] in [[&key, &exchange], [&exchange, &key]] {
        let found = refusal(&[stream.clone(), first.clone(), second.clone()]);
        assert_eq!(found, Some((first.0.to_owned(), "rabbit_stream_queue".to_owned())));
    }
}

#[test]
fn what_means_something_is_read() {
    let all = table(&[
        ("x-queue-type", Value::text("classic")),
        ("x-message-ttl", Value::I32(1000)),
        ("x-expires", Value::U16(2000)),
        ("x-max-length", Value::I64(5)),
        ("x-max-length-bytes", Value::U8(50)),
        ("x-overflow", Value::text("reject-publish-dlx")),
        (DEAD_LETTER_EXCHANGE, Value::text("d")),
        (DEAD_LETTER_ROUTING_KEY, Value::text("k")),
        ("x-max-priority", Value::I8(9)),
        ("x-consumer-timeout", Value::I32(60)),
        ("x-single-active-consumer", Value::Bool(true)),
    ]);
    let expected = QueueArguments {
        kind: QueueKind::Classic,
        message_ttl_ms: Some(1000),
        expires_ms: Some(2000),
        max_length: Some(5),
        max_length_bytes: Some(50),
        overflow: Some(Overflow::RejectPublishDeadLetter),
        dead_letter_exchange: Some(name("d")),
        dead_letter_routing_key: Some(name("k")),
        max_priority: Some(9),
        consumer_timeout_ms: Some(60),
        single_active_consumer: true,
        delivery_limit: None,
        stream: StreamArguments::default(),
    };
    assert_eq!(QueueArguments::parse(&all, named), Ok(expected.clone()));
    assert_eq!(QueueArguments::lenient(&all), expected);
    assert_eq!(QueueArguments::parse(&Table::default(), named), Ok(QueueArguments::default()));
    let quorum = table(&[("x-queue-type", Value::text("quorum")), (DELIVERY_LIMIT, Value::I8(-1))]);
    let expected =
        QueueArguments { kind: QueueKind::Quorum, delivery_limit: Some(-1), ..QueueArguments::default() };
    assert_eq!(QueueArguments::parse(&quorum, named), Ok(expected));
}

/// The property as it is printed: plain between quotes, or with its type.
fn printed(property: &Property) -> String {
    match property {
        Property::None => "none".to_owned(),
        Property::Plain(text) | Property::Kind(text) => format!("'{text}'"),
        Property::Value(value) => format!("the value '{}' of type '{}'", plain(value), value.type_word()),
    }
}

#[test]
fn differences_are_told_as_rabbitmq_tells_them() {
    let text = |word| Some(Value::text(word));
    for (received, current, expected) in [
        (Some(Value::I32(6)), Some(Value::I32(5)), Some("received '6' but current is '5'")),
        (Some(Value::I8(5)), Some(Value::I32(5)), None),
        (Some(Value::I64(5)), Some(Value::I32(5)), None),
        (Some(Value::F32(0.5)), Some(Value::F64(0.5)), None),
        (Some(Value::Bool(true)), Some(Value::Bool(false)), Some("received 'true' but current is 'false'")),
        (text("d2"), text("d"), Some("received 'd2' but current is 'd'")),
        (Some(Value::I32(1)), text("a"), Some("received '1' but current is 'a'")),
        (Some(Value::I32(5)), None, Some("received the value '5' of type 'signedint' but current is none")),
        (text("lazy"), None, Some("received the value 'lazy' of type 'longstr' but current is none")),
        (None, text("d"), Some("received none but current is the value 'd' of type 'longstr'")),
        (None, None, None),
    ] {
        let refusal = assert_same_argument("x-a", named, received.as_ref(), current.as_ref());
        let found = refusal.err().map(|refusal| match refusal {
            Refusal::Inequivalent { argument, received, current, .. } => {
                assert_eq!(&*argument, "x-a");
                format!("received {} but current is {}", printed(&received), printed(&current))
            }
            other => panic!("{other:?}"),
        });
        assert_eq!(found.as_deref(), expected);
    }
}

/// As RabbitMQ 4.0.5 reported them, one after the other, when all were different.
#[test]
fn only_what_the_type_knows_is_compared_and_in_order() {
    let classic = "x-expires x-message-ttl x-dead-letter-exchange x-dead-letter-routing-key x-max-length \
                   x-max-length-bytes x-max-priority x-overflow x-queue-mode x-queue-version \
                   x-single-active-consumer x-queue-type x-queue-master-locator x-queue-leader-locator";
    let quorum = "x-dead-letter-exchange x-dead-letter-routing-key x-dead-letter-strategy x-expires x-max-length \
                  x-max-length-bytes x-max-in-memory-length x-max-in-memory-bytes x-overflow \
                  x-single-active-consumer x-queue-type x-quorum-initial-group-size x-delivery-limit x-message-ttl \
                  x-queue-leader-locator";
    let stream = "x-max-length-bytes x-queue-type x-max-age x-stream-max-segment-size-bytes x-initial-cluster-size \
                  x-queue-leader-locator";
    for (kind, order) in [("classic", classic), ("quorum", quorum), ("stream", stream)] {
        let current = table(&[("x-queue-type", Value::text(kind))]);
        let all = [classic, quorum, stream, "x-foo x-stream-filter-size-bytes x-consumer-timeout"];
        let mut left: Vec<(&str, Value)> = Vec::new();
        for argument in all.iter().flat_map(|list| list.split_whitespace()).rev() {
            if left.iter().all(|(other, _)| *other != argument) {
                left.push((argument, Value::I32(1)));
            }
        }
        for expected in order.split_whitespace() {
            match assert_equivalent_arguments(named, &table(&left), &current) {
                Err(Refusal::Inequivalent { argument, .. }) => assert_eq!(&*argument, expected, "{kind}"),
                other => panic!("{kind}: {other:?}"),
            }
            left.retain(|(other, _)| *other != expected);
            if expected == "x-queue-type" {
                left.push(("x-queue-type", Value::text(kind)));
            }
        }
        assert_eq!(assert_equivalent_arguments(named, &table(&left), &current), Ok(()), "{kind}");
    }
}

#[test]
fn the_settings_of_streams_are_read() {
    let stream = ("x-queue-type", Value::text("stream"));
    let parsed = QueueArguments::lenient(&table(&[
        stream.clone(),
        ("x-max-age", Value::text("2h")),
        ("x-max-length-bytes", Value::I64(5)),
        (SEGMENT_BYTES, Value::I32(7)),
        (FILTER_BYTES, Value::I32(32)),
    ]));
    let wanted =
        StreamArguments { age_max_ms: Some(7_200_000), segment_bytes_max: Some(7), filter_bytes: Some(32) };
    assert_eq!((parsed.kind, parsed.max_length_bytes, parsed.stream), (QueueKind::Stream, Some(5), wanted));
    for (argument, value, fits) in [
        (SEGMENT_BYTES, Value::I64(3_000_000_000), true),
        (SEGMENT_BYTES, Value::I64(3_000_000_001), false),
        (FILTER_BYTES, Value::I32(16), true),
        (FILTER_BYTES, Value::I32(255), true),
        (FILTER_BYTES, Value::I32(15), false),
        (FILTER_BYTES, Value::I32(256), false),
        (FILTER_BYTES, Value::text("16"), false),
    ] {
        let checked = check_stream_sizes(&table(&[stream.clone(), (argument, value.clone())]));
        assert_eq!(checked.is_ok(), fits, "{argument} = {value:?}");
    }
}

#[test]
fn an_age_is_a_number_and_a_unit() {
    for (text, age) in [
        ("1s", Some(1000)),
        ("2m", Some(120_000)),
        ("3h", Some(10_800_000)),
        ("7D", Some(604_800_000)),
        ("1M", Some(2_592_000_000)),
        ("1Y", Some(31_536_000_000)),
        ("", None),
        ("s", None),
        ("0s", None),
        ("1", None),
        ("1w", None),
        ("-1s", None),
        ("+1s", None),
        ("1ä", None),
        ("99999999999999999999s", None),
        ("18446744073709551615Y", None),
    ] {
        assert_eq!(age_ms(text), age, "{text}");
    }
}
