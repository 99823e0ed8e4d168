//! Which part of the past somebody wants to see: `lengths_age=600&lengths_incr=5` and the like.

use crate::{call::Query, problem::Problem};

/// Seconds back, and seconds between two samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    pub(crate) age_s: u32,
    pub(crate) step_s: u32,
}

/// What a query asks for, by what it is about.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Ranges {
    /// Of numbers of messages.
    pub(crate) lengths: Option<Range>,
    /// Of messages that move.
    pub(crate) rates: Option<Range>,
    /// Of bytes of connections.
    pub(crate) bytes: Option<Range>,
    /// Of the node.
    pub(crate) node: Option<Range>,
}

impl Ranges {
    /// RabbitMQ: both of a pair are needed, and what is no number is not looked at.
    pub(crate) fn of(query: &Query) -> Result<Self, Problem> {
        let range = |name: &str| {
            let number = |part: &str| query.get(&format!("{name}_{part}")).and_then(|text| text.parse().ok());
            match (number("age"), number("incr")) {
                (Some(age_s), Some(step_s)) if age_s > 0 && step_s > 0 => Ok(Some(Range { age_s, step_s })),
                (Some(age), Some(step)) => {
                    Err(Problem::Bad(format!("Invalid range parameters: age {age}, incr {step}")))
                }
                _ => Ok(None),
            }
        };
        Ok(Self {
            lengths: range("lengths")?,
            rates: range("msg_rates")?,
            bytes: range("data_rates")?,
            node: range("node_stats")?,
        })
    }
}
