//! What a message costs between the sockets, step by step: protocol, core and log on one thread, without system calls.
//!
//! `cargo run --release -p server --example data_path [SCENARIO…]`, where a scenario is one of those below.
//!
//! Each round is what one read of a busy publisher holds. A step's figure is that of the round which was disturbed least,
//! so it can be compared on a machine that others use too. The log is in memory: what it costs to stage is seen, what it
//! costs to write is not.

#![expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use amqp091::{
    Connection, Settings,
    codec::{
        Long, Method, PROTOCOL_HEADER, RawTable, Short,
        frame::{put_body, put_header, put_method},
    },
};
use anyhow::{Context, ensure};
use broker::{Bell, Broker, Client, First, Polled, topology::PermissionPatterns};
use model::{Name, Secret};
use storage::{Engine, disk::memory::MemoryDisk};

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 1_000;
/// The bytes of one read.
const ROUND_BYTES: usize = 64 * 1024;

/// What is published and how it is consumed.
struct Scenario {
    name: &'static str,
    body_bytes: usize,
    queues: u8,
    is_persistent: bool,
    /// All deliveries of a round are acknowledged at once; otherwise they are settled as they are sent.
    has_acks: bool,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "transient16", body_bytes: 16, queues: 1, is_persistent: false, has_acks: false },
    Scenario { name: "transient128", body_bytes: 128, queues: 1, is_persistent: false, has_acks: false },
    Scenario { name: "transient1k", body_bytes: 1024, queues: 1, is_persistent: false, has_acks: false },
    Scenario { name: "persistent1k", body_bytes: 1024, queues: 1, is_persistent: true, has_acks: true },
    Scenario { name: "fanout10", body_bytes: 128, queues: 10, is_persistent: false, has_acks: false },
];

fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for scenario in SCENARIOS {
        if wanted.is_empty() || wanted.iter().any(|name| name == scenario.name) {
            run(scenario)?;
        }
    }
    Ok(())
}

/// Nobody has to be woken: everything is looked at in turn.
struct NoBell;

impl Bell for NoBell {
    fn ring(&self) {}
}

/// One end of the broker without its socket.
struct Wire {
    machine: Connection,
    client: Client,
    now: Instant,
    buffer: Vec<u8>,
}

impl Wire {
    fn connect(broker: &Arc<Broker>) -> Self {
        let now = Instant::now();
        let machine = Connection::new(Arc::new(Settings::default()), now);
        let client = broker.connect(Arc::new(NoBell), true, [7; 16]);
        let mut wire = Self { machine, client, now, buffer: Vec::new() };
        let mut hello = PROTOCOL_HEADER.to_vec();
        let start_ok = Method::ConnectionStartOk {
            client_properties: RawTable(&[0; 4]),
            mechanism: Short(b"PLAIN"),
            response: Long(b"\0guest\0guest"),
            locale: Short(b"en_US"),
        };
        put_method(&mut hello, 0, &start_ok);
        let tune_ok = Method::ConnectionTuneOk { channel_max: 10, frame_max: 131_072, heartbeat: 0 };
        put_method(&mut hello, 0, &tune_ok);
        let open =
            Method::ConnectionOpen { virtual_host: Short(b"/"), capabilities: Short(b""), insist: false };
        put_method(&mut hello, 0, &open);
        put_method(&mut hello, 1, &Method::ChannelOpen { out_of_band: Short(b"") });
        wire.hear(&hello);
        wire
    }

    fn hear(&mut self, mut input: &[u8]) {
        while let Some(command) = self.machine.poll_command(self.now, &mut input) {
            self.client.handle_command(0, command);
            while let Some(event) = self.client.pop_event() {
                self.machine.handle_event(self.now, event);
            }
        }
    }

    fn speak(&mut self) {
        self.machine.lend_buffer(&mut self.buffer);
        loop {
            let machine = &mut self.machine;
            match self.client.poll(|session, delivered| {
                machine.handle_delivery(session, delivered);
                true
            }) {
                Polled::Event(event) => self.machine.handle_event(self.now, event),
                Polled::Delivered => {}
                Polled::Nothing => break,
            }
        }
        self.hear(&[]);
    }

    fn ask(&mut self, method: &Method<'_>) {
        let mut bytes = Vec::new();
        put_method(&mut bytes, 1, method);
        self.hear(&bytes);
    }

    /// What waits to be written is written.
    fn drain(&mut self) -> usize {
        let mut slices = Vec::new();
        self.machine.io_slices(&mut slices);
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        drop(slices);
        self.machine.transmitted(bytes);
        self.machine.take_buffer(&mut self.buffer);
        bytes
    }
}

