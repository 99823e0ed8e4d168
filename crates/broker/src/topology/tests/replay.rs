//! Log, snapshot and state agree, whatever happened.

use model::{
    Name, Value,
    command::{Binding, DeclareExchange, DeclareQueue},
};
use proptest::prelude::*;
use serde_json::json;

use super::world::{World, exchange, name, queue, table, to_exchange, to_queue};
use crate::{
    access::password::PasswordHash,
    topology::{
        ApplyTo, Entry, Meta, PermissionPatterns, Policy, PolicySide, SnapshotError, TopicPatterns, Topology,
        UserLimits, VhostLimits,
    },
};

/// A wish out of a small world, so that wishes meet.
#[derive(Clone, Debug)]
enum Wish {
    Exchange { at: usize, durable: bool, auto_delete: bool, alternate: Option<usize> },
    DropExchange { at: usize, if_unused: bool },
    Queue { at: usize, durable: bool, exclusive: bool },
    DropQueue { at: usize },
    Bind { source: usize, to_queue: bool, destination: usize, key: usize, argument: Option<i8> },
    Unbind { source: usize, to_queue: bool, destination: usize, key: usize, argument: Option<i8> },
    Policy { at: usize, alternate: usize },
    DropPolicy { at: usize },
    Permissions { clear: bool },
    User { at: usize, clear: bool },
    Restart,
}

const EXCHANGES: [&str; 5] = ["a", "b", "c", "d", "amq.topic"];
const QUEUES: [&str; 4] = ["q", "r", "s", "t"];
const KEYS: [&str; 3] = ["k", "a.*", ""];
/// One exchange of each name is always of the same type, so that most declarations fit.
const KINDS: [&str; 5] = ["direct", "fanout", "topic", "headers", "topic"];

fn wish() -> impl Strategy<Value = Wish> {
    let bind = || (0..5_usize, any::<bool>(), 0..5_usize, 0..3_usize, prop::option::of(0..2_i8));
    prop_oneof![
        3 => (0..4_usize, any::<bool>(), any::<bool>(), prop::option::of(0..5_usize))
            .prop_map(|(at, durable, auto_delete, alternate)| Wish::Exchange { at, durable, auto_delete, alternate }),
        1 => (0..5_usize, any::<bool>()).prop_map(|(at, if_unused)| Wish::DropExchange { at, if_unused }),
        3 => (0..4_usize, any::<bool>(), any::<bool>())
            .prop_map(|(at, durable, exclusive)| Wish::Queue { at, durable, exclusive }),
        1 => (0..4_usize).prop_map(|at| Wish::DropQueue { at }),
        6 => bind().prop_map(|(source, to_queue, destination, key, argument)| {
            Wish::Bind { source, to_queue, destination, key, argument }
        }),
        2 => bind().prop_map(|(source, to_queue, destination, key, argument)| {
            Wish::Unbind { source, to_queue, destination, key, argument }
        }),
        1 => (0..5_usize, 0..5_usize).prop_map(|(at, alternate)| Wish::Policy { at, alternate }),
        1 => (0..5_usize).prop_map(|at| Wish::DropPolicy { at }),
        1 => any::<bool>().prop_map(|clear| Wish::Permissions { clear }),
        1 => (0..2_usize, any::<bool>()).prop_map(|(at, clear)| Wish::User { at, clear }),
        1 => Just(Wish::Restart),
    ]
}

fn binding(source: usize, is_queue: bool, destination: usize, key: usize, argument: Option<i8>) -> Binding {
    let bare = if is_queue {
        to_queue(EXCHANGES[source], QUEUES[destination % QUEUES.len()], KEYS[key])
    } else {
        to_exchange(EXCHANGES[source], EXCHANGES[destination], KEYS[key])
    };
    let arguments = argument.map(|value| table(&[("h", Value::I8(value)), ("a", Value::F32(0.5))]));
    Binding { arguments: arguments.unwrap_or_default(), ..bare }
}

