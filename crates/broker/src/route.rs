//! Routing: from (vhost, exchange, routing keys, headers) to queues.
//!
//! [`Topology::route`] does the whole walk: bindings to queues and to other exchanges, alternate exchanges, the keys of `CC`
//! and `BCC`. Every exchange is visited once, so that cycles end, and every queue is found once.
//!
//! # When a route may be used again
//! A connection may keep a route under the message's [address](Message::address) if it [is cacheable](Route::is_cacheable):
//! then it depends on nothing but exchange and routing key: not on headers, properties or chance, and no exchange on the
//! way has to see every message. It stays right as long as [`Route::is_current`], which
//! compares the *epoch* of every exchange visited and takes no lock. An exchange's epoch moves when a binding from it
//! comes or goes, when its alternate exchange changes, and when it is deleted. Where an exchange was looked for that does
//! not exist, the route depends on the vhost's epoch of created exchanges.
//!
//! The default exchange has no epoch: its route to a queue ends with the queue, so whoever keeps one drops it once the
//! queue is marked deleted. A route that asked it for a queue that does not exist is not cacheable. What the default
//! exchange can do by itself (one key, one queue) is therefore cacheable exactly when it found the queue.
//!
//! Not here: permissions ([`access`](crate::access)), and what becomes of an unroutable message.

use std::{
    cell::OnceCell,
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use model::{Message, Name, Table};

use crate::{
    counts::ExchangeCounts,
    topology::{QueueId, Topology, Vhost},
};

mod consistent_hash;
pub(crate) mod delayed;
mod direct;
mod extra_keys;
mod fanout;
mod headers;
pub(crate) mod kind;
mod one_of;
mod portable_hash;
mod recent_history;
pub(crate) mod target;
pub(crate) mod term;
mod topic;

pub use extra_keys::ExtraKeys;
pub(crate) use extra_keys::{fields_of, headers_of};
pub use kind::Kind;
use target::Matches;
pub(crate) use topic::Words;

/// Something a route depends on, and its state when the route was found.
#[derive(Clone, Debug)]
pub struct Dependency {
    epoch: Arc<AtomicU64>,
    seen: u64,
}

impl Dependency {
    pub(crate) fn on(epoch: &Arc<AtomicU64>) -> Self {
        Self { seen: epoch.load(Ordering::Acquire), epoch: Arc::clone(epoch) }
    }

    pub(crate) fn is_current(&self) -> bool {
        self.epoch.load(Ordering::Acquire) == self.seen
    }
}

/// The queues that a message goes to.
#[derive(Clone, Default, Debug)]
pub struct Route {
    /// Each once, in ascending order; none if the message is unroutable.
    pub queues: Vec<QueueId>,
    /// What the result depends on.
    pub dependencies: Vec<Dependency>,
    /// Whether another message with the same exchange and routing key, and without `CC` and `BCC`, goes the same way.
    pub is_cacheable: bool,
    /// The counts of the exchange that it begins at, if there is one.
    pub origin: Option<Arc<ExchangeCounts>>,
}

impl Route {
    /// A route that leads nowhere.
    pub(crate) fn from_exchange(counts: Arc<ExchangeCounts>) -> Self {
        Self { origin: Some(counts), ..Self::default() }
    }

    /// Whether nothing that it depends on has changed since. Queues may be gone nevertheless: see the module's
    /// documentation.
    pub fn is_current(&self) -> bool {
        self.dependencies.iter().all(Dependency::is_current)
    }
}

/// Buffers of a walk, kept by whoever routes.
#[derive(Default, Debug)]
pub struct Scratch {
    words: Words,
    matches: Matches,
    visited: BTreeSet<Name>,
}

/// A message as the exchanges look at it.
pub(crate) struct Published<'a> {
    message: &'a Message,
    extra: &'a [Bytes],
    headers: OnceCell<Table>,
}

impl<'a> Published<'a> {
    pub(crate) fn new(message: &'a Message, extra: &'a ExtraKeys) -> Self {
        Self { message, extra: extra.keys(), headers: OnceCell::new() }
    }

    /// The routing key, then those of `CC` and `BCC`.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.message.routing_key()).chain(self.extra.iter().map(|key| &key[..]))
    }

    /// The headers, parsed when first asked for.
    pub(crate) fn headers(&self) -> &Table {
        self.headers.get_or_init(|| headers_of(self.message))
    }
}

impl Topology {
    /// Where `message` goes in `vhost`. An exchange that does not exist leads nowhere.
    pub fn route(&self, vhost: &str, message: &Message, extra: &ExtraKeys, scratch: &mut Scratch) -> Route {
        self.route_from(message.exchange(), vhost, message, extra, scratch)
    }

    /// Where `message` goes from an exchange that it was not published to.
    pub(crate) fn route_from(
        &self,
        exchange: &[u8],
        vhost: &str,
        message: &Message,
        extra: &ExtraKeys,
        scratch: &mut Scratch,
    ) -> Route {
        let mut route = Route { is_cacheable: extra.is_empty(), ..Route::default() };
        let Some(vhost) = self.vhost(vhost) else {
            route.is_cacheable = false;
            return route;
        };
        scratch.matches.queues.clear();
        scratch.matches.exchanges.clear();
        scratch.visited.clear();
        let published = Published::new(message, extra);
        match std::str::from_utf8(exchange) {
            Ok(exchange) => {
                route.origin = vhost.counts_of(exchange).map(Arc::clone);
                vhost.visit(exchange, &published, scratch, &mut route);
            }
            Err(_) => route.is_cacheable = false,
        }
        while let Some(next) = scratch.matches.exchanges.pop() {
            if !scratch.visited.contains(&next) {
                vhost.visit(&next, &published, scratch, &mut route);
            }
        }
        let queues = &mut scratch.matches.queues;
        if queues.len() > 1 {
            queues.sort_unstable();
            queues.dedup();
        }
        route.queues.extend_from_slice(queues);
        route
    }
}

impl Vhost {
    /// Adds what one exchange makes of the message: queues, and exchanges that are to be visited next.
    fn visit(&self, name: &str, published: &Published<'_>, scratch: &mut Scratch, route: &mut Route) {
        if name.is_empty() {
            // Nothing leads here: what is published to it is all there is.
            for key in published.keys() {
                match std::str::from_utf8(key).ok().and_then(|key| self.queues.get(key)) {
                    Some(record) => scratch.matches.queues.push(record.id),
                    None => route.is_cacheable = false,
                }
            }
            return;
        }
        let Some(exchange) = self.exchanges.get(name) else {
            route.dependencies.push(Dependency::on(&self.created));
            return;
        };
        scratch.visited.insert(exchange.record.name.clone());
        route.dependencies.push(Dependency::on(&exchange.epoch));
        if let Some(queue) = &exchange.record.delay_queue {
            route.is_cacheable = false;
            if delayed::must_wait(published) {
                scratch.matches.queues.push(queue.id);
                return;
            }
        }
        route.is_cacheable &= exchange.index.depends_on_keys_only();
        let before = scratch.matches.count();
        exchange.index.collect(published, &mut scratch.words, &mut scratch.matches);
        // RabbitMQ: what counts is whether anything is bound that matches, not whether a queue is reached in the end.
        if scratch.matches.count() == before
            && let Some(alternate) = &exchange.alternate
        {
            scratch.matches.exchanges.push(alternate.clone());
        }
    }
}

#[cfg(test)]
mod tests;
