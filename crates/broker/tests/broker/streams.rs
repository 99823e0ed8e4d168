//! Streams: what is in them stays, and everybody reads it at a place of their own.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use broker::topology::PolicySide;
use model::{
    Command, Event, Message, SessionCommand, SessionEvent, SessionId, Table, Value,
    command::{Consume, DeclareQueue},
};
use serde_json::json;
use storage::Disk;

use crate::{
    simulation::Dice,
    wish::{
        ack, ack_up_to, bind, cancel, consumer, declare, declare_exchange, delete, durable_queue, get,
        look_at, message, name, prefetch, publish, publish_to, publish_transient, purge, reject, requeue,
        select_confirms, table,
    },
    world::{Peer, World, tight},
};

fn declare_stream(more: &[(&str, Value)]) -> SessionCommand {
    let mut arguments = table(&[("x-queue-type", Value::text("stream"))]);
    arguments.0.extend(table(more).0);
    SessionCommand::DeclareQueue(DeclareQueue { arguments, ..durable_queue("s") })
}

fn with_stream(world: &World, more: &[(&str, Value)]) -> Peer {
    let mut peer = world.peer();
    peer.ask_all([declare_stream(more), prefetch(1000), select_confirms()]);
    world.flush();
    assert_eq!(peer.hear()[0], "declared s 0 0");
    peer
}

fn read_from(tag: &str, start: Value) -> SessionCommand {
    let arguments = table(&[("x-stream-offset", start)]);
    SessionCommand::Consume(Consume { arguments, ..consumer("s", tag) })
}

fn offset_of(message: &Message) -> u64 {
    let headers = message.properties().raw_headers;
    let headers = headers.map_or_else(Table::default, |mut raw| Table::decode(&mut raw).unwrap());
    headers.get("x-stream-offset").and_then(Value::as_integer).unwrap().try_into().unwrap()
}

/// What was delivered: consumer, offset, body.
fn delivered(peer: &mut Peer) -> Vec<(String, u64, String)> {
    let deliveries = peer.events().into_iter().filter_map(|event| match event {
        Event::Session(_, SessionEvent::Delivered { consumer, message, redelivered, .. }) => {
            assert!(!redelivered);
            let body = String::from_utf8_lossy(message.body()).into_owned();
            Some((consumer.to_string(), offset_of(&message), body))
        }
        _ => None,
    });
    deliveries.collect()
}

/// The same for one consumer, as one line.
fn line(peer: &mut Peer) -> String {
    let words = delivered(peer).into_iter().map(|(_, offset, body)| format!("{offset}:{body}"));
    words.collect::<Vec<_>>().join(" ")
}

/// Publishes each as a read of its own, and makes all durable.
fn publish_all(world: &World, peer: &mut Peer, bodies: &str) {
    for body in bodies.split(' ') {
        peer.ask(publish("s", body));
    }
    world.flush();
    peer.hear();
}

/// What a newcomer reads.
fn contents(world: &World, start: Value) -> String {
    let mut peer = world.peer();
    peer.ask_all([prefetch(1000), read_from("reader", start)]);
    world.read();
    let line = line(&mut peer);
    peer.command(Command::Close);
    line
}

fn first() -> Value {
    Value::text("first")
}

#[test]
fn nothing_is_told_before_it_is_durable_and_everybody_waits_for_free() {
    let world = World::new();
    let mut peer = with_stream(&world, &[]);
    peer.ask_all([read_from("a", first()), read_from("b", Value::text("next"))]);
    world.read();
    peer.events();
    peer.ask_all([publish_transient("s", "0"), publish("s", "1")]);
    world.read();
    assert_eq!(peer.hear(), Vec::<String>::new());
    world.flush();
    world.read();
    let told = peer.hear();
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told.contains(&"confirmed up to 2".to_owned()));
    publish_all(&world, &mut peer, "2");
    assert!(!peer.is_rung());
    world.read();
    assert!(peer.is_rung(), "woken by the append");
    let both = ["a", "b"].map(|tag| (tag.to_owned(), 2, "2".to_owned()));
    assert_eq!(delivered(&mut peer), both);
}

