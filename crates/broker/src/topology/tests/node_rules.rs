//! What the configuration says: limits of the whole node, beginnings of vhosts, quorum queues that pass for classic ones.

use std::sync::Arc;

use model::{
    Value,
    command::DeclareQueue,
    refusal::{Named, Resource},
};
use serde_json::{Map, json};

use super::{super::*, world::*};
use crate::access::{password::PasswordHash, pattern::Pattern};

fn under(rules: NodeRules) -> World {
    let mut world = World::new();
    world.topology.set_node_rules(Arc::new(rules));
    world
}

fn new_vhost(of: &str) -> Entry {
    Entry::SetVhost(VhostSettings::new(name(of)))
}

#[test]
fn a_node_has_only_so_many_vhosts() {
    let mut world = under(NodeRules { vhosts_max: Some(2), ..NodeRules::default() });
    let set = |of| move |topology: &Topology| topology.set_vhost(VhostSettings::new(name(of)));
    world.operate(set("two")).unwrap();
    let refused = world.operate(set("three")).unwrap_err();
    assert_eq!(refused.to_string(), "cannot create vhost 'three': vhost limit of 2 is reached");
    world.operate(set("two")).unwrap();
    world.operate(|topology| topology.delete_vhost(&name("two"))).unwrap();
    world.operate(set("three")).unwrap();
}

#[test]
fn a_node_has_only_so_many_queues() {
    let mut world = under(NodeRules { queues_max: Some(2), ..NodeRules::default() });
    world.apply(new_vhost("other"));
    let elsewhere = world.topology.declare_queue(&name("other"), &queue("a"), ME, false);
    let Ok(Declared::Create(elsewhere)) = elsewhere else { panic!("{elsewhere:?}") };
    world.apply(elsewhere);
    assert!(world.declare_queue(&queue("b")).is_ok());
    let refused = Err(Refusal::NodeQueueLimit { queue: name("c"), queues_max: 2 });
    assert_eq!(world.declare_queue(&queue("c")), refused);
    assert!(world.declare_queue(&queue("b")).is_ok(), "what exists is not counted again");
    world.delete_queue("b");
    assert!(world.declare_queue(&queue("c")).is_ok());
}

#[test]
fn a_node_has_only_so_many_exchanges() {
    // The seven of the vhost are among them.
    let mut world = under(NodeRules { exchanges_max: Some(8), ..NodeRules::default() });
    assert_eq!(world.declare_exchange(&exchange("one", "direct")), Ok(true));
    let named = Named { resource: Resource::Exchange, name: name("two"), vhost: name("/") };
    let refused = Err(Refusal::ExchangeLimit { named, exchanges_max: 8 });
    assert_eq!(world.declare_exchange(&exchange("two", "direct")), refused);
    assert_eq!(world.declare_exchange(&exchange("one", "direct")), Ok(false));
}

#[test]
fn a_component_has_only_so_many_parameters() {
    let shovel = name("shovel");
    let mut world = under(NodeRules { parameters_max: [(shovel, 1)].into(), ..NodeRules::default() });
    world.apply(new_vhost("other"));
    let set = |vhost, component, of| {
        move |topology: &Topology| {
            topology.set_parameter(&name(vhost), &name(component), &name(of), json!({}))
        }
    };
    world.operate(set("/", "shovel", "one")).unwrap();
    for vhost in ["/", "other"] {
        let refused = world.operate(set(vhost, "shovel", "two")).unwrap_err();
        assert_eq!(refused.to_string(), "component shovel is limited to 1 per node");
    }
    world.operate(set("/", "shovel", "one")).unwrap();
    world.operate(set("/", "federation-upstream", "two")).unwrap();
}

/// Two patterns of limits that match, of which the first counts; two policies; a user who is new and one who is not.
fn beginnings() -> NodeRules {
    let pattern = |text| Pattern::parse(text).unwrap();
    let limits = |max_queues| VhostLimits { max_queues: Some(max_queues), max_connections: None };
    let policy = |of, key: &str| Policy {
        name: name(of),
        pattern: "^big".to_owned(),
        apply_to: ApplyTo::All,
        priority: 0,
        definition: Map::from_iter([(key.to_owned(), json!(5))]),
    };
    let user = |of| NewUser {
        name: name(of),
        password: PasswordHash::disabled(),
        tags: vec![name("monitoring")],
        permissions: PermissionPatterns { configure: "^a".into(), write: ".*".into(), read: ".*".into() },
    };
    let new_vhosts = NewVhosts {
        limits: vec![(pattern("^dev"), limits(5)), (pattern("^d"), limits(7))],
        policies: vec![(pattern("^dev"), policy("p", "max-length")), (pattern(".*"), policy("q", "expires"))],
        users: vec![(pattern("^dev"), user("alice")), (pattern(".*"), user("guest"))],
    };
    NodeRules { new_vhosts, ..NodeRules::default() }
}

