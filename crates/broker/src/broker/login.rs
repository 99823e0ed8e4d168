//! Who may come in, and how often somebody tries.

use core::net::IpAddr;

use model::{Name, Secret};

use super::Broker;
use crate::attempts::{Denied, Door, Failures};

impl Broker {
    /// Whether this is the user's password, and the user may log in from there. Takes as long for a user that does not exist.
    pub fn is_login(&self, user: &Name, password: &Secret, is_loopback: bool) -> bool {
        let is_known = self.topology.read().authenticate(user, password);
        is_known && (is_loopback || !self.settings.loopback_users.contains(user))
    }

    /// Whether there is such a user who may log in from there: for whom something else than a password vouches.
    pub fn is_user(&self, user: &Name, is_loopback: bool) -> bool {
        let is_known = self.topology.read().user(user).is_some();
        is_known && (is_loopback || !self.settings.loopback_users.contains(user))
    }

    /// As [`Broker::is_login`], for somebody who comes from `source` now: it is counted, and whoever has failed too often
    /// has to wait.
    ///
    /// # Errors
    /// When they are not let in.
    pub fn log_in(
        &self,
        door: Door,
        (user, password): (&Name, &Secret),
        source: IpAddr,
        now_ms: u64,
    ) -> Result<(), Denied> {
        let checked = self.attempts.check(source, user, now_ms).and_then(|()| {
            let is_login = self.is_login(user, password, source.to_canonical().is_loopback());
            if is_login {
                self.attempts.succeed(source, user, now_ms);
                Ok(())
            } else {
                self.attempts.fail(door, source, user, now_ms);
                Err(Denied::Wrong)
            }
        });
        if door == Door::Http {
            let (let_in, refused) = &self.attempts.http;
            if checked.is_ok() { let_in.add_shared(1) } else { refused.add_shared(1) }
        }
        checked
    }

    /// Successes and failures by protocol, since they were last set to zero.
    pub fn login_counts(&self) -> [(Door, u64, u64); 2] {
        self.attempts.counts(self.node_counts().logins())
    }

    /// Sets those to zero. Who has to wait goes on waiting.
    pub fn reset_login_counts(&self) {
        self.attempts.reset(self.node_counts().logins());
    }

    /// Whether a user may log in from the local host only.
    pub fn is_loopback_user(&self, user: &Name) -> bool {
        self.settings.loopback_users.contains(user)
    }

    /// Who has failed lately and not succeeded since.
    pub fn login_failures(&self) -> Vec<Failures> {
        self.attempts.failures()
    }
}
