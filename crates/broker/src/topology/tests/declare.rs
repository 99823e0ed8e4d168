//! Declaring and deleting exchanges and queues: what is refused, in which order, and what is made.

use model::{
    Refusal, Table, Value,
    command::{DeclareExchange, DeclareQueue},
    refusal::{Named, Property, Resource},
};

use super::world::{ME, OTHER, World, exchange, name, queue, table};
use crate::topology::{Declared, Entry, Fact, QueueId, QueueKind, VhostLimits, VhostSettings};

fn named(resource: Resource, of: &str) -> Named {
    Named { resource, name: name(of), vhost: name("/") }
}

fn differs(resource: Resource, of: &str, argument: &str, received: &str, current: &str) -> Refusal {
    let side = if argument == "type" { Property::Kind } else { Property::Plain };
    Refusal::Inequivalent {
        argument: name(argument),
        named: named(resource, of),
        received: side(received.to_owned()),
        current: side(current.to_owned()),
    }
}

#[test]
fn an_exchange_is_made_once_and_compared_afterwards() {
    let mut world = World::new();
    let topic = exchange("e", "topic");
    assert_eq!(world.declare_exchange(&topic), Ok(true));
    assert_eq!(world.declare_exchange(&topic), Ok(false));
    let alternate = table(&[("alternate-exchange", Value::text("a"))]);
    let x = |argument, received, current| Err(differs(Resource::Exchange, "e", argument, received, current));
    let t = || topic.clone();
    // Everything at once: the type is named first, then each in turn.
    let all = DeclareExchange { durable: true, auto_delete: true, internal: true, ..exchange("e", "direct") };
    assert_eq!(world.declare_exchange(&all), x("type", "direct", "topic"));
    assert_eq!(
        world.declare_exchange(&DeclareExchange { kind: name("topic"), ..all }),
        x("durable", "true", "false")
    );
    let wish = DeclareExchange { auto_delete: true, internal: true, ..t() };
    assert_eq!(world.declare_exchange(&wish), x("auto_delete", "true", "false"));
    let wish = DeclareExchange { internal: true, arguments: alternate.clone(), ..t() };
    assert_eq!(world.declare_exchange(&wish), x("internal", "true", "false"));
    let wish = DeclareExchange { arguments: alternate, ..t() };
    assert_eq!(
        world.declare_exchange(&wish),
        Err(Refusal::Inequivalent {
            argument: name("alternate-exchange"),
            named: named(Resource::Exchange, "e"),
            received: Property::Value(Box::new(Value::text("a"))),
            current: Property::None,
        })
    );
    // Other arguments are not compared.
    let wish = DeclareExchange { arguments: table(&[("x-foo", Value::I32(1))]), ..t() };
    assert_eq!(world.declare_exchange(&wish), Ok(false));
}

#[test]
fn exchanges_that_must_not_be_are_refused() {
    let mut world = World::new();
    for (wish, refusal) in [
        (exchange("", "direct"), Refusal::DefaultExchange),
        (
            exchange("amq.foo", "direct"),
            Refusal::ReservedName { resource: Resource::Exchange, name: name("amq.foo") },
        ),
        (exchange("n", "zz"), Refusal::UnknownExchangeType { kind: name("zz") }),
        (exchange("n", ""), Refusal::UnknownExchangeType { kind: name("") }),
        (exchange("n", "Direct"), Refusal::UnknownExchangeType { kind: name("Direct") }),
        // The type is looked at before the name.
        (exchange("amq.foo", "zz"), Refusal::UnknownExchangeType { kind: name("zz") }),
        (
            exchange("amq.direct", "direct"),
            differs(Resource::Exchange, "amq.direct", "durable", "false", "true"),
        ),
        (
            DeclareExchange {
                arguments: table(&[("alternate-exchange", Value::I32(1))]),
                ..exchange("n", "direct")
            },
            Refusal::InvalidArgumentType {
                argument: name("alternate-exchange"),
                named: named(Resource::Exchange, "n"),
                found: "signedint",
            },
        ),
    ] {
        assert_eq!(world.declare_exchange(&wish), Err(refusal), "{wish:?}");
    }
    // No exchange has so long a name, but RabbitMQ does not mind.
    let arguments = table(&[("alternate-exchange", Value::text(&"x".repeat(300)))]);
    let wish = DeclareExchange { arguments, ..exchange("long", "direct") };
    assert_eq!(world.declare_exchange(&wish), Ok(true));
    let trace = DeclareExchange { durable: true, internal: true, ..exchange("amq.rabbitmq.trace", "topic") };
    assert_eq!(world.declare_exchange(&trace), Ok(false));
}

