//! Changes of the metadata that belong together: a crash leaves all of them or none.

use std::collections::BTreeSet;

use broker::{
    Settings,
    topology::{Entry, VhostSettings},
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
