//! How many deliveries may be unsettled: for one consumer, and for a whole session.

use crate::{
    wish::{
        ack, ack_up_to, consume, consume_no_ack, declare_transient, get, prefetch, prefetch_of_session,
        publish, requeue,
    },
    world::{Peer, World},
};

/// A peer, and queues with three messages each.
fn with_queues(world: &World, queues: &[&str]) -> Peer {
    let mut peer = world.peer();
    for queue in queues {
        peer.say(declare_transient(queue));
        peer.ask_all((1..=3).map(|n| publish(queue, &format!("{queue}{n}"))));
    }
    peer
}

#[test]
fn a_prefetch_is_for_each_new_consumer() {
    let world = World::new();
    let mut peer = with_queues(&world, &["a", "b", "c"]);
    assert_eq!(peer.say(prefetch(1)), ["PrefetchSet"]);
    assert_eq!(peer.say(consume("a", "x")), ["consuming x", "x 1 a1"]);
    peer.say(prefetch(2));
    assert_eq!(peer.say(consume("b", "y")), ["consuming y", "y 2 b1", "y 3 b2"]);
    peer.say(prefetch(0));
    assert_eq!(peer.say(consume("c", "z")).len(), 4);
    peer.ask(ack(1));
    assert_eq!(peer.hear(), ["x 7 a2"], "what was set later is not for it");
}

#[test]
fn each_verdict_makes_room_for_one() {
    let world = World::new();
    let mut peer = with_queues(&world, &["q"]);
    peer.say(prefetch(2));
    assert_eq!(peer.say(consume("q", "c")), ["consuming c", "c 1 q1", "c 2 q2"]);
    assert_eq!(peer.say(requeue(2)), ["c 3 q2 again"], "it is the first that is ready");
    assert_eq!(peer.say(ack_up_to(3)), ["c 4 q3"]);
}

#[test]
fn deliveries_that_need_no_verdict_are_not_limited() {
    let world = World::new();
    let mut peer = with_queues(&world, &["q"]);
    peer.say(prefetch(1));
    peer.say(prefetch_of_session(1));
    assert_eq!(peer.say(consume_no_ack("q", "c")).len(), 4);
}

#[test]
fn a_session_shares_its_limit_among_its_consumers() {
    let world = World::new();
    let mut peer = with_queues(&world, &["a", "b"]);
    peer.say(prefetch_of_session(3));
    peer.say(consume("a", "x"));
    assert_eq!(world.counts("a"), (0, 3));
    assert_eq!(peer.say(consume("b", "y")), ["consuming y"]);
    assert_eq!(peer.say(ack(1)), ["y 4 b1"]);
    peer.ask(publish("a", "a4"));
    assert!(peer.hear().is_empty());
    peer.ask(ack_up_to(3));
    peer.hear();
    assert_eq!((world.counts("a").1 + world.counts("b").1), 3);
}

#[test]
fn a_limit_of_the_session_counts_what_is_unsettled_already() {
    let world = World::new();
    let mut peer = with_queues(&world, &["a", "b"]);
    // Not all of it has been heard by then.
    peer.ask_all([consume("a", "x"), prefetch_of_session(4), consume("b", "y")]);
    peer.hear();
    assert_eq!((world.counts("a").1, world.counts("b").1), (3, 1));
    peer.ask(prefetch_of_session(0));
    peer.hear();
    assert_eq!(world.counts("b").1, 3, "no limit any more");
}

#[test]
fn what_was_fetched_by_hand_does_not_make_room() {
    let world = World::new();
    let mut peer = with_queues(&world, &["a", "b"]);
    peer.say(prefetch_of_session(2));
    peer.say(consume("a", "x"));
    assert_eq!(world.counts("a"), (1, 2));
    assert_eq!(peer.say(get("b")), ["got 3 b1, 2 left"], "a get is not limited");
    assert!(peer.say(ack(3)).is_empty(), "and what it brought gave no credit away");
    assert_eq!(world.counts("a"), (1, 2));
    assert_eq!(peer.say(ack(1)), ["x 4 a3"]);
}

#[test]
fn a_limit_of_one_session_is_not_that_of_another() {
    let world = World::new();
    let mut peer = with_queues(&world, &["q"]);
    let mut other = world.peer();
    peer.say(prefetch_of_session(1));
    peer.say(consume("q", "x"));
    other.say(consume("q", "y"));
    assert_eq!(world.counts("q"), (0, 3));
    assert_eq!(peer.say(ack(1)).len(), 0);
    other.ask(requeue(2));
    peer.hear();
    assert_eq!(world.counts("q"), (0, 2));
}
