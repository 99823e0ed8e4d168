//! A queue with many rules at once (priorities, a length, times to live, dead letters), and the power goes.

use std::collections::BTreeSet;

use model::{SessionCommand, Value, command::DeclareQueue, message::Properties};

use crate::{
    wish::{ack, consume_no_ack, declare, durable_queue, get, message, reject, select_confirms, table},
    world::{Peer, World, tight},
};

/// Numbers that look like chance (`SplitMix64`).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn priority_of(number: u64) -> u64 {
    number % 4
}

/// Some expire, in disorder.
fn publish(number: u64) -> SessionCommand {
    let plain = message("", "q", number.to_string().as_bytes(), true);
    let expiration = number.is_multiple_of(3).then(|| (10 + number * 7 % 50).to_string().into_bytes());
    let priority = u8::try_from(priority_of(number)).ok();
    let properties = Properties { priority, expiration: expiration.as_deref(), ..plain.properties() };
    let mut list = Vec::new();
    properties.encode(&mut list);
    let message = plain.with_properties(&list).unwrap().into();
    SessionCommand::Publish { message, mandatory: false }
}

/// What is got from `q`: the number of the delivery, and that of the message.
fn next(world: &World, peer: &mut Peer, now_ms: u64) -> Option<(u64, u64)> {
    peer.ask(get("q"));
    world.read_at(now_ms);
    let heard = peer.hear();
    let words: Vec<&str> = heard.iter().find(|line| line.starts_with("got "))?.split([' ', ',']).collect();
    Some((words.get(1)?.parse().ok()?, words.get(2)?.parse().ok()?))
}

/// Everything in a queue, in its order.
fn drain(world: &World, queue: &str, now_ms: u64) -> Vec<u64> {
    let mut peer = world.peer();
    peer.ask(consume_no_ack(queue, "c"));
    world.read_at(now_ms);
    let heard = peer.hear();
    let bodies = heard.iter().filter_map(|line| line.strip_prefix("c ")?.split(' ').nth(1)?.parse().ok());
    bodies.collect()
}

#[test]
fn wherever_the_power_goes_each_message_is_in_one_place() {
    for seed in 0..600 {
        let mut chance = Chance(seed);
        let world = World::with(if seed % 2 == 0 { tight() } else { broker::Settings::default() });
        let mut peer = world.peer();
        let arguments = table(&[
            ("x-max-priority", Value::I32(3)),
            ("x-max-length", Value::I32(8)),
            ("x-dead-letter-exchange", Value::text("")),
            ("x-dead-letter-routing-key", Value::text("dead")),
        ]);
        peer.ask(SessionCommand::DeclareQueue(DeclareQueue { arguments, ..durable_queue("q") }));
        peer.ask_all([declare("dead"), select_confirms()]);
        world.flush();
        let (mut published, mut confirmed, mut now_ms) = (0, 0, 0);
        let mut acked = BTreeSet::new();
        for _ in 0..chance.below(60) {
            match chance.below(12) {
                0..=4 => {
                    peer.ask(publish(published));
                    published += 1;
                }
                5 | 6 => {
                    world.flush();
                    confirmed = published;
                }
                7 | 8 => {
                    now_ms += 7;
                    world.pass_to(now_ms);
                }
                9 => {
                    if let Some((delivery, number)) = next(&world, &mut peer, now_ms) {
                        acked.insert(number);
                        peer.ask(ack(delivery));
                    }
                }
                10 => {
                    if let Some((delivery, _)) = next(&world, &mut peer, now_ms) {
                        peer.ask(reject(delivery));
                    }
                }
                _ => world.keep_house(),
            }
        }
        world.disk.power_off_after(chance.below(6));
        if world.try_flush().is_ok() {
            confirmed = published;
        }
        let world = world.crash_with(seed);
        world.broker.start_clock(now_ms);
        world.read_at(now_ms);
        assert!(world.counts("q").0 <= 8, "seed {seed}");
        let (in_q, dead) = (drain(&world, "q", now_ms), drain(&world, "dead", now_ms));
        let order = |number: &u64| (std::cmp::Reverse(priority_of(*number)), *number);
        assert!(in_q.is_sorted_by_key(order), "seed {seed}: {in_q:?}");
        let mut all: Vec<u64> = in_q.into_iter().chain(dead).collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "seed {seed}: {all:?} has doubles");
        for number in (0..confirmed).filter(|number| !acked.contains(number)) {
            assert!(all.contains(&number), "seed {seed}: {number} of {confirmed} is not among {all:?}");
        }
        assert!(all.iter().all(|number| *number < published), "seed {seed}: {all:?}");
    }
}