/// Carries out a wish; whether it was refused is of no interest here.
fn carry_out(world: &mut World, wish: Wish) {
    let root = name("/");
    match wish {
        Wish::Exchange { at, durable, auto_delete, alternate } => {
            let fields: Vec<(&str, Value)> =
                alternate.map(|at| ("alternate-exchange", Value::text(EXCHANGES[at]))).into_iter().collect();
            let bare = exchange(EXCHANGES[at], KINDS[at]);
            let wish = DeclareExchange { durable, auto_delete, arguments: table(&fields), ..bare };
            let _ = world.declare_exchange(&wish);
        }
        Wish::DropExchange { at, if_unused } => {
            let _ = world.delete_exchange(EXCHANGES[at], if_unused);
        }
        Wish::Queue { at, durable, exclusive } => {
            let arguments =
                table(&[("x-max-length", Value::U8(7)), ("x-odd", Value::Array(vec![Value::F64(0.1)]))]);
            let _ = world.declare_queue(&DeclareQueue { durable, exclusive, arguments, ..queue(QUEUES[at]) });
        }
        Wish::DropQueue { at } => {
            world.delete_queue(QUEUES[at]);
        }
        Wish::Bind { source, to_queue, destination, key, argument } => {
            let _ = world.bind(&binding(source, to_queue, destination, key, argument));
        }
        Wish::Unbind { source, to_queue, destination, key, argument } => {
            let _ = world.unbind(&binding(source, to_queue, destination, key, argument));
        }
        Wish::Policy { at, alternate } => {
            let mut definition = serde_json::Map::new();
            definition.insert("alternate-exchange".to_owned(), json!(EXCHANGES[alternate]));
            let pattern = format!("^{}$", EXCHANGES[at]);
            let policy = Policy {
                name: name(EXCHANGES[at]),
                pattern,
                apply_to: ApplyTo::All,
                priority: 0,
                definition,
            };
            world.operate(|topology| topology.set_policy(&root, PolicySide::User, policy)).unwrap();
        }
        Wish::DropPolicy { at } => {
            let _ = world
                .operate(|topology| topology.clear_policy(&root, PolicySide::User, &name(EXCHANGES[at])));
        }
        Wish::Permissions { clear } => {
            let guest = name("guest");
            let patterns = || PermissionPatterns {
                configure: "^a".to_owned(),
                write: String::new(),
                read: ".*".to_owned(),
            };
            let set = |topology: &Topology| topology.set_permissions(&guest, &root, patterns());
            let unset = |topology: &Topology| topology.clear_permissions(&guest, &root);
            if clear { world.operate(unset).unwrap() } else { world.operate(set).unwrap() }
        }
        Wish::User { at, clear } => change_user(world, name(["u", "v"][at]), clear),
        Wish::Restart => {
            world.topology = world.replayed();
            world.apply(Entry::Started);
        }
    }
}

fn change_user(world: &mut World, user: Name, clear: bool) {
    if clear {
        let _ = world.operate(|topology| topology.delete_user(&user));
        return;
    }
    let root = name("/");
    let password = PasswordHash::of(&model::Secret::new("p"), [7; 4]);
    let topic = TopicPatterns { write: "{username}".to_owned(), read: ".*".to_owned() };
    let limits = UserLimits { max_connections: Some(2), max_channels: None };
    world.operate(|topology| topology.set_user(&user, password, vec![name("t")])).unwrap();
    world.operate(|topology| topology.set_user_limits(&user, limits)).unwrap();
    world.operate(|topology| topology.set_topic_permissions(&user, &root, &name("a"), topic)).unwrap();
}

