//! What a node has when it is started for the first time: a vhost, and a user who may do everything in it.

use model::{Name, Secret};

use super::{Entry, Topology, VhostSettings, permission::PermissionPatterns};
use crate::access::password::PasswordHash;

/// The user and the vhost of a new node.
#[derive(Clone, Debug)]
pub struct First {
    /// The user's name.
    pub user: Name,
    /// Its password.
    pub password: Secret,
    /// Its tags.
    pub tags: Vec<Name>,
    /// The vhost.
    pub vhost: Name,
    /// What the user may do in it.
    pub permissions: PermissionPatterns,
}

impl First {
    /// RabbitMQ's: `guest` with password `guest`, an administrator, in the vhost `/`.
    pub fn guest() -> Self {
        let name = |text| Name::parse(text).unwrap_or_default();
        Self {
            user: name("guest"),
            password: Secret::new("guest"),
            tags: vec![name("administrator")],
            vhost: name("/"),
            permissions: PermissionPatterns::all(),
        }
    }
}

impl Topology {
    /// The first entries of a new node's log. `salt` is random.
    pub fn first_entries(first: First, salt: [u8; 4]) -> Vec<Entry> {
        let password = PasswordHash::of(&first.password, salt);
        vec![
            Entry::SetVhost(VhostSettings::new(first.vhost.clone())),
            Entry::SetUser { name: first.user.clone(), password, tags: first.tags },
            Entry::SetPermissions { user: first.user, vhost: first.vhost, patterns: first.permissions },
        ]
    }
}
