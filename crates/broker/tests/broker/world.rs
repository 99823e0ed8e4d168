//! A node without threads and the peers connected to it. Time stands still until a test moves it: nothing is flushed,
//! read or tidied up unless it says so.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use broker::{
    Bell, Broker, Client, ConnectionState, Ends, First, Polled, RecoveryError, Settings, queue::Amount,
};
use model::{Command, Delivered, Event, Message, Secret, SessionCommand, SessionEvent, SessionId, Table};
use storage::{Engine, Fault, Options, Recovered, disk::memory::MemoryDisk};

use crate::wish::{declare_transient, name, publish};

/// A node.
pub(crate) struct World {
    pub(crate) disk: MemoryDisk,
    pub(crate) engine: Arc<Engine>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) recovered: Recovered,
    pub(crate) settings: Settings,
}

/// Sizes of the log at which its files come and go.
pub(crate) fn small_log() -> Options {
    Options {
        wal_file_bytes_min: 32 * 1024,
        wal_file_bytes_max: 128 * 1024,
        wal_bytes_max: 4 * 1024 * 1024,
        space_wait: Duration::ZERO,
        settle_delay: Duration::ZERO,
        segment_bytes_max: 32 * 1024,
        segment_entries_max: 32,
        copy_forward_bytes_max: 2048,
        ..Options::default()
    }
}

/// Queues keep no more in memory than they must.
pub(crate) fn tight() -> Settings {
    Settings { resident_bytes_max: 0, ..Settings::default() }
}