/// The log is synced by another thread, at any moment of a publish: whoever waits is told all the same.
#[test]
fn what_is_durable_at_once_is_told_too() {
    let world = World::new();
    let mut peer = with_stream(&world, &[]);
    peer.ask(read_from("a", first()));
    world.read();
    peer.events();
    let is_over = AtomicBool::new(false);
    let told: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                world.flush();
            }
        });
        let tries = (0..500).map(|_| {
            peer.ask(publish("s", "x"));
            let is_told = (0..10_000).any(|_| {
                world.broker.read_one(Duration::from_millis(1), || 0);
                !delivered(&mut peer).is_empty()
            });
            peer.ask(ack_up_to(0));
            is_told
        });
        let told = tries.take_while(|is_told| *is_told).collect();
        is_over.store(true, Ordering::Relaxed);
        told
    });
    assert_eq!(told.len(), 500);
}

#[test]
fn places_to_begin() {
    let world = World::new();
    let mut peer = with_stream(&world, &[]);
    for (second, body) in [(1, "0"), (2, "1"), (4, "2")] {
        peer.client.handle_command(second * 1000, Command::Session(SessionId(1), publish("s", body)));
        peer.client.hand_over();
    }
    world.flush();
    for (start, wanted) in [
        (first(), "0:0 1:1 2:2"),
        (Value::text("last"), "2:2"),
        (Value::text("next"), ""),
        (Value::I32(0), "0:0 1:1 2:2"),
        (Value::I64(1), "1:1 2:2"),
        (Value::I64(3), ""),
        (Value::Timestamp(0), "0:0 1:1 2:2"),
        (Value::Timestamp(2), "1:1 2:2"),
        (Value::Timestamp(3), "2:2"),
        (Value::Timestamp(5), ""),
    ] {
        assert_eq!(contents(&world, start.clone()), wanted, "{start:?}");
    }
    peer.ask(read_from("later", Value::I32(4)));
    publish_all(&world, &mut peer, "3 4");
    world.read();
    assert_eq!(line(&mut peer), "4:4");
}

#[test]
fn within_a_chunk_an_offset_is_met_exactly() {
    let world = World::new();
    let mut peer = with_stream(&world, &[]);
    peer.ask_all((0..10).map(|number| publish("s", &number.to_string())));
    world.flush();
    assert_eq!(contents(&world, Value::I32(7)), "7:7 8:8 9:9");
    assert_eq!(
        contents(&world, Value::text("last")).split(' ').count(),
        10,
        "the last chunk has all of them"
    );
}

#[test]
fn verdicts_are_credit_and_nothing_else() {
    let world = World::new();
    let mut peer = with_stream(&world, &[]);
    publish_all(&world, &mut peer, "a b c d e f g");
    peer.ask_all([prefetch(2), read_from("c", first())]);
    world.read();
    assert_eq!(line(&mut peer), "0:a 1:b");
    for (verdict, next) in
        [(ack(1), "2:c"), (reject(2), "3:d"), (requeue(3), "4:e"), (ack_up_to(5), "5:f 6:g")]
    {
        peer.ask(verdict);
        assert_eq!(line(&mut peer), next);
    }
    assert_eq!(world.counts("s"), (7, 0));
}

#[test]
fn what_a_stream_does_not_do_is_refused() {
    let world = World::new();
    let refusal = |command: SessionCommand| {
        let mut peer = with_stream(&world, &[]);
        peer.ask(prefetch(0));
        peer.hear();
        let heard = peer.say(command);
        peer.ask(delete("s"));
        let mut other = world.peer();
        other.ask(delete("s"));
        world.flush();
        heard
    };
    assert_eq!(refusal(get("s")), ["refused: NotImplemented"]);
    assert_eq!(refusal(purge("s")), ["refused: NotImplemented"]);
    assert_eq!(refusal(read_from("c", first())), ["refused: NoPrefetch"]);
    let mut peer = world.peer();
    let no_ack = Consume { no_ack: true, ..consumer("s", "c") };
    peer.ask_all([declare_stream(&[]), prefetch(5)]);
    world.flush();
    peer.hear();
    assert_eq!(peer.say(SessionCommand::Consume(no_ack)), ["refused: NotImplemented"]);
}

