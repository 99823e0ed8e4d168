//! Definitions coming in: planned on a copy of what there is, applied only if all of it can be.

use broker::{
    access::password::HashAlgorithm,
    topology::{ConnectionId, Declared, Entry, Fact, Invalid, Meta, VhostSettings},
};
use model::{Name, Refusal};

use super::{
    Api, Call, Json, NOT_EXPORTED, Policy, PolicySide, Reply, Topology, VhostLimits, bindings, limits,
    parameters, permissions, policies, users, vhosts,
};
use crate::{
    api::{exchanges, queues},
    call::{Object, name, pairs},
    conversation::reason,
    problem::Problem,
    reply::Answer,
};

/// Nobody: what is imported belongs to no connection.
const NOBODY: ConnectionId = ConnectionId(0);
/// RabbitMQ's own exchanges and queues for federation, which make themselves anew where there is any.
const FEDERATION_TYPE: &str = "x-federation-upstream";
const FEDERATION_PREFIX: &str = "federation: ";

pub(in crate::api) fn import(api: &Api, call: &Call) -> Answer {
    carry_out(api, call, None)
}

pub(in crate::api) fn import_into_vhost(api: &Api, call: &Call) -> Answer {
    let vhost = api.vhost(call, 1)?;
    carry_out(api, call, Some(vhost))
}

fn carry_out(api: &Api, call: &Call, vhost: Option<Name>) -> Answer {
    take_in(api, Some(&call.caller.user), &call.uploaded()?, vhost)?;
    Ok(Reply::Done)
}

/// Applies all of it, or nothing, in the name of a user if one has asked for it.
pub(in crate::api) fn take_in(
    api: &Api,
    user: Option<&Name>,
    body: &Object,
    vhost: Option<Name>,
) -> Result<(), Problem> {
    let plan = |topology: &Topology| Plan::of(api, user, topology, body, vhost);
    let position = api.broker().change_all(user, api.world().now_ms(), plan)?;
    api.broker().wait_durable(position);
    Ok(())
}

/// What is to be applied, and what it comes to.
struct Plan<'a> {
    api: &'a Api,
    /// Who asked for it.
    user: Option<&'a Name>,
    topology: Topology,
    entries: Vec<Entry>,
    /// Where everything goes, if it does not go where it says.
    vhost: Option<Name>,
    facts: Vec<Fact>,
    /// By what passwords were hashed, if it is not said.
    hashed_by: HashAlgorithm,
}

/// What of a list is being looked at, for texts.
struct Item<'a> {
    what: &'static str,
    body: &'a Object,
}

impl Item<'_> {
    fn wrong(&self, reason: impl std::fmt::Display) -> Problem {
        let name =
            ["name", "user", "destination"].iter().find_map(|key| self.body.get(key)).and_then(Json::as_str);
        Problem::Bad(format!(
            "{} '{}': {reason}; nothing was imported",
            self.what,
            name.unwrap_or("(no name)")
        ))
    }

    fn problem(&self, problem: Problem) -> Problem {
        match problem {
            Problem::Bad(reason) | Problem::NotAuthorised(reason) | Problem::Missing(reason) => {
                self.wrong(reason)
            }
            other => other,
        }
    }

    fn name(&self, key: &str) -> Result<Name, Problem> {
        let text = self.body.text(key).map_err(|problem| self.problem(problem))?;
        let text = text.ok_or_else(|| self.wrong(format_args!("missing key: {key}")))?;
        name(text).map_err(|problem| self.problem(problem))
    }
}

/// RabbitMQ: files from before 3.6 do not say by what passwords were hashed.
fn hashed_by(body: &Object) -> HashAlgorithm {
    let version = ["rabbitmq_version", "rabbit_version"].iter().find_map(|key| body.get(key)?.as_str());
    let minor = version.and_then(|version| version.strip_prefix("3.")?.split_once('.'));
    match minor {
        Some(("0" | "1" | "2" | "3" | "4" | "5", _)) => HashAlgorithm::Md5,
        _ => HashAlgorithm::Sha256,
    }
}

type Step<'a> = fn(&mut Plan<'a>, &Item<'_>) -> Result<(), Problem>;

