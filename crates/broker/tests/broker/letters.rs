//! Dead letters that are for very many queues, and those of queues that send each other theirs.

use std::thread;

use broker::Settings;
use model::{SessionCommand, Value, command::DeclareQueue};

use crate::{
    wish::{bind, declare, declare_exchange, durable_queue, get, publish, publish_transient, reject, table},
    world::{World, tight},
};

const TARGETS: usize = 30;

/// A queue that sends what it gives up to this exchange.
fn dead_lettering(queue: &str, exchange: &str, key: &str) -> SessionCommand {
    let exchange = ("x-dead-letter-exchange", Value::text(exchange));
    let arguments = table(&[exchange, ("x-dead-letter-routing-key", Value::text(key))]);
    SessionCommand::DeclareQueue(DeclareQueue { arguments, ..durable_queue(queue) })
}

/// A letter for more queues than one group of the log may be for is on its way when the power goes.
fn world_with_a_large_letter() -> World {
    let world = World::with(Settings { letter_bytes_max: 1000, ..Settings::default() });
    let mut peer = world.peer();
    peer.ask_all([declare_exchange("dead", "fanout"), dead_lettering("q", "dead", "")]);
    for target in 0..TARGETS {
        let target = format!("t{target}");
        peer.ask_all([declare(&target), bind("dead", &target, "")]);
    }
    peer.ask_all([publish("q", &"x".repeat(300)), get("q")]);
    world.flush();
    assert!(peer.hear().last().unwrap().starts_with("got 1 x"));
    peer.ask(reject(1));
    world
}

#[test]
fn a_letter_for_very_many_queues_reaches_each_of_them_once() {
    let world = world_with_a_large_letter();
    assert_eq!(world.counts("q"), (0, 0));
    for target in 0..TARGETS {
        assert_eq!(world.counts(&format!("t{target}")), (1, 0), "t{target}");
    }
}

#[test]
fn a_crash_does_not_lose_a_letter_for_very_many_queues() {
    let mut seen = (false, false);
    for operation in 1..8 {
        for seed in 0..60 {
            let world = world_with_a_large_letter();
            world.disk.power_off_after(operation);
            let _ = world.try_flush();
            let world = world.crash_with(seed);
            let is_still_there = world.counts("q").0 == 1;
            for target in 0..TARGETS {
                let (there, _) = world.counts(&format!("t{target}"));
                assert!(
                    is_still_there || there == 1,
                    "{operation}, {seed}: t{target} has {there}, and q has none"
                );
            }
            seen = (seen.0 || is_still_there, seen.1 || !is_still_there);
        }
    }
    assert_eq!(seen, (true, true), "the cuts were in the midst of it");
}

/// Each of two queues gives up into the other, in two threads at once, with more than stays in memory: neither waits for the
/// other for ever, and nothing is lost between them.
#[test]
fn queues_that_send_each_other_letters_do_not_stand_in_each_others_way() {
    const MESSAGES: u64 = 200;
    let world = World::with(tight());
    let mut peer = world.peer();
    peer.ask_all([dead_lettering("a", "", "b"), dead_lettering("b", "", "a")]);
    for number in 0..MESSAGES {
        let body = format!("{number}{}", "\0".repeat(4096));
        peer.ask_all([publish_transient("a", &body), publish_transient("b", &body)]);
    }
    thread::scope(|scope| {
        for queue in ["a", "b"] {
            let world = &world;
            scope.spawn(move || {
                let mut peer = world.peer();
                let mut got = 0;
                while got < MESSAGES {
                    if !peer.client.is_waiting() {
                        peer.ask(get(queue));
                    }
                    world.read();
                    if peer.hear().iter().any(|line| line.starts_with("got ") && line != "got nothing") {
                        got += 1;
                        peer.ask(reject(got));
                    }
                }
            });
        }
    });
    let ((a, out_of_a), (b, out_of_b)) = (world.counts("a"), world.counts("b"));
    assert_eq!((a + b, out_of_a + out_of_b), (2 * MESSAGES, 0));
}
