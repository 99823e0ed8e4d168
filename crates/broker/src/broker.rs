//! The broker of a node: topology, live queues, log, alarms and the connections to them.
//!
//! Shared by all connections. Locks, in the order in which they may be taken: metadata (one writer), topology, then
//! nothing but the registry of queues and the histories of exchanges; never a queue's lock under any of them but
//! metadata's, and never any of them under a queue's.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use foldhash::fast::FixedState;
use model::{Name, Refusal};
use parking_lot::{Condvar, Mutex, RwLock};
use storage::{Engine, Fault, LogId, Lsn};

use crate::{
    attempts::Attempts,
    census::Census,
    client::{Client, routes::KeptRoutes},
    connected::{Connected, Register, Totals},
    counts::{Ledgers, NodeCounts, Sums},
    dead_letter::{self, Letter},
    durability::Durability,
    flow::{Alarms, Memory},
    mailbox::{Bell, Mailbox},
    metadata::{METADATA_LOG, Metadata, RecoveryError},
    queue::{Arrival, Effects, Queue, Recovered, Rules, Transfer},
    replies::Replies,
    route::{ExtraKeys, Scratch},
    stamps::Stamps,
    timers::{Sleeper, Timers},
    topology::{ConnectionId, Entry, First, NodeRules, QueueId, QueueKind, QueueRecord, Topology},
};

mod announce;
mod changes;
mod history;
mod login;
mod waiting;

/// What the broker is told of the world when it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of ready messages in memory before queues keep only little of them.
    pub resident_bytes_max: u64,
    /// Log bytes that are not durable yet before publishers are made to wait.
    pub staged_bytes_max: u64,
    /// Bytes that come into queues with one dead letter at once.
    pub letter_bytes_max: usize,
    /// The node's name, for texts.
    pub node: Name,
    /// Connections of the node, those that are not in a vhost yet included; None: no limit.
    pub connections_max: Option<u64>,
    /// Sessions of the node; None: no limit.
    pub sessions_max: Option<u64>,
    /// Consumers of one session.
    pub consumers_per_session_max: u32,
    /// How long deliveries may stay unsettled, in milliseconds, unless their queue says otherwise; None: for ever.
    pub consumer_timeout_ms: Option<u64>,
    /// Whether the whole session of such a delivery ends, as in RabbitMQ; else the delivery alone is taken back.
    pub timeout_ends_session: bool,
    /// Users who may log in from the local host only.
    pub loopback_users: Vec<Name>,
    /// The vhost in which it is told what happens in the node.
    pub event_vhost: Name,
    /// What is written on every message that is published.
    pub stamps: Stamps,
    /// What the configuration says about the metadata.
    pub node_rules: Arc<NodeRules>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            resident_bytes_max: 64 * 1024 * 1024,
            staged_bytes_max: 64 * 1024 * 1024,
            letter_bytes_max: 1024 * 1024 * 1024,
            node: Name::parse("rabbit@localhost").unwrap_or_default(),
            connections_max: None,
            sessions_max: None,
            consumers_per_session_max: u32::MAX,
            consumer_timeout_ms: None,
            timeout_ends_session: false,
            loopback_users: vec![Name::parse("guest").unwrap_or_default()],
            event_vhost: Name::parse("/").unwrap_or_default(),
            stamps: Stamps::default(),
            node_rules: Arc::default(),
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Broker {
    pub(crate) settings: Settings,
    pub(crate) engine: Arc<Engine>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) alarms: Alarms,
    pub(crate) durability: Durability,
    pub(crate) kept_routes: Arc<KeptRoutes>,
    pub(crate) topology: RwLock<Topology>,
    metadata: Mutex<Metadata>,
    /// The position of the last metadata entry: who finds what it asked for already there waits for that.
    metadata_last: AtomicU64,
    /// Moves whenever anybody's permissions change.
    permission_epoch: Arc<AtomicU64>,
    queues: RwLock<HashMap<u64, Arc<Queue>, FixedState>>,
    reads: Mutex<VecDeque<Arc<Queue>>>,
    reads_wanted: Condvar,
    pub(crate) replies: Replies,
    pub(crate) census: Arc<Census>,
    pub(crate) register: Register,
    ledgers: Ledgers,
    pub(crate) attempts: Attempts,
    timers: Timers,
    clients: Mutex<BTreeMap<ConnectionId, Arc<Mailbox>>>,
    next_connection: AtomicU64,
}

