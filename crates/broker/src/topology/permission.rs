//! Permissions: which names a user may configure, write and read in a vhost, and which routing keys.
//!
//! How they are looked at is [`access`](crate::access)'s.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use model::{Name, refusal::Permission};
use serde::{Deserialize, Serialize};

use super::{Entry, Fact, Invalid, Topology};
use crate::{
    access::pattern::Pattern,
    route::{Dependency, Kind},
};

/// The three patterns of a user in a vhost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionPatterns {
    /// What it may create and delete.
    pub configure: String,
    /// What it may put messages in.
    pub write: String,
    /// What it may take messages out of.
    pub read: String,
}

impl PermissionPatterns {
    /// Everything.
    pub fn all() -> Self {
        let all = || ".*".to_owned();
        Self { configure: all(), write: all(), read: all() }
    }
}

/// The two patterns of a user on a topic exchange.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicPatterns {
    /// The routing keys it may publish with.
    pub write: String,
    /// The binding keys it may bind with.
    pub read: String,
}

/// The patterns, compiled.
#[derive(Debug)]
pub(crate) struct Permissions {
    pub(super) patterns: PermissionPatterns,
    configure: Arc<Pattern>,
    write: Arc<Pattern>,
    read: Arc<Pattern>,
}

impl Permissions {
    pub(crate) fn pattern(&self, permission: Permission) -> &Arc<Pattern> {
        match permission {
            Permission::Configure => &self.configure,
            Permission::Write => &self.write,
            Permission::Read => &self.read,
        }
    }
}

impl TopicPatterns {
    /// The pattern for a permission; there is none for configure.
    pub(crate) fn pattern(&self, permission: Permission) -> Option<&str> {
        match permission {
            Permission::Configure => None,
            Permission::Write => Some(&self.write),
            Permission::Read => Some(&self.read),
        }
    }
}

impl Topology {
    /// What `user` may do in `vhost`; None if it may not enter.
    pub fn permissions(&self, user: &Name, vhost: &Name) -> Option<&PermissionPatterns> {
        self.permissions.get(&(user.clone(), vhost.clone())).map(|permissions| &permissions.patterns)
    }

    /// Moves with every change of users, vhosts and permissions.
    pub fn permission_epoch(&self) -> &Arc<AtomicU64> {
        &self.permission_epoch
    }

    pub(crate) fn compiled_permissions(&self, user: &Name, vhost: &Name) -> Option<&Permissions> {
        self.permissions.get(&(user.clone(), vhost.clone()))
    }

    /// Which keys a user may use on an exchange (all, if there is no pattern), and what that depends on besides the
    /// permissions. None if there is no such exchange.
    pub(crate) fn topic_rule(
        &self,
        (user, vhost): (&Name, &Name),
        permission: Permission,
        exchange: &Name,
    ) -> Option<(Dependency, Option<Arc<Pattern>>)> {
        let found = self.vhost(vhost)?.exchanges.get(exchange)?;
        let is_topic = found.record.kind == Kind::TOPIC;
        let patterns = self.topic_permissions.get(&(user.clone(), vhost.clone(), exchange.clone()));
        let text = patterns.filter(|_| is_topic).and_then(|patterns| patterns.pattern(permission));
        let compiled = text.map(|text| Arc::new(Pattern::expanded_lenient(text, user, vhost)));
        Some((Dependency::on(&found.epoch), compiled))
    }

    /// All permissions: user, vhost, patterns.
    pub fn all_permissions(&self) -> impl Iterator<Item = (&Name, &Name, &PermissionPatterns)> {
        self.permissions.iter().map(|((user, vhost), permissions)| (user, vhost, &permissions.patterns))
    }

    /// All topic permissions: user, vhost, exchange, patterns.
    pub fn all_topic_permissions(&self) -> impl Iterator<Item = (&Name, &Name, &Name, &TopicPatterns)> {
        self.topic_permissions
            .iter()
            .map(|((user, vhost, exchange), patterns)| (user, vhost, exchange, patterns))
    }

    /// Lets a user into a vhost.
    ///
    /// # Errors
    /// When one of them does not exist, or a pattern is none.
    pub fn set_permissions(
        &self,
        user: &Name,
        vhost: &Name,
        patterns: PermissionPatterns,
    ) -> Result<Entry, Invalid> {
        self.user_and_vhost_or_invalid(user, vhost)?;
        for pattern in [&patterns.configure, &patterns.write, &patterns.read] {
            Pattern::parse(pattern)?;
        }
        Ok(Entry::SetPermissions { user: user.clone(), vhost: vhost.clone(), patterns })
    }

