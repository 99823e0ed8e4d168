//! Alarms stop who publishes, and nobody else.

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
