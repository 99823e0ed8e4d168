//! Channels and connections, together or one by one.

use broker::{
    Totals,
    counts::{SessionGauges, SessionTotals},
};

use super::{
    Scope,
    page::{Kind, Page, labels},
};
use crate::Api;

struct Told {
    labels: String,
    gauges: SessionGauges,
    totals: SessionTotals,
}

type Column = (&'static str, &'static str, Kind, &'static str, fn(&Told) -> u64);

const COLUMNS: [Column; 18] = [
    ("channel_metrics", "channel_consumers", Kind::Gauge, "Consumers on a channel", |told| {
        told.gauges.consumers
    }),
    (
        "channel_metrics",
        "channel_messages_unacked",
        Kind::Gauge,
        "Delivered but not yet acknowledged messages",
        |told| told.gauges.unsettled,
    ),
    (
        "channel_metrics",
        "channel_messages_unconfirmed",
        Kind::Gauge,
        "Published but not yet confirmed messages",
        |told| told.gauges.unconfirmed,
    ),
    (
        "channel_metrics",
        "channel_messages_uncommitted",
        Kind::Gauge,
        "Messages received in a transaction but not yet committed",
        |told| told.gauges.uncommitted,
    ),
    (
        "channel_metrics",
        "channel_acks_uncommitted",
        Kind::Gauge,
        "Message acknowledgements in a transaction not yet committed",
        |told| told.gauges.verdicts_uncommitted,
    ),
    (
        "channel_metrics",
        "consumer_prefetch",
        Kind::Gauge,
        "Limit of unacknowledged messages for each consumer",
        |told| told.gauges.prefetch,
    ),
    (
        "channel_metrics",
        "channel_prefetch",
        Kind::Gauge,
        "Total limit of unacknowledged messages for all consumers on a channel",
        |told| told.gauges.prefetch_shared,
    ),
    (
        "channel_exchange_metrics",
        "channel_messages_published_total",
        Kind::Counter,
        "Total number of messages published into an exchange on a channel",
        |told| told.totals.publish,
    ),
    (
        "channel_exchange_metrics",
        "channel_messages_confirmed_total",
        Kind::Counter,
        "Total number of messages published into an exchange and confirmed on the channel",
        |told| told.totals.confirm,
    ),
    (
        "channel_exchange_metrics",
        "channel_messages_unroutable_returned_total",
        Kind::Counter,
        "Total number of messages published as mandatory into an exchange and returned to the publisher as unroutable",
        |told| told.totals.return_unroutable,
    ),
    (
        "channel_exchange_metrics",
        "channel_messages_unroutable_dropped_total",
        Kind::Counter,
        "Total number of messages published as non-mandatory into an exchange and dropped as unroutable",
        |told| told.totals.drop_unroutable,
    ),
    (
        "channel_queue_metrics",
        "channel_get_ack_total",
        Kind::Counter,
        "Total number of messages fetched with basic.get in manual acknowledgement mode",
        |told| told.totals.consumed().get,
    ),
    (
        "channel_queue_metrics",
        "channel_get_total",
        Kind::Counter,
        "Total number of messages fetched with basic.get in automatic acknowledgement mode",
        |told| told.totals.consumed().get_no_ack,
    ),
    (
        "channel_queue_metrics",
        "channel_messages_delivered_ack_total",
        Kind::Counter,
        "Total number of messages delivered to consumers in manual acknowledgement mode",
        |told| told.totals.consumed().deliver,
    ),
    (
        "channel_queue_metrics",
        "channel_messages_delivered_total",
        Kind::Counter,
        "Total number of messages delivered to consumers in automatic acknowledgement mode",
        |told| told.totals.consumed().deliver_no_ack,
    ),
    (
        "channel_queue_metrics",
        "channel_messages_redelivered_total",
        Kind::Counter,
        "Total number of messages redelivered to consumers",
        |told| told.totals.consumed().redeliver,
    ),
    (
        "channel_queue_metrics",
        "channel_messages_acked_total",
        Kind::Counter,
        "Total number of messages acknowledged by consumers",
        |told| told.totals.consumed().ack,
    ),
    (
        "channel_queue_metrics",
        "channel_get_empty_total",
        Kind::Counter,
        "Total number of times basic.get operations fetched no message",
        |told| told.totals.consumed().get_empty,
    ),
];

impl Api {
    pub(super) fn write_channels(&self, page: &mut Page, scope: &Scope, totals: &Totals) {
        if !COLUMNS.iter().any(|(group, ..)| scope.wants(group)) {
            return;
        }
        let mut told = Vec::new();
        for connected in self.broker().connected() {
            let Some(connection) = connected.name().filter(|_| scope.wants_vhost(&connected.vhost)) else {
                continue;
            };
            told.extend(connected.session_views().iter().map(|view| Told {
                labels: labels(&[
                    ("channel", &format!("{connection} ({})", view.id.0)),
                    ("vhost", &connected.vhost),
                ]),
                gauges: view.gauges(),
                totals: view.totals(),
            }));
        }
        if !scope.is_by_object() {
            let gauges = told.iter().fold(SessionGauges::default(), |sum, one| sum_of(sum, one.gauges));
            // What channels have counted that are closed by now is in the sums.
            told = vec![Told { labels: String::new(), gauges, totals: totals.node }];
        }
        for (group, name, kind, help, read) in COLUMNS {
            if scope.wants(group) {
                let mut family = page.family(name, kind, help);
                for channel in &told {
                    family.put(&channel.labels, read(channel));
                }
            }
        }
    }

    pub(super) fn write_connections(&self, page: &mut Page, scope: &Scope, totals: &Totals) {
        if !scope.wants("connection_coarse_metrics") && !scope.wants("connection_metrics") {
            return;
        }
        let mut told = Vec::new();
        for connected in self.broker().connected() {
            let Some(name) = connected.name().filter(|_| scope.wants_vhost(&connected.vhost)) else {
                continue;
            };
            let traffic = connected.traffic();
            let numbers = [
                traffic.received_bytes.get(),
                traffic.sent_bytes.get(),
                traffic.received_times.get(),
                traffic.sent_times.get(),
                connected.sessions().into(),
            ];
            // RabbitMQ's label of connections is called so too.
            told.push((labels(&[("channel", &name), ("vhost", &connected.vhost)]), numbers));
        }
        if !scope.is_by_object() {
            let mut sum = told.iter().fold([0_u64; 5], |sum, (_, numbers)| {
                std::array::from_fn(|at| {
                    sum.get(at).zip(numbers.get(at)).map_or(0, |(one, other)| one.wrapping_add(*other))
                })
            });
            // What connections have moved that are gone by now is in the sums: they only grow.
            [sum[0], sum[1]] = [totals.node_bytes.0, totals.node_bytes.1];
            told = vec![(String::new(), sum)];
        }
        for (at, group, name, kind, help) in [
            (
                0,
                "connection_coarse_metrics",
                "connection_incoming_bytes_total",
                Kind::Counter,
                "Total number of bytes received on a connection",
            ),
            (
                1,
                "connection_coarse_metrics",
                "connection_outgoing_bytes_total",
                Kind::Counter,
                "Total number of bytes sent on a connection",
            ),
            (
                2,
                "connection_metrics",
                "connection_incoming_packets_total",
                Kind::Counter,
                "Total number of packets received on a connection",
            ),
            (
                3,
                "connection_metrics",
                "connection_outgoing_packets_total",
                Kind::Counter,
                "Total number of packets sent on a connection",
            ),
            (4, "connection_metrics", "connection_channels", Kind::Gauge, "Channels on a connection"),
        ] {
            if scope.wants(group) {
                let mut family = page.family(name, kind, help);
                for (labels, numbers) in &told {
                    family.put(labels, numbers.get(at).copied().unwrap_or_default());
                }
            }
        }
    }
}

fn sum_of(one: SessionGauges, other: SessionGauges) -> SessionGauges {
    SessionGauges {
        consumers: one.consumers.wrapping_add(other.consumers),
        unsettled: one.unsettled.wrapping_add(other.unsettled),
        unconfirmed: one.unconfirmed.wrapping_add(other.unconfirmed),
        uncommitted: one.uncommitted.wrapping_add(other.uncommitted),
        verdicts_uncommitted: one.verdicts_uncommitted.wrapping_add(other.verdicts_uncommitted),
        prefetch: one.prefetch.wrapping_add(other.prefetch),
        prefetch_shared: one.prefetch_shared.wrapping_add(other.prefetch_shared),
        ..one
    }
}
