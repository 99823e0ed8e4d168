//! Crashes at every write boundary: the power goes off at each operation of a workload in turn, unsynced sectors survive
//! or not as the dice say, and what is recovered must keep every promise. Then work goes on and the power goes off again.

use std::ops::RangeInclusive;

use storage::disk::memory::MemoryDisk;

use crate::world::{Dice, World, open};

const STEPS: usize = 140;

/// Works until the power is off or the steps are over.
fn work(world: &mut World, steps: usize) {
    for _ in 0..steps {
        if world.step().is_err() {
            assert!(world.disk.is_off(), "only the power fails here");
            return;
        }
    }
}

/// Recovers from the disk as it is after the power cut, with further cuts in the midst of recovery.
fn recover(world: &mut World, dice: &mut Dice, sector: usize) {
    let mut disk = world.disk.reboot(dice.below(u64::MAX), sector);
    loop {
        let is_cut_again = dice.below(4) == 0;
        if is_cut_again {
            disk.power_off_after(1 + dice.below(6));
        }
        match open(&disk, &world.options) {
            Ok((engine, recovered)) if !disk.is_off() => {
                if is_cut_again {
                    // The cut that was meant for recovery must not hit what follows unseen.
                    drop(engine);
                    disk = disk.restart();
                    let (engine, recovered) = open(&disk, &world.options).unwrap();
                    world.adopt(disk, engine, &recovered);
                } else {
                    world.adopt(disk, engine, &recovered);
                }
                return;
            }
            result => {
                assert!(result.is_ok() || disk.is_off(), "{:?}", result.err());
                disk = disk.reboot(dice.below(u64::MAX), sector);
            }
        }
    }
}

fn crash_at(seed: u64, operation: u64, sector: usize) {
    let mut world = World::new(seed);
    let mut dice = Dice(seed ^ (operation << 20) ^ sector as u64);
    world.disk.power_off_after(operation);
    work(&mut world, STEPS);
    recover(&mut world, &mut dice, sector);
    for _ in 0..2 {
        world.disk.power_off_after(1 + dice.below(120));
        work(&mut world, STEPS);
        recover(&mut world, &mut dice, sector);
    }
    // What is left is a whole engine.
    work(&mut world, 30);
    world.flush().unwrap();
    world.check();
}

fn operations(seed: u64) -> u64 {
    let mut world = World::new(seed);
    let before = world.disk.operations();
    work(&mut world, STEPS);
    world.disk.operations() - before
}

fn crash_everywhere(seed: u64) {
    for operation in 1..=operations(seed) {
        for sector in [512, 4096] {
            crash_at(seed, operation, sector);
        }
    }
}

/// Other seeds than those below: `STORAGE_SEEDS=100-200 cargo test --release -p storage --test engine power_cut`.
fn other_seeds() -> Option<RangeInclusive<u64>> {
    let text = std::env::var("STORAGE_SEEDS").ok()?;
    let (from, to) = text.split_once('-')?;
    Some(from.parse().ok()?..=to.parse().ok()?)
}

#[test]
fn power_cut_at_every_operation_1() {
    other_seeds().unwrap_or(1..=4).for_each(crash_everywhere);
}

#[test]
fn power_cut_at_every_operation_2() {
    if other_seeds().is_none() {
        (5..=8).for_each(crash_everywhere);
    }
}

#[test]
fn the_first_start_survives_every_cut() {
    let whole = MemoryDisk::new();
    open(&whole, &crate::world::tiny()).unwrap();
    for operation in 1..=whole.operations() {
        for seed in 0..20 {
            let disk = MemoryDisk::new();
            disk.power_off_after(operation);
            assert!(open(&disk, &crate::world::tiny()).is_err());
            let disk = disk.reboot(seed, 512);
            let (engine, recovered) = open(&disk, &crate::world::tiny()).unwrap();
            assert!(recovered.logs.is_empty() && recovered.damaged.is_empty());
            let mut world = World::on(disk, engine, crate::world::tiny(), seed);
            work(&mut world, 40);
            world.flush().unwrap();
            world.check();
        }
    }
}

#[test]
fn a_process_that_dies_loses_only_what_was_staged() {
    for seed in 0..30 {
        let mut world = World::new(seed);
        for _ in 0..5 {
            work(&mut world, 60);
            let disk = world.disk.restart();
            let (engine, recovered) = open(&disk, &world.options).unwrap();
            assert!(!recovered.clean);
            world.adopt(disk, engine, &recovered);
        }
    }
}
