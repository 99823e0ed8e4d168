//! The settings a policy can have: what each means, which values it takes, whether operators may set it, which types of
//! queues can have it.

use serde_json::Value as Json;

use super::{Invalid, PolicySide, QueueKind};
use crate::argument;

struct Row {
    key: &'static str,
    meaning: &'static str,
    for_operators: bool,
    /// RabbitMQ: a setting that nobody has made for some types is for every type.
    types: &'static [QueueKind],
    accepts: fn(&Json) -> bool,
}

const CLASSIC: &[QueueKind] = &[QueueKind::Classic];
const QUORUM: &[QueueKind] = &[QueueKind::Quorum];
const STREAM: &[QueueKind] = &[QueueKind::Stream];
const TAKEN_FROM: &[QueueKind] = &[QueueKind::Classic, QueueKind::Quorum];
const ALL: &[QueueKind] = &[QueueKind::Classic, QueueKind::Quorum, QueueKind::Stream];

/// What RabbitMQ accepts for the longest time: ten years of 365 days, in milliseconds.
const TIME_MAX_MS: i64 = 315_360_000_000;

fn is_at_least_0(value: &Json) -> bool {
    value.as_i64().is_some_and(|number| number >= 0)
}

fn is_positive(value: &Json) -> bool {
    value.as_i64().is_some_and(|number| number > 0)
}

fn is_time(value: &Json) -> bool {
    value.as_i64().is_some_and(|number| (0..=TIME_MAX_MS).contains(&number))
}

fn is_positive_time(value: &Json) -> bool {
    value.as_i64().is_some_and(|number| (1..=TIME_MAX_MS).contains(&number))
}

fn is_integer(value: &Json) -> bool {
    value.is_i64()
}

fn is_text(value: &Json) -> bool {
    value.is_string()
}

fn is_overflow(value: &Json) -> bool {
    matches!(value.as_str(), Some("drop-head" | "reject-publish" | "reject-publish-dlx"))
}

fn is_queue_mode(value: &Json) -> bool {
    matches!(value.as_str(), Some("default" | "lazy"))
}

fn is_queue_version(value: &Json) -> bool {
    matches!(value.as_i64(), Some(1 | 2))
}

fn is_strategy(value: &Json) -> bool {
    matches!(value.as_str(), Some("at-most-once" | "at-least-once"))
}

fn is_leader_locator(value: &Json) -> bool {
    matches!(value.as_str(), Some("client-local" | "balanced" | "random" | "least-leaders"))
}

fn is_master_locator(value: &Json) -> bool {
    is_leader_locator(value) || value == "min-masters"
}

fn is_age(value: &Json) -> bool {
    value.as_str().and_then(argument::age_ms).is_some()
}

fn is_segment_size(value: &Json) -> bool {
    value.as_i64().is_some_and(|number| (0..=3_000_000_000).contains(&number))
}

fn is_filter_size(value: &Json) -> bool {
    value.as_i64().is_some_and(|number| (16..=255).contains(&number))
}

const fn row(
    key: &'static str,
    meaning: &'static str,
    for_operators: bool,
    types: &'static [QueueKind],
    accepts: fn(&Json) -> bool,
) -> Row {
    Row { key, meaning, for_operators, types, accepts }
}

const ROWS: &[Row] = &[
    row("alternate-exchange", "alternate exchange name", false, ALL, is_text),
    row("consumer-timeout", "consumer timeout", false, ALL, is_at_least_0),
    row("dead-letter-exchange", "dead letter exchange name", false, TAKEN_FROM, is_text),
    row("dead-letter-routing-key", "dead letter routing key", false, TAKEN_FROM, is_text),
    row("dead-letter-strategy", "dead letter strategy", false, QUORUM, is_strategy),
    row("delivery-limit", "delivery limit", true, QUORUM, is_integer),
    row("expires", "queue expiry", true, TAKEN_FROM, is_positive_time),
    row("federation-upstream", "federation upstream name", false, ALL, is_text),
    row("federation-upstream-pattern", "federation upstream pattern", false, ALL, is_text),
    row("federation-upstream-set", "federation upstream set name", false, ALL, is_text),
    row("initial-cluster-size", "initial cluster size", false, STREAM, is_positive),
    row("max-age", "max age", false, STREAM, is_age),
    row("max-in-memory-bytes", "maximum length in bytes", true, QUORUM, is_at_least_0),
    row("max-in-memory-length", "maximum length", true, QUORUM, is_at_least_0),
    row("max-length", "maximum length", true, TAKEN_FROM, is_at_least_0),
    row("max-length-bytes", "maximum length in bytes", true, ALL, is_at_least_0),
    row("message-ttl", "message TTL", true, TAKEN_FROM, is_time),
    row("overflow", "overflow mode", true, TAKEN_FROM, is_overflow),
    row("queue-leader-locator", "queue leader locator", false, ALL, is_leader_locator),
    row("queue-master-locator", "queue master locator", true, CLASSIC, is_master_locator),
    row("queue-mode", "queue mode", false, CLASSIC, is_queue_mode),
    row("queue-version", "queue version", true, ALL, is_queue_version),
    row("stream-filter-size-bytes", "filter size", false, ALL, is_filter_size),
    row("stream-max-segment-size-bytes", "segment size", false, STREAM, is_segment_size),
    row("target-group-size", "target group size", true, QUORUM, is_positive),
];

/// Checks one setting.
pub(super) fn check(side: PolicySide, key: &str, value: &Json) -> Result<(), Invalid> {
    let row = ROWS.iter().find(|row| row.key == key && (row.for_operators || side == PolicySide::User));
    let Some(row) = row else { return Err(Invalid::UnknownPolicyKey { key: key.to_owned() }) };
    if (row.accepts)(value) {
        Ok(())
    } else {
        Err(Invalid::PolicyValue { meaning: row.meaning, value: value.to_string() })
    }
}

/// Whether queues of a type can have a setting.
pub(super) fn is_for(kind: QueueKind, key: &str) -> bool {
    ROWS.iter().all(|row| row.key != key || row.types.contains(&kind))
}
