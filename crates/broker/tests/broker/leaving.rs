//! What goes with a connection, a session, a consumer or a queue, and what comes back.

use model::{Command, SessionCommand, command::DeclareQueue};

use crate::{
    wish::{
        ack, cancel, consume, declare, declare_transient, delete, durable_queue, get, look_at, publish,
        requeue, select_confirms,
    },
    world::World,
};

#[test]
fn what_a_lost_connection_held_comes_back_to_its_place() {
    let world = World::new();
    let mut peer = world.peer_with("a b c d");
    let mut lost = world.peer();
    lost.ask_all([get("q"), get("q"), get("q"), ack(2)]);
    lost.hear();
    drop(lost);
    assert_eq!(world.counts("q"), (3, 0));
    peer.ask_all([get("q"), get("q"), get("q")]);
    assert_eq!(peer.hear(), ["got 1 a again, 2 left", "got 2 c again, 1 left", "got 3 d, 0 left"]);
}

#[test]
fn what_was_on_its_way_to_a_lost_connection_comes_back() {
    let world = World::new();
    let mut peer = world.peer_with("a b");
    let mut lost = world.peer();
    lost.ask(consume("q", "c"));
    assert_eq!(world.counts("q"), (0, 2));
    drop(lost);
    assert_eq!(world.counts("q"), (2, 0));
    peer.ask_all([get("q"), get("q")]);
    assert_eq!(peer.hear(), ["got 1 a again, 1 left", "got 2 b again, 0 left"]);
}

#[test]
fn a_panic_in_a_connections_task_costs_that_connection_only() {
    let world = World::new();
    let mut peer = world.peer_with("a b");
    let mut lost = world.peer();
    lost.say(get("q"));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _lost = lost;
        panic!("a bug in a protocol, for example");
    }));
    assert!(outcome.is_err());
    assert_eq!(peer.say(get("q")), ["got 1 a again, 1 left"]);
}

#[test]
fn what_comes_back_goes_to_whoever_waits() {
    let world = World::new();
    let mut peer = world.peer_with("a b");
    let mut lost = world.peer();
    lost.say(consume("q", "c"));
    assert_eq!(peer.say(consume("q", "d")), ["consuming d"]);
    drop(lost);
    assert!(peer.is_rung());
    assert_eq!(peer.hear(), ["d 1 a again", "d 2 b again"]);
}

#[test]
fn a_session_that_ends_gives_back_what_it_held() {
    let world = World::new();
    let mut peer = world.peer_with("a b c");
    peer.ask_in(2, SessionCommand::Open);
    peer.ask_in(2, get("q"));
    peer.ask_in(2, consume("q", "c"));
    peer.ask_in(2, SessionCommand::Close);
    let heard = ["2: opened", "2: got 1 a, 2 left", "2: consuming c", "2: c 2 b", "2: c 3 c", "2: closed"];
    assert_eq!(peer.hear(), heard);
    assert_eq!(world.counts("q"), (3, 0));
    assert_eq!(peer.say(get("q")), ["got 1 a again, 2 left"]);
}

#[test]
fn publishes_of_a_connection_that_says_goodbye_are_taken() {
    let world = World::new();
    let mut peer = world.peer_with("a");
    let mut leaving = world.peer();
    leaving.client.handle_command(0, Command::Session(model::SessionId(1), publish("q", "b")));
    leaving.client.handle_command(0, Command::Close);
    assert_eq!(leaving.hear(), ["closed"]);
    assert_eq!(world.counts("q"), (2, 0));
    drop(leaving);
    assert_eq!(peer.say(get("q")), ["got 1 a, 1 left"]);
}

