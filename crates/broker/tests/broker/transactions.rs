//! Transactions: nothing before the commit, everything with it, and a crash leaves all or nothing.

use model::{SessionCommand, Table, Value, command::DeclareQueue};

use crate::{
    wish::{
        ack, ack_up_to, bind, consume, declare, declare_exchange, declare_transient, delete, durable_queue,
        get, look_at, message, prefetch_of_session, publish, publish_mandatory, publish_to, recover, reject,
        requeue, select_confirms, table,
    },
    world::{Peer, World},
};

use SessionCommand::{Commit, Rollback, SelectTransactions};

fn declare_with(queue: &str, arguments: Table) -> SessionCommand {
    SessionCommand::DeclareQueue(DeclareQueue { arguments, ..durable_queue(queue) })
}

fn dead_lettering(queue: &str, to: &str) -> SessionCommand {
    let exchange = ("x-dead-letter-exchange", Value::text(""));
    declare_with(queue, table(&[exchange, ("x-dead-letter-routing-key", Value::text(to))]))
}

/// A peer with a transaction, and these messages in `q`, all of it on disk.
fn with_messages(world: &World, bodies: &str) -> Peer {
    let mut peer = world.peer();
    peer.ask(declare("q"));
    peer.ask_all(bodies.split_whitespace().map(|body| publish("q", body)));
    peer.ask(SelectTransactions);
    world.flush();
    assert_eq!(peer.hear(), ["declared q 0 0", "TransactionsSelected"]);
    peer
}

#[test]
fn a_commit_is_answered_when_everything_in_it_is_durable() {
    let world = World::new();
    let mut peer = with_messages(&world, "");
    peer.ask_all([publish("q", "a"), publish("q", "b")]);
    assert_eq!(world.counts("q"), (0, 0));
    assert!(peer.say(Commit).is_empty());
    assert_eq!(world.counts("q"), (2, 0));
    peer.ask(publish("q", "next"));
    world.flush();
    assert!(peer.is_rung());
    assert_eq!(peer.hear(), ["Committed"]);
    peer.ask(Rollback);
    assert_eq!(peer.hear(), ["RolledBack"]);
    assert_eq!(peer.say(Commit), ["Committed"], "there is nothing more in it");
    drop(peer);
    assert_eq!(world.crash().counts("q"), (2, 0));
}

#[test]
fn a_commit_of_verdicts_alone_waits_for_the_disk_too() {
    let world = World::new();
    let mut peer = with_messages(&world, "a b");
    peer.ask_all([get("q"), get("q"), ack_up_to(2)]);
    assert_eq!(peer.hear().len(), 2);
    assert_eq!(world.counts("q"), (0, 2));
    assert!(peer.say(Commit).is_empty());
    assert_eq!(world.counts("q"), (0, 0));
    world.flush();
    assert_eq!(peer.hear(), ["Committed"]);
    drop(peer);
    assert_eq!(world.crash().counts("q"), (0, 0));
}

#[test]
fn a_rollback_forgets_publishes_and_takes_verdicts_back() {
    let world = World::new();
    let mut peer = with_messages(&world, "a b c");
    peer.ask_all([get("q"), get("q"), get("q"), publish("q", "d"), reject(2), ack(1), requeue(3), ack(1)]);
    let heard = ["got 1 a, 2 left", "got 2 b, 1 left", "got 3 c, 0 left", "refused: UnknownDelivery"];
    assert_eq!(peer.hear(), heard, "a delivery has one verdict");
    assert_eq!(world.counts("q"), (3, 0), "all come back with the session");

    let mut peer = world.peer();
    peer.ask_all([
        SelectTransactions,
        get("q"),
        get("q"),
        get("q"),
        publish("q", "d"),
        reject(2),
        ack(1),
        requeue(3),
    ]);
    peer.ask(Rollback);
    assert_eq!(peer.hear().last().unwrap(), "RolledBack");
    assert_eq!(world.counts("q"), (0, 3));
    peer.ask_all([ack(2), requeue(1), ack(3), Commit]);
    world.flush();
    assert_eq!(peer.hear(), ["Committed"]);
    assert_eq!(peer.say(get("q")), ["got 4 a again, 0 left"]);
}

