//! Exchanges that make messages wait.

use std::time::Duration;

use broker::queue::{Amount, Cancelled};
use model::{
    Event, Outcome, SessionCommand, SessionEvent, Value,
    command::{DeclareExchange, DeclareQueue},
};

use crate::{
    wish::{
        ack, bind, bind_exchange, consume, consume_no_ack, declare, declare_exchange, durable_exchange,
        durable_queue, get, message_with, name, reject, select_confirms, settle, table,
    },
    world::{Peer, World, tight},
};

fn delayed(exchange: &str, kind: &str) -> DeclareExchange {
    let arguments = table(&[("x-delayed-type", Value::text(kind))]);
    DeclareExchange { arguments, ..durable_exchange(exchange, "x-delayed-message") }
}

fn later(exchange: &str, key: &str, body: &str, delay_ms: i64) -> SessionCommand {
    let headers = [("x-delay", Value::I64(delay_ms))];
    let message = message_with(exchange, key, body.as_bytes(), &headers);
    SessionCommand::Publish { message, mandatory: true }
}

/// A peer, and a queue `q` bound to a direct exchange `d` that delays.
fn with_exchange(world: &World) -> Peer {
    let mut peer = world.peer();
    peer.ask_all([
        SessionCommand::DeclareExchange(delayed("d", "direct")),
        declare("q"),
        bind("d", "q", "q"),
        select_confirms(),
    ]);
    world.flush();
    assert_eq!(peer.hear().len(), 4);
    peer
}

fn waiting(world: &World, exchange: &str) -> Amount {
    let topology = world.broker.topology().read();
    let record = topology.exchange(&name("/"), &name(exchange)).unwrap();
    let queue = record.delay_queue.as_ref().unwrap();
    world.broker.queue(queue).unwrap().counts().0
}

#[test]
fn messages_come_when_their_delays_are_over() {
    let world = World::new();
    let mut peer = with_exchange(&world);
    peer.ask_all([
        later("d", "q", "third", 300),
        later("d", "q", "first", 0),
        later("d", "q", "second", 200),
        later("d", "q", "before", -5),
        later("d", "q", "fourth", 300),
    ]);
    world.flush();
    assert_eq!(peer.hear(), ["confirmed up to 5"], "nothing is returned");
    assert_eq!(world.counts("q"), (2, 0));
    assert_eq!(waiting(&world, "d").messages, 3);
    peer.ask(consume_no_ack("q", "c"));
    assert_eq!(peer.hear(), ["consuming c", "c 1 first", "c 2 before"]);
    world.pass_to(199);
    assert!(peer.hear().is_empty());
    world.pass_to(200);
    assert_eq!(peer.hear(), ["c 3 second"]);
    world.pass_to(1000);
    assert_eq!(peer.hear(), ["c 4 third", "c 5 fourth"]);
    assert_eq!(waiting(&world, "d").messages, 0);
}

#[test]
fn the_header_says_afterwards_how_long_it_was() {
    let world = World::new();
    let mut peer = with_exchange(&world);
    peer.ask_all([later("d", "q", "a", 40), consume_no_ack("q", "c")]);
    world.pass_to(40);
    let events = peer.events();
    let Some(Event::Session(_, SessionEvent::Delivered { message, redelivered: false, .. })) = events.last()
    else {
        panic!("{events:?}")
    };
    assert_eq!(message.exchange(), b"d");
    let expected = message_with("d", "q", b"a", &[("x-delay", Value::I64(-40))]);
    assert_eq!(message.raw_properties(), expected.raw_properties());
}

#[test]
fn where_a_message_goes_is_decided_when_it_goes() {
    let world = World::new();
    let mut peer = with_exchange(&world);
    peer.ask_all([declare_exchange("rest", "fanout"), declare("lost"), bind("rest", "lost", "")]);
    let alternate = ("alternate-exchange", Value::text("rest"));
    let arguments = table(&[("x-delayed-type", Value::text("topic")), alternate]);
    peer.ask(SessionCommand::DeclareExchange(DeclareExchange { arguments, ..delayed("t", "topic") }));
    peer.ask_all([later("t", "a.b", "late", 10), later("t", "c", "nowhere", 10)]);
    assert_eq!(world.counts("lost"), (0, 0));
    peer.ask(bind("t", "q", "a.*"));
    world.pass_to(10);
    world.flush();
    peer.hear();
    assert_eq!(peer.say(get("q")), ["got 1 late, 0 left"]);
    assert_eq!(peer.say(get("lost")), ["got 2 nowhere, 0 left"]);
}