impl World {
    /// A new node with the user `guest` and the vhost `/`, all of it on disk.
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let world = Self::open(MemoryDisk::new(), settings).unwrap();
        world.broker.set_up(First::guest(), [1; 4], 0).unwrap();
        world.flush();
        world
    }

    /// The node that finds this disk.
    pub(crate) fn open(disk: MemoryDisk, settings: Settings) -> Result<Self, Fault> {
        Self::open_with(disk, settings, small_log())
    }

    pub(crate) fn open_with(disk: MemoryDisk, settings: Settings, options: Options) -> Result<Self, Fault> {
        let (engine, recovered) = Engine::open(Arc::new(disk.clone()), options)?;
        let engine = Arc::new(engine);
        let broker = match Broker::recover(Arc::clone(&engine), &recovered, settings.clone()) {
            Ok(broker) => Arc::new(broker),
            Err(RecoveryError::Fault(fault)) => return Err(fault),
            Err(damage) => panic!("{damage}"),
        };
        let world = Self { disk, engine, broker, recovered, settings };
        // The start itself is an entry of the metadata.
        world.try_flush()?;
        Ok(world)
    }

    /// Makes everything durable so far.
    pub(crate) fn flush(&self) {
        self.try_flush().unwrap();
    }

    pub(crate) fn try_flush(&self) -> Result<(), Fault> {
        let lsn = self.engine.flush()?;
        self.broker.handle_flushed(lsn);
        Ok(())
    }

    /// Moves everything that can be moved out of the log's files into segments.
    pub(crate) fn keep_house(&self) {
        while self.broker.keep_house().unwrap() {}
    }

    /// Reads whatever queues want read.
    pub(crate) fn read(&self) {
        self.read_at(0);
    }

    pub(crate) fn read_at(&self, now_ms: u64) {
        while self.broker.read_one(Duration::ZERO, || now_ms) {}
    }

    /// The time is this now: what is due happens, with all that must be read for it.
    pub(crate) fn pass_to(&self, now_ms: u64) {
        self.broker.handle_time(now_ms);
        self.read_at(now_ms);
    }

    /// The node after a power cut now.
    pub(crate) fn crash(self) -> Self {
        self.crash_with(0)
    }

    /// The node after a power cut now; the seed says what of the writes under way has reached the disk.
    pub(crate) fn crash_with(self, seed: u64) -> Self {
        Self::open(self.disk.reboot(seed, 512), self.settings).unwrap()
    }

    /// The node after an orderly stop.
    pub(crate) fn restart(self) -> Self {
        self.engine.close(self.broker.delivered_below()).unwrap();
        Self::open(self.disk, self.settings).unwrap()
    }

    /// Somebody who has logged in as `guest` and has session 1 open.
    pub(crate) fn peer(&self) -> Peer {
        self.peer_as("guest", "guest")
    }

    /// The same, and a transient queue `q` with these messages.
    pub(crate) fn peer_with(&self, bodies: &str) -> Peer {
        let mut peer = self.peer();
        peer.say(declare_transient("q"));
        peer.ask_all(bodies.split(' ').map(|body| publish("q", body)));
        peer
    }

    pub(crate) fn peer_as(&self, user: &str, password: &str) -> Peer {
        let mut peer = self.knock(user, password, "/");
        peer.ask_in(1, SessionCommand::Open);
        assert_eq!(peer.hear(), [format!("authenticated {user}"), "opened".into(), "1 opened".into()]);
        peer
    }

    /// Somebody who wants to log in and to enter a vhost, and has not heard whether they may.
    pub(crate) fn knock(&self, user: &str, password: &str, vhost: &str) -> Peer {
        let bell = Arc::new(Rung(AtomicBool::new(false)));
        let mut client = self.broker.connect(Arc::clone(&bell) as Arc<dyn Bell>, true, [7; 16]);
        let [peer, local] = [2, 1].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        client.set_ends(Ends { peer, local });
        let mut peer = Peer { client, bell };
        peer.command(Command::Authenticate {
            mechanism: "PLAIN",
            user: name(user),
            password: Secret::new(password),
        });
        peer.command(Command::Open { vhost: name(vhost), client_properties: Table::default() });
        peer
    }

    /// The states of all connections, in the order in which they came.
    pub(crate) fn states(&self, now_ms: u64) -> Vec<ConnectionState> {
        self.broker.connected().iter().map(|one| one.state(self.broker.alarms(), now_ms)).collect()
    }

    /// Ready and unsettled messages of a queue.
    pub(crate) fn amounts(&self, queue: &str) -> (Amount, Amount) {
        let topology = self.broker.topology().read();
        let record = topology.find_queue("/", queue).unwrap();
        let (ready, unsettled, _) = self.broker.queue(record).unwrap().counts();
        (ready, unsettled)
    }

    /// How many messages of a queue are ready, and how many unsettled.
    pub(crate) fn counts(&self, queue: &str) -> (u64, u64) {
        let (ready, unsettled) = self.amounts(queue);
        (ready.messages, unsettled.messages)
    }

    pub(crate) fn has_queue(&self, queue: &str) -> bool {
        self.broker.topology().read().find_queue("/", queue).is_some()
    }
}

/// A bell that remembers having been rung.
struct Rung(AtomicBool);

