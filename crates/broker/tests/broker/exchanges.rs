//! Where messages go: kinds of exchanges, exchanges behind exchanges, and those that take what nobody wanted.

use model::{SessionCommand, Value, command::DeclareExchange};

use crate::{
    wish::{
        bind, bind_exchange, declare_exchange, declare_transient, delete, durable_exchange, get,
        publish_mandatory, publish_to, select_confirms, table, unbind,
    },
    world::{Peer, World},
};

/// A peer, and queues `a` and `b`.
fn with_queues(world: &World) -> Peer {
    let mut peer = world.peer();
    peer.ask_all([declare_transient("a"), declare_transient("b")]);
    peer
}

/// Flushes, and forgets the answers.
fn settle_down(world: &World, peer: &mut Peer) {
    world.flush();
    let heard = peer.hear();
    assert!(!heard.iter().any(|line| line.starts_with("refused")), "{heard:?}");
}

#[test]
fn each_kind_routes_its_way() {
    let world = World::new();
    let mut peer = with_queues(&world);
    for (exchange, kind) in [("d", "direct"), ("f", "fanout"), ("t", "topic")] {
        peer.ask(declare_exchange(exchange, kind));
    }
    peer.ask_all([bind("d", "a", "k"), bind("f", "a", "x"), bind("f", "b", ""), bind("t", "b", "*.k.#")]);
    settle_down(&world, &mut peer);
    let mut lengths = |exchange: &str, key: &str| {
        peer.ask(publish_to(exchange, key, "m"));
        (world.counts("a").0, world.counts("b").0)
    };
    assert_eq!(lengths("d", "k"), (1, 0));
    assert_eq!(lengths("d", "other"), (1, 0));
    assert_eq!(lengths("f", "whatever"), (2, 1));
    assert_eq!(lengths("t", "a.k"), (2, 2));
    assert_eq!(lengths("t", "k"), (2, 2));
    assert_eq!(lengths("", "a"), (3, 2));
}

#[test]
fn a_route_is_looked_up_again_when_a_binding_changes() {
    let world = World::new();
    let mut peer = with_queues(&world);
    peer.ask_all([declare_exchange("d", "direct"), bind("d", "a", "k")]);
    settle_down(&world, &mut peer);
    peer.ask(publish_to("d", "k", "1"));
    let mut other = world.peer();
    other.ask_all([unbind("d", "a", "k"), bind("d", "b", "k")]);
    settle_down(&world, &mut other);
    peer.ask(publish_to("d", "k", "2"));
    assert_eq!((world.counts("a").0, world.counts("b").0), (1, 1));
    other.ask_all([delete("b"), declare_transient("b")]);
    settle_down(&world, &mut other);
    peer.ask(publish_mandatory("d", "k", "3"));
    assert_eq!(peer.hear(), ["returned 3"], "bindings go with their queue");
}

#[test]
fn exchanges_lead_to_exchanges_and_each_queue_gets_one() {
    let world = World::new();
    let mut peer = with_queues(&world);
    peer.ask_all([declare_exchange("f", "fanout"), declare_exchange("g", "fanout")]);
    peer.ask_all([bind("f", "a", ""), bind("g", "a", ""), bind("g", "b", "")]);
    peer.ask_all([bind_exchange("f", "g", ""), bind_exchange("g", "f", "")]);
    settle_down(&world, &mut peer);
    peer.ask(publish_to("f", "", "m"));
    assert_eq!((world.counts("a").0, world.counts("b").0), (1, 1));
}

#[test]
fn an_internal_exchange_is_for_exchanges_only() {
    let world = World::new();
    let mut peer = with_queues(&world);
    let internal = DeclareExchange { internal: true, ..durable_exchange("inner", "fanout") };
    peer.ask_all([SessionCommand::DeclareExchange(internal), declare_exchange("outer", "fanout")]);
    peer.ask_all([bind_exchange("outer", "inner", ""), bind("inner", "a", "")]);
    settle_down(&world, &mut peer);
    peer.ask(publish_to("outer", "", "m"));
    assert_eq!(world.counts("a").0, 1);
    assert_eq!(peer.say(publish_to("inner", "", "m")), ["refused: InternalExchange"]);
}

#[test]
fn an_alternate_exchange_takes_what_is_not_routed() {
    let world = World::new();
    let mut peer = with_queues(&world);
    let arguments = table(&[("alternate-exchange", Value::text("rest"))]);
    let first = DeclareExchange { arguments, ..durable_exchange("first", "direct") };
    peer.ask_all([SessionCommand::DeclareExchange(first), bind("first", "a", "k"), select_confirms()]);
    settle_down(&world, &mut peer);
    let unroutable = || publish_mandatory("first", "other", "m");
    assert_eq!(peer.say(unroutable()), ["returned m", "confirmed 1"], "it does not exist yet");
    peer.ask_all([declare_exchange("rest", "fanout"), bind("rest", "b", "")]);
    settle_down(&world, &mut peer);
    assert_eq!(peer.say(unroutable()), ["confirmed 2"]);
    peer.ask(publish_to("first", "k", "m"));
    assert_eq!((world.counts("a").0, world.counts("b").0), (1, 1));
}

#[test]
fn an_exchange_goes_with_its_last_binding_if_it_is_to() {
    let world = World::new();
    let mut peer = with_queues(&world);
    let passing = DeclareExchange { auto_delete: true, ..durable_exchange("e", "direct") };
    peer.ask_all([SessionCommand::DeclareExchange(passing), bind("e", "a", "k"), bind("e", "b", "k")]);
    settle_down(&world, &mut peer);
    peer.ask(unbind("e", "a", "k"));
    settle_down(&world, &mut peer);
    peer.ask(publish_to("e", "k", "m"));
    assert_eq!(world.counts("b").0, 1);
    peer.ask(delete("b"));
    settle_down(&world, &mut peer);
    assert_eq!(peer.say(publish_to("e", "k", "m")), ["refused: NotFound"]);
}

#[test]
fn publishes_to_what_is_not_there_fail_the_session_but_keep_what_was_before() {
    let world = World::new();
    let mut peer = with_queues(&world);
    peer.hear();
    peer.ask_all([publish_to("", "a", "1"), publish_to("nowhere", "a", "2"), publish_to("", "a", "3")]);
    assert_eq!(peer.hear(), ["refused: NotFound"]);
    assert_eq!(world.counts("a").0, 1);
    assert_eq!(world.peer().say(get("a")), ["got 1 1, 0 left"]);
}
