//! Who said what: every setting of the table, its value as it would be written in a file, and the source that it comes from.
//!
//! For people who look at a running node. Which source wins is decided in `config`; here it is told, from the same texts. No value
//! of a secret leaves here.

use super::{
    File, Settings,
    key::{Key, Kind},
    lines::{self, Line},
    settings::Listen,
    table,
};
use crate::{arguments::ServeArguments, environment::Environment};

/// A setting and where its value was said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    /// As it is written in a file; a variable's name where a file has no key for it.
    pub(crate) key: String,
    /// None: nobody said anything, the default holds.
    pub(crate) value: Option<String>,
    pub(crate) source: &'static str,
    /// The file and line, the variable, the option.
    pub(crate) place: Option<String>,
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

/// What stands for a secret.
const HIDDEN: &str = "(not shown)";

/// All of them, in the order of the table: each that was said, and of the others the default.
pub(crate) fn all(
    arguments: &ServeArguments,
    environment: &Environment,
    file: Option<File<'_>>,
    settings: &Settings,
) -> Vec<Said> {
    let mut said = file.map(in_file).unwrap_or_default();
    for (keys, key, value, source, place) in above(arguments, environment, settings) {
        said.retain(|one| !keys.iter().any(|beaten| one.key.starts_with(beaten)));
        said.push(of_source(key, value, source, place));
    }
    let mut all = Vec::new();
    for key in table::keys() {
        let before = all.len();
        let words: Vec<&str> = key.name.split('.').collect();
        said.retain(|one| {
            let is_its = is_of(&words, &one.key);
            if is_its {
                all.push(Said { default: key.default, meaning: key.help, ..one.clone() });
            }
            !is_its
        });
        if all.len() == before {
            all.push(Said {
                key: key.name.to_owned(),
                value: None,
                source: "default",
                place: None,
                default: key.default,
                meaning: key.help,
            });
        }
    }
    all.append(&mut said);
    all
}

fn is_of(words: &[&str], key: &str) -> bool {
    let mut own = key.split('.');
    words.iter().all(|word| own.next().is_some_and(|other| word.starts_with('$') || *word == other))
        && own.next().is_none()
}

/// The lines of a file that have an effect; of a key that was said twice the last.
fn in_file(file: File<'_>) -> Vec<Said> {
    let mut said: Vec<Said> = Vec::new();
    for line in &lines::parse(file.text).lines {
        let Some(key) = table::keys().find(|key| key.matches(&line.words).is_some()) else { continue };
        said.retain(|one| one.key != line.key());
        said.push(Said {
            key: line.key(),
            value: Some(shown(key, line)),
            source: "file",
            place: Some(format!("{}:{}", file.path.display(), line.number)),
            default: key.default,
            meaning: key.help,
        });
    }
    said
}

fn shown(key: &Key, line: &Line) -> String {
    if matches!(key.kind, Kind::Secret { .. }) { HIDDEN.to_owned() } else { line.value.clone() }
}

fn of_source(key: &str, value: String, source: &'static str, place: &str) -> Said {
    let place = Some(place.to_owned());
    Said { key: key.to_owned(), value: Some(value), source, place, default: "", meaning: "" }
}

/// The keys (by what they begin with) that lose, the key that stands for it, its value, and who said it.
type Above<'a> = (&'static [&'static str], &'a str, String, &'static str, &'static str);

const AMQP: &[&str] = &["listeners.tcp"];
const FOLDER: &[&str] = &["harefoot.data_dir"];

/// What outranks a file, the weakest first.
fn above<'a>(arguments: &ServeArguments, environment: &Environment, settings: &Settings) -> Vec<Above<'a>> {
    let all = in_environment(environment, settings).into_iter().chain(in_arguments(arguments, settings));
    let mut all: Vec<Above<'a>> = all.filter_map(|(is_said, above)| is_said.then_some(above)).collect();
    let files: Vec<String> = settings.config_files.iter().map(|file| file.display().to_string()).collect();
    let named = match (&arguments.config, &environment.config_file) {
        (Some(_), _) => Some(("command line", "--config")),
        (None, Some(_)) => Some(("environment", "RABBITMQ_CONFIG_FILE")),
        (None, None) => None,
    };
    let config = named.map(|(source, place)| -> Above<'a> {
        (&[], "RABBITMQ_CONFIG_FILE", files.join(", "), source, place)
    });
    all.extend(config);
    all
}

