//! Messages that flow: what is declared, who publishes what, who consumes it, and what that cost.
//!
//! A [`Flow`] is only a description; [`Flow::run`] carries it out against a broker and leaves nothing behind.

use std::{net::TcpStream, sync::Arc, time::Duration};

use crate::{
    link::Link,
    load::{Ack, Allowance, Consumer, Counting, Counts, Latencies, Load, Paced, Publisher, Shared},
    meter::{Cost, Meter},
    system::{Mode, Relay, Target},
    wire::{
        method::{self, Arguments, Declare, Publish},
        tape::Tape,
    },
};

/// The type of queue that is read and not taken from.
pub(crate) const STREAM: &str = "stream";

/// How long is measured, and how long before that it runs already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Timing {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// How publishers are held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// By themselves, or not at all.
    Allowance(Allowance),
    /// By the clock, so many a second; latency is counted from the intended time.
    PerSecond(u32),
}

/// A queue and the consumers' way to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Consumption {
    pub(crate) connections: usize,
    pub(crate) channels: u16,
    /// Consumers of each queue, dealt out over connections and channels in turn.
    pub(crate) consumers_per_queue: usize,
    pub(crate) ack: Ack,
    /// 0 is no limit.
    pub(crate) prefetch: u16,
}

impl Consumption {
    /// One consumer on a connection of its own, taking everything for settled.
    pub(crate) const PLAIN: Self =
        Self { connections: 1, channels: 1, consumers_per_queue: 1, ack: Ack::Auto, prefetch: 0 };
}

/// A description of traffic.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) body_bytes: usize,
    pub(crate) is_persistent: bool,
    /// Name and kind, unless it is the default exchange.
    pub(crate) exchange: Option<(String, &'static str)>,
    pub(crate) queues: Vec<String>,
    pub(crate) queue_type: Option<String>,
    /// Queue and key.
    pub(crate) bindings: Vec<(String, String)>,
    /// Keys to publish with, each in turn.
    pub(crate) keys: Vec<String>,
    pub(crate) publishers: usize,
    pub(crate) pace: Pace,
    pub(crate) consumption: Option<Consumption>,
}

/// What was seen while it flowed.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) counts: Counts,
    pub(crate) cost: Cost,
    pub(crate) latencies: Latencies,
}

impl Flow {
    /// Declares, lets it flow, measures, and deletes.
    pub(crate) fn run(&self, target: &Target, timing: Timing) -> anyhow::Result<Sample> {
        let mut control = Link::open(target.address, &target.login)?;
        self.declare(&mut control)?;
        let ended = self.load(target).and_then(|load| load.run(|shared| measure(shared, target.pid, timing)));
        // Whatever happened, a rival is left as it was found; the error of the run is the one to tell.
        let cleaned = self.clean_up(target, control);
        let ((counts, cost), latencies) = ended?;
        cleaned?;
        Ok(Sample { counts, cost, latencies })
    }

    pub(crate) fn declare(&self, control: &mut Link) -> anyhow::Result<()> {
        if let Some((name, kind)) = &self.exchange {
            control.declare_exchange(name, kind)?;
        }
        let typed = self.queue_type.as_deref().map(|name| [("x-queue-type", method::Value::Text(name))]);
        let arguments: Arguments<'_> = typed.as_ref().map_or(&[], |typed| typed.as_slice());
        let how = if self.is_persistent { Declare::Durable } else { Declare::Transient };
        control.pipeline(&self.queues, method::QUEUE_DECLARE_OK, |out, queue| {
            method::queue_declare(out, queue, how, arguments);
        })?;
        let exchange = self.exchange.as_ref().map_or("", |(name, _)| name);
        control.pipeline(&self.bindings, method::QUEUE_BIND_OK, |out, (queue, key)| {
            method::queue_bind(out, queue, exchange, key);
        })
    }

    /// Opens every connection and starts the consumers.
    pub(crate) fn load(&self, target: &Target) -> anyhow::Result<Load> {
        let mut load = Load::default();
        if let Some(consumption) = &self.consumption {
            load.consumers = self.consumers(target, consumption)?;
        }
        match self.pace {
            Pace::Allowance(allowance) => {
                let tape = Arc::new(self.tape(allowance)?);
                for _ in 0..self.publishers {
                    let mut link = Link::open(target.address, &target.login)?;
                    if matches!(allowance, Allowance::Unconfirmed { .. }) {
                        link.select_confirms()?;
                    }
                    load.publishers.push(Publisher::new(link.into_parts(), Arc::clone(&tape), allowance)?);
                }
            }
            Pace::PerSecond(per_second) => {
                load.counting = Counting::StampedDeliveries;
                let (stream, _) = Link::open(target.address, &target.login)?.into_parts();
                load.paced = Some(Paced::new(stream, self.tape(Allowance::All)?, per_second)?);
            }
        }
        Ok(load)
    }

