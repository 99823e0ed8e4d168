//! What a stretch of time cost: the broker, the driver, and everybody else on the machine.

use std::time::{Duration, Instant};

use crate::usage::{self, Usage};

/// The counts of the kernel at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    at: Instant,
    broker: Usage,
    driver: Usage,
    busy: Duration,
    written_bytes: u64,
}

/// What was used between two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) elapsed: Duration,
    pub(crate) broker_cpu: Duration,
    pub(crate) driver_cpu: Duration,
    /// Cores that neither broker nor driver used, on average.
    pub(crate) others_cores: f64,
    /// By anybody.
    pub(crate) written_bytes: u64,
    /// At the end.
    pub(crate) resident_bytes: u64,
}

impl Meter {
    pub(crate) fn read(pid: u32) -> anyhow::Result<Self> {
        Ok(Self {
            broker: usage::of_tree(pid)?,
            driver: usage::of_self()?,
            busy: usage::machine_busy()?,
            written_bytes: usage::disks_written_bytes()?,
            at: Instant::now(),
        })
    }

    pub(crate) fn until(&self, later: &Self) -> Cost {
        let elapsed = later.at.saturating_duration_since(self.at);
        let broker_cpu = later.broker.cpu.saturating_sub(self.broker.cpu);
        let driver_cpu = later.driver.cpu.saturating_sub(self.driver.cpu);
        let busy = later.busy.saturating_sub(self.busy);
        let others = busy.saturating_sub(broker_cpu).saturating_sub(driver_cpu);
        Cost {
            elapsed,
            broker_cpu,
            driver_cpu,
            others_cores: others.as_secs_f64() / elapsed.as_secs_f64().max(1e-9),
            written_bytes: later.written_bytes.saturating_sub(self.written_bytes),
            resident_bytes: later.broker.resident_bytes,
        }
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        self.broker.resident_bytes
    }
}

impl Cost {
    /// Events per second.
    pub(crate) fn rate(&self, events: u64) -> f64 {
        events as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Seconds of the broker's processor time for a million events.
    pub(crate) fn cpu_per_million(&self, events: u64) -> f64 {
        per_million(self.broker_cpu, events)
    }

    pub(crate) fn driver_cpu_per_million(&self, events: u64) -> f64 {
        per_million(self.driver_cpu, events)
    }

    pub(crate) fn written_each(&self, events: u64) -> f64 {
        self.written_bytes as f64 / events.max(1) as f64
    }
}

fn per_million(cpu: Duration, events: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / events.max(1) as f64
}
