//! The exchange `x-delayed-message`: what a message has to wait for, and what its header says afterwards.
//!
//! It routes as the type in its argument `x-delayed-type` does. A message whose header `x-delay` says so many milliseconds
//! goes to the exchange's own queue first (`topology::ExchangeRecord::delay_queue`), which nobody else can name; when they
//! are over it goes the way it would have gone. The header is negated then, so that it waits only once.

use model::{Message, Name, Refusal, Table, Value};

use super::{
    Published,
    extra_keys::{headers_of, with_header},
    kind::{Index, Kind},
};
use crate::topology::ExchangeRecord;

pub(super) const NAME: &str = "x-delayed-message";
const TYPE: &str = "x-delayed-type";
const DELAY: &str = "x-delay";

/// The type that the bindings are looked at with.
pub(super) fn inner(arguments: &Table) -> Option<Kind> {
    Kind::parse(arguments.get(TYPE)?.as_text()?).filter(|kind| kind.name() != NAME)
}

pub(super) fn index(record: &ExchangeRecord) -> Box<dyn Index> {
    inner(&record.arguments).unwrap_or(Kind::DIRECT).index(record)
}

/// Refuses a type that is none.
pub(super) fn check_exchange(arguments: &Table) -> Result<(), Refusal> {
    let refuse = |reason: String| Err(Refusal::InvalidExchange { reason });
    match arguments.get(TYPE) {
        Some(Value::Text(kind) | Value::Bytes(kind)) if **kind == *NAME.as_bytes() => {
            refuse(format!("Invalid argument, '{NAME}' can't be used for '{TYPE}'"))
        }
        Some(Value::Text(word)) => match inner(arguments) {
            Some(kind) => kind.check_exchange(arguments),
            None => Err(Refusal::UnknownExchangeType { kind: Name::from_bytes(word).unwrap_or_default() }),
        },
        _ => refuse(format!("Invalid argument, '{TYPE}' must be an existing exchange type")),
    }
}

/// Whether the message has to wait.
pub(super) fn must_wait(published: &Published<'_>) -> bool {
    delay_of(published.headers()).is_some_and(|delay_ms| delay_ms > 0)
}

/// How long a message that has to wait waits, in milliseconds.
pub(crate) fn delay_ms(message: &Message) -> u64 {
    delay_of(&headers_of(message)).map_or(0, |delay_ms| u64::try_from(delay_ms).unwrap_or(0))
}

/// The message when it has waited. RabbitMQ: the header tells those behind how long that was.
pub(crate) fn after_waiting(message: &Message) -> Message {
    let waited = delay_of(&headers_of(message)).unwrap_or(0).saturating_neg();
    let name = [u8::try_from(DELAY.len()).unwrap_or_default()];
    let field = [&name, DELAY.as_bytes(), b"l", &waited.to_be_bytes()].concat();
    with_header(message, DELAY, &field).unwrap_or_else(|| message.clone())
}

/// RabbitMQ: any number will do, in digits too. One that is none is no delay.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other values are integers, or nothing")]
fn delay_of(headers: &Table) -> Option<i64> {
    match headers.get(DELAY)? {
        Value::Text(text) | Value::Bytes(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::F32(number) => Some(truncated(f64::from(*number))),
        Value::F64(number) => Some(truncated(*number)),
        other => other.as_integer(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "what does not fit is as long as can be")]
fn truncated(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests;
