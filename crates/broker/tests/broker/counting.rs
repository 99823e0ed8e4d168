//! What is counted, and of what: messages of queues, exchanges, sessions and vhosts, and what comes and goes.

use broker::counts::{Consumed, QueueCounts, SessionTotals, Sums};
use model::{Command, SessionCommand};

use crate::{
    wish::{
        ack, ack_up_to, bind, consume, consume_no_ack, declare, declare_transient, delete, get, get_no_ack,
        message, name, publish, publish_mandatory, publish_to, publish_transient, reject, requeue,
        select_confirms,
    },
    world::{Peer, World},
};

fn counted(world: &World, queue: &str) -> QueueCounts {
    let topology = world.broker.topology().read();
    world.broker.queue(topology.find_queue("/", queue).unwrap()).unwrap().counted()
}

fn session(world: &World) -> SessionTotals {
    world.broker.connected()[0].session_views()[0].totals()
}

/// In, out and unroutable of an exchange.
fn exchange(world: &World, name: &str) -> (u64, u64, u64) {
    let topology = world.broker.topology().read();
    let counts = topology.exchange_counts("/", name).unwrap();
    (counts.publish_in(), counts.publish_out(), counts.unroutable())
}

#[test]
fn a_queue_counts_each_way_out_and_what_was_accepted() {
    let world = World::new();
    let mut peer = world.peer_with("a b c d e f");
    peer.say(get_no_ack("q"));
    peer.say(get("q"));
    peer.say(requeue(2));
    peer.say(consume("q", "c"));
    assert_eq!(world.counts("q"), (0, 5));
    // a was got; b came a second time; c and d are accepted, e is rejected, f is not settled.
    peer.say(ack_up_to(5));
    peer.say(reject(6));
    peer.say(get("q"));
    let consumed = Consumed {
        deliver: 5,
        get: 1,
        get_no_ack: 1,
        get_empty: 1,
        redeliver: 1,
        ack: 3,
        ..Consumed::default()
    };
    assert_eq!(counted(&world, "q").consumed, consumed);
    assert_eq!(counted(&world, "q").publish, 6);
    let totals = session(&world);
    assert_eq!(totals.consumed(), consumed, "its session says the same");
    assert_eq!(totals.publish, 6);
    assert_eq!(consumed.deliver_get(), 7);
}

#[test]
fn what_is_settled_with_its_delivery_is_counted_apart() {
    let world = World::new();
    let mut peer = world.peer_with("a b");
    peer.say(consume_no_ack("q", "c"));
    let wanted = Consumed { deliver_no_ack: 2, ..Consumed::default() };
    assert_eq!(counted(&world, "q").consumed, wanted);
    assert_eq!(session(&world).consumed(), wanted);
}

#[test]
fn an_exchange_counts_what_comes_from_publishers_and_each_queue_that_it_reaches() {
    let world = World::new();
    let mut peer = world.peer();
    for queue in ["p", "q"] {
        peer.say(declare_transient(queue));
        peer.say(bind("amq.fanout", queue, ""));
    }
    peer.ask_all([publish_to("amq.fanout", "", "a"), publish_to("amq.fanout", "", "b")]);
    peer.ask_all([publish_to("amq.fanout", "", "c"), publish("p", "d"), publish("nowhere", "e")]);
    assert_eq!(exchange(&world, "amq.fanout"), (3, 6, 0));
    assert_eq!(exchange(&world, ""), (2, 1, 1));
    assert_eq!(session(&world).routed, 7);
    assert_eq!(counted(&world, "p").publish, 4);
}

#[test]
fn what_reaches_nobody_is_returned_or_dropped() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([publish_mandatory("", "no", "a"), publish("no", "b"), publish("no", "c")]);
    let totals = session(&world);
    assert_eq!((totals.publish, totals.return_unroutable, totals.drop_unroutable), (3, 1, 2));
    assert_eq!(exchange(&world, ""), (3, 0, 3));
}

#[test]
fn confirms_are_counted_by_message() {
    let world = World::new();
    let mut peer = world.peer();
    peer.say(declare("q"));
    world.flush();
    peer.say(select_confirms());
    peer.ask_all(["a", "b", "c"].map(|body| publish("q", body)));
    peer.hear();
    let before =
        (session(&world).confirm, world.broker.connected()[0].session_views()[0].gauges().unconfirmed);
    assert_eq!(before, (0, 3));
    world.flush();
    assert_eq!(peer.hear(), ["confirmed up to 3"]);
    let totals = session(&world);
    assert_eq!((totals.publish_to_confirm, totals.confirm), (3, 3));
    assert_eq!(counted(&world, "q").disk_writes, 3);
}

#[test]
fn a_transaction_counts_what_it_accepts_and_publishes() {
    let world = World::new();
    let mut peer = world.peer_with("a b");
    peer.ask_all([get("q"), get("q"), SessionCommand::SelectTransactions]);
    peer.ask_all([ack(1), reject(2), publish("q", "c"), SessionCommand::Commit]);
    world.flush();
    peer.hear();
    let counts = counted(&world, "q");
    assert_eq!((counts.publish, counts.consumed.ack), (3, 1));
    assert_eq!(session(&world).consumed().ack, 1);
}

