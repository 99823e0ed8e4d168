//! Direct reply-to, as RabbitMQ 4.0.5 shows it unless a test says otherwise.

use std::sync::Arc;

use broker::Broker;
use model::{
    Message, Refusal, SessionCommand, SessionEvent, SessionId, Table, Value,
    message::Properties,
    refusal::{Named, Resource},
};

use crate::peer::{Peer, SESSION, broker, name};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

fn asking() -> Properties<'static> {
    Properties { reply_to: Some(REPLY_TO.as_bytes()), correlation_id: Some(b"7"), ..Properties::default() }
}

/// Takes a message out of a queue.
fn take(peer: &mut Peer, queue: &str) -> Arc<Message> {
    peer.ask(SessionCommand::Get { queue: name(queue), no_ack: true });
    let got = peer.events().into_iter().find_map(|event| match event {
        SessionEvent::Got { message, .. } => Some(message),
        _ => None,
    });
    got.unwrap()
}

/// Sends a request into `queue`, takes it out there, and returns the address that it came with.
fn request(asker: &mut Peer, queue: &str) -> String {
    asker.publish(queue, asking(), "request");
    let request = take(asker, queue);
    assert_eq!(request.properties().correlation_id, Some(&b"7"[..]));
    assert_eq!(request.body(), b"request");
    String::from_utf8(request.properties().reply_to.unwrap().to_vec()).unwrap()
}

fn no_queue(queue: &str) -> Refusal {
    Refusal::NotFound(Named { resource: Resource::Queue, name: name(queue), vhost: name("/") })
}

/// Somebody who waits for replies, somebody else, and the address of the first.
fn pair(broker: &Arc<Broker>) -> (Peer, Peer, String) {
    let mut asker = Peer::new(broker);
    asker.declare("q", 0);
    asker.consume(REPLY_TO, "r", true);
    asker.events();
    let address = request(&mut asker, "q");
    (asker, Peer::new(broker), address)
}

#[test]
fn a_reply_reaches_the_session_that_asked() {
    let (mut asker, mut server, address) = pair(&broker());
    assert!(address.starts_with("amq.rabbitmq.reply-to."), "{address}");
    // The number of a reply is that of the next delivery, which it does not use up.
    server.publish(&address, Properties::default(), "one");
    server.publish(&address, Properties::default(), "two");
    asker.expect_told(&["r:2:one", "r:2:two"]);
    assert_eq!(request(&mut asker, "q"), address, "a session keeps its address");
    // Deliveries of queues have numbers of their own.
    asker.publish("q", Properties::default(), "plain");
    asker.consume("q", "c", false);
    server.publish(&address, Properties::default(), "three");
    asker.expect_told(&["c:3:plain", "r:4:three"]);
}

#[test]
fn a_large_request_keeps_its_body() {
    let broker = broker();
    let (mut asker, ..) = pair(&broker);
    let body = "x".repeat(100_000);
    asker.publish("q", asking(), &body);
    assert_eq!(take(&mut asker, "q").body(), body.as_bytes());
}

#[test]
fn copies_reach_it_too_once_each() {
    let (mut asker, mut server, address) = pair(&broker());
    let mut headers = Table::default();
    for header in ["CC", "BCC"] {
        headers.push(header, Value::Array(vec![Value::text(&address)]));
    }
    let mut encoded = Vec::new();
    headers.encode(&mut encoded);
    let copied = Properties { raw_headers: Some(&encoded), ..Properties::default() };
    server.publish("nobody", copied, "copy");
    asker.expect_told(&["r:2:copy"]);
}

#[test]
fn a_consumer_of_replies_cannot_settle_and_is_alone() {
    let broker = broker();
    let mut peer = Peer::new(&broker);
    peer.consume(REPLY_TO, "r", false);
    peer.expect_refusal(&Refusal::ReplyConsumerSettles);
    let mut peer = Peer::new(&broker);
    peer.consume(REPLY_TO, "r", true);
    peer.consume(REPLY_TO, "s", true);
    peer.expect_refusal(&Refusal::SecondReplyConsumer);
    let mut peer = Peer::new(&broker);
    peer.consume(REPLY_TO, "r", true);
    peer.consume(REPLY_TO, "s", false);
    peer.expect_refusal(&Refusal::ReplyConsumerSettles);
}

#[test]
fn a_request_needs_a_consumer_for_its_reply() {
    let broker = broker();
    let mut peer = Peer::new(&broker);
    peer.publish("q", asking(), "request");
    peer.expect_refusal(&Refusal::NoReplyConsumer);
    // One of another session is none.
    let mut peer = Peer::new(&broker);
    peer.consume(REPLY_TO, "r", true);
    let other = SessionId(2);
    peer.ask_in(other, SessionCommand::Open);
    peer.events();
    peer.ask(SessionCommand::Cancel { consumer: name("r"), nowait: false });
    peer.publish("q", asking(), "request");
    peer.expect_refusal(&Refusal::NoReplyConsumer);
}

