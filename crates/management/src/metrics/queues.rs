//! Queues, together or one by one, and exchanges.

use broker::counts::{QueueCounts, Sums};

use super::{
    Scope,
    own::drain_s,
    page::{Kind, Page, labels},
};
use crate::Api;

/// What is told of a queue.
struct Told {
    labels: String,
    counts: QueueCounts,
    sums: Sums,
    resident_bytes: u64,
    capacity: f64,
    /// In milliseconds; None without ready messages.
    age_ms: Option<u64>,
    drain_s: f64,
}

/// A number of queues: its group in RabbitMQ, its name, type, help, and where it is.
type Column = (&'static str, &'static str, Kind, &'static str, fn(&Told) -> u64);

const COLUMNS: [Column; 18] = [
    (
        "queue_coarse_metrics",
        "queue_messages_ready",
        Kind::Gauge,
        "Messages ready to be delivered to consumers",
        |told| told.sums.ready,
    ),
    (
        "queue_coarse_metrics",
        "queue_messages_unacked",
        Kind::Gauge,
        "Messages delivered to consumers but not yet acknowledged",
        |told| told.sums.unsettled,
    ),
    (
        "queue_coarse_metrics",
        "queue_messages",
        Kind::Gauge,
        "Sum of ready and unacknowledged messages - total queue depth",
        |told| told.sums.ready.wrapping_add(told.sums.unsettled),
    ),
    ("queue_consumer_count", "queue_consumers", Kind::Gauge, "Consumers on a queue", |told| {
        told.sums.consumers
    }),
    (
        "queue_metrics",
        "queue_process_memory_bytes",
        Kind::Gauge,
        "Memory in bytes used by the Erlang queue process",
        |told| told.resident_bytes,
    ),
    (
        "queue_metrics",
        "queue_messages_ram_bytes",
        Kind::Gauge,
        "Size of ready and unacknowledged messages stored in memory",
        |told| told.resident_bytes,
    ),
    (
        "queue_metrics",
        "queue_messages_bytes",
        Kind::Gauge,
        "Size in bytes of ready and unacknowledged messages",
        |told| told.sums.ready_bytes.wrapping_add(told.sums.unsettled_bytes),
    ),
    ("queue_metrics", "queue_messages_ready_bytes", Kind::Gauge, "Size in bytes of ready messages", |told| {
        told.sums.ready_bytes
    }),
    (
        "queue_metrics",
        "queue_messages_unacked_bytes",
        Kind::Gauge,
        "Size in bytes of all unacknowledged messages",
        |told| told.sums.unsettled_bytes,
    ),
    (
        "queue_metrics",
        "queue_disk_reads_total",
        Kind::Counter,
        "Total number of times queue read messages from disk",
        |told| told.sums.disk_reads,
    ),
    (
        "queue_metrics",
        "queue_disk_writes_total",
        Kind::Counter,
        "Total number of times queue wrote messages to disk",
        |told| told.sums.disk_writes,
    ),
    (
        "queue_delivery_metrics",
        "queue_get_ack_total",
        Kind::Counter,
        "Total number of messages fetched from a queue with basic.get in manual acknowledgement mode",
        |told| told.counts.consumed.get,
    ),
    (
        "queue_delivery_metrics",
        "queue_get_total",
        Kind::Counter,
        "Total number of messages fetched from a queue with basic.get in automatic acknowledgement mode",
        |told| told.counts.consumed.get_no_ack,
    ),
    (
        "queue_delivery_metrics",
        "queue_messages_delivered_ack_total",
        Kind::Counter,
        "Total number of messages delivered from a queue to consumers in manual acknowledgement mode",
        |told| told.counts.consumed.deliver,
    ),
    (
        "queue_delivery_metrics",
        "queue_messages_delivered_total",
        Kind::Counter,
        "Total number of messages delivered from a queue to consumers in automatic acknowledgement mode",
        |told| told.counts.consumed.deliver_no_ack,
    ),
    (
        "queue_delivery_metrics",
        "queue_messages_redelivered_total",
        Kind::Counter,
        "Total number of messages redelivered from a queue to consumers",
        |told| told.counts.consumed.redeliver,
    ),
    (
        "queue_delivery_metrics",
        "queue_messages_acked_total",
        Kind::Counter,
        "Total number of messages acknowledged by consumers on a queue",
        |told| told.counts.consumed.ack,
    ),
    (
        "queue_delivery_metrics",
        "queue_get_empty_total",
        Kind::Counter,
        "Total number of times basic.get operations fetched no message on a queue",
        |told| told.counts.consumed.get_empty,
    ),
];

/// As Prometheus spells it.
fn shown(number: f64) -> String {
    if number == f64::INFINITY { "+Inf".to_owned() } else { number.to_string() }
}

/// Groups of which sums are kept.
const SUMMED: [&str; 3] = ["queue_coarse_metrics", "queue_consumer_count", "queue_metrics"];

impl Api {
    pub(super) fn write_queues(&self, page: &mut Page, scope: &Scope) {
        if COLUMNS.iter().any(|(group, ..)| scope.wants(group)) {
            let told = if scope.is_by_object() { self.told_queues(scope) } else { vec![self.all_queues()] };
            for (group, name, kind, help, read) in COLUMNS {
                if !scope.wants(group) || (!scope.is_by_object() && !SUMMED.contains(&group)) {
                    continue;
                }
                let mut family = page.family(name, kind, help);
                for queue in &told {
                    family.put(&queue.labels, read(queue));
                }
            }
            if scope.wants("queue_metrics") {
                Self::write_backlog(page, &told);
            }
            if scope.is_by_object() && scope.wants("queue_metrics") {
                for (name, help) in [
                    ("queue_consumer_capacity", "Consumer capacity"),
                    ("queue_consumer_utilisation", "Same as consumer capacity"),
                ] {
                    let mut family = page.family(name, Kind::Gauge, help);
                    for queue in &told {
                        family.put(&queue.labels, queue.capacity);
                    }
                }
            }
        }
        self.write_exchanges(page, scope);
    }

    /// How old messages are and when they will be gone: of queues in which some are ready.
    fn write_backlog(page: &mut Page, told: &[Told]) {
        let told = || told.iter().filter_map(|queue| Some((queue, queue.age_ms?)));
        let help =
            "Age of the oldest ready message; of all queues as of the last sample, which is taken every 5 s";
        let mut family = page.family_of("harefoot_", "queue_oldest_message_age_seconds", Kind::Gauge, help);
        for (queue, age_ms) in told() {
            family.put(&queue.labels, age_ms as f64 / 1000.0);
        }
        let help = "Seconds until no message is ready any more, if they go on to change as between the last two samples; +Inf if they do not become less";
        let mut family = page.family_of("harefoot_", "queue_drain_seconds", Kind::Gauge, help);
        for (queue, _) in told() {
            family.put(&queue.labels, shown(queue.drain_s));
        }
    }

    fn started_ms(&self) -> u64 {
        self.world().now_ms().saturating_sub(self.world().usage().uptime_ms)
    }

    fn all_queues(&self) -> Told {
        let sums =
            self.vhost_names().iter().fold(Sums::default(), |sum, vhost| sum.plus(self.broker().sums(vhost)));
        let samples = self.samples().read();
        Told {
            labels: String::new(),
            counts: QueueCounts::default(),
            sums,
            resident_bytes: self.broker().memory().resident(),
            capacity: 0.0,
            age_ms: Some(samples.oldest.age_ms(self.started_ms())),
            drain_s: drain_s(sums.ready, samples.ready_growth(None)),
        }
    }

    fn told_queues(&self, scope: &Scope) -> Vec<Told> {
        let now_ms = self.world().now_ms();
        let started_ms = self.started_ms();
        let samples = self.samples().read();
        let records: Vec<_> = {
            let topology = self.broker().topology().read();
            let vhosts = topology.vhosts().map(|vhost| &vhost.name).filter(|name| scope.wants_vhost(name));
            let records = vhosts.flat_map(|vhost| topology.queues_of(vhost));
            records.filter(|record| scope.wants_queue(&record.name)).cloned().collect()
        };
        let told = records.iter().filter_map(|record| {
            let queue = self.broker().queue(record)?;
            let (counts, sums) = queue.glance();
            Some(Told {
                labels: labels(&[("vhost", &record.vhost), ("queue", &record.name)]),
                counts,
                sums,
                resident_bytes: queue.resident_bytes(),
                capacity: queue.capacity(now_ms),
                age_ms: queue.oldest_ms().map(|at_ms| now_ms.saturating_sub(at_ms.max(started_ms))),
                drain_s: drain_s(sums.ready, samples.ready_growth(Some(record))),
            })
        });
        told.collect()
    }

    fn write_exchanges(&self, page: &mut Page, scope: &Scope) {
        if !scope.is_by_object() || !scope.wants("exchange_metrics") {
            return;
        }
        let mut told: Vec<(String, [u64; 3])> = Vec::new();
        {
            let topology = self.broker().topology().read();
            let vhosts = topology.vhosts().map(|vhost| &vhost.name).filter(|name| scope.wants_vhost(name));
            for (vhost, (name, counts)) in vhosts
                .flat_map(|vhost| topology.counted_exchanges(vhost).map(move |counted| (vhost, counted)))
            {
                let numbers = [counts.publish_in(), counts.publish_out(), counts.unroutable()];
                if numbers != [0; 3] {
                    told.push((labels(&[("vhost", vhost), ("exchange", &name)]), numbers));
                }
            }
        }
        for (at, prefix, name, help) in [
            (
                0,
                "rabbitmq_",
                "exchange_messages_published_total",
                "Total number of messages published into an exchange",
            ),
            (
                1,
                "harefoot_",
                "exchange_messages_routed_total",
                "Messages published into an exchange, once for each queue that they reached",
            ),
            (
                2,
                "harefoot_",
                "exchange_messages_unroutable_total",
                "Messages published into an exchange that reached no queue",
            ),
        ] {
            let prefix = if prefix == "rabbitmq_" { scope.prefix() } else { prefix };
            let mut family = page.family_of(prefix, name, Kind::Counter, help);
            for (labels, numbers) in &told {
                family.put(labels, numbers.get(at).copied().unwrap_or_default());
            }
        }
    }
}