#[test]
fn what_sessions_have_counted_outlives_them_but_not_their_vhost() {
    let world = World::new();
    let mut peer = world.peer_with("a b");
    peer.ask_in(2, SessionCommand::Open);
    peer.ask_all_in(2, [publish_transient("q", "c")]);
    peer.say(SessionCommand::Close);
    let of_vhost = |world: &World| world.broker.totals().by_vhost.get("/").map(|totals| totals.publish);
    assert_eq!(of_vhost(&world), Some(3));
    peer.command(Command::Close);
    drop(peer);
    assert_eq!(of_vhost(&world), Some(3));
    assert_eq!(world.broker.node_counts().sessions(), (2, 2));
    assert_eq!(world.broker.node_counts().connections(), (1, 1));
    world.broker.change(0, |topology| Ok(Some(topology.delete_vhost(&name("/")).unwrap()))).unwrap();
    assert_eq!(of_vhost(&world), None);
    assert_eq!(world.broker.totals().node.publish, 3, "the node remembers");
}

#[test]
fn queues_come_and_go() {
    let world = World::new();
    let mut peer = world.peer();
    let (declared, created, deleted) = world.broker.node_counts().queues();
    for command in [declare_transient("q"), declare_transient("q"), delete("q")] {
        peer.say(command);
    }
    assert_eq!(world.broker.node_counts().queues(), (declared + 2, created + 1, deleted + 1));
}

#[test]
fn sizes_of_messages_fall_into_classes() {
    let world = World::new();
    let mut peer = world.peer();
    peer.say(declare_transient("q"));
    for bytes in [0, 100, 101, 20_000] {
        let message = message("", "q", &vec![0; bytes], false);
        peer.ask(SessionCommand::Publish { message, mandatory: false });
    }
    let totals = world.broker.totals();
    assert_eq!(totals.sizes, [2, 1, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(totals.size_sum, 20_201);
}

fn changed(world: &World) -> Vec<String> {
    world.broker.take_changed().iter().map(|queue| queue.record().name.to_string()).collect()
}

#[test]
fn only_queues_on_which_something_happens_are_looked_at() {
    let world = World::new();
    let mut peer = world.peer_with("a b");
    peer.say(declare_transient("idle"));
    let seen = world.broker.take_changed();
    let names: Vec<_> = seen.iter().map(|queue| queue.record().name.to_string()).collect();
    assert_eq!(names, ["q"]);
    let (_, sums) = seen[0].look();
    assert_eq!(sums.ready, 2);
    assert!(changed(&world).is_empty());
    let _ = peer.say(get_no_ack("q"));
    assert_eq!(changed(&world), ["q"]);
    peer.say(get_no_ack("q"));
    assert!(changed(&world).is_empty(), "it is told once, until somebody has looked");
    let _ = seen[0].look();
    // What comes and goes within one batch leaves the sums as they were, and has happened all the same.
    peer.say(consume_no_ack("q", "c"));
    let _ = (changed(&world), seen[0].look());
    peer.ask(publish("q", "c"));
    assert_eq!(changed(&world), ["q"]);
}

#[test]
fn a_queue_that_is_gone_is_in_no_sum() {
    let world = World::new();
    let mut peer = world.peer_with("a b c");
    peer.say(get("q"));
    peer.say(consume("q", "c"));
    let sums = world.broker.sums(&name("/"));
    assert_eq!((sums.ready, sums.unsettled, sums.consumers), (0, 3, 1));
    peer.say(delete("q"));
    assert_eq!(world.broker.sums(&name("/")), Sums::default());
    peer.say(ack_up_to(0));
    assert_eq!(world.broker.sums(&name("/")), Sums::default());
}

#[test]
fn what_a_restart_brings_back_is_in_the_sums() {
    let world = World::new();
    let mut peer: Peer = world.peer();
    peer.ask(declare("q"));
    peer.ask_all(["a", "b"].map(|body| publish("q", body)));
    world.flush();
    drop(peer);
    let world = world.restart();
    assert_eq!(world.broker.sums(&name("/")).ready, 2);
}

#[test]
fn what_goes_the_way_of_another_is_counted_like_it() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([declare_transient("a"), declare_transient("b"), select_confirms()]);
    peer.ask_all(["a", "b"].map(|queue| publish(queue, "known from now on")));
    peer.ask_all(["a", "a", "b", "a", "nowhere", "b", "a"].map(|queue| publish(queue, "one read")));
    world.flush();
    assert!(peer.hear().contains(&"confirmed up to 9".to_owned()));
    let queues = ["a", "b"].map(|queue| counted(&world, queue).publish);
    let SessionTotals { publish, publish_to_confirm, confirm, routed, drop_unroutable, .. } = session(&world);
    assert_eq!((queues, publish, publish_to_confirm, confirm), ([5, 3], 9, 9, 9));
    assert_eq!((routed, drop_unroutable), (8, 1));
    assert_eq!(exchange(&world, ""), (9, 8, 1));
}