#[test]
fn what_was_confirmed_survives_with_its_offsets() {
    let world = World::new();
    let mut peer = with_stream(&world, &[]);
    publish_all(&world, &mut peer, "a b");
    peer.ask(publish("s", "not confirmed"));
    drop(peer);
    let world = world.crash();
    assert_eq!(contents(&world, first()), "0:a 1:b");
    let mut peer = world.peer();
    publish_all(&world, &mut peer, "c");
    drop(peer);
    let world = world.restart();
    assert_eq!(contents(&world, Value::I32(1)), "1:b 2:c");
    assert_eq!(world.counts("s"), (3, 0));
}

#[test]
fn what_is_in_segments_is_read_as_well_in_little_memory() {
    let world = World::with(tight());
    let mut peer = with_stream(&world, &[]);
    let mut wanted = Vec::new();
    for round in 0..40 {
        peer.ask_all((0..50).map(|number| publish("s", &format!("{round}-{number}"))));
        wanted.extend((0..50).map(|number| format!("{round}-{number}")));
        world.flush();
        world.keep_house();
        peer.hear();
    }
    assert!(world.disk.list().unwrap().iter().any(|file| file.name.starts_with("segment-")));
    peer.ask_all([prefetch(100), read_from("c", Value::I32(100))]);
    let mut found = Vec::new();
    while found.len() < wanted.len() - 100 {
        world.read();
        let bodies = delivered(&mut peer).into_iter().map(|(_, offset, body)| (offset, body));
        let before = found.len();
        found.extend(bodies);
        assert!(found.len() > before, "nothing comes after {before}");
        assert!(world.broker.memory().resident() < 256 * 1024);
        peer.ask(ack_up_to(0));
    }
    let wanted: Vec<_> = (100..).zip(wanted.split_off(100)).collect();
    assert_eq!(found, wanted);
}

#[test]
fn one_who_is_slow_holds_up_nobody() {
    let world = World::new();
    let mut peer = with_stream(&world, &[]);
    let mut slow = world.peer();
    slow.ask_all([prefetch(1), read_from("slow", first())]);
    peer.ask(read_from("fast", first()));
    publish_all(&world, &mut peer, "a b c d");
    world.read();
    assert_eq!(line(&mut peer), "0:a 1:b 2:c 3:d");
    assert_eq!(line(&mut slow), "0:a");
    slow.ask(ack(1));
    assert_eq!(line(&mut slow), "1:b");
}

fn publish_valued(body: &str, value: Option<&str>) -> SessionCommand {
    let plain = message("", "s", body.as_bytes(), true);
    let Some(value) = value else { return SessionCommand::Publish { message: plain, mandatory: false } };
    let mut headers = Vec::new();
    table(&[("x-stream-filter-value", Value::text(value))]).encode(&mut headers);
    let mut list = Vec::new();
    model::message::Properties { raw_headers: Some(&headers), ..plain.properties() }.encode(&mut list);
    let message = plain.with_properties(&list).unwrap().into();
    SessionCommand::Publish { message, mandatory: false }
}

#[test]
fn a_filter_lets_through_what_has_the_value_and_takes_no_credit_for_the_rest() {
    let world = World::new();
    let mut peer = with_stream(&world, &[]);
    let values = [Some("red"), Some("blue"), None, Some("red"), None, Some("blue"), Some("red")];
    let publishes = || values.iter().map(|value| publish_valued(value.unwrap_or("none"), *value));
    // Once all in one chunk, once each in its own.
    peer.ask_all(publishes());
    publishes().for_each(|publish| peer.ask(publish));
    world.flush();
    peer.hear();
    let mut filtered = |filter: Value, unfiltered: bool| {
        let arguments = table(&[
            ("x-stream-offset", first()),
            ("x-stream-filter", filter),
            ("x-stream-match-unfiltered", Value::Bool(unfiltered)),
        ]);
        let wish = Consume { arguments, ..consumer("s", "c") };
        peer.ask_all([prefetch(50), SessionCommand::Consume(wish)]);
        world.read();
        let line = line(&mut peer);
        peer.ask(cancel("c"));
        line
    };
    assert_eq!(filtered(Value::text("red"), false), "0:red 3:red 6:red 7:red 10:red 13:red");
    assert_eq!(filtered(Value::text("green"), false), "");
    assert_eq!(filtered(Value::text("green"), true), "2:none 4:none 9:none 11:none");
    let both = Value::Array(vec![Value::text("blue"), Value::text("green")]);
    assert_eq!(filtered(both, false), "1:blue 5:blue 8:blue 12:blue");
}

