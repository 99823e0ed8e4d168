//! When a queue or an exchange that is declared again is the same: which arguments count, in which order.

use model::{
    Refusal, Table, Value,
    refusal::{Named, Property},
};

use super::{
    CLUSTER_SIZE, DEAD_LETTER_EXCHANGE, DEAD_LETTER_ROUTING_KEY, DEAD_LETTER_STRATEGY, DELIVERY_LIMIT,
    MAX_AGE, QUEUE_TYPE, SEGMENT_BYTES, kind_of, name,
};
use crate::{route::term, topology::QueueKind};

/// Those that are compared on a second declaration of a queue of a type, in the order in which RabbitMQ 4.0.5 does.
const fn compared(kind: QueueKind) -> &'static [&'static str] {
    match kind {
        QueueKind::Classic | QueueKind::Delay => &[
            "x-expires",
            "x-message-ttl",
            DEAD_LETTER_EXCHANGE,
            DEAD_LETTER_ROUTING_KEY,
            "x-max-length",
            "x-max-length-bytes",
            "x-max-priority",
            "x-overflow",
            "x-queue-mode",
            "x-queue-version",
            "x-single-active-consumer",
            QUEUE_TYPE,
            "x-queue-master-locator",
            "x-queue-leader-locator",
        ],
        QueueKind::Quorum => &[
            DEAD_LETTER_EXCHANGE,
            DEAD_LETTER_ROUTING_KEY,
            DEAD_LETTER_STRATEGY,
            "x-expires",
            "x-max-length",
            "x-max-length-bytes",
            "x-max-in-memory-length",
            "x-max-in-memory-bytes",
            "x-overflow",
            "x-single-active-consumer",
            QUEUE_TYPE,
            "x-quorum-initial-group-size",
            DELIVERY_LIMIT,
            "x-message-ttl",
            "x-queue-leader-locator",
        ],
        QueueKind::Stream => &[
            "x-max-length-bytes",
            QUEUE_TYPE,
            MAX_AGE,
            SEGMENT_BYTES,
            CLUSTER_SIZE,
            "x-queue-leader-locator",
        ],
    }
}

/// The arguments that count where a quorum queue passes for a classic one.
const ALIKE: &[&str] = &[
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_ROUTING_KEY,
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-single-active-consumer",
    "x-message-ttl",
];

/// Refuses a declaration whose property differs from that of what exists.
pub(crate) fn assert_equivalent(
    property: &str,
    named: impl Fn() -> Named,
    received: bool,
    current: bool,
) -> Result<(), Refusal> {
    if received == current {
        return Ok(());
    }
    Err(Refusal::Inequivalent {
        argument: name(property),
        named: named(),
        received: Property::Plain(received.to_string()),
        current: Property::Plain(current.to_string()),
    })
}

/// Refuses a declaration one of whose arguments differs from that of what exists.
pub(crate) fn assert_equivalent_arguments(
    named: impl Fn() -> Named,
    received: &Table,
    current: &Table,
) -> Result<(), Refusal> {
    for argument in compared(kind_of(current)) {
        assert_same_argument(argument, &named, received.get(argument), current.get(argument))?;
    }
    Ok(())
}

/// The same as [`assert_equivalent_arguments`] for [`ALIKE`] alone. RabbitMQ: nothing else is looked at, not even whether
/// the queue is to be durable.
pub(crate) fn assert_similar_arguments(
    named: impl Fn() -> Named,
    received: &Table,
    current: &Table,
) -> Result<(), Refusal> {
    for argument in ALIKE {
        assert_same_argument(argument, &named, received.get(argument), current.get(argument))?;
    }
    Ok(())
}

/// Refuses an argument that differs from that of what exists: integers of all widths are one class, floats another.
pub(crate) fn assert_same_argument(
    argument: &str,
    named: impl Fn() -> Named,
    received: Option<&Value>,
    current: Option<&Value>,
) -> Result<(), Refusal> {
    let whole = |value: Option<&Value>| {
        value.map_or(Property::None, |value| Property::Value(Box::new(value.clone())))
    };
    let (received, current) = match (received, current) {
        (None, None) => return Ok(()),
        (Some(received), Some(current)) if is_same(received, current) => return Ok(()),
        (Some(received), Some(current)) => {
            (Property::Plain(plain(received)), Property::Plain(plain(current)))
        }
        (received, current) => (whole(received), whole(current)),
    };
    Err(Refusal::Inequivalent { argument: name(argument), named: named(), received, current })
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::F32(one), Value::F64(other)) | (Value::F64(other), Value::F32(one)) => {
            f64::from(*one) == *other
        }
        (one, other) => match (one.as_integer(), other.as_integer()) {
            (Some(one), Some(other)) => one == other,
            _ => one == other,
        },
    }
}

/// A value without its type, as RabbitMQ sets two side by side.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => term::value(other),
    }
}
