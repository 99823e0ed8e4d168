//! Who may do what: the table of permissions row by row, topic permissions, and what is remembered.

use model::{Secret, command::DeclareExchange};
use parking_lot::RwLock;

use super::{needs::Wish, *};
use crate::{
    access::password::PasswordHash,
    topology::{
        PermissionPatterns, TopicPatterns,
        tests::world::{World, exchange, name},
    },
};

fn patterns(configure: &str, write: &str, read: &str) -> PermissionPatterns {
    PermissionPatterns { configure: configure.to_owned(), write: write.to_owned(), read: read.to_owned() }
}

/// With a user `u` who has these permissions in `/`.
fn world(permissions: PermissionPatterns) -> World {
    let mut world = World::new();
    let u = name("u");
    let password = PasswordHash::of(&Secret::new("p"), [0; 4]);
    world.operate(|topology| topology.set_user(&u, password, Vec::new())).unwrap();
    world.operate(|topology| topology.set_permissions(&u, &name("/"), permissions)).unwrap();
    world
}

fn refused(permission: Permission, resource: Resource, of: &str) -> Refusal {
    let named = Named { resource, name: name(of), vhost: name("/") };
    Refusal::AccessRefused { permission, named, user: name("u") }
}

/// Each row: a wish, and what it needs in order. Every need is granted to all but one at a time.
#[test]
fn every_row_of_the_table_needs_each_of_its_permissions() {
    use Permission::{Configure, Read, Write};
    use Resource::{Exchange, Queue};
    type Row<'a> = (Wish<'a>, &'a [(Permission, Resource, &'a str)]);
    let rows: [Row<'_>; 12] = [
        (Wish::DeclareExchange { exchange: "x", alternate: None }, &[(Configure, Exchange, "x")]),
        (
            Wish::DeclareExchange { exchange: "x", alternate: Some("ae") },
            &[(Configure, Exchange, "x"), (Read, Exchange, "x"), (Write, Exchange, "ae")],
        ),
        (Wish::DeleteExchange { exchange: "x" }, &[(Configure, Exchange, "x")]),
        (Wish::DeclareQueue { queue: "q", dead_letter_exchange: None }, &[(Configure, Queue, "q")]),
        (
            Wish::DeclareQueue { queue: "q", dead_letter_exchange: Some("dlx") },
            &[(Configure, Queue, "q"), (Read, Queue, "q"), (Write, Exchange, "dlx")],
        ),
        (
            Wish::DeclareQueue { queue: "q", dead_letter_exchange: Some("") },
            &[(Configure, Queue, "q"), (Read, Queue, "q"), (Write, Exchange, "amq.default")],
        ),
        (Wish::DeleteQueue { queue: "q" }, &[(Configure, Queue, "q")]),
        (
            Wish::Bind { kind: Queue, destination: "q", source: "x" },
            &[(Write, Queue, "q"), (Read, Exchange, "x")],
        ),
        (
            Wish::Bind { kind: Exchange, destination: "y", source: "x" },
            &[(Write, Exchange, "y"), (Read, Exchange, "x")],
        ),
        (Wish::Publish { exchange: "x" }, &[(Write, Exchange, "x")]),
        (Wish::Publish { exchange: "" }, &[(Write, Exchange, "amq.default")]),
        (Wish::Read { queue: "q" }, &[(Read, Queue, "q")]),
    ];
    let (u, root) = (name("u"), name("/"));
    for (wish, needs) in rows {
        let outcome = |permissions: PermissionPatterns| {
            let topology = RwLock::new(world(permissions).topology);
            Granted::default().check_wish(&topology, (&u, &root), wish)
        };
        // Exactly what it needs is enough.
        let exactly = |wanted: Permission| {
            let names: Vec<String> = needs
                .iter()
                .filter(|(permission, ..)| *permission == wanted)
                .map(|(_, _, of)| of.replace('.', "\\."))
                .collect();
            if names.is_empty() { String::new() } else { format!("^({})$", names.join("|")) }
        };
        assert_eq!(
            outcome(patterns(&exactly(Configure), &exactly(Write), &exactly(Read))),
            Ok(()),
            "{wish:?}"
        );
        // All but one of what it needs is not.
        for (permission, resource, of) in needs {
            let but = |wanted: Permission| {
                if wanted == *permission {
                    format!("^(?!{of}$)", of = of.replace('.', "\\."))
                } else {
                    ".*".to_owned()
                }
            };
            let found = outcome(patterns(&but(Configure), &but(Write), &but(Read)));
            assert_eq!(found, Err(refused(*permission, *resource, of)), "{wish:?}");
        }
        // With nothing, the first need is named.
        let (permission, resource, of) = needs[0];
        assert_eq!(outcome(patterns("", "", "")), Err(refused(permission, resource, of)), "{wish:?}");
    }
}

