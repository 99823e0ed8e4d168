//! The order of a queue against a list that does the same the simple way.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Publish {
        stored: bool,
        /// 0: never.
        expires_at_ms: u64,
        /// Numbers that others have.
        skipped: u64,
    },
    /// Gives up what has expired by then.
    Expire {
        now_ms: u64,
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
    /// Storage is read; what it said is loaded by the next `Load`.
    Read {
        entries: usize,
    },
    Load {
        entries: usize,
    },
    /// Everything leaves memory, as a restart makes it.
    Restart,
    /// Storage tells when the messages in it expire.
    List,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), prop_oneof![Just(0), 1u64..100], prop_oneof![4 => Just(0), 1 => 1u64..4])
            .prop_map(|(stored, expires_at_ms, skipped)| Step::Publish { stored, expires_at_ms, skipped }),
        2 => (0u64..100).prop_map(|now_ms| Step::Expire { now_ms }),
        4 => Just(Step::Take),
        2 => (0usize..8).prop_map(Step::Settle),
        2 => (1usize..4).prop_map(Step::Requeue),
        1 => Just(Step::Purge),
        4 => (0u64..200, 0u64..60).prop_map(|(window, flushed)| Step::Evict { window, flushed }),
        2 => Just(Step::Spill),
        2 => (1usize..6).prop_map(|entries| Step::Read { entries }),
        4 => (1usize..6).prop_map(|entries| Step::Load { entries }),
        1 => Just(Step::Restart),
        1 => Just(Step::List),
    ]
}

/// A queue as anybody would write it, and the storage beside it.
#[derive(Default)]
struct Naive {
    next: u64,
    ready: BTreeMap<u64, bool>,
    unsettled: BTreeMap<u64, Ticket>,
    expiry: BTreeMap<u64, u64>,
    stored: BTreeMap<u64, Arc<Message>>,
    spilled: BTreeMap<u64, Arc<Message>>,
    /// Read and not loaded yet. Meanwhile nothing else is read.
    in_hand: Option<Read>,
    delivered_below: u64,
    /// Those of which the queue cannot know when they expire.
    unknown: BTreeSet<u64>,
    is_strict: bool,
}

fn message(seq: u64) -> Arc<Message> {
    Arc::new(Message::new(b"", b"q", &[0, 0], &seq.to_be_bytes()).unwrap())
}

fn number(message: &Message) -> u64 {
    u64::from_be_bytes(message.body().try_into().unwrap())
}

