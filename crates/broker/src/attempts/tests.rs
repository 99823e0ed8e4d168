//! Waits and counts, with the time as an argument.

use super::*;

const ELSEWHERE: &str = "192.0.2.7";

struct World {
    attempts: Attempts,
    now_ms: u64,
}

impl World {
    fn new() -> Self {
        Self { attempts: Attempts::default(), now_ms: 1_000_000 }
    }

    fn fail(&self, from: &str, user: &str, times: u32) {
        for _ in 0..times {
            self.attempts.fail(Door::Amqp, from.parse().unwrap(), &Name::parse(user).unwrap(), self.now_ms);
        }
    }

    fn succeed(&self, from: &str, user: &str) {
        self.attempts.succeed(from.parse().unwrap(), &Name::parse(user).unwrap(), self.now_ms);
    }

    /// Seconds to wait; 0: none.
    fn wait(&self, from: &str, user: &str) -> u64 {
        match self.attempts.check(from.parse().unwrap(), &Name::parse(user).unwrap(), self.now_ms) {
            Ok(()) => 0,
            Err(Denied::Later { seconds }) => seconds,
            Err(Denied::Wrong) => panic!("nobody has looked"),
        }
    }
}

#[test]
fn after_five_failures_each_doubles_the_wait_up_to_a_minute() {
    let mut world = World::new();
    world.fail(ELSEWHERE, "shop", 5);
    assert_eq!(world.wait(ELSEWHERE, "shop"), 0);
    let mut waits = Vec::new();
    for _ in 0..9 {
        world.fail(ELSEWHERE, "shop", 1);
        waits.push(world.wait(ELSEWHERE, "shop"));
        world.now_ms += 60_000;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(world.wait(ELSEWHERE, "shop"), 0);
}

#[test]
fn nobody_is_locked_out_by_others() {
    let world = World::new();
    world.fail(ELSEWHERE, "shop", 40);
    assert_eq!(world.wait("192.0.2.8", "shop"), 0);
    assert_eq!(world.wait(ELSEWHERE, "other"), 0);
    world.succeed(ELSEWHERE, "neighbour");
    world.fail(ELSEWHERE, "shop", 40);
    // The place as a whole has to wait now, but for who is known there.
    assert_eq!(world.wait(ELSEWHERE, "other"), 60);
    assert_eq!(world.wait(ELSEWHERE, "neighbour"), 0);
    world.fail(ELSEWHERE, "neighbour", 1);
    assert_eq!(world.wait(ELSEWHERE, "neighbour"), 60);
}

#[test]
fn a_success_and_ten_quiet_minutes_forgive() {
    let mut world = World::new();
    world.fail(ELSEWHERE, "shop", 6);
    world.succeed(ELSEWHERE, "shop");
    world.fail(ELSEWHERE, "shop", 5);
    assert_eq!(world.wait(ELSEWHERE, "shop"), 0);
    world.now_ms += FORGET_MS;
    world.fail(ELSEWHERE, "shop", 5);
    assert_eq!(world.wait(ELSEWHERE, "shop"), 0);
    assert_eq!(world.attempts.failures()[0].count, 5);
}

#[test]
fn on_the_machine_itself_a_wait_is_short() {
    for loopback in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        let world = World::new();
        world.fail(loopback, "guest", 20);
        assert_eq!(world.wait(loopback, "guest"), 0, "{loopback}");
        world.fail(loopback, "guest", 10_000);
        assert_eq!(world.wait(loopback, "guest"), 1, "{loopback}");
        assert_eq!(world.wait(loopback, "other"), 0, "{loopback}");
    }
}

#[test]
fn a_network_of_ipv6_is_one_place() {
    let world = World::new();
    world.fail("2001:db8::1", "shop", 6);
    assert_eq!(world.wait("2001:db8::2", "shop"), 1);
    assert_eq!(world.wait("2001:db8:0:1::1", "shop"), 0);
}

#[test]
fn tables_are_bounded_and_the_oldest_goes_first() {
    let mut world = World::new();
    world.fail(ELSEWHERE, "first", 6);
    world.now_ms += 1;
    for number in 0..ENTRIES_MAX + 10 {
        world.fail("2001:db8::1", &format!("user{number}"), 1);
        world.succeed("2001:db8::1", &format!("known{number}"));
    }
    let tables = world.attempts.tables.lock();
    assert_eq!((tables.pairs.len(), tables.known.len()), (ENTRIES_MAX, ENTRIES_MAX));
    assert!(!tables.pairs.keys().any(|(_, user)| user.as_str() == "first"));
}

#[test]
fn counts_begin_anew_when_they_are_reset() {
    let world = World::new();
    world.attempts.http.0.add_shared(3);
    assert_eq!(world.attempts.counts((7, 2)), [(Door::Http, 3, 0), (Door::Amqp, 7, 2)]);
    world.attempts.reset((7, 2));
    world.attempts.http.1.add_shared(1);
    assert_eq!(world.attempts.counts((8, 2)), [(Door::Http, 0, 1), (Door::Amqp, 1, 0)]);
}
