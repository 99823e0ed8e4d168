//! Quorum queues: everything in them survives, and what comes back too often goes.

use std::sync::Arc;

use broker::{
    Settings,
    topology::{NodeRules, QueueKind, VhostSettings},
};
use model::{Event, SessionCommand, SessionEvent, Table, Value, command::DeclareQueue, message::Properties};
use storage::{LogId, ReadLimit};

use crate::{
    wish::{
        ack, consume_with_priority, declare, declare_transient, durable_queue, get, get_no_ack, message,
        name, publish, publish_transient, purge, reject, requeue, requeue_up_to, select_confirms, table,
    },
    world::{Peer, World},
};

fn declare_quorum(more: &[(&str, Value)]) -> SessionCommand {
    let mut arguments = table(&[("x-queue-type", Value::text("quorum"))]);
    arguments.0.extend(table(more).0);
    SessionCommand::DeclareQueue(DeclareQueue { arguments, ..durable_queue("q") })
}

fn with_queue(world: &World, more: &[(&str, Value)]) -> Peer {
    let mut peer = world.peer();
    peer.ask(declare_quorum(more));
    world.flush();
    assert_eq!(peer.hear(), ["declared q 0 0"]);
    peer
}

/// The headers of the message that is got from a queue.
fn headers_of_next(world: &World, peer: &mut Peer, queue: &str) -> Table {
    peer.ask(get(queue));
    world.read();
    let events = peer.events();
    let [Event::Session(_, SessionEvent::Got { message, .. })] = events.as_slice() else {
        panic!("{events:?}");
    };
    let raw = message.properties().raw_headers;
    raw.map_or_else(Table::default, |mut raw| Table::decode(&mut raw).unwrap())
}

/// How often the message at the head came back, as its headers tell.
fn delivery_count(world: &World, peer: &mut Peer) -> Option<i64> {
    let headers = headers_of_next(world, peer, "q");
    headers.get("x-delivery-count").and_then(Value::as_integer)
}

#[test]
fn transient_messages_survive_and_are_confirmed_once_they_do() {
    let world = World::new();
    let mut peer = with_queue(&world, &[]);
    peer.ask_all([select_confirms(), publish_transient("q", "a"), publish("q", "b")]);
    assert!(!peer.hear().iter().any(|line| line.starts_with("confirmed")), "nothing is on disk yet");
    world.flush();
    assert_eq!(peer.hear(), ["confirmed up to 2"]);
    drop(peer);
    let world = world.crash();
    assert_eq!(world.counts("q"), (2, 0));
    let mut peer = world.peer();
    peer.ask(get("q"));
    world.read();
    assert_eq!(peer.hear(), ["got 1 a again, 1 left"]);
}

#[test]
fn returns_are_counted_and_limited() {
    let world = World::new();
    let mut peer = with_queue(
        &world,
        &[
            ("x-delivery-limit", Value::I32(2)),
            ("x-dead-letter-exchange", Value::text("")),
            ("x-dead-letter-routing-key", Value::text("dead")),
        ],
    );
    peer.ask_all([declare("dead"), publish("q", "a")]);
    world.flush();
    peer.hear();
    assert_eq!(delivery_count(&world, &mut peer), None);
    peer.ask(requeue(1));
    assert_eq!(delivery_count(&world, &mut peer), Some(1));
    // The end of a connection counts like a verdict.
    drop(peer);
    let mut peer = world.peer();
    assert_eq!(delivery_count(&world, &mut peer), Some(2));
    peer.ask(requeue(1));
    assert_eq!((world.counts("q"), world.counts("dead")), ((0, 0), (1, 0)));
    // The next message begins anew.
    peer.ask(publish("q", "b"));
    assert_eq!(delivery_count(&world, &mut peer), None);
    peer.ask(reject(2));
    assert_eq!(world.counts("dead"), (2, 0));
    let headers = headers_of_next(&world, &mut peer, "dead");
    assert!(headers.get("x-delivery-count").is_none());
    assert_eq!(headers.get("x-last-death-reason"), Some(&Value::text("delivery_limit")));
}

