//! `/api/vhost-limits` and `/api/user-limits`.

use broker::topology::{UserLimits, VhostLimits};
use serde_json::{Map, Value as Json, json};

use super::{Api, require_own};
use crate::{
    call::Call,
    login::Right,
    problem::Problem,
    reply::{Answer, Reply},
};

/// Limits under RabbitMQ's names, as far as they are set.
fn object(limits: [(&str, Option<u64>); 2]) -> Json {
    Json::Object(
        limits.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), json!(limit?)))).collect(),
    )
}

pub(super) fn of_vhost(limits: &VhostLimits) -> Json {
    object([("max-connections", limits.max_connections), ("max-queues", limits.max_queues)])
}

pub(super) fn of_user(limits: &UserLimits) -> Json {
    object([("max-connections", limits.max_connections), ("max-channels", limits.max_channels)])
}

/// A limit; a negative one means none.
fn limit(name: &str, value: &Json) -> Result<Option<u64>, Problem> {
    let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    let number =
        number.ok_or_else(|| Problem::Bad(format!("{name} should be an integer, actually was {value}")))?;
    Ok(u64::try_from(number).ok())
}

/// Takes one limit into those of a vhost.
pub(super) fn set_in_vhost(limits: &mut VhostLimits, name: &str, value: &Json) -> Result<(), Problem> {
    let limit = limit(name, value)?;
    match name {
        "max-connections" => limits.max_connections = limit,
        "max-queues" => limits.max_queues = limit,
        _ => return Err(unknown(name)),
    }
    Ok(())
}

/// Takes one limit into those of a user.
pub(super) fn set_in_user(limits: &mut UserLimits, name: &str, value: &Json) -> Result<(), Problem> {
    let limit = limit(name, value)?;
    match name {
        "max-connections" => limits.max_connections = limit,
        "max-channels" => limits.max_channels = limit,
        _ => return Err(unknown(name)),
    }
    Ok(())
}

/// All limits of a user, from definitions.
pub(super) fn user_limits(map: &Map<String, Json>) -> Result<UserLimits, Problem> {
    let mut limits = UserLimits::default();
    for (name, value) in map {
        set_in_user(&mut limits, name, value)?;
    }
    Ok(limits)
}

/// All limits of a vhost, from definitions.
pub(super) fn vhost_limits(map: &Map<String, Json>) -> Result<VhostLimits, Problem> {
    let mut limits = VhostLimits::default();
    for (name, value) in map {
        set_in_vhost(&mut limits, name, value)?;
    }
    Ok(limits)
}

fn unknown(name: &str) -> Problem {
    Problem::Bad(format!("Validation failed\n\nUnrecognised limit {name}\n"))
}

/// The limits of vhosts that have any.
pub(super) fn vhosts(api: &Api, call: &Call) -> Answer {
    let vhosts = api.vhosts(call, 1)?;
    let topology = api.broker().topology().read();
    let rows = vhosts.into_iter().filter_map(|vhost| {
        let limits = topology.vhost_limits(&vhost);
        let is_set = limits != VhostLimits::default();
        is_set.then(|| (vhost.to_string(), json!({ "vhost": vhost.as_str(), "value": of_vhost(&limits) })))
    });
    Ok(Reply::values(rows))
}

pub(super) fn set_vhost(api: &Api, call: &Call) -> Answer {
    let body = call.object()?;
    body.require(&["value"])?;
    change_vhost(api, call, body.get("value").unwrap_or(&Json::Null))
}

pub(super) fn clear_vhost(api: &Api, call: &Call) -> Answer {
    change_vhost(api, call, &json!(-1))
}

fn change_vhost(api: &Api, call: &Call, value: &Json) -> Answer {
    let vhost = api.vhost(call, 1)?;
    let mut limits = api.broker().topology().read().vhost_limits(&vhost);
    set_in_vhost(&mut limits, call.part(2), value)?;
    api.change(call, |topology| topology.set_vhost_limits(&vhost, limits).map(Some))?;
    Ok(Reply::Done)
}

/// The limits of users that have any.
pub(super) fn users(api: &Api, _: &Call) -> Answer {
    let topology = api.broker().topology().read();
    let limited = topology.users().filter(|user| user.limits != UserLimits::default());
    Ok(Reply::values(limited.map(|user| {
        (user.name.to_string(), json!({ "user": user.name.as_str(), "value": of_user(&user.limits) }))
    })))
}

pub(super) fn user(api: &Api, call: &Call) -> Answer {
    let name = call.name(1)?;
    require_own(call, &name, Right::Administrator)?;
    let topology = api.broker().topology().read();
    let user = topology.user(&name).ok_or(Problem::NotFound)?;
    let is_set = user.limits != UserLimits::default();
    let row =
        is_set.then(|| (name.to_string(), json!({ "user": name.as_str(), "value": of_user(&user.limits) })));
    Ok(Reply::values(row))
}

pub(super) fn set_user(api: &Api, call: &Call) -> Answer {
    let body = call.object()?;
    body.require(&["value"])?;
    change_user(api, call, body.get("value").unwrap_or(&Json::Null))
}

pub(super) fn clear_user(api: &Api, call: &Call) -> Answer {
    change_user(api, call, &json!(-1))
}

fn change_user(api: &Api, call: &Call, value: &Json) -> Answer {
    let user = call.name(1)?;
    let limits = api.broker().topology().read().user(&user).map(|user| user.limits);
    let mut limits = limits.ok_or(Problem::NotFound)?;
    set_in_user(&mut limits, call.part(2), value)?;
    api.change(call, |topology| topology.set_user_limits(&user, limits).map(Some))?;
    Ok(Reply::Done)
}
