//! The end of a connection that was not meant to end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::peer::{Peer, broker};

/// A bug in a connection costs that connection: not the node, and not the messages that it held.
#[test]
fn a_panic_in_its_task_gives_everything_back() {
    let broker = broker();
    let mut holder = Peer::new(&broker);
    holder.declare("q", 2);
    holder.consume("q", "holder", false);
    holder.expect(&[("holder", 1), ("holder", 2)]);
    let outcome = catch_unwind(AssertUnwindSafe(move || {
        let _held = holder;
        panic!("on purpose");
    }));
    assert!(outcome.is_err());
    assert_eq!(broker.client_count(), 0);
    let mut next = Peer::new(&broker);
    next.consume("q", "next", false);
    next.expect(&[("next", 1), ("next", 2)]);
}
