//! News: what has happened in the node, in the words of RabbitMQ's event exchange.
//!
//! Here it is put into keys and headers. Who hears it is the business of `broker::announce`, what connections do of
//! `client::telling`.

use model::{Message, Name, Table, Value, message::Properties};
use serde_json::Value as Json;

use crate::{
    route::term,
    topology::{
        BindingRecord, ConnectionId, Entry, ExchangeRecord, Fact, PolicySide, QueueRecord, StoredDestination,
        Topology,
    },
};

/// The exchange of the news.
pub(crate) const EXCHANGE: &str = "amq.rabbitmq.event";

/// See the module's documentation.
#[derive(PartialEq, Debug)]
pub(crate) struct News {
    key: &'static str,
    headers: Table,
}

impl News {
    pub(crate) fn new(key: &'static str) -> Self {
        Self { key, headers: Table::default() }
    }

    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.headers.push(field, value);
        self
    }

    pub(crate) fn text(self, field: &str, text: &str) -> Self {
        self.with(field, Value::text(text))
    }

    pub(crate) fn flag(self, field: &str, flag: bool) -> Self {
        self.with(field, Value::Bool(flag))
    }

    pub(crate) fn number(self, field: &str, number: u64) -> Self {
        self.with(field, Value::I64(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    /// As it is published. None if its headers are longer than those of a message can be.
    pub(crate) fn compose(self, by: Option<&str>, now_ms: u64) -> Option<Message> {
        let mut news = self.number("timestamp_in_ms", now_ms);
        if let Some(by) = by {
            news = news.text("user_who_performed_action", by);
        }
        let mut headers = Vec::new();
        news.headers.encode(&mut headers);
        let mut list = Vec::new();
        let properties = Properties {
            raw_headers: Some(&headers),
            delivery_mode: Some(2),
            timestamp: Some(now_ms / 1000),
            ..Properties::default()
        };
        properties.encode(&mut list);
        Message::new(EXCHANGE.as_bytes(), news.key.as_bytes(), &list, &[]).ok()
    }

    /// What became of the exchanges, queues, bindings and vhosts.
    pub(crate) fn of_fact(fact: &Fact, node: &Name) -> Option<Self> {
        Some(match fact {
            Fact::QueueCreated(record) => queue_created(record, node),
            Fact::QueueDeleted(record) => Self::new("queue.deleted")
                .text("name", &record.name)
                .text("vhost", &record.vhost)
                .text("type", record.kind.module()),
            Fact::ExchangeCreated(record) => exchange_created(record),
            Fact::ExchangeDeleted(record) => {
                Self::new("exchange.deleted").text("name", &record.name).text("vhost", &record.vhost)
            }
            Fact::Bound { vhost, binding } => Self::new("binding.created").binding(vhost, binding),
            Fact::Unbound { vhost, binding } => Self::new("binding.deleted").binding(vhost, binding),
            Fact::VhostDeleted { vhost } => Self::new("vhost.deleted").text("name", vhost),
            Fact::VhostCreated { .. }
            | Fact::HistoryDue { .. }
            | Fact::UserChanged { .. }
            | Fact::UserDeleted { .. }
            | Fact::PermissionsChanged { .. }
            | Fact::PoliciesChanged { .. }
            | Fact::ParameterChanged { .. } => return None,
        })
    }

    fn binding(self, vhost: &Name, binding: &BindingRecord) -> Self {
        let kind = match StoredDestination::from(binding.destination_kind) {
            StoredDestination::Queue => "queue",
            StoredDestination::Exchange => "exchange",
        };
        self.text("source_name", &binding.source)
            .text("source_kind", "exchange")
            .text("destination_name", &binding.destination)
            .text("destination_kind", kind)
            .text("routing_key", &binding.routing_key)
            .text("vhost", vhost)
            .with("arguments", arguments(&binding.arguments))
    }

    /// What an entry that is about to be applied changes beside that.
    pub(crate) fn of_entry(topology: &Topology, entry: &Entry) -> Vec<Self> {
        let one = |news| vec![news];
        match entry {
            Entry::SetVhost(settings) if topology.vhost(&settings.name).is_none() => {
                let kind = topology.default_queue_type(settings);
                one(Self::new("vhost.created")
                    .text("name", &settings.name)
                    .text("description", &settings.description)
                    .with("tags", names(&settings.tags))
                    .text("default_queue_type", kind.name())
                    .flag("tracing", settings.tracing))
            }
            Entry::SetVhostLimits { vhost, limits } => {
                let news = Self::limits("vhost.limits", serde_json::to_value(limits));
                one(news.text("vhost", vhost))
            }
            Entry::SetUserLimits { user, limits } => {
                let news = Self::limits("user.limits", serde_json::to_value(limits));
                one(news.text("username", user))
            }
            Entry::SetUser { name, tags, .. } => {
                let is_new = topology.user(name).is_none();
                let key = if is_new { "user.created" } else { "user.password.changed" };
                let tags_set = Self::new("user.tags.set").text("name", name).with("tags", names(tags));
                vec![Self::new(key).text("name", name), tags_set]
            }
            Entry::DeleteUser { name } => one(Self::new("user.deleted").text("name", name)),
            Entry::SetPermissions { .. }
            | Entry::ClearPermissions { .. }
            | Entry::SetTopicPermissions { .. }
            | Entry::ClearTopicPermissions { .. } => Self::of_permissions(entry).into_iter().collect(),
            Entry::SetPolicy { vhost, policy, .. } => one(Self::new("policy.set")
                .text("name", &policy.name)
                .text("vhost", vhost)
                .text("pattern", &policy.pattern)
                .text("apply-to", policy.apply_to.name())
                .with("priority", Value::I64(policy.priority))
                .with("definition", value(&Json::Object(policy.definition.clone())))),
            Entry::ClearPolicy { vhost, side, name } => {
                let key = match side {
                    PolicySide::User => "policy.cleared",
                    PolicySide::Operator => "operator.policy.cleared",
                };
                one(Self::new(key).text("name", name).text("vhost", vhost))
            }
            Entry::SetParameter { vhost, component, name, value } => {
                one(Self::parameter("parameter.set", component, name)
                    .text("vhost", vhost)
                    .with("value", self::value(value)))
            }
            Entry::ClearParameter { vhost, component, name } => {
                one(Self::parameter("parameter.cleared", component, name).text("vhost", vhost))
            }
            Entry::SetGlobalParameter { name, value } => {
                one(Self::parameter("parameter.set", "global", name).with("value", self::value(value)))
            }
            Entry::ClearGlobalParameter { name } => one(Self::parameter("parameter.cleared", "global", name)),
            Entry::Started
            | Entry::SetVhost(_)
            | Entry::DeleteVhost { .. }
            | Entry::CreateExchange { .. }
            | Entry::DeleteExchange { .. }
            | Entry::CreateQueue { .. }
            | Entry::DeleteQueue { .. }
            | Entry::Bind { .. }
            | Entry::Unbind { .. } => Vec::new(),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other entries are of_entry's")]
    fn of_permissions(entry: &Entry) -> Option<Self> {
        let (news, user, vhost) = match entry {
            Entry::SetPermissions { user, vhost, patterns } => {
                let news = Self::new("permission.created").text("configure", &patterns.configure);
                (news.text("write", &patterns.write).text("read", &patterns.read), user, vhost)
            }
            Entry::ClearPermissions { user, vhost } => (Self::new("permission.deleted"), user, vhost),
            Entry::SetTopicPermissions { user, vhost, exchange, patterns } => {
                let news = Self::new("topic.permission.created").text("exchange", exchange);
                (news.text("write", &patterns.write).text("read", &patterns.read), user, vhost)
            }
            Entry::ClearTopicPermissions { user, vhost, exchange } => {
                let news = Self::new("topic.permission.deleted");
                let news = exchange.iter().fold(news, |news, exchange| news.text("exchange", exchange));
                (news, user, vhost)
            }
            _ => return None,
        };
        Some(news.text("user", user).text("vhost", vhost))
    }

    fn parameter(key: &'static str, component: &str, name: &Name) -> Self {
        Self::new(key).text("component", component).text("name", name)
    }

    /// RabbitMQ writes the names of limits with dashes.
    fn limits(what: &'static str, limits: serde_json::Result<Json>) -> Self {
        let limits = limits.ok().and_then(|limits| limits.as_object().cloned()).unwrap_or_default();
        let key = match (what, limits.is_empty()) {
            ("vhost.limits", false) => "vhost.limits.set",
            ("vhost.limits", true) => "vhost.limits.cleared",
            (_, false) => "user.limits.set",
            (_, true) => "user.limits.cleared",
        };
        let news = Self::new(key).text("name", "limits");
        limits.iter().fold(news, |news, (limit, number)| news.with(&limit.replace('_', "-"), value(number)))
    }
}

/// What a connection is called where RabbitMQ names its process.
pub(crate) fn pid(node: &Name, connection: ConnectionId) -> String {
    format!("<{node}.0.{}.0>", connection.0)
}

fn queue_created(record: &QueueRecord, node: &Name) -> News {
    let owner = record.exclusive_owner.map_or_else(String::new, |owner| pid(node, owner));
    News::new("queue.created")
        .text("name", &record.name)
        .text("vhost", &record.vhost)
        .text("type", record.kind.module())
        .flag("durable", record.durable)
        .flag("auto_delete", record.auto_delete)
        .flag("exclusive", record.exclusive_owner.is_some())
        .text("owner_pid", &owner)
        .text("leader", node)
        .with("members", names(std::slice::from_ref(node)))
        .with("arguments", arguments(&record.raw_arguments))
}

fn exchange_created(record: &ExchangeRecord) -> News {
    News::new("exchange.created")
        .text("name", &record.name)
        .text("vhost", &record.vhost)
        .text("type", record.kind.name())
        .flag("durable", record.durable)
        .flag("auto_delete", record.auto_delete)
        .flag("internal", record.internal)
        .with("arguments", arguments(&record.arguments))
}

fn names(names: &[Name]) -> Value {
    Value::Array(names.iter().map(|name| Value::text(name)).collect())
}

/// RabbitMQ tells of arguments as they are printed, one by one.
pub(crate) fn arguments(arguments: &Table) -> Value {
    let printed = arguments.0.iter().map(|(name, value)| {
        let name = term::binary(name.as_bytes());
        Value::text(&format!("{{{name},{},{}}}", value.type_word(), term::value(value)))
    });
    Value::Array(printed.collect())
}

/// What JSON says, as a field.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Void,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => {
            number.as_i64().map(Value::I64).unwrap_or_else(|| Value::F64(number.as_f64().unwrap_or_default()))
        }
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::Array(items.iter().map(value).collect()),
        Json::Object(fields) => {
            let mut table = Table::default();
            for (name, field) in fields {
                table.0.extend(Name::parse(name).ok().map(|name| (name, value(field))));
            }
            Value::Table(table)
        }
    }
}