#[test]
fn what_comes_through_another_exchange_waits_too_but_once() {
    let world = World::new();
    let mut peer = with_exchange(&world);
    peer.ask_all([
        declare_exchange("f", "fanout"),
        SessionCommand::DeclareExchange(delayed("e", "fanout")),
        bind_exchange("f", "d", ""),
        bind_exchange("d", "e", "q"),
        declare("p"),
        bind("e", "p", ""),
        later("f", "q", "a", 25),
    ]);
    assert_eq!((waiting(&world, "d").messages, world.counts("q")), (1, (0, 0)));
    world.pass_to(25);
    assert_eq!((world.counts("q"), world.counts("p")), ((1, 0), (1, 0)));
    assert_eq!((waiting(&world, "d").messages, waiting(&world, "e").messages), (0, 0));
}

#[test]
fn further_keys_count_when_the_time_has_come_and_bcc_is_never_seen() {
    let world = World::new();
    let mut peer = with_exchange(&world);
    peer.ask_all([declare("b"), bind("d", "b", "b")]);
    let keys = |key: &str| Value::Array(vec![Value::text(key)]);
    let headers = [("x-delay", Value::I32(5)), ("BCC", keys("b"))];
    let message = message_with("d", "q", b"a", &headers);
    peer.ask(SessionCommand::Publish { message, mandatory: false });
    world.pass_to(5);
    world.flush();
    peer.hear();
    peer.ask(get("b"));
    let Some(Event::Session(_, SessionEvent::Got { message, .. })) = peer.events().pop() else { panic!() };
    let expected = message_with("d", "q", b"a", &[("x-delay", Value::I64(-5))]);
    assert_eq!(message.raw_properties(), expected.raw_properties());
    assert_eq!(world.counts("q"), (1, 0));
}

#[test]
fn a_delay_in_a_transaction_begins_with_the_commit() {
    let world = World::new();
    let mut peer = with_exchange(&world);
    let mut other = world.peer();
    other.ask_all([SessionCommand::SelectTransactions, later("d", "q", "no", 50)]);
    other.ask_all([SessionCommand::Rollback, later("d", "q", "yes", 50)]);
    assert_eq!(waiting(&world, "d").messages, 0);
    other.ask(SessionCommand::Commit);
    world.flush();
    assert_eq!(other.hear().last().unwrap(), "Committed");
    assert_eq!(waiting(&world, "d").messages, 1);
    world.pass_to(50);
    assert_eq!(peer.say(get("q")), ["got 1 yes, 0 left"]);
}

#[test]
fn dead_letters_may_have_to_wait() {
    let world = World::new();
    let mut peer = with_exchange(&world);
    let to = table(&[
        ("x-dead-letter-exchange", Value::text("d")),
        ("x-dead-letter-routing-key", Value::text("q")),
    ]);
    peer.ask_all([
        SessionCommand::DeclareQueue(DeclareQueue { arguments: to, ..durable_queue("work") }),
        later("", "work", "a", 70),
        consume("work", "c"),
    ]);
    world.flush();
    assert_eq!(peer.hear().last().unwrap(), "c 1 a");
    peer.ask(reject(1));
    assert_eq!((waiting(&world, "d").messages, world.counts("q")), (1, (0, 0)));
    world.pass_to(70);
    assert_eq!(world.counts("q"), (1, 0));
}

#[test]
fn what_waits_goes_with_its_exchange() {
    let world = World::new();
    let mut peer = with_exchange(&world);
    peer.ask_all([later("d", "q", "a", 60), later("d", "q", "b", 60)]);
    peer.ask(SessionCommand::DeleteExchange { exchange: name("d"), if_unused: false, nowait: false });
    peer.ask(SessionCommand::DeclareExchange(delayed("d", "direct")));
    peer.ask(bind("d", "q", "q"));
    world.flush();
    world.pass_to(100);
    assert_eq!((waiting(&world, "d").messages, world.counts("q")), (0, (0, 0)));
    let world = world.crash();
    world.broker.start_clock(200);
    world.read_at(200);
    assert_eq!((waiting(&world, "d").messages, world.counts("q")), (0, (0, 0)));
}

#[test]
fn what_waits_and_its_times_are_there_after_a_restart() {
    for is_clean in [true, false] {
        let world = World::new();
        let mut peer = with_exchange(&world);
        peer.ask_all([later("d", "q", "b", 5000), later("d", "q", "a", 3000), later("d", "q", "c", 7000)]);
        world.flush();
        world.keep_house();
        drop(peer);
        let world = if is_clean { world.restart() } else { world.crash() };
        world.broker.start_clock(4000);
        world.read_at(4000);
        assert_eq!((waiting(&world, "d").messages, world.counts("q")), (2, (1, 0)));
        let mut peer = world.peer();
        assert_eq!(peer.say(get("q")), ["got 1 a, 0 left"]);
        world.pass_to(4999);
        assert_eq!(world.counts("q").0, 0);
        world.pass_to(9000);
        assert_eq!(peer.say(get("q")), ["got 2 b, 1 left"]);
        assert_eq!(peer.say(get("q")), ["got 3 c, 0 left"]);
    }
}

