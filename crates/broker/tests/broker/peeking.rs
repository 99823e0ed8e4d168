//! Looking at messages in their places: what is shown is what would be taken, and nothing is moved by it.

use broker::queue::{Peeked, Spot};
use model::{Message, SessionCommand, Value};

use crate::{
    cold::large,
    wish::{declare, durable_queue, get, message, requeue, table},
    world::{World, text, tight},
};

/// All messages of `q` in pages of this many, from so many on.
fn peek(world: &World, skip: u64, page: usize) -> Vec<Peeked> {
    let topology = world.broker.topology().read();
    let queue = world.broker.queue(topology.find_queue("/", "q").unwrap()).unwrap();
    drop(topology);
    let mut seen = Vec::new();
    let mut next = queue.spot(skip).unwrap();
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
