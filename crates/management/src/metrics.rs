//! The metrics endpoint that Prometheus scrapes: names, types, helps and labels of RabbitMQ 4, so that dashboards made for it
//! fill, and families of our own under `harefoot_`.
//!
//! | path | what |
//! |---|---|
//! | `/metrics` | sums; costs the same with ten queues and with 100,000 |
//! | `/metrics/per-object` | a line for each queue, channel, connection |
//! | `/metrics/detailed?family=…&vhost=…&queue=…` | the same, but only what is asked for, under `rabbitmq_detailed_` |
//! | `/metrics/memory-breakdown` | what memory is used for |
//!
//! Nobody has to log in. Numbers that are Erlang's alone are left out: there is nothing to show honestly.

use std::net::SocketAddr;

use broker::Totals;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::{Api, body::Body, call::Query};

mod channels;
mod global;
mod node;
mod own;
mod page;
mod queues;

use page::{Kind, Page};

/// The text format and its version.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a scrape wants to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    /// Sums.
    Aggregated,
    /// Everything by its object.
    PerObject,
    /// Some families by object; of some vhosts and queues only, if any are named.
    Detailed { families: Vec<String>, vhosts: Vec<String>, queue: Option<String> },
}

impl Scope {
    /// Whether the group of families is wanted that RabbitMQ has under this name.
    pub(crate) fn wants(&self, family: &str) -> bool {
        match self {
            Self::Aggregated | Self::PerObject => true,
            Self::Detailed { families, .. } => families.iter().any(|wanted| wanted == family),
        }
    }

    pub(crate) fn wants_vhost(&self, vhost: &str) -> bool {
        match self {
            Self::Aggregated | Self::PerObject => true,
            Self::Detailed { vhosts, .. } => vhosts.is_empty() || vhosts.iter().any(|wanted| wanted == vhost),
        }
    }

    pub(crate) fn wants_queue(&self, queue: &str) -> bool {
        match self {
            Self::Detailed { queue: Some(wanted), .. } => wanted == queue,
            _ => true,
        }
    }

    fn is_by_object(&self) -> bool {
        *self != Self::Aggregated
    }

    fn prefix(&self) -> &'static str {
        match self {
            Self::Aggregated | Self::PerObject => "rabbitmq_",
            Self::Detailed { .. } => "rabbitmq_detailed_",
        }
    }
}

impl Api {
    /// Answers a request to the metrics endpoint, which came in at `local`.
    pub fn answer_scrape(&self, request: &Request<Bytes>, local: SocketAddr) -> Response<Body> {
        let is_head = request.method() == Method::HEAD;
        if !is_head && request.method() != Method::GET {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let text = match request.uri().path().trim_end_matches('/') {
            "/metrics" => self.scrape(&Scope::Aggregated, local),
            "/metrics/per-object" => self.scrape(&Scope::PerObject, local),
            "/metrics/detailed" => self.scrape(&detailed(&query), local),
            "/metrics/memory-breakdown" => self.memory_breakdown(local),
            _ => return empty(StatusCode::NOT_FOUND),
        };
        let mut response = Response::new(Body::Whole(if is_head { Bytes::new() } else { text.into() }));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        response
    }

    fn scrape(&self, scope: &Scope, local: SocketAddr) -> Vec<u8> {
        let totals = self.broker().totals();
        let mut page = Page::new(scope.prefix());
        self.write_identity(&mut page, local);
        self.write_node(&mut page, scope);
        self.write_queues(&mut page, scope);
        self.write_channels(&mut page, scope, &totals);
        self.write_connections(&mut page, scope, &totals);
        if !matches!(scope, Scope::Detailed { .. }) {
            self.write_global(&mut page, &totals);
            self.write_sizes(&mut page, &totals);
        }
        self.write_own(&mut page, scope);
        page.into_bytes()
    }

    fn memory_breakdown(&self, local: SocketAddr) -> Vec<u8> {
        let mut page = Page::new("rabbitmq_");
        self.write_identity(&mut page, local);
        let usage = self.world().usage();
        let messages = self.broker().memory().resident();
        let parts = [
            ("memory_queue_messages_bytes", "Messages of queues that are in memory", messages),
            (
                "memory_other_bytes",
                "What is not told apart: connections, metadata, buffers, code",
                usage.memory_bytes.saturating_sub(messages),
            ),
            ("memory_total_rss_bytes", "Resident memory of the process", usage.memory_bytes),
        ];
        for (name, help, bytes) in parts {
            page.family(name, Kind::Gauge, help).put("", bytes);
        }
        page.into_bytes()
    }

    fn write_sizes(&self, page: &mut Page, totals: &Totals) {
        let mut family =
            page.family("message_size_bytes", Kind::Histogram, "Size of messages received from publishers");
        family.histogram("protocol=\"amqp091\"", &page::size_bounds(), &totals.sizes, totals.size_sum as f64);
    }
}

fn detailed(query: &Query) -> Scope {
    let all = |name: &str| query.all(name).map(str::to_owned).collect();
    Scope::Detailed {
        families: all("family"),
        vhosts: all("vhost"),
        queue: query.get("queue").map(str::to_owned),
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Bytes::new().into());
    *response.status_mut() = status;
    response
}
