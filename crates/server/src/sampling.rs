//! Keeps time for the samples of statistics.

use std::{sync::Arc, time::Duration};

use management::{Api, TICK_MS};

use crate::connection::wall_clock_ms;

/// Has samples taken at every full tick of the wall clock, until the task is aborted.
pub(crate) async fn run(api: Arc<Api>) {
    loop {
        let left_ms = TICK_MS - wall_clock_ms() % TICK_MS;
        tokio::time::sleep(Duration::from_millis(left_ms)).await;
        let api = Arc::clone(&api);
        // It waits for locks, and reads what the system says of the process.
        if let Err(error) = tokio::task::spawn_blocking(move || api.take_samples()).await {
            tracing::error!(%error, "samples could not be taken");
        }
    }
}