#[test]
fn every_vhost_has_the_predeclared_exchanges() {
    let world = World::new();
    let found: Vec<(String, &str, bool, bool)> = world
        .topology
        .exchanges("/")
        .map(|record| (record.name.to_string(), record.kind.name(), record.internal, record.durable))
        .collect();
    let expected = [
        ("amq.direct", "direct", false),
        ("amq.fanout", "fanout", false),
        ("amq.headers", "headers", false),
        ("amq.match", "headers", false),
        ("amq.rabbitmq.trace", "topic", true),
        ("amq.topic", "topic", false),
    ];
    let expected: Vec<(String, &str, bool, bool)> =
        expected.iter().map(|(name, kind, internal)| ((*name).to_owned(), *kind, *internal, true)).collect();
    assert_eq!(found, expected);
}

#[test]
fn an_exchange_is_asked_for_by_name() {
    let mut world = World::new();
    let vhost = name("/");
    world.declare_exchange(&DeclareExchange { internal: true, ..exchange("i", "direct") }).unwrap();
    world.declare_exchange(&exchange("e", "direct")).unwrap();
    let topology = &world.topology;
    assert_eq!(topology.exchange(&vhost, &name("e")).unwrap().kind.name(), "direct");
    let missing = Refusal::NotFound(named(Resource::Exchange, "nope"));
    assert_eq!(topology.exchange(&vhost, &name("nope")).unwrap_err(), missing);
    assert_eq!(topology.exchange(&vhost, &name("")).unwrap_err(), Refusal::DefaultExchange);
    let no_vhost = Refusal::VhostNotFound { vhost: name("zz") };
    assert_eq!(topology.exchange(&name("zz"), &name("e")).unwrap_err(), no_vhost);
    assert_eq!(topology.publishable(&vhost, &name("")), Ok(()));
    assert_eq!(topology.publishable(&vhost, &name("e")), Ok(()));
    assert_eq!(topology.publishable(&vhost, &name("nope")), Err(missing));
    let internal = Refusal::InternalExchange(named(Resource::Exchange, "i"));
    assert_eq!(topology.publishable(&vhost, &name("i")), Err(internal));
    assert_eq!(topology.publishable(&name("zz"), &name("")), Err(no_vhost));
}

#[test]
fn an_exchange_is_deleted_unless_it_must_stay() {
    let mut world = World::new();
    world.declare_exchange(&exchange("e", "direct")).unwrap();
    world.declare_queue(&queue("q")).unwrap();
    world.bind(&super::world::to_queue("e", "q", "k")).unwrap();
    assert_eq!(world.delete_exchange("", false), Err(Refusal::DefaultExchange));
    for system in ["amq.direct", "amq.nope"] {
        let refusal = Refusal::SystemExchange(named(Resource::Exchange, system));
        assert_eq!(world.delete_exchange(system, true), Err(refusal));
    }
    assert_eq!(world.delete_exchange("nope", false), Ok(false));
    assert_eq!(world.delete_exchange("e", true), Err(Refusal::InUse(named(Resource::Exchange, "e"))));
    world.facts.clear();
    assert_eq!(world.delete_exchange("e", false), Ok(true));
    assert!(matches!(&world.facts[..], [Fact::Unbound { .. }, Fact::ExchangeDeleted(e)] if &*e.name == "e"));
    assert_eq!(world.topology.bindings("/").count(), 0);
}

