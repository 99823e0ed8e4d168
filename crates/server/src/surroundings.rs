//! What the HTTP API is told of the machine.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use broker::Broker;
use management::{Certificates, Limit, Machine, Resource, Setting, Source, Threshold, Usage, World};
use rustix::{
    process::{Signal, getpid, kill_process},
    rand::{GetRandomFlags, getrandom},
};
use serde_json::json;
use storage::Engine;

use crate::{
    ceilings,
    config::{
        Settings,
        said::Said,
        settings::{DiskFreeLimit, LogLevel, Watermark},
    },
    connection::wall_clock_ms,
    gates::Gates,
    limits,
    log::Control,
    machine,
    switches::Switches,
    watch::Watch,
};

/// What the answer to whoever had the node stop may take to reach them.
const ANSWER_TIME: Duration = Duration::from_millis(50);

/// The real world.
pub(crate) struct Surroundings {
    pub(crate) started: Instant,
    pub(crate) data_dir: PathBuf,
    pub(crate) engine: Arc<Engine>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) settings: Settings,
    pub(crate) said: Vec<Said>,
    pub(crate) gates: Gates,
    pub(crate) total_memory_bytes: u64,
    pub(crate) switches: Arc<Switches>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) log: Arc<Control>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// What was changed since the start, by its key in a file.
    fn changed(&self) -> Vec<(&'static str, String)> {
        let mut changed = Vec::new();
        let memory = self.switches.memory();
        if memory.is_changed {
            changed.push(match memory.value {
                Watermark::Relative(share) => ("vm_memory_high_watermark.relative", share.to_string()),
                Watermark::Absolute(bytes) => ("vm_memory_high_watermark.absolute", bytes.to_string()),
            });
        }
        let disk = self.switches.disk();
        if disk.is_changed {
            changed.push(match disk.value {
                DiskFreeLimit::OfMemory(multiple) => ("disk_free_limit.relative", multiple.to_string()),
                DiskFreeLimit::Absolute(bytes) => ("disk_free_limit.absolute", bytes.to_string()),
                DiskFreeLimit::Default => ("disk_free_limit.absolute", String::new()),
            });
        }
        changed.extend(self.log.changed_level().map(|word| ("log.console.level", word.to_owned())));
        changed
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
            memory_bytes_max: self.switches.memory().value.bytes(self.total_memory_bytes),
            disk_free_bytes: limits::free_bytes(&self.data_dir).unwrap_or_default(),
            disk_free_bytes_min: self
                .switches
                .disk()
                .value
                .bytes(self.total_memory_bytes, self.engine.headroom_bytes()),
            open_files: open_files.0,
            open_files_max: open_files.1,
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn machine(&self) -> Machine {
        machine::look()
    }

    fn limits(&self) -> Vec<Limit> {
        ceilings::all(self, &self.usage())
    }

    fn settings(&self) -> Vec<Setting> {
        let changed = self.changed();
        let shown = self.said.iter().map(|one| {
            let now = changed.iter().find(|(key, _)| *key == one.key).map(|(_, value)| value.clone());
            let (source, place) = match now {
                Some(_) => ("runtime", None),
                None => (one.source, one.place.clone()),
            };
            let default = one.default.trim_matches(['(', ')']).to_owned();
            Setting {
                key: one.key.clone(),
                value: json!(now.or_else(|| one.value.clone()).unwrap_or_else(|| default.clone())),
                from: Source { source, place },
                default,
                meaning: one.meaning,
            }
        });
        shown.collect()
    }

    fn set_threshold(&self, resource: Resource, threshold: Threshold) -> bool {
        match (resource, threshold) {
            (Resource::Memory, Threshold::OfMemory(share)) => {
                self.switches.set_memory(Watermark::Relative(share));
            }
            (Resource::Memory, Threshold::Bytes(bytes)) if bytes > self.total_memory_bytes => return false,
            (Resource::Memory, Threshold::Bytes(bytes)) => {
                self.switches.set_memory(Watermark::Absolute(bytes));
            }
            (Resource::Disk, Threshold::OfMemory(multiple)) => {
                self.switches.set_disk(DiskFreeLimit::OfMemory(multiple));
            }
            (Resource::Disk, Threshold::Bytes(bytes)) => {
                self.switches.set_disk(DiskFreeLimit::Absolute(bytes));
            }
        }
        self.watch.look();
        true
    }

    fn set_log_level(&self, word: &str) -> bool {
        let level = LogLevel::parse(word);
        level.map(|level| self.log.set_level(level)).is_some()
    }

    fn log_lines(&self, from: u64, max: usize) -> (Vec<String>, u64) {
        self.log.tail.lines(from, max)
    }

    fn is_open(&self) -> bool {
        self.switches.is_open()
    }

    fn set_open(&self, is_open: bool) {
        self.switches.set_open(is_open);
    }

    fn is_drained(&self) -> bool {
        self.switches.is_drained()
    }

    fn set_drained(&self, is_drained: bool) {
        self.switches.set_drained(is_drained);
    }
}
