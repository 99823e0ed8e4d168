//! Without faults: the engine holds what plain maps hold, through rotation, draining, merging and restarts.

use proptest::prelude::*;
use storage::LogId;

use crate::world::{World, open};

fn run(seed: u64, steps: usize) -> World {
    let mut world = World::new(seed);
    for step in 0..steps {
        world.step().unwrap();
        if step % 50 == 49 {
            world.flush().unwrap();
            world.check();
        }
        if step % 170 == 169 {
            world.flush().unwrap();
            let clean = world.dice.below(2) == 0;
            if clean {
                world.engine.close(vec![(LogId(1), 17)]).unwrap();
            }
            let (engine, recovered) = open(&world.disk, &world.options).unwrap();
            assert_eq!(recovered.clean, clean, "step {step}");
            if clean {
                let told = recovered.logs.iter().find(|log| log.id == LogId(1));
                assert!(told.is_none_or(|log| log.delivered_up_to == Some(17)));
            }
            assert_eq!(recovered.torn_tail, None);
            let disk = world.disk.clone();
            world.adopt(disk, engine, &recovered);
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_is_a_map(seed: u64) {
        run(seed, 600);
    }
}

#[test]
fn everything_happened() {
    let mut seen = storage::Counters::default();
    for seed in 0..60 {
        let world = run(seed, 169);
        let counters = world.engine.usage().counters;
        seen.drained_files += counters.drained_files;
        seen.merged_segments += counters.merged_segments;
        seen.copied_bytes += counters.copied_bytes;
        seen.segment_bytes_written += counters.segment_bytes_written;
    }
    assert!(seen.drained_files > 50, "{seen:?}");
    assert!(seen.merged_segments > 10, "{seen:?}");
    assert!(seen.copied_bytes > 1000, "{seen:?}");
    assert!(seen.segment_bytes_written > 1000, "{seen:?}");
}

#[test]
fn an_engine_with_nothing_live_needs_no_more_than_a_few_files() {
    let mut world = run(77, 500);
    for log in 1..world.next_log {
        world.stage_group(vec![crate::world::Change::Settle(log, 0..=u64::MAX)]);
    }
    world.flush().unwrap();
    while world.engine.housekeep().unwrap() {}
    world.check();
    let files = storage::Disk::list(&world.disk).unwrap();
    let strays: Vec<_> = files
        .iter()
        .filter(|file| file.name.starts_with("segment-") || file.name.starts_with("spill-"))
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
}
