//! Deliveries that are not settled in time.

use broker::{Settings, topology::PolicySide};
use model::{SessionCommand, Value, command::DeclareQueue};
use serde_json::json;

use crate::{
    wish::{
        ack, ack_up_to, cancel, consume, declare_transient, durable_queue, get, name, prefetch, publish,
        reject, requeue, table,
    },
    world::{Peer, World},
};

fn world(timeout_ms: Option<u64>, timeout_ends_session: bool) -> World {
    let settings = Settings { consumer_timeout_ms: timeout_ms, timeout_ends_session, ..Settings::default() };
    World::with(settings)
}

/// Somebody who was given these messages from `q` at 0.
fn with_deliveries(world: &World, bodies: &str) -> Peer {
    let mut peer = world.peer();
    peer.say(declare_transient("q"));
    peer.ask_all(bodies.split(' ').map(|body| publish("q", body)));
    peer.ask(consume("q", "c"));
    assert_eq!(peer.hear().len(), 1 + bodies.split(' ').count());
    peer
}

/// It is so late for everybody: whoever is rung looks what there is.
fn wait(world: &World, peer: &mut Peer, now_ms: u64) -> Vec<String> {
    world.broker.handle_time(now_ms);
    if !peer.is_rung() {
        return vec!["asleep".to_owned()];
    }
    peer.client.handle_time(now_ms);
    peer.hear()
}

#[test]
fn a_delivery_that_is_late_goes_back_alone() {
    let world = world(Some(6400), false);
    let mut peer = with_deliveries(&world, "a b c");
    peer.ask(ack(2));
    assert_eq!(wait(&world, &mut peer, 6400), ["asleep"]);
    let mut other = world.peer();
    other.ask_all([prefetch(1), consume("q", "d")]);
    peer.ask(cancel("c"));
    peer.hear();
    assert!(wait(&world, &mut peer, 6500).is_empty());
    assert_eq!(other.hear(), ["PrefetchSet", "consuming d", "d 1 a again"]);
    assert_eq!(world.counts("q"), (1, 1));
    // The session goes on, and a verdict that comes late is no mistake, once.
    peer.ask_all([ack(1), reject(3)]);
    assert_eq!(world.counts("q"), (1, 1));
    assert_eq!(peer.say(get("q")), ["got 4 c again, 0 left"]);
    assert_eq!(peer.say(ack(1)), ["refused: UnknownDelivery"]);
}

#[test]
fn a_late_verdict_on_several_counts_for_those_that_are_there() {
    let world = world(Some(6400), false);
    let mut peer = world.peer();
    peer.ask_all([declare_transient("q"), publish("q", "a"), publish("q", "b"), publish("q", "c"), get("q")]);
    peer.client.handle_time(5000);
    peer.ask_all([]);
    peer.hear();
    assert!(wait(&world, &mut peer, 6500).is_empty());
    assert_eq!(world.counts("q"), (3, 0));
    peer.ask_all([get("q"), get("q")]);
    assert_eq!(peer.hear(), ["got 2 a again, 2 left", "got 3 b, 1 left"]);
    peer.ask(ack_up_to(1));
    assert_eq!(world.counts("q"), (1, 2), "nothing up to there is unsettled");
    peer.ask(ack_up_to(3));
    assert_eq!(world.counts("q"), (1, 0));
}

#[test]
fn a_session_ends_if_that_is_wanted() {
    let world = world(Some(6400), true);
    let mut peer = with_deliveries(&world, "a b");
    assert_eq!(wait(&world, &mut peer, 6500), ["refused: DeliveryTimeout"]);
    assert_eq!(world.counts("q"), (2, 0));
}

#[test]
fn what_is_settled_in_time_is_no_matter() {
    let world = world(Some(6400), true);
    let mut peer = with_deliveries(&world, "a b");
    peer.ask_all([ack(1), requeue(2), ack(3)]);
    peer.hear();
    peer.ask(ack(3));
    assert!(wait(&world, &mut peer, 100_000).is_empty());
    assert_eq!(wait(&world, &mut peer, 200_000), ["asleep"], "nothing is waited for any more");
}

#[test]
fn nothing_is_late_unless_somebody_says_so() {
    let world = world(None, true);
    let mut peer = with_deliveries(&world, "a");
    assert_eq!(wait(&world, &mut peer, u64::MAX), ["asleep"]);
}

#[test]
fn arguments_and_policies_of_queues_come_first_and_the_lower_counts() {
    let world = world(Some(640_000), false);
    let policy =
        json!({ "name": "p", "pattern": "^p", "priority": 0, "definition": { "consumer-timeout": 6400 } });
    let policy = serde_json::from_value(policy).unwrap();
    world
        .broker
        .change(0, |topology| Ok(Some(topology.set_policy(&name("/"), PolicySide::User, policy).unwrap())))
        .unwrap();
    let mut peer = world.peer();
    for (queue, timeout_ms) in [("p", 64_000), ("p-lower", 640), ("x", 64_000), ("y", -1)] {
        let arguments = table(&[("x-consumer-timeout", Value::I64(timeout_ms))]);
        let wish = DeclareQueue { arguments, durable: false, ..durable_queue(queue) };
        peer.ask_all([SessionCommand::DeclareQueue(wish), publish(queue, "m"), get(queue)]);
    }
    assert_eq!(peer.hear().len(), 8);
    let unsettled = |world: &World| ["p-lower", "p", "x", "y"].map(|queue| world.counts(queue).1);
    for (now_ms, expected) in
        [(650, [0, 1, 1, 1]), (6500, [0, 0, 1, 1]), (65_000, [0, 0, 0, 1]), (650_000, [0; 4])]
    {
        assert!(wait(&world, &mut peer, now_ms).is_empty());
        assert_eq!(unsettled(&world), expected, "at {now_ms}");
    }
}

#[test]
fn a_rollback_leaves_deliveries_that_are_waited_for() {
    let world = world(Some(6400), false);
    let mut peer = world.peer();
    peer.ask_all([
        declare_transient("q"),
        publish("q", "a"),
        SessionCommand::SelectTransactions,
        get("q"),
        ack(1),
    ]);
    peer.hear();
    assert!(wait(&world, &mut peer, 6500).is_empty());
    assert_eq!(world.counts("q"), (0, 1), "it has its verdict");
    peer.ask(SessionCommand::Rollback);
    peer.hear();
    assert!(wait(&world, &mut peer, 13_000).is_empty());
    assert_eq!(world.counts("q"), (1, 0));
}
