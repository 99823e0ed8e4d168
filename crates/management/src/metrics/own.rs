//! Families of our own: how long things take, what the disk holds, how old messages are and when they will be gone, when
//! certificates expire.

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
        let counts = self.broker().node_counts();
        for (name, help, times) in [
            (
                "log_flush_seconds",
                "How long a group of the log took to be written and synced",
                counts.flush_times(),
            ),
            (
                "publish_confirm_seconds",
                "From publish to confirm, of the first message of each confirm",
                counts.confirm_times(),
            ),
            (
                "queue_time_seconds",
                "From when a message came into its queue until it left for a consumer, sampled",
                counts.queue_times(),
            ),
            ("ack_time_seconds", "From delivery to acknowledgement, sampled", counts.ack_times()),
        ] {
            let mut family = page.family_of("harefoot_", name, Kind::Histogram, help);
            let bounds: Vec<String> = times.bounds_s().map(|bound| bound.to_string()).collect();
            family.histogram("", &bounds, &times.counts(), times.sum_s());
        }
        self.write_certificates(page);
    }

    fn write_certificates(&self, page: &mut Page) {
        let mut protocols: Vec<_> = self.listening().iter().map(|one| one.protocol).collect();
        protocols.sort_unstable();
        protocols.dedup();
        let help = "When the first certificate of a listener expires, in seconds since 1970: of its own chain, or of the authorities that vouch for clients";
        let mut family =
            page.family_of("harefoot_", "certificate_expiry_timestamp_seconds", Kind::Gauge, help);
        for protocol in protocols {
            let Some(certificates) = self.world().certificates(protocol) else { continue };
            for (kind, all) in [("own", certificates.chain), ("authority", certificates.authorities)] {
                if let Some(at_s) = all.iter().map(|one| one.at_s).min() {
                    family.put(&labels(&[("protocol", protocol), ("kind", kind)]), at_s);
                }
            }
        }
    }
}

/// Seconds until nothing of `ready` messages is left if they go on to grow by so many a second.
pub(super) fn drain_s(ready: u64, growth: f64) -> f64 {
    if ready == 0 {
        0.0
    } else if growth < 0.0 {
        ready as f64 / -growth
    } else {
        f64::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::drain_s;

    #[test]
    fn what_does_not_shrink_is_never_drained() {
        assert_eq!(drain_s(0, 5.0), 0.0);
        assert_eq!(drain_s(100, -20.0), 5.0);
        assert_eq!(drain_s(100, 0.0), f64::INFINITY);
        assert_eq!(drain_s(1, 3.0), f64::INFINITY);
    }
}
