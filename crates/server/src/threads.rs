//! The node's own threads: the one that makes the log durable, those that read it, the one that keeps house.

use std::{
    io, process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use broker::Broker;
use storage::{Engine, Fault};

use crate::{
    config::settings::LogFormat,
    connection::wall_clock_ms,
    exit,
    leader::Leader,
    log::{self, Line},
    watch::Watch,
};

/// How long a thread sleeps before it looks whether it is to stop.
const LOOK_UP: Duration = Duration::from_millis(100);
/// Threads that read the log for queues that went cold.
const READERS: usize = 2;
/// After a failure of the disk that is no reason to stop.
const RETRY: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub(crate) struct Threads {
    is_stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts them.
    pub(crate) fn start(
        broker: &Arc<Broker>,
        engine: &Arc<Engine>,
        leader: &Arc<Leader>,
        watch: &Arc<Watch>,
        lines: Option<(Receiver<Line>, LogFormat)>,
    ) -> io::Result<Self> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let mut spawn = |name: &str, body: Box<dyn Fn() + Send>| {
            let is_stopping = Arc::clone(&is_stopping);
            let turn = move || {
                let _guard = StopOnPanic;
                while !is_stopping.load(Ordering::Acquire) {
                    body();
                }
            };
            threads.push(thread::Builder::new().name(name.to_owned()).spawn(turn)?);
            io::Result::Ok(())
        };
        let (l, w) = (Arc::clone(leader), Arc::clone(watch));
        spawn("wal", Box::new(move || flush(&l, &w)))?;
        let (b, e, w) = (Arc::clone(broker), Arc::clone(engine), Arc::clone(watch));
        spawn("housekeeping", Box::new(move || keep_house(&b, &e, &w)))?;
        for _ in 0..READERS {
            let b = Arc::clone(broker);
            spawn(
                "reader",
                Box::new(move || {
                    b.read_one(LOOK_UP, wall_clock_ms);
                }),
            )?;
        }
        broker.start_clock(wall_clock_ms());
        let b = Arc::clone(broker);
        spawn("timer", Box::new(move || keep_time(&b)))?;
        if let Some((lines, format)) = lines {
            let b = Arc::clone(broker);
            spawn(log::THREAD, Box::new(move || publish_line(&b, &lines, format)))?;
        }
        Ok(Self { is_stopping, threads })
    }

    /// Lets them finish what they are at.
    pub(crate) fn stop(self) {
        self.is_stopping.store(true, Ordering::Release);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the node had panicked");
            }
        }
    }
}

/// A bug in these threads costs the node: without them nothing is confirmed, and nobody would know why.
struct StopOnPanic;

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            process::abort();
        }
    }
}

fn flush(leader: &Leader, watch: &Watch) {
    match leader.follow(LOOK_UP) {
        Ok(()) => {}
        Err(fault) if fault.is_full() => {
            // Nothing is lost and nothing is confirmed: what is staged waits until there is room, and publishers with it.
            tracing::debug!(%fault, "no room for the log: trying again");
            watch.look();
            thread::sleep(LOOK_UP);
        }
        Err(fault) => give_up(&fault),
    }
}

/// What was written may or may not be on the disk: nothing can be confirmed any more, and a restart finds out.
pub(crate) fn give_up(fault: &Fault) -> ! {
    tracing::error!(%fault, "the log cannot be written: the node stops at once, confirming nothing more");
    process::exit(exit::STORAGE.into());
}

fn keep_time(broker: &Broker) {
    let now_ms = wall_clock_ms();
    broker.handle_time(now_ms);
    broker.wait_for_time(now_ms, LOOK_UP);
}

fn publish_line(broker: &Broker, lines: &Receiver<Line>, format: LogFormat) {
    let Ok(Line { severity, text }) = lines.recv_timeout(LOOK_UP) else { return };
    let content_type = match format {
        LogFormat::Plaintext => "text/plain",
        LogFormat::Json => "application/json",
    };
    broker.tell_line(severity, &text, content_type, wall_clock_ms());
}

fn keep_house(broker: &Broker, engine: &Engine, watch: &Watch) {
    if !engine.wait_for_housekeeping(LOOK_UP) {
        return;
    }
    let outcome = broker.keep_house();
    // Before anything else: the alarm stops publishers while there is space left for what is under way.
    watch.look();
    match outcome {
        Ok(_) => {}
        Err(Fault::Poisoned) => give_up(&Fault::Poisoned),
        Err(fault) if fault.is_full() => {
            // The alarm has told it.
            tracing::debug!(%fault, "no room for housekeeping: trying again");
            thread::sleep(LOOK_UP);
        }
        Err(fault) => {
            tracing::error!(%fault, "housekeeping of the log failed: trying again");
            thread::sleep(RETRY);
        }
    }
}