proptest! {
    #[test]
    fn log_and_snapshot_hold_the_durable_part(wishes in prop::collection::vec(wish(), 1..60), cut in 0..60_usize) {
        let mut world = World::new();
        let mut early = None;
        for (at, wish) in wishes.into_iter().enumerate() {
            if at == cut {
                early = Some((world.topology.snapshot(), world.log.len()));
            }
            carry_out(&mut world, wish);
            // Whatever was applied: its durable part is what the log alone gives.
            prop_assert_eq!(text(&world.topology), text(&world.replayed()));
        }
        let restored = Topology::from_snapshot(&world.topology.snapshot()).unwrap();
        prop_assert_eq!(text(&restored), text(&world.topology));
        // A snapshot and the rest of the log give the same again.
        if let Some((bytes, entries)) = early {
            let mut topology = Topology::from_snapshot(&bytes).unwrap();
            for (meta, entry) in &world.log[entries..] {
                topology.apply(*meta, entry.clone(), &mut Vec::new());
            }
            prop_assert_eq!(text(&topology), text(&world.topology));
        }
    }

    #[test]
    fn entries_survive_the_log_exactly(wishes in prop::collection::vec(wish(), 1..30)) {
        let mut world = World::new();
        for wish in wishes {
            carry_out(&mut world, wish);
        }
        for (_, entry) in &world.log {
            let text = serde_json::to_string(entry).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Entry>(&text).unwrap(), entry);
        }
    }

    #[test]
    fn a_damaged_snapshot_is_an_error_or_a_topology(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = rich().topology.snapshot();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        // Never a panic; which of both is for a checksum to say.
        let _ = Topology::from_snapshot(&bytes).map(|topology| topology.snapshot());
    }
}

fn text(topology: &Topology) -> String {
    String::from_utf8(topology.snapshot()).unwrap()
}

/// One of everything.
fn rich() -> World {
    let mut world = World::new();
    for wish in [
        Wish::Exchange { at: 0, durable: true, auto_delete: false, alternate: Some(1) },
        Wish::Queue { at: 0, durable: true, exclusive: false },
        Wish::Queue { at: 1, durable: true, exclusive: true },
        Wish::Bind { source: 0, to_queue: true, destination: 0, key: 0, argument: Some(1) },
        Wish::Bind { source: 0, to_queue: true, destination: 1, key: 0, argument: None },
        Wish::Policy { at: 1, alternate: 2 },
        Wish::User { at: 0, clear: false },
    ] {
        carry_out(&mut world, wish);
    }
    let root = name("/");
    let limits = VhostLimits { max_queues: Some(9), max_connections: Some(0) };
    world.operate(|topology| topology.set_vhost_limits(&root, limits)).unwrap();
    world
        .operate(|topology| topology.set_parameter(&root, &name("shovel"), &name("s"), json!({"x": 0.1})))
        .unwrap();
    world.operate(|topology| topology.set_global_parameter(&name("cluster_name"), json!("c"))).unwrap();
    world
}

#[test]
fn nothing_transient_is_in_a_snapshot() {
    let world = rich();
    let restored = Topology::from_snapshot(&world.topology.snapshot()).unwrap();
    assert_eq!(world.topology.queues().count(), 2);
    let kept: Vec<_> = restored.queues().collect();
    assert_eq!(kept.len(), 1);
    let original = world.topology.find_queue("/", "q").unwrap();
    assert_eq!(kept[0], original, "id, arguments and time of making included");
    assert_eq!(restored.bindings("/").count(), 1);
    assert_eq!(world.topology.bindings("/").count(), 2);
    assert_eq!(restored.vhost_limits("/"), world.topology.vhost_limits("/"));
    assert_eq!(restored.user("u"), world.topology.user("u"));
}

