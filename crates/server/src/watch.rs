//! Watches memory and disk, and sets the alarms that stop publishers. Consumers go on: they are the way out.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use broker::Broker;
use parking_lot::Mutex;
use storage::Engine;

use crate::{allocator, connection::wall_clock_ms, limits, switches::Switches};

/// How often it is looked while there is plenty.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often it is looked while the disk could be filled within a few seconds.
const INTERVAL_TIGHT: Duration = Duration::from_millis(100);
/// What is not filled before the next look, on a fast disk.
const PLENTY_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// See the module's documentation.
pub(crate) struct Watch {
    broker: Arc<Broker>,
    engine: Arc<Engine>,
    switches: Arc<Switches>,
    total_memory_bytes: u64,
    data_dir: PathBuf,
    /// So that what is told is in the order of what was set.
    looking: Mutex<()>,
}

impl Watch {
    /// Watches a node on a machine of `total_memory_bytes`.
    pub(crate) fn new(
        broker: &Arc<Broker>,
        engine: &Arc<Engine>,
        switches: &Arc<Switches>,
        total_memory_bytes: u64,
        data_dir: &Path,
    ) -> Self {
        Self {
            broker: Arc::clone(broker),
            engine: Arc::clone(engine),
            switches: Arc::clone(switches),
            total_memory_bytes,
            data_dir: data_dir.to_owned(),
            looking: Mutex::new(()),
        }
    }

    /// Looks until the task is aborted.
    pub(crate) async fn run(&self) {
        loop {
            tokio::time::sleep(self.look()).await;
        }
    }

    /// Sets or lifts the alarms; returns how long they can be taken to hold.
    pub(crate) fn look(&self) -> Duration {
        let _one_at_a_time = self.looking.lock();
        let limit = self.switches.memory().value.bytes(self.total_memory_bytes);
        if let Some(used) = resident_bytes_beside(limit) {
            let is_low = used > limit;
            if self.broker.alarms().set_memory(is_low) {
                self.broker.tell_alarm("memory", is_low, wall_clock_ms());
                say("memory", is_low, used, limit);
            }
        }
        let Some(free) = limits::free_bytes(&self.data_dir) else { return INTERVAL };
        let limit = self.switches.disk().value.bytes(self.total_memory_bytes, self.engine.headroom_bytes());
        let is_low = free < limit || self.engine.is_short_of_space();
        if self.broker.alarms().set_disk(is_low) {
            self.broker.tell_alarm("disk", is_low, wall_clock_ms());
            say("disk", is_low, free, limit);
        }
        if free.saturating_sub(limit) < PLENTY_BYTES { INTERVAL_TIGHT } else { INTERVAL }
    }
}

/// Bytes of memory in use; what is merely not given back is given back before that is called too much.
fn resident_bytes_beside(limit: u64) -> Option<u64> {
    let used = limits::resident_bytes()?;
    if used <= limit {
        return Some(used);
    }
    allocator::give_back();
    limits::resident_bytes()
}

fn say(what: &'static str, is_low: bool, bytes: u64, limit_bytes: u64) {
    if is_low {
        tracing::error!(what, bytes, limit_bytes, "alarm: publishers are blocked until there is room again");
    } else {
        tracing::warn!(what, bytes, limit_bytes, "alarm over: publishers go on");
    }
}
