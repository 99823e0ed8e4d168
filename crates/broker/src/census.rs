//! How many connections and sessions there are, of whom: what limits are compared with.
//!
//! Who is counted holds a [`Seat`] or a [`SessionSeat`]; the count goes down when that is dropped, however that comes.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::FixedState;
use model::{Name, Refusal, SessionId};
use parking_lot::Mutex;

use crate::{
    connected::Connected,
    counts::{NodeCounts, SessionView},
};

/// See the module's documentation.
#[derive(Default, Debug)]
pub(crate) struct Census(Mutex<Counts>);

#[derive(Default, Debug)]
struct Counts {
    connections_of_vhost: Tally,
    connections_of_user: Tally,
    sessions_of_user: Tally,
    sessions: u64,
}

#[derive(Default, Debug)]
struct Tally(HashMap<Name, u64, FixedState>);

impl Tally {
    fn has_room(&self, name: &str, limit: Option<u64>) -> bool {
        limit.is_none_or(|limit| self.0.get(name).copied().unwrap_or_default() < limit)
    }

    fn add(&mut self, name: &Name) {
        let count = self.0.entry(name.clone()).or_default();
        *count = count.saturating_add(1);
    }

    fn remove(&mut self, name: &str) {
        let Some(count) = self.0.get_mut(name) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.0.remove(name);
        }
    }
}

/// A connection that is in a vhost.
#[derive(Debug)]
pub(crate) struct Seat {
    census: Arc<Census>,
    vhost: Name,
    user: Name,
}

/// A session.
#[derive(Debug)]
pub(crate) struct SessionSeat {
    census: Arc<Census>,
    user: Name,
    connection: Option<Arc<Connected>>,
    view: Arc<SessionView>,
    node: Arc<NodeCounts>,
}

impl SessionSeat {
    /// What others see of the session.
    pub(crate) fn view(&self) -> &SessionView {
        &self.view
    }
}

impl Census {
    /// Counts a connection, unless its vhost or its user has as many as it may.
    pub(crate) fn enter(
        self: &Arc<Self>,
        (vhost, vhost_max): (&Name, Option<u64>),
        (user, user_max): (&Name, Option<u64>),
    ) -> Result<Seat, Refusal> {
        let mut counts = self.0.lock();
        if let Some(limit) = vhost_max
            && !counts.connections_of_vhost.has_room(vhost, vhost_max)
        {
            let reason = format!(
                "access to vhost '{vhost}' refused for user '{user}': connection limit ({limit}) is reached"
            );
            return Err(Refusal::ConnectionLimit { reason });
        }
        if let Some(limit) = user_max
            && !counts.connections_of_user.has_room(user, user_max)
        {
            let reason =
                format!("connection refused for user '{user}': user connection limit ({limit}) is reached");
            return Err(Refusal::ConnectionLimit { reason });
        }
        counts.connections_of_vhost.add(vhost);
        counts.connections_of_user.add(user);
        Ok(Seat { census: Arc::clone(self), vhost: vhost.clone(), user: user.clone() })
    }

    /// Counts a session, unless the node or its user has as many as it may.
    pub(crate) fn open_session(
        self: &Arc<Self>,
        (node, node_max): (&Name, Option<u64>),
        (user, user_max): (&Name, Option<u64>),
        (id, connection): (SessionId, Option<Arc<Connected>>),
        node_counts: &Arc<NodeCounts>,
    ) -> Result<SessionSeat, Refusal> {
        let mut counts = self.0.lock();
        if let Some(sessions_max) = node_max.filter(|max| counts.sessions >= *max) {
            return Err(Refusal::NodeSessionLimit { node: node.clone(), sessions_max });
        }
        if let Some(sessions_max) = user_max
            && !counts.sessions_of_user.has_room(user, user_max)
        {
            return Err(Refusal::UserSessionLimit { user: user.clone(), sessions_max });
        }
        counts.sessions = counts.sessions.saturating_add(1);
        counts.sessions_of_user.add(user);
        drop(counts);
        let view = Arc::new(SessionView::new(id));
        if let Some(connection) = &connection {
            connection.open_session(&view);
        }
        node_counts.session_created.add_shared(1);
        let node = Arc::clone(node_counts);
        Ok(SessionSeat { census: Arc::clone(self), user: user.clone(), connection, view, node })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.census.0.lock();
        counts.connections_of_vhost.remove(&self.vhost);
        counts.connections_of_user.remove(&self.user);
    }
}

impl Drop for SessionSeat {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.end_session(&self.view);
        }
        self.node.session_closed.add_shared(1);
        let mut counts = self.census.0.lock();
        counts.sessions = counts.sessions.saturating_sub(1);
        counts.sessions_of_user.remove(&self.user);
    }
}
