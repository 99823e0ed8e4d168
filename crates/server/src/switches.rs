//! What an operator can change while the node runs: thresholds of alarms, and whether clients can connect.
//!
//! A change holds until the node stops; what is to hold longer belongs into the configuration. The level of the log has its switch
//! in `log`.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::{
    Settings,
    settings::{DiskFreeLimit, Watermark},
};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Switches {
    memory: Mutex<Switch<Watermark>>,
    disk: Mutex<Switch<DiskFreeLimit>>,
    open: watch::Sender<bool>,
    is_drained: AtomicBool,
}

/// A value, and whether it is another than at the start.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Switch<T> {
    pub(crate) value: T,
    pub(crate) is_changed: bool,
}

impl Switches {
    /// As the settings have it.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            memory: Mutex::new(Switch { value: settings.memory.high_watermark, is_changed: false }),
            disk: Mutex::new(Switch { value: settings.disk_free_limit, is_changed: false }),
            open: watch::Sender::new(true),
            is_drained: AtomicBool::new(false),
        }
    }

    pub(crate) fn memory(&self) -> Switch<Watermark> {
        *self.memory.lock()
    }

    pub(crate) fn set_memory(&self, value: Watermark) {
        *self.memory.lock() = Switch { value, is_changed: true };
    }

    pub(crate) fn disk(&self) -> Switch<DiskFreeLimit> {
        *self.disk.lock()
    }

    pub(crate) fn set_disk(&self, value: DiskFreeLimit) {
        *self.disk.lock() = Switch { value, is_changed: true };
    }

    /// Whether clients can connect by AMQP; for whoever accepts to follow.
    pub(crate) fn opening(&self) -> watch::Receiver<bool> {
        self.open.subscribe()
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    pub(crate) fn set_open(&self, is_open: bool) {
        self.open.send_replace(is_open);
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.is_drained.load(Ordering::Acquire)
    }

    pub(crate) fn set_drained(&self, is_drained: bool) {
        self.is_drained.store(is_drained, Ordering::Release);
    }
}
