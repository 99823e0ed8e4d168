//! Vhosts, users, policies and parameters: the wishes of operators.

use model::{Secret, command::DeclareQueue};
use serde_json::{Map, Value as Json, json};

use super::world::{World, name, queue};
use crate::{
    access::password::PasswordHash,
    topology::{
        AppliedPolicy, ApplyTo, Fact, Invalid, PermissionPatterns, Policy, PolicySide, QueueKind,
        TopicPatterns, Topology, UserLimits, VhostSettings,
    },
};

fn policy(of: &str, pattern: &str, priority: i64, definition: Json) -> Policy {
    let definition: Map<String, Json> = definition.as_object().unwrap().clone();
    Policy { name: name(of), pattern: pattern.to_owned(), apply_to: ApplyTo::All, priority, definition }
}

fn all() -> PermissionPatterns {
    PermissionPatterns { configure: ".*".to_owned(), write: ".*".to_owned(), read: ".*".to_owned() }
}

#[test]
fn a_vhost_goes_with_everything_in_it() {
    let mut world = World::new();
    let v = name("v");
    world.operate(|topology| topology.set_vhost(VhostSettings::new(v.clone()))).unwrap();
    world.operate(|topology| topology.set_permissions(&name("guest"), &v, all())).unwrap();
    let declared = world.topology.declare_queue(
        &v,
        &DeclareQueue { durable: true, ..queue("q") },
        super::world::ME,
        false,
    );
    match declared.unwrap() {
        crate::topology::Declared::Create(entry) => world.apply(entry),
        crate::topology::Declared::Exists(record) => panic!("{record:?}"),
    }
    let settings = VhostSettings { protected: true, ..VhostSettings::new(v.clone()) };
    world.operate(|topology| topology.set_vhost(settings)).unwrap();
    assert_eq!(
        world.operate(|topology| topology.delete_vhost(&v)),
        Err(Invalid::Protected { vhost: v.clone() })
    );
    world.operate(|topology| topology.set_vhost(VhostSettings::new(v.clone()))).unwrap();
    assert_eq!(world.topology.queues_of("v").count(), 1, "changed, not made anew");
    world.facts.clear();
    world.operate(|topology| topology.delete_vhost(&v)).unwrap();
    assert!(matches!(world.facts.first(), Some(Fact::QueueDeleted(record)) if &*record.name == "q"));
    assert!(matches!(world.facts.last(), Some(Fact::VhostDeleted { vhost }) if *vhost == v));
    assert_eq!(world.topology.permissions(&name("guest"), &v), None);
    let missing = Err(Invalid::NoVhost { vhost: v.clone() });
    assert_eq!(world.operate(|topology| topology.delete_vhost(&v)), missing);
    assert_eq!(
        world.operate(|topology| topology.set_vhost(VhostSettings::new(name("")))),
        Err(Invalid::EmptyName)
    );
}

#[test]
fn a_user_goes_with_its_permissions() {
    let mut world = World::new();
    let u = name("u");
    let (old, new) = (Secret::new("old"), Secret::new("new"));
    world
        .operate(|topology| topology.set_user(&u, PasswordHash::of(&old, [9; 4]), vec![name("monitoring")]))
        .unwrap();
    world.operate(|topology| topology.set_permissions(&u, &name("/"), all())).unwrap();
    let topic = TopicPatterns { write: "^a".to_owned(), read: ".*".to_owned() };
    world
        .operate(|topology| topology.set_topic_permissions(&u, &name("/"), &name("amq.topic"), topic))
        .unwrap();
    let limits = UserLimits { max_connections: Some(3), max_channels: None };
    world.operate(|topology| topology.set_user_limits(&u, limits)).unwrap();
    assert!(world.topology.authenticate("u", &old));
    world.operate(|topology| topology.set_user(&u, PasswordHash::of(&new, [8; 4]), Vec::new())).unwrap();
    assert!(world.topology.authenticate("u", &new) && !world.topology.authenticate("u", &old));
    let user = world.topology.user("u").unwrap();
    assert_eq!(user.limits, limits, "limits stay");
    assert!(!user.has_tag("monitoring"));
    world.operate(|topology| topology.delete_user(&u)).unwrap();
    assert!(!world.topology.authenticate("u", &new));
    assert_eq!(world.topology.all_topic_permissions().count(), 0);
    assert_eq!(world.topology.permissions(&u, &name("/")), None);
    assert_eq!(world.operate(|topology| topology.delete_user(&u)), Err(Invalid::NoUser { user: u.clone() }));
    // Made again, it has no permission of its namesake.
    world.operate(|topology| topology.set_user(&u, PasswordHash::of(&new, [8; 4]), Vec::new())).unwrap();
    assert!(world.topology.enter(&name("/"), &u).is_err());
}

