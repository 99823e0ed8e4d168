//! What a broker should hold, the plain way: queues as maps of everything published to them.
//!
//! Messages are numbered by the order in which they are handed to the broker, which is their order in every queue.

use std::collections::{BTreeMap, BTreeSet};

/// Exchange, queue, key.
pub(crate) type Binding = (&'static str, String, String);

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) queues: BTreeMap<String, Queue>,
    /// Deleted queues of which the disk may not know it yet; true: a client was told.
    pub(crate) ghosts: Vec<(String, Queue, bool)>,
    /// With whether the disk knows for certain.
    pub(crate) bindings: BTreeMap<Binding, bool>,
    /// Bindings that are gone, of which the disk may not know it yet.
    pub(crate) unbound: BTreeSet<Binding>,
    next_key: u64,
}

/// A queue.
#[derive(Clone, Default)]
pub(crate) struct Queue {
    /// Queues of one name after the other have different ones.
    pub(crate) key: u64,
    pub(crate) durable: bool,
    /// The actor that it is exclusive to.
    pub(crate) owner: Option<u64>,
    pub(crate) auto_delete: bool,
    /// Everything in it is kept.
    pub(crate) is_quorum: bool,
    pub(crate) had_consumer: bool,
    pub(crate) consumers: u32,
    /// Its declaration was answered or flushed.
    pub(crate) is_promised: bool,
    pub(crate) entries: BTreeMap<u64, Entry>,
    /// Settled or purged, of which the disk may not know it yet.
    pub(crate) gone: BTreeSet<u64>,
    /// Messages that may stand out of order at a consumer, because they came back.
    pub(crate) returned: BTreeSet<u64>,
    /// Messages below may be marked redelivered though nobody has heard them.
    pub(crate) flagged_below: u64,
    /// Messages that were heard of have lower numbers.
    pub(crate) heard_below: u64,
}

/// A message in a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Not unsettled.
    pub(crate) is_ready: bool,
    /// On disk for certain, or confirmed.
    pub(crate) is_promised: bool,
    /// Survives: persistent, in a durable queue.
    pub(crate) is_kept: bool,
    pub(crate) was_delivered: bool,
    /// It may have gone with a connection that was not listening.
    pub(crate) is_doubtful: bool,
}

impl Queue {
    pub(crate) fn ready(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.entries.iter().filter(|(_, entry)| entry.is_ready).map(|(id, _)| *id)
    }

    pub(crate) fn unsettled_count(&self) -> u64 {
        self.entries.values().filter(|entry| !entry.is_ready).count() as u64
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.entries.values().any(|entry| entry.is_doubtful)
    }

    /// The message is gone; a crash may still bring it back.
    pub(crate) fn settle(&mut self, id: u64) {
        if self.entries.remove(&id).is_some_and(|entry| entry.is_kept) {
            self.gone.insert(id);
        }
    }

    pub(crate) fn requeue(&mut self, id: u64) {
        self.returned.insert(id);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.is_ready = true;
        }
    }

    /// Any ready message may be gone, or on its way back.
    pub(crate) fn doubt(&mut self) {
        for entry in self.entries.values_mut().filter(|entry| entry.is_ready) {
            entry.is_doubtful = true;
        }
    }

    /// Any ready message may come out of order.
    pub(crate) fn mix(&mut self) {
        let ready: Vec<u64> = self.ready().collect();
        self.flagged_below = self.flagged_below.max(ready.last().map_or(0, |last| last + 1));
        self.returned.extend(ready);
    }
}

impl Model {
    pub(crate) fn declare(&mut self, name: &str, mut queue: Queue) -> u64 {
        self.next_key += 1;
        queue.key = self.next_key;
        self.queues.insert(name.to_owned(), queue);
        self.next_key
    }

    pub(crate) fn by_key(&mut self, key: u64) -> Option<&mut Queue> {
        self.queues.values_mut().find(|queue| queue.key == key)
    }

