//! A publisher that sends by the clock: message `n` is meant to go out at `n` intervals after the start, and says so in
//! its body. When the broker holds it up, it sends late what was meant earlier, with the time it was meant for.

use std::{io::Write as _, net::TcpStream, num::NonZeroU64, sync::atomic::Ordering, thread, time::Duration};

use anyhow::Context as _;
use rustix::thread::set_current_timer_slack;

use super::{Latencies, STOP_SEEN_WITHIN, Shared};
use crate::wire::tape::Tape;

/// Longer than that, a broker that takes nothing is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
const SECOND: u64 = 1_000_000_000;

/// One publishing connection.
#[derive(Debug)]
pub(crate) struct Paced {
    stream: TcpStream,
    tape: Tape,
    per_second: u64,
}

impl Paced {
    pub(crate) fn new(stream: TcpStream, tape: Tape, per_second: u32) -> anyhow::Result<Self> {
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Self { stream, tape, per_second: u64::from(per_second.max(1)) })
    }

    pub(super) fn run(&mut self, shared: &Shared) -> anyhow::Result<Latencies> {
        // Without this the kernel lets a sleep end 50 µs late, which would count as latency.
        set_current_timer_slack(NonZeroU64::new(1)).context("cannot ask for exact sleeps")?;
        let start = shared.clock.now();
        let mut sent = 0;
        while !shared.is_stopped() {
            let due = due(shared.clock.now() - start, self.per_second);
            if due > sent {
                let upto = due.min(sent + self.tape.messages() as u64);
                self.send(start, sent, upto)?;
                shared.published.fetch_add(upto - sent, Ordering::Relaxed);
                sent = upto;
                continue;
            }
            let next = start + intended(sent, self.per_second);
            let left = Duration::from_nanos(next.saturating_sub(shared.clock.now()));
            thread::sleep(left.min(STOP_SEEN_WITHIN));
        }
        Ok(Latencies::default())
    }

    fn send(&mut self, start: u64, from: u64, to: u64) -> anyhow::Result<()> {
        for message in from..to {
            self.tape.stamp(message, start + intended(message, self.per_second));
        }
        let mut next = from;
        while next < to {
            let range = self.tape.range(next, to);
            let piece = self.tape.bytes().get(range.clone()).unwrap_or_default();
            self.stream.write_all(piece).context("the broker takes no more publishes")?;
            let place = self.tape.whole_messages(range.end) - self.tape.whole_messages(range.start);
            next += place as u64;
        }
        Ok(())
    }
}

/// When message `n` is meant to go, after the start.
fn intended(message: u64, per_second: u64) -> u64 {
    let nanoseconds = u128::from(message) * u128::from(SECOND) / u128::from(per_second);
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

/// How many messages were meant to go until now.
fn due(elapsed: u64, per_second: u64) -> u64 {
    let messages = u128::from(elapsed) * u128::from(per_second) / u128::from(SECOND);
    u64::try_from(messages).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_due_when_it_was_meant_to_go() {
        for per_second in [1, 3, 1_000, 10_000, 1_000_000] {
            for message in [0, 1, 2, 999, 123_456] {
                let at = intended(message, per_second);
                // Whole nanoseconds: a message may be found due one later than it was meant.
                assert!(due(at + 1, per_second) > message, "{message} at {per_second}/s");
                assert!(at == 0 || due(at - 1, per_second) <= message, "{message} at {per_second}/s");
            }
        }
    }
}
