//! How often messages of a quorum queue came back: told to consumers, and limited.
//!
//! Counted in memory, for messages that came back at all; a restart begins anew.

use std::{collections::BTreeMap, sync::Arc};

use model::{Message, Value, message::Properties};

use super::fifo::Ticket;
use crate::{mailbox::Parcel, route::headers_of, topology::QueueKind};

/// The header that tells the count.
pub(crate) const DELIVERY_COUNT: &str = "x-delivery-count";

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Returns {
    is_counting: bool,
    /// By level and number of the message.
    counts: BTreeMap<(u8, u64), u64>,
}

impl Returns {
    pub(super) fn new(kind: QueueKind) -> Self {
        Self { is_counting: kind == QueueKind::Quorum, counts: BTreeMap::new() }
    }

    /// How often the message came back so far.
    pub(super) fn count(&self, ticket: &Ticket) -> u64 {
        self.counts.get(&(ticket.level, ticket.seq)).copied().unwrap_or(0)
    }

    /// The message comes back.
    pub(super) fn add(&mut self, ticket: &Ticket) {
        if self.is_counting {
            let count = self.counts.entry((ticket.level, ticket.seq)).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// The message is gone.
    pub(super) fn forget(&mut self, ticket: &Ticket) {
        if !self.counts.is_empty() {
            self.counts.remove(&(ticket.level, ticket.seq));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// No message is left.
    pub(super) fn clear(&mut self) {
        self.counts.clear();
    }

    /// Writes the count into the headers of a message that is delivered again.
    pub(super) fn tell(&self, parcel: &mut Parcel) {
        if self.counts.is_empty() {
            return;
        }
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