fn set_policy(world: &World, definition: serde_json::Value, now_ms: u64) {
    let policy = json!({ "name": "p", "pattern": "s", "priority": 0, "apply_to": "streams", "definition": definition });
    let policy = serde_json::from_value(policy).unwrap();
    let change = |topology: &broker::topology::Topology| {
        Ok(Some(topology.set_policy(&name("/"), PolicySide::User, policy).unwrap()))
    };
    world.broker.change(now_ms, change).unwrap();
    world.flush();
}

/// Offsets of what there is.
fn range(world: &World) -> (u64, u64) {
    let text = contents(world, first());
    let offset = |word: &str| word.split(':').next().unwrap().parse::<u64>().unwrap();
    (offset(text.split(' ').next().unwrap()), offset(text.split(' ').next_back().unwrap()))
}

#[test]
fn retention_by_bytes_removes_whole_segments_and_never_the_last() {
    let world = World::new();
    let sizes =
        [("x-max-length-bytes", Value::I32(10_000)), ("x-stream-max-segment-size-bytes", Value::I32(5000))];
    let mut peer = with_stream(&world, &sizes);
    let body = "x".repeat(1000);
    for number in 0..40 {
        peer.ask(publish("s", &body));
        world.flush();
        let (first, last) = range(&world);
        assert_eq!(last, number);
        // A segment takes five: four are less than it wants to be.
        assert_eq!(first % 5, 0);
        assert!((5..=15).contains(&(last - first)) || number < 15, "{first} to {last}");
    }
    drop(peer);
    let before = range(&world);
    let world = world.crash();
    assert_eq!(range(&world), before);
    assert!(world.engine.usage().live_bytes < 20_000);
    let mut peer = world.peer();
    publish_all(&world, &mut peer, "next");
    assert_eq!(range(&world).1, 40);
}

#[test]
fn policies_come_before_arguments_and_act_at_once() {
    let world = World::new();
    let sizes = [
        ("x-max-length-bytes", Value::I32(1_000_000)),
        ("x-stream-max-segment-size-bytes", Value::I32(5000)),
    ];
    let mut peer = with_stream(&world, &sizes);
    let body = "x".repeat(1000);
    for second in 0..20 {
        peer.client.handle_command(second * 1000, Command::Session(SessionId(1), publish("s", &body)));
        peer.client.hand_over();
    }
    world.flush();
    assert_eq!(range(&world), (0, 19));
    set_policy(&world, json!({ "max-age": "12s" }), 20_000);
    assert_eq!(range(&world), (5, 19), "what ended before 8 s is too old");
    set_policy(&world, json!({ "max-length-bytes": 6000 }), 20_000);
    assert_eq!(range(&world), (15, 19));
    set_policy(&world, json!({ "max-length-bytes": 1, "stream-max-segment-size-bytes": 0 }), 20_000);
    peer.ask(publish("s", &"x".repeat(5000)));
    world.flush();
    assert_eq!(range(&world), (20, 20));
}

#[test]
fn a_reader_whose_place_is_gone_goes_on_with_what_is_left() {
    let world = World::with(tight());
    let sizes = [("x-max-length-bytes", Value::I32(1)), ("x-stream-max-segment-size-bytes", Value::I32(0))];
    let mut peer = with_stream(&world, &sizes);
    let mut slow = world.peer();
    publish_all(&world, &mut peer, "a");
    slow.ask_all([prefetch(1), read_from("slow", first())]);
    world.read();
    assert_eq!(line(&mut slow), "0:a");
    for _ in 0..50 {
        peer.ask(publish("s", &"x".repeat(5000)));
    }
    publish_all(&world, &mut peer, "last");
    slow.ask(ack(1));
    world.read();
    let next = delivered(&mut slow);
    assert!(next[0].1 > 10, "{next:?}");
}

