//! `/api/bindings`.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use broker::topology::BindingRecord;
use model::{
    Name, SessionCommand,
    command::{Binding, Destination},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};

use super::Api;
use crate::{
    arguments,
    call::{Call, Object, name},
    conversation::Conversation,
    problem::Problem,
    reply::{Answer, Reply},
};

/// What a properties key is written with.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

pub(super) fn show(vhost: &Name, binding: &BindingRecord) -> Json {
    json!({
        "source": binding.source.as_str(),
        "vhost": vhost.as_str(),
        "destination": binding.destination.as_str(),
        "destination_type": word(binding.destination_kind),
        "routing_key": binding.routing_key.as_str(),
        "arguments": arguments::to_json(&binding.arguments),
        "properties_key": properties_key(binding),
    })
}

pub(super) fn word(kind: Destination) -> &'static str {
    match kind {
        Destination::Queue => "queue",
        Destination::Exchange => "exchange",
    }
}

/// What names a binding among those with the same ends: the quoted routing key, and a hash of the arguments if there are
/// any. For clients it is opaque; RabbitMQ's hash is another one.
fn properties_key(binding: &BindingRecord) -> String {
    let key = utf8_percent_encode(&binding.routing_key, QUOTED).to_string().replace("%20", "+");
    if binding.arguments.is_empty() {
        return if key.is_empty() { "~".to_owned() } else { key };
    }
    let mut bytes = Vec::new();
    binding.arguments.encode_fields(&mut bytes);
    // FNV-1a
    let hash =
        bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("{key}~{}", BASE64_URL_SAFE_NO_PAD.encode(hash.to_be_bytes()))
}

/// All bindings of the vhosts that are wanted, the implicit ones first.
fn rows(api: &Api, vhosts: &[Name], is_wanted: impl Fn(&BindingRecord) -> bool) -> Answer {
    let topology = api.broker().topology().read();
    let mut rows = Vec::new();
    for vhost in vhosts {
        let implicit = topology.default_bindings(vhost).filter(&is_wanted);
        rows.extend(implicit.map(|binding| (String::new(), show(vhost, &binding))));
        let explicit = topology.bindings(vhost).filter(|binding| is_wanted(binding));
        rows.extend(explicit.map(|binding| (binding.source.to_string(), show(vhost, binding))));
    }
    Ok(Reply::values(rows))
}

pub(super) fn list(api: &Api, call: &Call) -> Answer {
    rows(api, &api.vhosts(call, 1)?, |_| true)
}

pub(super) fn from_exchange(api: &Api, call: &Call) -> Answer {
    let (vhost, exchange) = existing_exchange(api, call)?;
    rows(api, &[vhost], |binding| binding.source == exchange)
}

pub(super) fn to_exchange(api: &Api, call: &Call) -> Answer {
    let (vhost, exchange) = existing_exchange(api, call)?;
    rows(api, &[vhost], |binding| {
        binding.destination_kind == Destination::Exchange && binding.destination == exchange
    })
}

fn existing_exchange(api: &Api, call: &Call) -> Result<(Name, Name), Problem> {
    let (vhost, exchange) = (api.vhost(call, 1)?, call.exchange(2)?);
    if !exchange.is_empty() && api.broker().topology().read().exchange(&vhost, &exchange).is_err() {
        return Err(Problem::NotFound);
    }
    Ok((vhost, exchange))
}

pub(super) fn to_queue(api: &Api, call: &Call) -> Answer {
    let vhost = api.vhost(call, 1)?;
    if api.broker().topology().read().find_queue(&vhost, call.part(2)).is_none() {
        return Err(Problem::NotFound);
    }
    rows(api, &[vhost], |binding| {
        binding.destination_kind == Destination::Queue && binding.destination.as_str() == call.part(2)
    })
}

/// The two ends that a path names: `/V/e/S/q/D`.
struct Ends {
    vhost: Name,
    source: Name,
    kind: Destination,
    destination: Name,
}