impl Broker {
    /// Brings back what the log holds. Queues cost what describes them, not their messages.
    ///
    /// # Errors
    /// When the metadata cannot be read back whole.
    pub fn recover(
        engine: Arc<Engine>,
        recovered: &storage::Recovered,
        settings: Settings,
    ) -> Result<Self, RecoveryError> {
        if let Some(damage) = recovered.damaged.iter().find(|damage| damage.log == Some(METADATA_LOG)) {
            return Err(RecoveryError::Damaged(format!(
                "{} at offset {}: {}",
                damage.file, damage.offset, damage.reason
            )));
        }
        let (metadata, mut topology) = Metadata::recover(&engine)?;
        topology.set_node_rules(Arc::clone(&settings.node_rules));
        let memory = Arc::new(Memory::new(settings.resident_bytes_max));
        let broker = Self {
            settings,
            memory,
            alarms: Alarms::default(),
            durability: Durability::default(),
            kept_routes: Arc::default(),
            metadata_last: AtomicU64::new(metadata.last.0),
            metadata: Mutex::new(metadata),
            permission_epoch: Arc::clone(topology.permission_epoch()),
            topology: RwLock::new(topology),
            queues: RwLock::default(),
            reads: Mutex::default(),
            reads_wanted: Condvar::new(),
            replies: Replies::default(),
            census: Arc::default(),
            register: Register::default(),
            ledgers: Ledgers::default(),
            attempts: Attempts::default(),
            timers: Timers::default(),
            clients: Mutex::default(),
            next_connection: AtomicU64::new(1),
            engine,
        };
        broker.revive_queues(recovered);
        // Transient queues of this run get ids that no earlier one had.
        let started = broker.change(0, |_| Ok(Some(Entry::Started)));
        debug_assert!(started.is_ok(), "nothing refuses a start");
        Ok(broker)
    }

    fn revive_queues(&self, recovered: &storage::Recovered) {
        let mut logs: HashMap<u64, BTreeMap<u8, Recovered>, FixedState> = HashMap::default();
        for log in recovered.logs.iter().filter(|log| log.id != METADATA_LOG) {
            // After an unclean stop everything that is still there may have been delivered before.
            let delivered_below = log.delivered_up_to.filter(|_| recovered.clean).unwrap_or(log.state.next);
            let (first, next) = (log.state.first, log.state.next);
            let (messages, bytes) = (log.state.entries, log.state.bytes);
            let (queue, level) = QueueId::of_log(log.id.0);
            let is_damaged = recovered.damaged.iter().any(|damage| damage.log.is_none_or(|id| id == log.id));
            let recovered = Recovered { first, next, messages, bytes, delivered_below, is_damaged };
            logs.entry(queue.0).or_default().insert(level, recovered);
        }
        let topology = self.topology.read();
        let mut queues = self.queues.write();
        for record in topology.queues().chain(topology.delay_queues()) {
            let state = logs.remove(&record.id.0).unwrap_or_default();
            queues.insert(record.id.0, Arc::new(self.live(record, topology.rules_of(record), state)));
        }
        // A queue's end lies in the log before the end of its messages: what is left over here was on its way out.
        for (orphan, levels) in logs {
            for level in levels.into_keys() {
                self.engine.stage().drop_log(LogId(QueueId(orphan).level(level)));
            }
        }
    }