#[test]
fn an_exclusive_queue_is_its_connections_own() {
    let world = World::new();
    let (mut owner, mut other) = (world.peer(), world.peer());
    let exclusive =
        || SessionCommand::DeclareQueue(DeclareQueue { exclusive: true, ..durable_queue("mine") });
    assert_eq!(owner.say(exclusive()), ["declared mine 0 0"], "it waits for no disk");
    assert_eq!(other.say(consume("mine", "c")), ["refused: Locked"]);
    for wish in [exclusive(), look_at("mine"), get("mine"), delete("mine")] {
        assert_eq!(world.peer().say(wish), ["refused: Locked"]);
    }
    owner.ask(publish("mine", "m"));
    assert_eq!(owner.say(get("mine")), ["got 1 m, 0 left"]);
    drop(owner);
    assert!(!world.has_queue("mine"));
    assert_eq!(world.peer().say(look_at("mine")), ["refused: NotFound"]);
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer() {
    let world = World::new();
    let mut peer = world.peer();
    let auto_delete = || {
        let wish = DeclareQueue { auto_delete: true, durable: false, ..durable_queue("q") };
        SessionCommand::DeclareQueue(wish)
    };
    peer.say(auto_delete());
    peer.say(consume("q", "x"));
    let mut other = world.peer();
    other.say(consume("q", "y"));
    peer.say(cancel("x"));
    assert!(world.has_queue("q"));
    drop(other);
    assert!(!world.has_queue("q"));
    peer.say(auto_delete());
    peer.say(get("q"));
    assert!(world.has_queue("q"), "one that never had a consumer stays");
    peer.ask_in(2, SessionCommand::Open);
    peer.ask_in(2, consume("q", "z"));
    peer.ask_in(2, SessionCommand::Close);
    assert!(!world.has_queue("q"));
}

#[test]
fn consumers_are_told_that_their_queue_is_gone() {
    let world = World::new();
    let mut peer = world.peer_with("a");
    let mut consumer = world.peer();
    consumer.ask_all([consume("q", "c"), consume("q", "d")]);
    assert_eq!(peer.say(delete("q")), ["deleted 0"]);
    assert!(consumer.is_rung());
    assert_eq!(consumer.hear(), ["consuming c", "consuming d", "c 1 a", "lost c", "lost d"]);
    // Its tags are free again, and its verdicts are heard, though there is nothing to settle any more.
    peer.say(declare_transient("q"));
    consumer.ask(ack(1));
    assert_eq!(consumer.say(consume("q", "c")), ["consuming c"]);
}

#[test]
fn what_comes_back_to_a_queue_that_is_gone_is_gone() {
    let world = World::new();
    let mut peer = world.peer_with("a b c");
    peer.ask_all([get("q"), get("q"), get("q")]);
    peer.hear();
    assert_eq!(peer.say(delete("q")), ["deleted 0"]);
    assert!(peer.say(requeue(2)).is_empty());
    drop(peer);
    assert_eq!(world.broker.memory().resident(), 0, "nobody remembers it");
}

#[test]
fn a_durable_queue_is_gone_for_good() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([declare("q"), select_confirms(), publish("q", "a")]);
    world.flush();
    peer.hear();
    assert!(peer.say(delete("q")).is_empty());
    world.flush();
    assert_eq!(peer.hear(), ["deleted 1"]);
    drop(peer);
    let world = world.crash();
    assert!(!world.has_queue("q"));
    let mut peer = world.peer();
    peer.ask(declare("q"));
    world.flush();
    assert_eq!(peer.hear(), ["declared q 0 0"], "the new one has nothing of the old one");
}

#[test]
fn a_queue_is_deleted_only_if_it_may() {
    let world = World::new();
    let mut peer = world.peer_with("a");
    let wish = |if_unused, if_empty| SessionCommand::DeleteQueue {
        queue: crate::wish::name("q"),
        if_unused,
        if_empty,
        nowait: false,
    };
    assert_eq!(world.peer().say(wish(false, true)), ["refused: NotEmpty"]);
    peer.say(consume("q", "c"));
    assert_eq!(world.peer().say(wish(true, false)), ["refused: InUse"]);
    peer.say(cancel("c"));
    assert_eq!(world.peer().say(wish(true, true)), ["deleted 0"], "what is unsettled does not count");
    assert_eq!(world.peer().say(wish(true, true)), ["deleted 0"], "what is not there is deleted");
}
