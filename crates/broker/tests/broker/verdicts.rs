//! Verdicts on deliveries: what is settled is gone, what is requeued stands at its old place.

use model::Outcome;

use crate::{
    wish::{
        ack, ack_up_to, consume, consume_no_ack, get, get_no_ack, prefetch, purge, recover, reject, requeue,
        requeue_up_to, settle,
    },
    world::World,
};

#[test]
fn what_is_accepted_or_rejected_is_gone() {
    let world = World::new();
    let mut peer = world.peer_with("a b c d");
    peer.say(consume("q", "c"));
    assert_eq!(world.counts("q"), (0, 4));
    peer.ask_all([ack(2), reject(3)]);
    assert_eq!(world.counts("q"), (0, 2));
    peer.ask(ack_up_to(4));
    assert_eq!(world.counts("q"), (0, 0));
}

#[test]
fn what_is_requeued_comes_back_to_its_old_place_marked() {
    let world = World::new();
    let mut peer = world.peer_with("a b c d e");
    for _ in 0..4 {
        peer.ask(get("q"));
    }
    peer.hear();
    peer.ask_all([requeue(3), requeue(1)]);
    assert_eq!(world.counts("q"), (3, 2));
    let mut other = world.peer();
    other.ask_all([get("q"), get("q"), get("q"), get("q")]);
    assert_eq!(
        other.hear(),
        ["got 1 a again, 2 left", "got 2 c again, 1 left", "got 3 e, 0 left", "got nothing"]
    );
}

#[test]
fn several_requeued_at_once_keep_their_order() {
    let world = World::new();
    let mut peer = world.peer_with("a b c d e");
    peer.say(prefetch(3));
    assert_eq!(peer.say(consume("q", "c")), ["consuming c", "c 1 a", "c 2 b", "c 3 c"]);
    peer.ask(ack(2));
    assert_eq!(peer.hear(), ["c 4 d"]);
    assert_eq!(peer.say(requeue_up_to(3)), ["c 5 a again", "c 6 c again"]);
    peer.ask(settle(0, true, Outcome::Requeued));
    assert_eq!(peer.hear(), ["c 7 a again", "c 8 c again", "c 9 d again"]);
}

#[test]
fn recover_requeues_everything_and_says_so_first() {
    let world = World::new();
    let mut peer = world.peer_with("a b");
    peer.say(consume("q", "c"));
    assert_eq!(peer.say(recover()), ["Recovered", "c 3 a again", "c 4 b again"]);
    peer.ask(model::SessionCommand::Recover { nowait: true });
    assert_eq!(peer.hear(), ["c 5 a again", "c 6 b again"]);
}

#[test]
fn a_verdict_on_what_is_not_open_fails_the_session() {
    let world = World::new();
    for wrong in [ack(0), ack(2), ack_up_to(2), requeue(9)] {
        let mut peer = world.peer_with("a");
        peer.say(get("q"));
        assert_eq!(peer.say(wrong), ["refused: UnknownDelivery"]);
        assert_eq!(world.counts("q"), (1, 0), "what the session held is back");
        assert!(peer.say(purge("q")).is_empty(), "it is not listened to any more");
        world.peer().say(purge("q"));
    }
    let mut peer = world.peer_with("a");
    peer.say(get("q"));
    peer.ask(ack(1));
    assert_eq!(peer.say(ack(1)), ["refused: UnknownDelivery"], "twice");
}

#[test]
fn all_of_nothing_may_be_settled() {
    let world = World::new();
    let mut peer = world.peer();
    assert!(peer.say(ack_up_to(0)).is_empty());
    assert_eq!(peer.say(recover()), ["Recovered"]);
}

#[test]
fn what_needs_no_verdict_has_a_number_all_the_same() {
    let world = World::new();
    let mut peer = world.peer_with("a b c d");
    assert_eq!(peer.say(get_no_ack("q")), ["got 1 a, 3 left"]);
    assert_eq!(peer.say(get("q")), ["got 2 b, 2 left"]);
    assert_eq!(peer.say(consume_no_ack("q", "c")), ["consuming c", "c 3 c", "c 4 d"]);
    assert_eq!(world.counts("q"), (0, 1));
    peer.ask(ack_up_to(2));
    assert_eq!(world.counts("q"), (0, 0));
    assert_eq!(peer.say(ack(3)), ["refused: UnknownDelivery"]);
}

#[test]
fn a_purge_takes_what_is_ready_and_leaves_what_is_unsettled() {
    let world = World::new();
    let mut peer = world.peer_with("a b c");
    peer.say(get("q"));
    assert_eq!(peer.say(purge("q")), ["purged 2"]);
    assert_eq!(world.counts("q"), (0, 1));
    peer.ask(requeue(1));
    assert_eq!(peer.say(get("q")), ["got 2 a again, 0 left"]);
}