    fn live(&self, record: &Arc<QueueRecord>, rules: Rules, state: BTreeMap<u8, Recovered>) -> Queue {
        let accounts = (Arc::clone(&self.memory), self.ledgers.of(&record.vhost));
        Queue::new(Arc::clone(record), rules, Arc::clone(&self.engine), accounts, state)
    }

    /// Whether nothing was ever set up here.
    pub fn is_new(&self) -> bool {
        self.topology.read().is_empty()
    }

    /// Gives a new node its first user and vhost. `salt` is random.
    ///
    /// # Errors
    /// When an entry cannot be written down.
    pub fn set_up(&self, first: First, salt: [u8; 4], now_ms: u64) -> Result<(), Refusal> {
        for entry in Topology::first_entries(first, salt) {
            self.change(now_ms, |_| Ok(Some(entry)))?;
        }
        Ok(())
    }

    /// Opens a connection to the core. `seed` is random: names that the broker makes up come from it.
    pub fn connect(self: &Arc<Self>, bell: Arc<dyn Bell>, is_loopback: bool, seed: [u8; 16]) -> Client {
        let id = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let mailbox = Arc::new(Mailbox::new(bell));
        self.clients.lock().insert(id, Arc::clone(&mailbox));
        Client::new(Arc::clone(self), id, mailbox, is_loopback, seed)
    }

    pub(crate) fn disconnect(&self, id: ConnectionId) {
        self.clients.lock().remove(&id);
        if self.register.leave(id) {
            self.ledgers.node().connection_closed.add_shared(1);
        }
    }

    /// Asks every connection to end, with this reason.
    pub fn close_clients(&self, reason: &str) {
        for mailbox in self.clients.lock().values() {
            mailbox.force_close(reason);
        }
    }

    /// How many connections there are.
    pub fn client_count(&self) -> usize {
        self.clients.lock().len()
    }

    /// The connections that are in a vhost, in the order in which they came.
    pub fn connected(&self) -> Vec<Arc<Connected>> {
        self.register.all()
    }

    /// What has come and gone.
    pub fn node_counts(&self) -> &Arc<NodeCounts> {
        self.ledgers.node()
    }

    /// What is on disk. Walks all logs.
    pub fn disk_usage(&self) -> storage::Usage {
        self.engine.usage()
    }

    /// What all connections have counted. Walks them.
    pub fn totals(&self) -> Totals {
        self.register.totals()
    }

    /// The sums over the queues of a vhost.
    pub fn sums(&self, vhost: &Name) -> Sums {
        self.ledgers.sums(vhost)
    }

    /// The queues on which something has happened since this was asked last, or since [`Queue::look`].
    pub fn take_changed(&self) -> Vec<Arc<Queue>> {
        let changed = self.ledgers.take_changed();
        let queues = self.queues.read();
        changed.iter().filter_map(|id| queues.get(&id.0).cloned()).collect()
    }

    /// The topology, to be read.
    pub fn topology(&self) -> &RwLock<Topology> {
        &self.topology
    }

    /// The alarms of the node.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// The memory account of the queues.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The live queue of a record.
    pub fn queue(&self, record: &QueueRecord) -> Option<Arc<Queue>> {
        self.queues.read().get(&record.id.0).cloned()
    }

    /// Whether the queue with this number is still there.
    pub fn has_queue(&self, number: u64) -> bool {
        self.queues.read().contains_key(&number)
    }

    /// How long deliveries of a queue may stay unsettled, in milliseconds; None: for ever.
    pub fn consumer_timeout_ms(&self, record: &QueueRecord) -> Option<u64> {
        let own = self.queue(record).and_then(|queue| queue.consumer_timeout_ms());
        own.or(self.settings.consumer_timeout_ms)
    }

    /// The live queues with these ids; one that is gone is left out.
    pub(crate) fn live_queues(&self, ids: &[QueueId]) -> Arc<[Arc<Queue>]> {
        let queues = self.queues.read();
        ids.iter().filter_map(|id| queues.get(&id.0).cloned()).collect()
    }

