//! Limits that are reached: the next one is refused, and whoever wants it learns little of why.

use model::Name;

use super::{Api, Finding};

const KIND: &str = "limit_reached";

/// Counted things of which there may be no more, and the limit.
type Counted = (&'static str, u64, Option<u64>);

/// What is said of those that are at their limit, and what raises it: a command, up to its JSON, which sets all limits at once.
fn full(subject: &str, counted: &[Counted], raise: &str) -> Vec<Finding> {
    let at_limit = counted.iter().filter_map(|(what, now, limit)| {
        let limit = limit.filter(|limit| now >= limit)?;
        let kept = counted.iter().filter_map(|(other, _, kept)| {
            let kept = if other == what { limit.saturating_mul(2).max(1) } else { (*kept)? };
            Some(format!("\"max-{other}\":{kept}"))
        });
        let says = format!("There are {now} {what}, and there may be {limit}: the next one is refused.");
        let fix = format!(
            "Close or delete what is not needed, or raise the limit: {raise} '{{{}}}'",
            kept.collect::<Vec<_>>().join(",")
        );
        Some(Finding::of_node(KIND, subject, says, fix))
    });
    at_limit.collect()
}

/// Of the vhosts that are to be looked at.
pub(super) fn of_vhosts(api: &Api, vhosts: &[Name]) -> Vec<Finding> {
    let connected = api.broker().connected();
    let topology = api.broker().topology().read();
    let mut found = Vec::new();
    for vhost in vhosts {
        let limits = topology.vhost_limits(vhost);
        let connections =
            connected.iter().filter(|one| one.vhost == *vhost && one.ends.is_some()).count() as u64;
        let queues = topology.queues_of(vhost).count() as u64;
        let counted =
            [("connections", connections, limits.max_connections), ("queues", queues, limits.max_queues)];
        let raise = format!("rabbitmqctl set_vhost_limits -p '{vhost}'");
        let of_it = full(&format!("vhost {vhost}"), &counted, &raise);
        found.extend(of_it.into_iter().map(|one| Finding { vhost: Some(vhost.clone()), ..one }));
    }
    found
}

/// Of all users, wherever they are connected.
pub(super) fn of_users(api: &Api) -> Vec<Finding> {
    let connected = api.broker().connected();
    let topology = api.broker().topology().read();
    let mut found = Vec::new();
    for user in topology.users() {
        let own = || connected.iter().filter(|one| one.user == user.name);
        let connections = own().filter(|one| one.ends.is_some()).count() as u64;
        let channels = own().map(|one| u64::from(one.sessions())).sum();
        let limits = &user.limits;
        let counted = [
            ("connections", connections, limits.max_connections),
            ("channels", channels, limits.max_channels),
        ];
        let raise = format!("rabbitmqctl set_user_limits '{}'", user.name);
        found.extend(full(&format!("user {}", user.name), &counted, &raise));
    }
    found
}

/// Of the node as a whole, where things are counted. Bytes are for alarms.
pub(super) fn of_node(api: &Api) -> Vec<Finding> {
    let limits = api.world().limits().into_iter().filter(|limit| limit.unit != "bytes");
    let reached = limits.filter_map(|limit| {
        let (now, max) = (limit.used?, limit.value?);
        (now >= max).then(|| {
            let says =
                format!("There are {now} {}, and the node may have {max}: {}.", limit.unit, limit.meaning);
            let fix = match limit.setting {
                Some(setting) => format!(
                    "Close or delete what is not needed, or set {setting} higher and start the node again"
                ),
                None => format!(
                    "Close what is not needed, or raise the limit of the system{}",
                    limit.from.place.map(|place| format!(": {place}")).unwrap_or_default()
                ),
            };
            Finding::of_node(KIND, format!("node: {}", limit.name), says, fix)
        })
    });
    reached.collect()
}
