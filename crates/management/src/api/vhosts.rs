//! `/api/vhosts`.

use broker::{
    Totals,
    topology::{Entry, PermissionPatterns, QueueKind, Topology, VhostSettings},
};
use model::Name;
use serde_json::{Value as Json, json};

use super::{
    Api,
    statistics::{Shown, Wanted},
};
use crate::{
    call::{Call, Object, name},
    list::{self, Row},
    login::Right,
    problem::Problem,
    reply::{Answer, Reply},
};

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    let (vhosts, wanted, totals) = (api.vhosts(call, 1)?, Wanted::of(call)?, api.broker().totals());
    let rows = vhosts.into_iter().filter_map(|vhost| {
        let shown = show(api, &vhost, wanted, &totals)?;
        Some(Row::made(vhost.as_str(), shown))
    });
    Ok(Reply::List(rows.collect()))
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    let vhost = api.vhost(call, 1)?;
    let shown = show(api, &vhost, Wanted::of(call)?, &api.broker().totals());
    shown.map(Reply::Object).ok_or(Problem::NotFound)
}

fn show(api: &Api, vhost: &Name, wanted: Wanted, totals: &Totals) -> Option<Json> {
    // Before the topology: see `samples`.
    let samples = api.samples.read();
    let topology = api.broker().topology().read();
    let settings = topology.vhosts().find(|settings| settings.name == *vhost)?;
    let kind = topology.default_queue_type(settings);
    let mut shown = json!({
        "name": settings.name.as_str(),
        "description": settings.description,
        "tags": texts(&settings.tags),
        "default_queue_type": kind.name(),
        "metadata": metadata(settings, kind),
        "protected_from_deletion": settings.protected,
        "tracing": settings.tracing,
        "cluster_state": { (api.identity.node.as_str()): "running" },
    });
    if let Some(shown) = shown.as_object_mut().filter(|_| !wanted.is_static) {
        let statistics = Shown { samples: &samples, ranges: wanted.ranges };
        let sum = statistics.vhosts(api, totals, std::slice::from_ref(vhost));
        shown.insert("message_stats".to_owned(), list::to_value(&sum.messages));
        for stats in [sum.lengths, sum.bytes] {
            list::put_fields(shown, &stats);
        }
    }
    Some(shown)
}

/// What definitions say of it. RabbitMQ: the type is said also where it is the node's.
pub(super) fn metadata(settings: &VhostSettings, kind: QueueKind) -> Json {
    json!({
        "description": settings.description,
        "tags": texts(&settings.tags),
        "default_queue_type": kind.name(),
    })
}

pub(super) fn texts(names: &[Name]) -> Json {
    names.iter().map(|name| json!(name.as_str())).collect()
}

pub(super) fn set(api: &Api, call: &Call) -> Answer {
    call.caller.require(Right::Administrator)?;
    let (vhost, body) = (call.name(1)?, call.object()?);
    let known = api.broker().topology().read().vhosts().find(|settings| settings.name == vhost).cloned();
    let is_new = known.is_none();
    let settings = settings(known.unwrap_or_else(|| VhostSettings::new(vhost)), &body)?;
    api.change(call, |topology| {
        let entry = topology.set_vhost(settings.clone())?;
        let granted = grant_maker(topology, Some(&call.caller.user), &settings.name);
        Ok([entry].into_iter().chain(granted))
    })?;
    Ok(Reply::put(is_new))
}

/// RabbitMQ: whoever makes a vhost may do everything in it. Not one that is there already, and nobody who is no user, like an
/// operator at the node itself.
pub(super) fn grant_maker(topology: &Topology, maker: Option<&Name>, vhost: &Name) -> Option<Entry> {
    let user = maker.filter(|maker| topology.user(maker).is_some())?.clone();
    let is_new = topology.vhosts().all(|known| known.name != *vhost);
    is_new.then(|| Entry::SetPermissions { user, vhost: vhost.clone(), patterns: PermissionPatterns::all() })
}

/// What a body, or definitions, make of settings.
pub(super) fn settings(mut settings: VhostSettings, body: &Object) -> Result<VhostSettings, Problem> {
    if let Some(description) = body.text("description")? {
        description.clone_into(&mut settings.description);
    }
    if body.get("tags").is_some() {
        settings.tags = tags(body, "tags")?;
    }
    if let Some(kind) = body.text("default_queue_type")?.filter(|kind| !matches!(*kind, "undefined" | "")) {
        let kind = QueueKind::parse(kind.as_bytes());
        settings.default_queue_type = Some(kind.ok_or_else(|| Problem::bad("invalid_queue_type"))?);
    }
    if body.get("tracing").is_some() {
        settings.tracing = body.truth("tracing")?;
    }
    if body.get("protected_from_deletion").is_some() {
        settings.protected = body.truth("protected_from_deletion")?;
    }
    Ok(settings)
}

/// Tags: a list, or one text with commas.
pub(super) fn tags(body: &Object, key: &str) -> Result<Vec<Name>, Problem> {
    let wrong = || Problem::Bad(format!("{key} should be a list of strings, or one with commas"));
    let texts: Vec<&str> = match body.get(key) {
        None => Vec::new(),
        Some(Json::String(text)) => text.split(',').map(str::trim).collect(),
        Some(Json::Array(items)) => {
            items.iter().map(|item| item.as_str().ok_or_else(wrong)).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong()),
    };
    texts.into_iter().filter(|text| !text.is_empty()).map(name).collect()
}

pub(super) fn delete(api: &Api, call: &Call) -> Answer {
    call.caller.require(Right::Administrator)?;
    let vhost = call.name(1)?;
    api.change(call, |topology| topology.delete_vhost(&vhost).map(Some))?;
    Ok(Reply::Done)
}

/// A vhost here always runs.
pub(super) fn start(api: &Api, call: &Call) -> Answer {
    api.vhost(call, 1)?;
    if call.part(3) != api.identity.node {
        return Err(Problem::Bad(format!("Request to node {} failed with nodedown", call.part(3))));
    }
    Ok(Reply::Done)
}

pub(super) fn protect(api: &Api, call: &Call) -> Answer {
    set_protection(api, call, true)
}

pub(super) fn unprotect(api: &Api, call: &Call) -> Answer {
    set_protection(api, call, false)
}

fn set_protection(api: &Api, call: &Call, protected: bool) -> Answer {
    let vhost = api.vhost(call, 1)?;
    let known = api.broker().topology().read().vhosts().find(|settings| settings.name == vhost).cloned();
    let settings = VhostSettings { protected, ..known.ok_or(Problem::NotFound)? };
    api.change(call, |topology| topology.set_vhost(settings).map(Some))?;
    Ok(Reply::Done)
}
