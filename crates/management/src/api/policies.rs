//! `/api/policies` and `/api/operator-policies`.

use broker::topology::{ApplyTo, Policy, PolicySide};
use model::Name;
use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    call::{Call, Object},
    login::Right,
    problem::Problem,
    reply::{Answer, Reply},
};

pub(super) fn show(vhost: &Name, policy: &Policy) -> Json {
    json!({
        "vhost": vhost.as_str(),
        "name": policy.name.as_str(),
        "pattern": policy.pattern,
        "apply-to": policy.apply_to.name(),
        "definition": policy.definition,
        "priority": policy.priority,
    })
}

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    rows(api, call, PolicySide::User)
}

pub(super) fn list_operator(api: &Api, call: &Call) -> Answer {
    rows(api, call, PolicySide::Operator)
}

fn rows(api: &Api, call: &Call, side: PolicySide) -> Answer {
    let vhosts = api.vhosts(call, 1)?;
    let topology = api.broker().topology().read();
    let rows = vhosts.iter().flat_map(|vhost| {
        topology.policies(vhost, side).map(move |policy| (policy.name.to_string(), show(vhost, policy)))
    });
    Ok(Reply::values(rows))
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    find(api, call, PolicySide::User)
}

pub(super) fn one_operator(api: &Api, call: &Call) -> Answer {
    find(api, call, PolicySide::Operator)
}

fn find(api: &Api, call: &Call, side: PolicySide) -> Answer {
    let vhost = api.vhost(call, 1)?;
    let topology = api.broker().topology().read();
    let found = topology.policies(&vhost, side).find(|policy| policy.name.as_str() == call.part(2));
    found.map(|policy| Reply::Object(show(&vhost, policy))).ok_or(Problem::NotFound)
}

/// The policy of a body, or of definitions.
pub(super) fn policy(name: Name, body: &Object) -> Result<Policy, Problem> {
    body.require(&["pattern", "definition"])?;
    let apply_to = match body.text("apply-to")? {
        None | Some("") => ApplyTo::All,
        Some(word) => ApplyTo::parse(word).ok_or_else(|| {
            Problem::Bad(format!(
                "Validation failed\n\napply-to '{word}' unrecognised; should be one of 'queues', 'classic_queues', \
                 'quorum_queues', 'streams', 'exchanges', or 'all'\n"
            ))
        })?,
    };
    let priority = match body.get("priority") {
        None => 0,
        Some(value) => value.as_i64().ok_or_else(|| {
            Problem::Bad(format!("Validation failed\n\npriority should be a number, actually was {value}\n"))
        })?,
    };
    let pattern = body.text("pattern")?.unwrap_or_default().to_owned();
    Ok(Policy { name, pattern, apply_to, priority, definition: body.map("definition")? })
}

pub(super) fn set(api: &Api, call: &Call) -> Answer {
    call.caller.require(Right::Policymaker)?;
    put(api, call, PolicySide::User)
}

pub(super) fn set_operator(api: &Api, call: &Call) -> Answer {
    put(api, call, PolicySide::Operator)
}

fn put(api: &Api, call: &Call, side: PolicySide) -> Answer {
    let vhost = api.vhost(call, 1)?;
    let policy = policy(call.name(2)?, &call.object()?)?;
    let is_new =
        !api.broker().topology().read().policies(&vhost, side).any(|other| other.name == policy.name);
    api.change(call, |topology| topology.set_policy(&vhost, side, policy).map(Some))?;
    Ok(Reply::put(is_new))
}

pub(super) fn clear(api: &Api, call: &Call) -> Answer {
    call.caller.require(Right::Policymaker)?;
    remove(api, call, PolicySide::User)
}

pub(super) fn clear_operator(api: &Api, call: &Call) -> Answer {
    remove(api, call, PolicySide::Operator)
}

fn remove(api: &Api, call: &Call, side: PolicySide) -> Answer {
    let (vhost, name) = (api.vhost(call, 1)?, call.name(2)?);
    api.change(call, |topology| topology.clear_policy(&vhost, side, &name).map(Some))?;
    Ok(Reply::Done)
}
