//! What a connection was granted, so that it need not be looked up again.
//!
//! Grants are good as long as the permission epoch stands still, which moves with every change of users, vhosts and
//! permissions: the common case is one load and a look through a short list, without any lock. Refusals are not kept.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use model::{
    Name, Refusal,
    refusal::{Permission, Resource},
};
use parking_lot::RwLock;

use super::{Wish, pattern::Pattern};
use crate::{route::Dependency, topology::Topology};

/// Grants kept; beyond, the oldest goes.
const GRANTS_MAX: usize = 16;

/// The grants of one user in one vhost.
#[derive(Default, Debug)]
pub struct Granted {
    user: Name,
    vhost: Name,
    epoch: Option<Arc<AtomicU64>>,
    seen: u64,
    grants: Vec<Grant>,
    topics: Vec<TopicGrant>,
}

#[derive(Debug)]
struct Grant {
    permission: Permission,
    resource: Resource,
    name: Box<str>,
}

/// What a user may do with the keys of an exchange.
#[derive(Debug)]
struct TopicGrant {
    permission: Permission,
    exchange: Name,
    /// The exchange may be another one of the name by now, of another type.
    dependency: Dependency,
    /// None: any key.
    pattern: Option<Arc<Pattern>>,
}

impl TopicGrant {
    fn allows(&self, key: &[u8]) -> bool {
        let Some(pattern) = &self.pattern else { return true };
        pattern.is_match(&String::from_utf8_lossy(key))
    }
}

impl Granted {
    /// Refuses unless `user` has `permission` on something in `vhost`. Locks `topology` only if that is not known.
    ///
    /// # Errors
    /// When it has not.
    pub fn check(
        &mut self,
        topology: &RwLock<Topology>,
        (user, vhost): (&Name, &Name),
        permission: Permission,
        resource: Resource,
        name: &str,
    ) -> Result<(), Refusal> {
        if self.is_current(user, vhost) && self.knows(permission, resource, name) {
            return Ok(());
        }
        self.check_in(&topology.read(), (user, vhost), permission, resource, name)
    }

    /// As [`Granted::check`], where the topology is locked already.
    ///
    /// # Errors
    /// When it has not.
    pub fn check_in(
        &mut self,
        topology: &Topology,
        (user, vhost): (&Name, &Name),
        permission: Permission,
        resource: Resource,
        name: &str,
    ) -> Result<(), Refusal> {
        self.refresh(topology, user, vhost);
        if self.knows(permission, resource, name) {
            return Ok(());
        }
        topology.check_access(user, vhost, permission, resource, name)?;
        make_room(&mut self.grants);
        self.grants.push(Grant { permission, resource, name: name.into() });
        Ok(())
    }

    /// Refuses unless everything that a wish [needs](Wish::needs) is granted.
    ///
    /// # Errors
    /// For the first permission that is missing.
    pub fn check_wish(
        &mut self,
        topology: &RwLock<Topology>,
        who: (&Name, &Name),
        wish: Wish<'_>,
    ) -> Result<(), Refusal> {
        wish.needs().try_for_each(|need| self.check(topology, who, need.permission, need.resource, need.name))
    }

    /// Refuses unless `user` may use `key` on `exchange`: to publish (write) or to bind (read).
    ///
    /// Exchanges of other types than topic, and those that do not exist, have no such restriction.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_topic(
        &mut self,
        topology: &RwLock<Topology>,
        (user, vhost): (&Name, &Name),
        permission: Permission,
        exchange: &Name,
        key: &[u8],
    ) -> Result<(), Refusal> {
        if exchange.is_empty() {
            return Ok(());
        }
        let allows = match self.known_topic(user, vhost, permission, exchange) {
            Some(grant) => grant.allows(key),
            None => match self.look_up_topic(&topology.read(), (user, vhost), permission, exchange) {
                Some(grant) => grant.allows(key),
                None => true,
            },
        };
        if allows {
            return Ok(());
        }
        Err(Refusal::TopicRefused {
            permission,
            routing_key: lossy_name(key),
            exchange: exchange.clone(),
            vhost: vhost.clone(),
            user: user.clone(),
        })
    }

    fn known_topic(
        &self,
        user: &Name,
        vhost: &Name,
        permission: Permission,
        exchange: &Name,
    ) -> Option<&TopicGrant> {
        if !self.is_current(user, vhost) {
            return None;
        }
        let is_it = |grant: &&TopicGrant| grant.permission == permission && grant.exchange == *exchange;
        self.topics.iter().find(is_it).filter(|grant| grant.dependency.is_current())
    }

    /// Makes a grant for an exchange; None if it does not exist.
    fn look_up_topic(
        &mut self,
        topology: &Topology,
        (user, vhost): (&Name, &Name),
        permission: Permission,
        exchange: &Name,
    ) -> Option<&TopicGrant> {
        self.refresh(topology, user, vhost);
        self.topics.retain(|grant| grant.permission != permission || grant.exchange != *exchange);
        let (dependency, pattern) = topology.topic_rule((user, vhost), permission, exchange)?;
        make_room(&mut self.topics);
        self.topics.push(TopicGrant { permission, exchange: exchange.clone(), dependency, pattern });
        self.topics.last()
    }

    fn is_current(&self, user: &Name, vhost: &Name) -> bool {
        let is_still = self.epoch.as_ref().is_some_and(|epoch| epoch.load(Ordering::Acquire) == self.seen);
        is_still && self.user == *user && self.vhost == *vhost
    }

    /// Forgets everything unless it is current. The epoch is read under the topology's lock, so it belongs to what is
    /// looked up next.
    fn refresh(&mut self, topology: &Topology, user: &Name, vhost: &Name) {
        if self.is_current(user, vhost) {
            return;
        }
        let epoch = topology.permission_epoch();
        self.seen = epoch.load(Ordering::Acquire);
        self.epoch = Some(Arc::clone(epoch));
        self.user = user.clone();
        self.vhost = vhost.clone();
        self.grants.clear();
        self.topics.clear();
    }

    fn knows(&self, permission: Permission, resource: Resource, name: &str) -> bool {
        let is_it = |grant: &Grant| {
            grant.permission == permission && grant.resource == resource && *grant.name == *name
        };
        self.grants.iter().any(is_it)
    }
}

fn make_room<T>(list: &mut Vec<T>) {
    if list.len() >= GRANTS_MAX {
        list.remove(0);
    }
}

/// A routing key for a text: what is not UTF-8 is replaced, what is too long cut off.
fn lossy_name(key: &[u8]) -> Name {
    let text = String::from_utf8_lossy(key);
    let mut end = text.len().min(model::name::NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    Name::parse(text.get(..end).unwrap_or_default()).unwrap_or_default()
}