#[test]
fn a_queue_is_made_once_and_compared_afterwards() {
    let mut world = World::new();
    let (record, is_new) = world.declare_queue(&queue("q")).unwrap();
    assert!(is_new);
    // RabbitMQ 4 keeps a type with every queue.
    assert_eq!(record.raw_arguments, table(&[("x-queue-type", Value::text("classic"))]));
    assert_eq!(world.declare_queue(&queue("q")), Ok((record, false)));
    let q = |argument, received, current| Err(differs(Resource::Queue, "q", argument, received, current));
    let typed =
        |kind: &str| DeclareQueue { arguments: table(&[("x-queue-type", Value::text(kind))]), ..queue("q") };
    assert!(world.declare_queue(&typed("classic")).is_ok());
    // What exists is compared before anything is validated.
    assert_eq!(world.declare_queue(&typed("quorum")), q("x-queue-type", "quorum", "classic"));
    assert_eq!(world.declare_queue(&typed("zz")), q("x-queue-type", "zz", "classic"));
    let all = DeclareQueue { durable: true, auto_delete: true, ..typed("zz") };
    assert_eq!(world.declare_queue(&all), q("durable", "true", "false"));
    let wish = DeclareQueue { auto_delete: true, ..typed("zz") };
    assert_eq!(world.declare_queue(&wish), q("auto_delete", "true", "false"));
    // The owner is compared before everything else.
    let locked = Err(Refusal::Locked(named(Resource::Queue, "q")));
    assert_eq!(world.declare_queue(&DeclareQueue { exclusive: true, ..all }), locked);
    let unknown = DeclareQueue { arguments: table(&[("x-foo", Value::I32(1))]), ..queue("q") };
    assert!(world.declare_queue(&unknown).is_ok());
}

#[test]
fn an_exclusive_queue_is_its_owners_alone() {
    let mut world = World::new();
    let mine = DeclareQueue { exclusive: true, durable: true, ..queue("mine") };
    let (record, _) = world.declare_queue(&mine).unwrap();
    assert!(!record.durable, "exclusive queues do not survive");
    assert_eq!(record.exclusive_owner, Some(ME));
    let locked = || Refusal::Locked(named(Resource::Queue, "mine"));
    for wish in [queue("mine"), DeclareQueue { durable: true, ..queue("mine") }] {
        assert_eq!(world.declare_queue(&wish), Err(locked()), "the owner itself, but not exclusive");
    }
    for durable in [false, true] {
        let wish = DeclareQueue { durable, ..mine.clone() };
        assert!(!world.declare_queue(&wish).unwrap().1, "durable or not, it is the same");
        assert_eq!(world.declare_queue_as(&wish, OTHER), Err(locked()));
    }
    let vhost = name("/");
    assert_eq!(world.topology.queue(&vhost, &name("mine"), ME).unwrap().id, record.id);
    assert_eq!(world.topology.queue(&vhost, &name("mine"), OTHER), Err(locked()));
    let missing = Refusal::NotFound(named(Resource::Queue, "nope"));
    assert_eq!(world.topology.queue(&vhost, &name("nope"), ME), Err(missing));
}

#[test]
fn reserved_names_are_for_the_broker() {
    let mut world = World::new();
    let reserved = |of| Err(Refusal::ReservedName { resource: Resource::Queue, name: name(of) });
    let bad = table(&[("x-max-length", Value::text("a"))]);
    for of in ["amq.foo", "amq."] {
        let wish = DeclareQueue { arguments: bad.clone(), ..queue(of) };
        assert_eq!(world.declare_queue(&wish), reserved(of));
    }
    assert!(world.declare_queue(&queue("amq")).is_ok());
    let made = world.topology.declare_queue(&name("/"), &queue("amq.gen-x"), ME, true);
    let Ok(Declared::Create(made)) = made else { panic!("{made:?}") };
    world.apply(made);
    assert_eq!(world.declare_queue(&queue("amq.gen-x")), reserved("amq.gen-x"), "not even when it exists");
}

#[test]
fn a_vhost_holds_as_many_queues_as_its_limit_says() {
    let mut world = World::new();
    let limits = VhostLimits { max_queues: Some(1), max_connections: None };
    world.operate(|topology| topology.set_vhost_limits(&name("/"), limits)).unwrap();
    assert!(world.declare_queue(&queue("one")).is_ok());
    let refusal = |of| Err(Refusal::QueueLimit { queue: name(of), vhost: name("/"), queues_max: 1 });
    assert_eq!(world.declare_queue(&queue("two")), refusal("two"));
    assert_eq!(world.declare_queue(&DeclareQueue { exclusive: true, ..queue("x") }), refusal("x"));
    assert!(world.declare_queue(&queue("one")).is_ok(), "what exists is not counted again");
    // Arguments are looked at before the limit.
    let bad = DeclareQueue { arguments: table(&[("x-max-length", Value::text("a"))]), ..queue("two") };
    assert!(matches!(world.declare_queue(&bad), Err(Refusal::InvalidArgument { .. })));
    world.delete_queue("one");
    assert!(world.declare_queue(&queue("two")).is_ok());
}

