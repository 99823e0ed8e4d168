//! `/api/harefoot/…`: what is done to the node as a whole, where RabbitMQ's API has nothing for it.

use serde_json::json;

use super::Api;
use crate::{
    call::Call,
    reply::{Answer, Reply},
};

/// The reason that clients are given who are sent away.
const MAINTENANCE: &str = "Node was put into maintenance mode";

/// Stops the node in order.
pub(super) fn stop(api: &Api, call: &Call) -> Answer {
    tracing::info!(user = %call.caller.user, "told to stop by the HTTP API");
    api.world().stop();
    Ok(Reply::Done)
}

/// Lets nobody connect by AMQP any more.
pub(super) fn suspend(api: &Api, call: &Call) -> Answer {
    tracing::warn!(user = %call.caller.user, "no new connections by AMQP are taken from now on");
    api.world().set_open(false);
    Ok(Reply::Done)
}

/// Lets clients connect again.
pub(super) fn resume(api: &Api, call: &Call) -> Answer {
    tracing::info!(user = %call.caller.user, "new connections by AMQP are taken again");
    api.world().set_drained(false);
    api.world().set_open(true);
    Ok(Reply::Done)
}

/// The same as suspending, and sends those away who are there; says how many they were.
pub(super) fn drain(api: &Api, call: &Call) -> Answer {
    suspend(api, call)?;
    api.world().set_drained(true);
    let there = api.broker().connected().into_iter().filter(|one| one.ends.is_some());
    let closed = there.map(|one| one.close(MAINTENANCE)).count();
    Ok(Reply::Object(json!({ "closed": closed })))
}

/// The end of that.
pub(super) fn revive(api: &Api, call: &Call) -> Answer {
    resume(api, call)
}
