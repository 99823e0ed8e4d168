//! What is known of each message.

use std::collections::BTreeMap;

/// What must come of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It may be somewhere.
    Open,
    /// It is in one place.
    Safe,
    /// It was taken, which may not be on disk yet.
    Taken,
    /// It is nowhere.
    Gone,
}

#[derive(Debug)]
struct Entry {
    fate: Fate,
    /// It was known to be on disk, whatever came of it since.
    was_safe: bool,
    /// Somebody has it and has given no verdict.
    is_held: bool,
}

/// What takes effect as one.
#[derive(Debug, Default, Clone)]
pub(crate) struct Transaction {
    pub(crate) published: Vec<u64>,
    pub(crate) taken: Vec<u64>,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<u64, Entry>,
    /// Commits of which nobody has heard.
    committing: Vec<Transaction>,
    pub(crate) next_traveller: u64,
    pub(crate) trace: Vec<String>,
}

impl Ledger {
    pub(crate) fn tell(&mut self, line: String) {
        self.trace.push(line);
    }

    fn entry(&mut self, id: u64) -> &mut Entry {
        self.entries.get_mut(&id).unwrap()
    }

    /// A new message.
    pub(crate) fn publish(&mut self) -> u64 {
        let id = self.entries.len() as u64;
        self.entries.insert(id, Entry { fate: Fate::Open, was_safe: false, is_held: false });
        id
    }

    /// Its publisher was told that it is safe; it may have gone on since.
    pub(crate) fn confirm(&mut self, id: u64) -> Result<(), String> {
        let entry = self.entry(id);
        entry.was_safe = true;
        match entry.fate {
            Fate::Open => entry.fate = Fate::Safe,
            Fate::Safe => return Err(format!("{id} is confirmed twice")),
            Fate::Taken | Fate::Gone => {}
        }
        Ok(())
    }

    /// Its publisher was told that it was not taken in, or has taken it back.
    pub(crate) fn refuse(&mut self, id: u64) {
        self.entry(id).fate = Fate::Gone;
    }

    /// Somebody gets it.
    pub(crate) fn deliver(&mut self, id: u64) -> Result<(), String> {
        let entry = self.entries.get_mut(&id).ok_or_else(|| format!("who has sent {id}?"))?;
        if entry.is_held {
            return Err(format!("{id} is delivered to two"));
        }
        if matches!(entry.fate, Fate::Gone | Fate::Taken) {
            return Err(format!("{id} is delivered and was {:?}", entry.fate));
        }
        entry.is_held = true;
        Ok(())
    }

    /// Whoever had it has it no more, and has not taken it.
    pub(crate) fn give_back(&mut self, id: u64) {
        self.entry(id).is_held = false;
    }

    /// Whoever had it has taken it.
    pub(crate) fn take(&mut self, id: u64) {
        let entry = self.entry(id);
        entry.is_held = false;
        entry.fate = Fate::Taken;
    }

    /// All verdicts are on disk.
    pub(crate) fn flushed(&mut self) {
        for entry in self.entries.values_mut().filter(|entry| entry.fate == Fate::Taken) {
            entry.fate = Fate::Gone;
        }
    }

    /// A commit is asked for.
    pub(crate) fn begin_commit(&mut self, transaction: &Transaction) {
        for id in &transaction.taken {
            // Whoever reads on after the commit does not get it, but a power cut may bring it back.
            self.take(*id);
        }
        self.committing.push(transaction.clone());
    }

    /// It is answered.
    pub(crate) fn end_commit(&mut self, transaction: &Transaction) -> Result<(), String> {
        self.committing
            .retain(|other| other.published != transaction.published || other.taken != transaction.taken);
        for id in &transaction.taken {
            self.entry(*id).fate = Fate::Gone;
        }
        transaction.published.iter().try_for_each(|id| self.confirm(*id))
    }

    /// After a start, or at the end, these are the messages there are.
    pub(crate) fn woken_up_with(&mut self, found: &[(&str, u64)]) -> Result<(), String> {
        let mut places: BTreeMap<u64, &str> = BTreeMap::new();
        for (queue, id) in found {
            if let Some(other) = places.insert(*id, queue) {
                return Err(format!("{id} is in {queue} and in {other}"));
            }
        }
        for (id, entry) in &self.entries {
            match (entry.fate, places.get(id)) {
                (Fate::Safe, None) => return Err(format!("{id} is lost")),
                (Fate::Gone, Some(queue)) => return Err(format!("{id} is in {queue} and was gone")),
                _ => {}
            }
        }
        for transaction in std::mem::take(&mut self.committing) {
            self.check_whole(&transaction, &places)?;
        }
        for (id, entry) in &mut self.entries {
            let fate = if places.contains_key(id) { Fate::Safe } else { Fate::Gone };
            *entry = Entry { fate, was_safe: fate == Fate::Safe, is_held: false };
        }
        Ok(())
    }

    fn check_whole(&self, transaction: &Transaction, places: &BTreeMap<u64, &str>) -> Result<(), String> {
        // What was taken since says nothing about it.
        let published = transaction.published.iter().filter(|id| self.entries[id].fate == Fate::Open);
        let happened = published.map(|id| places.contains_key(id));
        // Nor does what may never have been on disk.
        let taken = transaction.taken.iter().filter(|id| self.entries[id].was_safe);
        let happened: Vec<bool> = happened.chain(taken.map(|id| !places.contains_key(id))).collect();
        if happened.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(format!("a part of {transaction:?}: {happened:?}"));
        }
        Ok(())
    }
}
