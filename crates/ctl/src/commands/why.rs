//! What does not go as it should, why, and what helps.

use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group},
    failure::Failure,
    node::path,
    term::tame,
};

const NOTHING: &str = "Nothing stands out: no alarm, nobody is held back, no queue grows or is left alone, consumers keep up, \
                       everything published reached a queue, nobody failed to log in.\n";

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "why",
    0,
    Group::Harefoot,
    "[--vhost <vhost>] [<queue>]",
    "Says what does not go as it should, why, and what helps: blocked publishers, growing queues, deliveries that nobody acknowledges, messages that reach no queue, refused logins",
    why,
)
.words(0, 1)];

fn why(call: &mut Call) -> Result<(), Failure> {
    let (vhost, queue) = (call.vhost(), call.line.words.first().cloned());
    let at = match &queue {
        Some(queue) => format!("harefoot/why?vhost={}&queue={}", path(&[&vhost]), path(&[queue])),
        None => "harefoot/why".to_owned(),
    };
    let found = call.find(&at)?.ok_or_else(|| Failure::not_found("Queue not found"))?;
    let mut findings: Vec<Json> = found.as_array().cloned().unwrap_or_default();
    if call.has("--vhost") && queue.is_none() {
        findings.retain(|one| one["vhost"].is_null() || one["vhost"] == vhost.as_str());
    }
    let mut text = String::new();
    for one in &findings {
        let said = |key: &str| tame(one[key].as_str().unwrap_or_default());
        let place = match one["vhost"].as_str() {
            Some(vhost) if vhost != "/" && one["queue"].is_string() => format!(" in vhost {}", tame(vhost)),
            _ => String::new(),
        };
        let heading = call.out.heading(&format!("{}{place}", said("subject")));
        text.push_str(&format!("{heading}: {}\n    -> {}\n", said("says"), said("fix")));
    }
    if findings.is_empty() {
        text.push_str(match queue {
            Some(_) => "Nothing stands out with this queue.\n",
            None => NOTHING,
        });
    }
    call.out.object(json!(findings), &text)
}
