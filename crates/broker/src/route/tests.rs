//! The walk as a whole: several exchanges, alternates, cycles, extra keys, and when a route is still true.

use std::collections::BTreeMap;

use model::{
    Message, Table, Value,
    command::{Binding, DeclareExchange, DeclareQueue},
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::topology::{
    ApplyTo, Fact, Policy, PolicySide,
    tests::world::{World, exchange, name, queue, table, to_exchange, to_queue},
};

fn message_with(exchange: &str, key: &str, headers: &Table) -> Message {
    let mut properties = vec![0x20, 0x00];
    headers.encode(&mut properties);
    Message::new(exchange.as_bytes(), key.as_bytes(), &properties, b"").unwrap()
}

fn message(exchange: &str, key: &str) -> Message {
    Message::new(exchange.as_bytes(), key.as_bytes(), &[0, 0], b"").unwrap()
}

fn route_of(world: &World, message: &Message) -> Route {
    let extra = ExtraKeys::parse(message).unwrap();
    world.topology.route("/", message, &extra, &mut Scratch::default())
}

/// The names of the queues that a message reaches.
fn reached(world: &World, message: &Message) -> Vec<String> {
    let route = route_of(world, message);
    let by_id = |id| world.topology.queues().find(|record| record.id == id).unwrap().name.to_string();
    let mut names: Vec<String> = route.queues.iter().map(|id| by_id(*id)).collect();
    assert!(route.queues.windows(2).all(|pair| pair[0] < pair[1]), "each queue once");
    names.sort_unstable();
    names
}

fn with_alternate(of: &str, kind: &str, alternate: &str) -> DeclareExchange {
    let arguments = table(&[("alternate-exchange", Value::text(alternate))]);
    DeclareExchange { arguments, ..exchange(of, kind) }
}

/// With exchanges of all types `d`, `f`, `t`, `h` and queues `1` to `3`.
fn world() -> World {
    let mut world = World::new();
    for (of, kind) in [("d", "direct"), ("f", "fanout"), ("t", "topic"), ("h", "headers")] {
        world.declare_exchange(&exchange(of, kind)).unwrap();
    }
    for of in ["1", "2", "3"] {
        world.declare_queue(&queue(of)).unwrap();
    }
    world
}

#[test]
fn each_type_finds_its_queues_once() {
    let mut world = world();
    for binding in [
        to_queue("d", "1", "k"),
        to_queue("d", "2", "k"),
        to_queue("d", "3", "l"),
        to_queue("f", "1", "x"),
        to_queue("f", "1", "y"),
        to_queue("f", "2", ""),
        to_queue("t", "1", "a.*"),
        to_queue("t", "1", "a.#"),
        to_queue("t", "2", "#"),
        Binding { arguments: table(&[("h", Value::I32(1))]), ..to_queue("h", "3", "k") },
    ] {
        world.bind(&binding).unwrap();
    }
    let h = table(&[("h", Value::I8(1))]);
    for (message, expected) in [
        (message("d", "k"), vec!["1", "2"]),
        (message("d", "l"), vec!["3"]),
        (message("d", "m"), vec![]),
        (message("f", "anything"), vec!["1", "2"]),
        (message("t", "a.b"), vec!["1", "2"]),
        (message("t", "b"), vec!["2"]),
        (message("h", ""), vec![]),
        (message_with("h", "", &h), vec!["3"]),
        (message("", "1"), vec!["1"]),
        (message("", "nope"), vec![]),
        (message("nope", "1"), vec![]),
    ] {
        assert_eq!(reached(&world, &message), expected, "{message:?}");
    }
}

#[test]
fn names_and_keys_that_are_not_utf8_lead_nowhere_or_by_their_bytes() {
    let mut world = world();
    world.bind(&to_queue("t", "1", "#")).unwrap();
    let odd = Message::new(b"\xff", b"k", &[0, 0], b"").unwrap();
    let route = route_of(&world, &odd);
    assert!(route.queues.is_empty() && !route.is_cacheable);
    assert_eq!(reached(&world, &Message::new(b"t", b"a.\xff", &[0, 0], b"").unwrap()), ["1"]);
    assert_eq!(reached(&world, &Message::new(b"", b"\xff", &[0, 0], b"").unwrap()), [""; 0]);
}

#[test]
fn exchanges_lead_on_to_exchanges_and_cycles_end() {
    let mut world = world();
    // d → f → t → d, and f → t twice over.
    for binding in [
        to_exchange("d", "f", "k"),
        to_exchange("f", "t", ""),
        to_exchange("f", "t", "again"),
        to_exchange("t", "d", "#"),
        to_exchange("t", "t", "#"),
        to_queue("f", "1", ""),
        to_queue("t", "2", "k"),
        to_queue("t", "1", "k"),
        to_queue("d", "3", "k"),
    ] {
        world.bind(&binding).unwrap();
    }
    assert_eq!(reached(&world, &message("d", "k")), ["1", "2", "3"]);
    // The key goes with the message, the key of the binding between exchanges does not.
    assert_eq!(reached(&world, &message("f", "other")), ["1"]);
}

#[test]
fn what_nobody_wants_goes_to_the_alternate_exchange() {
    let mut world = world();
    world.declare_exchange(&with_alternate("first", "direct", "second")).unwrap();
    world.declare_exchange(&with_alternate("second", "direct", "f")).unwrap();
    world.bind(&to_queue("f", "1", "")).unwrap();
    world.bind(&to_queue("first", "2", "k")).unwrap();
    assert_eq!(reached(&world, &message("first", "k")), ["2"]);
    assert_eq!(reached(&world, &message("first", "else")), ["1"], "through a chain of two");
    // RabbitMQ: a binding that matches counts, even if it leads to an exchange that leads nowhere.
    world.bind(&to_exchange("first", "d", "nowhere")).unwrap();
    assert_eq!(reached(&world, &message("first", "nowhere")), [""; 0]);
    world.declare_exchange(&with_alternate("self", "direct", "self")).unwrap();
    world.declare_exchange(&with_alternate("ping", "direct", "pong")).unwrap();
    world.declare_exchange(&with_alternate("pong", "direct", "ping")).unwrap();
    world.declare_exchange(&with_alternate("gone", "direct", "nope")).unwrap();
    world.declare_exchange(&with_alternate("default", "direct", "")).unwrap();
    for of in ["self", "ping", "gone"] {
        assert_eq!(reached(&world, &message(of, "k")), [""; 0], "{of}");
    }
    assert_eq!(reached(&world, &message("default", "3")), [""; 0], "the default exchange is no alternate");
}

#[test]
fn a_policy_sets_the_alternate_exchange_unless_an_argument_does() {
    let mut world = world();
    world.declare_exchange(&with_alternate("own", "direct", "f")).unwrap();
    world.bind(&to_queue("f", "1", "")).unwrap();
    world.bind(&to_queue("t", "2", "#")).unwrap();
    let before = [route_of(&world, &message("d", "k")), route_of(&world, &message("own", "k"))];
    let definition = json!({"alternate-exchange": "t"}).as_object().unwrap().clone();
    let pattern = "^(d|own|later)$".to_owned();
    let policy = Policy { name: name("p"), pattern, apply_to: ApplyTo::Exchanges, priority: 0, definition };
    world.operate(|topology| topology.set_policy(&name("/"), PolicySide::User, policy)).unwrap();
    assert_eq!(before.map(|route| route.is_current()), [false, true], "only what has changed has changed");
    assert_eq!(reached(&world, &message("d", "k")), ["2"]);
    assert_eq!(reached(&world, &message("own", "k")), ["1"]);
    world.declare_exchange(&exchange("later", "direct")).unwrap();
    assert_eq!(reached(&world, &message("later", "k")), ["2"]);
    world.operate(|topology| topology.clear_policy(&name("/"), PolicySide::User, &name("p"))).unwrap();
    assert_eq!(reached(&world, &message("d", "k")), [""; 0]);
}

#[test]
fn extra_keys_go_through_the_same_exchange() {
    let mut world = world();
    world.bind(&to_queue("d", "1", "a")).unwrap();
    world.bind(&to_queue("d", "2", "b")).unwrap();
    world.bind(&to_queue("t", "3", "x.*")).unwrap();
    let keys = |items: &[&str]| Value::Array(items.iter().map(|item| Value::text(item)).collect());
    let headers = table(&[("CC", keys(&["b", "x.y", "2"])), ("BCC", keys(&["a", "3"]))]);
    assert_eq!(reached(&world, &message_with("d", "none", &headers)), ["1", "2"]);
    assert_eq!(reached(&world, &message_with("t", "none", &headers)), ["3"]);
    assert_eq!(reached(&world, &message_with("", "1", &headers)), ["1", "2", "3"]);
    assert!(!route_of(&world, &message_with("d", "a", &headers)).is_cacheable);
    let empty = table(&[("CC", keys(&[]))]);
    assert!(route_of(&world, &message_with("d", "a", &empty)).is_cacheable);
}

#[test]
fn a_route_says_whether_it_may_be_kept() {
    let mut world = world();
    world.bind(&to_queue("d", "1", "k")).unwrap();
    world.bind(&to_exchange("t", "h", "#")).unwrap();
    let is_cacheable = |world: &World, message: &Message| route_of(world, message).is_cacheable;
    assert!(is_cacheable(&world, &message("", "1")));
    assert!(!is_cacheable(&world, &message("", "nope")));
    assert!(is_cacheable(&world, &message("d", "k")));
    assert!(is_cacheable(&world, &message("d", "nope")), "a binding for it would move the epoch");
    assert!(!is_cacheable(&world, &message("h", "")), "the next message may have other headers");
    assert!(!is_cacheable(&world, &message("t", "k")), "a headers exchange on the way");
    for (kind, keeps) in [
        ("x-consistent-hash", true),
        ("x-modulus-hash", true),
        ("x-random", false),
        ("x-local-random", false),
        ("x-recent-history", false),
    ] {
        world.declare_exchange(&exchange(kind, kind)).unwrap();
        assert_eq!(is_cacheable(&world, &message(kind, "k")), keeps, "{kind}");
    }
    let elsewhere =
        world.topology.route("nope", &message("d", "k"), &ExtraKeys::default(), &mut Scratch::default());
    assert!(elsewhere.queues.is_empty() && !elsewhere.is_cacheable);
}

#[test]
fn declaring_the_same_again_moves_nothing() {
    let mut world = world();
    world.bind(&to_queue("d", "1", "k")).unwrap();
    let route = route_of(&world, &message("d", "k"));
    assert_eq!(world.declare_exchange(&exchange("d", "direct")), Ok(false));
    assert_eq!(world.bind(&to_queue("d", "1", "k")), Ok(false));
    assert_eq!(world.unbind(&to_queue("d", "1", "other")), Ok(false));
    world.bind(&to_queue("t", "1", "k")).unwrap();
    world.declare_queue(&queue("new")).unwrap();
    assert!(route.is_current());
    world.bind(&to_queue("d", "2", "other")).unwrap();
    assert!(!route.is_current());
}

#[test]
fn an_exchange_of_the_same_name_is_another() {
    let mut world = world();
    world.bind(&to_queue("d", "1", "k")).unwrap();
    let route = route_of(&world, &message("d", "k"));
    world.delete_exchange("d", false).unwrap();
    assert!(!route.is_current());
    let nowhere = route_of(&world, &message("d", "k"));
    assert!(nowhere.is_current());
    world.declare_exchange(&exchange("d", "direct")).unwrap();
    assert!(!nowhere.is_current() && !route.is_current());
    world.operate(|topology| topology.delete_vhost(&name("/"))).unwrap();
    assert!(!route_of(&world, &message("d", "k")).is_cacheable);
}

/// `ring` is `x-consistent-hash`, `mod` is `x-modulus-hash`; both lead to three durable queues.
fn hashed() -> World {
    let mut world = World::new();
    for (of, kind) in [("ring", "x-consistent-hash"), ("mod", "x-modulus-hash")] {
        world.declare_exchange(&DeclareExchange { durable: true, ..exchange(of, kind) }).unwrap();
    }
    // Neither in the order of their names nor in that of their weights.
    for (of, weight) in [("z", "2"), ("a", "3"), ("m", "1")] {
        world.declare_queue(&DeclareQueue { durable: true, ..queue(of) }).unwrap();
        world.bind(&to_queue("ring", of, weight)).unwrap();
        world.bind(&to_queue("mod", of, "")).unwrap();
    }
    world
}

#[test]
fn a_hash_leads_to_the_same_queue_after_a_restart() {
    let world = hashed();
    let routes = |topology: &Topology| -> Vec<Vec<QueueId>> {
        let mut routes = Vec::new();
        for at in 0..200 {
            for of in ["ring", "mod"] {
                let message = message(of, &format!("key-{at}"));
                let extra = ExtraKeys::default();
                routes.push(topology.route("/", &message, &extra, &mut Scratch::default()).queues);
            }
        }
        routes
    };
    let before = routes(&world.topology);
    assert!(before.iter().all(|queues| queues.len() == 1));
    assert_eq!(routes(&world.replayed()), before, "out of the log");
    let restored = Topology::from_snapshot(&world.topology.snapshot()).unwrap();
    assert_eq!(routes(&restored), before, "out of a snapshot");
}

#[test]
fn one_more_queue_takes_only_messages_that_it_gets() {
    let mut world = hashed();
    let message = |at: usize| message("ring", &format!("key-{at}"));
    let before: Vec<_> = (0..200).map(|at| reached(&world, &message(at))).collect();
    world.declare_queue(&DeclareQueue { durable: true, ..queue("b") }).unwrap();
    world.bind(&to_queue("ring", "b", "2")).unwrap();
    let moved = (0..200).filter(|at| {
        let now = reached(&world, &message(*at));
        assert!(now == before[*at] || now == ["b"], "key {at} from {:?} to {now:?}", before[*at]);
        now != before[*at]
    });
    assert!((20..80).contains(&moved.count()), "about a quarter");
    world.delete_queue("b");
    let after: Vec<_> = (0..200).map(|at| reached(&world, &message(at))).collect();
    assert_eq!(after, before, "and gives them back");
}

#[test]
fn a_new_binding_is_due_the_history_of_its_exchange() {
    let mut world = world();
    world.declare_exchange(&exchange("r", "x-recent-history")).unwrap();
    world.bind(&to_exchange("t", "r", "#")).unwrap();
    let headers = table(&[("CC", Value::Array(vec![Value::text("1")]))]);
    assert_eq!(reached(&world, &message_with("r", "first", &headers)), [""; 0]);
    assert_eq!(reached(&world, &message("t", "second")), [""; 0], "by way of another exchange");
    world.facts.clear();
    let due = |world: &World| -> Vec<(String, Vec<Vec<u8>>)> {
        let history = world.facts.iter().filter_map(|fact| match fact {
            Fact::HistoryDue { binding, messages, .. } => Some((binding.destination.to_string(), messages)),
            _ => None,
        });
        let keys = |messages: &[Message]| messages.iter().map(|m| m.routing_key().to_vec()).collect();
        history.map(|(destination, messages)| (destination, keys(messages))).collect()
    };
    let both = vec![b"first".to_vec(), b"second".to_vec()];
    world.bind(&to_queue("r", "1", "")).unwrap();
    assert_eq!(due(&world), [("1".to_owned(), both.clone())]);
    assert_eq!(world.bind(&to_queue("r", "1", "")), Ok(false));
    assert_eq!(due(&world).len(), 1, "the same again is not new");
    world.bind(&to_queue("r", "1", "other")).unwrap();
    world.bind(&to_exchange("r", "f", "")).unwrap();
    assert_eq!(due(&world)[1..], [("1".to_owned(), both.clone()), ("f".to_owned(), both)]);
    world.facts.clear();
    world.delete_exchange("r", false).unwrap();
    world.declare_exchange(&exchange("r", "x-recent-history")).unwrap();
    world.bind(&to_queue("r", "1", "")).unwrap();
    assert_eq!(due(&world), [], "another exchange of the same name");
}

#[derive(Clone, Debug)]
enum Step {
    Declare { at: usize, alternate: Option<usize> },
    Drop { at: usize },
    Queue { at: usize },
    DropQueue { at: usize },
    Bind { source: usize, to: usize, key: usize },
    Unbind { source: usize, to: usize, key: usize },
}

const NAMES: [&str; 6] = ["d", "f", "t", "h", "x", "y"];
const KINDS: [&str; 6] = ["direct", "fanout", "topic", "headers", "x-consistent-hash", "x-modulus-hash"];
const ROUTING_KEYS: [&str; 5] = ["k", "a.b", "1", "2", ""];
const BINDING_KEYS: [&str; 5] = ["k", "a.*", "#", "2", ""];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..6_usize, prop::option::of(0..6_usize)).prop_map(|(at, alternate)| Step::Declare { at, alternate }),
        1 => (0..6_usize).prop_map(|at| Step::Drop { at }),
        1 => (1..4_usize).prop_map(|at| Step::Queue { at }),
        1 => (1..4_usize).prop_map(|at| Step::DropQueue { at }),
        4 => (0..6_usize, 0..9_usize, 0..5_usize).prop_map(|(source, to, key)| Step::Bind { source, to, key }),
        2 => (0..6_usize, 0..9_usize, 0..5_usize).prop_map(|(source, to, key)| Step::Unbind { source, to, key }),
    ]
}

