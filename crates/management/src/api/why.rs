//! `/api/harefoot/why`: what does not go as operators expect, why, and what helps. RabbitMQ has the numbers, not the reasons.
//!
//! Pure: looks at what is counted, changes nothing. Everybody sees what concerns their vhosts; the node as a whole, and who failed
//! to log in, is for whoever may monitor. Here is what a finding is and what is found of the node; of queues: `queues`; limits: `reached`.

mod queues;
mod reached;

use broker::{ConnectionState, Door};
use model::Name;
use serde::Serialize;

use super::Api;
use crate::{
    call::Call,
    list,
    login::Right,
    problem::Problem,
    reply::{Answer, Reply},
    world::Usage,
};

/// Queues that are named where the longest are.
const LONGEST: usize = 3;

/// Something that does not go as it should.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Finding {
    /// Its kind, for programs: `memory_alarm`, `growing_queue`, ….
    pub(super) kind: &'static str,
    /// What it is about, for people.
    pub(super) subject: String,
    /// Where that is, if it is in one.
    pub(super) vhost: Option<Name>,
    /// The queue, if it is about one.
    pub(super) queue: Option<Name>,
    /// What is the case, and why.
    pub(super) says: String,
    /// What helps.
    pub(super) fix: String,
}

impl Finding {
    fn of_node(kind: &'static str, subject: impl Into<String>, says: String, fix: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), vhost: None, queue: None, says, fix: fix.into() }
    }
}

/// All of them, those of the node first; or only what concerns the queue of the query (`vhost`, `queue`).
pub(super) fn list(api: &Api, call: &Call) -> Answer {
    let vhosts = api.vhosts(call, usize::MAX)?;
    let mut found = Vec::new();
    let wanted = match (call.query.get("vhost"), call.query.get("queue")) {
        (vhost, Some(queue)) => {
            let vhost = vhost.unwrap_or("/");
            let is_known = vhosts.iter().any(|known| known.as_str() == vhost)
                && api.broker().topology().read().find_queue(vhost, queue).is_some();
            if !is_known {
                return Err(Problem::NotFound);
            }
            Some((vhost, queue))
        }
        _ => None,
    };
    if call.caller.has(Right::Monitoring) {
        found.extend(alarms(api));
        found.extend(held_back(api));
        if wanted.is_none() {
            found.extend(suspended(api));
            found.extend(logins(api));
        }
    }
    found.extend(queues::all(api, &vhosts, wanted));
    if wanted.is_none() {
        found.extend(unroutable(api, &vhosts));
        found.extend(reached::of_vhosts(api, &vhosts));
        if call.caller.has(Right::Monitoring) {
            found.extend(reached::of_users(api));
            found.extend(reached::of_node(api));
        }
    }
    Ok(Reply::values(found.iter().map(|one| (one.subject.clone(), list::to_value(one)))))
}

