//! Who may do what.
//!
//! - [Entering a vhost](Topology::enter) takes a permission in it.
//! - *configure*, *write* and *read* on queues and exchanges are patterns of a user in a vhost, looked for anywhere in the
//!   name; an empty one matches nothing. The default exchange goes by the name `amq.default`.
//! - Topic permissions restrict the routing keys of a user on a topic exchange; without one every key may be used.
//!
//! Which command needs what is [`needs`]. [`Granted`] remembers what was granted. Passwords are [`password`]'s; whether a user
//! may log in from where it is, is for whoever knows where that is. What is not granted is refused: a pattern that cannot
//! be compiled, or takes too long to match, grants nothing.

use model::{
    Name, Refusal,
    refusal::{Named, Permission, Resource},
};

mod granted;
pub mod needs;
pub mod password;
pub mod pattern;

pub use granted::Granted;
pub use needs::{Need, Wish};

use crate::topology::Topology;

/// What the default exchange is called where permissions are concerned.
pub const DEFAULT_EXCHANGE: &str = "amq.default";

/// The name of an exchange where permissions are concerned.
fn protected_name(resource: Resource, name: &str) -> &str {
    if resource == Resource::Exchange && name.is_empty() { DEFAULT_EXCHANGE } else { name }
}

impl Topology {
    /// Lets `user` into `vhost`.
    ///
    /// # Errors
    /// When there is no such vhost, or the user has no permissions in it.
    pub fn enter(&self, vhost: &Name, user: &Name) -> Result<(), Refusal> {
        if self.vhost(vhost).is_none() {
            return Err(Refusal::VhostNotFound { vhost: vhost.clone() });
        }
        match self.permissions(user, vhost) {
            Some(_) => Ok(()),
            None => Err(Refusal::VhostRefused { vhost: vhost.clone(), user: user.clone() }),
        }
    }

    /// Whether `user` has `permission` on something in `vhost`, without remembering it.
    ///
    /// # Errors
    /// When it has not.
    pub fn check_access(
        &self,
        user: &Name,
        vhost: &Name,
        permission: Permission,
        resource: Resource,
        name: &str,
    ) -> Result<(), Refusal> {
        let protected = protected_name(resource, name);
        let permissions = self.compiled_permissions(user, vhost);
        if permissions.is_some_and(|permissions| permissions.pattern(permission).is_match(protected)) {
            return Ok(());
        }
        let named =
            Named { resource, name: Name::parse(protected).unwrap_or_default(), vhost: vhost.clone() };
        Err(Refusal::AccessRefused { permission, named, user: user.clone() })
    }
}

#[cfg(test)]
mod tests;
