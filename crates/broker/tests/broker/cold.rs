//! What is not in memory: long queues, their gets and consumers.

use std::{sync::Arc, thread};

use model::{Command, Message, SessionCommand, SessionId, command::Consume, message::Properties};
use storage::Disk;

use crate::{
    wish::{
        ack_up_to, consume, consume_no_ack, consumer, declare, declare_transient, delete, get, get_no_ack,
        look_at, message, prefetch, publish_transient, purge, requeue,
    },
    world::{Peer, World, tight},
};

/// A message of 8 KiB whose text is the number.
pub(crate) fn large(queue: &str, number: u32, persistent: bool) -> SessionCommand {
    let mut body = number.to_string().into_bytes();
    body.resize(8 * 1024, 0);
    SessionCommand::Publish { message: message("", queue, &body, persistent), mandatory: false }
}

/// A peer, and a queue of 1, 2, …, far too many for its window.
fn with_backlog(world: &World, persistent: impl Fn(u32) -> bool) -> Peer {
    let mut peer = world.peer();
    peer.ask(declare("q"));
    for number in 1..=100 {
        peer.ask(large("q", number, persistent(number)));
        world.flush();
    }
    assert_eq!(peer.hear(), ["declared q 0 0"]);
    assert!(world.broker.memory().resident() <= 80 * 1024, "{}", world.broker.memory().resident());
    peer
}

#[test]
fn a_get_of_what_is_on_disk_waits_for_the_read() {
    let world = World::with(tight());
    let mut peer = with_backlog(&world, |_| true);
    drop(peer);
    let world = world.restart();
    peer = world.peer();
    assert!(peer.say(get("q")).is_empty());
    assert!(peer.client.is_waiting(), "no further command until then");
    world.read();
    assert!(peer.is_rung());
    assert_eq!(peer.hear(), ["got 1 1, 99 left"]);
    assert!(!peer.client.is_waiting());
    assert_eq!(peer.say(get_no_ack("q")), ["got 2 2, 98 left"], "what was read with it is at hand");
}

#[test]
fn gets_that_wait_are_answered_in_order() {
    let world = World::with(tight());
    drop(with_backlog(&world, |_| true));
    let world = world.restart();
    let mut peers: Vec<Peer> = (0..3).map(|_| world.peer()).collect();
    for peer in &mut peers {
        assert!(peer.say(get("q")).is_empty());
    }
    world.read();
    let heard: Vec<_> = peers.iter_mut().flat_map(Peer::hear).collect();
    assert_eq!(heard, ["got 1 1, 99 left", "got 1 2, 98 left", "got 1 3, 97 left"]);
}

#[test]
fn a_backlog_comes_out_in_order_whatever_it_is_made_of() {
    for persistent in [|_| true, |_| false, |n| n % 3 == 0, |n| n > 50] {
        let world = World::with(tight());
        let mut peer = with_backlog(&world, persistent);
        peer.say(prefetch(7));
        peer.ask(consume("q", "c"));
        let mut heard = Vec::new();
        for _ in 0..100 {
            world.read();
            let news = peer.hear();
            heard.extend(news.into_iter().filter(|line| line.starts_with("c ")));
            peer.ask(ack_up_to(0));
        }
        let wanted: Vec<String> = (1..=100).map(|n| format!("c {n} {n}")).collect();
        assert_eq!(heard, wanted);
        assert_eq!(world.counts("q"), (0, 0));
        world.keep_house();
        assert_eq!(world.engine.usage().spill_bytes, 0, "nothing is left of it");
    }
}

#[test]
fn what_is_requeued_stands_before_what_is_on_disk() {
    let world = World::with(tight());
    let mut peer = with_backlog(&world, |n| n % 2 == 0);
    let mut other = world.peer();
    for number in 1..=40 {
        peer.ask(get("q"));
        world.read();
        assert_eq!(peer.hear(), [format!("got {number} {number}, {} left", 100 - number)]);
    }
    peer.ask_all([requeue(40), requeue(1), requeue(17)]);
    let mut heard = Vec::new();
    for _ in 0..5 {
        other.ask(get("q"));
        world.read();
        heard.extend(other.hear());
    }
    let wanted = ["got 1 1 again, 62 left", "got 2 17 again, 61 left", "got 3 40 again, 60 left"];
    assert_eq!(heard[..3], wanted);
    assert_eq!(heard[3..], ["got 4 41, 59 left", "got 5 42, 58 left"]);
}