impl Ends {
    fn of(api: &Api, call: &Call) -> Result<Self, Problem> {
        let kind = if call.part(4) == "q" { Destination::Queue } else { Destination::Exchange };
        let destination = if kind == Destination::Queue { call.name(5)? } else { call.exchange(5)? };
        Ok(Self { vhost: api.vhost(call, 1)?, source: call.exchange(3)?, kind, destination })
    }

    fn are_of(&self, binding: &BindingRecord) -> bool {
        binding.source == self.source
            && binding.destination_kind == self.kind
            && binding.destination == self.destination
    }

    /// The binding of this properties key.
    fn find(&self, api: &Api, key: &str) -> Result<BindingRecord, Problem> {
        let topology = api.broker().topology().read();
        let is_wanted = |binding: &BindingRecord| self.are_of(binding) && properties_key(binding) == key;
        let explicit = topology.bindings(&self.vhost).find(|binding| is_wanted(binding));
        let found = explicit.map(|binding| (**binding).clone());
        found.or_else(|| topology.default_bindings(&self.vhost).find(is_wanted)).ok_or(Problem::NotFound)
    }
}

pub(super) fn between(api: &Api, call: &Call) -> Answer {
    let ends = Ends::of(api, call)?;
    rows(api, std::slice::from_ref(&ends.vhost), |binding| ends.are_of(binding))
}

pub(super) fn one(api: &Api, call: &Call) -> Answer {
    let ends = Ends::of(api, call)?;
    let binding = ends.find(api, call.part(6))?;
    Ok(Reply::Object(show(&ends.vhost, &binding)))
}

pub(super) fn bind(api: &Api, call: &Call) -> Answer {
    let (ends, body) = (Ends::of(api, call)?, call.object()?);
    let wish = Binding {
        source: ends.source.clone(),
        destination_kind: ends.kind,
        destination: ends.destination.clone(),
        routing_key: name(body.text("routing_key")?.unwrap_or_default())?,
        nowait: false,
        arguments: arguments::from_json(&body.map("arguments")?)?,
    };
    let mut conversation = Conversation::open(api, &call.caller, &ends.vhost)?;
    conversation.ask(SessionCommand::Bind(wish.clone()))?;
    let topology = api.broker().topology().read();
    let made = topology.bindings(&ends.vhost).find(|binding| {
        ends.are_of(binding)
            && binding.routing_key == wish.routing_key
            && binding.arguments.0.len() == wish.arguments.0.len()
            && wish.arguments.iter().all(|(name, value)| binding.arguments.get(name) == Some(value))
    });
    let key = made.map(|binding| properties_key(binding)).unwrap_or_default();
    let quote = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC_BUT_MARKS).to_string();
    Ok(Reply::Created(Some(format!("{}/{}", quote(&ends.destination), quote(&key)))))
}

/// What may stand in a path as it is.
const NON_ALPHANUMERIC_BUT_MARKS: &AsciiSet = &QUOTED.remove(b'~');

pub(super) fn unbind(api: &Api, call: &Call) -> Answer {
    let ends = Ends::of(api, call)?;
    let binding = ends.find(api, call.part(6))?;
    let wish = Binding {
        source: ends.source,
        destination_kind: ends.kind,
        destination: ends.destination,
        routing_key: binding.routing_key,
        nowait: false,
        arguments: binding.arguments,
    };
    let mut conversation = Conversation::open(api, &call.caller, &ends.vhost)?;
    conversation.ask(SessionCommand::Unbind(wish))?;
    Ok(Reply::Done)
}

/// The binding of definitions.
pub(super) fn of_definitions(body: &Object) -> Result<Binding, Problem> {
    body.require(&["source", "destination", "destination_type"])?;
    let text = |key| Ok::<_, Problem>(body.text(key)?.unwrap_or_default());
    let destination_kind = match text("destination_type")? {
        "queue" => Destination::Queue,
        "exchange" => Destination::Exchange,
        other => return Err(Problem::Bad(format!("unknown destination_type: {other}"))),
    };
    Ok(Binding {
        source: name(text("source")?)?,
        destination_kind,
        destination: name(text("destination")?)?,
        routing_key: name(text("routing_key")?)?,
        nowait: false,
        arguments: arguments::from_json(&body.map("arguments")?)?,
    })
}
