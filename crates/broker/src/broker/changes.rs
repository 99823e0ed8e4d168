//! How the metadata changes, and what that does to the live queues.
//!
//! One writer at a time: a wish is looked at, written down and applied under the metadata's lock, so that nothing comes
//! between.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use model::{Name, Refusal};
use storage::Lsn;

use super::Broker;
use crate::{
    metadata::Metadata,
    news::News,
    queue::{Effects, Queue, Rules},
    topology::{Entry, Fact, Topology},
};

impl Broker {
    /// Changes the metadata: `wish` looks at the topology and says what is to be applied, or refuses.
    ///
    /// Returns the log position at which the wish may be answered. `now_ms` is only recorded.
    ///
    /// # Errors
    /// What `wish` refuses.
    pub fn change(
        &self,
        now_ms: u64,
        wish: impl FnOnce(&Topology) -> Result<Option<Entry>, Refusal>,
    ) -> Result<Lsn, Refusal> {
        self.change_by(None, now_ms, wish)
    }

    /// The same, as the wish of a user.
    ///
    /// # Errors
    /// What `wish` refuses.
    pub fn change_by(
        &self,
        user: Option<&Name>,
        now_ms: u64,
        wish: impl FnOnce(&Topology) -> Result<Option<Entry>, Refusal>,
    ) -> Result<Lsn, Refusal> {
        self.change_all(user, now_ms, |topology| wish(topology).map(Vec::from_iter))
    }

    /// The same, by several entries: nothing else comes between them, and after a crash all of them are there or none.
    ///
    /// # Errors
    /// What `wish` refuses; or an entry cannot be written down: those before it are.
    pub fn change_all<E: From<Refusal>>(
        &self,
        user: Option<&Name>,
        now_ms: u64,
        wish: impl FnOnce(&Topology) -> Result<Vec<Entry>, E>,
    ) -> Result<Lsn, E> {
        let (mut facts, mut news) = (Vec::new(), Vec::new());
        let last = {
            let mut metadata = self.metadata.lock();
            let entries = {
                let topology = self.topology.read();
                topology.with_beginnings(wish(&topology)?)
            };
            self.apply(&mut metadata, now_ms, entries, (&mut facts, &mut news))?;
            metadata.last
        };
        self.tell_changes(user, now_ms, news, &facts);
        self.deliver_histories(now_ms, facts);
        Ok(last)
    }

    fn apply(
        &self,
        metadata: &mut Metadata,
        now_ms: u64,
        entries: Vec<Entry>,
        (facts, news): (&mut Vec<Fact>, &mut Vec<News>),
    ) -> Result<(), Refusal> {
        let mut topology = self.topology.write();
        let (mut written, mut outcome) = (Vec::new(), Ok(()));
        for entry in entries {
            // Whether it is durable may depend on those before it.
            let is_durable = topology.is_durable(&entry);
            let meta = match metadata.number(&entry, now_ms, is_durable, &mut written) {
                Ok(meta) => meta,
                Err(error) => {
                    tracing::error!(%error, "a metadata entry cannot be written");
                    outcome = Err(Refusal::Internal);
                    break;
                }
            };
            news.extend(self.news_of(&topology, &entry));
            topology.apply(meta, entry, facts);
        }
        // Nobody has seen it yet: the topology is locked until all of it is on its way to the disk.
        metadata.stage(&self.engine, &written);
        self.metadata_last.store(metadata.last.0, Ordering::Release);
        let gone = self.follow(&topology, facts);
        let changed = self.rules_after(&topology, facts);
        drop(topology);
        let mut effects = Effects::at(now_ms);
        for queue in gone {
            self.bury(&queue, &mut effects);
        }
        for (queue, rules) in changed {
            queue.set_rules(rules, &mut effects);
        }
        // Nothing in it may ask for the metadata, which is locked.
        debug_assert!(effects.deletions.is_empty(), "neither a burial nor a rule ends a queue at once");
        self.carry_out(&mut effects);
        outcome
    }

    /// Keeps the registry of live queues in step; returns those that are gone.
    fn follow(&self, topology: &Topology, facts: &[Fact]) -> Vec<Arc<Queue>> {
        let mut queues = self.queues.write();
        let mut gone = Vec::new();
        for fact in facts {
            let (created, deleted) = match fact {
                Fact::QueueCreated(record) => {
                    self.ledgers.node().queue_created.add_shared(1);
                    (Some(record), None)
                }
                Fact::QueueDeleted(record) => {
                    self.ledgers.node().queue_deleted.add_shared(1);
                    (None, Some(record))
                }
                Fact::VhostDeleted { vhost } => {
                    self.ledgers.forget(vhost);
                    self.register.forget(vhost);
                    continue;
                }
                Fact::ExchangeCreated(exchange) => (exchange.delay_queue.as_ref(), None),
                Fact::ExchangeDeleted(exchange) => (None, exchange.delay_queue.as_ref()),
                _ => continue,
            };
            if let Some(record) = created {
                let rules = topology.rules_of(record);
                queues.insert(record.id.0, Arc::new(self.live(record, rules, BTreeMap::new())));
            }
            gone.extend(deleted.and_then(|record| queues.remove(&record.id.0)));
        }
        gone
    }

    /// The queues to which other policies apply now, and what they live by.
    fn rules_after(&self, topology: &Topology, facts: &[Fact]) -> Vec<(Arc<Queue>, Rules)> {
        let vhosts = facts.iter().filter_map(|fact| match fact {
            Fact::PoliciesChanged { vhost } => Some(vhost),
            _ => None,
        });
        let records = vhosts.flat_map(|vhost| topology.queues_of(vhost));
        records.filter_map(|record| Some((self.queue(record)?, topology.rules_of(record)))).collect()
    }

    /// The end of a queue that is in the topology no more.
    fn bury(&self, queue: &Arc<Queue>, effects: &mut Effects) {
        if queue.delete(false, false, effects).is_ok() {
            let logs = queue.logs();
            let mut staging = self.engine.stage();
            for log in logs {
                staging.drop_log(log);
            }
        }
    }

    /// Deletes a queue for which `may` says so; it is asked when nobody can put anything in any more.
    pub(crate) fn delete_queue(&self, queue: &Arc<Queue>, user: Option<&Name>, now_ms: u64) -> Lsn {
        let record = queue.record();
        let outcome = self.change_by(user, now_ms, |topology| {
            let current = topology.find_queue(&record.vhost, &record.name);
            let is_current = current.is_some_and(|current| current.id == record.id);
            Ok(is_current.then(|| topology.delete_queue(&record.vhost, record)))
        });
        outcome.unwrap_or(Lsn(0))
    }
}