#[test]
fn a_vhost_is_entered_with_permissions_in_it() {
    let world = world(patterns("", "", ""));
    let topology = &world.topology;
    assert_eq!(topology.enter(&name("/"), &name("u")), Ok(()), "even if they are for nothing");
    let no_vhost = Refusal::VhostNotFound { vhost: name("zz") };
    assert_eq!(topology.enter(&name("zz"), &name("u")), Err(no_vhost));
    let no_user = Refusal::VhostRefused { vhost: name("/"), user: name("nobody") };
    assert_eq!(topology.enter(&name("/"), &name("nobody")), Err(no_user));
}

#[test]
fn passwords_are_checked_for_users_that_exist_and_for_others() {
    let world = world(patterns("", "", ""));
    assert!(world.topology.authenticate("u", &Secret::new("p")));
    assert!(!world.topology.authenticate("u", &Secret::new("q")));
    assert!(!world.topology.authenticate("nobody", &Secret::new("p")));
    assert!(world.topology.authenticate("guest", &Secret::new("guest")));
}

#[test]
fn a_grant_is_remembered_until_permissions_change() {
    let mut world = world(patterns(".*", ".*", ".*"));
    let (u, root) = (name("u"), name("/"));
    let mut granted = Granted::default();
    let mut check = |topology: &RwLock<Topology>, of: &str| {
        granted.check(topology, (&u, &root), Permission::Write, Resource::Exchange, of)
    };
    let topology = RwLock::new(std::mem::take(&mut world.topology));
    assert_eq!(check(&topology, "e"), Ok(()));
    {
        // With the lock held by a writer, only what is remembered can be answered.
        let _locked = topology.write();
        assert_eq!(check(&topology, "e"), Ok(()));
    }
    // A declaration is no reason to look again; a permission is.
    let change = |world: &mut World, topology: &RwLock<Topology>, permissions: PermissionPatterns| {
        world.topology = std::mem::take(&mut *topology.write());
        world.operate(|topology| topology.set_permissions(&u, &root, permissions)).unwrap();
        *topology.write() = std::mem::take(&mut world.topology);
    };
    change(&mut world, &topology, patterns(".*", "^other$", ".*"));
    assert_eq!(check(&topology, "e"), Err(refused(Permission::Write, Resource::Exchange, "e")));
    assert_eq!(check(&topology, "other"), Ok(()));
    // Refusals are not remembered.
    change(&mut world, &topology, patterns(".*", ".*", ".*"));
    assert_eq!(check(&topology, "e"), Ok(()));
}

#[test]
fn grants_are_of_one_user_one_vhost_one_permission_and_one_thing() {
    let world = world(patterns("", "^same$", ""));
    let topology = RwLock::new(world.topology);
    let (u, guest, root) = (name("u"), name("guest"), name("/"));
    let mut granted = Granted::default();
    let mut check = |user: &Name, vhost: &Name, permission, resource, of: &str| {
        granted.check(&topology, (user, vhost), permission, resource, of).is_ok()
    };
    let (write, read) = (Permission::Write, Permission::Read);
    assert!(check(&u, &root, write, Resource::Exchange, "same"));
    assert!(check(&u, &root, write, Resource::Queue, "same"));
    assert!(!check(&u, &root, read, Resource::Exchange, "same"));
    assert!(!check(&u, &root, write, Resource::Exchange, "other"));
    assert!(check(&guest, &root, read, Resource::Exchange, "same"));
    assert!(!check(&u, &root, read, Resource::Exchange, "same"), "not because guest may");
    assert!(!check(&u, &name("zz"), write, Resource::Exchange, "same"));
    // More than are remembered are granted all the same.
    for at in 0..100 {
        assert!(check(&guest, &root, write, Resource::Queue, &format!("q{at}")));
        assert!(check(&guest, &root, write, Resource::Queue, "q0"));
    }
}

