//! `/api/permissions` and `/api/topic-permissions`.

use broker::topology::{Invalid, PermissionPatterns, TopicPatterns, Topology};
use model::Name;
use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    call::{Call, Object, name},
    problem::Problem,
    reply::{Answer, Reply},
};

pub(super) fn show(user: &Name, vhost: &Name, patterns: &PermissionPatterns) -> Json {
    let PermissionPatterns { configure, write, read } = patterns;
    json!({ "user": user.as_str(), "vhost": vhost.as_str(), "configure": configure, "write": write, "read": read })
}

pub(super) fn show_topic(user: &Name, vhost: &Name, exchange: &Name, patterns: &TopicPatterns) -> Json {
    let TopicPatterns { write, read } = patterns;
    json!({
        "user": user.as_str(), "vhost": vhost.as_str(), "exchange": exchange.as_str(), "write": write, "read": read,
    })
}

fn rows(api: &Api, is_wanted: impl Fn(&Name, &Name) -> bool) -> Answer {
    let topology = api.broker().topology().read();
    let wanted = topology.all_permissions().filter(|(user, vhost, _)| is_wanted(user, vhost));
    Ok(Reply::values(wanted.map(|(user, vhost, patterns)| (user.to_string(), show(user, vhost, patterns)))))
}

fn topic_rows(api: &Api, is_wanted: impl Fn(&Name, &Name, &Name) -> bool) -> Answer {
    let topology = api.broker().topology().read();
    let wanted = topology
        .all_topic_permissions()
        .filter(|(user, vhost, exchange, _)| is_wanted(user, vhost, exchange));
    Ok(Reply::values(wanted.map(|(user, vhost, exchange, patterns)| {
        (user.to_string(), show_topic(user, vhost, exchange, patterns))
    })))
}

pub(super) fn list(api: &Api, _: &Call) -> Answer {
    rows(api, |_, _| true)
}

pub(super) fn topic_list(api: &Api, _: &Call) -> Answer {
    topic_rows(api, |_, _, _| true)
}

fn user(api: &Api, call: &Call, at: usize) -> Result<Name, Problem> {
    let user = call.name(at)?;
    if api.broker().topology().read().user(&user).is_none() {
        return Err(Problem::NotFound);
    }
    Ok(user)
}

pub(super) fn of_user(api: &Api, call: &Call) -> Answer {
    let wanted = user(api, call, 1)?;
    rows(api, |user, _| *user == wanted)
}

pub(super) fn topic_of_user(api: &Api, call: &Call) -> Answer {
    let wanted = user(api, call, 1)?;
    topic_rows(api, |user, _, _| *user == wanted)
}

pub(super) fn of_vhost(api: &Api, call: &Call) -> Answer {
    let wanted = api.vhost(call, 1)?;
    rows(api, |_, vhost| *vhost == wanted)
}

pub(super) fn topic_of_vhost(api: &Api, call: &Call) -> Answer {
    let wanted = api.vhost(call, 1)?;
    topic_rows(api, |_, vhost, _| *vhost == wanted)
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    let (vhost, user) = (api.vhost(call, 1)?, call.name(2)?);
    let topology = api.broker().topology().read();
    let patterns = topology.permissions(&user, &vhost).ok_or(Problem::NotFound)?;
    Ok(Reply::Object(show(&user, &vhost, patterns)))
}

/// Those of a user in a vhost, on one exchange if the path names it.
pub(super) fn topic_one(api: &Api, call: &Call) -> Answer {
    let (wanted_vhost, wanted_user) = (api.vhost(call, 1)?, user(api, call, 2)?);
    if !has_topic(&api.broker().topology().read(), &wanted_vhost, &wanted_user) {
        return Err(Problem::NotFound);
    }
    let exchange = call.path.get(3).map(|text| name(text)).transpose()?;
    topic_rows(api, |user, vhost, other| {
        *user == wanted_user
            && *vhost == wanted_vhost
            && exchange.as_ref().is_none_or(|wanted| wanted == other)
    })
}

/// RabbitMQ: who has none at all in a vhost has nothing to show or clear, whatever the exchange.
fn has_topic(topology: &Topology, vhost: &Name, user: &Name) -> bool {
    topology.all_topic_permissions().any(|(one, other, ..)| one == user && other == vhost)
}

pub(super) fn patterns(body: &Object) -> Result<PermissionPatterns, Problem> {
    body.require(&["configure", "write", "read"])?;
    let text = |key| Ok::<_, Problem>(body.text(key)?.unwrap_or_default().to_owned());
    Ok(PermissionPatterns { configure: text("configure")?, write: text("write")?, read: text("read")? })
}

pub(super) fn topic_patterns(body: &Object) -> Result<(Name, TopicPatterns), Problem> {
    body.require(&["exchange", "write", "read"])?;
    let text = |key| Ok::<_, Problem>(body.text(key)?.unwrap_or_default().to_owned());
    let exchange = name(&text("exchange")?)?;
    Ok((exchange, TopicPatterns { write: text("write")?, read: text("read")? }))
}

pub(super) fn set(api: &Api, call: &Call) -> Answer {
    let (vhost, user, patterns) = (call.name(1)?, call.name(2)?, patterns(&call.object()?)?);
    let is_new = api.broker().topology().read().permissions(&user, &vhost).is_none();
    known(api.change(call, |topology| topology.set_permissions(&user, &vhost, patterns).map(Some)))?;
    Ok(Reply::put(is_new))
}

pub(super) fn set_topic(api: &Api, call: &Call) -> Answer {
    let (vhost, user) = (call.name(1)?, call.name(2)?);
    let (exchange, patterns) = topic_patterns(&call.object()?)?;
    let is_new = !api
        .broker()
        .topology()
        .read()
        .all_topic_permissions()
        .any(|(one, other, on, _)| *one == user && *other == vhost && *on == exchange);
    known(api.change(call, |topology| {
        topology.set_topic_permissions(&user, &vhost, &exchange, patterns).map(Some)
    }))?;
    Ok(Reply::put(is_new))
}

/// RabbitMQ: where there is no such vhost or user to set something for, that is a bad request.
fn known(outcome: Result<(), Problem>) -> Result<(), Problem> {
    outcome.map_err(|problem| match problem {
        Problem::NotFound => Problem::bad("vhost_or_user_not_found"),
        other => other,
    })
}

pub(super) fn clear(api: &Api, call: &Call) -> Answer {
    let (vhost, user) = (call.name(1)?, call.name(2)?);
    api.change(call, |topology| {
        if topology.permissions(&user, &vhost).is_none() {
            return Err(Invalid::NotFound { name: user.clone() });
        }
        topology.clear_permissions(&user, &vhost).map(Some)
    })?;
    Ok(Reply::Done)
}

pub(super) fn clear_topic(api: &Api, call: &Call) -> Answer {
    let (vhost, user) = (call.name(1)?, call.name(2)?);
    let exchange = call.path.get(3).map(|text| name(text)).transpose()?;
    api.change(call, |topology| {
        if !has_topic(topology, &vhost, &user) {
            return Err(Invalid::NotFound { name: user.clone() });
        }
        topology.clear_topic_permissions(&user, &vhost, exchange.as_ref()).map(Some)
    })?;
    Ok(Reply::Done)
}
