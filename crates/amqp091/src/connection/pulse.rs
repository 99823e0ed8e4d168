//! Heartbeats, both ways, without touching a clock per message: two flags, looked at in coarse steps.
//!
//! A heartbeat goes out when half an interval has passed in which nothing else was. The peer is lost when nothing
//! has come in for two whole intervals.

use std::time::{Duration, Instant};

use crate::output::Output;

#[derive(Debug)]
pub(super) struct Pulse {
    interval: Duration,
    next_send: Instant,
    next_check: Instant,
    pub(super) has_heard: bool,
    missed: u8,
    is_listening: bool,
}

/// What a moment asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beat {
    Nothing,
    Send,
    Missed,
}

impl Pulse {
    /// A pulse of `seconds`, which are not 0.
    pub(super) fn new(now: Instant, seconds: u16) -> Self {
        let interval = Duration::from_secs(seconds.into());
        Self {
            interval,
            next_send: later(now, half(interval)),
            next_check: later(now, interval),
            // The frame that it begins with.
            has_heard: true,
            missed: 0,
            is_listening: true,
        }
    }

    pub(super) fn next(&self) -> Instant {
        if self.is_listening { self.next_send.min(self.next_check) } else { self.next_send }
    }

    /// What `now` asks for. No heartbeat piles up behind an output that is not being read.
    pub(super) fn beat(&mut self, now: Instant, output: &mut Output) -> Beat {
        if self.is_listening && self.next_check <= now {
            self.next_check = later(now, self.interval);
            self.missed = if self.has_heard { 0 } else { self.missed.saturating_add(1) };
            self.has_heard = false;
            if self.missed >= 2 {
                return Beat::Missed;
            }
        }
        if self.next_send <= now {
            self.next_send = later(now, half(self.interval));
            if !output.take_has_spoken() && output.bytes() == 0 {
                return Beat::Send;
            }
        }
        Beat::Nothing
    }

    pub(super) fn set_listening(&mut self, now: Instant, is_listening: bool) {
        if is_listening && !self.is_listening {
            self.missed = 0;
            self.next_check = later(now, self.interval);
        }
        self.is_listening = is_listening;
    }
}

fn half(interval: Duration) -> Duration {
    interval.checked_div(2).unwrap_or(interval)
}

fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}