#[test]
fn one_that_is_not_durable_keeps_nothing_over_a_restart() {
    let world = World::with(tight());
    let mut peer = world.peer();
    peer.ask_all([
        SessionCommand::DeclareExchange(DeclareExchange { durable: false, ..delayed("d", "fanout") }),
        declare("q"),
        bind("d", "q", ""),
    ]);
    for number in 0..50 {
        peer.ask(later("d", "q", &format!("{number}{}", "\0".repeat(8192)), 1000 - number));
    }
    assert!(world.broker.memory().resident() <= 96 * 1024, "{}", world.broker.memory().resident());
    world.pass_to(960);
    assert_eq!((waiting(&world, "d").messages, world.counts("q").0), (40, 10));
    world.flush();
    let world = world.restart();
    assert_eq!(world.counts("q").0, 10);
    assert!(world.broker.topology().read().exchange(&name("/"), &name("d")).is_err());
}

/// When message `number` of 101 comes: delays in disorder, all different.
fn delay_of(number: u64) -> u64 {
    1 + number * 37 % 101
}

/// Publishes them, so large that few stay in memory.
fn wait_in_disorder(world: &World, peer: &mut Peer) {
    for number in 0..101 {
        peer.ask(later("d", "q", &format!("{number}{}", "\0".repeat(8192)), delay_of(number) as i64));
        world.flush();
    }
}

/// Delays in disorder, all different, far more than what stays in memory.
#[test]
fn many_that_are_not_in_memory_come_in_the_order_of_their_times() {
    let world = World::with(tight());
    let mut peer = with_exchange(&world);
    wait_in_disorder(&world, &mut peer);
    assert!(world.broker.memory().resident() <= 96 * 1024, "{}", world.broker.memory().resident());
    let mut wanted: Vec<u64> = (0..101).collect();
    wanted.sort_by_key(|number| delay_of(*number));
    peer.hear();
    for (at, number) in wanted.into_iter().enumerate() {
        world.pass_to(at as u64 + 1);
        world.flush();
        peer.ask(get("q"));
        world.read();
        let heard = peer.hear();
        assert_eq!(heard, [format!("got {} {number}, 0 left", at + 1)]);
        peer.ask(ack(at as u64 + 1));
    }
    assert_eq!(waiting(&world, "d").messages, 0);
}

/// After a start what is due need not wait until all that waits has been looked at.
#[test]
fn what_is_due_goes_while_the_rest_is_read() {
    let world = World::new();
    let mut peer = with_exchange(&world);
    let count = 10_000;
    // The third is over, the fifth over in a moment, those at the end long since.
    let delay = |number: u64| match number {
        3 => 50,
        5 => 150,
        9_998.. => 10,
        _ => 1_000_000,
    };
    for number in 0..count {
        peer.ask(later("d", "q", &number.to_string(), delay(number)));
    }
    world.flush();
    drop(peer);
    let world = world.crash();
    world.broker.start_clock(100);
    assert!(world.broker.read_one(Duration::ZERO, || 100));
    assert_eq!(world.counts("q"), (1, 0), "of those that have been looked at");
    assert!(world.broker.read_one(Duration::ZERO, || 200));
    assert_eq!(world.counts("q"), (2, 0), "what is over comes before what is not known");
    world.read_at(200);
    assert_eq!((world.counts("q"), waiting(&world, "d").messages), ((4, 0), count - 4));
    world.pass_to(1_000_000);
    assert_eq!((world.counts("q"), waiting(&world, "d").messages), ((count, 0), 0));
    let mut peer = world.peer();
    let heard = [(); 4].map(|()| {
        peer.ask(get("q"));
        world.read_at(1_000_000);
        peer.hear().concat().split([' ', ',']).nth(2).map(str::to_owned)
    });
    assert_eq!(heard.map(Option::unwrap), ["3", "5", "9998", "9999"]);
}