impl Bell for Rung {
    fn ring(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A connection, driven as the server does it.
pub(crate) struct Peer {
    pub(crate) client: Client,
    bell: Arc<Rung>,
}

impl Peer {
    /// Hands in a command of session 1, as the only one of a read.
    pub(crate) fn ask(&mut self, command: SessionCommand) {
        self.ask_in(1, command);
    }

    pub(crate) fn ask_in(&mut self, session: u16, command: SessionCommand) {
        self.command(Command::Session(SessionId(session), command));
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.client.handle_command(0, command);
        self.client.hand_over();
    }

    /// Several commands of session 1 with one read.
    pub(crate) fn ask_all(&mut self, commands: impl IntoIterator<Item = SessionCommand>) {
        self.ask_all_in(1, commands);
    }

    pub(crate) fn ask_all_in(&mut self, session: u16, commands: impl IntoIterator<Item = SessionCommand>) {
        for command in commands {
            self.client.handle_command(0, Command::Session(SessionId(session), command));
        }
        self.client.hand_over();
    }

    /// Asks, and hears the answers.
    pub(crate) fn say(&mut self, command: SessionCommand) -> Vec<String> {
        self.ask(command);
        self.hear()
    }

    /// Whether the bell has rung since it was asked for the last time.
    pub(crate) fn is_rung(&self) -> bool {
        self.bell.0.swap(false, Ordering::SeqCst)
    }

    /// All events there are, as they are.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        self.events_up_to(usize::MAX).0
    }

    /// All events there are but for deliveries, of which so many at most; and whether these were all. Deliveries are told
    /// where they lie, as the server does.
    pub(crate) fn events_up_to(&mut self, deliveries_max: usize) -> (Vec<Event>, bool) {
        self.is_rung();
        let (mut events, mut deliveries) = (Vec::new(), 0);
        while deliveries < deliveries_max {
            let polled = self.client.poll(|session, delivered| {
                events.push(Event::Session(session, as_event(delivered)));
                deliveries += 1;
                deliveries < deliveries_max
            });
            match polled {
                Polled::Event(event) => events.push(event),
                Polled::Delivered => {}
                Polled::Nothing => return (events, true),
            }
        }
        (events, false)
    }

    /// All events there are, in words: those of session 1 without its number.
    pub(crate) fn hear(&mut self) -> Vec<String> {
        let events = self.events();
        events.iter().map(in_words).collect()
    }
}

fn as_event(delivered: Delivered<'_>) -> SessionEvent {
    let Delivered { consumer, delivery, redelivered, message } = delivered;
    SessionEvent::Delivered {
        consumer: consumer.clone(),
        delivery,
        redelivered,
        message: Arc::clone(message),
    }
}

fn in_words(event: &Event) -> String {
    match event {
        Event::Session(SessionId(1), event @ (SessionEvent::Opened | SessionEvent::Closed)) => {
            format!("1 {}", session_words(event))
        }
        Event::Session(SessionId(1), event) => session_words(event),
        Event::Session(SessionId(other), event) => format!("{other}: {}", session_words(event)),
        Event::Authenticated { user } => format!("authenticated {user}"),
        Event::Opened => "opened".to_owned(),
        Event::Closed => "closed".to_owned(),
        Event::Forced { reason } => format!("forced: {reason}"),
        Event::Blocked { reason } => format!("blocked: {reason}"),
        Event::Unblocked => "unblocked".to_owned(),
        Event::Refused(refusal) => format!("refused: {refusal:?}"),
        other => format!("{other:?}"),
    }
}

pub(crate) fn session_words(event: &SessionEvent) -> String {
    let again = |redelivered: &bool| if *redelivered { " again" } else { "" };
    let several = |multiple: &bool| if *multiple { "up to " } else { "" };
    match event {
        SessionEvent::Opened => "opened".to_owned(),
        SessionEvent::Closed => "closed".to_owned(),
        SessionEvent::QueueDeclared { queue, messages, consumers } => {
            format!("declared {queue} {messages} {consumers}")
        }
        SessionEvent::QueuePurged { messages } => format!("purged {messages}"),
        SessionEvent::QueueDeleted { messages } => format!("deleted {messages}"),
        SessionEvent::Returned { message } => format!("returned {}", text(message)),
        SessionEvent::Confirmed { publish, multiple } => format!("confirmed {}{publish}", several(multiple)),
        SessionEvent::Consuming { consumer } => format!("consuming {consumer}"),
        SessionEvent::ConsumeCancelled { consumer } => format!("cancelled {consumer}"),
        SessionEvent::ConsumerLost { consumer } => format!("lost {consumer}"),
        SessionEvent::Delivered { consumer, delivery, redelivered, message } => {
            format!("{consumer} {} {}{}", delivery.0, text(message), again(redelivered))
        }
        SessionEvent::Got { delivery, redelivered, message, messages } => {
            format!("got {} {}{}, {messages} left", delivery.0, text(message), again(redelivered))
        }
        SessionEvent::GotNothing => "got nothing".to_owned(),
        SessionEvent::Refused(refusal) => format!("refused: {}", refusal_words(refusal)),
        other => format!("{other:?}"),
    }
}

/// The name of a refusal's variant: what exactly it says is the business of unit tests.
fn refusal_words(refusal: &model::Refusal) -> String {
    let words = format!("{refusal:?}");
    words.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// The body up to its first NUL, which begins the padding of large ones.
pub(crate) fn text(message: &Message) -> String {
    let text = message.body().split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
