//! Who the peer is and which vhost it enters.

use model::{Event, Name, Secret};

use super::Client;

impl Client {
    pub(super) fn authenticate(&mut self, mechanism: &'static str, user: Name, password: &Secret) {
        let is_known = self.broker.topology.read().authenticate(&user, password);
        let is_kept_local = self.broker.settings.loopback_users.contains(&user);
        if is_known && is_kept_local && !self.is_loopback {
            tracing::warn!(%user, "login refused: this user can only connect from the local host");
        } else if is_known {
            self.user = user.clone();
            self.events.push_back(Event::Authenticated { user });
            return;
        } else {
            tracing::warn!(%user, mechanism, "login refused: unknown user or wrong password");
        }
        self.events.push_back(Event::AuthenticationRefused { mechanism });
    }

    pub(super) fn open(&mut self, vhost: Name) {
        let outcome = self.broker.topology.read().enter(&vhost, &self.user);
        match outcome {
            Ok(()) => {
                self.vhost = vhost;
                self.events.push_back(Event::Opened);
            }
            Err(refusal) => self.events.push_back(Event::Refused(refusal)),
        }
    }

    /// RabbitMQ: a password was good for the login, and a new one is taken without a look at it. That is for secrets that
    /// expire.
    pub(super) fn update_secret(&mut self) {
        self.events.push_back(Event::SecretUpdated);
    }
}
