//! The order of a queue against a list that does the same the simple way.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Publish {
        stored: bool,
    },
    Take,
    /// Settles the n-th unsettled message.
    Settle(usize),
    /// Requeues every n-th unsettled message.
    Requeue(usize),
    Purge,
    Evict {
        window: u64,
        flushed: u64,
    },
    Spill,
    Load {
        entries: usize,
    },
    /// Everything leaves memory, as a restart makes it.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(|stored| Step::Publish { stored }),
        4 => Just(Step::Take),
        2 => (0usize..8).prop_map(Step::Settle),
        2 => (1usize..4).prop_map(Step::Requeue),
        1 => Just(Step::Purge),
        4 => (0u64..200, 0u64..60).prop_map(|(window, flushed)| Step::Evict { window, flushed }),
        2 => Just(Step::Spill),
        4 => (1usize..6).prop_map(|entries| Step::Load { entries }),
        1 => Just(Step::Restart),
    ]
}

/// A queue as anybody would write it, and the storage beside it.
#[derive(Default)]
struct Naive {
    next: u64,
    ready: BTreeMap<u64, bool>,
    unsettled: BTreeMap<u64, Place>,
    stored: BTreeMap<u64, Arc<Message>>,
    spilled: BTreeMap<u64, Arc<Message>>,
    delivered_below: u64,
}

fn message(seq: u64) -> Arc<Message> {
    Arc::new(Message::new(b"", b"q", &[0, 0], &seq.to_be_bytes()).unwrap())
}

fn size_of_message(seq: u64) -> u64 {
    message(seq).bytes() as u64
}

fn number(message: &Message) -> u64 {
    u64::from_be_bytes(message.body().try_into().unwrap())
}

impl Naive {
    fn step(&mut self, fifo: &mut Fifo, step: Step) {
        match step {
            Step::Publish { stored } => {
                let message = message(self.next);
                assert_eq!(fifo.next_seq(), self.next);
                self.ready.insert(self.next, false);
                if stored {
                    self.stored.insert(self.next, Arc::clone(&message));
                }
                fifo.enqueue(message, if stored { Place::Log(Lsn(self.next)) } else { Place::Memory });
                self.next += 1;
            }
            Step::Take => self.take(fifo),
            Step::Settle(n) => {
                if let Some(seq) = self.unsettled.keys().nth(n).copied() {
                    fifo.settle(message(seq).bytes() as u64);
                    self.forget(seq);
                }
            }
            Step::Requeue(n) => self.requeue(fifo, n),
            Step::Purge => {
                let (amount, ranges) = fifo.purge();
                assert_eq!(amount.messages, self.ready.len() as u64);
                for seq in std::mem::take(&mut self.ready).into_keys() {
                    let is_stored = self.stored.contains_key(&seq) || self.spilled.contains_key(&seq);
                    assert!(
                        !is_stored || ranges.iter().any(|range| range.contains(&seq)),
                        "{seq} stays in storage"
                    );
                }
                for seq in self.unsettled.keys() {
                    assert!(!ranges.iter().any(|range| range.contains(seq)), "{seq} is unsettled and purged");
                }
                self.stored.retain(|seq, _| self.unsettled.contains_key(seq));
                self.spilled.retain(|seq, _| self.unsettled.contains_key(seq));
            }
            Step::Evict { window, flushed } => fifo.evict(window, Lsn(flushed)),
            Step::Spill => {
                let entries = fifo.spillable(200);
                self.spilled.extend(entries.iter().cloned());
                for gone in fifo.spilled(&entries) {
                    self.spilled.remove(&gone);
                }
            }
            Step::Load { entries } => self.load(fifo, entries),
            Step::Restart => self.restart(fifo),
        }
    }

    fn take(&mut self, fifo: &mut Fifo) {
        match fifo.head() {
            Head::Empty => assert!(self.ready.is_empty()),
            Head::OnDisk(_) => assert!(fifo.take().is_none()),
            Head::Ready => {
                let parcel = fifo.take().unwrap();
                let (seq, redelivered) = self.ready.pop_first().unwrap();
                assert_eq!((parcel.seq, number(&parcel.message)), (seq, seq));
                assert_eq!(parcel.redelivered, redelivered);
                self.unsettled.insert(seq, parcel.place);
                self.delivered_below = self.delivered_below.max(seq + 1);
            }
        }
    }

