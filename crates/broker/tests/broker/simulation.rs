//! A broker that lives through anything: several clients do what comes to their mind, the log is flushed, tidied up and
//! read whenever, the power is cut at any operation of the disk, and a plain model knows what must come of it.
//!
//! The same seed does the same. Half of the seeds are *eager*: every client hears at once what there is to hear, so after
//! each step counts and order must be exactly those of the model. In the others events wait, mailboxes fill, and deliveries
//! cross with what clients do. With a quarter of them queues are quorum queues. Checked are:
//!
//! - answers come in the order of the commands, what is refused is what must be;
//! - a queue delivers what was published to it, once at a time, each consumer's share in the order of arrival;
//! - who was delivered to before is told so; nobody with capacity waits beside a ready message;
//! - the bell rings for everything there is to hear;
//! - after a power cut: what was confirmed or flushed and not settled is there in order, nothing else but what was under
//!   way, and what was settled before a flush stays settled; so it is with queues and bindings.
//!
//! `BROKER_SEEDS=1000..5000` runs others than the usual seeds.

mod actor;
mod crash;
mod model;
mod sim;
mod step;

use std::env;

pub(crate) use sim::Dice;
use sim::Sim;

/// The seeds of every run.
const SEEDS: std::ops::Range<u64> = 0..120;

fn seeds() -> std::ops::Range<u64> {
    let Ok(wanted) = env::var("BROKER_SEEDS") else { return SEEDS };
    let (from, to) = wanted.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn whatever_happens_the_model_knew() {
    for seed in seeds() {
        Sim::new(seed).run();
    }
}

/// Seeds that once showed a mistake.
#[test]
fn what_went_wrong_once_stays_mended() {
    for seed in [0, 76, 1403, 20081, 47804] {
        Sim::new(seed).run();
    }
}
