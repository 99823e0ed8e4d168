//! Quorum queues: everything in them survives, and what comes back too often goes.

use std::sync::Arc;

use model::{Event, SessionCommand, SessionEvent, Table, Value, command::DeclareQueue, message::Properties};

use crate::{
    wish::{
        ack, consume_with_priority, declare, durable_queue, get, message, publish, publish_transient, reject,
        requeue, select_confirms, table,
    },
    world::{Peer, World},
};

fn declare_quorum(more: &[(&str, Value)]) -> SessionCommand {
    let mut arguments = table(&[("x-queue-type", Value::text("quorum"))]);
    arguments.0.extend(table(more).0);
    SessionCommand::DeclareQueue(DeclareQueue { arguments, ..durable_queue("q") })
}

fn with_queue(world: &World, more: &[(&str, Value)]) -> Peer {
    let mut peer = world.peer();
    peer.ask(declare_quorum(more));
    world.flush();
    assert_eq!(peer.hear(), ["declared q 0 0"]);
    peer
}

/// The headers of the message that is got from a queue.
fn headers_of_next(peer: &mut Peer, queue: &str) -> Table {
    peer.ask(get(queue));
    let events = peer.events();
    let [Event::Session(_, SessionEvent::Got { message, .. })] = events.as_slice() else {
        panic!("{events:?}");
    };
    let raw = message.properties().raw_headers;
    raw.map_or_else(Table::default, |mut raw| Table::decode(&mut raw).unwrap())
}

/// How often the message at the head came back, as its headers tell.
fn delivery_count(peer: &mut Peer) -> Option<i64> {
    let headers = headers_of_next(peer, "q");
    headers.get("x-delivery-count").and_then(Value::as_integer)
}

#[test]
fn transient_messages_survive_and_are_confirmed_once_they_do() {
    let world = World::new();
    let mut peer = with_queue(&world, &[]);
    peer.ask_all([select_confirms(), publish_transient("q", "a"), publish("q", "b")]);
    assert!(!peer.hear().iter().any(|line| line.starts_with("confirmed")), "nothing is on disk yet");
    world.flush();
    assert_eq!(peer.hear(), ["confirmed up to 2"]);
    drop(peer);
    let world = world.crash();
    assert_eq!(world.counts("q"), (2, 0));
    let mut peer = world.peer();
    peer.ask(get("q"));
    world.read();
    assert_eq!(peer.hear(), ["got 1 a again, 1 left"]);
}

#[test]
fn returns_are_counted_and_limited() {
    let world = World::new();
    let mut peer = with_queue(
        &world,
        &[
            ("x-delivery-limit", Value::I32(2)),
            ("x-dead-letter-exchange", Value::text("")),
            ("x-dead-letter-routing-key", Value::text("dead")),
        ],
    );
    peer.ask_all([declare("dead"), publish("q", "a")]);
    world.flush();
    peer.hear();
    assert_eq!(delivery_count(&mut peer), None);
    peer.ask(requeue(1));
    assert_eq!(delivery_count(&mut peer), Some(1));
    // The end of a connection counts like a verdict.
    drop(peer);
    let mut peer = world.peer();
    assert_eq!(delivery_count(&mut peer), Some(2));
    peer.ask(requeue(1));
    assert_eq!((world.counts("q"), world.counts("dead")), ((0, 0), (1, 0)));
    // The next message begins anew.
    peer.ask(publish("q", "b"));
    assert_eq!(delivery_count(&mut peer), None);
    peer.ask(reject(2));
    assert_eq!(world.counts("dead"), (2, 0));
    let headers = headers_of_next(&mut peer, "dead");
    assert!(headers.get("x-delivery-count").is_none());
    assert_eq!(headers.get("x-last-death-reason"), Some(&Value::text("delivery_limit")));
}

#[test]
fn the_active_consumer_makes_way_once_it_has_settled_what_it_has() {
    let world = World::new();
    let mut peer = with_queue(&world, &[("x-single-active-consumer", Value::Bool(true))]);
    peer.ask_all([consume_with_priority("q", "low", 0), publish("q", "a")]);
    assert_eq!(peer.hear(), ["consuming low", "low 1 a"]);
    peer.ask_all([consume_with_priority("q", "high", 1), publish("q", "b")]);
    assert_eq!(peer.hear(), ["consuming high"]);
    assert_eq!(peer.say(ack(1)), ["high 2 b"]);
}

#[test]
fn two_of_a_high_priority_are_followed_by_one_of_the_rest() {
    let world = World::new();
    let mut peer = with_queue(&world, &[]);
    for (body, priority) in [("l1", 0), ("l2", 4), ("h1", 5), ("h2", 9), ("h3", 5)] {
        let plain = message("", "q", body.as_bytes(), true);
        let properties = Properties { priority: Some(priority), ..plain.properties() };
        let mut list = Vec::new();
        properties.encode(&mut list);
        let message = Arc::new(plain.with_properties(&list).unwrap());
        peer.ask(SessionCommand::Publish { message, mandatory: false });
    }
    let bodies = [(); 5].map(|()| peer.say(get("q")).concat().split([' ', ',']).nth(2).unwrap().to_owned());
    assert_eq!(bodies, ["h1", "h2", "l1", "h3", "l2"]);
}
