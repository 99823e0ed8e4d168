//! The order of messages, and whose turn it is.

use crate::{
    wish::{
        ack, cancel, consume, consume_no_ack, consume_with_priority, consumer, declare, declare_transient,
        get, prefetch, publish, requeue,
    },
    world::{Peer, World},
};
use model::{SessionCommand, command::Consume};

fn with_queue(world: &World) -> Peer {
    let mut peer = world.peer();
    peer.say(declare_transient("q"));
    peer
}

#[test]
fn messages_are_delivered_in_the_order_of_arrival() {
    let world = World::new();
    let mut peer = with_queue(&world);
    peer.ask_all(["a", "b", "c"].map(|body| publish("q", body)));
    assert_eq!(peer.say(consume("q", "c")), ["consuming c", "c 1 a", "c 2 b", "c 3 c"]);
    assert_eq!(peer.say(publish("q", "d")), ["c 4 d"]);
}

#[test]
fn consumers_with_capacity_take_turns() {
    let world = World::new();
    let mut publisher = with_queue(&world);
    let (mut one, mut other) = (world.peer(), world.peer());
    one.say(consume("q", "x"));
    one.say(consume("q", "y"));
    other.say(consume_no_ack("q", "z"));
    publisher.ask_all((1..=7).map(|n| publish("q", &n.to_string())));
    assert!(one.is_rung() && other.is_rung());
    assert_eq!(one.hear(), ["x 1 1", "y 2 2", "x 3 4", "y 4 5", "x 5 7"]);
    assert_eq!(other.hear(), ["z 1 3", "z 2 6"]);
}

#[test]
fn a_consumer_without_capacity_is_passed_over() {
    let world = World::new();
    let mut publisher = with_queue(&world);
    let (mut slow, mut fast) = (world.peer(), world.peer());
    slow.say(prefetch(1));
    slow.say(consume("q", "slow"));
    fast.say(consume("q", "fast"));
    publisher.ask_all((1..=4).map(|n| publish("q", &n.to_string())));
    assert_eq!(slow.hear(), ["slow 1 1"]);
    assert_eq!(fast.hear(), ["fast 1 2", "fast 2 3", "fast 3 4"]);
    slow.ask(ack(1));
    publisher.ask_all((5..=6).map(|n| publish("q", &n.to_string())));
    assert_eq!((slow.hear(), fast.hear()), (vec!["slow 2 6".to_owned()], vec!["fast 4 5".to_owned()]));
}

#[test]
fn a_higher_priority_is_served_as_long_as_it_has_capacity() {
    let world = World::new();
    let mut publisher = with_queue(&world);
    let mut peer = world.peer();
    peer.say(consume("q", "zero"));
    peer.say(prefetch(2));
    peer.say(consume_with_priority("q", "ten", 10));
    peer.say(consume_with_priority("q", "minus", -1));
    publisher.ask_all((1..=4).map(|n| publish("q", &n.to_string())));
    assert_eq!(peer.hear(), ["ten 1 1", "ten 2 2", "zero 3 3", "zero 4 4"]);
    peer.ask(ack(1));
    publisher.ask(publish("q", "5"));
    assert_eq!(peer.hear(), ["ten 5 5"]);
    peer.say(cancel("zero"));
    publisher.ask(publish("q", "6"));
    assert_eq!(peer.hear(), ["minus 6 6"]);
}

#[test]
fn a_priority_that_is_no_integer_is_refused() {
    let world = World::new();
    let mut peer = with_queue(&world);
    let arguments = crate::wish::table(&[("x-priority", model::Value::text("high"))]);
    let wish = Consume { arguments, ..consumer("q", "c") };
    assert_eq!(peer.say(SessionCommand::Consume(wish)), ["refused: InvalidArgument"]);
}

#[test]
fn an_exclusive_consumer_is_alone() {
    let world = World::new();
    let mut peer = with_queue(&world);
    let mut other = world.peer();
    let alone = |tag| SessionCommand::Consume(Consume { exclusive: true, ..consumer("q", tag) });
    assert_eq!(peer.say(alone("a")), ["consuming a"]);
    assert_eq!(other.say(consume("q", "b")), ["refused: ExclusiveUse"]);
    peer.say(cancel("a"));
    assert_eq!(peer.say(consume("q", "c")), ["consuming c"]);
    assert_eq!(peer.say(alone("d")), ["refused: ExclusiveUse"]);
    assert_eq!(world.peer().say(alone("e")), ["consuming e"], "the refused session's consumer is gone");
}

#[test]
fn a_tag_is_used_once_in_a_session_and_made_up_if_there_is_none() {
    let world = World::new();
    let mut peer = with_queue(&world);
    let made = peer.say(consume("q", ""));
    assert!(made[0].starts_with("consuming amq.ctag-") && made[0].len() == 41, "{made:?}");
    peer.say(consume("q", "t"));
    peer.ask_in(2, SessionCommand::Open);
    peer.ask_in(2, consume("q", "t"));
    assert_eq!(peer.hear(), ["2: opened", "2: consuming t"]);
    assert_eq!(peer.say(consume("q", "t")), ["refused: ConsumerTagInUse"]);
}

#[test]
fn what_is_on_its_way_to_a_consumer_reaches_it_before_the_end() {
    let world = World::new();
    let mut peer = with_queue(&world);
    peer.say(consume("q", "c"));
    // Delivered into the mailbox with the first command, and not fetched before the second.
    peer.ask_all([publish("q", "a"), cancel("c"), publish("q", "b")]);
    assert_eq!(peer.hear(), ["c 1 a", "cancelled c"]);
    assert_eq!(world.counts("q"), (1, 1));
    peer.ask(requeue(1));
    assert_eq!(peer.say(get("q")), ["got 2 a again, 1 left"]);
}

#[test]
fn deliveries_do_not_pile_up_behind_an_answer_that_waits_for_the_disk() {
    let world = World::new();
    let mut publisher = with_queue(&world);
    let mut peer = world.peer();
    peer.say(consume_no_ack("q", "c"));
    peer.ask(declare("d"));
    let large = "x".repeat(100 * 1024);
    for _ in 0..20 {
        publisher.ask(publish("q", &large));
        assert!(peer.hear().is_empty());
    }
    assert_eq!(world.counts("q").0, 14, "no more than what may be held, and what a mailbox may hold");
    world.flush();
    assert_eq!(peer.hear().len(), 21, "one answer, and then all of them");
}

#[test]
fn a_mailbox_that_is_full_holds_up_its_own_consumer_only() {
    let world = World::new();
    let mut publisher = with_queue(&world);
    let (mut asleep, mut awake) = (world.peer(), world.peer());
    asleep.say(consume_no_ack("q", "asleep"));
    let large = "x".repeat(100 * 1024);
    for _ in 0..5 {
        publisher.ask(publish("q", &large));
    }
    assert_eq!(world.counts("q").0, 2, "what goes over the limit is taken, what comes after is not");
    awake.say(consume_no_ack("q", "awake"));
    assert_eq!(world.counts("q").0, 0);
    publisher.ask(publish("q", "small"));
    assert_eq!(awake.hear(), ["awake 3 small"]);
    assert_eq!(asleep.events().len(), 3);
    publisher.ask_all([publish("q", "for one"), publish("q", "for the other")]);
    assert_eq!((asleep.hear().len(), awake.hear().len()), (1, 1), "both take turns again");
}
