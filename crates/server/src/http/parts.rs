//! A list on its way: its parts are written as they are taken, so that no more than a few are in memory.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use management::Listing;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinError,
};

/// Parts that are written before they can be sent.
const AHEAD: usize = 1;

/// See the module's documentation. Ends with an error, which breaks the connection off, if a part cannot be written.
pub(super) struct Parts(mpsc::Receiver<Result<Bytes, JoinError>>);

impl Parts {
    /// Begins to send a list. Whoever takes it slowly keeps its rows meanwhile, and holds nobody up: each part takes a turn of
    /// its own among the `answers`.
    pub(super) fn send(first: Bytes, rest: Listing, answers: Arc<Semaphore>) -> Self {
        let (sender, parts) = mpsc::channel(AHEAD);
        tokio::spawn(write_all(sender, first, rest, answers));
        Self(parts)
    }
}

/// Returns early if nobody is there any more.
async fn write_all(
    sender: mpsc::Sender<Result<Bytes, JoinError>>,
    first: Bytes,
    mut rest: Listing,
    answers: Arc<Semaphore>,
) {
    let mut part = Some(first);
    while let Some(bytes) = part {
        if sender.send(Ok(bytes)).await.is_err() {
            return;
        }
        let Ok(_turn) = answers.acquire().await else { return };
        match tokio::task::spawn_blocking(move || (rest.next(), rest)).await {
            Ok(written) => (part, rest) = written,
            Err(error) => {
                tracing::error!(%error, "a list could not be written to its end");
                let _ = sender.send(Err(error)).await;
                return;
            }
        }
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = JoinError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, JoinError>>> {
        self.0.poll_recv(cx).map(|part| part.map(|bytes| bytes.map(Frame::data)))
    }
}