#[test]
fn a_new_vhost_begins_with_what_the_configuration_says() {
    let mut world = under(beginnings());
    let guest = world.topology.user("guest").cloned();
    let entries = vec![new_vhost("dev1"), new_vhost("d"), new_vhost("dev2"), new_vhost("/")];
    for entry in world.topology.with_beginnings(entries) {
        world.apply(entry);
    }
    let topology = &world.topology;
    let queues_max = |vhost| topology.vhost_limits(vhost).max_queues;
    assert_eq!(["dev1", "dev2", "d", "/"].map(queues_max), [Some(5), Some(5), Some(7), None]);
    let policies = |vhost| -> Vec<String> {
        topology.policies(vhost, PolicySide::Operator).map(|policy| policy.name.to_string()).collect()
    };
    assert_eq!(policies("dev1"), ["p", "q"]);
    assert_eq!(policies("d"), ["q"]);
    assert!(policies("/").is_empty(), "what was there before stays as it is");
    assert_eq!(topology.user("guest").cloned(), guest, "and so do users");
    assert_eq!(topology.user("alice").map(|user| user.tags.clone()), Some(vec![name("monitoring")]));
    let may = |user: &str, vhost: &str| topology.permissions(&name(user), &name(vhost)).is_some();
    assert!(may("alice", "dev1") && may("alice", "dev2") && may("guest", "d") && !may("alice", "d"));
}

/// The user of an import that makes the vhost too is the import's.
#[test]
fn a_user_made_together_with_a_vhost_is_not_made_again() {
    let world = under(beginnings());
    let password = PasswordHash::of(&model::Secret::new("own"), [1; 4]);
    let alice = Entry::SetUser { name: name("alice"), password, tags: Vec::new() };
    let entries = world.topology.with_beginnings(vec![alice.clone(), new_vhost("dev")]);
    let users: Vec<&Entry> = entries.iter().filter(|entry| matches!(entry, Entry::SetUser { .. })).collect();
    assert_eq!(users, [&alice]);
}

#[test]
fn a_quorum_queue_passes_for_a_classic_one_if_that_is_wanted() {
    let declared = |kind: &str, more: &[(&str, Value)]| {
        let mut arguments = vec![("x-queue-type", Value::text(kind))];
        arguments.extend(more.iter().cloned());
        DeclareQueue { durable: true, arguments: table(&arguments), ..queue("q") }
    };
    let length = |length: i32| [("x-max-length", Value::I32(length))];
    for is_wanted in [false, true] {
        let rules = NodeRules { quorum_passes_for_classic: is_wanted, ..NodeRules::default() };
        let mut world = under(rules);
        world.declare_queue(&declared("quorum", &length(5))).unwrap();
        let mut passes = |wish: DeclareQueue| world.declare_queue(&wish).is_ok();
        assert_eq!(passes(declared("classic", &length(5))), is_wanted);
        assert_eq!(passes(DeclareQueue { durable: false, ..declared("classic", &length(5)) }), is_wanted);
        assert_eq!(
            passes(DeclareQueue { arguments: table(&length(5)), ..declared("classic", &[]) }),
            is_wanted
        );
        assert!(!passes(declared("classic", &length(6))), "limits count");
        assert!(!passes(declared("stream", &[])), "it does not pass for a stream");
        assert!(passes(declared("quorum", &length(5))));
    }
}

/// What is tried out is tried under the same rules.
#[test]
fn a_trial_has_the_same_rules() {
    let world = under(NodeRules { default_queue_type: QueueKind::Quorum, ..NodeRules::default() });
    let trial = world.topology.trial().unwrap();
    assert_eq!(trial.default_queue_type(&VhostSettings::new(name("v"))), QueueKind::Quorum);
}

#[test]
fn types_can_be_switched_off() {
    let queue_types_off = vec![QueueKind::Stream, QueueKind::Classic];
    let mut world = under(NodeRules { queue_types_off, is_local_random_off: true, ..NodeRules::default() });
    let of_type = |kind: &str| {
        let mut wish = queue("q");
        wish.durable = true;
        wish.arguments.push("x-queue-type", Value::text(kind));
        wish
    };
    for kind in ["stream", "classic"] {
        let reason = format!("queues of type '{kind}' are disabled on this node");
        assert_eq!(world.declare_queue(&of_type(kind)), Err(Refusal::InvalidQueue { reason }));
    }
    assert!(world.declare_queue(&queue("q")).is_err(), "the type that is the default too");
    assert!(world.declare_queue(&of_type("quorum")).is_ok());
    let kind = name("x-local-random");
    let refused = Err(Refusal::UnknownExchangeType { kind: kind.clone() });
    assert_eq!(world.declare_exchange(&exchange("e", &kind)), refused);
    assert_eq!(world.declare_exchange(&exchange("e", "x-random")), Ok(true));
}
