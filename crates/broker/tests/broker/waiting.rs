//! How long things take: until a confirm, in a queue, until an ack; and how old the oldest message is.

use broker::counts::Latency;
use model::{Command, SessionCommand, SessionId};

use crate::{
    wish::{
        ack, consume, consume_no_ack, declare, declare_transient, get_no_ack, prefetch, publish, requeue,
        select_confirms,
    },
    world::{Peer, World},
};

/// How many were noted, and their sum in milliseconds.
fn noted(latency: &Latency) -> (u64, u64) {
    (latency.counts().iter().sum(), (latency.sum_s() * 1000.0).round() as u64)
}

/// Asks all of it with one read, at that time, and hears everything.
fn ask(peer: &mut Peer, now_ms: u64, commands: impl IntoIterator<Item = SessionCommand>) -> Vec<String> {
    for command in commands {
        peer.client.handle_command(now_ms, Command::Session(SessionId(1), command));
    }
    peer.client.hand_over();
    peer.hear()
}

fn oldest(world: &World, queue: &str) -> Option<u64> {
    let topology = world.broker.topology().read();
    world.broker.queue(topology.find_queue("/", queue).unwrap()).unwrap().oldest_ms()
}

#[test]
fn a_confirm_is_timed_from_its_first_publish_until_it_can_be_told() {
    let world = World::new();
    let mut peer = world.peer();
    ask(&mut peer, 1_000, [declare("q"), select_confirms()]);
    world.flush();
    peer.hear();
    assert!(ask(&mut peer, 1_000, [publish("q", "a"), publish("q", "b")]).is_empty());
    assert!(ask(&mut peer, 1_007, [publish("q", "c")]).is_empty());
    world.flush();
    peer.client.handle_time(1_030);
    assert_eq!(peer.hear(), ["confirmed up to 3"]);
    assert_eq!(noted(world.broker.node_counts().confirm_times()), (1, 30));
}

#[test]
fn a_message_is_timed_in_its_queue_once_a_millisecond() {
    let world = World::new();
    let mut peer = world.peer();
    ask(&mut peer, 1_000, [declare_transient("q"), publish("q", "a"), publish("q", "b")]);
    ask(&mut peer, 2_000, [publish("q", "c")]);
    ask(&mut peer, 5_000, [get_no_ack("q")]);
    let times = world.broker.node_counts().queue_times();
    assert_eq!(noted(times), (1, 4_000));
    ask(&mut peer, 6_000, [consume_no_ack("q", "d")]);
    assert_eq!(noted(times), (2, 9_000), "b and c leave at the same time");
    ask(&mut peer, 7_000, [publish("q", "e")]);
    assert_eq!(noted(times), (3, 9_000), "nobody had to wait");
}

#[test]
fn one_delivery_at_a_time_is_timed_until_it_is_accepted() {
    let world = World::new();
    let mut peer = world.peer();
    let bodies = ["a", "b", "c"].map(|body| publish("q", body));
    ask(&mut peer, 1_000, [declare_transient("q"), prefetch(2)].into_iter().chain(bodies));
    ask(&mut peer, 2_000, [consume("q", "d")]);
    let times = world.broker.node_counts().ack_times();
    ask(&mut peer, 2_100, [ack(2)]);
    assert_eq!(noted(times), (0, 0), "the first is watched");
    ask(&mut peer, 2_250, [ack(1)]);
    assert_eq!(noted(times), (1, 250));
    ask(&mut peer, 3_000, [publish("q", "d")]);
    ask(&mut peer, 3_100, [requeue(4)]);
    assert_eq!(noted(times), (1, 250), "it was not accepted");
}

#[test]
fn the_oldest_message_is_told_by_when_it_came_even_if_it_comes_back() {
    let world = World::new();
    let mut peer = world.peer();
    ask(&mut peer, 1_000, [declare_transient("q")]);
    assert_eq!(oldest(&world, "q"), None);
    ask(&mut peer, 1_000, [publish("q", "a")]);
    ask(&mut peer, 2_000, [publish("q", "b")]);
    assert_eq!(oldest(&world, "q"), Some(1_000));
    ask(&mut peer, 3_000, [prefetch(1), consume("q", "c")]);
    assert_eq!(oldest(&world, "q"), Some(2_000));
    ask(&mut peer, 4_000, [publish("q", "d")]);
    drop(peer);
    assert_eq!(oldest(&world, "q"), Some(1_000), "it has come back");
}

#[test]
fn what_was_there_when_the_node_started_is_older_than_that() {
    let world = World::new();
    let mut peer = world.peer();
    ask(&mut peer, 1_000, [declare("q"), publish("q", "a")]);
    world.flush();
    drop(peer);
    let world = world.restart();
    assert_eq!(oldest(&world, "q"), Some(0));
    let mut peer = world.peer();
    ask(&mut peer, 9_000, [publish("q", "b")]);
    assert_eq!(oldest(&world, "q"), Some(0));
    ask(&mut peer, 9_500, [get_no_ack("q")]);
    world.read_at(9_500);
    assert_eq!(peer.hear(), ["got 1 a, 1 left"]);
    assert_eq!(oldest(&world, "q"), Some(9_000));
    assert_eq!(noted(world.broker.node_counts().queue_times()), (0, 0), "nobody knows how long that was");
}
