//! `/api/harefoot/limits`, `…/settings`, `…/log`: what the node runs with, where that comes from, and what of it can be changed
//! while it runs.

use broker::topology::{UserLimits, VhostLimits};
use serde_json::{Value as Json, json};

use super::{
    Api,
    limits::{of_user, of_vhost},
};
use crate::{
    call::Call,
    list,
    problem::Problem,
    reply::{Answer, Reply},
    world::{Limit, Resource, Source, Threshold},
};

/// Lines of the log of one answer.
const LINES_MAX: usize = 1000;
const LINES_DEFAULT: usize = 50;

/// Those of the node, and those that were set for vhosts and users.
pub(super) fn limits(api: &Api, _: &Call) -> Answer {
    let mut rows: Vec<(String, Json)> = Vec::new();
    for limit in api.world().limits().into_iter().chain(own()) {
        rows.push((limit.name.to_owned(), list::to_value(&limit)));
    }
    let topology = api.broker().topology().read();
    let mut add = |of: &str, limits: Json, meaning: &str| {
        for (name, value) in limits.as_object().into_iter().flatten() {
            let name = format!("{of} {name}");
            let row = json!({
                "name": name, "value": value, "used": null, "unit": name.rsplit('-').next(), "source": "runtime",
                "place": of, "setting": null, "meaning": meaning,
            });
            rows.push((name, row));
        }
    };
    for vhost in topology.vhosts() {
        let limits = topology.vhost_limits(&vhost.name);
        if limits != VhostLimits::default() {
            let of = format!("vhost {}:", vhost.name);
            add(&of, of_vhost(&limits), "what is beyond it is refused; set_vhost_limits changes it");
        }
    }
    for user in topology.users().filter(|user| user.limits != UserLimits::default()) {
        let of = format!("user {}:", user.name);
        add(&of, of_user(&user.limits), "what is beyond it is refused; set_user_limits changes it");
    }
    Ok(Reply::values(rows))
}

/// Those of this API.
fn own() -> impl Iterator<Item = Limit> {
    let built_in = |name, path, meaning| Limit {
        name,
        value: u64::try_from(Api::body_bytes_max(path)).ok(),
        used: None,
        unit: "bytes",
        from: Source { source: "default", place: None },
        setting: None,
        meaning,
    };
    [
        built_in("http_body", "/api/queues", "a larger body of a request is refused (413)"),
        built_in("definitions", "/api/definitions", "a larger file of definitions is refused (413)"),
    ]
    .into_iter()
}

/// Changes a limit until the node stops: `{"relative": 0.4}` or `{"absolute": bytes}`.
pub(super) fn set_limit(api: &Api, call: &Call) -> Answer {
    let resource = match call.part(2) {
        "memory" => Resource::Memory,
        "disk_free" => Resource::Disk,
        _ => return Err(Problem::NotFound),
    };
    let body = call.object()?;
    let number = |key: &str| body.get(key).map(|value| value.as_f64().filter(|number| *number >= 0.0));
    let threshold = match (number("relative"), body.integer("absolute")?) {
        (Some(Some(share)), None) => Threshold::OfMemory(share),
        (None, Some(bytes)) => Threshold::Bytes(
            u64::try_from(bytes).map_err(|_| Problem::bad("absolute should not be negative"))?,
        ),
        _ => {
            return Err(Problem::bad("either relative, a number, or absolute, a number of bytes, is needed"));
        }
    };
    if resource == Resource::Memory && matches!(threshold, Threshold::OfMemory(share) if share > 1.0) {
        return Err(Problem::bad("The threshold should be a fraction between 0.0 and 1.0"));
    }
    if !api.world().set_threshold(resource, threshold) {
        return Err(Problem::bad("there is not so much memory"));
    }
    tracing::warn!(user = %call.caller.user, ?resource, ?threshold, "a limit was changed until the node stops");
    Ok(Reply::Done)
}

/// Every setting.
pub(super) fn list(api: &Api, _: &Call) -> Answer {
    let settings = api.world().settings();
    Ok(Reply::values(settings.into_iter().map(|one| (one.key.clone(), list::to_value(&one)))))
}

/// The last lines of the log: `lines` of them, or those with a number of at least `from`.
pub(super) fn log(api: &Api, call: &Call) -> Answer {
    let number = |key: &str| -> Result<Option<u64>, Problem> {
        let Some(text) = call.query.get(key) else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|_| Problem::Bad(format!("{key} should be a number, actually was {text}")))
    };
    let max = number("lines")?.map_or(LINES_DEFAULT, |lines| usize::try_from(lines).unwrap_or(LINES_MAX));
    let (lines, next) = api.world().log_lines(number("from")?.unwrap_or_default(), max.min(LINES_MAX));
    Ok(Reply::Object(json!({ "lines": lines, "next": next })))
}

pub(super) fn set_log_level(api: &Api, call: &Call) -> Answer {
    let body = call.object()?;
    let word = body.text("level")?.unwrap_or_default();
    if !api.world().set_log_level(word) {
        return Err(Problem::Bad(format!(
            "level {word} is not supported. Try one of debug, info, warning, error, critical, none"
        )));
    }
    tracing::info!(user = %call.caller.user, level = word, "the level of the log was changed until the node stops");
    Ok(Reply::Done)
}

/// The certificates of every listener that has any, as far as they can expire.
pub(super) fn certificates(api: &Api, _: &Call) -> Answer {
    let mut rows = Vec::new();
    for listening in &api.listening {
        let Some(known) = api.world().certificates(listening.protocol) else { continue };
        let own = known.chain.iter().map(|one| (known.certfile.as_str(), one));
        let file = known.cacertfile.as_deref().unwrap_or_default();
        let authorities = known.authorities.iter().map(|one| (file, one));
        for (file, one) in own.chain(authorities) {
            let row = json!({
                "protocol": listening.protocol,
                "interface": listening.address.ip().to_string(),
                "port": listening.address.port(),
                "file": file,
                "expires_at": one.at_s,
                "expires": one.text,
            });
            rows.push((listening.protocol.to_owned(), row));
        }
    }
    Ok(Reply::values(rows))
}

/// What the node finds on its machine, for whoever looks for a reason.
pub(super) fn machine(api: &Api, _: &Call) -> Answer {
    Ok(Reply::Object(list::to_value(&api.world().machine())))
}
