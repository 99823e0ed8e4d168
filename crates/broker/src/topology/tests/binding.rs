//! Bindings: what is refused, what one is, and what goes with the last one.

use model::{
    Refusal, Value,
    command::{Binding, DeclareExchange, DeclareQueue, Destination},
    refusal::{Named, Resource},
};

use super::world::{ME, OTHER, World, exchange, name, queue, table, to_exchange, to_queue};

fn not_found(resource: Resource, of: &str) -> Refusal {
    Refusal::NotFound(Named { resource, name: name(of), vhost: name("/") })
}

fn exists(world: &World, exchange: &str) -> bool {
    world.topology.exchange(&name("/"), &name(exchange)).is_ok()
}

#[test]
fn both_ends_must_exist_and_the_source_is_looked_for_first() {
    let mut world = World::new();
    world.declare_exchange(&exchange("e", "direct")).unwrap();
    world.declare_queue(&queue("q")).unwrap();
    for (binding, refusal) in [
        (to_queue("nope", "q", ""), not_found(Resource::Exchange, "nope")),
        (to_queue("e", "nope", ""), not_found(Resource::Queue, "nope")),
        (to_queue("nope", "nope", ""), not_found(Resource::Exchange, "nope")),
        (to_exchange("e", "nope", ""), not_found(Resource::Exchange, "nope")),
        (to_exchange("nope", "nope2", ""), not_found(Resource::Exchange, "nope")),
        (to_queue("", "q", ""), Refusal::DefaultExchange),
        (to_queue("", "nope", ""), Refusal::DefaultExchange),
        (to_exchange("e", "", ""), Refusal::DefaultExchange),
        (to_exchange("", "e", ""), Refusal::DefaultExchange),
    ] {
        assert_eq!(world.bind(&binding), Err(refusal), "{binding:?}");
    }
    for binding in [to_exchange("e", "e", ""), to_exchange("e", "amq.rabbitmq.trace", "")] {
        assert_eq!(world.bind(&binding), Ok(true), "to itself, to an internal one: {binding:?}");
    }
}

#[test]
fn unbinding_what_is_not_there_succeeds() {
    let mut world = World::new();
    world.declare_exchange(&exchange("e", "direct")).unwrap();
    world.declare_queue(&queue("q")).unwrap();
    for binding in [
        to_queue("nope", "q", ""),
        to_queue("e", "nope", ""),
        to_queue("e", "q", "k"),
        to_queue("nope", "nope", ""),
        to_exchange("nope", "nope2", ""),
    ] {
        assert_eq!(world.unbind(&binding), Ok(false), "{binding:?}");
    }
    assert_eq!(world.unbind(&to_queue("", "q", "")), Err(Refusal::DefaultExchange));
    assert_eq!(world.unbind(&to_exchange("e", "", "")), Err(Refusal::DefaultExchange));
}

#[test]
fn a_binding_is_its_ends_its_key_and_its_arguments() {
    let mut world = World::new();
    world.declare_queue(&queue("q")).unwrap();
    let with =
        |fields: &[(&str, Value)]| Binding { arguments: table(fields), ..to_queue("amq.direct", "q", "o") };
    let (a, b) = (("a", Value::I8(1)), ("b", Value::I32(1)));
    assert_eq!(world.bind(&with(&[b.clone(), a.clone()])), Ok(true));
    assert_eq!(world.bind(&with(&[a.clone(), b.clone()])), Ok(false), "in another order it is the same");
    assert_eq!(
        world.bind(&with(&[("a", Value::I32(1)), b.clone()])),
        Ok(true),
        "another type is another binding"
    );
    assert_eq!(world.bind(&to_queue("amq.direct", "q", "o")), Ok(true));
    let shown: Vec<_> = world.topology.bindings_to("/", Destination::Queue, &name("q")).cloned().collect();
    assert_eq!(shown.len(), 3);
    assert!(shown.iter().any(|binding| binding.arguments == table(&[a.clone(), b.clone()])));
    assert_eq!(world.unbind(&with(&[b, a])), Ok(true));
    assert_eq!(world.topology.bindings("/").count(), 2);
}

#[test]
fn an_exclusive_queue_is_bound_by_its_owner() {
    let mut world = World::new();
    world.declare_queue(&DeclareQueue { exclusive: true, ..queue("mine") }).unwrap();
    let binding = to_queue("amq.direct", "mine", "k");
    let vhost = name("/");
    let locked =
        Refusal::Locked(Named { resource: Resource::Queue, name: name("mine"), vhost: vhost.clone() });
    assert_eq!(world.topology.bind(&vhost, &binding, OTHER).unwrap_err(), locked);
    assert!(matches!(world.topology.unbind(&vhost, &binding, OTHER), Ok(None)), "there is nothing to unbind");
    assert_eq!(world.bind(&binding), Ok(true));
    assert_eq!(world.topology.unbind(&vhost, &binding, OTHER).unwrap_err(), locked);
    assert!(world.topology.unbind(&vhost, &binding, ME).unwrap().is_some());
}

#[test]
fn headers_bindings_are_checked() {
    let mut world = World::new();
    world.declare_queue(&queue("q")).unwrap();
    let arguments = table(&[("x-match", Value::text("zz"))]);
    let of = |source| Binding { arguments: arguments.clone(), ..to_queue(source, "q", "") };
    assert!(matches!(world.bind(&of("amq.headers")), Err(Refusal::InvalidBinding { .. })));
    assert_eq!(world.bind(&of("amq.direct")), Ok(true), "other types do not look");
}

