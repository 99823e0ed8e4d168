//! How often messages of a quorum queue came back: told to consumers, limited, and kept over restarts.
//!
//! A message that came back at all has one entry ([`Return`]) in the log of what is no message, at a level that no message of a
//! quorum queue has. It is replaced when the message comes back again, and goes when the message does.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use model::{Message, Value, message::Properties};
use storage::{LogId, Staging};

use super::{fifo::Ticket, replica::Return};
use crate::{mailbox::Parcel, route::headers_of};

/// The header that tells the count.
pub(crate) const DELIVERY_COUNT: &str = "x-delivery-count";
/// The level of the log of all entries that are no messages.
pub(super) const LEVEL: u8 = u8::MAX;

/// See the module's documentation.
#[derive(Default, Debug)]
pub(super) struct Returns {
    /// By level and number of the message.
    counts: BTreeMap<(u8, u64), Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    count: u64,
    /// Where it stands in the log.
    at: u64,
}

impl Returns {
    /// This was written with the number `at`.
    pub(super) fn replay(&mut self, Return { level, index, count }: Return, at: u64) {
        self.counts.insert((level, index), Count { count, at });
    }

    /// How often the message came back so far.
    pub(super) fn count(&self, ticket: &Ticket) -> u64 {
        self.counts.get(&(ticket.level, ticket.seq)).map_or(0, |count| count.count)
    }

    /// The message comes back, which is written with the number `at`.
    pub(super) fn add(&mut self, ticket: &Ticket, at: u64, log: LogId, staging: &mut Staging<'_>) {
        let count = Count { count: self.count(ticket).saturating_add(1), at };
        let back = Return { level: ticket.level, index: ticket.seq, count: count.count };
        let head = back.encode();
        staging
            .append(log, storage::Entry { index: at, expires_at_ms: 0, priority: 0, head: &head, body: &[] });
        if let Some(old) = self.counts.insert((ticket.level, ticket.seq), count) {
            staging.settle(log, &[old.at..=old.at]);
        }
    }

    /// The message is gone. Returns what the log need not keep.
    pub(super) fn forget(&mut self, ticket: &Ticket) -> Option<u64> {
        if self.counts.is_empty() {
            return None;
        }
        self.counts.remove(&(ticket.level, ticket.seq)).map(|count| count.at)
    }

    /// The same for the messages of a level with these numbers.
    pub(super) fn forget_range(&mut self, level: u8, range: &RangeInclusive<u64>) -> Vec<u64> {
        let those = self.counts.extract_if((level, *range.start())..=(level, *range.end()), |_, _| true);
        those.map(|(_, count)| count.at).collect()
    }

    /// Writes the count into the headers of a message that is delivered again.
    pub(super) fn tell(&self, parcel: &mut Parcel) {
        let count = self.count(&parcel.ticket);
        if count > 0 {
            parcel.message = with_count(&parcel.message, count);
        }
    }
}

fn with_count(message: &Arc<Message>, count: u64) -> Arc<Message> {
    let mut headers = headers_of(message);
    headers.0.retain(|(name, _)| &**name != DELIVERY_COUNT);
    headers.push(DELIVERY_COUNT, Value::I64(i64::try_from(count).unwrap_or(i64::MAX)));
    let mut encoded = Vec::new();
    headers.encode(&mut encoded);
    let mut list = Vec::new();
    Properties { raw_headers: Some(&encoded), ..message.properties() }.encode(&mut list);
    // A message whose headers are as long as they can be goes without.
    message.with_properties(&list).map_or_else(|_| Arc::clone(message), Arc::new)
}