/// Bytes for people.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    let unit = UNITS.iter().find(|(_, size)| bytes >= *size);
    match unit {
        Some((unit, size)) => {
            let tenths = u128::from(bytes).saturating_mul(10) / u128::from(*size);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}

/// A number of things, in the word's right form.
pub(super) fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

fn connections_in(api: &Api, states: &[ConnectionState]) -> u64 {
    let (alarms, now_ms) = (api.broker().alarms(), api.world().now_ms());
    let all = api.broker().connected();
    let held = all.iter().filter(|one| one.ends.is_some() && states.contains(&one.state(alarms, now_ms)));
    held.count() as u64
}

fn alarms(api: &Api) -> Vec<Finding> {
    let resources = api.broker().alarms().resources();
    if resources.is_empty() {
        return Vec::new();
    }
    let usage: Usage = api.world().usage();
    let blocked = connections_in(api, &[ConnectionState::Blocked, ConnectionState::Blocking]);
    let effect = format!(
        "{} until there is room again; consumers go on",
        count(blocked, "connection that publishes is blocked", "connections that publish are blocked")
    );
    let longest = queues::longest(api, LONGEST);
    let drain = if longest.is_empty() { String::new() } else { format!(" (the longest queues: {longest})") };
    let of = |resource: &str| match resource {
        "memory" => Finding::of_node(
            "memory_alarm",
            "memory",
            format!(
                "The memory alarm is in effect: the node uses {}, and its limit is {}. {effect}.",
                bytes(usage.memory_bytes),
                bytes(usage.memory_bytes_max)
            ),
            format!(
                "Let consumers take what waits, or purge it{drain}; give the node more memory; or raise the limit for now: \
                 rabbitmqctl set_vm_memory_high_watermark 0.8"
            ),
        ),
        _ => Finding::of_node(
            "disk_alarm",
            "disk",
            format!(
                "The disk alarm is in effect: {} are free where the data is, and there should be {}. {effect}.",
                bytes(usage.disk_free_bytes),
                bytes(usage.disk_free_bytes_min)
            ),
            format!(
                "Make room on the disk of {}; let consumers take what waits, or purge it{drain}; or lower the limit for now: \
                 rabbitmqctl set_disk_free_limit 50MB",
                api.identity.data_dir
            ),
        ),
    };
    resources.into_iter().map(of).collect()
}

/// Publishers that are faster than the disk.
fn held_back(api: &Api) -> Option<Finding> {
    let held = connections_in(api, &[ConnectionState::Flow]);
    (held > 0).then(|| {
        let who = count(held, "connection publishes", "connections publish");
        Finding::of_node(
            "disk_behind",
            "disk",
            format!("{who} faster than the disk takes it, and is held back for moments (state: flow)."),
            "Nothing is lost and nothing has to be done. To be faster: a disk with quicker syncs, several publishes per confirm, \
             or transient messages where they may be lost",
        )
    })
}

fn suspended(api: &Api) -> Option<Finding> {
    if api.world().is_open() {
        return None;
    }
    let (kind, says, fix) = if api.world().is_drained() {
        (
            "drained",
            "The node was drained: its clients were sent away, and nobody can connect by AMQP.",
            "rabbitmq-upgrade revive",
        )
    } else {
        (
            "suspended",
            "The listeners are suspended: nobody can connect by AMQP.",
            "rabbitmqctl resume_listeners",
        )
    };
    Some(Finding::of_node(kind, "listeners", says.to_owned(), fix))
}

fn logins(api: &Api) -> Vec<Finding> {
    let failures = api.broker().login_failures();
    let topology = api.broker().topology().read();
    let explain = |one: &broker::Failures| {
        let by = match one.door {
            Door::Amqp => "AMQP",
            Door::Http => "HTTP",
        };
        let times = count(one.count.into(), "time", "times");
        let says = format!("'{}' from {} failed to log in {times}, lately by {by}.", one.user, one.place);
        let user = &one.user;
        let may_enter =
            |user: &Name| topology.vhosts().any(|vhost| topology.permissions(user, &vhost.name).is_some());
        let fix = match topology.user(user) {
            None => format!(
                "There is no such user: rabbitmqctl add_user '{user}', or correct the name in the client"
            ),
            Some(_) if api.broker().is_loopback_user(user) && !one.place.to_canonical().is_loopback() => {
                format!(
                    "'{user}' may log in from this machine only: use another user (add_user), or set loopback_users.{user} = false"
                )
            }
            Some(known) if known.password.is_disabled() => {
                format!("'{user}' has no password: rabbitmqctl change_password '{user}'")
            }
            Some(known) if one.door == Door::Http && known.tags.is_empty() => format!(
                "The HTTP API is for users with a tag: rabbitmqctl set_user_tags '{user}' management; and see whether the password \
                 is right: rabbitmqctl authenticate_user '{user}'"
            ),
            Some(_) if !may_enter(user) => format!(
                "See whether the password is right (rabbitmqctl authenticate_user '{user}'); and '{user}' may enter no virtual host \
                 yet: rabbitmqctl set_permissions -p / '{user}' '.*' '.*' '.*'"
            ),
            Some(_) => format!(
                "The password is wrong: rabbitmqctl authenticate_user '{user}' tries one, rabbitmqctl change_password '{user}' sets \
                 a new one"
            ),
        };
        Finding::of_node("refused_login", format!("user {user}"), says, fix)
    };
    failures.iter().map(explain).collect()
}

/// Exchanges of which messages reached nobody.
fn unroutable(api: &Api, vhosts: &[Name]) -> Vec<Finding> {
    let topology = api.broker().topology().read();
    let mut found = Vec::new();
    for vhost in vhosts {
        for (name, counts) in topology.counted_exchanges(vhost).filter(|(_, counts)| counts.unroutable() > 0)
        {
            let lost = counts.unroutable();
            let says = format!(
                "{} of {} published to it since the node started reached no queue (dropped, or returned).",
                count(lost, "message", "messages"),
                counts.publish_in()
            );
            let is_bound = topology.bindings(vhost).any(|binding| binding.source == name);
            let fix = if name.is_empty() {
                "The default exchange takes the routing key for the name of a queue: declare that queue, or correct the name"
                    .to_owned()
            } else if is_bound {
                format!(
                    "No binding matches their routing keys (or headers): compare with rabbitmqctl list_bindings -p '{vhost}'; publish \
                     with mandatory to be told, or catch them: rabbitmqctl set_policy -p '{vhost}' --apply-to exchanges catch '^{name}$' \
                     '{{\"alternate-exchange\":\"NAME\"}}'"
                )
            } else {
                "Nothing is bound to it: bind a queue, or publish to another exchange".to_owned()
            };
            let subject =
                if name.is_empty() { "the default exchange".to_owned() } else { format!("exchange {name}") };
            found.push(Finding {
                kind: "unroutable",
                subject,
                vhost: Some(vhost.clone()),
                queue: None,
                says,
                fix,
            });
        }
    }
    found
}
