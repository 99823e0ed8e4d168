//! Exchanges whose routes are of no use to the next message, or that remember the last ones.

use std::{sync::Arc, thread};

use model::{
    Message, SessionCommand, Table, Value,
    command::{Binding, DeclareExchange, Destination},
};

use crate::peer::{Peer, broker, name};

impl Peer {
    fn declare_exchange(&mut self, exchange: &str, kind: &str, arguments: Table) {
        self.ask(SessionCommand::DeclareExchange(DeclareExchange {
            exchange: name(exchange),
            kind: name(kind),
            passive: false,
            durable: false,
            auto_delete: false,
            internal: false,
            nowait: true,
            arguments,
        }));
    }

    fn bind(&mut self, queue: &str, source: &str, key: &str) {
        self.ask(SessionCommand::Bind(Binding {
            source: name(source),
            destination_kind: Destination::Queue,
            destination: name(queue),
            routing_key: name(key),
            nowait: true,
            arguments: Table::default(),
        }));
    }

    fn publish_to(&mut self, exchange: &str, key: &str) {
        let message = Arc::new(Message::new(exchange.as_bytes(), key.as_bytes(), &[0, 0], b"").unwrap());
        self.ask(SessionCommand::Publish { message, mandatory: false });
    }

    fn publish_with_header(&mut self, exchange: &str, key: &str, header: &str, value: Value) {
        let mut properties = vec![0x20, 0x00];
        let mut headers = Table::default();
        headers.push(header, value);
        headers.encode(&mut properties);
        let message = Arc::new(Message::new(exchange.as_bytes(), key.as_bytes(), &properties, b"").unwrap());
        self.ask(SessionCommand::Publish { message, mandatory: false });
    }
}

/// How many messages of a queue are ready.
fn ready(broker: &broker::Broker, queue: &str) -> u64 {
    let topology = broker.topology().read();
    let record = topology.find_queue("/", queue).unwrap();
    broker.queue(record).unwrap().counts().0.messages
}

#[test]
fn chance_decides_anew_for_every_message() {
    for kind in ["x-random", "x-local-random"] {
        let broker = broker();
        let mut peer = Peer::new(&broker);
        peer.declare_exchange("x", kind, Table::default());
        for queue in ["a", "b"] {
            peer.declare(queue, 0);
            peer.bind(queue, "x", "");
        }
        for _ in 0..1000 {
            peer.publish_to("x", "always the same");
        }
        peer.0.hand_over();
        let counts = [ready(&broker, "a"), ready(&broker, "b")];
        assert_eq!(counts[0] + counts[1], 1000);
        assert!(counts.iter().all(|count| *count > 300), "{kind}: {counts:?}");
    }
}

#[test]
fn a_header_decides_although_the_key_is_the_same() {
    let broker = broker();
    let mut peer = Peer::new(&broker);
    let mut arguments = Table::default();
    arguments.push("hash-header", Value::text("h"));
    peer.declare_exchange("x", "x-consistent-hash", arguments);
    for queue in ["a", "b"] {
        peer.declare(queue, 0);
        peer.bind(queue, "x", "1");
    }
    for number in 0..1000 {
        peer.publish_with_header("x", "always the same", "h", Value::I32(number));
    }
    peer.0.hand_over();
    let counts = [ready(&broker, "a"), ready(&broker, "b")];
    assert_eq!(counts[0] + counts[1], 1000);
    assert!(counts.iter().all(|count| *count > 300), "{counts:?}");
}

#[test]
fn no_exchange_gets_to_see_bcc() {
    let broker = broker();
    let mut peer = Peer::new(&broker);
    peer.declare_exchange("x", "headers", Table::default());
    peer.declare("q", 0);
    for header in ["CC", "BCC"] {
        let mut arguments = Table::default();
        arguments.push(header, Value::Void);
        peer.ask(SessionCommand::Bind(Binding {
            source: name("x"),
            destination_kind: Destination::Queue,
            destination: name("q"),
            routing_key: name(""),
            nowait: true,
            arguments,
        }));
    }
    peer.publish_with_header("x", "", "BCC", Value::Array(vec![Value::text("k")]));
    peer.0.hand_over();
    assert_eq!(ready(&broker, "q"), 0);
    peer.publish_with_header("x", "", "CC", Value::Array(vec![Value::text("k")]));
    peer.0.hand_over();
    assert_eq!(ready(&broker, "q"), 1);
}

/// What is published while a queue is bound is either history or new to it: never both, never neither.
#[test]
fn history_and_what_follows_leave_nothing_out() {
    const PUBLISHERS: u64 = 2;
    const MESSAGES: u64 = 2000;
    let broker = broker();
    let mut arguments = Table::default();
    arguments.push("x-recent-history-length", Value::I32(100_000));
    let mut peer = Peer::new(&broker);
    peer.declare_exchange("x", "x-recent-history", arguments);
    let queues: Vec<String> = (0..20).map(|at| format!("q{at}")).collect();
    queues.iter().for_each(|queue| peer.declare(queue, 0));
    thread::scope(|scope| {
        for _ in 0..PUBLISHERS {
            scope.spawn(|| {
                let mut peer = Peer::new(&broker);
                for _ in 0..MESSAGES {
                    peer.publish_to("x", "k");
                    peer.0.hand_over();
                }
            });
        }
        for queue in &queues {
            peer.bind(queue, "x", "");
        }
    });
    for queue in &queues {
        assert_eq!(ready(&broker, queue), PUBLISHERS * MESSAGES, "{queue}");
    }
}
