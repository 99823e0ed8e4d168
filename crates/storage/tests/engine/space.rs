//! The way into a full disk and out of it: by settling alone, and with nothing lost.

use std::ops::RangeInclusive;
use std::sync::Arc;

use storage::disk::memory::MemoryDisk;
use storage::{Disk, Engine, Entry, Fault, LogId, ReadLimit};

use crate::world::{Dice, open, read_all, tiny};

const LOG: LogId = LogId(1);

/// An engine with a queue in it, and the program around it: it stops taking entries when it is told to.
struct Node {
    disk: MemoryDisk,
    engine: Engine,
    next: u64,
    dice: Dice,
}

impl Node {
    fn new(space: u64, seed: u64) -> Self {
        let disk = MemoryDisk::new();
        disk.set_space(Some(space));
        let (engine, _) = open(&disk, &tiny()).unwrap();
        Self { disk, engine, next: 0, dice: Dice(seed) }
    }

    fn is_alarmed(&self) -> bool {
        self.engine.is_short_of_space() || self.disk.free_bytes().unwrap() < self.engine.headroom_bytes()
    }

    fn append(&mut self) {
        let body = vec![self.next as u8; 100 + self.dice.below(900) as usize];
        let entry = Entry { index: self.next, expires_at_ms: 0, priority: 0, head: b"", body: &body };
        self.engine.stage().append(LOG, entry);
        self.next += 1;
    }

    fn housekeep(&self) {
        for _ in 0..20 {
            match self.engine.housekeep() {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => {
                    assert!(fault.is_full(), "{fault:?}");
                    assert!(self.engine.is_short_of_space());
                    return;
                }
            }
        }
    }

    /// Until the alarm, and a little further: what was under way is still taken.
    fn fill(&mut self) {
        while !self.is_alarmed() {
            self.append();
            if let Err(fault) = self.engine.flush() {
                assert!(fault.is_full(), "{fault:?}");
            }
            if self.dice.below(3) == 0 {
                self.housekeep();
            }
        }
        for _ in 0..self.dice.below(6) {
            self.append();
        }
    }

    fn settle(&self, range: RangeInclusive<u64>) -> Result<(), Fault> {
        self.engine.stage().settle(LOG, &[range]);
        self.engine.flush().map(|_| ())
    }

    fn entries(&self) -> usize {
        read_all(&self.engine, LOG.0, ReadLimit { entries: 50, bytes: u64::MAX }).unwrap().len()
    }
}

#[test]
fn consumers_lead_out_of_a_full_disk() {
    for space in (100 * 1024..600 * 1024).step_by(37 * 1024) {
        for seed in 0..8 {
            let mut node = Node::new(space, seed);
            node.fill();
            if seed % 2 == 1 {
                // Somebody else takes all that is left.
                node.disk.set_space(Some(node.disk.used()));
                node.housekeep();
            }
            let mut settled = 0;
            while settled < node.next {
                let upto = (settled + node.dice.below(9)).min(node.next - 1);
                node.settle(settled..=upto).unwrap();
                settled = upto + 1;
                node.housekeep();
            }
            assert_eq!(node.engine.staged_bytes(), 0);
            node.disk.set_space(Some(space));
            node.housekeep();
            assert!(!node.is_alarmed(), "space {space}, seed {seed}: {:?}", node.disk.list());
            node.append();
            node.engine.flush().unwrap();
            assert_eq!(node.entries(), 1);
        }
    }
}

#[test]
fn a_purge_leads_out_too_and_a_stop_on_a_full_disk_loses_nothing() {
    for seed in 0..20 {
        let mut node = Node::new(200 * 1024, seed);
        node.fill();
        node.disk.set_space(Some(node.disk.used()));
        node.engine.flush().unwrap();
        let held = node.entries();
        assert_eq!(held as u64, node.next);
        node.housekeep();
        if seed % 2 == 0 {
            node.settle(0..=node.next).unwrap();
            node.housekeep();
            assert!(node.disk.used() < 100 * 1024, "{:?}", node.disk.list());
        }
        let (is_purged, expect) = if seed % 2 == 0 { (true, 0) } else { (false, held) };
        let is_marked = node.engine.close(Vec::new()).unwrap();
        drop(node.engine);
        let (engine, recovered) = Engine::open(Arc::new(node.disk.clone()), tiny()).unwrap();
        assert_eq!(recovered.clean, is_marked);
        assert!(is_marked || !is_purged, "there is space again");
        let found = read_all(&engine, LOG.0, ReadLimit { entries: 50, bytes: u64::MAX }).unwrap().len();
        assert_eq!(found, expect);
    }
}

#[test]
fn files_stay_small_on_a_small_disk() {
    let mut node = Node::new(400 * 1024, 1);
    for _ in 0..200 {
        node.append();
        node.engine.flush().unwrap();
        let whole = 0..=node.next;
        node.settle(whole).unwrap();
        node.housekeep();
    }
    let largest = node.disk.list().unwrap().iter().map(|file| file.len).max().unwrap();
    assert!(largest <= 400 * 1024 / 16, "{largest}");
}