#[test]
fn declaring_an_address_only_asks_for_it() {
    let (mut asker, mut server, address) = pair(&broker());
    server.declare_as(REPLY_TO, |wish| wish.passive = true);
    server.declare_as(&address, |wish| wish.passive = true);
    server.declare_as(&address, |wish| wish.durable = true);
    let declared = format!("declared:{address}:0:1");
    server.expect_told(&[&format!("declared:{REPLY_TO}:0:1"), &declared, &declared]);
    asker.ask(SessionCommand::Cancel { consumer: name("r"), nowait: false });
    server.declare_as(&address, |wish| wish.passive = true);
    server.expect_refusal(&no_queue(&address));
}

#[test]
fn strange_addresses_are_not_there() {
    let broker = broker();
    for tail in [".", ".zz", "-foo"] {
        let mut peer = Peer::new(&broker);
        let queue = format!("{REPLY_TO}{tail}");
        peer.declare_as(&queue, |wish| wish.durable = true);
        peer.expect_refusal(&no_queue(&queue));
    }
}

#[test]
fn an_address_is_no_queue() {
    let broker = broker();
    let (_asker, _server, address) = pair(&broker);
    let get = |queue: &str| SessionCommand::Get { queue: name(queue), no_ack: true };
    let purge = |queue: &str| SessionCommand::PurgeQueue { queue: name(queue), nowait: false };
    for command in [get(REPLY_TO), get(&address), purge(REPLY_TO), purge(&address)] {
        let mut peer = Peer::new(&broker);
        peer.ask(command);
        let events = peer.events();
        assert!(matches!(events.last(), Some(SessionEvent::Refused(Refusal::NotFound(_)))), "{events:?}");
    }
    let mut peer = Peer::new(&broker);
    peer.consume(&address, "c", true);
    peer.expect_refusal(&no_queue(&address));
}

/// What is published to somebody who is gone is lost; RabbitMQ 4.0.5 returns every mandatory reply, even one that has
/// arrived, and later versions none.
#[test]
fn a_mandatory_reply_comes_back_if_nobody_is_there() {
    let (mut asker, mut server, address) = pair(&broker());
    server.publish_as(&address, Properties::default(), "in time", true);
    server.expect_told(&[]);
    asker.expect_told(&["r:2:in time"]);
    asker.ask(SessionCommand::Cancel { consumer: name("r"), nowait: true });
    server.publish_as(&address, Properties::default(), "too late", true);
    server.publish(&address, Properties::default(), "too late too");
    server.expect_told(&["return:too late"]);
    asker.expect_told(&[]);
}

#[test]
fn a_reply_on_its_way_to_a_consumer_that_goes_is_lost() {
    let (mut asker, mut server, address) = pair(&broker());
    server.publish(&address, Properties::default(), "too late");
    asker.ask(SessionCommand::Cancel { consumer: name("r"), nowait: true });
    asker.consume(REPLY_TO, "r", true);
    asker.expect_told(&[]);
    assert_ne!(request(&mut asker, "q"), address, "another consumer has another address");
}

#[test]
fn the_end_of_a_session_ends_its_address() {
    let broker = broker();
    let (mut asker, mut server, address) = pair(&broker);
    asker.ask_in(SESSION, SessionCommand::Close);
    server.publish_as(&address, Properties::default(), "late", true);
    server.expect_told(&["return:late"]);
    drop(asker);
    let (asker, mut server, address) = pair(&broker);
    drop(asker);
    server.publish_as(&address, Properties::default(), "late", true);
    server.expect_told(&["return:late"]);
}

#[test]
fn replies_are_confirmed() {
    let (mut asker, mut server, address) = pair(&broker());
    server.ask(SessionCommand::SelectConfirms { nowait: true });
    server.publish(&address, Properties::default(), "reply");
    server.expect_told(&["Confirmed { publish: 1, multiple: false }"]);
    asker.expect_told(&["r:2:reply"]);
}

/// There is no queue to keep them, and nothing to hold the sender back with.
#[test]
fn a_mailbox_takes_only_so_many_replies() {
    let (mut asker, mut server, address) = pair(&broker());
    let body = "x".repeat(1024 * 1024);
    for _ in 0..100 {
        server.publish(&address, Properties::default(), &body);
    }
    let taken = asker.events().len();
    assert!((60..64).contains(&taken), "{taken} MiB of replies");
    server.publish(&address, Properties::default(), "room again");
    asker.expect_told(&["r:2:room again"]);
}
