//! How many there may be: connections, sessions, consumers and queues, of the node, of a vhost, of a user.

use broker::{
    Settings,
    topology::{Entry, Invalid, Topology, UserLimits, VhostLimits},
};
use model::{Command, SessionCommand};

use crate::{
    wish::{consume, declare_transient, delete, name},
    world::{Peer, World},
};

fn change(world: &World, entry: impl FnOnce(&Topology) -> Result<Entry, Invalid>) {
    world.broker.change(0, |topology| Ok(Some(entry(topology).unwrap()))).unwrap();
}

fn limit_vhost(world: &World, max_connections: Option<u64>, max_queues: Option<u64>) {
    let limits = VhostLimits { max_connections, max_queues };
    change(world, |topology| topology.set_vhost_limits(&name("/"), limits));
}

fn limit_user(world: &World, max_connections: Option<u64>, max_channels: Option<u64>) {
    let limits = UserLimits { max_connections, max_channels };
    change(world, |topology| topology.set_user_limits(&name("guest"), limits));
}

/// What is said to `guest` who wants to enter a vhost.
fn enter(world: &World, vhost: &str) -> (Peer, String) {
    let mut peer = world.knock("guest", "guest", vhost);
    let mut heard = peer.hear();
    assert_eq!(heard.remove(0), "authenticated guest");
    (peer, heard.join(", "))
}

fn limited(reason: &str) -> String {
    format!("refused: ConnectionLimit {{ reason: {reason:?} }}")
}

fn open(peer: &mut Peer, session: u16) -> Vec<String> {
    peer.ask_in(session, SessionCommand::Open);
    peer.hear()
}

#[test]
fn a_vhost_has_only_so_many_connections() {
    let world = World::new();
    limit_vhost(&world, Some(1), None);
    let (first, heard) = enter(&world, "/");
    assert_eq!(heard, "opened");
    let full = limited("access to vhost '/' refused for user 'guest': connection limit (1) is reached");
    let (_refused, heard) = enter(&world, "/");
    assert_eq!(heard, full);
    drop(first);
    let (mut again, heard) = enter(&world, "/");
    assert_eq!(heard, "opened", "who was refused does not count");
    again.command(Command::Close);
    assert_eq!(enter(&world, "/").1, "opened", "who has said goodbye does not count");
    limit_vhost(&world, Some(0), None);
    assert!(enter(&world, "/").1.contains("connection limit (0) is reached"));
}

#[test]
fn a_user_has_only_so_many_connections() {
    let world = World::new();
    limit_user(&world, Some(1), None);
    let (_first, heard) = enter(&world, "/");
    assert_eq!(heard, "opened");
    let full = limited("connection refused for user 'guest': user connection limit (1) is reached");
    assert_eq!(enter(&world, "/").1, full);
    // RabbitMQ: the limit of the vhost comes first, permissions last.
    assert!(enter(&world, "nowhere").1.contains("VhostNotFound"));
    change(&world, |topology| topology.clear_permissions(&name("guest"), &name("/")));
    assert_eq!(enter(&world, "/").1, full);
    limit_vhost(&world, Some(1), None);
    assert!(enter(&world, "/").1.contains("access to vhost '/' refused"));
}

#[test]
fn a_node_has_only_so_many_connections() {
    let world = World::with(Settings { connections_max: Some(2), ..Settings::default() });
    let (_first, second) = (world.peer(), world.peer());
    let full = limited("connection refused: node connection limit (2) is reached");
    assert_eq!(enter(&world, "nowhere").1, full, "it is looked at first");
    drop(second);
    assert_eq!(enter(&world, "/").1, "opened");
}

#[test]
fn a_user_has_only_so_many_sessions() {
    let world = World::new();
    limit_user(&world, None, Some(2));
    let (mut one, mut other) = (world.peer(), world.peer());
    assert_eq!(open(&mut one, 2), ["2: refused: UserSessionLimit"]);
    one.ask(SessionCommand::Close);
    assert_eq!(one.hear(), ["1 closed"]);
    assert_eq!(open(&mut other, 2), ["2: opened"]);
    assert_eq!(open(&mut other, 3), ["3: refused: UserSessionLimit"]);
    drop(other);
    assert_eq!([open(&mut one, 1), open(&mut one, 2)], [["1 opened"], ["2: opened"]]);
    limit_user(&world, None, Some(0));
    assert_eq!(open(&mut one, 3), ["3: refused: UserSessionLimit"]);
}

#[test]
fn a_node_has_only_so_many_sessions() {
    let world = World::with(Settings { sessions_max: Some(2), ..Settings::default() });
    let (mut one, other) = (world.peer(), world.peer());
    assert_eq!(open(&mut one, 2), ["2: refused: NodeSessionLimit"]);
    drop(other);
    assert_eq!(open(&mut one, 2), ["2: opened"]);
}

#[test]
fn a_session_has_only_so_many_consumers() {
    let world = World::with(Settings { consumers_per_session_max: 1, ..Settings::default() });
    let mut peer = world.peer();
    peer.ask_all([declare_transient("q"), consume("q", "x"), consume("q", "y")]);
    assert_eq!(peer.hear(), ["declared q 0 0", "consuming x", "refused: TooManyConsumers"]);
}

#[test]
fn a_vhost_has_only_so_many_queues() {
    let world = World::new();
    limit_vhost(&world, None, Some(1));
    let mut peer = world.peer();
    peer.ask_all([declare_transient("q"), declare_transient("q"), delete("q"), declare_transient("r")]);
    peer.ask(declare_transient("q"));
    world.flush();
    let heard = peer.hear();
    assert_eq!(heard.last().unwrap(), "refused: QueueLimit");
    assert_eq!(heard[..2], ["declared q 0 0"; 2], "one that is there is no new one");
    assert!(world.has_queue("r"));
}