#[test]
fn streams_are_bound_transacted_dead_lettered_into_and_deleted() {
    let world = World::new();
    let mut peer = world.peer();
    let arguments = table(&[
        ("x-dead-letter-exchange", Value::text("")),
        ("x-dead-letter-routing-key", Value::text("s")),
    ]);
    peer.ask_all([
        declare_stream(&[]),
        declare_exchange("x", "fanout"),
        bind("x", "s", ""),
        SessionCommand::DeclareQueue(DeclareQueue { arguments, ..durable_queue("q") }),
        bind("x", "q", ""),
        publish_to("x", "k", "a"),
        get("q"),
        reject(1),
    ]);
    peer.ask_in(2, SessionCommand::Open);
    peer.ask_all_in(
        2,
        [SessionCommand::SelectTransactions, publish("s", "b"), publish("q", "c"), SessionCommand::Commit],
    );
    world.flush();
    assert_eq!(contents(&world, first()), "0:a 1:a 2:b");
    assert_eq!(world.counts("q"), (1, 0));
    peer.ask_all([prefetch(10), read_from("c", first()), delete("s")]);
    world.flush();
    world.read();
    assert!(peer.hear().contains(&"lost c".to_owned()));
    let world = world.crash();
    assert!(!world.has_queue("s"));
    let mut peer = world.peer();
    peer.ask_all([declare("other"), declare_stream(&[]), look_at("s")]);
    world.flush();
    assert_eq!(peer.hear()[1..], ["declared s 0 0", "declared s 0 0"]);
}

#[test]
fn damage_is_told_and_no_offset_is_used_twice() {
    let world = World::new();
    let mut peer = with_stream(&world, &[]);
    for body in ["first", "second", "third"] {
        publish_all(&world, &mut peer, body);
    }
    let file = "wal-0000000000000001";
    let bytes = world.disk.contents(file).unwrap();
    let at = bytes.windows(6).position(|bytes| bytes == b"second").unwrap();
    drop(peer);
    assert!(world.disk.flip(file, at, 0));
    let world = world.crash();
    assert!(world.recovered.damaged.iter().any(|damage| damage.file == file && damage.log.is_some()));
    let mut peer = world.peer();
    publish_all(&world, &mut peer, "next");
    assert_eq!(contents(&world, first()), format!("0:first 2:third {}:next", (1_u64 << 32) + 3));
}

/// A stream and its readers, and a list that knows what must come.
struct Life {
    dice: Dice,
    world: Option<World>,
    bodies: Vec<String>,
    /// So many of them are durable for certain.
    promised: usize,
    peer: Option<Peer>,
    /// Each consumer, and the offset that it must get next.
    readers: Vec<(String, u64)>,
    made: u64,
}

impl Life {
    fn world(&self) -> &World {
        self.world.as_ref().unwrap()
    }

    fn publish(&mut self) {
        let count = 1 + self.dice.below(6);
        let size = if self.dice.one_in(5) { 6000 } else { self.dice.below(300) };
        let bodies: Vec<_> = (0..count)
            .map(|_| {
                self.made += 1;
                format!("{}-{}", self.made, "x".repeat(usize::try_from(size).unwrap()))
            })
            .collect();
        self.peer.as_mut().unwrap().ask_all(bodies.iter().map(|body| publish("s", body)));
        self.bodies.extend(bodies);
    }

    fn consume(&mut self) {
        if self.readers.len() > 5 {
            let (tag, _) = self.readers.swap_remove(0);
            self.peer.as_mut().unwrap().ask(cancel(&tag));
            return;
        }
        self.made += 1;
        let tag = format!("c{}", self.made);
        let all = self.bodies.len() as u64;
        let (start, next) = match self.dice.below(3) {
            0 => (first(), 0),
            1 => (Value::text("next"), all),
            _ => {
                let offset = self.dice.below(all + 3);
                (Value::I64(i64::try_from(offset).unwrap()), offset)
            }
        };
        let credit = 1 + u16::try_from(self.dice.below(20)).unwrap();
        self.peer.as_mut().unwrap().ask_all([prefetch(credit), read_from(&tag, start)]);
        self.readers.push((tag, next));
    }

