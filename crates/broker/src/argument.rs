//! The arguments of queues: which there are, what they may be, what they mean. When two declarations are the same is told
//! by `equivalence`.
//!
//! One table, [`QUEUE`], in the order in which RabbitMQ 4.0.5 looks at them, so that of several mistakes the same one is
//! reported. Arguments that are not in it are kept and mean nothing.

use model::{Name, Refusal, Table, Value, refusal::Named};

use crate::topology::QueueKind;

mod equivalence;

pub(crate) use equivalence::{
    assert_equivalent, assert_equivalent_arguments, assert_same_argument, assert_similar_arguments,
};

pub(crate) const QUEUE_TYPE: &str = "x-queue-type";
const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
const DEAD_LETTER_ROUTING_KEY: &str = "x-dead-letter-routing-key";
const DEAD_LETTER_STRATEGY: &str = "x-dead-letter-strategy";
const DELIVERY_LIMIT: &str = "x-delivery-limit";

/// RabbitMQ: the longest time is ten years of 365 days.
const TIME_MAX_MS: i64 = 315_360_000_000;
const PRIORITY_MAX: i64 = 255;
const MAX_AGE: &str = "x-max-age";
const SEGMENT_BYTES: &str = "x-stream-max-segment-size-bytes";
const FILTER_BYTES: &str = "x-stream-filter-size-bytes";
const CLUSTER_SIZE: &str = "x-initial-cluster-size";
const SEGMENT_BYTES_MAX: i64 = 3_000_000_000;
/// Bytes of the filter of a stream's chunk.
const FILTER_BYTES_RANGE: std::ops::RangeInclusive<i64> = 16..=255;

/// What happens to a message that a full queue is offered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Overflow {
    /// The oldest goes.
    #[default]
    DropHead,
    /// The new one is not taken.
    RejectPublish,
    /// The new one is not taken, and dead-lettered.
    RejectPublishDeadLetter,
}

/// The arguments that mean something.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct QueueArguments {
    /// `x-queue-type`
    pub kind: QueueKind,
    /// `x-message-ttl`
    pub message_ttl_ms: Option<u64>,
    /// `x-expires`
    pub expires_ms: Option<u64>,
    /// `x-max-length`
    pub max_length: Option<u64>,
    /// `x-max-length-bytes`
    pub max_length_bytes: Option<u64>,
    /// `x-overflow`
    pub overflow: Option<Overflow>,
    /// `x-dead-letter-exchange`; the default exchange if it is empty.
    pub dead_letter_exchange: Option<Name>,
    /// `x-dead-letter-routing-key`
    pub dead_letter_routing_key: Option<Name>,
    /// `x-max-priority`
    pub max_priority: Option<u8>,
    /// `x-consumer-timeout`. RabbitMQ 4.0: not checked, and not compared.
    pub consumer_timeout_ms: Option<u64>,
    /// `x-single-active-consumer`
    pub single_active_consumer: bool,
    /// `x-delivery-limit`; none if it is negative. RabbitMQ 4.0: not checked.
    pub delivery_limit: Option<i64>,
    /// Those that only streams have.
    pub stream: StreamArguments,
}

/// The arguments of streams.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct StreamArguments {
    /// `x-max-age`
    pub age_max_ms: Option<u64>,
    /// `x-stream-max-segment-size-bytes`
    pub segment_bytes_max: Option<u64>,
    /// `x-stream-filter-size-bytes`
    pub filter_bytes: Option<u8>,
}

/// Why a value is not taken, in RabbitMQ's words.
struct Unfit(String);

type Check = fn(&Value, &Table) -> Result<(), Unfit>;