    fn requeue(&mut self, fifo: &mut Fifo, n: usize) {
        let back: Vec<u64> = self.unsettled.keys().step_by(n).copied().collect();
        let entries = back.iter().rev().map(|seq| {
            let place = self.unsettled[seq];
            // What can be read again need not be kept.
            let message = (!place.is_stored()).then(|| message(*seq));
            Entry { seq: *seq, bytes: size_of_message(*seq), redelivered: false, place, message }
        });
        fifo.requeue(entries.collect());
        for seq in back {
            self.unsettled.remove(&seq);
            self.ready.insert(seq, true);
        }
    }

    fn load(&mut self, fifo: &mut Fifo, count: usize) {
        let Some((from, cold_to)) = fifo.next_on_disk() else { return };
        let mut all = self.stored.clone();
        all.extend(self.spilled.clone());
        let entries: Vec<_> = all.into_iter().filter(|(seq, _)| *seq >= from).take(count).collect();
        let is_exhausted = entries.is_empty();
        assert_eq!(fifo.load(Read { from, cold_to, entries, is_exhausted }), 0, "nothing is missing");
    }

    fn restart(&mut self, fifo: &mut Fifo) {
        self.spilled.clear();
        let delivered_below = self.delivered_below;
        self.ready = self.stored.keys().map(|seq| (*seq, *seq < delivered_below)).collect();
        self.unsettled.clear();
        let bytes = self.stored.values().map(|message| message.bytes() as u64).sum();
        let first = self.stored.keys().next().copied().unwrap_or(self.next);
        *fifo = Fifo::new(Recovered {
            first,
            next: self.next,
            messages: self.stored.len() as u64,
            bytes,
            delivered_below,
        });
    }

    fn forget(&mut self, seq: u64) {
        self.unsettled.remove(&seq);
        self.stored.remove(&seq);
        self.spilled.remove(&seq);
    }

    fn check(&self, fifo: &Fifo) {
        assert_eq!(fifo.ready().messages, self.ready.len() as u64);
        assert_eq!(fifo.unsettled().messages, self.unsettled.len() as u64);
        let bytes: u64 = self.ready.keys().map(|seq| message(*seq).bytes() as u64).sum();
        assert_eq!(fifo.ready().bytes, bytes);
        assert_eq!(fifo.head() == Head::Empty, self.ready.is_empty());
        assert!(fifo.resident() <= bytes);
    }
}

proptest! {
    #[test]
    fn a_queue_does_what_a_list_does(steps in proptest::collection::vec(step(), 1..120)) {
        let mut naive = Naive { next: 1, delivered_below: 0, ..Naive::default() };
        let mut fifo = Fifo::new(Recovered { next: 1, first: 1, ..Recovered::default() });
        for step in steps {
            naive.step(&mut fifo, step);
            naive.check(&fifo);
        }
        // In the end everything ready comes out, in order.
        while fifo.head() != Head::Empty {
            naive.load(&mut fifo, 3);
            naive.take(&mut fifo);
        }
        prop_assert!(naive.ready.is_empty());
    }
}

#[test]
fn what_storage_lost_is_counted_and_not_waited_for() {
    let mut fifo = Fifo::new(Recovered { first: 1, next: 6, messages: 5, bytes: 50, delivered_below: 0 });
    let read = |from, entries: Vec<u64>, is_exhausted| Read {
        from,
        cold_to: 6,
        entries: entries.into_iter().map(|seq| (seq, message(seq))).collect(),
        is_exhausted,
    };
    assert_eq!(fifo.load(read(1, vec![2, 3], false)), 0);
    assert_eq!(fifo.take().unwrap().seq, 2);
    assert_eq!(fifo.take().unwrap().seq, 3);
    assert_eq!(fifo.head(), Head::OnDisk(4));
    assert_eq!(fifo.load(read(4, vec![], true)), 3, "1, 4 and 5 are not there");
    assert_eq!(fifo.head(), Head::Empty);
    assert_eq!(fifo.ready().messages, 0);
}

#[test]
fn evicting_keeps_the_ends_in_memory_and_the_middle_out() {
    let mut fifo = Fifo::new(Recovered { next: 1, first: 1, ..Recovered::default() });
    let size = message(1).bytes() as u64;
    for seq in 1..=100 {
        fifo.enqueue(message(seq), Place::Log(Lsn(seq)));
    }
    fifo.evict(10 * size, Lsn(100));
    assert!(fifo.resident() <= 10 * size);
    assert_eq!(fifo.ready().messages, 100);
    for seq in 1..=5 {
        assert_eq!(fifo.take().unwrap().seq, seq);
    }
    assert_eq!(fifo.head(), Head::OnDisk(6));
}
