//! The limit that all consumers of a session share (`basic.qos` with `global`): as RabbitMQ 4.0.5 has it, but that it counts
//! what was got before a limit was set, and never forgets it.

use model::{Outcome, SessionCommand};

use crate::peer::{Peer, broker, name};

#[test]
fn queues_take_turns() {
    let mut peer = Peer::new(&broker());
    peer.limit(1);
    for queue in ["a", "b", "c"] {
        peer.declare(queue, 3);
        peer.consume(queue, queue, false);
    }
    let mut order = Vec::new();
    for number in 1..=9 {
        let deliveries = peer.deliveries();
        assert_eq!(deliveries.len(), 1);
        assert_eq!(deliveries[0].1, number);
        order.push(deliveries[0].0.clone());
        peer.settle(number, Outcome::Accepted);
    }
    for round in order.chunks(3) {
        let mut round = round.to_vec();
        round.sort();
        assert_eq!(round, ["a", "b", "c"], "in {order:?}");
    }
    peer.expect(&[]);
}

#[test]
fn consumers_of_one_queue_take_turns() {
    let mut peer = Peer::new(&broker());
    peer.limit(1);
    peer.declare("q", 0);
    peer.consume("q", "c1", false);
    peer.consume("q", "c2", false);
    peer.declare("q", 4);
    peer.expect(&[("c1", 1)]);
    peer.settle(1, Outcome::Accepted);
    peer.expect(&[("c2", 2)]);
    peer.settle(2, Outcome::Requeued);
    peer.expect(&[("c1", 3)]);
    peer.settle(3, Outcome::Rejected);
    peer.expect(&[("c2", 4)]);
}

#[test]
fn a_cancelled_consumer_holds_nobody_up() {
    let mut peer = Peer::new(&broker());
    peer.limit(1);
    peer.declare("q", 3);
    peer.consume("q", "c1", false);
    peer.consume("q", "c2", false);
    peer.expect(&[("c1", 1)]);
    peer.ask(SessionCommand::Cancel { consumer: name("c1"), nowait: true });
    peer.settle(1, Outcome::Accepted);
    peer.expect(&[("c2", 2)]);
    peer.settle(2, Outcome::Accepted);
    peer.expect(&[("c2", 3)]);
}

#[test]
fn consumers_that_need_not_settle_wait_for_room_and_take_none() {
    let mut peer = Peer::new(&broker());
    peer.limit(1);
    peer.declare("q", 2);
    peer.consume("q", "settling", false);
    peer.declare("p", 2);
    peer.consume("p", "not", true);
    peer.expect(&[("settling", 1)]);
    peer.settle(1, Outcome::Accepted);
    let mut rest = peer.deliveries();
    peer.settle(rest.iter().find(|(tag, _)| tag == "settling").unwrap().1, Outcome::Accepted);
    rest.extend(peer.deliveries());
    let tags: Vec<&str> = rest.iter().map(|(tag, _)| tag.as_str()).collect();
    assert_eq!(tags.iter().filter(|tag| **tag == "not").count(), 2, "{tags:?}");
}

#[test]
fn what_was_got_counts_against_no_limit() {
    let mut peer = Peer::new(&broker());
    peer.declare("q", 4);
    peer.declare("p", 2);
    peer.get("p");
    peer.limit(1);
    peer.consume("q", "c", false);
    peer.expect(&[("got", 1), ("c", 2)]);
    peer.settle(1, Outcome::Accepted);
    peer.get("p");
    peer.expect(&[("got", 3)]);
    peer.settle(3, Outcome::Accepted);
    peer.expect(&[]);
    peer.settle(2, Outcome::Accepted);
    peer.expect(&[("c", 4)]);
}

#[test]
fn a_larger_limit_and_none_take_effect_at_once() {
    let mut peer = Peer::new(&broker());
    peer.declare("q", 6);
    peer.limit(1);
    peer.consume("q", "c", false);
    peer.expect(&[("c", 1)]);
    peer.limit(3);
    peer.expect(&[("c", 2), ("c", 3)]);
    peer.limit(2);
    peer.settle(1, Outcome::Accepted);
    peer.expect(&[]);
    peer.limit(0);
    peer.expect(&[("c", 4), ("c", 5), ("c", 6)]);
}