/// The arguments of queues, in the order of checking; compared on a second declaration by `equivalence`.
const QUEUE: &[(&str, Check)] = &[
    (QUEUE_TYPE, check_queue_type),
    ("x-expires", check_positive_time),
    ("x-message-ttl", check_time),
    (DEAD_LETTER_ROUTING_KEY, check_dead_letter_routing_key),
    ("x-max-length", check_not_negative),
    ("x-max-length-bytes", check_not_negative),
    ("x-max-in-memory-length", check_not_negative),
    ("x-max-in-memory-bytes", check_not_negative),
    ("x-max-priority", check_priority),
    ("x-overflow", check_overflow),
    ("x-queue-mode", check_queue_mode),
    ("x-queue-version", check_queue_version),
    ("x-single-active-consumer", check_bool),
    ("x-queue-leader-locator", check_locator),
    ("x-quorum-initial-group-size", check_positive),
    (MAX_AGE, check_age),
    (SEGMENT_BYTES, check_not_negative),
    (CLUSTER_SIZE, check_positive),
    (DEAD_LETTER_STRATEGY, check_dead_letter_strategy),
];

/// Those that a type of queues does not have.
const fn foreign(kind: QueueKind) -> &'static [&'static str] {
    match kind {
        QueueKind::Classic => &[
            DELIVERY_LIMIT,
            DEAD_LETTER_STRATEGY,
            "x-max-in-memory-length",
            "x-max-in-memory-bytes",
            "x-quorum-initial-group-size",
            CLUSTER_SIZE,
            MAX_AGE,
            SEGMENT_BYTES,
        ],
        QueueKind::Quorum => &[
            "x-max-priority",
            "x-queue-mode",
            "x-queue-version",
            "x-queue-master-locator",
            CLUSTER_SIZE,
            MAX_AGE,
            SEGMENT_BYTES,
        ],
        QueueKind::Stream => &[
            "x-expires",
            "x-message-ttl",
            DEAD_LETTER_EXCHANGE,
            DEAD_LETTER_ROUTING_KEY,
            DEAD_LETTER_STRATEGY,
            "x-max-length",
            "x-max-in-memory-length",
            "x-max-in-memory-bytes",
            "x-max-priority",
            "x-overflow",
            "x-queue-mode",
            "x-queue-version",
            "x-queue-master-locator",
            "x-quorum-initial-group-size",
            "x-single-active-consumer",
            DELIVERY_LIMIT,
        ],
        QueueKind::Delay => &[],
    }
}

impl QueueArguments {
    /// Checks all arguments and reads those that mean something.
    pub(crate) fn parse(table: &Table, named: impl Fn() -> Named) -> Result<Self, Refusal> {
        // RabbitMQ looks at the dead letter exchange first, to check permissions on it.
        name_argument(table, DEAD_LETTER_EXCHANGE, &named)?;
        let foreign = foreign(kind_of(table));
        for (argument, check) in QUEUE {
            if let Some(value) = table.get(argument).filter(|_| !foreign.contains(argument)) {
                check(value, table).map_err(|Unfit(reason)| invalid(argument, &named, reason))?;
            }
        }
        // RabbitMQ: of several the first of the client's.
        if let Some((argument, _)) = table.iter().find(|(argument, _)| foreign.contains(&argument.as_str())) {
            let queue_type = kind_of(table).module();
            return Err(Refusal::ForeignArgument { argument: argument.clone(), named: named(), queue_type });
        }
        let fits = |argument| table.get(argument).is_none_or(|value| value_as_name(value).is_some());
        if !fits(DEAD_LETTER_ROUTING_KEY) {
            return Err(invalid(DEAD_LETTER_ROUTING_KEY, &named, NOT_A_NAME.to_owned()));
        }
        Ok(Self::lenient(table))
    }

