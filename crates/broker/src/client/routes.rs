//! The routes a connection has used, so that a publish to a known address needs no lock.
//!
//! A route is good while the epochs of the exchanges it went through and of the permissions are what they were, and
//! none of its queues is deleted. Addresses that led nowhere are not kept: a queue may appear any time.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use foldhash::fast::FixedState;

use crate::{
    counts::{Origin, Origins},
    queue::Queue,
    route::Route,
};

/// Addresses that a connection keeps; beyond, it forgets all.
const ROUTES_MAX: usize = 16 * 1024;
/// Addresses that all connections keep, some 64 MiB; beyond, each keeps [`FEW`].
const ALL_ROUTES_MAX: usize = 256 * 1024;
const FEW: usize = 64;

/// How many addresses all connections keep.
#[derive(Debug, Default)]
pub(crate) struct KeptRoutes(AtomicUsize);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Routes {
    known: HashMap<Arc<[u8]>, Arc<Known>, FixedState>,
    all: Arc<KeptRoutes>,
    /// The one that was found last: most publishers have one address.
    last: Option<Arc<Known>>,
    /// The exchanges that were published to.
    pub(super) origins: Origins,
}

/// The queues of an address, and the exchange in it.
pub(super) type Found = (Arc<[Arc<Queue>]>, Option<Origin>);

/// Where an address leads, with everything that this depends on.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) address: Arc<[u8]>,
    pub(super) queues: Arc<[Arc<Queue>]>,
    pub(super) origin: Option<Origin>,
    route: Route,
    permissions_epoch: u64,
    /// Its lane in the read in which it had one last.
    lane: AtomicUsize,
}

impl Known {
    pub(super) fn lane(&self) -> usize {
        self.lane.load(Ordering::Relaxed)
    }

    pub(super) fn set_lane(&self, lane: usize) {
        self.lane.store(lane, Ordering::Relaxed);
    }

    fn is_good(&self, permissions_epoch: u64) -> bool {
        self.permissions_epoch == permissions_epoch
            && self.route.is_current()
            && !self.queues.iter().any(|queue| queue.is_deleted())
    }
}

impl Routes {
    pub(super) fn new(all: &Arc<KeptRoutes>) -> Self {
        Self { known: HashMap::default(), all: Arc::clone(all), last: None, origins: Origins::default() }
    }

    /// What is known of an address, true or not.
    pub(super) fn look(&mut self, address: &[u8]) -> Option<&Arc<Known>> {
        if self.last.as_ref().is_none_or(|last| *last.address != *address) {
            self.last = Some(Arc::clone(self.known.get(address)?));
        }
        self.last.as_ref()
    }

    /// The queues that an address leads to, if that is known and still true, and its exchange.
    pub(super) fn find(&mut self, address: &[u8], permissions_epoch: u64) -> Option<Found> {
        let known = self.look(address)?;
        if known.is_good(permissions_epoch) {
            return Some((Arc::clone(&known.queues), known.origin));
        }
        self.last = None;
        if self.known.remove(address).is_some() {
            self.all.0.fetch_sub(1, Ordering::Relaxed);
        }
        None
    }

    /// What was found last, if it is still known.
    pub(super) fn last(&self) -> Option<Arc<Known>> {
        self.last.clone()
    }

    /// The place of the exchange that a route begins at.
    pub(super) fn origin(&mut self, route: &Route) -> Option<Origin> {
        let counts = route.origin.as_ref()?;
        self.origins.find(counts).or_else(|| {
            // What is known refers to what is forgotten here.
            self.forget();
            self.origins.clear();
            self.origins.find(counts)
        })
    }

    /// Remembers where an address leads.
    pub(super) fn keep(
        &mut self,
        address: &[u8],
        (queues, origin): Found,
        route: Route,
        permissions_epoch: u64,
    ) {
        let is_shared_out = self.all.0.load(Ordering::Relaxed) >= ALL_ROUTES_MAX;
        if self.known.len() >= if is_shared_out { FEW } else { ROUTES_MAX } {
            self.forget();
        }
        let address: Arc<[u8]> = address.into();
        let known = Known {
            address: Arc::clone(&address),
            queues,
            origin,
            route,
            permissions_epoch,
            lane: AtomicUsize::new(0),
        };
        if self.known.insert(address, Arc::new(known)).is_none() {
            self.all.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn forget(&mut self) {
        self.all.0.fetch_sub(self.known.len(), Ordering::Relaxed);
        self.known.clear();
        self.last = None;
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(routes: &mut Routes, numbers: std::ops::Range<usize>) {
        for number in numbers {
            routes.keep(&number.to_le_bytes(), (Arc::from([]), None), Route::default(), 0);
        }
    }

    fn knows(routes: &mut Routes, number: usize) -> bool {
        routes.find(&number.to_le_bytes(), 0).is_some()
    }

    #[test]
    fn a_connection_keeps_so_many_and_gives_back_what_it_forgets() {
        let all = Arc::new(KeptRoutes::default());
        let (mut one, mut other) = (Routes::new(&all), Routes::new(&all));
        keep(&mut one, 0..ROUTES_MAX);
        keep(&mut other, 0..10);
        assert!((0..ROUTES_MAX).all(|number| knows(&mut one, number)));
        assert_eq!(all.0.load(Ordering::Relaxed), ROUTES_MAX + 10);
        assert!(one.find(&0_usize.to_le_bytes(), 1).is_none(), "the permissions are others");
        assert_eq!(all.0.load(Ordering::Relaxed), ROUTES_MAX + 9);
        keep(&mut one, ROUTES_MAX..ROUTES_MAX + 2);
        assert!(!knows(&mut one, 1) && knows(&mut one, ROUTES_MAX + 1));
        drop(one);
        assert_eq!(all.0.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn when_all_keep_many_each_keeps_few() {
        let all = Arc::new(KeptRoutes(AtomicUsize::new(ALL_ROUTES_MAX)));
        let mut routes = Routes::new(&all);
        keep(&mut routes, 0..1000);
        assert!(all.0.load(Ordering::Relaxed) <= ALL_ROUTES_MAX + FEW);
        assert!(knows(&mut routes, 999));
    }
}