#[test]
fn the_default_exchange_is_bound_to_every_queue() {
    let mut world = World::new();
    for of in ["b", "a"] {
        world.declare_queue(&queue(of)).unwrap();
    }
    let shown: Vec<(String, String, String)> = world
        .topology
        .default_bindings("/")
        .map(|b| (b.source.to_string(), b.destination.to_string(), b.routing_key.to_string()))
        .collect();
    let row = |of: &str| (String::new(), of.to_owned(), of.to_owned());
    assert_eq!(shown, [row("a"), row("b")]);
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding() {
    let mut world = World::new();
    let auto = |of| DeclareExchange { auto_delete: true, ..exchange(of, "direct") };
    for of in ["a", "b", "unbound"] {
        world.declare_exchange(&auto(of)).unwrap();
    }
    world.declare_queue(&queue("q")).unwrap();
    // a → b → q: when b goes, a's last binding goes with it.
    world.bind(&to_exchange("a", "b", "k")).unwrap();
    world.bind(&to_queue("b", "q", "k")).unwrap();
    world.bind(&to_queue("b", "q", "l")).unwrap();
    world.unbind(&to_queue("b", "q", "k")).unwrap();
    assert!(exists(&world, "a") && exists(&world, "b"));
    world.unbind(&to_queue("b", "q", "l")).unwrap();
    assert!(!exists(&world, "a") && !exists(&world, "b"));
    assert!(exists(&world, "unbound"), "what was never bound stays");
    assert_eq!(world.topology.bindings("/").count(), 0);
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_queue_or_exchange() {
    let mut world = World::new();
    let auto = |of, durable| DeclareExchange { auto_delete: true, durable, ..exchange(of, "direct") };
    world.declare_exchange(&auto("durable", true)).unwrap();
    world.declare_exchange(&auto("to-exchange", true)).unwrap();
    world.declare_exchange(&exchange("e", "direct")).unwrap();
    world.declare_queue(&queue("q")).unwrap();
    world.bind(&to_queue("durable", "q", "k")).unwrap();
    world.bind(&to_exchange("to-exchange", "e", "k")).unwrap();
    world.delete_queue("q");
    assert!(!exists(&world, "durable"));
    world.delete_exchange("e", false).unwrap();
    assert!(!exists(&world, "to-exchange"));
    // The queue, the exchange and the bindings were never in the log: the exchanges must be gone there nevertheless.
    let replayed = World { topology: world.replayed(), ..World::new() };
    assert!(!exists(&replayed, "durable") && !exists(&replayed, "to-exchange"));
}

#[test]
fn a_transient_binding_keeps_a_durable_exchange_on_replay_too() {
    let mut world = World::new();
    let wish = DeclareExchange { auto_delete: true, durable: true, ..exchange("e", "direct") };
    world.declare_exchange(&wish).unwrap();
    world.declare_queue(&DeclareQueue { durable: true, ..queue("durable") }).unwrap();
    world.declare_queue(&queue("transient")).unwrap();
    world.bind(&to_queue("e", "durable", "k")).unwrap();
    world.bind(&to_queue("e", "transient", "k")).unwrap();
    // The last binding that is in the log, but not the last one.
    world.unbind(&to_queue("e", "durable", "k")).unwrap();
    assert!(exists(&world, "e"));
    assert_eq!(world.replayed().snapshot(), world.topology.snapshot());
    world.delete_queue("transient");
    assert!(!exists(&world, "e"));
    assert_eq!(world.replayed().snapshot(), world.topology.snapshot());
}

#[test]
fn unbinding_a_transient_queue_takes_a_durable_exchange_out_of_the_log() {
    let mut world = World::new();
    let wish = DeclareExchange { auto_delete: true, durable: true, ..exchange("e", "direct") };
    world.declare_exchange(&wish).unwrap();
    world.declare_queue(&queue("transient")).unwrap();
    world.bind(&to_queue("e", "transient", "k")).unwrap();
    world.bind(&to_queue("e", "transient", "l")).unwrap();
    let entries = world.log.len();
    world.unbind(&to_queue("e", "transient", "k")).unwrap();
    assert_eq!(world.log.len(), entries, "nothing durable has changed");
    world.unbind(&to_queue("e", "transient", "l")).unwrap();
    assert_eq!(world.log.len(), entries + 1);
    assert!(!exists(&world, "e"));
    assert_eq!(world.replayed().snapshot(), world.topology.snapshot());
}

#[test]
fn a_ring_of_auto_delete_exchanges_ends() {
    let mut world = World::new();
    let auto = |of| DeclareExchange { auto_delete: true, durable: true, ..exchange(of, "fanout") };
    for of in ["a", "b", "self"] {
        world.declare_exchange(&auto(of)).unwrap();
    }
    world.declare_queue(&queue("q")).unwrap();
    world.bind(&to_exchange("a", "b", "")).unwrap();
    world.bind(&to_exchange("b", "a", "")).unwrap();
    world.bind(&to_exchange("self", "self", "")).unwrap();
    world.bind(&to_queue("self", "q", "")).unwrap();
    world.delete_queue("q");
    assert!(exists(&world, "self"), "its binding to itself is left");
    world.delete_exchange("a", false).unwrap();
    assert!(!exists(&world, "a") && !exists(&world, "b"));
    world.unbind(&to_exchange("self", "self", "")).unwrap();
    assert!(!exists(&world, "self"));
    assert_eq!(world.replayed().snapshot(), world.topology.snapshot());
}
