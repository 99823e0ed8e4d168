//! Changes of the metadata that belong together: a crash leaves all of them or none.

use std::{collections::BTreeSet, sync::Arc};

use broker::{
    Settings,
    access::pattern::Pattern,
    topology::{Entry, NewVhosts, NodeRules, VhostLimits, VhostSettings},
};
use model::Refusal;
use storage::Options;

use crate::{
    wish::name,
    world::{World, small_log},
};

const VHOSTS: usize = 100;

/// Writes that take much less than an import has.
fn small_writes() -> Options {
    Options { batch_bytes_max: 4096, ..small_log() }
}

/// As an import of definitions would make them.
fn vhosts() -> Vec<Entry> {
    let named = |number: usize| name(&format!("{number:03} {}", "x".repeat(200)));
    (0..VHOSTS).map(|number| Entry::SetVhost(VhostSettings::new(named(number)))).collect()
}

#[test]
fn after_a_crash_all_is_there_or_nothing() {
    let mut seen = BTreeSet::new();
    for operations in 0..12 {
        for seed in 0..4 {
            let disk = World::new().disk;
            let world = World::open_with(disk, Settings::default(), small_writes()).unwrap();
            let before = world.broker.topology().read().vhosts().count();
            world.disk.power_off_after(operations);
            world.broker.change_all(None, 0, |_| Ok::<_, Refusal>(vhosts())).unwrap();
            let _ = world.try_flush();
            let disk = world.disk.reboot(seed, 512);
            let world = World::open_with(disk, Settings::default(), small_writes()).unwrap();
            let more = world.broker.topology().read().vhosts().count() - before;
            assert!(
                more == 0 || more == VHOSTS,
                "{more} of {VHOSTS} after {operations} operations, seed {seed}"
            );
            seen.insert(more);
        }
    }
    assert_eq!(seen, BTreeSet::from([0, VHOSTS]), "the power went in the midst of it");
}

/// A vhost and what it begins with are there together, or neither; it keeps that under another configuration.
#[test]
fn a_vhost_is_never_without_what_it_begins_with() {
    let mut seen = BTreeSet::new();
    for operations in 0..8 {
        for seed in 0..4 {
            let limits = VhostLimits { max_queues: Some(5), max_connections: None };
            let new_vhosts =
                NewVhosts { limits: vec![(Pattern::parse("^dev").unwrap(), limits)], ..NewVhosts::default() };
            let rules = Arc::new(NodeRules { new_vhosts, ..NodeRules::default() });
            let world = World::with(Settings { node_rules: rules, ..Settings::default() });
            world.disk.power_off_after(operations);
            let made = |_: &_| Ok::<_, Refusal>(Some(Entry::SetVhost(VhostSettings::new(name("dev")))));
            world.broker.change(0, made).unwrap();
            let _ = world.try_flush();
            let world = World::open(world.disk.reboot(seed, 512), Settings::default()).unwrap();
            let topology = world.broker.topology().read();
            let is_there = topology.vhosts().any(|vhost| &*vhost.name == "dev");
            assert_eq!(topology.vhost_limits("dev") == limits, is_there);
            seen.insert(is_there);
        }
    }
    assert_eq!(seen, BTreeSet::from([false, true]));
}
