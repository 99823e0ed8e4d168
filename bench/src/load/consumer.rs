//! Consuming connections, driven by one thread: deliveries are counted, and acknowledged as told.

use std::{
    io::{ErrorKind, Write as _},
    net::TcpStream,
    sync::atomic::Ordering,
};

use anyhow::{Context as _, bail};

use super::{Latencies, STOP_SEEN_WITHIN, Shared, inbox::Inbox};
use crate::{
    histogram::Histogram,
    poller::{Poller, Readiness},
    wire::{
        frame::{self, BODY, Frame},
        method,
    },
};

const CANCEL: frame::MethodId = (60, 30);

/// How deliveries are acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ack {
    /// Not at all: the broker takes them for settled.
    Auto,
    /// After so many, all of them at once; 1 is each by itself.
    Every(u32),
}

/// What is taken for a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Counting {
    /// A `basic.deliver`.
    #[default]
    Deliveries,
    /// A `basic.deliver` whose body tells when it was meant to be sent.
    StampedDeliveries,
    /// So many bytes, whatever they are: what comes out of the relay of bytes.
    Bytes(u32),
}

/// One consuming connection.
#[derive(Debug)]
pub(crate) struct Consumer {
    stream: TcpStream,
    left: Vec<u8>,
    outbox: Vec<u8>,
    ack: Ack,
    unacknowledged: u32,
    /// The rest of a message that was counted by bytes.
    odd_bytes: usize,
    is_waiting_for_room: bool,
}

impl Consumer {
    /// Takes over a connection that consumes already; with acks it has one channel, number 1.
    pub(crate) fn new((stream, left): (TcpStream, Vec<u8>), ack: Ack) -> anyhow::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            left,
            outbox: Vec::new(),
            ack,
            unacknowledged: 0,
            odd_bytes: 0,
            is_waiting_for_room: false,
        })
    }

    /// A delivery was taken; the ack that is due goes to the outbox.
    #[inline]
    fn took(
        outbox: &mut Vec<u8>,
        ack: Ack,
        unacknowledged: &mut u32,
        frame: &Frame<'_>,
    ) -> anyhow::Result<()> {
        let Ack::Every(batch) = ack else { return Ok(()) };
        *unacknowledged += 1;
        if *unacknowledged >= batch {
            *unacknowledged = 0;
            let mut arguments = frame.arguments();
            arguments.short_text()?;
            method::ack(outbox, frame.channel, arguments.u64()?, batch > 1);
        }
        Ok(())
    }

    /// Writes the acks; whether some are left.
    fn flush(&mut self) -> anyhow::Result<bool> {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(written) => drop(self.outbox.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the broker takes no more acks"),
            }
        }
        Ok(false)
    }
}

/// Runs all consumers until they are stopped.
pub(super) fn run(
    shared: &Shared,
    consumers: &mut [Consumer],
    counting: Counting,
) -> anyhow::Result<Latencies> {
    let mut poller = Poller::new()?;
    for (number, consumer) in consumers.iter().enumerate() {
        poller.add(&consumer.stream, number, false)?;
    }
    let mut inbox = Inbox::new();
    let mut delivery = Histogram::default();
    let mut ready: Vec<Readiness> = Vec::new();
    while !shared.is_stopped() {
        poller.wait(STOP_SEEN_WITHIN, &mut ready)?;
        for one in ready.drain(..) {
            let Some(consumer) = consumers.get_mut(one.number) else { continue };
            if one.can_read && inbox.receive(&consumer.stream, &consumer.left)? {
                let taken = match counting {
                    Counting::Bytes(length) => count_bytes(consumer, inbox.received(), length),
                    _ => take(shared, consumer, &inbox, counting, &mut delivery)?,
                };
                shared.delivered.fetch_add(taken, Ordering::Relaxed);
            }
            let wants_room = consumer.flush()?;
            if wants_room != consumer.is_waiting_for_room {
                consumer.is_waiting_for_room = wants_room;
                poller.change(&consumer.stream, one.number, wants_room)?;
            }
        }
    }
    Ok(Latencies { confirm: Histogram::default(), delivery })
}

/// Goes through the frames of one read; how many messages they were.
fn take(
    shared: &Shared,
    consumer: &mut Consumer,
    inbox: &Inbox,
    counting: Counting,
    delivery: &mut Histogram,
) -> anyhow::Result<u64> {
    let now = if counting == Counting::StampedDeliveries { shared.clock.now() } else { 0 };
    let is_recording = counting == Counting::StampedDeliveries && shared.is_measuring();
    let Consumer { left, outbox, ack, unacknowledged, .. } = consumer;
    let mut taken = 0;
    inbox.frames(left, |frame| {
        match frame.method() {
            Some(method::DELIVER) => {
                taken += 1;
                Consumer::took(outbox, *ack, unacknowledged, frame)?;
            }
            None if is_recording && frame.kind == BODY => {
                let intended = frame::Reader(frame.payload).u64()?;
                delivery.record(now.saturating_sub(intended));
            }
            Some(CANCEL) => bail!("the broker has cancelled a consumer"),
            Some(method::CONNECTION_CLOSE | method::CHANNEL_CLOSE) => {
                bail!("refused: {}", frame::refusal(frame)?)
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(taken)
}

fn count_bytes(consumer: &mut Consumer, received: usize, length: u32) -> u64 {
    let length = length.max(1) as usize;
    let bytes = consumer.odd_bytes + received;
    consumer.odd_bytes = bytes % length;
    (bytes / length) as u64
}
