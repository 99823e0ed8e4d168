//! What waits for the disk: confirms, and answers to whatever is kept.

use model::SessionCommand;

use crate::{
    wish::{
        bind, consume, declare, declare_exchange, declare_transient, delete, get, publish, publish_mandatory,
        publish_to, publish_transient, purge, select_confirms, unbind,
    },
    world::World,
};

#[test]
fn a_confirm_comes_only_after_the_flush() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([declare("q"), select_confirms()]);
    world.flush();
    assert_eq!(peer.hear(), ["declared q 0 0", "ConfirmsSelected"]);
    assert!(peer.say(publish("q", "a")).is_empty());
    assert!(!peer.is_rung());
    world.flush();
    assert!(peer.is_rung(), "who waits for the disk is woken");
    assert_eq!(peer.hear(), ["confirmed 1"]);
}

#[test]
fn confirms_of_one_flush_are_one() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([declare("q"), select_confirms()]);
    world.flush();
    peer.hear();
    peer.ask_all((0..10).map(|n| publish("q", &n.to_string())));
    peer.ask(publish("q", "last"));
    world.flush();
    assert_eq!(peer.hear(), ["confirmed up to 11"]);
    peer.ask(publish("q", "another"));
    world.flush();
    assert_eq!(peer.hear(), ["confirmed 12"]);
}

#[test]
fn a_confirm_waits_for_all_queues_of_its_message() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([declare("one"), declare_transient("two"), declare_exchange("f", "fanout")]);
    peer.ask_all([bind("f", "one", ""), bind("f", "two", ""), select_confirms()]);
    world.flush();
    peer.hear();
    peer.ask_all([publish_to("", "two", "not kept"), publish_to("f", "", "kept by one of two")]);
    assert_eq!(world.counts("one"), (1, 0));
    assert!(peer.hear().is_empty(), "both were handed over together");
    world.flush();
    assert_eq!(peer.hear(), ["confirmed up to 2"]);
}

#[test]
fn what_is_not_kept_is_confirmed_at_once() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([declare("q"), declare_transient("t"), select_confirms()]);
    world.flush();
    peer.hear();
    assert_eq!(peer.say(publish_transient("q", "transient in a durable queue")), ["confirmed 1"]);
    assert_eq!(peer.say(publish("t", "persistent in a transient queue")), ["confirmed 2"]);
    assert_eq!(peer.say(publish("nowhere", "not routed")), ["confirmed 3"]);
}

#[test]
fn a_return_comes_before_its_confirm() {
    let world = World::new();
    let mut peer = world.peer();
    peer.say(select_confirms());
    peer.ask(publish_mandatory("", "nowhere", "a"));
    assert_eq!(peer.hear(), ["returned a", "confirmed 1"]);
}

#[test]
fn a_return_comes_before_its_confirm_even_behind_an_answer_that_waits_for_the_disk() {
    let world = World::new();
    let mut peer = world.peer();
    peer.say(select_confirms());
    peer.ask_all([declare("q"), publish_mandatory("", "nowhere", "a")]);
    assert!(peer.hear().is_empty());
    world.flush();
    assert_eq!(peer.hear(), ["declared q 0 0", "returned a", "confirmed 1"]);
}

#[test]
fn answers_to_what_is_kept_wait_for_the_disk() {
    let world = World::new();
    let mut peer = world.peer();
    let commands = [
        (declare("q"), "declared q 0 0"),
        (declare_exchange("e", "direct"), "ExchangeDeclared"),
        (bind("e", "q", "k"), "QueueBound"),
        (unbind("e", "q", "k"), "QueueUnbound"),
        (
            SessionCommand::DeleteExchange {
                exchange: crate::wish::name("e"),
                if_unused: false,
                nowait: false,
            },
            "ExchangeDeleted",
        ),
        (delete("q"), "deleted 0"),
    ];
    for (command, answer) in commands {
        assert!(peer.say(command).is_empty(), "{answer} before the flush");
        world.flush();
        assert!(peer.is_rung());
        assert_eq!(peer.hear(), [answer]);
    }
}

#[test]
fn answers_leave_in_the_order_of_the_commands() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([declare("q"), declare_transient("t"), purge("t"), get("t"), consume("t", "c")]);
    peer.ask(publish_transient("t", "m"));
    assert!(peer.hear().is_empty(), "all of it stands behind what waits for the disk");
    world.flush();
    assert_eq!(
        peer.hear(),
        ["declared q 0 0", "declared t 0 0", "purged 0", "got nothing", "consuming c", "c 1 m"]
    );
}

#[test]
fn sessions_do_not_wait_for_each_other() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_in(2, SessionCommand::Open);
    peer.hear();
    peer.ask(declare("q"));
    peer.ask_in(2, declare_transient("t"));
    assert_eq!(peer.hear(), ["2: declared t 0 0"]);
    world.flush();
    assert_eq!(peer.hear(), ["declared q 0 0"]);
}

#[test]
fn who_finds_what_it_declares_waits_for_it_as_its_maker_does() {
    let world = World::new();
    let (mut one, mut other) = (world.peer(), world.peer());
    assert!(one.say(declare("q")).is_empty());
    assert!(other.say(declare("q")).is_empty());
    assert!(other.say(consume("q", "c")).is_empty());
    world.flush();
    assert_eq!(one.hear(), ["declared q 0 0"]);
    assert_eq!(other.hear(), ["declared q 0 0", "consuming c"]);
}

#[test]
fn sessions_that_end_while_the_disk_is_busy_are_said_goodbye_to_when_it_is_not() {
    let world = World::new();
    let mut peer = world.peer();
    for session in [2, 3] {
        peer.ask_in(session, SessionCommand::Open);
        peer.ask_in(session, declare(&session.to_string()));
        peer.ask_in(session, SessionCommand::Close);
    }
    assert_eq!(peer.hear(), ["2: opened", "3: opened"]);
    world.flush();
    let heard = ["2: declared 2 0 0", "2: closed", "3: declared 3 0 0", "3: closed"];
    assert_eq!(peer.hear(), heard);
    // Neither is left over: what is said to a session that is gone is not heard.
    for session in [2, 3] {
        peer.ask_in(session, get("2"));
        assert!(peer.hear().is_empty());
    }
}
