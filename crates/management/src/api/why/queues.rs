//! What does not go as it should in queues: they grow, nobody consumes, consumers are full or keep what they got.

use std::sync::Arc;

use broker::{
    counts::Sums,
    queue::{ConsumerRecord, Queue, Rules},
    topology::{QueueKind, QueueRecord},
};
use model::Name;

use super::{Api, Finding, count};
use crate::{
    api::statistics::Shown,
    samples::{Ranges, Stats},
};

/// So many unsettled deliveries are worth a word where a consumer has no limit.
const UNLIMITED_MANY: u64 = 1_000;
/// A queue that grows by less a second stands still.
const GROWTH_MIN: f64 = 0.1;
/// Findings of queues of one answer: who has more has one problem, not so many.
const FINDINGS_MAX: usize = 1_000;

/// What is looked at of a queue.
struct Look<'a> {
    record: &'a QueueRecord,
    sums: Sums,
    consumers: Vec<ConsumerRecord>,
    rules: Rules,
    /// Messages published, taken, and more than before, a second.
    published: f64,
    taken: f64,
    growth: f64,
}

/// Findings of the queues of some vhosts, or of the one that is wanted.
pub(super) fn all(api: &Api, vhosts: &[Name], wanted: Option<(&str, &str)>) -> Vec<Finding> {
    let mut records: Vec<Arc<QueueRecord>> = {
        let topology = api.broker().topology().read();
        let all = vhosts.iter().flat_map(|vhost| topology.queues_of(vhost)).cloned();
        all.collect()
    };
    if let Some((vhost, name)) = wanted {
        records.retain(|record| record.vhost.as_str() == vhost && record.name.as_str() == name);
    }
    let mut found = Vec::new();
    for record in &records {
        let Some(queue) = api.broker().queue(record) else { continue };
        let look = look(api, record, &queue);
        found.extend(refuses(&look).into_iter().chain(waits(&look)).chain(keeps(&look)));
        if found.len() >= FINDINGS_MAX {
            break;
        }
    }
    found
}

fn look<'a>(api: &Api, record: &'a QueueRecord, queue: &Queue) -> Look<'a> {
    let (counts, sums) = queue.glance();
    let samples = api.samples.read();
    let statistics = Shown { samples: &samples, ranges: Ranges::default() };
    let (rates, lengths) = statistics.queue(record, &counts, &sums);
    let rate =
        |stats: &Stats, name: &str| stats.find(name).and_then(|rate| rate.as_f64()).unwrap_or_default();
    Look {
        record,
        published: rate(&rates, "publish_details.rate"),
        taken: rate(&rates, "deliver_get_details.rate"),
        growth: rate(&lengths, "messages_details.rate"),
        sums,
        consumers: queue.consumers(),
        rules: queue.rules(),
    }
}

/// The longest queues of the node, with their lengths.
pub(super) fn longest(api: &Api, max: usize) -> String {
    let records: Vec<Arc<QueueRecord>> = {
        let topology = api.broker().topology().read();
        topology.vhosts().flat_map(|vhost| topology.queues_of(&vhost.name)).cloned().collect()
    };
    let lengths =
        records.iter().filter_map(|record| Some((api.broker().queue(record)?.counts().0.messages, record)));
    let mut lengths: Vec<_> = lengths.filter(|(messages, _)| *messages > 0).collect();
    lengths.sort_by_key(|(messages, _)| std::cmp::Reverse(*messages));
    let named = lengths.iter().take(max).map(|(messages, record)| format!("{} with {messages}", record.name));
    named.collect::<Vec<_>>().join(", ")
}

fn finding(look: &Look<'_>, kind: &'static str, says: String, fix: String) -> Finding {
    Finding {
        kind,
        subject: format!("queue {}", look.record.name),
        vhost: Some(look.record.vhost.clone()),
        queue: Some(look.record.name.clone()),
        says,
        fix,
    }
}

