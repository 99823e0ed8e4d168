//! Feature flags: everything is always on.

use serde_json::{Value as Json, json};

use super::lists::{self, Listing};
use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    table::Empty,
    tool::{CTL, DIAGNOSTICS},
};

const PLAIN: Listing = Listing { value: |row, column| row[column].clone(), when_empty: Empty::Line };

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "list_feature_flags",
        CTL | DIAGNOSTICS,
        Group::FeatureFlags,
        "[<column> ...] [--timeout <timeout>]",
        "Lists feature flags",
        list,
    )
    .lists(&["desc", "doc_url", "name", "provided_by", "stability", "state"], &["name", "state"]),
    Command::new(
        "enable_feature_flag",
        CTL,
        Group::FeatureFlags,
        "[--opt-in] <all | feature_flag>",
        "Enables a feature flag, or all: they are on already",
        enable,
    )
    .words(1, 1)
    .options(&[
        Opt::flag("--opt-in", "accepted, and means nothing here"),
        Opt::flag("--experimental", "accepted, and means nothing here"),
    ]),
    Command::new(
        "list_deprecated_features",
        CTL | DIAGNOSTICS,
        Group::FeatureFlags,
        "[--used] [<column> ...]",
        "Lists features that will go",
        list_deprecated,
    )
    .lists(&["deprecation_phase", "desc", "doc_url", "name", "provided_by"], &["name", "deprecation_phase"])
    .options(&[Opt::flag("--used", "only those that are used")]),
    Command::new(
        "check_if_any_deprecated_features_are_used",
        CTL | DIAGNOSTICS,
        Group::Monitoring,
        "[--timeout <timeout>]",
        "Fails if features are used that will go",
        check_deprecated,
    ),
];

fn list(call: &mut Call) -> Result<(), Failure> {
    call.announce("Listing feature flags ...")?;
    let flags = call.get("feature-flags")?;
    lists::show(call, &flags, &PLAIN)
}

fn enable(call: &mut Call) -> Result<(), Failure> {
    let wanted = call.own_word(0);
    match wanted.as_str() {
        "all" => call.announce("Enabling all feature flags ...")?,
        name => call.announce(&format!("Enabling feature flag \"{name}\" ..."))?,
    }
    let flags = call.get("feature-flags?columns=name")?;
    let mut known = flags.as_array().into_iter().flatten().filter_map(|flag| flag["name"].as_str());
    if wanted == "all" || known.any(|name| name == wanted) {
        return Ok(());
    }
    let node = call.node_name()?;
    Err(Failure::not_found(format!("This feature flag is not supported by node {node}")))
}

fn deprecated(call: &mut Call, is_used: bool) -> Result<Json, Failure> {
    call.get(if is_used { "deprecated-features/used" } else { "deprecated-features" })
}

fn list_deprecated(call: &mut Call) -> Result<(), Failure> {
    let is_used = call.has("--used");
    call.announce(if is_used {
        "Listing deprecated features in use ..."
    } else {
        "Listing deprecated features ..."
    })?;
    let features = deprecated(call, is_used)?;
    lists::show(call, &features, &PLAIN)
}

fn check_deprecated(call: &mut Call) -> Result<(), Failure> {
    call.announce("Checking if any deprecated features are used ...")?;
    let used = deprecated(call, true)?;
    let names: Vec<&str> =
        used.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
    call.out.note("used", json!(names));
    if names.is_empty() {
        return call.out.say("Cluster reported no deprecated features in use");
    }
    Err(Failure::unavailable(format!("Deprecated features in use: {}", names.join(", "))))
}