/// A step: what it has taken in this round, and in the best one.
struct Step {
    name: &'static str,
    round: Duration,
    best: Duration,
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        let elapsed = start.elapsed();
        match self.0.iter_mut().find(|step| step.name == name) {
            Some(step) => step.round += elapsed,
            None => self.0.push(Step { name, round: elapsed, best: Duration::MAX }),
        }
        done
    }

    fn end_round(&mut self) {
        for step in &mut self.0 {
            step.best = step.best.min(std::mem::take(&mut step.round));
        }
    }
}

fn run(scenario: &Scenario) -> anyhow::Result<()> {
    let (engine, recovered) = Engine::open(Arc::new(MemoryDisk::new()), storage::Options::default())?;
    let engine = Arc::new(engine);
    let broker = Arc::new(Broker::recover(Arc::clone(&engine), &recovered, broker::Settings::default())?);
    set_up(&broker)?;
    let (mut publisher, mut consumer) = (Wire::connect(&broker), Wire::connect(&broker));
    declare(&mut publisher, &mut consumer, scenario);
    broker.handle_flushed(engine.flush()?);
    let (stream, messages) = publishes(scenario);
    let per_message = messages as f64 * f64::from(scenario.queues);
    let mut steps = Steps::default();
    let mut delivered = 0;
    for _ in 0..ROUNDS {
        steps.time("publishes parsed and routed", || publisher.hear(&stream));
        steps.time("handed over to the queue", || publisher.client.hand_over());
        if scenario.is_persistent {
            broker.handle_flushed(engine.flush()?);
            steps.time("confirmed", || publisher.speak());
        }
        publisher.drain();
        let mut bytes = 0;
        loop {
            steps.time("deliveries encoded", || consumer.speak());
            let drained = steps.time("output given back", || consumer.drain());
            if drained == 0 {
                break;
            }
            bytes += drained;
        }
        ensure!(bytes > stream.len() / 2, "the deliveries have not come");
        delivered += messages as u64;
        if scenario.has_acks {
            let ack = Method::BasicAck { delivery_tag: delivered, multiple: true };
            steps.time("settled", || consumer.ask(&ack));
        }
        engine.housekeep()?;
        steps.end_round();
    }
    println!("{}: {messages} messages a round, {} queue(s)", scenario.name, scenario.queues);
    let mut sum = 0.0;
    for Step { name, best, .. } in steps.0 {
        let each = best.as_nanos() as f64 / per_message;
        sum += each;
        println!("  {each:7.1} ns  {name}");
    }
    println!("  {sum:7.1} ns  together, for each delivery");
    Ok(())
}

fn set_up(broker: &Broker) -> anyhow::Result<()> {
    let everything = || ".*".to_owned();
    let first = First {
        user: Name::parse("guest")?,
        password: Secret::new(*b"guest"),
        tags: Vec::new(),
        vhost: Name::parse("/")?,
        permissions: PermissionPatterns { configure: everything(), write: everything(), read: everything() },
    };
    broker.set_up(first, [0; 4], 0).ok().context("the first user is refused")
}

fn declare(publisher: &mut Wire, consumer: &mut Wire, scenario: &Scenario) {
    let queues: Vec<String> = (0..scenario.queues).map(|number| format!("harefoot-bench{number}")).collect();
    for queue in &queues {
        let queue = Short(queue.as_bytes());
        let arguments = RawTable(&[0; 4]);
        consumer.ask(&Method::QueueDeclare {
            ticket: 0,
            queue,
            passive: false,
            durable: scenario.is_persistent,
            exclusive: false,
            auto_delete: false,
            nowait: false,
            arguments,
        });
        consumer.ask(&Method::QueueBind {
            ticket: 0,
            queue,
            exchange: Short(b"amq.fanout"),
            routing_key: Short(b""),
            nowait: false,
            arguments,
        });
        consumer.ask(&Method::BasicConsume {
            ticket: 0,
            queue,
            consumer_tag: queue,
            no_local: false,
            no_ack: !scenario.has_acks,
            exclusive: false,
            nowait: false,
            arguments,
        });
    }
    if scenario.is_persistent {
        publisher.ask(&Method::ConfirmSelect { nowait: false });
    }
}

/// One read full of publishes, and how many they are.
fn publishes(scenario: &Scenario) -> (Vec<u8>, usize) {
    let exchange = Short(if scenario.queues > 1 { b"amq.fanout" } else { b"" });
    let publish = Method::BasicPublish {
        ticket: 0,
        exchange,
        routing_key: Short(b"harefoot-bench0"),
        mandatory: false,
        immediate: false,
    };
    let body = vec![b'b'; scenario.body_bytes];
    let properties: &[u8] = if scenario.is_persistent { b"\x10\x00\x02" } else { b"\x10\x00\x01" };
    let (mut stream, mut messages) = (Vec::new(), 0);
    while stream.len() < ROUND_BYTES {
        put_method(&mut stream, 1, &publish);
        put_header(&mut stream, 1, 60, body.len() as u64, properties);
        put_body(&mut stream, 1, &body);
        messages += 1;
    }
    (stream, messages)
}