    pub(crate) fn tape(&self, allowance: Allowance) -> anyhow::Result<Tape> {
        let exchange = self.exchange.as_ref().map_or("", |(name, _)| name);
        let is_persistent = self.is_persistent;
        let routes: Vec<Publish<'_>> =
            self.keys.iter().map(|key| Publish { exchange, key, is_persistent }).collect();
        let messages_min = match allowance {
            Allowance::Unconfirmed { window, .. } => window as usize,
            Allowance::All | Allowance::Undelivered(_) => 1,
        };
        Tape::new(&routes, 1, self.body_bytes, messages_min)
    }

    fn consumers(&self, target: &Target, how: &Consumption) -> anyhow::Result<Vec<Consumer>> {
        let mut consumers = Vec::new();
        for place in 0..how.connections {
            let mut link = Link::open(target.address, &target.login)?;
            for channel in 2..=how.channels {
                link.open_channel(channel)?;
            }
            if how.prefetch > 0 {
                (1..=how.channels).try_for_each(|channel| link.qos(channel, how.prefetch))?;
            }
            // Consumers are dealt out over the connections, then over the channels of each.
            let all =
                self.queues.iter().flat_map(|queue| std::iter::repeat_n(queue, how.consumers_per_queue));
            let mine: Vec<(usize, &String)> =
                all.skip(place).step_by(how.connections.max(1)).enumerate().collect();
            // A stream is read from its beginning, if it is read after it was filled.
            let from: Arguments<'_> = match self.queue_type.as_deref() {
                Some(STREAM) => &[("x-stream-offset", method::Value::Text("first"))],
                _ => &[],
            };
            link.pipeline(&mine, method::CONSUME_OK, |out, (number, queue)| {
                let channel = 1 + u16::try_from(number % usize::from(how.channels.max(1))).unwrap_or(0);
                let tag = if *number == 0 { "bench".to_owned() } else { format!("bench{number}") };
                method::consume(out, channel, queue, &tag, how.ack != Ack::Auto, from);
            })?;
            consumers.push(Consumer::new(link.into_parts(), how.ack)?);
        }
        Ok(consumers)
    }

    pub(crate) fn clean_up(&self, target: &Target, control: Link) -> anyhow::Result<()> {
        drop(control);
        // A new connection: the old one may have been closed for an error, or have waited behind a long backlog.
        let mut control = Link::open(target.address, &target.login)?;
        control.pipeline(&self.queues, method::QUEUE_DELETE_OK, |out, queue| {
            method::queue_delete(out, queue);
        })?;
        if let Some((name, _)) = &self.exchange {
            control.delete_exchange(name)?;
        }
        control.close()
    }
}

/// Lets the same publishes go through the relay.
pub(crate) fn run_relay(mode: Mode, body_bytes: usize, timing: Timing) -> anyhow::Result<Sample> {
    let publish = Publish { exchange: "", key: "harefoot-bench", is_persistent: false };
    let tape = Arc::new(Tape::new(&[publish], 1, body_bytes, 1)?);
    let length = u32::try_from(tape.range(0, 1).len())?;
    let relay = Relay::start(mode)?;
    // The first is read from, the second written to.
    let from = TcpStream::connect(relay.address)?;
    let to = TcpStream::connect(relay.address)?;
    from.set_nodelay(true)?;
    let load = Load {
        publishers: vec![Publisher::new((from, Vec::new()), tape, Allowance::All)?],
        paced: None,
        consumers: vec![Consumer::new((to, Vec::new()), Ack::Auto)?],
        counting: if mode == Mode::Bytes { Counting::Bytes(length) } else { Counting::Deliveries },
    };
    let ((counts, cost), latencies) = load.run(|shared| measure(shared, relay.pid(), timing))?;
    Ok(Sample { counts, cost, latencies })
}

/// Waits for the warm-up, then takes the difference over the measured time.
fn measure(shared: &Shared, pid: u32, timing: Timing) -> anyhow::Result<(Counts, Cost)> {
    shared.run_for(timing.warm_up)?;
    let (before, from) = (shared.counts(), Meter::read(pid)?);
    shared.measure(true);
    shared.run_for(timing.measured)?;
    shared.measure(false);
    let (after, to) = (shared.counts(), Meter::read(pid)?);
    Ok((after.since(&before), from.until(&to)))
}

#[cfg(test)]
mod tests;
