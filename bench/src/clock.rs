//! Nanoseconds since the start of a measurement: one clock for publishers and consumers, so that a stamp in a body tells
//! how long a message was on its way.

use std::time::Instant;

/// A start to count from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    #[inline]
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
