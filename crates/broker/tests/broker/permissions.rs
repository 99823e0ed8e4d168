//! Every command that takes a permission is refused without it, and has no effect then.

use broker::topology::{PermissionPatterns, TopicPatterns};
use model::{
    SessionCommand, Value,
    command::{DeclareExchange, DeclareQueue, Destination},
};

use crate::{
    wish::{
        bind, bind_exchange, consume, declare, declare_exchange, delete, durable_exchange, durable_queue,
        get, look_at, message_with, name, publish_to, purge, table, to_queue, unbind,
    },
    world::{Peer, World},
};

/// A world with a user `u` of these permissions, a queue `q` and an exchange `e`.
fn world(configure: &str, write: &str, read: &str) -> World {
    let world = World::new();
    let mut maker = world.peer();
    maker.ask_all([declare("q"), declare_exchange("e", "topic"), declare_exchange("f", "fanout")]);
    maker.ask_all([bind("e", "q", "k"), bind_exchange("e", "f", "k")]);
    let entry = world.broker.topology().read().set_user(
        &name("u"),
        broker::access::password::PasswordHash::of(&model::Secret::new("p"), [2; 4]),
        Vec::new(),
    );
    world.broker.change(0, |_| Ok(Some(entry.unwrap()))).unwrap();
    permit(&world, configure, write, read);
    world.flush();
    assert_eq!(maker.hear().len(), 5);
    world
}

fn permit(world: &World, configure: &str, write: &str, read: &str) {
    let patterns = PermissionPatterns { configure: configure.into(), write: write.into(), read: read.into() };
    let entry = world.broker.topology().read().set_permissions(&name("u"), &name("/"), patterns);
    world.broker.change(0, |_| Ok(Some(entry.unwrap()))).unwrap();
}

fn peer(world: &World) -> Peer {
    world.peer_as("u", "p")
}

fn unbind_exchange() -> SessionCommand {
    let destination_kind = Destination::Exchange;
    SessionCommand::Unbind(model::command::Binding { destination_kind, ..to_queue("e", "f", "k") })
}

fn delete_exchange(exchange: &str) -> SessionCommand {
    SessionCommand::DeleteExchange { exchange: name(exchange), if_unused: false, nowait: false }
}

/// The first permission that a command takes (of `configure`, `write`, `read`), and the command.
type Row = (&'static str, fn() -> SessionCommand);

/// Every command that takes one.
fn commands() -> Vec<Row> {
    vec![
        ("configure", || declare("q")),
        ("configure", || delete("q")),
        ("configure", || declare_exchange("e", "topic")),
        ("configure", || delete_exchange("e")),
        ("write", || bind("e", "q", "other")),
        ("write", || unbind("e", "q", "k")),
        ("write", || bind_exchange("e", "f", "other")),
        ("write", unbind_exchange),
        ("write", || publish_to("e", "k", "m")),
        ("write", || publish_to("", "q", "m")),
        ("read", || get("q")),
        ("read", || consume("q", "c")),
        ("read", || purge("q")),
    ]
}

#[test]
fn every_command_is_refused_without_its_permission() {
    for (permission, command) in commands() {
        let all_but = |wanted: &str| if permission == wanted { "" } else { ".*" };
        let world = world(all_but("configure"), all_but("write"), all_but("read"));
        let before = format!("{:?}", world.broker.topology().read().snapshot());
        let mut peer = peer(&world);
        let what = format!("{:?} without {permission}", command());
        assert_eq!(peer.say(command()), ["refused: AccessRefused"], "{what}");
        let after = format!("{:?}", world.broker.topology().read().snapshot());
        assert_eq!(before, after, "{what} changed something");
        assert_eq!(world.counts("q"), (0, 0), "{what} had an effect");
    }
}

#[test]
fn every_command_is_granted_with_all_permissions() {
    for (_, command) in commands() {
        let world = world(".*", ".*", ".*");
        let mut peer = peer(&world);
        peer.ask(command());
        world.flush();
        let heard = peer.hear();
        assert!(!heard.iter().any(|line| line.starts_with("refused")), "{:?}: {heard:?}", command());
    }
}

#[test]
fn a_binding_takes_write_on_its_end_and_read_on_its_start() {
    let world = world("", "^q$", "^f$");
    assert_eq!(peer(&world).say(bind("e", "q", "x")), ["refused: AccessRefused"]);
    let mut able = peer(&world);
    able.ask(bind("f", "q", "x"));
    world.flush();
    assert_eq!(able.hear(), ["QueueBound"]);
}

#[test]
fn names_of_other_exchanges_in_arguments_take_permissions_too() {
    let world = world(".*", "^nothing$", ".*");
    let alternate = table(&[("alternate-exchange", Value::text("e"))]);
    let exchange = DeclareExchange { arguments: alternate, ..durable_exchange("new", "direct") };
    assert_eq!(peer(&world).say(SessionCommand::DeclareExchange(exchange)), ["refused: AccessRefused"]);
    let dead = table(&[("x-dead-letter-exchange", Value::text("e"))]);
    let queue = DeclareQueue { arguments: dead, ..durable_queue("new") };
    assert_eq!(peer(&world).say(SessionCommand::DeclareQueue(queue)), ["refused: AccessRefused"]);
    assert!(!world.has_queue("new"));
}

#[test]
fn looking_takes_no_permission() {
    let world = world("", "", "");
    assert_eq!(peer(&world).say(look_at("q")), ["declared q 0 0"]);
}

#[test]
fn a_permission_taken_away_is_gone_at_once() {
    let world = world("", ".*", "");
    let mut peer = peer(&world);
    assert!(peer.say(publish_to("e", "k", "1")).is_empty());
    assert!(peer.say(publish_to("e", "k", "2")).is_empty());
    permit(&world, "", "", "");
    assert_eq!(peer.say(publish_to("e", "k", "3")), ["refused: AccessRefused"]);
    assert_eq!(world.counts("q").0, 2);
}

#[test]
fn a_topic_permission_is_for_the_keys_of_one_exchange() {
    let world = world("", ".*", ".*");
    let patterns = TopicPatterns { write: "^k".into(), read: "^r".into() };
    let entry =
        world.broker.topology().read().set_topic_permissions(&name("u"), &name("/"), &name("e"), patterns);
    world.broker.change(0, |_| Ok(Some(entry.unwrap()))).unwrap();
    assert!(peer(&world).say(publish_to("e", "k", "m")).is_empty());
    assert_eq!(peer(&world).say(publish_to("e", "other", "m")), ["refused: TopicRefused"]);
    assert!(peer(&world).say(publish_to("f", "other", "m")).is_empty());
    for (header, key, heard) in [
        ("CC", "k2", vec![]),
        ("CC", "other", vec!["refused: TopicRefused"]),
        ("BCC", "other", vec!["refused: TopicRefused"]),
    ] {
        let message = message_with("e", "k", b"m", &[(header, Value::Array(vec![Value::text(key)]))]);
        let said = peer(&world).say(SessionCommand::Publish { message, mandatory: false });
        assert_eq!(said, heard, "{header} {key}");
    }
    assert_eq!(peer(&world).say(bind("e", "q", "k")), ["refused: TopicRefused"]);
    let mut able = peer(&world);
    able.ask(bind("e", "q", "r"));
    world.flush();
    assert_eq!(able.hear(), ["QueueBound"]);
}