#[test]
fn ids_are_never_used_twice() {
    let mut world = World::new();
    let durable = |of| DeclareQueue { durable: true, ..queue(of) };
    let first = world.declare_queue(&durable("d")).unwrap().0.id;
    let transient = world.declare_queue(&queue("t")).unwrap().0.id;
    assert_eq!(first, QueueId(1));
    assert!(transient.is_transient() && !first.is_transient());
    world.delete_queue("d");
    world.delete_queue("t");
    let second = world.declare_queue(&durable("d")).unwrap().0.id;
    let other = world.declare_queue(&queue("t")).unwrap().0.id;
    assert!(second > first && other != transient);
    // A queue that was deleted before the snapshot has had its id.
    world.delete_queue("d");
    let restored = crate::topology::Topology::from_snapshot(&world.topology.snapshot()).unwrap();
    let mut world = World { topology: restored, ..world };
    world.apply(Entry::Started);
    let third = world.declare_queue(&durable("d")).unwrap().0.id;
    let after_restart = world.declare_queue(&queue("t")).unwrap().0.id;
    assert!(third > second);
    assert!(after_restart != transient && after_restart != other);
}

#[test]
fn deleting_a_queue_takes_that_queue_only() {
    let mut world = World::new();
    world.declare_queue(&queue("q")).unwrap();
    let old = world.topology.find_queue("/", "q").unwrap().clone();
    let entry = world.topology.delete_queue(&name("/"), &old);
    world.delete_queue("q");
    let new = world.declare_queue(&queue("q")).unwrap().0;
    world.apply(entry);
    assert_eq!(world.topology.find_queue("/", "q").map(|record| record.id), Some(new.id));
}

#[test]
fn entries_that_no_longer_fit_change_nothing() {
    let mut world = World::new();
    world.declare_queue(&DeclareQueue { durable: true, ..queue("q") }).unwrap();
    let before = world.topology.snapshot();
    world.facts.clear();
    let create = |vhost: &str, of: &str| Entry::CreateQueue {
        id: None,
        vhost: name(vhost),
        name: name(of),
        durable: true,
        auto_delete: false,
        exclusive_owner: None,
        kind: QueueKind::Classic,
        arguments: Table::default(),
    };
    for entry in [
        create("/", "q"),
        create("nope", "q"),
        Entry::DeleteQueue {
            vhost: name("/"),
            name: name("q"),
            id: QueueId(99),
            auto_deleted: vec![name("nope")],
        },
        Entry::DeleteExchange {
            vhost: name("/"),
            name: name("nope"),
            auto_deleted: vec![name("amq.direct")],
        },
        Entry::DeleteVhost { name: name("nope") },
        Entry::DeleteUser { name: name("nope") },
        Entry::ClearPermissions { user: name("nope"), vhost: name("/") },
    ] {
        world.apply(entry.clone());
        assert!(world.facts.is_empty(), "{entry:?}: {:?}", world.facts);
    }
    assert_eq!(world.topology.snapshot(), before);
}

#[test]
fn the_default_type_of_a_vhost_is_for_queues_that_can_be_of_it() {
    let mut world = World::new();
    let settings =
        VhostSettings { default_queue_type: Some(QueueKind::Quorum), ..VhostSettings::new(name("/")) };
    world.operate(|topology| topology.set_vhost(settings)).unwrap();
    let mut kind = |wish: DeclareQueue| world.declare_queue(&wish).unwrap().0.kind;
    assert_eq!(kind(DeclareQueue { durable: true, ..queue("plain") }), QueueKind::Quorum);
    assert_eq!(kind(queue("transient")), QueueKind::Classic);
    assert_eq!(kind(DeclareQueue { durable: true, exclusive: true, ..queue("mine") }), QueueKind::Classic);
    assert_eq!(kind(DeclareQueue { durable: true, auto_delete: true, ..queue("short") }), QueueKind::Classic);
    let classic = table(&[("x-queue-type", Value::text("classic"))]);
    assert_eq!(kind(DeclareQueue { durable: true, arguments: classic, ..queue("told") }), QueueKind::Classic);
}
