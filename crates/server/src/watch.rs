//! Watches memory and disk, and sets the alarms that stop publishers. Consumers go on: they are the way out.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use broker::Broker;
use storage::Engine;

use crate::{config::Settings, limits};

/// How often it is looked.
const INTERVAL: Duration = Duration::from_millis(1000);

/// The size at which files of the log stop growing.
const WAL_FILE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// From where on it is an alarm.
pub(crate) struct Thresholds {
    memory_bytes: u64,
    settings: Settings,
    total_memory_bytes: u64,
    data_dir: PathBuf,
}

impl Thresholds {
    /// The thresholds of `settings` on a machine of `total_memory_bytes`.
    pub(crate) fn new(settings: &Settings, total_memory_bytes: u64, data_dir: &Path) -> Self {
        Self {
            memory_bytes: settings.memory.high_watermark.bytes(total_memory_bytes),
            settings: settings.clone(),
            total_memory_bytes,
            data_dir: data_dir.to_owned(),
        }
    }
}

/// Watches until the task is aborted.
pub(crate) async fn watch(broker: Arc<Broker>, engine: Arc<Engine>, thresholds: Thresholds) {
    loop {
        look(&broker, &engine, &thresholds);
        tokio::time::sleep(INTERVAL).await;
    }
}

fn look(broker: &Broker, engine: &Engine, thresholds: &Thresholds) {
    if let Some(used) = limits::resident_bytes() {
        let limit = thresholds.memory_bytes;
        let is_low = used > limit;
        if broker.alarms().set_memory(is_low) {
            say("memory", is_low, used, limit);
        }
    }
    if let Some(free) = limits::free_bytes(&thresholds.data_dir) {
        let wal_file_bytes = engine.usage().wal_bytes.min(WAL_FILE_BYTES_MAX);
        let limit = thresholds.settings.disk_free_limit.bytes(thresholds.total_memory_bytes, wal_file_bytes);
        let is_low = free < limit;
        if broker.alarms().set_disk(is_low) {
            say("disk", is_low, free, limit);
        }
    }
}

fn say(what: &'static str, is_low: bool, bytes: u64, limit_bytes: u64) {
    if is_low {
        tracing::error!(what, bytes, limit_bytes, "alarm: publishers are blocked until there is room again");
    } else {
        tracing::warn!(what, bytes, limit_bytes, "alarm over: publishers go on");
    }
}
