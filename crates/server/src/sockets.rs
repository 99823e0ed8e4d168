//! Every socket that a node listens on, from binding to serving. How one is bound is in `listener`.

use std::net::SocketAddr;

use management::Listening;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    config::settings::Listeners,
    exit::Failure,
    gates::Gates,
    http::Site,
    listener::{self, Service},
};

/// See the module's documentation. Bound, and not yet accepted from.
#[derive(Debug)]
pub(crate) struct Sockets {
    amqp: Vec<TcpListener>,
    amqps: Vec<TcpListener>,
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
    metrics: Vec<TcpListener>,
    metrics_tls: Vec<TcpListener>,
}

impl Sockets {
    /// Binds them all.
    ///
    /// # Errors
    /// If an address that was asked for is taken, or not to be had.
    pub(crate) fn bind(listeners: &Listeners) -> Result<Self, Failure> {
        Ok(Self {
            amqp: listener::bind_all(&listeners.amqp)?,
            amqps: listener::bind_all(&listeners.amqps)?,
            http: listener::bind_free(&listeners.management)?,
            https: listener::bind_all(&listeners.https)?,
            metrics: listener::bind_free(&listeners.metrics)?,
            metrics_tls: listener::bind_all(&listeners.metrics_tls)?,
        })
    }

    /// What is spoken where, in RabbitMQ's words.
    pub(crate) fn listening(&self) -> Vec<Listening> {
        let all = [
            ("amqp", &self.amqp),
            ("amqp/ssl", &self.amqps),
            ("http", &self.http),
            ("https", &self.https),
            ("http/prometheus", &self.metrics),
            ("https/prometheus", &self.metrics_tls),
        ];
        all.into_iter()
            .flat_map(|(protocol, sockets)| {
                addresses(sockets).map(move |address| Listening { protocol, address })
            })
            .collect()
    }

    /// Accepts from all of them, until the tasks are aborted.
    pub(crate) fn serve(self, service: &Service, site: &Site, gates: &Gates) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        let accept = |service: &Service| {
            let service = service.clone();
            move |socket| tokio::spawn(listener::accept(socket, service.clone()))
        };
        let plain = Service { gate: None, ..service.clone() };
        tasks.extend(self.amqp.into_iter().map(accept(&plain)));
        tasks.extend(self.amqps.into_iter().map(accept(service)));
        let http = |gate: &Option<_>| {
            let (site, gate) = (site.clone(), gate.clone());
            move |socket| tokio::spawn(site.clone().accept(socket, gate.clone()))
        };
        tasks.extend(self.http.into_iter().map(http(&None)));
        tasks.extend(self.https.into_iter().map(http(&gates.management)));
        for (sockets, gate) in [(self.metrics, &None), (self.metrics_tls, &gates.metrics)] {
            for socket in sockets {
                if let Ok(at) = socket.local_addr() {
                    tasks.push(tokio::spawn(site.of_metrics(at).accept(socket, gate.clone())));
                }
            }
        }
        tasks
    }
}

fn addresses(sockets: &[TcpListener]) -> impl Iterator<Item = SocketAddr> {
    sockets.iter().filter_map(|socket| socket.local_addr().ok())
}
