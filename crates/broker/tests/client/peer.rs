//! A client of the core with one session, and a broker on a disk in memory for it.

use std::sync::Arc;

use broker::{Bell, Broker, Client, First, Settings};
use model::{
    Command, DeliveryId, Event, Message, Name, Outcome, Secret, SessionCommand, SessionEvent, SessionId,
    Table,
    command::{Consume, DeclareQueue},
};
use storage::{Engine, Options, disk::memory::MemoryDisk};

struct NoBell;

impl Bell for NoBell {
    fn ring(&self) {}
}

const SESSION: SessionId = SessionId(1);

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A broker with `guest`, and nothing that has to wait for its disk.
pub(crate) fn broker() -> Arc<Broker> {
    let (engine, recovered) = Engine::open(Arc::new(MemoryDisk::new()), Options::default()).unwrap();
    let engine = Arc::new(engine);
    let broker = Broker::recover(Arc::clone(&engine), &recovered, Settings::default()).unwrap();
    broker.set_up(First::guest(), [0; 4], 0).unwrap();
    engine.flush().unwrap();
    Arc::new(broker)
}

/// A client that has logged in and opened a session.
pub(crate) struct Peer(pub(crate) Client);

impl Peer {
    pub(crate) fn new(broker: &Arc<Broker>) -> Self {
        let mut client = broker.connect(Arc::new(NoBell), true, [0; 16]);
        let (user, password) = (name("guest"), Secret::new("guest"));
        client.handle_command(0, Command::Authenticate { mechanism: "PLAIN", user, password });
        client.handle_command(0, Command::Open { vhost: name("/"), client_properties: Table::default() });
        let mut peer = Self(client);
        peer.ask(SessionCommand::Open);
        peer
    }

    pub(crate) fn ask(&mut self, command: SessionCommand) {
        self.0.handle_command(0, Command::Session(SESSION, command));
    }

    pub(crate) fn limit(&mut self, count: u16) {
        self.ask(SessionCommand::SetPrefetch { count, global: true });
    }

    /// Makes a transient queue if it is not there, and puts this many messages in.
    pub(crate) fn declare(&mut self, queue: &str, messages: usize) {
        self.ask(SessionCommand::DeclareQueue(DeclareQueue {
            queue: name(queue),
            passive: false,
            durable: false,
            exclusive: false,
            auto_delete: false,
            nowait: true,
            arguments: Table::default(),
        }));
        for _ in 0..messages {
            let message = Arc::new(Message::new(b"", queue.as_bytes(), &[0, 0], b"").unwrap());
            self.ask(SessionCommand::Publish { message, mandatory: false });
        }
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
