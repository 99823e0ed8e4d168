//! What happens in the node, told to whatever is bound to `amq.rabbitmq.event`.

use broker::topology::{ApplyTo, PermissionPatterns, Policy, PolicySide, Topology, VhostSettings};
use model::{Command, Event, Refusal, SessionCommand, SessionEvent, Table, Value, message::Properties};
use serde_json::json;

use crate::{
    wish::{
        bind, cancel, consume, declare, declare_exchange, declare_transient, delete, durable_queue, get,
        name, publish, table, unbind,
    },
    world::{Peer, World},
};

/// A node with the exchange of the news, and a peer who hears those of these keys in the queue `news`.
fn with_news(keys: &str) -> (World, Peer) {
    let world = World::new();
    world.broker.add_event_exchange(0).unwrap();
    let mut peer = world.peer();
    peer.ask(declare_transient("news"));
    for key in keys.split(' ') {
        peer.ask(bind("amq.rabbitmq.event", "news", key));
    }
    world.flush();
    peer.hear();
    peer.ask(SessionCommand::PurgeQueue { queue: name("news"), nowait: true });
    (world, peer)
}

/// What was told since: keys and headers.
fn told(peer: &mut Peer) -> Vec<(String, Table)> {
    let mut told = Vec::new();
    loop {
        peer.ask(get("news"));
        let Some(Event::Session(_, SessionEvent::Got { message, .. })) = peer.events().pop() else {
            return told;
        };
        let Properties { raw_headers, delivery_mode, .. } = message.properties();
        assert_eq!((delivery_mode, message.body()), (Some(2), &b""[..]));
        let headers = Table::decode(&mut raw_headers.unwrap()).unwrap();
        told.push((String::from_utf8(message.routing_key().to_vec()).unwrap(), headers));
    }
}

/// Of each piece of news the key, the name of what it is about and who did it.
fn in_short(peer: &mut Peer) -> Vec<String> {
    let text = |headers: &Table, field: &str| {
        headers.get(field).and_then(Value::as_text).unwrap_or_default().to_owned()
    };
    let line = |(key, headers): &(String, Table)| {
        let subjects = ["name", "destination_name", "consumer_tag", "user", "username"];
        let subject = subjects.map(|field| text(headers, field)).into_iter().find(|name| !name.is_empty());
        format!("{key} {} {}", subject.unwrap_or_default(), text(headers, "user_who_performed_action"))
    };
    told(peer).iter().map(|news| line(news).trim_end().to_owned()).collect()
}

#[test]
fn what_connections_declare_is_told() {
    let (world, mut peer) = with_news("queue.# exchange.# binding.# consumer.# channel.# connection.#");
    let mut other = world.peer();
    other.ask_all([
        declare_exchange("x", "topic"),
        declare("q"),
        bind("x", "q", "a.#"),
        consume("q", "c"),
        cancel("c"),
        unbind("x", "q", "a.#"),
        consume("q", "d"),
        delete("q"),
        SessionCommand::DeleteExchange { exchange: name("x"), if_unused: false, nowait: false },
        SessionCommand::Close,
    ]);
    world.flush();
    other.hear();
    other.command(Command::Close);
    assert_eq!(
        in_short(&mut peer),
        [
            "connection.created 127.0.0.1:2 -> 127.0.0.1:1 guest",
            "channel.created 127.0.0.1:2 -> 127.0.0.1:1 (1) guest",
            "exchange.created x guest",
            "queue.created q guest",
            "binding.created q guest",
            "consumer.created c guest",
            "consumer.deleted c guest",
            "binding.deleted q guest",
            "consumer.created d guest",
            "queue.deleted q guest",
            "exchange.deleted x guest",
            "consumer.deleted d guest",
            "channel.closed  guest",
            "connection.closed 127.0.0.1:2 -> 127.0.0.1:1",
        ]
    );
    assert!(
        peer.say(SessionCommand::DeclareExchange(crate::wish::durable_exchange(
            "amq.rabbitmq.event",
            "topic"
        )))
        .concat()
        .contains("refused")
    );
}