    /// Reads what is valid and passes over the rest: for arguments that were checked before.
    pub(crate) fn lenient(table: &Table) -> Self {
        let number =
            |argument| table.get(argument)?.as_integer().and_then(|number| u64::try_from(number).ok());
        let text = |argument| value_as_name(table.get(argument)?);
        Self {
            kind: kind_of(table),
            message_ttl_ms: number("x-message-ttl"),
            expires_ms: number("x-expires"),
            max_length: number("x-max-length"),
            max_length_bytes: number("x-max-length-bytes"),
            overflow: table.get("x-overflow").and_then(Value::as_text).and_then(Overflow::parse),
            dead_letter_exchange: text(DEAD_LETTER_EXCHANGE),
            dead_letter_routing_key: text(DEAD_LETTER_ROUTING_KEY),
            max_priority: number("x-max-priority").and_then(|number| u8::try_from(number).ok()),
            consumer_timeout_ms: number("x-consumer-timeout"),
            delivery_limit: table.get(DELIVERY_LIMIT).and_then(Value::as_integer),
            single_active_consumer: table.get("x-single-active-consumer") == Some(&Value::Bool(true)),
            stream: StreamArguments {
                age_max_ms: table.get(MAX_AGE).and_then(Value::as_text).and_then(age_ms),
                segment_bytes_max: number(SEGMENT_BYTES),
                filter_bytes: number(FILTER_BYTES).and_then(|number| u8::try_from(number).ok()),
            },
        }
    }
}

impl Overflow {
    /// Reads RabbitMQ's word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "drop-head" => Self::DropHead,
            "reject-publish" => Self::RejectPublish,
            "reject-publish-dlx" => Self::RejectPublishDeadLetter,
            _ => return None,
        })
    }
}

/// Refuses sizes that a stream cannot have: RabbitMQ looks at them last.
pub(crate) fn check_stream_sizes(table: &Table) -> Result<(), Refusal> {
    let is_too_large = |value: &Value| value.as_integer().is_none_or(|number| number > SEGMENT_BYTES_MAX);
    if table.get(SEGMENT_BYTES).is_some_and(is_too_large) {
        return Err(Refusal::InvalidQueue { reason: format!("Exceeded max value for {SEGMENT_BYTES}") });
    }
    let fits = |value: &Value| value.as_integer().is_some_and(|number| FILTER_BYTES_RANGE.contains(&number));
    if !table.get(FILTER_BYTES).is_none_or(fits) {
        return Err(Refusal::InvalidQueue { reason: format!("Invalid value for  {FILTER_BYTES}") });
    }
    Ok(())
}

/// Reads an age: a number above zero and a unit, as in `7D`.
pub(crate) fn age_ms(text: &str) -> Option<u64> {
    let seconds = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'D' => 24 * 60 * 60,
        'M' => 30 * 24 * 60 * 60,
        'Y' => 365 * 24 * 60 * 60,
        _ => return None,
    };
    let number = text.get(..text.len().checked_sub(1)?)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(seconds)?.checked_mul(1000)
}

fn kind_of(table: &Table) -> QueueKind {
    match table.get(QUEUE_TYPE) {
        Some(Value::Text(word)) => QueueKind::parse(word).unwrap_or_default(),
        _ => QueueKind::default(),
    }
}

const NOT_A_NAME: &str = "\"expected at most 255 bytes of UTF-8\"";

fn name(text: &str) -> Name {
    Name::parse(text).unwrap_or_default()
}

fn value_as_name(value: &Value) -> Option<Name> {
    Name::parse(value.as_text()?).ok()
}

fn invalid(argument: &str, named: impl Fn() -> Named, reason: String) -> Refusal {
    Refusal::InvalidArgument { argument: name(argument), named: named(), reason }
}

/// Checks that an argument, if it is there, names an exchange.
pub(crate) fn name_argument(table: &Table, argument: &str, named: impl Fn() -> Named) -> Result<(), Refusal> {
    match table.get(argument) {
        None => Ok(()),
        Some(value @ Value::Text(_)) if value_as_name(value).is_some() => Ok(()),
        Some(Value::Text(_)) => Err(invalid(argument, named, NOT_A_NAME.to_owned())),
        Some(other) => Err(Refusal::InvalidArgumentType {
            argument: name(argument),
            named: named(),
            found: other.type_word(),
        }),
    }
}

fn integer(value: &Value) -> Result<i64, Unfit> {
    value.as_integer().ok_or_else(|| Unfit(format!("\"expected integer, got {}\"", value.type_word())))
}

fn text(value: &Value) -> Result<&[u8], Unfit> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(unacceptable(other)),
    }
}

