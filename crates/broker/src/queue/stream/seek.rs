//! Where a consumer begins: what it asks for, and how that place is found in the log.

use std::ops::Range;

use model::{Table, Value};

use super::{filter::Filter, log::Log};
use crate::{argument, route::term};

const OFFSET: &str = "x-stream-offset";
const FILTER: &str = "x-stream-filter";
const MATCH_UNFILTERED: &str = "x-stream-match-unfiltered";

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// With the first message there is.
    First,
    /// With the last chunk.
    Last,
    /// With what comes next.
    Next,
    /// With this offset, or the first one above it.
    Offset(u64),
    /// With the first chunk appended at this time or later, in milliseconds since 1970.
    Time(u64),
}

/// What a consumer of a stream wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    pub(crate) start: Start,
    pub(crate) filter: Option<Filter>,
}

/// An argument that is not taken, and why, in RabbitMQ's words.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Unfit {
    pub(crate) argument: &'static str,
    pub(crate) reason: String,
}

impl Wish {
    /// Reads the arguments of a consumer.
    pub(crate) fn parse(arguments: &Table, now_ms: u64) -> Result<Self, Unfit> {
        let start = arguments.get(OFFSET).map_or(Ok(Start::Next), |value| parse_start(value, now_ms))?;
        let values = match arguments.get(FILTER) {
            Some(Value::Text(value)) => vec![value.to_vec()],
            Some(Value::Array(values)) => texts(values)?,
            // RabbitMQ: anything else is passed over.
            _ => Vec::new(),
        };
        let takes_unvalued = arguments.get(MATCH_UNFILTERED) == Some(&Value::Bool(true));
        let filter = (!values.is_empty()).then_some(Filter { values, takes_unvalued });
        Ok(Self { start, filter })
    }
}

fn texts(values: &[Value]) -> Result<Vec<Vec<u8>>, Unfit> {
    let text = |value: &Value| match value {
        Value::Text(text) => Ok(text.to_vec()),
        other => {
            let reason = format!("\"expected longstr, got {}\"", other.type_word());
            Err(Unfit { argument: FILTER, reason })
        }
    };
    values.iter().map(text).collect()
}

fn parse_start(value: &Value, now_ms: u64) -> Result<Start, Unfit> {
    let unfit = || {
        let reason =
            format!("{{invalid_stream_offset_arg,{{{},{}}}}}", value.type_word(), term::value(value));
        Unfit { argument: OFFSET, reason }
    };
    if let Some(offset) = value.as_integer() {
        // RabbitMQ: below zero as zero.
        return Ok(Start::Offset(u64::try_from(offset).unwrap_or(0)));
    }
    match value {
        Value::Timestamp(seconds) => Ok(Start::Time(seconds.saturating_mul(1000))),
        Value::Text(word) => match &word[..] {
            b"first" => Ok(Start::First),
            b"last" => Ok(Start::Last),
            b"next" => Ok(Start::Next),
            interval => {
                let age_ms = std::str::from_utf8(interval).ok().and_then(argument::age_ms);
                age_ms.map(|age_ms| Start::Time(now_ms.saturating_sub(age_ms))).ok_or_else(unfit)
            }
        },
        _ => Err(unfit()),
    }
}

/// A place that must be looked for in the log.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub(super) wanted: Start,
    /// It is the first chunk that holds what is wanted, or the end.
    pub(super) among: Range<u64>,
}

impl Search {
    /// Finds the chunk. Waits for the disk.
    pub(super) fn run(&self, log: &Log) -> Result<u64, storage::Fault> {
        let Range { start: mut low, end: mut high } = self.among;
        while low < high {
            let middle = low.midpoint(high);
            // What is not durable yet, or gone, is no reason to begin later.
            let head = log.first_from(middle)?.filter(|chunk| chunk.number < high).map(|chunk| chunk.head);
            let is_wanted = head.is_none_or(|head| match self.wanted {
                Start::Offset(offset) => head.end_offset() > offset,
                Start::Time(at_ms) => head.appended_ms >= at_ms,
                Start::First | Start::Last | Start::Next => true,
            });
            if is_wanted {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        Ok(low)
    }
}

#[cfg(test)]
mod tests;
