//! Alarms stop who publishes, and nobody else.

use broker::ConnectionState;

use crate::{
    wish::{ack, consume, declare, declare_transient, prefetch, publish, select_confirms},
    world::World,
};

#[test]
fn an_alarm_blocks_publishers_with_their_next_publish() {
    let world = World::new();
    let mut peer = world.peer();
    peer.say(declare_transient("q"));
    assert!(world.broker.alarms().set_memory(true));
    assert!(!peer.client.is_held_back(), "it has not published yet");
    assert_eq!(peer.say(publish("q", "a")), ["blocked: low on memory"]);
    assert!(peer.client.is_held_back());
    assert_eq!(world.counts("q"), (1, 0), "what came is taken");
    assert!(peer.say(publish("q", "b")).is_empty(), "it is told once");
    world.broker.alarms().set_memory(false);
    assert!(peer.is_rung());
    assert_eq!(peer.hear(), ["unblocked"]);
    assert!(!peer.client.is_held_back());
}

#[test]
fn consumers_go_on_during_an_alarm() {
    let world = World::new();
    let (mut publisher, mut consumer) = (world.peer(), world.peer());
    publisher.say(declare_transient("q"));
    publisher.ask_all([publish("q", "a"), publish("q", "b")]);
    world.broker.alarms().set_disk(true);
    consumer.say(prefetch(1));
    assert_eq!(consumer.say(consume("q", "c")), ["consuming c", "c 1 a"]);
    assert_eq!(consumer.say(ack(1)), ["c 2 b"]);
    assert!(!consumer.client.is_held_back());
}

#[test]
fn a_blocked_publisher_gets_its_confirms_and_deliveries() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([declare("q"), select_confirms(), consume("q", "c")]);
    world.flush();
    peer.hear();
    world.broker.alarms().set_disk(true);
    assert_eq!(peer.say(publish("q", "a")), ["blocked: low on disk", "c 1 a"]);
    world.flush();
    assert!(peer.is_rung());
    assert_eq!(peer.hear(), ["confirmed 1"]);
}

#[test]
fn the_last_alarm_to_end_unblocks() {
    let world = World::new();
    let mut peer = world.peer();
    world.broker.alarms().set_memory(true);
    world.broker.alarms().set_disk(true);
    assert_eq!(peer.say(publish("q", "a")), ["blocked: low on memory & disk"]);
    world.broker.alarms().set_memory(false);
    assert!(peer.hear().is_empty());
    world.broker.alarms().set_disk(false);
    assert!(peer.is_rung());
    assert_eq!(peer.hear(), ["unblocked"]);
}

#[test]
fn an_alarm_that_comes_back_before_its_end_is_heard_does_not_leave_publishers_waiting() {
    let world = World::new();
    let mut peer = world.peer();
    let alarms = world.broker.alarms();
    alarms.set_memory(true);
    peer.say(publish("q", "a"));
    alarms.set_memory(false);
    alarms.set_memory(true);
    peer.hear();
    alarms.set_memory(false);
    assert!(peer.is_rung() || !peer.client.is_held_back(), "somebody wakes it");
    peer.hear();
    assert!(!peer.client.is_held_back());
}

#[test]
fn publishers_wait_for_a_disk_that_is_behind() {
    let settings = broker::Settings { staged_bytes_max: 1000, ..broker::Settings::default() };
    let world = World::with(settings);
    let mut peer = world.peer();
    peer.ask_all([declare("q"), select_confirms()]);
    world.flush();
    peer.hear();
    peer.say(publish("q", "small"));
    assert!(!peer.client.is_held_back());
    peer.say(publish("q", &"x".repeat(2000)));
    assert!(peer.client.is_held_back());
    world.flush();
    assert!(peer.is_rung());
    assert_eq!(peer.hear(), ["confirmed up to 2"]);
    assert!(!peer.client.is_held_back());
}

#[test]
fn publishers_without_confirms_wait_for_a_disk_that_is_behind() {
    let settings = broker::Settings { staged_bytes_max: 1000, ..broker::Settings::default() };
    let world = World::with(settings);
    let (mut peer, mut other) = (world.peer(), world.peer());
    peer.ask(declare("q"));
    world.flush();
    peer.hear();
    assert!(peer.say(publish("q", &"x".repeat(2000))).is_empty());
    assert!(peer.client.is_held_back());
    assert!(other.say(declare_transient("r")).len() == 1 && other.say(publish("r", "a")).is_empty());
    assert!(!other.client.is_held_back(), "nothing of it waits for the disk");
    world.flush();
    assert!(peer.is_rung());
    peer.hear();
    assert!(!peer.client.is_held_back());
}

#[test]
fn operators_see_who_is_blocked_and_who_would_be() {
    let world = World::new();
    let (mut publisher, _idle) = (world.peer_with("a"), world.peer());
    let states = || world.states(0);
    assert_eq!(states(), [ConnectionState::Running, ConnectionState::Running]);
    world.broker.alarms().set_disk(true);
    assert_eq!(
        states(),
        [ConnectionState::Blocking, ConnectionState::Blocking],
        "neither has published since"
    );
    publisher.say(publish("q", "b"));
    assert_eq!(states(), [ConnectionState::Blocked, ConnectionState::Blocking]);
    world.broker.alarms().set_disk(false);
    assert_eq!(publisher.hear(), ["unblocked"]);
    assert_eq!(states(), [ConnectionState::Running, ConnectionState::Running]);
}

#[test]
fn operators_see_for_a_while_who_was_held_back_by_the_disk() {
    let settings = broker::Settings { staged_bytes_max: 1000, ..broker::Settings::default() };
    let world = World::with(settings);
    let mut peer = world.peer();
    peer.ask(declare("q"));
    world.flush();
    peer.hear();
    peer.say(publish("q", &"x".repeat(2000)));
    assert_eq!(world.states(0), [ConnectionState::Flow]);
    world.flush();
    peer.hear();
    assert_eq!(world.states(4_999), [ConnectionState::Flow]);
    world.broker.alarms().set_memory(true);
    assert_eq!(world.states(4_999), [ConnectionState::Blocking], "what lasts longer comes first");
    world.broker.alarms().set_memory(false);
    assert_eq!(world.states(5_000), [ConnectionState::Running]);
}
