//! Publishes that a full queue does not take.

use broker::topology::PolicySide;
use model::{Command, SessionId};
use serde_json::json;

use crate::{
    wish::{declare_transient, name, publish, select_confirms},
    world::World,
};

#[test]
fn what_is_confirmed_was_taken_also_if_the_policy_came_in_between() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([declare_transient("q"), select_confirms()]);
    peer.hear();
    // Gathered, and not handed over yet.
    for body in ["a", "b"] {
        peer.client.handle_command(0, Command::Session(SessionId(1), publish("q", body)));
    }
    let definition = json!({ "max-length": 1, "overflow": "reject-publish" });
    let policy = json!({ "name": "p", "pattern": "q", "priority": 0, "definition": definition });
    let policy = serde_json::from_value(policy).unwrap();
    world
        .broker
        .change(0, |topology| Ok(Some(topology.set_policy(&name("/"), PolicySide::User, policy).unwrap())))
        .unwrap();
    peer.client.hand_over();
    world.flush();
    let confirmed = peer.hear().contains(&"confirmed up to 2".to_owned());
    assert_eq!((confirmed, world.counts("q")), (true, (2, 0)));
}
