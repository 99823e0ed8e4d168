//! `/api/harefoot/…`: what is done to the node as a whole, where RabbitMQ's API has nothing for it.

use super::Api;
use crate::{
    call::Call,
    reply::{Answer, Reply},
};

/// Stops the node in order.
pub(super) fn stop(api: &Api, call: &Call) -> Answer {
    tracing::info!(user = %call.caller.user, "told to stop by the HTTP API");
    api.world().stop();
    Ok(Reply::Done)
}