fn in_environment<'a>(environment: &Environment, settings: &Settings) -> [(bool, Above<'a>); 8] {
    let (first, amqp) = (&settings.first_user, addresses(&settings.listeners.amqp));
    let pid_file = environment.pid_file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    let folder = settings.data_dir.display().to_string();
    let listen = "listeners.tcp.default";
    let row = |keys, key, value, variable| (keys, key, value, "environment", variable);
    [
        (environment.data_dir.is_some(), row(FOLDER, "harefoot.data_dir", folder, "HAREFOOT_DATA_DIR")),
        (
            environment.default_user.is_some(),
            row(&["default_user"], "default_user", first.name.to_string(), "RABBITMQ_DEFAULT_USER"),
        ),
        (
            environment.default_pass.is_some(),
            row(&["default_pass"], "default_pass", HIDDEN.to_owned(), "RABBITMQ_DEFAULT_PASS"),
        ),
        (
            environment.default_vhost.is_some(),
            row(&["default_vhost"], "default_vhost", first.vhost.to_string(), "RABBITMQ_DEFAULT_VHOST"),
        ),
        (
            environment.node_name.is_some(),
            row(&[], "RABBITMQ_NODENAME", settings.node_name.clone(), "RABBITMQ_NODENAME"),
        ),
        (environment.pid_file.is_some(), row(&[], "RABBITMQ_PID_FILE", pid_file, "RABBITMQ_PID_FILE")),
        (environment.node_port.is_some(), row(AMQP, listen, amqp.clone(), "RABBITMQ_NODE_PORT")),
        (environment.node_ip_address.is_some(), row(AMQP, listen, amqp, "RABBITMQ_NODE_IP_ADDRESS")),
    ]
}

fn in_arguments<'a>(arguments: &ServeArguments, settings: &Settings) -> [(bool, Above<'a>); 4] {
    const HTTP: &[&str] = &["management.tcp.", "management.listener."];
    const METRICS: &[&str] = &["prometheus.tcp."];
    let row = |keys, key, value, option| (keys, key, value, "command line", option);
    let folder = settings.data_dir.display().to_string();
    let amqp = addresses(&settings.listeners.amqp);
    let http = addresses(&settings.listeners.management);
    let metrics = addresses(&settings.listeners.metrics);
    [
        (arguments.data_dir.is_some(), row(FOLDER, "harefoot.data_dir", folder, "--data-dir")),
        (!arguments.listen.is_empty(), row(AMQP, "listeners.tcp.default", amqp, "--listen")),
        (
            arguments.management_listen.is_some(),
            row(HTTP, "management.tcp.port", http, "--management-listen"),
        ),
        (
            arguments.metrics_listen.is_some(),
            row(METRICS, "prometheus.tcp.port", metrics, "--metrics-listen"),
        ),
    ]
}

fn addresses(listens: &[Listen]) -> String {
    if listens.is_empty() {
        return "none".to_owned();
    }
    listens.iter().map(|listen| listen.address.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::resolve;

    fn said(text: &str, variables: &[(&str, &str)], arguments: &ServeArguments) -> Vec<Said> {
        let environment =
            Environment::parse(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let file = Some(File { path: Path::new("x.conf"), text });
        let settings = resolve(arguments, &environment, file, "host").unwrap();
        all(arguments, &environment, file, &settings)
    }

    fn of(all: &[Said], key: &str) -> (String, &'static str, String) {
        let one = all.iter().find(|one| one.key == key).unwrap_or_else(|| panic!("no {key}"));
        let default = || one.default.to_owned();
        (one.value.clone().unwrap_or_else(default), one.source, one.place.clone().unwrap_or_default())
    }

    fn row(value: &str, source: &'static str, place: &str) -> (String, &'static str, String) {
        (value.to_owned(), source, place.to_owned())
    }

    #[test]
    fn every_key_is_there_with_who_said_it() {
        let all = said(
            "heartbeat = 30\nheartbeat = 20\ndefault_pass = geheim\nlisteners.tcp.a = 1\n",
            &[],
            &ServeArguments::default(),
        );
        assert_eq!(of(&all, "heartbeat"), row("20", "file", "x.conf:2"));
        assert_eq!(of(&all, "default_pass"), row(HIDDEN, "file", "x.conf:3"));
        assert_eq!(of(&all, "listeners.tcp.a"), row("1", "file", "x.conf:4"));
        assert_eq!(of(&all, "max_message_size").1, "default");
        assert!(all.iter().all(|one| one.value.as_deref() != Some("geheim")));
        assert!(
            table::keys()
                .all(|key| all.iter().any(|one| is_of(&key.name.split('.').collect::<Vec<_>>(), &one.key)))
        );
    }

    #[test]
    fn what_outranks_a_file_stands_in_its_place() {
        let folder = ServeArguments { data_dir: Some("b".into()), ..ServeArguments::default() };
        let text = "listeners.tcp.a = 1\nharefoot.data_dir = a\ndefault_user = file\n";
        let all = said(text, &[("RABBITMQ_NODE_PORT", "7"), ("RABBITMQ_DEFAULT_USER", "eve")], &folder);
        assert_eq!(of(&all, "harefoot.data_dir"), row("b", "command line", "--data-dir"));
        assert_eq!(of(&all, "default_user"), row("eve", "environment", "RABBITMQ_DEFAULT_USER"));
        assert_eq!(of(&all, "listeners.tcp.default").2, "RABBITMQ_NODE_PORT");
        assert!(!all.iter().any(|one| one.key == "listeners.tcp.a"));
    }
}