#[test]
fn queues_are_described_as_rabbitmq_does() {
    let (world, mut peer) = with_news("queue.created");
    let arguments = table(&[("x-max-length", Value::I32(7))]);
    peer.ask(SessionCommand::DeclareQueue(model::command::DeclareQueue { arguments, ..durable_queue("q") }));
    world.flush();
    peer.hear();
    let [(_, headers)] = told(&mut peer).try_into().unwrap();
    let texts = |texts: &[&str]| Value::Array(texts.iter().map(|text| Value::text(text)).collect());
    for (field, value) in [
        ("name", Value::text("q")),
        ("vhost", Value::text("/")),
        ("type", Value::text("rabbit_classic_queue")),
        ("durable", Value::Bool(true)),
        ("auto_delete", Value::Bool(false)),
        ("exclusive", Value::Bool(false)),
        ("owner_pid", Value::text("")),
        ("leader", Value::text("rabbit@localhost")),
        (
            "arguments",
            texts(&["{<<\"x-max-length\">>,signedint,7}", "{<<\"x-queue-type\">>,longstr,<<\"classic\">>}"]),
        ),
        ("timestamp_in_ms", Value::I64(0)),
    ] {
        assert_eq!(headers.get(field), Some(&value), "{field}");
    }
}

#[test]
fn what_operators_change_is_told() {
    let (world, mut peer) = with_news("#");
    let change = |wish: &dyn Fn(&Topology) -> Option<broker::topology::Entry>| {
        world.broker.change(5, |topology| Ok::<_, Refusal>(wish(topology))).unwrap();
    };
    let policy = Policy {
        name: name("p"),
        pattern: "^a".to_owned(),
        apply_to: ApplyTo::Queues,
        priority: 2,
        definition: json!({"max-length": 3}).as_object().cloned().unwrap(),
    };
    let patterns = PermissionPatterns { configure: "a".into(), write: "b".into(), read: "c".into() };
    change(&|topology| topology.set_vhost(VhostSettings::new(name("v"))).ok());
    change(&|topology| topology.set_policy(&name("v"), PolicySide::User, policy.clone()).ok());
    change(&|topology| topology.set_permissions(&name("guest"), &name("v"), patterns.clone()).ok());
    change(&|topology| topology.delete_vhost(&name("v")).ok());
    world.broker.tell_alarm("memory", true, 6);
    world.broker.tell_alarm("memory", false, 7);
    let news = told(&mut peer);
    let keys: Vec<&str> =
        news.iter().map(|(key, _)| &**key).filter(|key| !key.starts_with("exchange.")).collect();
    assert_eq!(
        keys,
        ["vhost.created", "policy.set", "permission.created", "vhost.deleted", "alarm.set", "alarm.cleared"]
    );
    let (_, set) = news.iter().find(|(key, _)| key == "policy.set").unwrap();
    assert_eq!(set.get("definition"), Some(&Value::Table(table(&[("max-length", Value::I64(3))]))));
    assert_eq!(set.get("apply-to"), Some(&Value::text("queues")));
    assert_eq!(set.get("user_who_performed_action"), Some(&Value::text("rmq-internal")));
}

#[test]
fn logins_are_told_whether_they_succeed_or_not() {
    let (world, mut peer) = with_news("user.#");
    drop(world.peer());
    drop(world.knock("guest", "wrong", "/"));
    assert_eq!(
        in_short(&mut peer),
        ["user.authentication.success guest", "user.authentication.failure guest"]
    );
}

#[test]
fn news_survive_in_a_durable_queue_and_the_exchange_is_there_once() {
    let (world, mut peer) = with_news("none");
    peer.ask_all([declare("kept"), bind("amq.rabbitmq.event", "kept", "queue.created"), declare("q")]);
    world.flush();
    drop(peer);
    let world = world.crash();
    world.broker.add_event_exchange(0).unwrap();
    assert_eq!(world.counts("kept"), (1, 0));
    let mut peer = world.peer();
    peer.ask_all([declare("r"), publish("r", "a")]);
    assert_eq!(world.counts("kept"), (2, 0));
}

#[test]
fn lines_of_the_log_are_told_by_severity() {
    let world = World::new();
    world.broker.tell_line("error", "nobody hears", "text/plain", 0);
    world.broker.add_log_exchange(0).unwrap();
    let mut peer = world.peer();
    peer.ask_all([declare_transient("lines"), bind("amq.rabbitmq.log", "lines", "error")]);
    world.flush();
    peer.hear();
    world.broker.tell_line("info", "all is well", "text/plain", 5000);
    world.broker.tell_line("error", "fire", "text/plain", 6000);
    peer.ask(get("lines"));
    let Some(Event::Session(_, SessionEvent::Got { message, messages: 0, .. })) = peer.events().pop() else {
        panic!()
    };
    let properties = message.properties();
    assert_eq!((message.routing_key(), message.body()), (&b"error"[..], &b"fire"[..]));
    assert_eq!((properties.content_type, properties.timestamp), (Some(&b"text/plain"[..]), Some(6)));
}