fn binding_of(source: usize, to: usize, key: usize) -> Binding {
    match NAMES.get(to) {
        Some(exchange) => to_exchange(NAMES[source], exchange, BINDING_KEYS[key]),
        None => to_queue(NAMES[source], ["1", "2", "3"][to - NAMES.len()], BINDING_KEYS[key]),
    }
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Declare { at, alternate: Some(alternate) } => {
            let _ = world.declare_exchange(&with_alternate(NAMES[at], KINDS[at], NAMES[alternate]));
        }
        Step::Declare { at, alternate: None } => {
            let _ = world.declare_exchange(&exchange(NAMES[at], KINDS[at]));
        }
        Step::Drop { at } => {
            let _ = world.delete_exchange(NAMES[at], false);
        }
        Step::Queue { at } => {
            let _ = world.declare_queue(&DeclareQueue { durable: at == 1, ..queue(&at.to_string()) });
        }
        Step::DropQueue { at } => {
            world.delete_queue(&at.to_string());
        }
        Step::Bind { source, to, key } => {
            let _ = world.bind(&binding_of(source, to, key));
        }
        Step::Unbind { source, to, key } => {
            let _ = world.unbind(&binding_of(source, to, key));
        }
    }
}

proptest! {
    /// What a connection does: keep what is cacheable, drop what is not current or has a queue that is deleted.
    #[test]
    fn a_kept_route_is_the_one_that_would_be_found(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = world();
        let mut kept: BTreeMap<(String, String), Route> = BTreeMap::new();
        for step in steps {
            take(&mut world, step);
            for of in NAMES.iter().chain(&[""]) {
                for key in ROUTING_KEYS {
                    let fresh = route_of(&world, &message(of, key));
                    let address = ((*of).to_owned(), key.to_owned());
                    if let Some(route) = kept.remove(&address) {
                        let lives = |id: &QueueId| world.topology.queues().any(|record| record.id == *id);
                        if route.is_current() && route.queues.iter().all(lives) {
                            prop_assert_eq!(&route.queues, &fresh.queues, "{:?}", address);
                        }
                        kept.insert(address.clone(), route);
                    }
                    if fresh.is_cacheable {
                        kept.insert(address, fresh);
                    }
                }
            }
        }
    }
}