#[test]
fn the_default_exchange_has_a_name_of_its_own() {
    let world = world(patterns("", "^amq\\.default$", ""));
    let topology = RwLock::new(world.topology);
    let (u, root) = (name("u"), name("/"));
    let mut granted = Granted::default();
    for of in ["", "amq.default"] {
        assert_eq!(granted.check(&topology, (&u, &root), Permission::Write, Resource::Exchange, of), Ok(()));
    }
    // A queue with an empty name is nothing special.
    let refusal = granted.check(&topology, (&u, &root), Permission::Write, Resource::Queue, "");
    assert_eq!(refusal, Err(refused(Permission::Write, Resource::Queue, "")));
}

fn topic_world() -> World {
    let mut world = world(patterns(".*", ".*", ".*"));
    let topic = TopicPatterns { write: "^{username}\\.".to_owned(), read: "^{vhost}".to_owned() };
    let (u, root) = (name("u"), name("/"));
    for of in ["t", "d", "later"] {
        world
            .operate(|topology| topology.set_topic_permissions(&u, &root, &name(of), topic.clone()))
            .unwrap();
    }
    world.declare_exchange(&exchange("t", "topic")).unwrap();
    world.declare_exchange(&exchange("free", "topic")).unwrap();
    world.declare_exchange(&exchange("d", "direct")).unwrap();
    world
}

#[test]
fn topic_permissions_restrict_the_keys_of_topic_exchanges() {
    let topology = RwLock::new(topic_world().topology);
    let (u, guest, root) = (name("u"), name("guest"), name("/"));
    let mut granted = Granted::default();
    let refusal = |permission, key: &str| Refusal::TopicRefused {
        permission,
        routing_key: name(key),
        exchange: name("t"),
        vhost: name("/"),
        user: name("u"),
    };
    let mut check = |user: &Name, permission, of: &str, key: &str| {
        granted.check_topic(&topology, (user, &root), permission, &name(of), key.as_bytes())
    };
    let (write, read) = (Permission::Write, Permission::Read);
    for _ in 0..2 {
        assert_eq!(check(&u, write, "t", "u.x"), Ok(()));
        assert_eq!(check(&u, write, "t", "v.x"), Err(refusal(write, "v.x")));
        assert_eq!(check(&u, read, "t", "/x"), Ok(()));
        assert_eq!(check(&u, read, "t", "u.x"), Err(refusal(read, "u.x")));
    }
    for of in ["free", "d", "nope", ""] {
        assert_eq!(check(&u, write, of, "v.x"), Ok(()), "{of}");
    }
    assert_eq!(check(&guest, write, "t", "v.x"), Ok(()), "no topic permission: any key");
}

#[test]
fn a_topic_grant_ends_with_its_exchange_and_with_the_permission() {
    let mut world = topic_world();
    let (u, root, d) = (name("u"), name("/"), name("d"));
    let mut granted = Granted::default();
    let mut check = |world: &mut World, of: &str| {
        let topology = RwLock::new(std::mem::take(&mut world.topology));
        let outcome = granted.check_topic(&topology, (&u, &root), Permission::Write, &name(of), b"v.x");
        world.topology = topology.into_inner();
        outcome.is_ok()
    };
    assert!(check(&mut world, "d") && check(&mut world, "later"));
    // The same name, but a topic exchange now.
    world.delete_exchange("d", false).unwrap();
    world.declare_exchange(&exchange("d", "topic")).unwrap();
    world.declare_exchange(&DeclareExchange { durable: true, ..exchange("later", "topic") }).unwrap();
    assert!(!check(&mut world, "d") && !check(&mut world, "later"));
    world.operate(|topology| topology.clear_topic_permissions(&name("u"), &name("/"), Some(&d))).unwrap();
    assert!(check(&mut world, "d") && !check(&mut world, "later"));
    world.operate(|topology| topology.clear_topic_permissions(&name("u"), &name("/"), None)).unwrap();
    assert!(check(&mut world, "later"));
}

#[test]
fn keys_that_are_no_names_can_be_refused() {
    let topology = RwLock::new(topic_world().topology);
    let (u, root) = (name("u"), name("/"));
    let mut granted = Granted::default();
    for key in [vec![0xff; 10], vec![b'x'; 100_000], "ü".repeat(300).into_bytes()] {
        let refusal = granted.check_topic(&topology, (&u, &root), Permission::Write, &name("t"), &key);
        match refusal {
            Err(Refusal::TopicRefused { routing_key, .. }) => assert!(!routing_key.is_empty()),
            other => panic!("{other:?}"),
        }
    }
}