    /// The queue, or what a crash may bring back of it.
    pub(crate) fn by_key_or_ghost(&mut self, key: u64) -> Option<&mut Queue> {
        let ghosts = self.ghosts.iter_mut().map(|(_, queue, _)| queue);
        self.queues.values_mut().chain(ghosts).find(|queue| queue.key == key)
    }

    /// The queue of this name, and those that were before it of which the disk may not know that they are gone.
    pub(crate) fn keys_of(&self, name: &str) -> Vec<u64> {
        let ghosts = self.ghosts.iter().filter(|(ghost, ..)| ghost == name).map(|(_, queue, _)| queue.key);
        ghosts.chain(self.queues.get(name).map(|queue| queue.key)).collect()
    }

    pub(crate) fn name_of(&self, key: u64) -> Option<String> {
        self.queues.iter().find(|(_, queue)| queue.key == key).map(|(name, _)| name.clone())
    }

    /// The queue is gone, with its bindings; the disk learns of it later.
    pub(crate) fn delete(&mut self, name: &str) {
        let Some(queue) = self.queues.remove(name) else { return };
        let bindings: Vec<Binding> =
            self.bindings.keys().filter(|(_, bound, _)| bound == name).cloned().collect();
        for binding in bindings {
            self.bindings.remove(&binding);
            if queue.durable {
                self.unbound.insert(binding);
            }
        }
        if queue.durable {
            self.ghosts.push((name.to_owned(), queue, false));
        }
    }

    /// A consumer of the queue is gone; perhaps the queue with it.
    pub(crate) fn lose_consumer(&mut self, key: u64) {
        let Some(queue) = self.by_key(key) else { return };
        queue.consumers -= 1;
        if queue.auto_delete
            && queue.consumers == 0
            && let Some(name) = self.name_of(key)
        {
            self.delete(&name);
        }
    }

    pub(crate) fn bind(&mut self, binding: Binding) {
        // Of one that was there before and taken away, a crash may have kept just that.
        self.bindings.entry(binding).or_insert(false);
    }

    pub(crate) fn unbind(&mut self, binding: &Binding) {
        if self.bindings.remove(binding).is_some() && self.queues[&binding.1].durable {
            self.unbound.insert(binding.clone());
        }
    }

    /// The queues that a message goes to.
    pub(crate) fn route(&self, exchange: &str, key: &str) -> BTreeSet<String> {
        let is_bound = |name: &String| match exchange {
            "" => name == key,
            "f" => self.bindings.keys().any(|(from, queue, _)| *from == "f" && queue == name),
            _ => self.bindings.contains_key(&("d", name.clone(), key.to_owned())),
        };
        self.queues.keys().filter(|name| is_bound(name)).cloned().collect()
    }

    pub(crate) fn publish(&mut self, queues: &BTreeSet<String>, id: u64, persistent: bool) {
        for queue in queues {
            let queue = self.queues.get_mut(queue).unwrap();
            let entry = Entry {
                is_ready: true,
                is_promised: false,
                is_kept: (persistent || queue.is_quorum) && queue.durable,
                was_delivered: false,
                is_doubtful: false,
            };
            queue.entries.insert(id, entry);
        }
    }

    pub(crate) fn confirmed(&mut self, id: u64) {
        let ghosts = self.ghosts.iter_mut().map(|(_, queue, _)| queue);
        for queue in self.queues.values_mut().chain(ghosts) {
            if let Some(entry) = queue.entries.get_mut(&id) {
                entry.is_promised = true;
            }
        }
    }

    /// Everything so far is on disk.
    pub(crate) fn flushed(&mut self) {
        self.ghosts.clear();
        self.unbound.clear();
        self.bindings.values_mut().for_each(|on_disk| *on_disk = true);
        for queue in self.queues.values_mut() {
            queue.is_promised = true;
            queue.gone.clear();
            queue.entries.values_mut().for_each(|entry| entry.is_promised = true);
        }
    }
}
