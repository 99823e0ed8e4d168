//! Waiting for something to come about, within a time.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{call::Call, failure::Failure};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// A time that something may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    until: Option<Instant>,
    seconds: u64,
}

impl Wait {
    /// As `--timeout` says, or this many seconds.
    pub(super) fn new(call: &Call, unsaid: u64) -> Self {
        let seconds = call.line.timeout.unwrap_or(unsaid);
        Self { until: Instant::now().checked_add(Duration::from_secs(seconds)), seconds }
    }

    /// Looks until there is something.
    pub(super) fn until<T>(
        self,
        call: &mut Call,
        mut look: impl FnMut(&mut Call) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        loop {
            if let Some(found) = look(call)? {
                return Ok(found);
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                let command = call.line.command.map_or("", |command| command.name);
                return Err(Failure::timeout(format!(
                    "Error: operation {command} timed out. Timeout value used: {}",
                    self.seconds.saturating_mul(1000)
                )));
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Waits until the node answers.
pub(super) fn for_node(call: &mut Call, wait: Wait) -> Result<(), Failure> {
    wait.until(call, |call| {
        call.forget_node();
        match call.node().and_then(|node| node.get("nodes?columns=running")) {
            Ok(_) => Ok(Some(())),
            Err(failure) if failure.is_unavailable() => Ok(None),
            Err(failure) => Err(failure),
        }
    })
}
