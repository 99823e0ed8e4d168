//! Families of our own: how long the disk takes, what it holds, who published to nobody.

use super::{
    Scope,
    page::{Kind, Page, labels},
};
use crate::Api;

impl Api {
    pub(super) fn write_own(&self, page: &mut Page, scope: &Scope) {
        if matches!(scope, Scope::Detailed { .. }) {
            return;
        }
        let disk = self.broker().disk_usage();
        let help =
            "Bytes on disk by what they are: the write-ahead log, segments of queues, what left memory";
        let mut family = page.family_of("harefoot_", "disk_bytes", Kind::Gauge, help);
        for (kind, bytes) in
            [("wal", disk.wal_bytes), ("segments", disk.segment_bytes), ("spill", disk.spill_bytes)]
        {
            family.put(&labels(&[("kind", kind)]), bytes);
        }
        for (name, help, value) in [
            ("log_flushes_total", "Groups of the log that were written and synced", disk.counters.flushes),
            ("log_records_total", "Records in those groups", disk.counters.records),
            ("log_written_bytes_total", "Bytes of those groups", disk.counters.wal_bytes_written),
        ] {
            page.family_of("harefoot_", name, Kind::Counter, help).put("", value);
        }
        let flushes = self.broker().node_counts().flush_times();
        let help = "How long a group of the log took to be written and synced";
        let mut family = page.family_of("harefoot_", "log_flush_seconds", Kind::Histogram, help);
        let bounds: Vec<String> = flushes.bounds_s().map(|bound| bound.to_string()).collect();
        family.histogram("", &bounds, &flushes.counts(), flushes.sum_s());
    }
}
