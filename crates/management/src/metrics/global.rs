//! What the node as a whole has done, by protocol and by type of queue: the counters of RabbitMQ's overview dashboard.

use broker::{
    Totals,
    counts::{Consumed, KINDS},
};

use super::page::{Kind, Page, labels};
use crate::Api;

/// The one protocol in which messages come and go.
const PROTOCOL: &str = "amqp091";
/// RabbitMQ's words for the types, by the places of [`KINDS`].
const TYPES: [&str; KINDS.len()] = ["rabbit_classic_queue", "rabbit_quorum_queue", "rabbit_stream_queue"];

type Way = (&'static str, &'static str, fn(&Consumed) -> u64);

const WAYS: [Way; 8] = [
    (
        "global_messages_delivered_total",
        "Total number of messages delivered to consumers",
        Consumed::deliver_get,
    ),
    (
        "global_messages_delivered_consume_auto_ack_total",
        "Total number of messages delivered to consumers using basic.consume with automatic acknowledgment",
        |consumed| consumed.deliver_no_ack,
    ),
    (
        "global_messages_delivered_consume_manual_ack_total",
        "Total number of messages delivered to consumers using basic.consume with manual acknowledgment",
        |consumed| consumed.deliver,
    ),
    (
        "global_messages_delivered_get_auto_ack_total",
        "Total number of messages delivered to consumers using basic.get with automatic acknowledgment",
        |consumed| consumed.get_no_ack,
    ),
    (
        "global_messages_delivered_get_manual_ack_total",
        "Total number of messages delivered to consumers using basic.get with manual acknowledgment",
        |consumed| consumed.get,
    ),
    (
        "global_messages_get_empty_total",
        "Total number of times basic.get operations fetched no message",
        |consumed| consumed.get_empty,
    ),
    ("global_messages_redelivered_total", "Total number of messages redelivered to consumers", |consumed| {
        consumed.redeliver
    }),
    (
        "global_messages_acknowledged_total",
        "Total number of messages acknowledged by consumers",
        |consumed| consumed.ack,
    ),
];

impl Api {
    pub(super) fn write_global(&self, page: &mut Page, totals: &Totals) {
        let node = &totals.node;
        let protocol = labels(&[("protocol", PROTOCOL)]);
        for (name, help, value) in [
            (
                "global_messages_received_total",
                "Total number of messages received from publishers",
                node.publish,
            ),
            (
                "global_messages_received_confirm_total",
                "Total number of messages received from publishers expecting confirmations",
                node.publish_to_confirm,
            ),
            (
                "global_messages_routed_total",
                "Total number of messages routed to queues or streams",
                node.routed,
            ),
            (
                "global_messages_unroutable_dropped_total",
                "Total number of messages published as non-mandatory into an exchange and dropped as unroutable",
                node.drop_unroutable,
            ),
            (
                "global_messages_unroutable_returned_total",
                "Total number of messages published as mandatory into an exchange and returned to the publisher as unroutable",
                node.return_unroutable,
            ),
            (
                "global_messages_confirmed_total",
                "Total number of messages confirmed to publishers",
                node.confirm,
            ),
        ] {
            page.family(name, Kind::Counter, help).put(&protocol, value);
        }
        for (name, help, read) in WAYS {
            let mut family = page.family(name, Kind::Counter, help);
            for (consumed, kind) in node.consumed.iter().zip(TYPES) {
                family.put(&labels(&[("protocol", PROTOCOL), ("queue_type", kind)]), read(consumed));
            }
        }
        let views = self.broker().connected().into_iter().flat_map(|one| one.session_views());
        let (mut publishers, mut consumers) = (0_u64, 0_u64);
        for view in views {
            publishers = publishers.saturating_add((view.totals().publish > 0).into());
            consumers = consumers.saturating_add(view.gauges().consumers);
        }
        page.family("global_publishers", Kind::Gauge, "Current number of publishers")
            .put(&protocol, publishers);
        page.family("global_consumers", Kind::Gauge, "Current number of consumers").put(&protocol, consumers);
        self.write_dead_lettered(page);
    }

    fn write_dead_lettered(&self, page: &mut Page) {
        let counted: Vec<_> = self.broker().node_counts().dead_lettered().collect();
        for (word, what) in [
            ("rejected", "due to basic.reject or basic.nack"),
            ("expired", "due to message TTL exceeded"),
            ("maxlen", "due to overflow drop-head or reject-publish-dlx"),
            ("delivery_limit", "due to delivery-limit exceeded"),
        ] {
            let name = format!("global_messages_dead_lettered_{word}_total");
            let help = format!("Total number of messages dead-lettered {what}");
            let mut family = page.family(&name, Kind::Counter, &help);
            for letters in counted.iter().filter(|letters| letters.reason.word() == word) {
                let at = KINDS.iter().position(|kind| *kind == letters.kind).unwrap_or_default();
                let Some(kind) = TYPES.get(at).filter(|kind| **kind != "rabbit_stream_queue") else {
                    continue;
                };
                // Here a letter is moved in one write: a crash neither loses nor doubles it.
                let strategy = if letters.is_moved { "at_least_once" } else { "disabled" };
                let labels = labels(&[("queue_type", kind), ("dead_letter_strategy", strategy)]);
                family.put(&labels, letters.messages);
            }
        }
    }
}
