//! What leaves a quorum queue is an entry of its log, and what is in the log is the queue.

use std::{collections::BTreeSet, sync::Arc};

use model::{Event, SessionCommand, SessionEvent, Value, command::DeclareQueue, message::Properties};
use storage::{LogId, ReadLimit, Stored};

use crate::{
    simulation::Dice,
    wish::{
        ack, ack_up_to, declare, durable_queue, get, get_no_ack, message, publish, purge, reject, requeue,
        table,
    },
    world::{Peer, World, text, tight},
};

/// The log of all that is no message.
const ENTRIES: u64 = 255;

fn declare_quorum(more: &[(&str, Value)]) -> SessionCommand {
    let mut arguments =
        table(&[("x-queue-type", Value::text("quorum")), ("x-delivery-limit", Value::I32(-1))]);
    arguments.0.extend(table(more).0);
    SessionCommand::DeclareQueue(DeclareQueue { arguments, ..durable_queue("q") })
}

fn with_queue(world: &World, more: &[(&str, Value)]) -> Peer {
    let mut peer = world.peer();
    peer.ask_all([declare("dead"), declare_quorum(more)]);
    world.flush();
    peer.hear();
    peer
}

fn log(world: &World, level: u64) -> LogId {
    let id = world.broker.topology().read().find_queue("/", "q").unwrap().id;
    LogId(id.0 | level << 55)
}

/// What is live in a log of `q`.
fn live(world: &World, level: u64) -> Vec<Stored> {
    let mut stored = Vec::new();
    let limit = ReadLimit { entries: 10_000, bytes: 10_000_000 };
    world.engine.read(log(world, level), 0, limit, &mut stored).unwrap();
    stored
}

fn kinds(world: &World) -> Vec<u8> {
    live(world, ENTRIES).iter().map(|record| record.payload[0]).collect()
}

fn with(properties: &Properties<'_>, body: &str) -> SessionCommand {
    let plain = message("", "q", body.as_bytes(), true);
    let mut list = Vec::new();
    Properties { delivery_mode: Some(2), ..*properties }.encode(&mut list);
    SessionCommand::Publish { message: Arc::new(plain.with_properties(&list).unwrap()), mandatory: false }
}

/// Takes out everything there is.
fn drain(world: &World, queue: &str, now_ms: u64) -> Vec<String> {
    let mut peer = world.peer();
    let mut bodies = Vec::new();
    loop {
        peer.ask(get_no_ack(queue));
        world.read_at(now_ms);
        match peer.events().as_slice() {
            [Event::Session(_, SessionEvent::Got { message, .. })] => bodies.push(text(message)),
            [Event::Session(_, SessionEvent::GotNothing)] => return bodies,
            events => panic!("{events:?}"),
        }
    }
}

#[test]
fn a_batch_is_one_entry_which_is_replayed_and_goes_with_the_next_snapshot() {
    let world = World::new();
    let mut peer = with_queue(&world, &[]);
    peer.ask_all(["a", "b", "c", "d"].map(|body| publish("q", body)));
    peer.ask_all([(); 3].map(|()| get("q")));
    peer.hear();
    peer.ask(ack_up_to(2));
    world.flush();
    assert_eq!(kinds(&world), [0x82], "both are one");
    assert_eq!(live(&world, 0).len(), 4, "they stand there until there is a snapshot");
    assert_eq!(world.counts("q"), (1, 1));
    let world = world.crash();
    world.flush();
    assert_eq!(world.counts("q"), (2, 0));
    assert_eq!((live(&world, ENTRIES).len(), live(&world, 0).len()), (0, 2));
    assert_eq!(drain(&world, "q", 0), ["c", "d"]);
}