impl Naive {
    fn step(&mut self, fifo: &mut Fifo, step: Step) {
        match step {
            Step::Publish { stored, expires_at_ms, skipped } => {
                assert_eq!(fifo.next_seq(), self.next);
                self.next += skipped;
                let message = message(self.next);
                self.ready.insert(self.next, false);
                if stored {
                    self.stored.insert(self.next, Arc::clone(&message));
                }
                let place = if stored { Place::Log(Lsn(self.next)) } else { Place::Memory };
                fifo.enqueue(self.next, message, place, expires_at_ms);
                self.expiry.insert(self.next, expires_at_ms);
                self.next += 1;
            }
            Step::Expire { now_ms } => self.expire(fifo, now_ms),
            Step::Take => self.take(fifo),
            Step::Settle(n) => {
                if let Some(seq) = self.unsettled.keys().nth(n).copied() {
                    fifo.settle(&self.unsettled[&seq]);
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
                self.spilled
                    .extend(entries.iter().map(|(ticket, message)| (ticket.seq, Arc::clone(message))));
                for gone in fifo.spilled(&entries) {
                    self.spilled.remove(&gone);
                }
            }
            Step::Read { entries } => {
                if self.in_hand.is_none() {
                    self.in_hand = self.read(fifo, entries);
                }
            }
            Step::Load { entries } => self.load(fifo, entries),
            Step::Restart => self.restart(fifo),
            Step::List => {
                for seq in self.stored.keys().filter(|seq| self.expiry[seq] != 0) {
                    fifo.note_cold(*seq, self.expiry[seq]);
                }
                self.unknown.clear();
            }
        }
    }

    fn take(&mut self, fifo: &mut Fifo) {
        match fifo.head() {
            Head::Empty => assert!(self.ready.is_empty()),
            Head::OnDisk(_) => assert!(fifo.take().is_none()),
            Head::Ready => {
                let parcel = fifo.take().unwrap();
                let (seq, redelivered) = self.ready.pop_first().unwrap();
                assert_eq!((parcel.ticket.seq, number(&parcel.message)), (seq, seq));
                assert_eq!(parcel.redelivered, redelivered);
                assert_eq!(parcel.ticket.expires_at_ms, self.expiry[&seq]);
                self.unsettled.insert(seq, parcel.ticket);
                self.delivered_below = self.delivered_below.max(seq + 1);
            }
        }
    }

    fn expire(&mut self, fifo: &mut Fifo, now_ms: u64) {
        let expiry = self.expiry.clone();
        let is_due = |seq: &u64| (1..=now_ms).contains(&expiry[seq]);
        let mut gone = Vec::new();
        let mut fetched = Fetched::new();
        loop {
            while let Some(parcel) = fifo.remove_expired(now_ms, &mut fetched) {
                let seq = parcel.ticket.seq;
                assert_eq!(number(&parcel.message), seq);
                assert_eq!(parcel.ticket.expires_at_ms, self.expiry[&seq]);
                let redelivered = self.ready.remove(&seq).unwrap();
                assert_eq!(parcel.redelivered, redelivered);
                assert!(is_due(&seq), "{seq} is due");
                gone.push(seq);
            }
            let waits_for_head = self.is_strict && matches!(fifo.head(), Head::OnDisk(_));
            assert!(fetched.is_empty() || waits_for_head, "nothing is fetched for nothing");
            let due = fifo.due_on_disk(now_ms, 2);
            if due.is_empty() {
                break;
            }
            if self.in_hand.is_some() {
                self.load(fifo, 0);
                continue;
            }
            let fetch = |seq: u64| self.stored.get(&seq).or_else(|| self.spilled.get(&seq)).cloned();
            fetched = due.into_iter().map(|seq| (seq, fetch(seq))).collect();
        }
        if self.is_strict {
            assert!(gone.is_sorted_by_key(|seq| (self.expiry[seq], *seq)), "{gone:?} is in order");
        }
        // Behind a head that must be read first they may wait: it is read because something may expire.
        if !matches!(fifo.head(), Head::OnDisk(_)) {
            for seq in self.ready.keys().filter(|seq| !self.unknown.contains(seq)) {
                assert!(!is_due(seq), "{seq} is due and still there");
            }
        }
        assert!(fifo.next_expiry().is_none_or(|at| at > now_ms));
        for seq in gone {
            self.forget(seq);
        }
    }

    fn requeue(&mut self, fifo: &mut Fifo, n: usize) {
        let back: Vec<u64> = self.unsettled.keys().step_by(n).copied().collect();
        let entries = back.iter().rev().map(|seq| {
            let ticket = self.unsettled[seq];
            // What can be read again need not be kept.
            let message = (!ticket.place.is_stored()).then(|| message(*seq));
            Entry::new(ticket, false, message)
        });
        fifo.requeue(entries.collect());
        for seq in back {
            self.unsettled.remove(&seq);
            self.ready.insert(seq, true);
        }
    }

    fn read(&self, fifo: &Fifo, count: usize) -> Option<Read> {
        let (from, cold_to) = fifo.next_on_disk()?;
        let mut all = self.stored.clone();
        all.extend(self.spilled.clone());
        let some = all.into_iter().filter(|(seq, _)| *seq >= from).take(count);
        let entries: Vec<_> = some.map(|(seq, message)| (seq, self.expiry[&seq], message)).collect();
        let end = entries.last().map_or(cold_to, |(seq, ..)| seq + 1);
        Some(Read { from, cold_to, entries, end })
    }

    fn load(&mut self, fifo: &mut Fifo, count: usize) {
        let Some(read) = self.in_hand.take().or_else(|| self.read(fifo, count)) else { return };
        for (seq, ..) in &read.entries {
            self.unknown.remove(seq);
        }
        assert_eq!(fifo.load(read), 0, "nothing is missing");
    }

    fn restart(&mut self, fifo: &mut Fifo) {
        self.spilled.clear();
        self.in_hand = None;
        let delivered_below = self.delivered_below;
        self.ready = self.stored.keys().map(|seq| (*seq, *seq < delivered_below)).collect();
        self.unsettled.clear();
        self.unknown = self.stored.keys().copied().collect();
        let bytes = self.stored.values().map(|message| message.bytes() as u64).sum();
        let first = self.stored.keys().next().copied().unwrap_or(self.next);
        *fifo = Fifo::new(
            0,
            Recovered {
                first,
                next: self.next,
                messages: self.stored.len() as u64,
                bytes,
                delivered_below,
                is_damaged: false,
            },
        );
        if self.is_strict {
            fifo.be_strict();
        }
    }

    fn forget(&mut self, seq: u64) {
        self.unsettled.remove(&seq);
        self.stored.remove(&seq);
        self.spilled.remove(&seq);
    }

    fn check(&self, fifo: &Fifo) {
        assert_eq!(fifo.ready().messages, self.ready.len() as u64);
        assert_eq!(fifo.unsettled().messages, self.unsettled.len() as u64);
        if fifo.cold.is_empty() {
            assert_eq!(fifo.ready().bytes, 8 * self.ready.len() as u64, "each body has 8 bytes");
        }
        assert_eq!(fifo.head() == Head::Empty, self.ready.is_empty());
        let bytes: u64 = self.ready.keys().map(|seq| message(*seq).bytes() as u64).sum();
        assert!(fifo.resident() <= bytes);
    }
}

proptest! {
    #[test]
    fn a_queue_does_what_a_list_does(
        is_strict in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut naive = Naive { next: 1, is_strict, ..Naive::default() };
        let mut fifo = Fifo::new(0, Recovered { next: 1, first: 1, ..Recovered::default() });
        if is_strict {
            fifo.be_strict();
        }
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
    let mut fifo =
        Fifo::new(0, Recovered { first: 1, next: 6, messages: 5, bytes: 50, ..Recovered::default() });
    let read = |from, entries: Vec<u64>, end| Read {
        from,
        cold_to: 6,
        entries: entries.into_iter().map(|seq| (seq, 0, message(seq))).collect(),
        end,
    };
    assert_eq!(fifo.load(read(1, vec![2, 3], 4)), 0);
    assert_eq!(fifo.take().unwrap().ticket.seq, 2);
    assert_eq!(fifo.take().unwrap().ticket.seq, 3);
    assert_eq!(fifo.head(), Head::OnDisk(4));
    assert_eq!(fifo.load(read(4, vec![], 6)), 3, "1, 4 and 5 are not there");
    assert_eq!(fifo.head(), Head::Empty);
    assert_eq!(fifo.ready().messages, 0);
}

/// A reader sees more of the log than was cold when it began. What has changed meanwhile is not for it to say.
#[test]
fn what_left_the_tail_during_a_read_neither_comes_back_nor_is_lost() {
    let mut fifo = Fifo::new(0, Recovered { next: 1, first: 1, ..Recovered::default() });
    for seq in 1..=8 {
        // All but the seventh are in the log.
        let place = if seq == 7 { Place::Memory } else { Place::Log(Lsn(seq)) };
        fifo.enqueue(seq, message(seq), place, if seq == 6 { 10 } else { 0 });
        fifo.evict(4 * message(seq).bytes() as u64, Lsn(4));
    }
    for seq in 1..=2 {
        assert_eq!(fifo.take().unwrap().ticket.seq, seq);
    }
    let (from, cold_to) = fifo.next_on_disk().unwrap();
    assert_eq!((from, cold_to), (3, 5));
    let entries = [3, 4, 5, 6, 8].map(|seq| (seq, 0, message(seq))).to_vec();
    // The sixth expires, the seventh is spilled, and all of them leave memory.
    assert_eq!(fifo.remove_expired(10, &mut Fetched::new()).unwrap().ticket.seq, 6);
    fifo.evict(0, Lsn(8));
    let spillable = fifo.spillable(1000);
    fifo.spilled(&spillable);
    fifo.evict(0, Lsn(8));
    assert_eq!(fifo.load(Read { from, cold_to, entries, end: 9 }), 0);
    assert_eq!(fifo.ready().messages, 5);
    let mut taken = Vec::new();
    loop {
        taken.extend(std::iter::from_fn(|| fifo.take()).map(|parcel| parcel.ticket.seq));
        let Some((from, cold_to)) = fifo.next_on_disk() else { break };
        let entries = [5, 7, 8].into_iter().filter(|seq| *seq >= from).map(|seq| (seq, 0, message(seq)));
        assert_eq!(fifo.load(Read { from, cold_to, entries: entries.collect(), end: cold_to }), 0);
    }
    assert_eq!(taken, [3, 4, 5, 7, 8]);
}

#[test]
fn evicting_keeps_the_ends_in_memory_and_the_middle_out() {
    let mut fifo = Fifo::new(0, Recovered { next: 1, first: 1, ..Recovered::default() });
    let size = message(1).bytes() as u64;
    for seq in 1..=100 {
        fifo.enqueue(seq, message(seq), Place::Log(Lsn(seq)), 0);
    }
    fifo.evict(10 * size, Lsn(100));
    assert!(fifo.resident() <= 10 * size);
    assert_eq!(fifo.ready().messages, 100);
    for seq in 1..=5 {
        assert_eq!(fifo.take().unwrap().ticket.seq, seq);
    }
    assert_eq!(fifo.head(), Head::OnDisk(6));
}

#[test]
fn gaps_do_not_pile_up_behind_a_message_that_stays() {
    let mut fifo = Fifo::new(0, Recovered { next: 1, first: 1, ..Recovered::default() });
    fifo.enqueue(1, message(1), Place::Log(Lsn(1)), 1_000_000);
    for seq in 2..=10_000 {
        fifo.enqueue(seq, message(seq), Place::Log(Lsn(seq)), seq);
        assert_eq!(fifo.remove_expired(seq, &mut Fetched::new()).unwrap().ticket.seq, seq);
    }
    assert_eq!(fifo.ready().messages, 1);
    assert!(fifo.front.len() + fifo.tail.len() <= 2 * due::GAPS_MIN, "{} entries", fifo.tail.len());
}
