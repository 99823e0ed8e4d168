//! The disk by itself: 4 KiB written and synced, again and again, into a file whose blocks are there already. It is the
//! limit of whoever waits for every single message to be on disk.

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::traffic;
use crate::{
    histogram::Histogram,
    report::{Cell, number::Unit},
};

const BLOCK_BYTES: usize = 4096;
const BLOCKS: u64 = 16_384;

/// Syncs per second, and how long each took.
#[derive(Debug)]
pub(crate) struct Syncs {
    pub(crate) per_second: f64,
    times: Histogram,
}

/// Measures the disk that `folder` is on.
pub(crate) fn run(folder: &Path, measured: Duration) -> anyhow::Result<Syncs> {
    let path = folder.join("disk");
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    let block = vec![b'x'; BLOCK_BYTES];
    let at = |number: u64| (number % BLOCKS) * BLOCK_BYTES as u64;
    // Written, not only reserved: else the first sync of each block would also change the file's map.
    for number in 0..BLOCKS {
        file.write_all_at(&block, at(number))?;
    }
    file.sync_all()?;
    let mut times = Histogram::default();
    let start = Instant::now();
    let mut number = 0;
    while start.elapsed() < measured {
        let before = Instant::now();
        file.write_all_at(&block, at(number))?;
        file.sync_data()?;
        times.record(u64::try_from(before.elapsed().as_nanos())?);
        number += 1;
    }
    let per_second = number as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(Syncs { per_second, times })
}

impl Syncs {
    /// As a row beside messages that are confirmed one at a time.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let mut cells = vec![Cell::new("msg/s", Unit::Rate, self.per_second)];
        cells.extend(traffic::quantiles("confirm", &self.times));
        cells
    }
}