#[test]
fn permissions_need_user_vhost_and_patterns() {
    let world = World::new();
    let (guest, root, nope) = (name("guest"), name("/"), name("nope"));
    let topology = &world.topology;
    let no_user = Err(Invalid::NoUser { user: nope.clone() });
    let no_vhost = Err(Invalid::NoVhost { vhost: nope.clone() });
    assert_eq!(topology.set_permissions(&nope, &root, all()).map(|_| ()), no_user);
    assert_eq!(topology.set_permissions(&guest, &nope, all()).map(|_| ()), no_vhost);
    let broken = PermissionPatterns { read: "*".to_owned(), ..all() };
    assert!(matches!(topology.set_permissions(&guest, &root, broken), Err(Invalid::Pattern(_))));
    let broken = TopicPatterns { write: ".*".to_owned(), read: "(".to_owned() };
    let refused = topology.set_topic_permissions(&guest, &root, &name("e"), broken);
    assert!(matches!(refused, Err(Invalid::Pattern(_))));
}

#[test]
fn policies_are_checked() {
    let mut world = World::new();
    let root = name("/");
    let mut set = |side, policy: Policy| world.operate(|topology| topology.set_policy(&root, side, policy));
    let user = PolicySide::User;
    let unknown = |key: &str| Err(Invalid::UnknownPolicyKey { key: key.to_owned() });
    let p = |definition| policy("p", "a", 0, definition);
    assert!(matches!(set(user, policy("p", "*", 0, json!({"max-length": 5}))), Err(Invalid::Pattern(_))));
    assert_eq!(set(user, p(json!({"foo": 5}))), unknown("foo"));
    assert_eq!(set(user, p(json!({}))), Err(Invalid::EmptyPolicy));
    let refusal = set(user, p(json!({"max-length": "a"}))).unwrap_err();
    assert_eq!(refusal.to_string(), "\"a\" is not a valid maximum length");
    assert_eq!(
        set(PolicySide::Operator, p(json!({"alternate-exchange": "a"}))),
        unknown("alternate-exchange")
    );
    for (definition, is_valid) in [
        (json!({"max-age": "1D"}), true),
        (json!({"max-age": "0D"}), false),
        (json!({"max-age": "1d"}), false),
        (json!({"max-age": "D"}), false),
        (json!({"expires": 0}), false),
        (json!({"message-ttl": 0}), true),
        (json!({"message-ttl": 315_360_000_001_u64}), false),
        (json!({"max-length": -1}), false),
        (json!({"max-length": 1.5}), false),
        (json!({"overflow": "reject-publish-dlx", "max-length": 0}), true),
        (json!({"overflow": "zz"}), false),
        (json!({"delivery-limit": -1}), true),
        (json!({"queue-master-locator": "min-masters"}), true),
        (json!({"queue-master-locator": "least-leaders"}), true),
        (json!({"queue-master-locator": "zz"}), false),
        (json!({"queue-leader-locator": "least-leaders"}), true),
        (json!({"queue-leader-locator": "min-masters"}), false),
        (json!({"initial-cluster-size": 0}), false),
        (json!({"federation-upstream": "a"}), true),
        (json!({"federation-upstream-set": "all"}), true),
        (json!({"federation-upstream-pattern": "^a"}), true),
        (json!({"federation-upstream": 5}), false),
        (json!({"federation-upstream": "a", "federation-upstream-set": "all"}), false),
    ] {
        assert_eq!(set(user, p(definition.clone())).is_ok(), is_valid, "{definition}");
    }
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(set(user, p(json!({"max-length": deep}))), Err(Invalid::TooDeep));
}

