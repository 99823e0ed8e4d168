//! A publisher that runs ahead of eager consumers waits a moment for them, and for nobody else.

use model::{Command, SessionId};

use crate::{
    wish::{cancel, consume, consume_no_ack, declare_transient, delete, prefetch, publish_transient},
    world::{Peer, World},
};

/// A consumer's mailbox and what a queue may be ahead are a few hundred of these.
const BODY: usize = 16 * 1024;
/// More messages than a mailbox and a queue take before a publisher is held back.
const FLOOD: usize = 200;

/// A world with a queue, a consumer that has heard nothing yet, and a publisher.
fn eager() -> (World, Peer, Peer) {
    let world = World::new();
    let (mut publisher, mut consumer) = (world.peer(), world.peer());
    publisher.say(declare_transient("q"));
    consumer.say(consume_no_ack("q", "c"));
    (world, publisher, consumer)
}

fn flood(publisher: &mut Peer, queue: &str, now_ms: u64) {
    let body = "x".repeat(BODY);
    for _ in 0..FLOOD {
        publisher
            .client
            .handle_command(now_ms, Command::Session(SessionId(1), publish_transient(queue, &body)));
    }
    publisher.client.hand_over();
}

#[test]
fn a_publisher_pauses_until_the_consumer_has_caught_up() {
    let (world, mut publisher, mut consumer) = eager();
    flood(&mut publisher, "q", 0);
    assert!(publisher.client.is_held_back());
    let mut heard = 0;
    while publisher.client.is_held_back() {
        assert!(
            consumer.client.poll_event().is_some(),
            "the publisher waits for a consumer that has everything"
        );
        heard += 1;
    }
    assert!(publisher.is_rung());
    assert!(world.counts("q").0 > 0, "not until the last one: the consumer is not to run dry");
    assert!(heard > FLOOD / 2);
}

#[test]
fn publishers_go_on_in_turn() {
    let (world, mut first, mut consumer) = eager();
    flood(&mut first, "q", 0);
    let mut others: Vec<Peer> = (0..50).map(|_| world.peer()).collect();
    for other in &mut others {
        other.ask(publish_transient("q", "y"));
        assert!(other.client.is_held_back());
    }
    while first.client.is_held_back() {
        consumer.client.poll_event();
    }
    let go_on = others.iter().filter(|other| !other.client.is_held_back()).count();
    assert!(go_on < 10, "{go_on} at once");
    while !consumer.events().is_empty() {}
    world.pass_to(100);
    assert!(others.iter().all(|other| !other.client.is_held_back()), "nobody is forgotten");
}

#[test]
fn whoever_hands_over_often_waits_once() {
    let (world, mut first, mut consumer) = eager();
    flood(&mut first, "q", 0);
    for _ in 0..50 {
        // The rest of a read, in which something else comes after each publish.
        first.ask(publish_transient("q", "y"));
    }
    let mut second = world.peer();
    second.ask(publish_transient("q", "z"));
    assert!(second.client.is_held_back());
    while first.client.is_held_back() {
        consumer.client.poll_event();
    }
    assert!(!second.client.is_held_back(), "there was room for two");
}

#[test]
fn nobody_waits_for_a_consumer_that_takes_nothing() {
    let (world, mut publisher, mut consumer) = eager();
    flood(&mut publisher, "q", 0);
    world.pass_to(99);
    assert!(publisher.client.is_held_back());
    world.pass_to(100);
    assert!(publisher.is_rung());
    assert!(!publisher.client.is_held_back());
    flood(&mut publisher, "q", 100);
    assert!(!publisher.client.is_held_back(), "the queue is outrun");
    while !consumer.events().is_empty() || world.counts("q").0 > 0 {
        world.read_at(101);
    }
    flood(&mut publisher, "q", 6000);
    assert!(publisher.client.is_held_back(), "but not for ever");
}

#[test]
fn nobody_waits_for_a_consumer_that_holds_what_it_may_hold() {
    let (world, mut publisher, _) = eager();
    let mut busy = world.peer();
    busy.ask_all([declare_transient("slow"), prefetch(1), consume("slow", "c")]);
    flood(&mut publisher, "slow", 0);
    assert!(!publisher.client.is_held_back());
}

#[test]
fn nobody_waits_for_a_queue_or_a_consumer_that_is_gone() {
    let (_world, mut publisher, mut consumer) = eager();
    flood(&mut publisher, "q", 0);
    assert!(publisher.client.is_held_back());
    consumer.ask(cancel("c"));
    assert!(!publisher.client.is_held_back());

    let (world, mut publisher, _consumer) = eager();
    flood(&mut publisher, "q", 0);
    assert!(publisher.client.is_held_back());
    world.peer().ask(delete("q"));
    assert!(!publisher.client.is_held_back());
}

#[test]
fn many_consumers_fill_the_mailbox_of_their_connection_no_further_than_one() {
    let world = World::new();
    let (mut publisher, mut consumer) = (world.peer(), world.peer());
    publisher.say(declare_transient("q"));
    let body = "x".repeat(1024);
    consumer.ask_all((0..100).map(|number| consume_no_ack("q", &format!("c{number}"))));
    consumer.hear();
    for _ in 0..20 {
        publisher.ask_all((0..200).map(|_| publish_transient("q", &body)));
    }
    // 256 KiB, as much again that a run may bring.
    let (ready, _) = world.counts("q");
    assert!(ready >= 4000 - 600, "{ready} are left");
    let heard = consumer.hear().len();
    assert!(heard > 200, "{heard} are told when there is room again");
}
