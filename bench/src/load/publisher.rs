//! Publishing connections, driven by one thread: each writes its tape as far as it is allowed to.

use std::{
    io::{ErrorKind, Write as _},
    net::TcpStream,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};

use super::{Latencies, STOP_SEEN_WITHIN, Shared, inbox::Inbox, window::Window};
use crate::{
    histogram::Histogram,
    poller::{Poller, Readiness},
    wire::{
        frame::{self, Frame},
        method,
        tape::Tape,
    },
};

const WRITE_BYTES_MAX: usize = 64 * 1024;
/// So many writes follow each other while a single connection takes them.
const WRITES_IN_A_ROW: usize = 16;
/// How long publishers rest when enough messages are on their way.
const REST: Duration = Duration::from_micros(200);

/// How far a publisher may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Allowance {
    /// As fast as the broker reads.
    All,
    /// While at most so many messages of all publishers are not delivered yet.
    Undelivered(u64),
    /// With confirms, at most so many outstanding, and no more than `total` altogether.
    Unconfirmed { window: u32, total: u64 },
}

/// One publishing connection.
#[derive(Debug)]
pub(crate) struct Publisher {
    stream: TcpStream,
    left: Vec<u8>,
    tape: Arc<Tape>,
    /// Messages of whole rounds of the tape, and the place in this round.
    earlier: u64,
    at: usize,
    /// The first message that may not be written yet.
    granted: u64,
    limit: u64,
    window: Option<Window>,
    undelivered_max: u64,
    is_waiting_for_room: bool,
}

impl Publisher {
    /// Takes over a connection whose channel is open and, for a window, in confirm mode.
    pub(crate) fn new(
        (stream, left): (TcpStream, Vec<u8>),
        tape: Arc<Tape>,
        allowance: Allowance,
    ) -> anyhow::Result<Self> {
        stream.set_nonblocking(true)?;
        let (window, limit) = match allowance {
            Allowance::Unconfirmed { window, total } => (Some(Window::new(window)), total),
            Allowance::All | Allowance::Undelivered(_) => (None, u64::MAX),
        };
        let undelivered_max = match allowance {
            Allowance::Undelivered(max) => max,
            Allowance::All | Allowance::Unconfirmed { .. } => u64::MAX,
        };
        let granted = if window.is_some() { 0 } else { u64::MAX };
        Ok(Self {
            stream,
            left,
            tape,
            earlier: 0,
            at: 0,
            granted,
            limit,
            window,
            undelivered_max,
            is_waiting_for_room: false,
        })
    }

    /// Widens what may be written by the free places of the window.
    fn grant(&mut self, now: u64) {
        if let Some(window) = &mut self.window {
            self.granted += window.take(self.limit.saturating_sub(self.granted), now);
        }
    }

    /// Writes what is granted, at most `writes` times; whether there is more to be written.
    fn write(&mut self, writes: usize) -> anyhow::Result<bool> {
        for _ in 0..writes {
            let end = self.tape.range(self.earlier, self.granted).end;
            let end = end.min(self.at + WRITE_BYTES_MAX);
            let piece = self.tape.bytes().get(self.at..end).unwrap_or_default();
            if piece.is_empty() {
                return Ok(false);
            }
            match self.stream.write(piece) {
                Ok(written) => self.at += written,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    return Ok(true);
                }
                Err(error) => return Err(error).context("the broker takes no more publishes"),
            }
            if self.at == self.tape.bytes().len() {
                self.at = 0;
                self.earlier += self.tape.messages() as u64;
            }
        }
        Ok(true)
    }

    /// Messages that have been written whole.
    fn written(&self) -> u64 {
        self.earlier + self.tape.whole_messages(self.at) as u64
    }
}

/// Runs all publishers until they are stopped.
pub(super) fn run(shared: &Shared, publishers: &mut [Publisher]) -> anyhow::Result<Latencies> {
    let mut crew = Crew {
        shared,
        writes: (WRITES_IN_A_ROW / publishers.len().max(1)).max(1),
        publishers,
        poller: Poller::new()?,
        inbox: Inbox::new(),
        confirm: Histogram::default(),
    };
    crew.run()?;
    Ok(Latencies { confirm: crew.confirm, delivery: Histogram::default() })
}

/// All publishers of a thread.
struct Crew<'a> {
    shared: &'a Shared,
    publishers: &'a mut [Publisher],
    writes: usize,
    poller: Poller,
    inbox: Inbox,
    confirm: Histogram,
}

impl Crew<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        for (number, publisher) in self.publishers.iter_mut().enumerate() {
            publisher.is_waiting_for_room = true;
            self.poller.add(&publisher.stream, number, true)?;
        }
        let mut ready = Vec::new();
        while !self.shared.is_stopped() {
            self.poller.wait(STOP_SEEN_WITHIN, &mut ready)?;
            if self.is_enough_on_its_way() {
                ready.retain(|one: &Readiness| one.can_read);
                ready.iter_mut().for_each(|one| one.can_write = false);
                thread::sleep(REST);
            }
            for one in ready.drain(..) {
                self.serve(one)?;
            }
        }
        Ok(())
    }

    fn is_enough_on_its_way(&self) -> bool {
        let counts = self.shared.counts();
        let max = self.publishers.first().map_or(u64::MAX, |publisher| publisher.undelivered_max);
        counts.published.saturating_sub(counts.delivered) >= max
    }

    fn serve(&mut self, ready: Readiness) -> anyhow::Result<()> {
        let Some(publisher) = self.publishers.get_mut(ready.number) else { return Ok(()) };
        if ready.can_read && self.inbox.receive(&publisher.stream, &publisher.left)? {
            let now = self.shared.clock.now();
            let mut record = self.shared.is_measuring().then_some(&mut self.confirm);
            let Publisher { left, window, .. } = publisher;
            self.inbox.frames(left, |frame| hear(frame, self.shared, window, now, record.as_deref_mut()))?;
        }
        if !ready.can_write && publisher.window.is_none() {
            return Ok(());
        }
        if publisher.window.is_some() {
            publisher.grant(self.shared.clock.now());
        }
        let before = publisher.written();
        let wants_room = publisher.write(self.writes)?;
        self.shared.published.fetch_add(publisher.written() - before, Ordering::Relaxed);
        if wants_room != publisher.is_waiting_for_room {
            publisher.is_waiting_for_room = wants_room;
            self.poller.change(&publisher.stream, ready.number, wants_room)?;
        }
        Ok(())
    }
}

/// What the broker tells a publisher.
fn hear(
    frame: &Frame<'_>,
    shared: &Shared,
    window: &mut Option<Window>,
    now: u64,
    record: Option<&mut Histogram>,
) -> anyhow::Result<()> {
    match frame.method() {
        Some(method::ACK) => {
            let mut arguments = frame.arguments();
            let (number, is_multiple) = (arguments.u64()?, arguments.u8()? & 1 != 0);
            let window = window.as_mut().context("a confirm that was not asked for")?;
            let confirmed = window.confirm(number, is_multiple, now, record)?;
            shared.confirmed.fetch_add(confirmed, Ordering::Relaxed);
            Ok(())
        }
        Some(method::NACK) => bail!("the broker has refused a message"),
        Some(method::CONNECTION_BLOCKED) => {
            shared.blocked.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        Some(method::CONNECTION_CLOSE | method::CHANNEL_CLOSE) => {
            bail!("refused: {}", frame::refusal(frame)?)
        }
        _ => Ok(()),
    }
}