/// Several connections at once bring more than stays in memory, and each makes room for what it has brought.
#[test]
fn what_many_publishers_spill_at_once_all_comes_out() {
    const PUBLISHERS: u64 = 4;
    const MESSAGES: u64 = 400;
    let world = World::with(tight());
    let mut peer = world.peer();
    peer.say(declare_transient("q"));
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let world = &world;
            scope.spawn(move || {
                let mut peer = world.peer();
                for number in 0..MESSAGES {
                    let body = format!("{publisher}/{number}{}", "\0".repeat(4096));
                    peer.ask(publish_transient("q", &body));
                }
            });
        }
    });
    peer.ask(consume_no_ack("q", "c"));
    let mut last = [None; PUBLISHERS as usize];
    loop {
        world.read();
        let heard = peer.hear();
        for line in heard.iter().filter(|line| line.starts_with("c ")) {
            let body = line.split([' ', '\0']).nth(2).unwrap();
            let (publisher, number) = body.split_once('/').unwrap();
            let (publisher, number): (usize, u64) = (publisher.parse().unwrap(), number.parse().unwrap());
            let before = last[publisher].replace(number);
            assert_eq!(before.map_or(0, |before| before + 1), number, "of {publisher}");
        }
        if heard.is_empty() {
            break;
        }
    }
    assert_eq!(last, [Some(MESSAGES - 1); PUBLISHERS as usize]);
    assert_eq!(world.counts("q"), (0, 0));
}

#[test]
fn a_purge_reaches_what_is_on_disk() {
    let world = World::with(tight());
    let mut peer = with_backlog(&world, |n| n % 2 == 0);
    peer.ask(get("q"));
    world.read();
    peer.hear();
    assert_eq!(peer.say(purge("q")), ["purged 99"]);
    assert_eq!(peer.say(get("q")), ["got nothing"]);
    peer.ask(requeue(1));
    world.flush();
    world.keep_house();
    let usage = world.engine.usage();
    assert_eq!((usage.spill_bytes > 0, world.counts("q")), (false, (1, 0)));
    assert_eq!(peer.say(get("q")), ["got 2 1 again, 0 left"]);
}

#[test]
fn a_purge_under_whoever_waits_for_a_message_leaves_it_nothing() {
    let world = World::with(tight());
    drop(with_backlog(&world, |_| true));
    let world = world.restart();
    let (mut waiting, mut peer) = (world.peer(), world.peer());
    assert!(waiting.say(get("q")).is_empty());
    assert_eq!(peer.say(purge("q")), ["purged 100"]);
    world.read();
    assert!(waiting.is_rung());
    assert_eq!(waiting.hear(), ["got nothing"]);
}

#[test]
fn a_queue_is_deleted_under_whoever_waits_for_it() {
    let world = World::with(tight());
    drop(with_backlog(&world, |_| true));
    let world = world.restart();
    let (mut waiting, mut consuming, mut peer) = (world.peer(), world.peer(), world.peer());
    assert!(waiting.say(get("q")).is_empty());
    assert_eq!(consuming.say(consume("q", "c")), ["consuming c"]);
    peer.ask(delete("q"));
    world.flush();
    assert_eq!(peer.hear(), ["deleted 100"]);
    world.read();
    assert_eq!(waiting.hear(), ["got nothing"]);
    assert_eq!(consuming.hear(), ["lost c"]);
}

#[test]
fn a_get_whose_connection_is_lost_takes_nothing() {
    for no_ack in [false, true] {
        let world = World::with(tight());
        drop(with_backlog(&world, |_| true));
        let world = world.restart();
        let mut lost = world.peer();
        lost.ask(if no_ack { get_no_ack("q") } else { get("q") });
        drop(lost);
        world.read();
        assert_eq!(world.counts("q"), (100, 0));
        let mut peer = world.peer();
        assert_eq!(peer.say(get("q")), ["got 1 1, 99 left"]);
    }
}