#[test]
fn the_active_consumer_makes_way_once_it_has_settled_what_it_has() {
    let world = World::new();
    let mut peer = with_queue(&world, &[("x-single-active-consumer", Value::Bool(true))]);
    peer.ask_all([consume_with_priority("q", "low", 0), publish("q", "a")]);
    assert_eq!(peer.hear(), ["consuming low", "low 1 a"]);
    peer.ask_all([consume_with_priority("q", "high", 1), publish("q", "b")]);
    assert_eq!(peer.hear(), ["consuming high"]);
    assert_eq!(peer.say(ack(1)), ["high 2 b"]);
}

fn publish_with_priority(body: &str, priority: u8) -> SessionCommand {
    let plain = message("", "q", body.as_bytes(), true);
    let properties = Properties { priority: Some(priority), ..plain.properties() };
    let mut list = Vec::new();
    properties.encode(&mut list);
    let message = Arc::new(plain.with_properties(&list).unwrap());
    SessionCommand::Publish { message, mandatory: false }
}

#[test]
fn two_of_a_high_priority_are_followed_by_one_of_the_rest() {
    let world = World::new();
    let mut peer = with_queue(&world, &[]);
    for (body, priority) in [("l1", 0), ("l2", 4), ("h1", 5), ("h2", 9), ("h3", 5)] {
        peer.ask(publish_with_priority(body, priority));
    }
    let bodies = [(); 5].map(|()| peer.say(get("q")).concat().split([' ', ',']).nth(2).unwrap().to_owned());
    assert_eq!(bodies, ["h1", "h2", "l1", "h3", "l2"]);
}

/// Entries in the log of the counts of `q`.
fn entries_of_counts(world: &World) -> u64 {
    let id = world.broker.topology().read().find_queue("/", "q").unwrap().id;
    world.engine.state(LogId(id.0 | 255 << 55)).entries
}