/// A queue that is full, and tells publishers so.
fn refuses(look: &Look<'_>) -> Option<Finding> {
    let rules = &look.rules;
    if !rules.refuses_when_full() {
        return None;
    }
    let (limit, now, what) = match (rules.max_length, rules.max_length_bytes) {
        (Some(limit), _) if look.sums.ready >= limit => (limit, look.sums.ready, "messages"),
        (_, Some(limit)) if look.sums.ready_bytes >= limit => (limit, look.sums.ready_bytes, "bytes"),
        _ => return None,
    };
    let says = format!(
        "It is full ({now} of {limit} {what}) and refuses publishes: publishers get basic.nack, or nothing."
    );
    let fix = "Let consumers take what waits; raise max-length or max-length-bytes; or let it drop the oldest: overflow = drop-head";
    Some(finding(look, "full_queue", says, fix.to_owned()))
}

/// Messages wait.
fn waits(look: &Look<'_>) -> Option<Finding> {
    let (ready, record) = (look.sums.ready, look.record);
    if ready == 0 || record.kind == QueueKind::Stream {
        return None;
    }
    let waiting = count(ready, "message waits", "messages wait");
    let is_growing = look.growth >= GROWTH_MIN;
    let pace = format!("{:.1}/s come in, {:.1}/s are taken", look.published, look.taken);
    if look.consumers.is_empty() {
        let kind = if is_growing { "growing_queue" } else { "no_consumer" };
        let says = match is_growing {
            true => format!("It grows by {:.1}/s: {waiting}, and nobody consumes from it.", look.growth),
            false => format!("{waiting}, and nobody consumes from it."),
        };
        let fix = format!(
            "Start its consumers; if nobody needs it any more: rabbitmqctl delete_queue -p '{}' '{}'; if only the newest matter, a policy \
             with max-length or message-ttl",
            record.vhost, record.name
        );
        return Some(finding(look, kind, says, fix));
    }
    let limited = look.consumers.iter().filter(|one| one.is_active && !one.no_ack && one.prefetch > 0);
    let full = limited.clone().filter(|one| one.unsettled >= one.prefetch).count();
    let active = look.consumers.iter().filter(|one| one.is_active).count();
    if full > 0 && full == active {
        let says = format!(
            "{waiting} although there {}: each has as many unacknowledged deliveries as its prefetch allows ({} in all; {pace}).",
            if active == 1 { "is a consumer".to_owned() } else { format!("are {active} consumers") },
            look.sums.unsettled
        );
        let fix = "See whether the consumers are stuck, or forget to acknowledge; if they are merely slow: more of them, or a higher \
                   prefetch (basic.qos); the oldest deliveries come back when their connections are closed";
        return Some(finding(look, "consumers_full", says, fix.to_owned()));
    }
    is_growing.then(|| {
        let says = format!("It grows by {:.1}/s: {waiting}; {pace} by {}.", look.growth, count(active as u64, "consumer", "consumers"));
        let fix = "The consumers are slower than the publishers: start more of them, let each take more at once (prefetch), or limit the \
                   queue with max-length";
        finding(look, "growing_queue", says, fix.to_owned())
    })
}

/// Consumers hold what they were given.
fn keeps(look: &Look<'_>) -> Option<Finding> {
    let greedy = look.consumers.iter().filter(|one| !one.no_ack && one.prefetch == 0);
    let worst = greedy.max_by_key(|one| one.unsettled)?;
    if u64::from(worst.unsettled) < UNLIMITED_MANY {
        return None;
    }
    let says = format!(
        "Consumer {} holds {} unacknowledged deliveries, and has no limit: it was given all there was, whatever it can do with it.",
        worst.tag, worst.unsettled
    );
    let fix = "Set a prefetch in the consumer (basic.qos, such as 100), and acknowledge what is done";
    Some(finding(look, "unacknowledged", says, fix.to_owned()))
}
