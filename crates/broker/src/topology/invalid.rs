//! Why an operator's wish is not one that can be carried out: the refusals of the HTTP API and the command line.

use model::Name;

use crate::access::pattern::InvalidPattern;

/// A wish that is denied, with the facts.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Invalid {
    /// Everything has a name.
    #[error("a name is empty")]
    EmptyName,
    /// There is no such vhost.
    #[error("vhost '{vhost}' does not exist")]
    NoVhost {
        /// The vhost.
        vhost: Name,
    },
    /// There is no such user.
    #[error("user '{user}' does not exist")]
    NoUser {
        /// The user.
        user: Name,
    },
    /// A user who is to be new is there already.
    #[error("user '{user}' already exists")]
    UserExists {
        /// The user.
        user: Name,
    },
    /// There is no such policy or parameter.
    #[error("'{name}' does not exist")]
    NotFound {
        /// Its name.
        name: Name,
    },
    /// The vhost is protected from deletion.
    #[error("vhost '{vhost}' is protected from deletion")]
    Protected {
        /// The vhost.
        vhost: Name,
    },
    /// A pattern is no regular expression.
    #[error("pattern should be regular expression but is invalid: {0}")]
    Pattern(#[from] InvalidPattern),
    /// A policy says nothing.
    #[error("no policy provided")]
    EmptyPolicy,
    /// Where messages come from elsewhere is said in one way.
    #[error(
        "cannot specify federation-upstream, federation-upstream-set or federation-upstream-pattern together"
    )]
    Upstreams,
    /// A key that no policy of this side has.
    #[error("{key} is not recognised as a policy setting")]
    UnknownPolicyKey {
        /// The key.
        key: String,
    },
    /// A key of a policy with a value that it cannot have.
    #[error("{value} is not a valid {meaning}")]
    PolicyValue {
        /// What the key means.
        meaning: &'static str,
        /// The value.
        value: String,
    },
    /// A value of JSON that is nested deeper than anything needs.
    #[error("the value is nested too deeply")]
    TooDeep,
    /// The node may have no more vhosts.
    #[error("cannot create vhost '{vhost}': vhost limit of {vhosts_max} is reached")]
    VhostLimit {
        /// The vhost.
        vhost: Name,
        /// The limit.
        vhosts_max: u64,
    },
    /// The node may have no more parameters of a component.
    #[error("component {component} is limited to {parameters_max} per node")]
    ParameterLimit {
        /// The component.
        component: Name,
        /// The limit.
        parameters_max: u64,
    },
    /// A hash of a password that is none.
    #[error("the password hash is not valid")]
    PasswordHash,
}
