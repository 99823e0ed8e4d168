//! A connection over TLS: the handshake, and from there on as any other.

use std::{future::poll_fn, net::SocketAddr, sync::Arc, task::Poll};

use amqp091::Connection;
use broker::Client;
use rustls::ServerConnection;
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::server::TlsStream;

use super::{Driver, Node, Socket, introduce};
use crate::{
    config::tls::LoginFrom,
    tls::{Gate, protection, user_name},
};

impl Socket for Box<TlsStream<TcpStream>> {
    fn has_ended(&self) -> bool {
        self.get_ref().0.has_ended()
    }
}

/// Serves one accepted connection that speaks TLS to its end; with `login_from` a certificate can log in (EXTERNAL).
///
/// It is counted from its first byte on: handshakes that nobody finishes are within the node's limit, and end in time.
pub(crate) async fn serve_encrypted(
    stream: TcpStream,
    peer: SocketAddr,
    node: Node,
    seed: [u8; 16],
    (gate, login_from): (Arc<Gate>, Option<LoginFrom>),
) {
    let mut client = introduce(&stream, peer, &node.broker, seed).await;
    let handshake = Box::pin(tokio::time::timeout(gate.timeout(), gate.acceptor().accept(stream)));
    let shaken = tokio::select! {
        shaken = handshake => shaken,
        () = told_to_close(&mut client) => return,
    };
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(%peer, %error, "closing AMQP connection: the handshake of TLS failed");
            return;
        }
        Err(_) => {
            tracing::info!(%peer, "closing AMQP connection: the handshake of TLS took too long");
            return;
        }
    };
    let session = stream.get_ref().1;
    client.set_protection(protection(session));
    let mut machine = Connection::new(node.settings, Instant::now().into_std());
    if let Some(user) = login_from.and_then(|from| vouched(session, from)) {
        machine.set_external_user(user);
    }
    Driver::new(machine, client, node.leader, Box::new(stream), peer).run().await;
}

/// The node stops, or an operator wants the connection to go.
async fn told_to_close(client: &mut Client) {
    poll_fn(|_| if client.poll_event().is_some() { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Whom the client's certificate stands for; rustls has checked it.
fn vouched(session: &ServerConnection, from: LoginFrom) -> Option<model::Name> {
    user_name(session.peer_certificates()?.first()?, from)
}
