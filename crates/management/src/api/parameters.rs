//! `/api/parameters` and `/api/global-parameters`.
//!
//! RabbitMQ keeps operator policies and limits of vhosts among the parameters: they can be shown, set and cleared here too.

use broker::topology::{PolicySide, VhostLimits};
use model::Name;
use serde_json::{Value as Json, json};

use super::{Api, limits, policies};
use crate::{
    call::{Call, Object},
    login::Right,
    problem::Problem,
    reply::{Answer, Reply},
};

/// The components whose parameters are kept, though nothing reads them yet.
const COMPONENTS: [&str; 3] = ["shovel", "federation-upstream", "federation-upstream-set"];
/// The component of operator policies.
const OPERATOR_POLICY: &str = "operator_policy";
/// The component of the limits of vhosts.
const VHOST_LIMITS: &str = "vhost-limits";
/// The one name that they have.
const LIMITS: &str = "limits";

/// All parameters of a vhost: component, name, value.
pub(super) fn of_vhost(api: &Api, vhost: &Name) -> Vec<(String, String, Json)> {
    let topology = api.broker().topology().read();
    let own = topology.parameters(vhost);
    let mut all: Vec<_> = own
        .map(|(component, name, value)| (component.to_string(), name.to_string(), value.clone()))
        .collect();
    for policy in topology.policies(vhost, PolicySide::Operator) {
        let value = json!({
            "pattern": policy.pattern,
            "definition": policy.definition,
            "priority": policy.priority,
            "apply-to": policy.apply_to.name(),
        });
        all.push((OPERATOR_POLICY.to_owned(), policy.name.to_string(), value));
    }
    let its_limits = topology.vhost_limits(vhost);
    if its_limits != VhostLimits::default() {
        all.push((VHOST_LIMITS.to_owned(), LIMITS.to_owned(), limits::of_vhost(&its_limits)));
    }
    all
}

pub(super) fn show(vhost: &Name, (component, name, value): &(String, String, Json)) -> Json {
    json!({ "value": value, "vhost": vhost.as_str(), "component": component, "name": name })
}

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    let component = call.path.get(1).map(String::as_str);
    let rows = api.vhosts(call, 2)?.into_iter().flat_map(|vhost| {
        let all = of_vhost(api, &vhost);
        let wanted =
            all.into_iter().filter(move |(other, ..)| component.is_none_or(|wanted| wanted == other));
        wanted.map(move |parameter| (parameter.1.clone(), show(&vhost, &parameter)))
    });
    Ok(Reply::values(rows))
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    let vhost = api.vhost(call, 2)?;
    let all = of_vhost(api, &vhost);
    let found = all.iter().find(|(component, name, _)| component == call.part(1) && name == call.part(3));
    found.map(|parameter| Reply::Object(show(&vhost, parameter))).ok_or(Problem::NotFound)
}

/// Whether a component takes parameters.
pub(super) fn check_component(component: &str) -> Result<(), Problem> {
    if COMPONENTS.contains(&component) {
        return Ok(());
    }
    Err(Problem::Bad(format!("Validation failed\n\ncomponent {component} not found\n")))
}

pub(super) fn set(api: &Api, call: &Call) -> Answer {
    let (component, vhost, name) = (call.name(1)?, api.vhost(call, 2)?, call.name(3)?);
    let body = call.object()?;
    body.require(&["value"])?;
    let is_new = !of_vhost(api, &vhost).iter().any(|(other, its, _)| *other == *component && *its == *name);
    match component.as_str() {
        "policy" => return Err(Problem::bad("policies may not be set using this method")),
        OPERATOR_POLICY => {
            call.caller.require(Right::Administrator)?;
            let policy = policies::policy(name, &Object(body.map("value")?))?;
            api.change(call, |topology| topology.set_policy(&vhost, PolicySide::Operator, policy).map(Some))?;
        }
        VHOST_LIMITS => {
            check_limits(call, &name)?;
            let limits = limits::vhost_limits(&body.map("value")?)?;
            api.change(call, |topology| topology.set_vhost_limits(&vhost, limits).map(Some))?;
        }
        other => {
            check_component(other)?;
            let value = body.0.get("value").cloned().unwrap_or_default();
            api.change(call, |topology| topology.set_parameter(&vhost, &component, &name, value).map(Some))?;
        }
    }
    Ok(Reply::put(is_new))
}

/// The limits of a vhost are for administrators, as by their own path, and have one name.
fn check_limits(call: &Call, name: &Name) -> Result<(), Problem> {
    call.caller.require(Right::Administrator)?;
    if name.as_str() == LIMITS {
        return Ok(());
    }
    Err(Problem::Bad(format!("{VHOST_LIMITS} are named {LIMITS}")))
}

pub(super) fn clear(api: &Api, call: &Call) -> Answer {
    let (component, vhost, name) = (call.name(1)?, api.vhost(call, 2)?, call.name(3)?);
    match component.as_str() {
        OPERATOR_POLICY => {
            call.caller.require(Right::Administrator)?;
            api.change(call, |topology| {
                topology.clear_policy(&vhost, PolicySide::Operator, &name).map(Some)
            })?;
        }
        VHOST_LIMITS => {
            check_limits(call, &name)?;
            let none = VhostLimits::default();
            api.change(call, |topology| topology.set_vhost_limits(&vhost, none).map(Some))?;
        }
        _ => api.change(call, |topology| topology.clear_parameter(&vhost, &component, &name).map(Some))?,
    }
    Ok(Reply::Done)
}

pub(super) fn list_global(api: &Api, _: &Call) -> Answer {
    let topology = api.broker().topology().read();
    let all = topology.global_parameters();
    Ok(Reply::values(
        all.map(|(name, value)| (name.to_string(), json!({ "name": name.as_str(), "value": value }))),
    ))
}

pub(super) fn one_global(api: &Api, call: &Call) -> Answer {
    let topology = api.broker().topology().read();
    let found = topology.global_parameters().find(|(name, _)| name.as_str() == call.part(1));
    let shown = found.map(|(name, value)| Reply::Object(json!({ "name": name.as_str(), "value": value })));
    shown.ok_or(Problem::NotFound)
}

pub(super) fn set_global(api: &Api, call: &Call) -> Answer {
    let (name, body) = (call.name(1)?, call.object()?);
    body.require(&["value"])?;
    let value = body.0.get("value").cloned().unwrap_or_default();
    let is_new = !api.broker().topology().read().global_parameters().any(|(other, _)| *other == name);
    api.change(call, |topology| topology.set_global_parameter(&name, value).map(Some))?;
    Ok(Reply::put(is_new))
}

pub(super) fn clear_global(api: &Api, call: &Call) -> Answer {
    let name = call.name(1)?;
    api.change(call, |topology| topology.clear_global_parameter(&name).map(Some))?;
    Ok(Reply::Done)
}