    fn hear(&mut self) {
        let peer = self.peer.as_mut().unwrap();
        for (tag, offset, body) in delivered(peer) {
            let Some((_, next)) = self.readers.iter_mut().find(|(of, _)| *of == tag) else { continue };
            assert_eq!((offset, &body), (*next, &self.bodies[usize::try_from(offset).unwrap()]), "{tag}");
            assert!(usize::try_from(offset).unwrap() < self.promised, "told before it was durable");
            *next += 1;
        }
        peer.ask(ack_up_to(0));
    }

    fn flush(&mut self) {
        let _ = self.world().try_flush();
        self.note_durable();
    }

    fn keep_house(&mut self) {
        while self.world().broker.keep_house().unwrap_or(false) {}
        // It may flush on its own account.
        self.note_durable();
    }

    fn note_durable(&mut self) {
        if self.world().engine.staged_bytes() == 0 {
            self.promised = self.bodies.len();
        }
    }

    fn start_again(&mut self, world: World) {
        let found: Vec<_> = {
            let (count, _) = world.counts("s");
            let mut peer = world.peer();
            peer.ask_all([prefetch(u16::MAX), read_from("all", first())]);
            let mut found = Vec::new();
            while (found.len() as u64) < count {
                world.read();
                let before = found.len();
                found.extend(delivered(&mut peer));
                assert!(found.len() > before, "{before} of {count}");
            }
            found
        };
        assert!(world.recovered.damaged.is_empty());
        assert!(
            (self.promised..=self.bodies.len()).contains(&found.len()),
            "{} of {}",
            found.len(),
            self.promised
        );
        self.bodies.truncate(found.len());
        for ((at, body), (_, offset, found)) in self.bodies.iter().enumerate().zip(&found) {
            assert_eq!((at as u64, body), (*offset, found));
        }
        self.promised = found.len();
        self.readers.clear();
        self.peer = Some(world.peer());
        self.world = Some(world);
    }

    fn step(&mut self) {
        match self.dice.below(16) {
            0..=4 => self.publish(),
            5 | 6 => self.consume(),
            7..=9 => self.flush(),
            10..=12 => {
                self.world().read();
                self.hear();
            }
            13 => self.keep_house(),
            14 if self.dice.one_in(3) => {
                self.world().disk.power_off_after(self.dice.0 % 12);
                self.publish();
                self.flush();
                self.keep_house();
                self.crash();
            }
            14 if self.dice.one_in(3) => self.crash(),
            15 if self.dice.one_in(5) => {
                self.flush();
                self.peer = None;
                let world = self.world.take().unwrap().restart();
                self.start_again(world);
            }
            _ => {}
        }
    }

    fn crash(&mut self) {
        self.peer = None;
        let seed = self.dice.below(u64::MAX);
        let world = self.world.take().unwrap().crash_with(seed);
        self.start_again(world);
    }
}

#[test]
fn whatever_happens_a_stream_is_a_list() {
    for seed in 0..60 {
        let world = World::with(if seed % 2 == 0 { tight() } else { broker::Settings::default() });
        let segment = ("x-stream-max-segment-size-bytes", Value::I32(20_000));
        with_stream(&world, &[segment]).command(Command::Close);
        let peer = Some(world.peer());
        let mut life = Life {
            dice: Dice(seed),
            world: Some(world),
            bodies: Vec::new(),
            promised: 0,
            peer,
            readers: Vec::new(),
            made: 0,
        };
        for _ in 0..250 {
            life.step();
        }
        // In the end everybody gets everything.
        life.flush();
        for _ in 0..life.bodies.len() * 2 {
            life.world().read();
            life.hear();
        }
        let all = life.bodies.len() as u64;
        for (tag, next) in &life.readers {
            assert!(*next >= all, "seed {seed}: {tag} is at {next} of {all}");
        }
    }
}
