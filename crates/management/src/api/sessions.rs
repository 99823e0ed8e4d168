//! `/api/login`: a session by form. `/api/auth/attempts`: who has tried.

use broker::Door;
use model::{Name, Secret};
use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    call::{Call, Query},
    login::{Caller, Right},
    problem::Problem,
    reply::{Answer, Reply},
    sessions,
};

/// RabbitMQ: `username` and `password` of a form, and the answer is "ok".
pub(super) fn log_in(api: &Api, call: &Call) -> Answer {
    let form = std::str::from_utf8(&call.body).map_err(|_| Problem::LoginFailed)?;
    let form = Query::parse(form);
    let (Some(user), Some(password)) = (form.get("username"), form.get("password")) else {
        return Err(Problem::LoginFailed);
    };
    let user = Name::parse(user).map_err(|_| Problem::LoginFailed)?;
    let secret = Secret::new(password.as_bytes());
    let caller = Caller::known(api, user, secret, call.peer)?;
    let mut token = [0; 32];
    let (first, second) = token.split_at_mut(16);
    first.copy_from_slice(&api.world().random());
    second.copy_from_slice(&api.world().random());
    let lasts_ms = api.guard.session_ms;
    let value = api.sessions.begin(token, (caller.user, caller.secret), api.world().now_ms(), lasts_ms);
    let cookie = sessions::set_cookie(&value, lasts_ms, call.peer.is_secure());
    Ok(Reply::LoggedIn(cookie))
}

pub(super) fn log_out(api: &Api, call: &Call) -> Answer {
    if let Some(value) = &call.session {
        api.sessions.end(value);
    }
    Ok(Reply::LoggedOut(sessions::set_cookie("", 0, call.peer.is_secure())))
}

fn known_node(api: &Api, call: &Call) -> Result<(), Problem> {
    if call.part(2) == api.identity.node { Ok(()) } else { Err(Problem::NotFound) }
}

/// RabbitMQ's word for what is spoken at a door.
pub(crate) fn protocol_of(door: Door) -> &'static str {
    match door {
        Door::Http => "http",
        Door::Amqp => "amqp091",
    }
}

pub(super) fn attempts(api: &Api, call: &Call) -> Answer {
    known_node(api, call)?;
    let rows = api.broker().login_counts().into_iter().map(|(door, succeeded, failed)| {
        let shown = json!({
            "protocol": protocol_of(door),
            "auth_attempts": succeeded.saturating_add(failed),
            "auth_attempts_failed": failed,
            "auth_attempts_succeeded": succeeded,
        });
        (protocol_of(door).to_owned(), shown)
    });
    Ok(Reply::values(rows))
}

/// Of those who have failed lately: whoever succeeds is taken off the list.
pub(super) fn attempts_by_source(api: &Api, call: &Call) -> Answer {
    known_node(api, call)?;
    let rows = api.broker().login_failures().into_iter().map(|one| {
        let shown: Json = json!({
            "remote_address": one.place.to_string(),
            "username": one.user.as_str(),
            "protocol": protocol_of(one.door),
            "auth_attempts": one.count,
            "auth_attempts_failed": one.count,
            "auth_attempts_succeeded": 0,
        });
        (one.user.to_string(), shown)
    });
    Ok(Reply::values(rows))
}

pub(super) fn reset_attempts(api: &Api, call: &Call) -> Answer {
    call.caller.require(Right::Monitoring)?;
    known_node(api, call)?;
    api.broker().reset_login_counts();
    Ok(Reply::Done)
}
