//! A client of the core with one session, and a broker on a disk in memory for it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use broker::{Bell, Broker, Client, First, Settings};
use model::{
    Command, DeliveryId, Event, Message, Name, Outcome, Refusal, Secret, SessionCommand, SessionEvent,
    SessionId, Table,
    command::{Consume, DeclareQueue},
    message::Properties,
};
use storage::{Engine, Options, disk::memory::MemoryDisk};

pub(crate) struct NoBell;

impl Bell for NoBell {
    fn ring(&self) {}
}

pub(crate) const SESSION: SessionId = SessionId(1);

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A broker with `guest`, and nothing that has to wait for its disk.
pub(crate) fn broker() -> Arc<Broker> {
    broker_with(Settings::default())
}

pub(crate) fn broker_with(settings: Settings) -> Arc<Broker> {
    let (engine, recovered) = Engine::open(Arc::new(MemoryDisk::new()), Options::default()).unwrap();
    let engine = Arc::new(engine);
    let broker = Broker::recover(Arc::clone(&engine), &recovered, settings).unwrap();
    broker.set_up(First::guest(), [0; 4], 0).unwrap();
    engine.flush().unwrap();
    Arc::new(broker)
}

/// A client that has logged in and opened a session.
pub(crate) struct Peer(pub(crate) Client);

impl Peer {
    pub(crate) fn new(broker: &Arc<Broker>) -> Self {
        // Names that the broker makes up are other ones for every client.
        static SEED: AtomicU64 = AtomicU64::new(0);
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&SEED.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let mut client = broker.connect(Arc::new(NoBell), true, seed);
        let (user, password) = (name("guest"), Secret::new("guest"));
        client.handle_command(0, Command::Authenticate { mechanism: "PLAIN", user, password });
        client.handle_command(0, Command::Open { vhost: name("/"), client_properties: Table::default() });
        let mut peer = Self(client);
        peer.ask(SessionCommand::Open);
        peer.events();
        peer
    }

    pub(crate) fn ask(&mut self, command: SessionCommand) {
        self.ask_in(SESSION, command);
    }

    pub(crate) fn ask_in(&mut self, session: SessionId, command: SessionCommand) {
        self.0.handle_command(0, Command::Session(session, command));
    }

    pub(crate) fn limit(&mut self, count: u16) {
        self.ask(SessionCommand::SetPrefetch { count, global: true });
    }

    /// Makes a transient queue if it is not there, and puts this many messages in.
    pub(crate) fn declare(&mut self, queue: &str, messages: usize) {
        self.declare_as(queue, |wish| wish.nowait = true);
        for _ in 0..messages {
            self.publish(queue, Properties::default(), "");
        }
    }

    pub(crate) fn declare_as(&mut self, queue: &str, change: impl FnOnce(&mut DeclareQueue)) {
        let mut wish = DeclareQueue {
            queue: name(queue),
            passive: false,
            durable: false,
            exclusive: false,
            auto_delete: false,
            nowait: false,
            arguments: Table::default(),
        };
        change(&mut wish);
        self.ask(SessionCommand::DeclareQueue(wish));
    }

    /// Publishes to the default exchange.
    pub(crate) fn publish(&mut self, key: &str, properties: Properties<'_>, body: &str) {
        self.publish_as(key, properties, body, false);
    }

    pub(crate) fn publish_as(&mut self, key: &str, properties: Properties<'_>, body: &str, mandatory: bool) {
        let mut list = Vec::new();
        properties.encode(&mut list);
        let message = Arc::new(Message::new(b"", key.as_bytes(), &list, body.as_bytes()).unwrap());
        self.ask(SessionCommand::Publish { message, mandatory });
        self.0.hand_over();
    }

    pub(crate) fn consume(&mut self, queue: &str, tag: &str, no_ack: bool) {
        self.ask(SessionCommand::Consume(Consume {
            queue: name(queue),
            consumer: name(tag),
            no_ack,
            exclusive: false,
            nowait: true,
            arguments: Table::default(),
        }));
    }

    pub(crate) fn get(&mut self, queue: &str) {
        self.ask(SessionCommand::Get { queue: name(queue), no_ack: false });
    }

    pub(crate) fn settle(&mut self, number: u64, outcome: Outcome) {
        self.ask(SessionCommand::Settle { delivery: DeliveryId(number), multiple: false, outcome });
    }

    /// What the sessions were told since this was asked last.
    pub(crate) fn events(&mut self) -> Vec<SessionEvent> {
        let polled = std::iter::from_fn(|| self.0.poll_event());
        let told = polled.filter_map(|event| match event {
            Event::Session(_, event) => Some(event),
            _ => None,
        });
        told.collect()
    }

    /// The same in short, see [`in_short`].
    #[track_caller]
    pub(crate) fn expect_told(&mut self, expected: &[&str]) {
        let told: Vec<String> = self.events().iter().map(in_short).collect();
        assert_eq!(told, expected);
    }

    #[track_caller]
    pub(crate) fn expect_refusal(&mut self, expected: &Refusal) {
        match self.events().last() {
            Some(SessionEvent::Refused(refusal)) => assert_eq!(refusal, expected),
            other => panic!("no refusal but {other:?}"),
        }
    }

    /// What came: the consumer's tag (or `got`) and the number of the delivery.
    pub(crate) fn deliveries(&mut self) -> Vec<(String, u64)> {
        let mut deliveries = Vec::new();
        while let Some(event) = self.0.poll_event() {
            match event {
                Event::Session(_, SessionEvent::Delivered { consumer, delivery, .. }) => {
                    deliveries.push((consumer.to_string(), delivery.0));
                }
                Event::Session(_, SessionEvent::Got { delivery, .. }) => {
                    deliveries.push(("got".to_owned(), delivery.0));
                }
                Event::Session(_, SessionEvent::Refused(refusal)) => panic!("{refusal:?}"),
                _ => {}
            }
        }
        deliveries
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, expected: &[(&str, u64)]) {
        let deliveries = self.deliveries();
        let found: Vec<(&str, u64)> =
            deliveries.iter().map(|(tag, number)| (tag.as_str(), *number)).collect();
        assert_eq!(found, expected);
    }
}

/// `consumer:delivery:body` of a delivery (the consumer `got` for what was asked for), `return:body` of a return,
/// `declared:queue:messages:consumers`, and whatever else there is as it is.
fn in_short(event: &SessionEvent) -> String {
    let delivered = |consumer: &str, delivery: &DeliveryId, redelivered: &bool, message: &Message| {
        let body = String::from_utf8_lossy(message.body());
        format!("{consumer}:{}:{body}{}", delivery.0, if *redelivered { " again" } else { "" })
    };
    match event {
        SessionEvent::Delivered { consumer, delivery, redelivered, message } => {
            delivered(consumer, delivery, redelivered, message)
        }
        SessionEvent::Got { delivery, redelivered, message, .. } => {
            delivered("got", delivery, redelivered, message)
        }
        SessionEvent::Returned { message } => {
            format!("return:{}", String::from_utf8_lossy(message.body()))
        }
        SessionEvent::QueueDeclared { queue, messages, consumers } => {
            format!("declared:{queue}:{messages}:{consumers}")
        }
        other => format!("{other:?}"),
    }
}