/// Wherever the power goes, each confirmed message is in one place afterwards, and comes in its time.
#[test]
fn a_crash_neither_loses_nor_doubles_what_waits() {
    for seed in 0..300_u64 {
        let world = World::new();
        let mut peer = with_exchange(&world);
        let mut confirmed = 0;
        for number in 0..12 {
            peer.ask(later("d", "q", &number.to_string(), 10 * (number % 5 + 1)));
            if seed >> (number % 8) & 1 == 1 {
                world.flush();
                confirmed = number + 1;
            }
        }
        let now_ms = 10 * (seed % 6);
        world.broker.handle_time(now_ms);
        if seed % 7 == 0 {
            world.flush();
            confirmed = 12;
        }
        world.broker.handle_time(now_ms + 10);
        if seed % 3 == 0 {
            world.keep_house();
        }
        drop(peer);
        let world = world.crash_with(seed);
        world.broker.start_clock(now_ms + 10);
        world.read_at(now_ms + 10);
        let late = (0..confirmed).filter(|number| 10 * (number % 5 + 1) > now_ms as i64 + 10).count() as u64;
        assert!(waiting(&world, "d").messages >= late, "seed {seed}: those whose time is to come still wait");
        world.pass_to(1000);
        let mut peer = world.peer();
        peer.ask(consume("q", "c"));
        world.read();
        let mut bodies: Vec<i64> = peer
            .hear()
            .iter()
            .filter(|line| line.starts_with("c "))
            .map(|line| line.split(' ').nth(2).unwrap().parse().unwrap())
            .collect();
        bodies.sort_unstable();
        assert!(bodies.windows(2).all(|pair| pair[0] != pair[1]), "seed {seed}: {bodies:?} has doubles");
        assert!((0..confirmed).all(|number| bodies.contains(&number)), "seed {seed}: {bodies:?} lacks some");
        peer.ask(settle(0, true, Outcome::Accepted));
        assert_eq!((waiting(&world, "d").messages, world.counts("q")), (0, (0, 0)));
    }
}

/// What waits in `d`, read in pages of `size`: the number in its body, when its time has come, what it is called by.
fn listed(world: &World, size: usize) -> Vec<(u64, u64, u64)> {
    let room = world.broker.waiting_room(&name("/"), &name("d")).unwrap();
    let (mut listed, mut from) = (Vec::new(), Some(0));
    while let Some(cursor) = from {
        let page = room.waiting(cursor, size).unwrap();
        assert!(page.messages.len() <= size);
        for waiting in page.messages {
            let body = waiting.message.body().split(|byte| *byte == 0).next().unwrap().to_vec();
            let body = String::from_utf8(body).unwrap().parse().unwrap();
            listed.push((body, waiting.due_at_ms, waiting.number));
        }
        from = page.next;
    }
    listed
}

fn cancel(world: &World, number: u64) -> bool {
    let room = world.broker.waiting_room(&name("/"), &name("d")).unwrap();
    match world.broker.cancel_waiting(&room, number, 0).unwrap() {
        Cancelled::Gone(_) => true,
        Cancelled::Missing => false,
        Cancelled::Busy => panic!("nobody reads"),
    }
}

/// In memory, on disk and in both; before and after a restart.
#[test]
fn what_waits_is_listed_and_single_ones_are_taken_out() {
    let world = World::with(tight());
    let mut peer = with_exchange(&world);
    wait_in_disorder(&world, &mut peer);
    let all = listed(&world, 7);
    let wanted: Vec<_> = (0..101).map(|number| (number, delay_of(number))).collect();
    assert_eq!(all.iter().map(|(number, at, _)| (*number, *at)).collect::<Vec<_>>(), wanted);
    assert_eq!(listed(&world, 500), all);
    let mut left = all;
    for at in [100, 99, 70, 50, 49, 48, 20, 1, 0] {
        let (.., number) = left.remove(at);
        assert!(cancel(&world, number));
        assert!(!cancel(&world, number), "it is gone");
        assert_eq!(listed(&world, 7), left);
        assert_eq!(waiting(&world, "d").messages, left.len() as u64);
    }
    world.flush();
    drop(peer);
    let world = world.crash();
    world.broker.start_clock(0);
    world.read_at(0);
    assert_eq!(listed(&world, 7), left, "what was taken out stays out");
    let (.., number) = left.remove(45);
    assert!(cancel(&world, number));
    world.pass_to(1000);
    world.flush();
    world.read_at(1000);
    assert_eq!(waiting(&world, "d").messages, 0);
    assert_eq!(world.counts("q").0, left.len() as u64, "those that were not taken out have come");
}

#[test]
fn all_that_waits_is_taken_out() {
    let world = World::new();
    let mut peer = with_exchange(&world);
    peer.ask_all((0..5).map(|number| later("d", "q", &number.to_string(), 10)));
    let room = world.broker.waiting_room(&name("/"), &name("d")).unwrap();
    assert_eq!(room.cancel_all_waiting().0, 5);
    assert!(listed(&world, 7).is_empty());
    world.flush();
    drop((peer, room));
    let world = world.crash();
    world.broker.start_clock(1000);
    world.read_at(1000);
    assert_eq!((waiting(&world, "d").messages, world.counts("q").0), (0, 0));
}
