//! The routes a connection has used, so that a publish to a known address needs no lock.
//!
//! A route is good while the epochs of the exchanges it went through and of the permissions are what they were, and
//! none of its queues is deleted. Addresses that led nowhere are not kept: a queue may appear any time.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::FixedState;

use crate::{
    counts::{Origin, Origins},
    queue::Queue,
    route::Route,
};

/// Addresses kept; beyond, all are forgotten.
const ROUTES_MAX: usize = 512;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Routes {
    known: HashMap<Box<[u8]>, Arc<Known>, FixedState>,
    /// The one that was found last: most publishers have one address.
    last: Option<Arc<Known>>,
    /// The exchanges that were published to.
    pub(super) origins: Origins,
}

/// The queues of an address, and the exchange in it.
pub(super) type Found = (Arc<[Arc<Queue>]>, Option<Origin>);

/// Where an address leads, with everything that this depends on.
#[derive(Debug)]
struct Known {
    address: Box<[u8]>,
    queues: Arc<[Arc<Queue>]>,
    origin: Option<Origin>,
    route: Route,
    permissions_epoch: u64,
}

impl Known {
    fn is_good(&self, permissions_epoch: u64) -> bool {
        self.permissions_epoch == permissions_epoch
            && self.route.is_current()
            && !self.queues.iter().any(|queue| queue.is_deleted())
    }
}

impl Routes {
    /// The queues that an address leads to, if that is known and still true, and its exchange.
    pub(super) fn find(&mut self, address: &[u8], permissions_epoch: u64) -> Option<Found> {
        if self.last.as_ref().is_none_or(|last| *last.address != *address) {
            self.last = Some(Arc::clone(self.known.get(address)?));
        }
        let known = self.last.as_ref()?;
        if known.is_good(permissions_epoch) {
            return Some((Arc::clone(&known.queues), known.origin));
        }
        self.last = None;
        self.known.remove(address);
        None
    }

    /// The place of the exchange that a route begins at.
    pub(super) fn origin(&mut self, route: &Route) -> Option<Origin> {
        let counts = route.origin.as_ref()?;
        self.origins.find(counts).or_else(|| {
            // What is known refers to what is forgotten here.
            self.known.clear();
            self.last = None;
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
        if self.known.len() >= ROUTES_MAX {
            self.known.clear();
        }
        let known = Known { address: address.into(), queues, origin, route, permissions_epoch };
        self.known.insert(address.into(), Arc::new(known));
    }
}
