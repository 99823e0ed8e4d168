//! What an applied entry brought about, for those who keep something beside the topology. Derived again on replay.

use std::sync::Arc;

use model::{Message, Name};

use super::{BindingRecord, ExchangeRecord, QueueRecord};

/// A consequence of [`Topology::apply`](super::Topology::apply).
#[derive(Clone, Debug)]
pub enum Fact {
    /// There is a new queue.
    QueueCreated(Arc<QueueRecord>),
    /// A queue is gone, and its bindings with it.
    QueueDeleted(Arc<QueueRecord>),
    /// There is a new exchange.
    ExchangeCreated(Arc<ExchangeRecord>),
    /// An exchange is gone, and the bindings from and to it.
    ExchangeDeleted(Arc<ExchangeRecord>),
    /// There is a new binding.
    Bound {
        /// The vhost.
        vhost: Name,
        /// The binding.
        binding: Arc<BindingRecord>,
    },
    /// A new binding is to be given what came before it. Never on replay: history does not survive a restart.
    HistoryDue {
        /// The vhost.
        vhost: Name,
        /// The binding.
        binding: Arc<BindingRecord>,
        /// The oldest first.
        messages: Vec<Message>,
    },
    /// A binding is gone, by itself or with one of its ends.
    Unbound {
        /// The vhost.
        vhost: Name,
        /// The binding.
        binding: Arc<BindingRecord>,
    },
    /// There is a new vhost.
    VhostCreated {
        /// Its name.
        vhost: Name,
    },
    /// A vhost is gone; what was in it has facts of its own, before this one.
    VhostDeleted {
        /// Its name.
        vhost: Name,
    },
    /// A user is new, or has another password, other tags or limits.
    UserChanged {
        /// Its name.
        user: Name,
    },
    /// A user is gone.
    UserDeleted {
        /// Its name.
        user: Name,
    },
    /// What a user may do in a vhost has changed.
    PermissionsChanged {
        /// The user.
        user: Name,
        /// The vhost.
        vhost: Name,
    },
    /// The policies or limits of a vhost have changed.
    PoliciesChanged {
        /// The vhost.
        vhost: Name,
    },
    /// A runtime parameter has changed.
    ParameterChanged {
        /// The vhost; None for one of the whole cluster.
        vhost: Option<Name>,
        /// What reads it; empty for one of the whole cluster.
        component: Name,
        /// Its name.
        name: Name,
    },
}
