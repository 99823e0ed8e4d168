//! What the HTTP API is told of the machine.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use management::{Certificates, Usage, World};
use rustix::{
    process::{Signal, getpid, kill_process},
    rand::{GetRandomFlags, getrandom},
};
use storage::Engine;

use crate::{config::Settings, connection::wall_clock_ms, gates::Gates, limits};

/// What the answer to whoever had the node stop may take to reach them.
const ANSWER_TIME: Duration = Duration::from_millis(50);

/// The real world.
#[derive(Debug)]
pub(crate) struct Surroundings {
    started: Instant,
    data_dir: PathBuf,
    engine: Arc<Engine>,
    settings: Settings,
    gates: Gates,
    total_memory_bytes: u64,
}

impl Surroundings {
    pub(crate) fn new(
        settings: &Settings,
        gates: Gates,
        engine: &Arc<Engine>,
        total_memory_bytes: u64,
        data_dir: PathBuf,
    ) -> Self {
        Self {
            started: Instant::now(),
            data_dir,
            engine: Arc::clone(engine),
            settings: settings.clone(),
            gates,
            total_memory_bytes,
        }
    }
}

impl World for Surroundings {
    fn now_ms(&self) -> u64 {
        wall_clock_ms()
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        // Linux has had it since before anything else we ask of it; if not, names that are made up are not random.
        if getrandom(&mut bytes, GetRandomFlags::empty()).is_err() {
            tracing::error!("the system has no randomness");
        }
        bytes
    }

    fn certificates(&self, protocol: &str) -> Option<Certificates> {
        self.gates.certificates(protocol)
    }

    fn stop(&self) {
        std::thread::spawn(|| {
            std::thread::sleep(ANSWER_TIME);
            if let Err(error) = kill_process(getpid(), Signal::TERM) {
                tracing::error!(%error, "cannot tell the node to stop");
            }
        });
    }

    fn usage(&self) -> Usage {
        let open_files = limits::open_files();
        Usage {
            memory_bytes: limits::resident_bytes().unwrap_or_default(),
            memory_bytes_max: self.settings.memory.high_watermark.bytes(self.total_memory_bytes),
            disk_free_bytes: limits::free_bytes(&self.data_dir).unwrap_or_default(),
            disk_free_bytes_min: self
                .settings
                .disk_free_limit
                .bytes(self.total_memory_bytes, self.engine.headroom_bytes()),
            open_files: open_files.0,
            open_files_max: open_files.1,
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}