#[test]
fn a_get_that_was_read_for_a_connection_that_is_lost_by_then_comes_back() {
    let world = World::with(tight());
    drop(with_backlog(&world, |_| true));
    let world = world.restart();
    let mut lost = world.peer();
    lost.ask(get("q"));
    world.read();
    assert_eq!(world.counts("q"), (99, 1));
    drop(lost);
    assert_eq!(world.counts("q"), (100, 0));
}

#[test]
fn reading_ahead_keeps_to_the_window() {
    let world = World::with(tight());
    let mut peer = world.peer();
    peer.ask(declare("q"));
    for number in 1..=1000 {
        peer.ask(large("q", number, true));
        world.flush();
        if number % 50 == 0 {
            world.keep_house();
        }
    }
    drop(peer);
    let world = world.restart();
    let mut peer = world.peer();
    peer.say(prefetch(1));
    peer.ask(SessionCommand::Consume(Consume { ..consumer("q", "c") }));
    world.read();
    assert_eq!(peer.hear(), ["consuming c", "c 1 1"]);
    let resident = world.broker.memory().resident();
    assert!(resident < 2 * 1024 * 1024, "{resident} bytes in memory for a consumer that takes one at a time");
}

#[test]
fn counts_are_right_without_a_look_at_the_messages() {
    let world = World::with(tight());
    drop(with_backlog(&world, |n| n % 4 == 0));
    let world = world.restart();
    let mut peer = world.peer();
    assert_eq!(peer.say(look_at("q")), ["declared q 25 0"]);
    peer.client.handle_command(0, Command::Session(SessionId(1), get("q")));
    world.read();
    assert_eq!(peer.hear(), ["got 1 4, 24 left"]);
}

#[test]
fn what_the_disk_lost_is_passed_over() {
    let world = World::with(tight());
    drop(with_backlog(&world, |_| true));
    world.keep_house();
    let segments = world.disk.list().unwrap().into_iter().filter(|file| file.name.starts_with("segment-"));
    let [second, third] = segments.skip(1).take(2).collect::<Vec<_>>().try_into().unwrap();
    assert!(world.disk.flip(&second.name, 10_000, 3), "a body");
    assert!(world.disk.flip(&third.name, third.len as usize - 100, 3), "the footer");
    let world = world.restart();
    let mut peer = world.peer();
    peer.ask(consume("q", "c"));
    world.read();
    let news = peer.hear();
    let got: Vec<u32> = news.iter().filter_map(|line| line.split(' ').nth(2)?.parse().ok()).collect();
    assert!(got.is_sorted() && got.len() < 100 && got.len() > 90, "{news:?}");
    assert_eq!(world.counts("q"), (0, got.len() as u64), "nothing waits for what is lost");
    assert!(
        world.disk.list().unwrap().iter().filter(|file| file.name.starts_with("aside-segment-")).count() == 2
    );
}

#[test]
fn what_is_not_in_memory_expires_in_its_time() {
    let world = World::with(tight());
    let mut peer = world.peer();
    peer.ask(declare("q"));
    for number in 0..100_u32 {
        // The first never, of the rest each before the one in front of it.
        let expiration = (number > 0).then(|| (1000 - number).to_string().into_bytes());
        let properties =
            Properties { expiration: expiration.as_deref(), delivery_mode: Some(2), ..Properties::default() };
        let mut list = Vec::new();
        properties.encode(&mut list);
        let mut body = number.to_string().into_bytes();
        body.resize(8 * 1024, 0);
        let message = Arc::new(Message::new(b"", b"q", &list, &body).unwrap());
        peer.ask(SessionCommand::Publish { message, mandatory: false });
        world.flush();
    }
    assert!(world.broker.memory().resident() <= 96 * 1024, "{}", world.broker.memory().resident());
    for left in (1..100).rev() {
        world.pass_to(1000 - left);
        assert_eq!(world.counts("q"), (left, 0), "at {}", 1000 - left);
    }
    peer.hear();
    assert_eq!(peer.say(get("q")), ["got 1 0, 0 left"]);
}