#[test]
fn deliveries_come_back_under_their_numbers_whatever_came_after_them() {
    let world = World::new();
    let mut peer = with_messages(&world, "a b c");
    peer.ask_all([get("q"), ack(1), get("q"), ack(2), Rollback, get("q"), ack(1), ack(3), Commit]);
    world.flush();
    assert_eq!(peer.hear().last().unwrap(), "Committed");
    assert_eq!(world.counts("q"), (0, 1));
    peer.ask_all([ack(2), Commit]);
    assert_eq!(world.counts("q"), (0, 0));
}

#[test]
fn a_session_that_ends_rolls_back() {
    let world = World::new();
    let mut peer = with_messages(&world, "a b");
    peer.ask_all([publish("q", "c"), get("q"), ack(1), SessionCommand::Close]);
    assert_eq!(world.counts("q"), (2, 0));
    let mut lost = world.peer();
    lost.ask_all([SelectTransactions, publish("q", "c"), get("q"), reject(1)]);
    drop(lost);
    assert_eq!(world.counts("q"), (2, 0));
}

#[test]
fn returns_come_with_the_commit_and_the_route_is_that_of_the_publish() {
    let world = World::new();
    let mut peer = with_messages(&world, "");
    assert!(peer.say(publish_mandatory("", "later", "m")).is_empty());
    peer.say(declare_transient("later"));
    assert_eq!(peer.say(Commit), ["returned m", "Committed"]);
    peer.ask_all([publish_mandatory("", "never", "m"), Rollback, Commit]);
    assert_eq!(peer.hear(), ["RolledBack", "Committed"]);
}

#[test]
fn what_is_refused_is_refused_when_it_is_published() {
    let world = World::new();
    let mut peer = with_messages(&world, "");
    peer.ask_all([publish("q", "a"), publish_to("nowhere", "", "m")]);
    assert_eq!(peer.hear(), ["refused: NotFound"]);
    assert_eq!(world.counts("q"), (0, 0));
}

#[test]
fn nothing_of_a_transaction_that_fails_takes_effect() {
    let world = World::new();
    let mut peer = with_messages(&world, "a");
    let mut other = world.peer();
    other.ask_all([declare_with(
        "small",
        table(&[("x-max-length", Value::I32(1)), ("x-overflow", Value::text("reject-publish"))]),
    )]);
    world.flush();
    peer.ask_all([get("q"), publish("q", "b"), publish_mandatory("", "nobody", "x")]);
    peer.ask_all([publish("small", "1"), publish("small", "2"), ack(1), Commit]);
    assert_eq!(peer.hear(), ["got 1 a, 0 left", "refused: TransactionFailed"], "the second has no room");
    assert_eq!((world.counts("q"), world.counts("small")), ((1, 0), (0, 0)));

    let mut peer = world.peer();
    peer.ask_all([SelectTransactions, publish("small", "1"), publish("q", "b")]);
    other.say(delete("small"));
    peer.ask(Commit);
    assert_eq!(peer.hear(), ["TransactionsSelected", "refused: TransactionFailed"], "a queue is gone");
    assert_eq!(world.counts("q"), (1, 0));
}

#[test]
fn one_session_has_confirms_or_transactions() {
    let world = World::new();
    assert_eq!(world.peer().say(Commit), ["refused: NoTransaction"]);
    assert_eq!(world.peer().say(Rollback), ["refused: NoTransaction"]);
    let mut peer = world.peer();
    peer.ask_all([SelectTransactions, SelectTransactions, select_confirms()]);
    let heard = ["TransactionsSelected", "TransactionsSelected", "refused: ConfirmsAfterTransactions"];
    assert_eq!(peer.hear(), heard);
    let mut peer = world.peer();
    peer.ask_all([select_confirms(), SelectTransactions]);
    assert_eq!(peer.hear(), ["ConfirmsSelected", "refused: TransactionsAfterConfirms"]);
}

#[test]
fn a_transaction_holds_only_so_much() {
    let world = World::new();
    let mut peer = with_messages(&world, "");
    peer.ask(declare_exchange("f", "fanout"));
    for queue in ["one", "two", "three", "four"] {
        peer.ask_all([declare_transient(queue), bind("f", queue, "")]);
    }
    world.flush();
    peer.hear();
    let body = vec![0; 10 * 1024 * 1024];
    let large = || SessionCommand::Publish { message: message("f", "", &body, false), mandatory: false };
    for _ in 0..3 {
        assert!(peer.say(large()).is_empty());
    }
    assert_eq!(peer.say(large()), ["refused: TransactionTooLarge"], "it would be 160 MiB in the queues");
    assert_eq!(world.counts("one"), (0, 0));
}

