//! The routes a connection has used, so that a publish to a known address needs no lock.
//!
//! A route is good while the epochs of the exchanges it went through and of the permissions are what they were, and
//! none of its queues is deleted. Addresses that led nowhere are not kept: a queue may appear any time.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::FixedState;

use crate::{queue::Queue, route::Route};

/// Addresses kept; beyond, all are forgotten.
const ROUTES_MAX: usize = 512;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Routes {
    known: HashMap<Box<[u8]>, Known, FixedState>,
}

#[derive(Debug)]
struct Known {
    queues: Arc<[Arc<Queue>]>,
    route: Route,
    permissions_epoch: u64,
}

impl Routes {
    /// The queues that an address leads to, if that is known and still true.
    pub(super) fn find(&mut self, address: &[u8], permissions_epoch: u64) -> Option<Arc<[Arc<Queue>]>> {
        let known = self.known.get(address)?;
        let is_good = known.permissions_epoch == permissions_epoch
            && known.route.is_current()
            && !known.queues.iter().any(|queue| queue.is_deleted());
        if is_good {
            return Some(Arc::clone(&known.queues));
        }
        self.known.remove(address);
        None
    }

    /// Remembers where an address leads.
    pub(super) fn keep(
        &mut self,
        address: &[u8],
        queues: Arc<[Arc<Queue>]>,
        route: Route,
        permissions_epoch: u64,
    ) {
        if self.known.len() >= ROUTES_MAX {
            self.known.clear();
        }
        self.known.insert(address.into(), Known { queues, route, permissions_epoch });
    }
}