#[test]
fn a_policy_with_a_setting_the_type_cannot_have_does_not_apply() {
    let mut world = World::new();
    for (of, priority, definition) in [
        ("for-quorum", 9, json!({"delivery-limit": 3, "max-length": 9})),
        ("for-streams", 8, json!({"max-age": "1D", "max-length-bytes": 9})),
        ("for-classic", 7, json!({"queue-mode": "lazy"})),
        ("for-both", 6, json!({"max-length": 9})),
        ("for-all", 5, json!({"max-length-bytes": 9, "queue-version": 2})),
    ] {
        let policy = policy(of, "^q", priority, definition);
        world.operate(|topology| topology.set_policy(&name("/"), PolicySide::User, policy)).unwrap();
    }
    let of = |topology: &Topology, what| {
        topology.policy_of("/", PolicySide::User, what, "q").map(|policy| policy.name.to_string())
    };
    let of_kind = |topology: &Topology, kind| of(topology, AppliedPolicy::Queue(kind)).unwrap();
    assert_eq!(of_kind(&world.topology, QueueKind::Quorum), "for-quorum");
    assert_eq!(of_kind(&world.topology, QueueKind::Stream), "for-streams");
    assert_eq!(of_kind(&world.topology, QueueKind::Classic), "for-classic");
    assert_eq!(of(&world.topology, AppliedPolicy::Exchange).unwrap(), "for-quorum");
    for cleared in ["for-quorum", "for-streams", "for-classic"] {
        world
            .operate(|topology| topology.clear_policy(&name("/"), PolicySide::User, &name(cleared)))
            .unwrap();
    }
    assert_eq!(of_kind(&world.topology, QueueKind::Quorum), "for-both");
    assert_eq!(of_kind(&world.topology, QueueKind::Stream), "for-all");
}

#[test]
fn of_the_policies_that_match_the_highest_applies() {
    let mut world = World::new();
    let root = name("/");
    let definition = || json!({"max-length-bytes": 1});
    for (of, pattern, priority, apply_to) in [
        ("low", "^q", 0, ApplyTo::All),
        ("high", "^q1", 5, ApplyTo::Queues),
        ("exchanges", "^q1", 9, ApplyTo::Exchanges),
        ("streams", "^q1", 99, ApplyTo::Streams),
        ("also-high", "^q1", 5, ApplyTo::ClassicQueues),
    ] {
        let policy = Policy { apply_to, ..policy(of, pattern, priority, definition()) };
        world.operate(|topology| topology.set_policy(&root, PolicySide::User, policy)).unwrap();
    }
    let of = |what, of: &str| {
        let found = world.topology.policy_of("/", PolicySide::User, what, of);
        found.map(|policy| policy.name.to_string())
    };
    assert_eq!(of(AppliedPolicy::Queue(QueueKind::Classic), "q1").as_deref(), Some("also-high"));
    assert_eq!(of(AppliedPolicy::Queue(QueueKind::Classic), "q2").as_deref(), Some("low"));
    assert_eq!(of(AppliedPolicy::Queue(QueueKind::Stream), "q1").as_deref(), Some("streams"));
    assert_eq!(of(AppliedPolicy::Exchange, "q1").as_deref(), Some("exchanges"));
    assert_eq!(of(AppliedPolicy::Queue(QueueKind::Classic), "x"), None);
    world.operate(|topology| topology.clear_policy(&root, PolicySide::User, &name("low"))).unwrap();
    let missing = Err(Invalid::NotFound { name: name("low") });
    assert_eq!(
        world.operate(|topology| topology.clear_policy(&root, PolicySide::User, &name("low"))),
        missing
    );
}

#[test]
fn parameters_come_and_go() {
    let mut world = World::new();
    let (root, shovel, s) = (name("/"), name("shovel"), name("s"));
    world.operate(|topology| topology.set_parameter(&root, &shovel, &s, json!({"a": [1, 2.5]}))).unwrap();
    world.operate(|topology| topology.set_global_parameter(&name("cluster_name"), json!("c"))).unwrap();
    assert_eq!(world.topology.parameters("/").collect::<Vec<_>>(), [(&shovel, &s, &json!({"a": [1, 2.5]}))]);
    assert_eq!(world.topology.global_parameters().count(), 1);
    world.operate(|topology| topology.clear_parameter(&root, &shovel, &s)).unwrap();
    world.operate(|topology| topology.clear_global_parameter(&name("cluster_name"))).unwrap();
    assert_eq!(world.topology.parameters("/").count() + world.topology.global_parameters().count(), 0);
    let missing = Err(Invalid::NotFound { name: s.clone() });
    assert_eq!(world.operate(|topology| topology.clear_parameter(&root, &shovel, &s)), missing);
    let deep = (0..100).fold(json!(1), |inner, _| json!({"a": inner}));
    let refused = world.operate(|topology| topology.set_parameter(&root, &shovel, &s, deep));
    assert_eq!(refused, Err(Invalid::TooDeep));
}