    /// Waits until the log is on disk up to there. For a thread that may block.
    pub fn wait_durable(&self, position: Lsn) {
        self.durability.block(&self.engine, position);
    }

    /// What it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The log position at which everything that the topology shows now is durable.
    pub(crate) fn metadata_position(&self) -> Lsn {
        Lsn(self.metadata_last.load(Ordering::Acquire))
    }

    pub(crate) fn permission_epoch(&self) -> u64 {
        self.permission_epoch.load(Ordering::Acquire)
    }

    /// Whether more is staged than the disk should be behind.
    pub(crate) fn is_behind(&self) -> bool {
        self.engine.staged_bytes() > self.settings.staged_bytes_max.min(self.engine.staged_bytes_max())
    }

    /// What queues wanted done once they were unlocked.
    pub(crate) fn carry_out(&self, effects: &mut Effects) {
        for mailbox in effects.rings.drain(..) {
            mailbox.ring();
        }
        for (lsn, queue) in effects.awaited.drain(..) {
            if !self.durability.wait_for_queue(&self.engine, lsn, &queue) {
                effects.reads.push(queue);
            }
        }
        self.have_read(effects.reads.drain(..));
        for (at_ms, queue) in effects.timers.drain(..) {
            self.timers.arm(at_ms, Sleeper::Queue(queue));
        }
        self.end_and_post(effects);
    }

    /// Leaves queues to the reader threads.
    fn have_read(&self, queues: impl ExactSizeIterator<Item = Arc<Queue>>) {
        if queues.len() > 0 {
            self.reads.lock().extend(queues);
            self.reads_wanted.notify_all();
        }
    }

    /// Ends queues and moves letters, which may have further effects.
    fn end_and_post(&self, effects: &mut Effects) {
        while let Some(queue) = effects.deletions.pop() {
            self.delete_queue(&queue, None, effects.now_ms);
        }
        for queue in std::mem::take(&mut effects.posts) {
            loop {
                let letters = queue.take_letters();
                if letters.is_empty() {
                    break;
                }
                for letter in letters {
                    self.post(letter, effects);
                }
                self.carry_out(effects);
            }
        }
    }

    /// Moves a dead letter to the queues it is for: at once, unless it is so large and for so many queues that a group of
    /// the log cannot hold it. Then a crash may double it, but not lose it.
    fn post(&self, letter: Letter, effects: &mut Effects) {
        let Arrival { message, queues } = self.address(&letter, effects.now_ms);
        let Letter { queue, left: forgotten, reason, .. } = letter;
        let mut given_up = Some((queue, forgotten, reason));
        let bytes_max = self.settings.letter_bytes_max;
        let queues_max = bytes_max.checked_div(message.bytes()).unwrap_or(queues.len()).max(1);
        let mut left = &*queues;
        loop {
            let (some, others) = left.split_at(left.len().min(queues_max));
            let letters = vec![Arrival { message: Arc::clone(&message), queues: some.into() }];
            let mut transfer = Transfer { letters, ..Transfer::default() };
            if others.is_empty() {
                transfer.given_up.extend(given_up.take());
            }
            let outcome = transfer.carry_out(&self.engine, effects);
            debug_assert!(outcome.is_ok(), "only publishes are refused");
            if others.is_empty() {
                break;
            }
            left = others;
        }
    }

    /// A letter as it arrives, and the queues it is for.
    pub(crate) fn address(&self, letter: &Letter, now_ms: u64) -> Arrival {
        let record = letter.queue.record();
        let (message, mut targets) = match letter.compose(now_ms / 1000) {
            Ok(message) => {
                let extra = ExtraKeys::parse(&message).unwrap_or_default();
                let exchange = letter.to.exchange.as_bytes();
                let mut scratch = Scratch::default();
                let topology = self.topology.read();
                let route = topology.route_from(exchange, &record.vhost, &message, &extra, &mut scratch);
                (extra.without_bcc(Arc::new(message)), self.live_queues(&route.queues).to_vec())
            }
            Err(error) => {
                tracing::error!(queue = %record.name, vhost = %record.vhost, %error, "a dead letter cannot be written");
                (Arc::clone(&letter.message), Vec::new())
            }
        };
        if record.kind != QueueKind::Delay {
            targets.retain(|queue| !dead_letter::is_cycle(&message, &queue.record().name));
        }
        Arrival { message, queues: targets.into() }
    }

