//! A load: threads that publish and consume as told until they are stopped, and the counters between them and whoever
//! measures.
//!
//! One thread drives all publishing connections, one all consuming ones, so that the driver stays small beside the
//! broker whatever their number. Not here: what is declared before (`flow`), and what is made of the counters.

mod consumer;
mod inbox;
mod paced;
mod publisher;
mod window;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{anyhow, bail};

pub(crate) use self::{
    consumer::{Ack, Consumer, Counting},
    paced::Paced,
    publisher::{Allowance, Publisher},
};
use crate::{clock::Clock, histogram::Histogram};

/// How often whoever measures looks whether a thread has failed.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a thread waits for its sockets before it looks whether it is to stop.
const STOP_SEEN_WITHIN: Duration = Duration::from_millis(50);

/// Counters that everybody sees.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    is_stopped: AtomicBool,
    has_failed: AtomicBool,
    /// Whether latencies are recorded.
    is_measuring: AtomicBool,
    published: AtomicU64,
    confirmed: AtomicU64,
    delivered: AtomicU64,
    /// How often the broker has said `connection.blocked`.
    blocked: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) published: u64,
    pub(crate) confirmed: u64,
    pub(crate) delivered: u64,
    pub(crate) blocked: u64,
}

impl Counts {
    /// What has come since.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            published: self.published.saturating_sub(earlier.published),
            confirmed: self.confirmed.saturating_sub(earlier.confirmed),
            delivered: self.delivered.saturating_sub(earlier.delivered),
            blocked: self.blocked.saturating_sub(earlier.blocked),
        }
    }
}

/// What the threads recorded.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// From sending to the confirm.
    pub(crate) confirm: Histogram,
    /// From the intended time of sending to the arrival.
    pub(crate) delivery: Histogram,
}

impl Shared {
    fn new() -> Self {
        Self {
            clock: Clock::start(),
            is_stopped: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            is_measuring: AtomicBool::new(false),
            published: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            published: self.published.load(Ordering::Relaxed),
            confirmed: self.confirmed.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            blocked: self.blocked.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn measure(&self, is_measuring: bool) {
        self.is_measuring.store(is_measuring, Ordering::Relaxed);
    }

    fn is_measuring(&self) -> bool {
        self.is_measuring.load(Ordering::Relaxed)
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Lets time pass while the load goes on; an error if it does not.
    pub(crate) fn run_for(&self, time: Duration) -> anyhow::Result<()> {
        let end = self.clock.now().saturating_add(u64::try_from(time.as_nanos())?);
        while let Some(left) = end.checked_sub(self.clock.now()).filter(|left| *left > 0) {
            if self.has_failed.load(Ordering::Relaxed) {
                bail!("the load has stopped by itself");
            }
            thread::sleep(LOOK_EVERY.min(Duration::from_nanos(left)));
        }
        Ok(())
    }
}

/// The connections of a load.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) publishers: Vec<Publisher>,
    pub(crate) paced: Option<Paced>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) counting: Counting,
}

impl Load {
    /// Runs the load while `observe` looks at it, then stops it.
    ///
    /// Every connection stays open until all threads have ended: one that closes early would look like a failure to the
    /// others.
    pub(crate) fn run<T>(
        mut self,
        observe: impl FnOnce(&Shared) -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Latencies)> {
        let shared = Shared::new();
        thread::scope(|scope| {
            let mut threads = Vec::new();
            let shared = &shared;
            if !self.consumers.is_empty() {
                let (consumers, counting) = (&mut self.consumers, self.counting);
                threads.push(scope.spawn(move || shared.note(consumer::run(shared, consumers, counting))));
            }
            if !self.publishers.is_empty() {
                let publishers = &mut self.publishers;
                threads.push(scope.spawn(move || shared.note(publisher::run(shared, publishers))));
            }
            if let Some(paced) = &mut self.paced {
                threads.push(scope.spawn(move || shared.note(paced.run(shared))));
            }
            let observed = observe(shared);
            shared.is_stopped.store(true, Ordering::Relaxed);
            let mut latencies = Latencies::default();
            let mut failure = None;
            for thread in threads {
                match thread.join() {
                    Ok(Ok(recorded)) => {
                        latencies.confirm.add(&recorded.confirm);
                        latencies.delivery.add(&recorded.delivery);
                    }
                    Ok(Err(error)) => failure = Some(error),
                    Err(_) => failure = Some(anyhow!("a thread of the load has panicked")),
                }
            }
            // Why a thread failed says more than that the observer saw it fail.
            match failure {
                Some(error) => Err(error),
                None => Ok((observed?, latencies)),
            }
        })
    }
}

impl Shared {
    /// Remembers a failure, so that whoever measures stops waiting.
    fn note<T>(&self, ended: anyhow::Result<T>) -> anyhow::Result<T> {
        if ended.is_err() {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        ended
    }
}
