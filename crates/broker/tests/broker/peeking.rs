//! Looking at messages in their places: what is shown is what would be taken, and nothing is moved by it.

use std::sync::Arc;

use broker::queue::{Peeked, Queue, Spot};
use model::{Command, Message, SessionCommand, SessionId, Value};

use crate::{
    cold::large,
    wish::{declare, durable_queue, get, message, requeue, table},
    world::{World, text, tight},
};

/// All messages of `q` in pages of this many, from so many on.
fn peek(world: &World, skip: u64, page: usize) -> Vec<Peeked> {
    peek_from(world, queue(world, "q").spot(skip).unwrap(), "q", page)
}

fn queue(world: &World, name: &str) -> Arc<Queue> {
    let topology = world.broker.topology().read();
    world.broker.queue(topology.find_queue("/", name).unwrap()).unwrap()
}

fn peek_from(world: &World, mut next: Option<Spot>, name: &str, page: usize) -> Vec<Peeked> {
    let queue = queue(world, name);
    let mut seen = Vec::new();
    while let Some(at) = next {
        let read = queue.peek(at, page).unwrap();
        seen.extend(read.messages);
        next = read.next;
    }
    seen
}

fn bodies(seen: &[Peeked]) -> Vec<String> {
    seen.iter().map(|one| text(&one.message)).collect()
}

#[test]
fn a_long_queue_is_seen_in_order_wherever_its_messages_are() {
    for persistent in [|_| true, |_| false, |n| n % 3 == 0] {
        let world = World::with(tight());
        let mut peer = world.peer();
        peer.ask(declare("q"));
        for number in 1..=100 {
            peer.ask(large("q", number, persistent(number)));
            world.flush();
        }
        peer.hear();
        let resident = world.broker.memory().resident();
        for page in [1, 7, 1000] {
            let wanted: Vec<String> = (1..=100).map(|number: u32| number.to_string()).collect();
            assert_eq!(bodies(&peek(&world, 0, page)), wanted);
        }
        for skip in [1_u32, 40, 50, 99] {
            let wanted: Vec<String> = (skip + 1..=100).map(|number| number.to_string()).collect();
            assert_eq!(bodies(&peek(&world, skip.into(), 30)), wanted);
        }
        assert!(peek(&world, 100, 1).is_empty(), "there are not so many");
        assert_eq!(world.counts("q"), (100, 0));
        assert_eq!(world.broker.memory().resident(), resident, "nothing was brought into memory");
        peer.ask(get("q"));
        world.read();
        assert_eq!(peer.hear(), ["got 1 1, 99 left"], "and nobody is told that it was delivered before");
    }
}

#[test]
fn what_came_back_is_shown_in_its_place_as_redelivered_and_what_is_held_is_not() {
    let world = World::new();
    let mut peer = world.peer_with("a b c d");
    for _ in 0..3 {
        peer.say(get("q"));
    }
    peer.ask(requeue(2));
    let seen = peek(&world, 0, 10);
    assert_eq!(bodies(&seen), ["b", "d"]);
    assert_eq!(seen.iter().map(|one| one.is_redelivered).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn higher_priorities_stand_first() {
    let world = World::new();
    let mut peer = world.peer();
    let mut queue = durable_queue("q");
    queue.arguments = table(&[("x-max-priority", Value::I32(9))]);
    peer.ask(SessionCommand::DeclareQueue(queue));
    for (body, priority) in [("low", 0), ("high", 9), ("middle", 4), ("high too", 9)] {
        let message = with_priority(body, priority);
        peer.ask(SessionCommand::Publish { message: message.into(), mandatory: false });
    }
    let seen = peek(&world, 0, 10);
    assert_eq!(bodies(&seen), ["high", "high too", "middle", "low"]);
    assert_eq!(bodies(&peek(&world, 2, 1)), ["middle", "low"]);
    assert_eq!(seen[3].spot, Spot { level: 0, number: seen[3].spot.number });
}

fn with_priority(body: &str, priority: u8) -> Message {
    let mut properties = Vec::new();
    model::message::Properties { priority: Some(priority), ..Default::default() }.encode(&mut properties);
    Message::new(b"", b"q", &properties, body.as_bytes()).unwrap()
}

#[test]
fn a_restarted_queue_shows_what_may_have_been_delivered() {
    let world = World::with(tight());
    let mut peer = world.peer();
    peer.ask(declare("q"));
    for body in ["a", "b"] {
        peer.ask(SessionCommand::Publish {
            message: message("", "q", body.as_bytes(), true),
            mandatory: false,
        });
    }
    world.flush();
    peer.say(get("q"));
    drop(peer);
    let world = world.restart();
    let seen = peek(&world, 0, 10);
    assert_eq!(bodies(&seen), ["a", "b"]);
    assert_eq!(seen.iter().map(|one| one.is_redelivered).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_message_is_as_old_as_its_time_in_the_queue_and_nobody_knows_beyond_a_restart() {
    let world = World::with(tight());
    let mut peer = world.peer();
    peer.ask(declare("q"));
    for number in 1..=50_u64 {
        let command = Command::Session(SessionId(1), large("q", u32::try_from(number).unwrap(), true));
        peer.client.handle_command(number * 1000, command);
        peer.client.hand_over();
        world.flush();
    }
    let seen = peek(&world, 0, 7);
    assert_eq!(seen.len(), 50);
    for (one, number) in seen.iter().zip(1..) {
        assert_eq!(one.arrived_ms, number * 1000, "message {number}");
    }
    drop(peer);
    let world = world.restart();
    assert!(peek(&world, 0, 7).iter().all(|one| one.arrived_ms == 0));
}

#[test]
fn a_stream_is_seen_by_offsets_with_the_time_of_each() {
    let world = World::new();
    let mut peer = world.peer();
    let mut stream = durable_queue("s");
    stream.arguments = table(&[
        ("x-queue-type", Value::text("stream")),
        ("x-stream-max-segment-size-bytes", Value::I32(5000)),
    ]);
    peer.ask(SessionCommand::DeclareQueue(stream));
    assert!(peek_from(&world, Some(Spot { level: 0, number: 0 }), "s", 7).is_empty());
    for chunk in 1..=40_u64 {
        for part in 0..3 {
            let message =
                message("", "s", format!("{}", (chunk - 1) * 3 + part).repeat(100).as_bytes(), true);
            let publish = SessionCommand::Publish { message, mandatory: false };
            peer.client.handle_command(chunk * 1000, Command::Session(SessionId(1), publish));
        }
        peer.client.hand_over();
        world.flush();
    }
    let check = |world: &World| {
        for page in [1, 7, 1000] {
            let seen = peek_from(world, Some(Spot { level: 0, number: 0 }), "s", page);
            let wanted: Vec<(u64, String, u64)> = (0..120_u64)
                .map(|offset| (offset, offset.to_string().repeat(100), (offset / 3 + 1) * 1000))
                .collect();
            let found: Vec<(u64, String, u64)> =
                seen.iter().map(|one| (one.spot.number, text(&one.message), one.arrived_ms)).collect();
            assert_eq!(found, wanted);
        }
        for (from, first) in [(1, Some(1)), (59, Some(59)), (119, Some(119)), (120, None), (u64::MAX, None)] {
            let seen = peek_from(world, Some(Spot { level: 0, number: from }), "s", 50);
            assert_eq!(seen.first().map(|one| one.spot.number), first);
        }
    };
    check(&world);
    drop(peer);
    check(&world.restart());
}