    /// The clock begins: `now_ms` is the wall clock, in milliseconds since 1970. Queues that end when they are not used
    /// count from here.
    pub fn start_clock(&self, now_ms: u64) {
        let mut effects = Effects::at(now_ms);
        let queues: Vec<_> = self.queues.read().values().cloned().collect();
        for queue in queues {
            queue.touch(&mut effects);
            queue.handle_time(&mut effects);
        }
        self.carry_out(&mut effects);
    }

    /// Does what is due at `now_ms`.
    pub fn handle_time(&self, now_ms: u64) {
        let mut effects = Effects::at(now_ms);
        while let Some(sleeper) = self.timers.pop_due(now_ms) {
            match sleeper {
                Sleeper::Queue(queue) => {
                    queue.handle_time(&mut effects);
                    self.carry_out(&mut effects);
                }
                Sleeper::Connection(mailbox) => {
                    if let Some(mailbox) = mailbox.upgrade() {
                        mailbox.ring();
                    }
                }
            }
        }
    }

    /// Rings a connection at `at_ms`, if it is still there.
    pub(crate) fn ring_at(&self, at_ms: u64, mailbox: Weak<Mailbox>) {
        self.timers.arm(at_ms, Sleeper::Connection(mailbox));
    }

    /// Waits until something is due after `now_ms`, at most `timeout`. For the thread that then calls
    /// [`Broker::handle_time`].
    pub fn wait_for_time(&self, now_ms: u64, timeout: Duration) {
        self.timers.wait(now_ms, timeout);
    }

    /// Reads the log for one queue that wants it, waiting at most `timeout`; false if none did. For a reader thread. `clock`
    /// tells milliseconds since 1970.
    pub fn read_one(&self, timeout: Duration, clock: impl Fn() -> u64) -> bool {
        let queue = {
            let mut reads = self.reads.lock();
            if reads.is_empty() {
                self.reads_wanted.wait_for(&mut reads, timeout);
            }
            reads.pop_front()
        };
        let Some(queue) = queue else { return false };
        let mut effects = Effects::at(clock());
        queue.read(&mut effects);
        self.carry_out(&mut effects);
        true
    }

    /// The WAL thread has made everything up to `lsn` durable.
    pub fn handle_flushed(&self, lsn: Lsn) {
        let queues = self.durability.reached(lsn);
        self.have_read(queues.into_iter());
    }

    /// Does one step of the log's upkeep, and writes a metadata snapshot if one is due; true if more is due. Blocks on the
    /// disk: for the housekeeping thread.
    ///
    /// # Errors
    /// When the disk fails; the log still holds everything.
    pub fn keep_house(&self) -> Result<bool, Fault> {
        let has_more = self.engine.housekeep();
        // A step may have flushed on its own account: whoever waited for that is not to wait for the next flush.
        self.handle_flushed(self.engine.flushed());
        let has_more = has_more?;
        self.snapshot_if_due()?;
        Ok(has_more)
    }

    fn snapshot_if_due(&self) -> Result<(), Fault> {
        let snapshot = {
            let mut metadata = self.metadata.lock();
            if !metadata.wants_snapshot() {
                return Ok(());
            }
            metadata.snapshot(&self.topology.read())
        };
        snapshot.write(&self.engine)
    }

    /// For each durable queue, below which number everything may have been delivered: kept by a clean stop.
    pub fn delivered_below(&self) -> Vec<(LogId, u64)> {
        let queues = self.queues.read();
        let durable = queues.values().filter(|queue| !queue.record().id.is_transient());
        durable.flat_map(|queue| queue.delivered_below()).collect()
    }
}