#[test]
fn a_snapshot_that_cannot_be_read_says_where() {
    let bytes = rich().topology.snapshot();
    let whole = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    // Cut off at the end of a line.
    let cut = lines[..lines.len() - 1].join("\n");
    assert!(matches!(Topology::from_snapshot(cut.as_bytes()), Err(SnapshotError::Count { .. })));
    // Cut off within one.
    let within = &whole[..whole.len() - 10];
    let error = Topology::from_snapshot(within.as_bytes()).unwrap_err();
    let begin = whole.trim_end().rfind('\n').unwrap() + 1;
    assert!(
        matches!(error, SnapshotError::Malformed { line, byte, .. } if line == lines.len() as u64 && byte == begin),
        "{error}"
    );
    // Something else altogether, or nothing.
    for rubbish in ["", "\n", "[]", "{}\n", "{\"harefoot_topology\":\"one\"}"] {
        let error = Topology::from_snapshot(rubbish.as_bytes()).unwrap_err();
        assert!(
            matches!(error, SnapshotError::Malformed { line: 0 | 1, byte: 0, .. }),
            "{rubbish:?}: {error}"
        );
    }
    let newer = "{\"harefoot_topology\":2,\"something\":\"else\"}\n";
    let error = Topology::from_snapshot(newer.as_bytes()).unwrap_err();
    assert!(matches!(error, SnapshotError::Version { found: 2 }));
    // An exchange type that this version does not have is not passed over.
    let unknown = whole.replace("\"kind\":\"direct\"", "\"kind\":\"x-new\"");
    assert_ne!(unknown, whole);
    let error = Topology::from_snapshot(unknown.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("unknown exchange type 'x-new'"), "{error}");
}

#[test]
fn a_line_has_a_limit() {
    let long = vec![b' '; 16 * 1024 * 1024 + 1];
    assert!(matches!(Topology::from_snapshot(&long), Err(SnapshotError::TooLong { line: 1, byte: 0 })));
}

/// The form of an entry is a promise to every later version.
#[test]
fn entries_have_the_form_of_the_documentation() {
    for (entry, text) in [
        (Entry::Started, r#""started""#),
        (
            Entry::CreateQueue {
                id: None,
                vhost: name("/"),
                name: name("q"),
                durable: true,
                auto_delete: false,
                exclusive_owner: None,
                kind: crate::topology::QueueKind::Classic,
                arguments: table(&[("x-max-length", Value::I32(5))]),
            },
            r#"{"create_queue":{"vhost":"/","name":"q","durable":true,"auto_delete":false,"kind":"classic","arguments":[["x-max-length",{"signedint":5}]]}}"#,
        ),
        (
            Entry::SetUser {
                name: name("u"),
                password: PasswordHash::of(&model::Secret::new("p"), [0; 4]),
                tags: vec![name("administrator")],
            },
            r#"{"set_user":{"name":"u","password":{"hashing_algorithm":"rabbit_password_hashing_sha256","password_hash":"AAAAAGRzSo/hvLBEGCjT/oa5khu0AyihPhN9ZskqQpdTWkUX"},"tags":["administrator"]}}"#,
        ),
        (
            Entry::CreateExchange {
                vhost: name("/"),
                name: name("e"),
                kind: crate::route::Kind::TOPIC,
                durable: true,
                auto_delete: false,
                internal: false,
                arguments: table(&[]),
                delay_queue: None,
            },
            r#"{"create_exchange":{"vhost":"/","name":"e","kind":"topic","durable":true,"auto_delete":false,"internal":false,"arguments":[]}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
        assert_eq!(serde_json::from_str::<Entry>(text).unwrap(), entry);
    }
    assert!(serde_json::from_str::<Entry>(r#"{"delete_user":{"name":"u","also":1}}"#).is_err());
    assert!(serde_json::from_str::<Entry>(r#"{"something_new":{}}"#).is_err());
}

#[test]
fn the_clock_of_the_log_is_recorded() {
    let mut world = World::new();
    let meta = Meta { index: 77, now_ms: 1_700_000_000_123 };
    let wish = DeclareQueue { durable: true, ..queue("q") };
    match world.topology.declare_queue(&name("/"), &wish, super::world::ME, false).unwrap() {
        crate::topology::Declared::Create(entry) => world.topology.apply(meta, entry, &mut world.facts),
        crate::topology::Declared::Exists(record) => panic!("{record:?}"),
    }
    let restored = Topology::from_snapshot(&world.topology.snapshot()).unwrap();
    assert_eq!(restored.find_queue("/", "q").unwrap().meta, meta);
}
