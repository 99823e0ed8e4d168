//! Copies of what is published and delivered, for whatever is bound to `amq.rabbitmq.trace`.

use broker::topology::VhostSettings;
use model::{Event, Message, SessionCommand, SessionEvent, Table, Value, message::Properties};

use crate::{
    wish::{bind, consume, declare, declare_transient, get, message_with, name, publish, publish_to, table},
    world::{Peer, World, text},
};

fn set_tracing(world: &World, tracing: bool) {
    let settings = VhostSettings { tracing, ..VhostSettings::new(name("/")) };
    world.broker.change(0, |topology| Ok(topology.set_vhost(settings).ok())).unwrap();
}

/// A peer, and a queue `copies` of everything that is traced.
fn with_copies(world: &World) -> Peer {
    let mut peer = world.peer();
    peer.ask_all([declare_transient("copies"), declare("q"), bind("amq.fanout", "q", "")]);
    peer.ask(bind("amq.rabbitmq.trace", "copies", "#"));
    world.flush();
    assert_eq!(peer.hear().len(), 4);
    peer
}

/// The next copy; its routing key and its headers.
fn copy(peer: &mut Peer) -> Option<(String, std::sync::Arc<Message>, Table)> {
    peer.ask(get("copies"));
    match peer.events().pop() {
        Some(Event::Session(_, SessionEvent::Got { message, .. })) => {
            let key = String::from_utf8(message.routing_key().to_vec()).unwrap();
            let mut raw = message.properties().raw_headers.unwrap();
            let headers = Table::decode(&mut raw).unwrap();
            Some((key, message, headers))
        }
        _ => None,
    }
}

#[test]
fn nothing_is_traced_unless_the_vhost_says_so() {
    let world = World::new();
    let mut peer = with_copies(&world);
    peer.ask_all([publish("q", "a"), get("q")]);
    assert_eq!(world.counts("copies"), (0, 0));
    set_tracing(&world, true);
    peer.ask(publish("q", "b"));
    assert_eq!(world.counts("copies"), (1, 0), "also for connections that were there before");
    set_tracing(&world, false);
    peer.ask(publish("q", "c"));
    assert_eq!(world.counts("copies"), (1, 0));
}

#[test]
fn copies_tell_what_was_published_and_where_it_went() {
    let world = World::new();
    let mut peer = with_copies(&world);
    set_tracing(&world, true);
    let sent = message_with("amq.fanout", "rk", b"hello", &[("h", Value::I32(1))]);
    let mut list = Vec::new();
    let properties = Properties { content_type: Some(b"text/plain"), priority: Some(3), ..sent.properties() };
    properties.encode(&mut list);
    let message = sent.with_properties(&list).unwrap().into();
    peer.ask_all([SessionCommand::Publish { message, mandatory: false }, publish("nobody", "lost")]);
    let (key, message, headers) = copy(&mut peer).unwrap();
    assert_eq!(
        (key.as_str(), message.exchange(), text(&message).as_str()),
        ("publish.amq.fanout", &b"amq.rabbitmq.trace"[..], "hello")
    );
    let properties = table(&[
        ("headers", Value::Table(table(&[("h", Value::I32(1))]))),
        ("content_type", Value::text("text/plain")),
        ("delivery_mode", Value::I32(2)),
        ("priority", Value::I32(3)),
    ]);
    assert_eq!(headers.get("exchange_name"), Some(&Value::text("amq.fanout")));
    assert_eq!(headers.get("routing_keys"), Some(&Value::Array(vec![Value::text("rk")])));
    assert_eq!(headers.get("properties"), Some(&Value::Table(properties)));
    assert_eq!(headers.get("routed_queues"), Some(&Value::Array(vec![Value::text("q")])));
    assert_eq!(headers.get("vhost"), Some(&Value::text("/")));
    assert_eq!(headers.get("user"), Some(&Value::text("guest")));
    assert_eq!(headers.get("connection"), Some(&Value::text("127.0.0.1:2 -> 127.0.0.1:1")));
    assert_eq!(headers.get("channel"), Some(&Value::I32(1)));
    assert_eq!(headers.get("node"), Some(&Value::text("rabbit@localhost")));
    let (key, _, headers) = copy(&mut peer).unwrap();
    assert_eq!(key, "publish.");
    assert_eq!(headers.get("routed_queues"), Some(&Value::Array(Vec::new())));
    assert!(copy(&mut peer).is_none(), "copies that are got are not traced themselves");
}

#[test]
fn copies_tell_what_is_delivered_and_whether_again() {
    let world = World::new();
    let mut peer = with_copies(&world);
    peer.ask_all([publish_to("amq.fanout", "k", "a"), publish("q", "b")]);
    set_tracing(&world, true);
    peer.ask(get("q"));
    peer.ask(consume("q", "c"));
    peer.hear();
    let mut other = world.peer();
    let mut told = Vec::new();
    while let Some((key, message, headers)) = copy(&mut other) {
        let redelivered = headers.get("redelivered").cloned();
        told.push((key, text(&message), redelivered));
    }
    let deliver = |body: &str, again| ("deliver.q".to_owned(), body.to_owned(), Some(Value::I32(again)));
    assert_eq!(told, [deliver("a", 0), deliver("b", 0)]);
    peer.ask(SessionCommand::Recover { nowait: false });
    peer.hear();
    let (_, _, headers) = copy(&mut other).unwrap();
    assert_eq!(headers.get("redelivered"), Some(&Value::I32(1)));
}