#[test]
fn counts_of_returns_survive_any_restart_and_the_limit_is_reached() {
    for is_clean in [true, false] {
        let dead = [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead")];
        let mut more: Vec<_> = dead.iter().map(|(key, value)| (*key, Value::text(value))).collect();
        more.push(("x-delivery-limit", Value::I32(3)));
        let mut world = World::new();
        let mut peer = with_queue(&world, &more);
        peer.ask_all([declare("dead"), publish("q", "poison"), publish("q", "b")]);
        for count in 0..=3_i64 {
            world.flush();
            peer.hear();
            let told = delivery_count(&world, &mut peer);
            assert_eq!(told, (count > 0).then_some(count));
            drop(peer);
            world.flush();
            if count % 2 == 1 {
                world.keep_house();
            }
            world = if is_clean { world.restart() } else { world.crash() };
            peer = world.peer();
            assert_eq!(
                entries_of_counts(&world),
                u64::from(count < 3),
                "one for each message that came back"
            );
        }
        assert_eq!((world.counts("q"), world.counts("dead")), ((1, 0), (1, 0)));
    }
}

#[test]
fn counts_go_with_their_messages() {
    let again = |world: World, peer: Peer| {
        drop(peer);
        let world = world.restart();
        let peer = world.peer();
        (world, peer)
    };
    let world = World::new();
    let mut peer = with_queue(&world, &[("x-delivery-limit", Value::I32(-1))]);
    peer.ask_all(["a", "b", "c", "d", "e"].map(|body| publish("q", body)));
    for _ in 0..2 {
        peer.ask_all([(); 5].map(|()| get("q")));
        peer.hear();
        peer.ask(requeue_up_to(0));
    }
    assert_eq!(entries_of_counts(&world), 5);
    peer.ask_all([get("q"), get_no_ack("q"), get("q"), get("q")]);
    peer.hear();
    peer.ask_all([ack(11), reject(13)]);
    let (world, mut peer) = again(world, peer);
    assert_eq!(entries_of_counts(&world), 2);
    peer.ask(get("q"));
    world.read();
    peer.hear();
    peer.ask(purge("q"));
    let (world, mut peer) = again(world, peer);
    assert_eq!(entries_of_counts(&world), 1, "that of the one that was out");
    peer.ask(get("q"));
    world.read();
    peer.hear();
    peer.ask_all([SessionCommand::SelectTransactions, ack(1), SessionCommand::Commit]);
    let (world, _) = again(world, peer);
    assert_eq!((world.counts("q"), entries_of_counts(&world)), ((0, 0), 0));
}

/// What a crash leaves of the counts: each at least what was on disk, at most what was counted; none without its message.
#[test]
fn a_crash_leaves_counts_that_were() {
    for seed in 0..200_u64 {
        let world = World::new();
        let mut peer = with_queue(&world, &[]);
        peer.ask_all([publish("q", "a"), publish("q", "b")]);
        world.flush();
        peer.hear();
        let (mut counted, mut flushed) = (0, 0);
        for round in 0..6 {
            peer.ask_all([get("q"), get("q")]);
            peer.hear();
            peer.ask(requeue_up_to(0));
            counted += 1;
            if seed >> round & 1 == 1 {
                world.flush();
                flushed = counted;
            }
        }
        let is_acked = seed % 5 == 0;
        if is_acked {
            peer.ask(get_no_ack("q"));
        }
        drop(peer);
        let world = world.crash_with(seed);
        let messages = world.counts("q").0;
        assert!(messages == 2 || (is_acked && messages == 1), "seed {seed}");
        assert!(entries_of_counts(&world) <= messages, "seed {seed}");
        let mut peer = world.peer();
        for _ in 0..messages {
            let told = delivery_count(&world, &mut peer).unwrap_or(0);
            assert!((flushed..=counted).contains(&told), "seed {seed}: {flushed} {told} {counted}");
        }
    }
}

/// Messages of both levels and what came back are entries of one row: no two have the same number.
#[test]
fn all_entries_are_numbered_in_one_row() {
    let mut world = World::new();
    let mut peer = with_queue(&world, &[]);
    for round in 0..3 {
        peer.ask_all(
            [("a", 0), ("b", 9), ("c", 0)].map(|(body, priority)| publish_with_priority(body, priority)),
        );
        peer.ask_all([(); 3].map(|()| get("q")));
        peer.hear();
        peer.ask(requeue_up_to(0));
        world.flush();
        drop(peer);
        world = if round == 1 { world.restart() } else { world.crash() };
        peer = world.peer();
    }
    let id = world.broker.topology().read().find_queue("/", "q").unwrap().id;
    let (mut indexes, mut kinds) = (Vec::new(), Vec::new());
    for level in [0, 1, 255] {
        let mut stored = Vec::new();
        let limit = ReadLimit { entries: 100, bytes: 100_000 };
        world.engine.read(LogId(id.0 | level << 55), 0, limit, &mut stored).unwrap();
        for record in stored {
            kinds.push(record.payload[0]);
            assert_eq!(record.payload[1], 0, "the term");
            indexes.push(record.index);
        }
    }
    indexes.sort_unstable();
    assert_eq!(kinds.iter().filter(|kind| **kind == 0x81).count(), 9);
    assert!(kinds.iter().filter(|kind| **kind == 0x83).count() >= 3);
    assert!(indexes.is_sorted_by(|one, other| one < other), "{indexes:?}");
}

/// The node's default is for queues that can be of any type and name none; that of their vhost comes first.
#[test]
fn a_node_may_make_quorum_queues_of_all_that_name_no_type() {
    let rules = NodeRules { default_queue_type: QueueKind::Quorum, ..NodeRules::default() };
    let settings = Settings { node_rules: Arc::new(rules), ..Settings::default() };
    let world = World::with(settings);
    let mut peer = world.peer();
    let classic = [("x-queue-type", Value::text("classic"))];
    peer.ask_all([
        declare("any"),
        declare_transient("transient"),
        SessionCommand::DeclareQueue(DeclareQueue { arguments: table(&classic), ..durable_queue("named") }),
    ]);
    world.flush();
    let kind =
        |world: &World, queue: &str| world.broker.topology().read().find_queue("/", queue).unwrap().kind;
    let kinds = ["any", "transient", "named"].map(|queue| kind(&world, queue));
    assert_eq!(kinds, [QueueKind::Quorum, QueueKind::Classic, QueueKind::Classic]);
    let mut of_vhost = VhostSettings::new(name("/"));
    of_vhost.default_queue_type = Some(QueueKind::Stream);
    let entry = world.broker.topology().read().set_vhost(of_vhost).unwrap();
    world.broker.change(0, |_| Ok(Some(entry))).unwrap();
    peer.ask(declare("other"));
    world.flush();
    assert_eq!(kind(&world, "other"), QueueKind::Stream);
}