#[test]
fn what_the_queue_gives_up_is_an_entry_with_the_reason() {
    let dead = [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead")];
    let mut more: Vec<_> = dead.iter().map(|(key, value)| (*key, Value::text(value))).collect();
    more.push(("x-max-length", Value::I32(3)));
    for with_letters in [false, true] {
        let world = World::new();
        let mut peer = with_queue(&world, if with_letters { &more } else { &more[2..] });
        peer.ask_all(["a", "b", "c", "d"].map(|body| publish("q", body)));
        peer.ask(get("q"));
        peer.hear();
        peer.ask(reject(1));
        peer.ask(with(&Properties { expiration: Some(b"5"), ..Properties::default() }, "e"));
        world.pass_to(6);
        world.flush();
        let entries: Vec<_> = live(&world, ENTRIES).iter().map(|record| record.payload.clone()).collect();
        let begin = |entry: &[u8], bytes: &[u8]| assert_eq!(entry[..bytes.len()], *bytes, "{entry:?}");
        begin(&entries[0], &[0x84, 0, 2]);
        // The verdict of a consumer is the end of it if there is nowhere to go.
        begin(&entries[1], if with_letters { &[0x84, 0, 0] } else { &[0x82, 0, 0] });
        begin(&entries[2], &[0x84, 0, 1]);
        assert_eq!(entries.len(), 3);
        let world = world.crash();
        assert_eq!(world.counts("q"), (2, 0));
        assert_eq!(world.counts("dead"), (if with_letters { 3 } else { 0 }, 0));
    }
}

#[test]
fn there_are_only_so_many_entries() {
    let world = World::new();
    let mut peer = with_queue(&world, &[]);
    for number in 0..200_u64 {
        peer.ask_all([publish("q", "a"), get("q")]);
        peer.hear();
        peer.ask(ack(number + 1));
        assert!(world.engine.state(log(&world, ENTRIES)).entries < 64);
        assert!(world.engine.state(log(&world, 0)).entries < 64);
    }
    // Large ones do not wait for so many.
    let large = "x".repeat(600 * 1024);
    for number in 200..204_u64 {
        peer.ask_all([publish("q", &large), get("q")]);
        peer.hear();
        peer.ask(ack(number + 1));
    }
    assert!(world.engine.state(log(&world, 0)).bytes < 1024 * 1024);
}

/// What has left from the middle of what is not in memory stays away when that is read.
#[test]
fn what_is_gone_and_stands_in_the_log_is_not_read_again() {
    let world = World::with(tight());
    let mut peer = with_queue(&world, &[]);
    for number in 0..60_u64 {
        let expiration = number.is_multiple_of(3).then_some(&b"5"[..]);
        let padded = format!("{number}\0{}", "x".repeat(4096));
        peer.ask(with(&Properties { expiration, ..Properties::default() }, &padded));
        world.flush();
    }
    assert_eq!(world.counts("q"), (60, 0));
    world.pass_to(6);
    assert_eq!(world.counts("q"), (40, 0));
    let left: Vec<_> = (0..60_u64).filter(|number| !number.is_multiple_of(3)).collect();
    let topology = world.broker.topology().read();
    let queue = world.broker.queue(topology.find_queue("/", "q").unwrap()).unwrap();
    drop(topology);
    let mut seen = Vec::new();
    let mut at = queue.spot(0).unwrap();
    while let Some(spot) = at {
        let page = queue.peek(spot, 7).unwrap();
        seen.extend(page.messages.iter().map(|peeked| text(&peeked.message).parse::<u64>().unwrap()));
        at = page.next;
    }
    assert_eq!(seen, left);
    let drained: Vec<u64> = drain(&world, "q", 6).iter().map(|body| body.parse().unwrap()).collect();
    assert_eq!(drained, left);
}

/// What may happen to the messages of a queue, and what of it is on disk for certain.
#[derive(Default)]
struct Story {
    published: u64,
    in_queue: BTreeSet<u64>,
    dead: BTreeSet<u64>,
    /// How many were published, in the queue, and dead, at the last flush.
    flushed: (u64, BTreeSet<u64>, BTreeSet<u64>),
    /// With the number of the delivery.
    out: Vec<(u64, u64)>,
}

impl Story {
    fn go_on(&mut self, dice: &mut Dice, world: &World, peer: &mut Peer) {
        match dice.below(8) {
            0..=2 => {
                self.published += 1;
                self.in_queue.insert(self.published);
                let priority = u8::try_from(dice.below(8)).ok();
                peer.ask(with(
                    &Properties { priority, ..Properties::default() },
                    &self.published.to_string(),
                ));
            }
            3 | 4 => {
                peer.ask_all([get("q"), get("q")]);
                world.read();
                for event in peer.events() {
                    if let Event::Session(_, SessionEvent::Got { delivery, message, .. }) = event {
                        self.out.push((delivery.0, text(&message).parse().unwrap()));
                    }
                }
            }
            5 if !self.out.is_empty() => {
                let (delivery, id) = self.out.remove(dice.below(self.out.len() as u64) as usize);
                match dice.below(3) {
                    0 => peer.ask(requeue(delivery)),
                    verdict => {
                        self.in_queue.remove(&id);
                        if verdict == 1 {
                            self.dead.insert(id);
                        }
                        peer.ask(if verdict == 1 { reject(delivery) } else { ack(delivery) });
                    }
                }
            }
            6 if dice.one_in(4) => {
                peer.ask(purge("q"));
                let out: BTreeSet<u64> = self.out.iter().map(|(_, id)| *id).collect();
                self.in_queue.retain(|id| out.contains(id));
            }
            7 => {
                if world.try_flush().is_ok() {
                    self.flushed = (self.published, self.in_queue.clone(), self.dead.clone());
                }
                if dice.one_in(4) && !world.disk.is_off() {
                    let _ = world.broker.keep_house();
                }
            }
            _ => {}
        }
    }

    /// What a crash may have left: something between the last flush and the end.
    fn check(&self, found: &BTreeSet<u64>, dead: &BTreeSet<u64>, seed: u64) {
        let (published, was, was_dead) = &self.flushed;
        assert!(found.is_disjoint(dead), "seed {seed}: {found:?} {dead:?}");
        assert!(was_dead.is_subset(dead), "seed {seed}: of {was_dead:?} only {dead:?} are left");
        assert!(dead.is_subset(&self.dead), "seed {seed}: nobody gave up all of {dead:?}");
        let kept: BTreeSet<u64> = was.intersection(&self.in_queue).copied().collect();
        assert!(kept.is_subset(found), "seed {seed}: of {kept:?} only {found:?} are left");
        let back = found.iter().find(|id| **id <= *published && !was.contains(id));
        assert_eq!(back, None, "seed {seed}: it is back");
    }
}

#[test]
fn a_crash_at_any_point_leaves_what_the_entries_say() {
    let dead = [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead")];
    let more: Vec<_> = dead.iter().map(|(key, value)| (*key, Value::text(value))).collect();
    for seed in 0..400_u64 {
        let mut dice = Dice(seed);
        let world = World::with(if dice.one_in(2) { tight() } else { broker::Settings::default() });
        let mut peer = with_queue(&world, &more);
        let mut story = Story::default();
        if dice.one_in(2) {
            // In the middle of a write.
            world.disk.power_off_after(dice.below(60));
        }
        for _ in 0..dice.below(160) {
            story.go_on(&mut dice, &world, &mut peer);
            if world.disk.is_off() {
                break;
            }
        }
        drop(peer);
        let mut world = world.crash_with(seed);
        // The power may go again before anything of the start is on disk, or after it.
        for again in 0..dice.below(3) {
            world = world.crash_with(seed + again);
        }
        story.check(&numbers(&world, "q"), &numbers(&world, "dead"), seed);
    }
}

/// The messages of a queue, each of which is there once.
fn numbers(world: &World, queue: &str) -> BTreeSet<u64> {
    let bodies = drain(world, queue, 0);
    let numbers: BTreeSet<u64> = bodies.iter().map(|body| body.parse().unwrap()).collect();
    assert_eq!(numbers.len(), bodies.len(), "doubles in {queue}: {bodies:?}");
    numbers
}