fn unacceptable(value: &Value) -> Unfit {
    Unfit(format!("{{unacceptable_type,{}}}", value.type_word()))
}

fn check_not_negative(value: &Value, _: &Table) -> Result<(), Unfit> {
    match integer(value)? {
        number if number < 0 => Err(Unfit(format!("{{value_negative,{number}}}"))),
        _ => Ok(()),
    }
}

fn check_time(value: &Value, table: &Table) -> Result<(), Unfit> {
    check_not_negative(value, table)?;
    match integer(value)? {
        number if number > TIME_MAX_MS => Err(Unfit(format!("{{value_too_large,{number}}}"))),
        _ => Ok(()),
    }
}

fn check_positive_time(value: &Value, table: &Table) -> Result<(), Unfit> {
    match integer(value)? {
        0 => Err(Unfit("{value_zero,0}".to_owned())),
        _ => check_time(value, table),
    }
}

fn check_positive(value: &Value, table: &Table) -> Result<(), Unfit> {
    match integer(value)? {
        0 => Err(Unfit("{value_zero,0}".to_owned())),
        _ => check_not_negative(value, table),
    }
}

fn check_dead_letter_strategy(value: &Value, _: &Table) -> Result<(), Unfit> {
    match text(value)? {
        b"at-most-once" | b"at-least-once" => Ok(()),
        _ => Err(Unfit("invalid_dlx_strategy".to_owned())),
    }
}

fn check_priority(value: &Value, table: &Table) -> Result<(), Unfit> {
    check_not_negative(value, table)?;
    match integer(value)? {
        number if number > PRIORITY_MAX => Err(Unfit(format!("{{max_value_exceeded,{number}}}"))),
        _ => Ok(()),
    }
}

fn check_queue_version(value: &Value, table: &Table) -> Result<(), Unfit> {
    check_not_negative(value, table)?;
    match integer(value)? {
        1 | 2 => Ok(()),
        number => Err(Unfit(format!("\"unsupported queue version '{number}'\""))),
    }
}

fn check_queue_type(value: &Value, _: &Table) -> Result<(), Unfit> {
    match text(value)? {
        kind if QueueKind::parse(kind).is_some() => Ok(()),
        other => Err(Unfit(format!("\"unsupported queue type '{}'\"", String::from_utf8_lossy(other)))),
    }
}

fn check_queue_mode(value: &Value, _: &Table) -> Result<(), Unfit> {
    match text(value)? {
        b"default" | b"lazy" => Ok(()),
        other => Err(Unfit(format!("\"unsupported queue mode '{}'\"", String::from_utf8_lossy(other)))),
    }
}

fn check_overflow(value: &Value, _: &Table) -> Result<(), Unfit> {
    let word = std::str::from_utf8(text(value)?).unwrap_or_default();
    Overflow::parse(word).map(|_| ()).ok_or_else(|| Unfit("invalid_overflow".to_owned()))
}

fn check_age(value: &Value, _: &Table) -> Result<(), Unfit> {
    let age = std::str::from_utf8(text(value)?).ok().and_then(age_ms);
    age.map(|_| ()).ok_or_else(|| Unfit("invalid_max_age".to_owned()))
}

fn check_locator(value: &Value, _: &Table) -> Result<(), Unfit> {
    match text(value)? {
        b"client-local" | b"balanced" | b"random" | b"least-leaders" | b"min-masters" => Ok(()),
        _ => Err(Unfit("invalid_queue_locator_arg".to_owned())),
    }
}

fn check_bool(value: &Value, _: &Table) -> Result<(), Unfit> {
    match value {
        Value::Bool(_) => Ok(()),
        other => Err(unacceptable(other)),
    }
}

fn check_dead_letter_routing_key(value: &Value, table: &Table) -> Result<(), Unfit> {
    text(value)?;
    match table.get(DEAD_LETTER_EXCHANGE) {
        Some(_) => Ok(()),
        None => Err(Unfit("routing_key_but_no_dlx_defined".to_owned())),
    }
}

#[cfg(test)]
mod tests;
