//! From command line, environment, file and defaults to [`Settings`]: which source wins, and nothing of the world.
//!
//! ```text
//! command line  >  environment  >  file  >  default
//! ```
//!
//! Everything here is a function of texts; `config::source` is the one that opens files. Invariant: either a whole
//! [`Settings`] comes out, or every problem of every source at once.

pub(crate) mod describe;
mod draft;
mod foreign;
mod http_keys;
mod key;
mod lines;
pub(crate) mod metadata;
mod metadata_keys;
mod nearest;
pub(crate) mod problem;
pub(crate) mod said;
pub(crate) mod settings;
pub(crate) mod source;
mod table;
pub(crate) mod tls;
mod tls_keys;
pub(crate) mod value;

use std::{collections::HashMap, path::Path};

pub(crate) use problem::{Problem, Problems};
pub(crate) use settings::Settings;

use self::{
    draft::Draft,
    foreign::Verdict,
    lines::Line,
    problem::{Fault, Notice, Origin, Warning},
    settings::{AMQP_PORT, Listen},
};
use crate::{arguments::ServeArguments, environment::Environment};

/// A configuration file, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

/// The settings that the sources add up to.
pub(crate) fn resolve(
    arguments: &ServeArguments,
    environment: &Environment,
    file: Option<File<'_>>,
    hostname: &str,
) -> Result<Settings, Problems> {
    let mut draft = Draft::new(Settings::defaults(hostname));
    let mut problems = environment.problems.clone();
    if let Some(file) = file {
        draft.settings.config_files.push(file.path.to_owned());
        problems.append(&mut read_file(&mut draft, file.text));
    }
    let (mut settings, mut undecidable) = draft.finish();
    problems.append(&mut undecidable);
    apply_environment(&mut settings, environment, hostname);
    apply_arguments(&mut settings, arguments);
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(Problems { file: file.map(|file| file.path.to_owned()), problems })
    }
}

/// Puts what a file says into the draft; returns what is wrong with it, by line.
fn read_file(draft: &mut Draft, text: &str) -> Vec<Problem> {
    let parsed = lines::parse(text);
    let mut problems = parsed.problems;
    draft.settings.warnings.extend(parsed.warnings);
    let mut seen: HashMap<String, u32> = HashMap::new();
    for line in &parsed.lines {
        draft.at = Origin::Line(line.number);
        let key = line.key();
        if let Err(fault) = apply_line(draft, line) {
            problems.push(Problem { origin: draft.at.clone(), fault });
        }
        if let Some(before) = seen.insert(key.clone(), line.number) {
            draft.warn(Notice::SetAgain { key, before });
        }
    }
    problems.sort_by_key(|problem| match problem.origin {
        Origin::Line(number) => number,
        Origin::Variable(_) => 0,
    });
    problems
}

fn apply_line(draft: &mut Draft, line: &Line) -> Result<(), Fault> {
    let known = table::keys().find_map(|key| key.matches(&line.words).map(|part| (key, part)));
    if let Some((key, part)) = known {
        return key.apply(draft, part, line);
    }
    let key = line.key();
    match foreign::verdict(&line.words) {
        Some(Verdict::NoEffect(reason)) => {
            draft.warn(Notice::NoEffect { key, reason });
            Ok(())
        }
        Some(Verdict::Refused { unless, .. }) if unless.contains(&line.value.as_str()) => Ok(()),
        Some(Verdict::Refused { reason, .. }) => Err(Fault::Refused { key, reason }),
        None => Err(Fault::UnknownKey { nearest: nearest_key(line), key }),
    }
}

/// The key that may have been meant; a `$` part is compared as the operator wrote it.
fn nearest_key(line: &Line) -> Option<String> {
    let patterns = table::keys()
        .map(|key| key.name)
        .chain(foreign::ROWS.iter().flat_map(|(patterns, _)| *patterns).copied())
        .filter(|pattern| !pattern.ends_with("**"));
    let known: Vec<String> = patterns
        .map(|pattern| {
            let words =
                pattern.split('.').enumerate().map(|(position, own)| match line.words.get(position) {
                    Some(word) if own.starts_with('$') => word.as_str(),
                    _ => own,
                });
            words.collect::<Vec<_>>().join(".")
        })
        .collect();
    nearest::nearest(&line.key(), known.iter().map(String::as_str)).map(str::to_owned)
}

fn apply_environment(settings: &mut Settings, environment: &Environment, hostname: &str) {
    settings.warnings.extend(environment.warnings.iter().cloned());
    if let Some(folder) = &environment.data_dir {
        settings.data_dir.clone_from(folder);
    }
    settings.pid_file.clone_from(&environment.pid_file);
    if let Some(name) = &environment.default_user {
        settings.first_user.name = name.clone();
    }
    if let Some(password) = &environment.default_pass {
        settings.first_user.password = password.clone();
    }
    if let Some(vhost) = &environment.default_vhost {
        settings.first_user.vhost = vhost.clone();
    }
    if let Some(name) = &environment.node_name {
        settings.node_name = if name.contains('@') { name.clone() } else { format!("{name}@{hostname}") };
    }
    let addresses = &mut settings.listeners.amqp;
    match (environment.node_ip_address, environment.node_port) {
        (Some(ip), port) => *addresses = Listen::on((ip, port.unwrap_or(AMQP_PORT)).into()),
        (None, Some(port)) if addresses.is_empty() => *addresses = Listen::loopback(port),
        // A port alone must not open the node to other hosts: the addresses stay.
        (None, Some(port)) => {
            addresses.iter_mut().for_each(|listen| listen.address.set_port(port));
            *addresses = draft::distinct(std::mem::take(addresses));
        }
        (None, None) => {}
    }
}

fn apply_arguments(settings: &mut Settings, arguments: &ServeArguments) {
    if let Some(folder) = &arguments.data_dir {
        settings.data_dir.clone_from(folder);
    }
    if !arguments.listen.is_empty() {
        let all = arguments.listen.iter().flat_map(|addresses| addresses.0.iter().copied());
        settings.listeners.amqp = draft::distinct(all.collect());
    }
    if let Some(addresses) = &arguments.management_listen {
        settings.listeners.management.clone_from(&addresses.0);
    }
    if let Some(addresses) = &arguments.metrics_listen {
        settings.listeners.metrics.clone_from(&addresses.0);
    }
}

/// A warning of something that a variable says.
pub(crate) fn variable_warning(name: &str, reason: &'static str) -> Warning {
    Warning { origin: Origin::Variable(name.to_owned()), notice: Notice::NoEffectVariable(reason) }
}

#[cfg(test)]
mod tests;