#[test]
fn verdicts_give_room_with_their_commit() {
    let world = World::new();
    let mut peer = with_messages(&world, "a b c");
    peer.ask_all([prefetch_of_session(1), consume("q", "c")]);
    assert_eq!(peer.hear(), ["PrefetchSet", "consuming c", "c 1 a"]);
    assert!(peer.say(ack(1)).is_empty());
    assert_eq!(peer.say(prefetch_of_session(1)), ["PrefetchSet"], "the delivery still counts");
    peer.ask(Commit);
    world.flush();
    assert_eq!(peer.hear(), ["Committed", "c 2 b"]);
    peer.ask_all([requeue(2), Rollback, Commit]);
    assert_eq!(peer.hear(), ["RolledBack", "Committed"]);
    peer.ask_all([ack(2), Commit]);
    world.flush();
    assert_eq!(peer.hear(), ["Committed", "c 3 c"]);
}

#[test]
fn recovering_is_no_part_of_it() {
    let world = World::new();
    let mut peer = with_messages(&world, "a b");
    peer.ask_all([get("q"), get("q"), ack(1), recover()]);
    assert_eq!(world.counts("q"), (1, 1), "what has a verdict is not recovered");
    peer.ask_all([Rollback, recover()]);
    assert_eq!(world.counts("q"), (2, 0));
    peer.hear();
    assert_eq!(peer.say(look_at("q")), ["declared q 2 0"]);
}

#[test]
fn rejected_deliveries_become_dead_letters_with_the_commit() {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([
        dead_lettering("q", "dead"),
        declare("dead"),
        publish("q", "a"),
        SelectTransactions,
        get("q"),
        reject(1),
    ]);
    assert_eq!(world.counts("dead"), (0, 0));
    peer.ask(Commit);
    assert_eq!((world.counts("q"), world.counts("dead")), ((0, 0), (1, 0)));
    world.flush();
    assert_eq!(peer.hear().last().unwrap(), "Committed");
    drop(peer);
    let world = world.crash();
    assert_eq!((world.counts("q"), world.counts("dead")), ((0, 0), (1, 0)));
}

/// What the queues of the next test hold before and after its transaction.
const BEFORE: [u64; 4] = [2, 0, 0, 0];
const AFTER: [u64; 4] = [0, 3, 3, 1];

/// A transaction that is larger than any sector is committed, and the power goes off at this operation; the seed says
/// what of it has reached the disk. Says whether the commit was answered, and what a new start finds.
fn cut_at(operation: u64, seed: u64) -> (bool, [u64; 4]) {
    let world = World::new();
    let mut peer = world.peer();
    peer.ask_all([dead_lettering("q", "dead"), declare("x"), declare("y"), declare("dead")]);
    peer.ask_all([publish("q", "a"), publish("q", "b"), SelectTransactions]);
    world.flush();
    peer.hear();
    let filler = "x".repeat(3000);
    peer.ask_all([get("q"), get("q"), ack(1), reject(2)]);
    peer.ask_all(["x", "y", "x", "y", "x", "y"].map(|queue| publish(queue, &filler)));
    peer.hear();
    peer.ask(Commit);
    world.disk.power_off_after(operation);
    let is_flushed = world.try_flush().is_ok();
    let is_answered = peer.hear() == ["Committed"];
    assert_eq!(is_answered, is_flushed);
    drop(peer);
    let world = world.crash_with(seed);
    (is_answered, ["q", "x", "y", "dead"].map(|queue| world.counts(queue).0))
}

#[test]
fn a_crash_leaves_all_of_a_transaction_or_nothing() {
    let mut seen = (false, false);
    for operation in 1..6 {
        for seed in 0..60 {
            let (is_answered, found) = cut_at(operation, seed);
            assert!(
                found == AFTER || (found == BEFORE && !is_answered),
                "{found:?} after operation {operation}, {seed}"
            );
            seen = (seen.0 || found == BEFORE, seen.1 || (found == AFTER && !is_answered));
        }
    }
    assert_eq!(seen, (true, true), "the cuts were in the midst of it");
}
