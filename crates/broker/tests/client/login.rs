//! Who the peer is.

use model::{Command, Event, Secret};

use crate::peer::{Peer, broker};

/// RabbitMQ: its own users' passwords do not expire, and any secret is taken.
#[test]
fn a_new_secret_is_taken() {
    let mut peer = Peer::new(&broker());
    peer.deliveries();
    peer.0.handle_command(0, Command::UpdateSecret { secret: Secret::new("anything") });
    assert!(matches!(peer.0.poll_event(), Some(Event::SecretUpdated)));
}
