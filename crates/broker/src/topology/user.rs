//! Users: name, password, tags, limits.

use model::{Name, Secret};

use super::{Entry, Fact, Invalid, Meta, Topology, limit::UserLimits};
use crate::access::password::{self, PasswordHash};

/// What is known of a user.
#[derive(Clone, PartialEq, Debug)]
pub struct UserRecord {
    /// Its name.
    pub name: Name,
    /// The password, salted and hashed.
    pub password: PasswordHash,
    /// Its tags: `administrator`, `management`, …, or anything else.
    pub tags: Vec<Name>,
    /// Its limits.
    pub limits: UserLimits,
    /// When it was made.
    pub meta: Meta,
}

impl UserRecord {
    /// Whether it has a tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|other| &**other == tag)
    }
}

impl Topology {
    /// A user by name.
    pub fn user(&self, name: &str) -> Option<&UserRecord> {
        self.users.get(name)
    }

    /// All users, by name.
    pub fn users(&self) -> impl Iterator<Item = &UserRecord> {
        self.users.values()
    }

    /// Whether this is the user's password. Takes as long for a user that does not exist.
    pub fn authenticate(&self, user: &str, secret: &Secret) -> bool {
        match self.users.get(user) {
            Some(user) => user.password.verify(secret),
            None => password::verify_nobody(secret),
        }
    }

    /// Makes a user or changes password and tags.
    ///
    /// # Errors
    /// When the name is empty.
    pub fn set_user(&self, name: &Name, password: PasswordHash, tags: Vec<Name>) -> Result<Entry, Invalid> {
        if name.is_empty() {
            return Err(Invalid::EmptyName);
        }
        Ok(Entry::SetUser { name: name.clone(), password, tags })
    }

    /// Deletes a user and its permissions.
    ///
    /// # Errors
    /// When there is none such.
    pub fn delete_user(&self, name: &Name) -> Result<Entry, Invalid> {
        self.user_or_invalid(name)?;
        Ok(Entry::DeleteUser { name: name.clone() })
    }

    /// Replaces the limits of a user.
    ///
    /// # Errors
    /// When there is none such.
    pub fn set_user_limits(&self, user: &Name, limits: UserLimits) -> Result<Entry, Invalid> {
        self.user_or_invalid(user)?;
        Ok(Entry::SetUserLimits { user: user.clone(), limits })
    }

    pub(super) fn user_or_invalid(&self, name: &Name) -> Result<&UserRecord, Invalid> {
        self.users.get(name).ok_or_else(|| Invalid::NoUser { user: name.clone() })
    }

    pub(super) fn apply_user(
        &mut self,
        meta: Meta,
        name: Name,
        password: PasswordHash,
        tags: Vec<Name>,
        out: &mut Vec<Fact>,
    ) {
        match self.users.get_mut(&name) {
            Some(user) => {
                user.password = password;
                user.tags = tags;
            }
            None => {
                let limits = UserLimits::default();
                self.users
                    .insert(name.clone(), UserRecord { name: name.clone(), password, tags, limits, meta });
            }
        }
        self.permissions_changed();
        out.push(Fact::UserChanged { user: name });
    }

    pub(super) fn apply_user_deletion(&mut self, name: Name, out: &mut Vec<Fact>) {
        if self.users.remove(&name).is_none() {
            return;
        }
        self.permissions.retain(|(user, _), _| *user != name);
        self.topic_permissions.retain(|(user, ..), _| *user != name);
        self.permissions_changed();
        out.push(Fact::UserDeleted { user: name });
    }

    pub(super) fn apply_user_limits(&mut self, name: Name, limits: UserLimits, out: &mut Vec<Fact>) {
        if let Some(user) = self.users.get_mut(&name) {
            user.limits = limits;
            out.push(Fact::UserChanged { user: name });
        }
    }
}
