//! What a node finds when it starts again.

use model::{
    SessionCommand, Table, Value,
    command::{DeclareExchange, DeclareQueue},
};

use crate::{
    wish::{
        ack, bind, declare, declare_exchange, declare_transient, durable_exchange, durable_queue, get, name,
        prefetch, publish, publish_to, publish_transient, purge, requeue, select_confirms,
    },
    world::{Peer, World},
};

/// A peer, and a durable queue of these messages, confirmed.
fn with_messages(world: &World, bodies: &str) -> Peer {
    let mut peer = world.peer();
    peer.ask_all([declare("q"), select_confirms()]);
    peer.ask_all(bodies.split(' ').map(|body| publish("q", body)));
    world.flush();
    assert_eq!(peer.hear().len(), 3);
    peer
}

/// Everything in a queue, got one by one.
fn contents(world: &World, queue: &str) -> Vec<String> {
    let mut peer = world.peer();
    let mut contents = Vec::new();
    loop {
        peer.ask(get(queue));
        world.read();
        match peer.hear().as_slice() {
            [nothing] if nothing == "got nothing" => return contents,
            [line] => {
                let line = line.split_once(", ").unwrap().0;
                contents.push(line.splitn(3, ' ').nth(2).unwrap().to_owned());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_confirmed_is_there_in_order() {
    let world = World::new();
    let mut peer = with_messages(&world, "a b c");
    peer.ask_all([publish_transient("q", "transient"), publish("q", "not confirmed")]);
    drop(peer);
    let world = world.crash();
    assert!(!world.recovered.clean);
    assert_eq!(contents(&world, "q"), ["a again", "b again", "c again"]);
}

#[test]
fn what_was_settled_stays_settled_once_that_is_on_disk() {
    let world = World::new();
    let mut peer = with_messages(&world, "a b c d");
    peer.ask_all([get("q"), get("q"), get("q")]);
    peer.hear();
    peer.ask_all([ack(2), requeue(3)]);
    world.flush();
    drop(peer);
    let world = world.crash();
    assert_eq!(contents(&world, "q"), ["a again", "c again", "d again"]);
}

#[test]
fn after_a_clean_stop_only_what_was_delivered_is_marked() {
    let world = World::new();
    let mut peer = with_messages(&world, "a b c d");
    peer.ask_all([get("q"), get("q"), publish_transient("q", "transient")]);
    peer.hear();
    peer.ask(ack(1));
    drop(peer);
    let world = world.restart();
    assert!(world.recovered.clean);
    assert_eq!(contents(&world, "q"), ["b again", "c", "d"]);
    // What was read for that is marked from now on, a second clean stop changes nothing about it.
    let world = world.restart();
    assert_eq!(contents(&world, "q"), ["b again", "c again", "d again"]);
}

#[test]
fn a_queue_goes_on_numbering_where_it_was() {
    let mut world = World::new();
    drop(with_messages(&world, "a b"));
    for body in ["c", "d", "e"] {
        world = if body == "d" { world.crash() } else { world.restart() };
        let mut peer = world.peer();
        peer.ask_all([select_confirms(), publish("q", body)]);
        world.flush();
        assert_eq!(peer.hear(), ["ConfirmsSelected", "confirmed 1"]);
    }
    let bodies: Vec<_> = contents(&world, "q").iter().map(|line| line[..1].to_owned()).collect();
    assert_eq!(bodies, ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_purge_is_for_good_once_it_is_on_disk() {
    let world = World::new();
    let mut peer = with_messages(&world, "a b c");
    assert_eq!(peer.say(purge("q")), ["purged 3"]);
    peer.ask(publish("q", "d"));
    world.flush();
    drop(peer);
    assert_eq!(contents(&world.crash(), "q"), ["d again"]);
}

#[test]
fn only_what_is_durable_comes_back() {
    let world = World::new();
    let mut peer = world.peer();
    let exclusive = DeclareQueue { exclusive: true, ..durable_queue("x") };
    let passing = DeclareExchange { durable: false, ..durable_exchange("e", "fanout") };
    peer.ask_all([declare("q"), declare_transient("t"), SessionCommand::DeclareQueue(exclusive)]);
    peer.ask_all([declare_exchange("d", "fanout"), SessionCommand::DeclareExchange(passing)]);
    peer.ask_all([bind("d", "q", ""), bind("d", "t", ""), bind("e", "q", "")]);
    world.flush();
    assert_eq!(peer.hear().len(), 8);
    drop(peer);
    let world = world.crash();
    assert!(world.has_queue("q") && !world.has_queue("t") && !world.has_queue("x"));
    let mut peer = world.peer();
    peer.ask_all([declare_transient("t"), publish_to("d", "", "m"), publish_to("e", "", "m")]);
    assert_eq!(peer.hear(), ["declared t 0 0", "refused: NotFound"]);
    assert_eq!((world.counts("q").0, world.counts("t").0), (1, 0), "the binding of what is gone is gone");
}

#[test]
fn what_was_not_on_disk_was_not_answered_and_is_not_there() {
    let world = World::new();
    let mut peer = world.peer();
    assert!(peer.say(declare("q")).is_empty());
    drop(peer);
    let world = world.crash();
    assert!(!world.has_queue("q"));
}

#[test]
fn a_snapshot_stands_for_the_metadata_before_it() {
    let world = World::new();
    let mut peer = world.peer();
    let arguments = |number: u32| {
        Table(vec![
            (name("x-note"), Value::text(&"n".repeat(60_000))),
            (name("x-number"), Value::I64(number.into())),
        ])
    };
    let wish = |number: u32| {
        let wish = DeclareQueue { arguments: arguments(number), ..durable_queue(&format!("q{number}")) };
        SessionCommand::DeclareQueue(wish)
    };
    for number in 0..80 {
        peer.ask(wish(number));
        world.flush();
        world.keep_house();
    }
    assert_eq!(peer.hear().len(), 80);
    assert!(world.disk.contents("snapshot-topology").is_some());
    drop(peer);
    let world = world.crash();
    let mut peer = world.peer();
    for number in 0..80 {
        assert_eq!(peer.say(wish(number)), [format!("declared q{number} 0 0")], "it exists just so");
    }
}

#[test]
fn a_queue_whose_messages_are_in_segments_comes_back() {
    let world = World::new();
    let mut peer = with_messages(&world, "first");
    let filler = "x".repeat(2000);
    for number in 0..200 {
        peer.ask_all([publish("q", &format!("{number}-{filler}"))]);
        world.flush();
        world.keep_house();
    }
    assert!(world.engine.usage().segments > 0);
    drop(peer);
    let world = world.crash();
    let found = contents(&world, "q");
    assert_eq!(found.len(), 201);
    assert_eq!(found[0], "first again");
    for (number, line) in found[1..].iter().enumerate() {
        assert!(line.starts_with(&format!("{number}-x")), "{number} is {}", &line[..8]);
    }
    let mut peer = world.peer();
    peer.say(prefetch(1));
    assert_eq!(world.counts("q").0, 201, "who looked at them gave them back");
}