impl<'a> Plan<'a> {
    /// In RabbitMQ's order: what comes later may need what came before.
    fn of(
        api: &'a Api,
        user: Option<&'a Name>,
        now: &Topology,
        body: &Object,
        vhost: Option<Name>,
    ) -> Result<Vec<Entry>, Problem> {
        let topology = now.trial().map_err(|_| Problem::Internal)?;
        let (entries, facts, hashed_by) = (Vec::new(), Vec::new(), hashed_by(body));
        let mut plan = Self { api, user, topology, entries, vhost, facts, hashed_by };
        let lists: [(&'static str, &'static str, Step<'a>); 10] = [
            ("users", "user", Plan::user),
            ("vhosts", "vhost", Plan::vhost),
            ("permissions", "permissions of", Plan::permissions),
            ("topic_permissions", "topic permissions of", Plan::topic_permissions),
            ("parameters", "parameter", Plan::parameter),
            ("global_parameters", "global parameter", Plan::global_parameter),
            ("policies", "policy", Plan::policy),
            ("queues", "queue", Plan::queue),
            ("exchanges", "exchange", Plan::exchange),
            ("bindings", "binding to", Plan::binding),
        ];
        for (key, what, step) in lists {
            let Some(items) = body.get(key) else { continue };
            let items = items.as_array().ok_or_else(|| Problem::Bad(format!("{key} should be a list")))?;
            for item in items {
                let map =
                    pairs(item).ok_or_else(|| Problem::Bad(format!("{key} should be a list of objects")))?;
                let object = Object(map);
                step(&mut plan, &Item { what, body: &object })?;
            }
        }
        Ok(plan.entries)
    }

    fn add(&mut self, entry: Entry) {
        self.topology.apply(Meta::default(), entry.clone(), &mut self.facts);
        self.facts.clear();
        self.entries.push(entry);
    }

    fn try_add(&mut self, item: &Item<'_>, entry: Result<Entry, Invalid>) -> Result<(), Problem> {
        self.add(entry.map_err(|invalid| item.wrong(invalid))?);
        Ok(())
    }

    fn refused(&self, item: &Item<'_>, refusal: &Refusal) -> Problem {
        let (_, text) = self.api.explain(refusal);
        item.wrong(reason(&text))
    }

    /// Where an item goes. It must be there, or come with the same file.
    fn place(&self, item: &Item<'_>) -> Result<Name, Problem> {
        let vhost = match &self.vhost {
            Some(vhost) => vhost.clone(),
            None => item.name("vhost")?,
        };
        if !self.topology.vhosts().any(|settings| settings.name == vhost) {
            return Err(item.wrong(format_args!("vhost '{vhost}' does not exist")));
        }
        Ok(vhost)
    }

    fn user(&mut self, item: &Item<'_>) -> Result<(), Problem> {
        let user = item.name("name")?;
        let password = users::password(self.api, item.body, self.hashed_by);
        let password = password.map_err(|problem| item.problem(problem))?;
        let tags = vhosts::tags(item.body, "tags").map_err(|problem| item.problem(problem))?;
        let entry = self.topology.set_user(&user, password, tags);
        self.try_add(item, entry)?;
        let map = item.body.map("limits").map_err(|problem| item.problem(problem))?;
        let wanted = limits::user_limits(&map).map_err(|problem| item.problem(problem))?;
        let entry = self.topology.set_user_limits(&user, wanted);
        self.try_add(item, entry)
    }

    fn vhost(&mut self, item: &Item<'_>) -> Result<(), Problem> {
        let vhost = item.name("name")?;
        let known = self.topology.vhosts().find(|settings| settings.name == vhost).cloned();
        let known = known.unwrap_or_else(|| VhostSettings::new(vhost.clone()));
        // RabbitMQ's command line has it all under `metadata`.
        let mut body = item.body.map("metadata").map_err(|problem| item.problem(problem))?;
        body.extend(item.body.0.clone());
        let settings = vhosts::settings(known, &Object(body)).map_err(|problem| item.problem(problem))?;
        let granted = vhosts::grant_maker(&self.topology, self.user, &vhost);
        let entry = self.topology.set_vhost(settings);
        self.try_add(item, entry)?;
        if let Some(entry) = granted {
            self.add(entry);
        }
        let map = item.body.map("limits").map_err(|problem| item.problem(problem))?;
        if !map.is_empty() {
            let wanted = limits::vhost_limits(&map).map_err(|problem| item.problem(problem))?;
            let entry = self.topology.set_vhost_limits(&vhost, wanted);
            self.try_add(item, entry)?;
        }
        Ok(())
    }

    fn permissions(&mut self, item: &Item<'_>) -> Result<(), Problem> {
        let (user, vhost) = (item.name("user")?, self.place(item)?);
        let patterns = permissions::patterns(item.body).map_err(|problem| item.problem(problem))?;
        let entry = self.topology.set_permissions(&user, &vhost, patterns);
        self.try_add(item, entry)
    }

    fn topic_permissions(&mut self, item: &Item<'_>) -> Result<(), Problem> {
        let (user, vhost) = (item.name("user")?, self.place(item)?);
        let (exchange, patterns) =
            permissions::topic_patterns(item.body).map_err(|problem| item.problem(problem))?;
        let entry = self.topology.set_topic_permissions(&user, &vhost, &exchange, patterns);
        self.try_add(item, entry)
    }

    fn parameter(&mut self, item: &Item<'_>) -> Result<(), Problem> {
        let (component, parameter, vhost) = (item.name("component")?, item.name("name")?, self.place(item)?);
        let entry = match component.as_str() {
            "vhost-limits" => {
                let map = item.body.map("value").map_err(|problem| item.problem(problem))?;
                let wanted = limits::vhost_limits(&map).map_err(|problem| item.problem(problem))?;
                if wanted == VhostLimits::default() {
                    return Ok(());
                }
                self.topology.set_vhost_limits(&vhost, wanted)
            }
            "operator_policy" => {
                let map = item.body.map("value").map_err(|problem| item.problem(problem))?;
                let policy = self.read_policy(item, parameter, Object(map))?;
                self.topology.set_policy(&vhost, PolicySide::Operator, policy)
            }
            other => {
                parameters::check_component(other).map_err(|problem| item.problem(problem))?;
                let value = item.body.0.get("value").cloned().unwrap_or_default();
                self.topology.set_parameter(&vhost, &component, &parameter, value)
            }
        };
        self.try_add(item, entry)
    }

    fn global_parameter(&mut self, item: &Item<'_>) -> Result<(), Problem> {
        let parameter = item.name("name")?;
        if parameter.as_str() == NOT_EXPORTED {
            return Ok(());
        }
        let value = item.body.0.get("value").cloned().unwrap_or_default();
        let entry = self.topology.set_global_parameter(&parameter, value);
        self.try_add(item, entry)
    }

    fn read_policy(&self, item: &Item<'_>, name: Name, body: Object) -> Result<Policy, Problem> {
        let mut body = body;
        if let Some(definition) = body.get("definition").and_then(pairs) {
            body.0.insert("definition".to_owned(), Json::Object(definition));
        }
        policies::policy(name, &body).map_err(|problem| item.problem(problem))
    }

    fn policy(&mut self, item: &Item<'_>) -> Result<(), Problem> {
        let (policy, vhost) = (item.name("name")?, self.place(item)?);
        let policy = self.read_policy(item, policy, item.body.clone())?;
        let entry = self.topology.set_policy(&vhost, PolicySide::User, policy);
        self.try_add(item, entry)
    }

    fn queue(&mut self, item: &Item<'_>) -> Result<(), Problem> {
        let (queue, vhost) = (item.name("name")?, self.place(item)?);
        let is_there = self.topology.find_queue(&vhost, &queue).is_some();
        if is_there || queue.starts_with(FEDERATION_PREFIX) {
            return Ok(());
        }
        let wish = queues::declaration(queue, item.body, true).map_err(|problem| item.problem(problem))?;
        // A name of the broker's own making is in files too.
        let is_server_named = wish.queue.starts_with("amq.");
        match self.topology.declare_queue(&vhost, &wish, NOBODY, is_server_named) {
            Ok(Declared::Create(entry)) => self.add(entry),
            Ok(Declared::Exists(_)) => {}
            Err(refusal) => return Err(self.refused(item, &refusal)),
        }
        Ok(())
    }

    fn exchange(&mut self, item: &Item<'_>) -> Result<(), Problem> {
        let (exchange, vhost) = (item.name("name")?, self.place(item)?);
        let is_own = exchange.is_empty() || exchange.starts_with("amq.");
        if is_own
            || item.body.text("type").ok().flatten() == Some(FEDERATION_TYPE)
            || self.topology.exchange(&vhost, &exchange).is_ok()
        {
            return Ok(());
        }
        let wish = exchanges::declaration(exchange, item.body).map_err(|problem| item.problem(problem))?;
        match self.topology.declare_exchange(&vhost, &wish) {
            Ok(entry) => entry.into_iter().for_each(|entry| self.add(entry)),
            Err(refusal) => return Err(self.refused(item, &refusal)),
        }
        Ok(())
    }

    fn binding(&mut self, item: &Item<'_>) -> Result<(), Problem> {
        let vhost = self.place(item)?;
        let wish = bindings::of_definitions(item.body).map_err(|problem| item.problem(problem))?;
        let is_of_federation =
            [&wish.source, &wish.destination].iter().any(|end| end.starts_with(FEDERATION_PREFIX));
        if wish.source.is_empty() || is_of_federation {
            return Ok(());
        }
        match self.topology.bind(&vhost, &wish, NOBODY) {
            Ok(entry) => entry.into_iter().for_each(|entry| self.add(entry)),
            Err(refusal) => return Err(self.refused(item, &refusal)),
        }
        Ok(())
    }
}
