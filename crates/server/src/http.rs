//! HTTP: accepts, reads whole requests within bounds, and lets [`management`] answer them, away from the threads that move
//! messages.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use management::{Api, Body, Peer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::tls::Gate;

mod parts;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to send the body of one.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);
/// Requests that are answered at the same time; others wait.
pub(crate) const ANSWERS_MAX: usize = 8;
/// Connections at the same time.
pub(crate) const CONNECTIONS_MAX: usize = 1024;
/// Larger bodies share what there is for them.
const BODY_BYTES_SMALL: usize = 64 * 1024;
/// All larger bodies together, in KiB: two of the largest.
const BODIES_KIB_MAX: usize = 100 * 1024;
/// Pause after an accept that failed for want of something that may come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What a response carries: all of it, or parts of a list as they are written.
type Sent = Either<Full<Bytes>, parts::Parts>;

/// What every connection is served with.
#[derive(Clone)]
pub(crate) struct Site {
    api: Arc<Api>,
    /// Where metrics are scraped, if that is what is served.
    scraped_at: Option<SocketAddr>,
    answers: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    /// Kibibytes of large bodies that may still be read.
    bodies: Arc<Semaphore>,
}

impl Site {
    pub(crate) fn new(api: Arc<Api>) -> Self {
        Self {
            api,
            scraped_at: None,
            answers: Arc::new(Semaphore::new(ANSWERS_MAX)),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            bodies: Arc::new(Semaphore::new(BODIES_KIB_MAX)),
        }
    }

    /// The metrics of the same node, at this address.
    pub(crate) fn of_metrics(&self, at: SocketAddr) -> Self {
        Self { scraped_at: Some(at), ..self.clone() }
    }

    /// Accepts until the task is aborted; with a gate, what speaks TLS.
    pub(crate) async fn accept(self, listener: TcpListener, gate: Option<Arc<Gate>>) {
        loop {
            let Ok(seat) = Arc::clone(&self.connections).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let (site, gate) = (self.clone(), gate.clone());
                    tokio::spawn(async move {
                        match gate {
                            None => site.serve(stream, Peer::Network(peer)).await,
                            Some(gate) => site.serve_encrypted(stream, peer, &gate).await,
                        }
                        drop(seat);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept HTTP connections for now: trying on");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve_encrypted(&self, stream: TcpStream, peer: SocketAddr, gate: &Gate) {
        let handshake = Box::pin(tokio::time::timeout(gate.timeout(), gate.acceptor().accept(stream)));
        match handshake.await {
            Ok(Ok(stream)) => self.serve(Box::new(stream), Peer::Encrypted(peer)).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "the handshake of TLS failed for HTTP"),
            Err(_) => tracing::debug!(%peer, "the handshake of TLS took too long for HTTP"),
        }
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let service =
            service_fn(|request| async move { Ok::<_, Infallible>(self.answer(request, peer).await) });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(?peer, %error, "an HTTP connection broke");
        }
    }

    /// Waits for room for a large body, before a byte of it is read and before anybody has logged in.
    async fn room(&self, head: &Parts, bytes_max: usize) -> Option<Option<OwnedSemaphorePermit>> {
        let bytes = announced_bytes(head, bytes_max);
        if bytes <= BODY_BYTES_SMALL {
            return Some(None);
        }
        let kibibytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        Arc::clone(&self.bodies).acquire_many_owned(kibibytes).await.ok().map(Some)
    }

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Sent> {
        let (head, body) = request.into_parts();
        let bytes_max = Api::body_bytes_max(head.uri.path());
        let Some(_room) = self.room(&head, bytes_max).await else {
            return bare(StatusCode::SERVICE_UNAVAILABLE);
        };
        let body = Limited::new(body, bytes_max).collect();
        let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return Api::refuse_body(head.uri.path()).map(|body| self.send(body));
            }
            Ok(Err(_)) => return bare(StatusCode::BAD_REQUEST),
            Err(_) => return bare(StatusCode::REQUEST_TIMEOUT),
        };
        let request = Request::from_parts(head, body);
        let Ok(_turn) = self.answers.acquire().await else { return bare(StatusCode::SERVICE_UNAVAILABLE) };
        let api = Arc::clone(&self.api);
        let scraped_at = self.scraped_at;
        let answer = move || match scraped_at {
            Some(at) => api.answer_scrape(&request, at),
            None => api.answer(&request, peer),
        };
        match tokio::task::spawn_blocking(answer).await {
            Ok(response) => response.map(|body| self.send(body)),
            Err(error) => {
                tracing::error!(%error, "an HTTP request could not be answered");
                bare(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    fn send(&self, body: Body) -> Sent {
        match body {
            Body::Whole(bytes) => Either::Left(Full::new(bytes)),
            Body::Parts(first, rest) => {
                Either::Right(parts::Parts::send(first, rest, Arc::clone(&self.answers)))
            }
        }
    }
}

/// What a body is taken to have before it is here.
fn announced_bytes(head: &Parts, bytes_max: usize) -> usize {
    let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    length.unwrap_or(if is_chunked { bytes_max } else { 0 }).min(bytes_max)
}

fn bare(status: StatusCode) -> Response<Sent> {
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = status;
    response
}