    /// Keeps a user out of a vhost.
    ///
    /// # Errors
    /// When one of them does not exist.
    pub fn clear_permissions(&self, user: &Name, vhost: &Name) -> Result<Entry, Invalid> {
        self.user_and_vhost_or_invalid(user, vhost)?;
        Ok(Entry::ClearPermissions { user: user.clone(), vhost: vhost.clone() })
    }

    /// Restricts the routing keys of a user on an exchange, which need not exist.
    ///
    /// # Errors
    /// When user or vhost do not exist, or a pattern is none.
    pub fn set_topic_permissions(
        &self,
        user: &Name,
        vhost: &Name,
        exchange: &Name,
        patterns: TopicPatterns,
    ) -> Result<Entry, Invalid> {
        self.user_and_vhost_or_invalid(user, vhost)?;
        for pattern in [&patterns.write, &patterns.read] {
            Pattern::expanded(pattern, user, vhost)?;
        }
        Ok(Entry::SetTopicPermissions {
            user: user.clone(),
            vhost: vhost.clone(),
            exchange: exchange.clone(),
            patterns,
        })
    }

    /// Lifts the restrictions of a user on one exchange, or on all of a vhost.
    ///
    /// # Errors
    /// When user or vhost do not exist.
    pub fn clear_topic_permissions(
        &self,
        user: &Name,
        vhost: &Name,
        exchange: Option<&Name>,
    ) -> Result<Entry, Invalid> {
        self.user_and_vhost_or_invalid(user, vhost)?;
        Ok(Entry::ClearTopicPermissions {
            user: user.clone(),
            vhost: vhost.clone(),
            exchange: exchange.cloned(),
        })
    }

    fn user_and_vhost_or_invalid(&self, user: &Name, vhost: &Name) -> Result<(), Invalid> {
        self.user_or_invalid(user)?;
        self.vhost(vhost).map(|_| ()).ok_or_else(|| Invalid::NoVhost { vhost: vhost.clone() })
    }

    /// Something about users, vhosts or permissions has changed: grants are to be looked up again.
    pub(super) fn permissions_changed(&self) {
        self.permission_epoch.fetch_add(1, Ordering::Release);
    }

    pub(super) fn apply_permissions(
        &mut self,
        user: Name,
        vhost: Name,
        patterns: PermissionPatterns,
        out: &mut Vec<Fact>,
    ) {
        if !self.users.contains_key(&user) || !self.vhosts.contains_key(&vhost) {
            return;
        }
        let permissions = Permissions {
            configure: self.patterns.intern(&patterns.configure),
            write: self.patterns.intern(&patterns.write),
            read: self.patterns.intern(&patterns.read),
            patterns,
        };
        self.permissions.insert((user.clone(), vhost.clone()), permissions);
        self.permissions_changed();
        out.push(Fact::PermissionsChanged { user, vhost });
    }

    pub(super) fn apply_permissions_cleared(&mut self, user: Name, vhost: Name, out: &mut Vec<Fact>) {
        if self.permissions.remove(&(user.clone(), vhost.clone())).is_some() {
            self.permissions_changed();
            out.push(Fact::PermissionsChanged { user, vhost });
        }
    }

    pub(super) fn apply_topic_permissions(
        &mut self,
        user: Name,
        vhost: Name,
        exchange: Name,
        patterns: TopicPatterns,
        out: &mut Vec<Fact>,
    ) {
        if !self.users.contains_key(&user) || !self.vhosts.contains_key(&vhost) {
            return;
        }
        self.topic_permissions.insert((user.clone(), vhost.clone(), exchange), patterns);
        self.permissions_changed();
        out.push(Fact::PermissionsChanged { user, vhost });
    }

    pub(super) fn apply_topic_permissions_cleared(
        &mut self,
        user: Name,
        vhost: Name,
        exchange: Option<&Name>,
        out: &mut Vec<Fact>,
    ) {
        self.topic_permissions.retain(|(of, at, on), _| {
            *of != user || *at != vhost || exchange.is_some_and(|exchange| on != exchange)
        });
        self.permissions_changed();
        out.push(Fact::PermissionsChanged { user, vhost });
    }
}
