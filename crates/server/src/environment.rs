//! The environment variables that are read: our own, and those of RabbitMQ's images.
//!
//! An empty variable counts as none, as compose files leave them. Variables which are not known are left alone: a
//! cluster's service discovery puts many of the same beginning into every container. Invariant: no text of a password
//! leaves here but in a [`Secret`].

use std::{
    ffi::{OsStr, OsString},
    net::IpAddr,
    path::PathBuf,
};

use model::{Name, Secret};

use crate::config::{
    Problem,
    problem::{Fault, Origin, Warning},
    value, variable_warning,
};

/// What the variables say.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) default_user: Option<Name>,
    pub(crate) default_pass: Option<Secret>,
    pub(crate) default_vhost: Option<Name>,
    pub(crate) node_port: Option<u16>,
    pub(crate) node_ip_address: Option<IpAddr>,
    pub(crate) node_name: Option<String>,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Warning>,
}

/// The variables that have an effect, with what they set; for `--describe` and the document.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    ("HAREFOOT_DATA_DIR", "the data folder, as `--data-dir` and `harefoot.data_dir`"),
    ("RABBITMQ_CONFIG_FILE", "the configuration file, with or without its `.conf`, as `--config`"),
    ("RABBITMQ_DEFAULT_USER", "`default_user`"),
    ("RABBITMQ_DEFAULT_PASS", "`default_pass`"),
    ("RABBITMQ_DEFAULT_VHOST", "`default_vhost`"),
    ("RABBITMQ_NODE_PORT", "the port of AMQP; the addresses stay as they are"),
    ("RABBITMQ_NODE_IP_ADDRESS", "the address to listen on for AMQP; `0.0.0.0` or `::` for all"),
    ("RABBITMQ_NODENAME", "the node's name, `rabbit@host`"),
    ("RABBITMQ_PID_FILE", "where the process id is written too, for `rabbitmqctl wait`"),
];

const ELSEWHERE: &str = "Harefoot keeps everything in its data folder";
const STDERR: &str = "logs go to the standard error output";
const NO_ERLANG: &str = "there is no Erlang beneath";
const NO_PLUGINS: &str = "there are no plugins to switch on";
const TLS: &str = "certificates are not taken from variables, and connections would be open to be read; set `listeners.ssl.default` and `ssl_options.*`, or `management.ssl.*`, in a configuration file";

/// Variables of RabbitMQ without effect.
const IGNORED: &[(&str, &str)] = &[
    ("RABBITMQ_ADVANCED_CONFIG_FILE", NO_ERLANG),
    ("RABBITMQ_CONFIG_FILES", "only one configuration file is read; name it with RABBITMQ_CONFIG_FILE"),
    ("RABBITMQ_CONF_ENV_FILE", "set the variables themselves"),
    ("RABBITMQ_CTL_ERL_ARGS", NO_ERLANG),
    ("RABBITMQ_DIST_PORT", "this is a single node"),
    ("RABBITMQ_ENABLED_PLUGINS", NO_PLUGINS),
    ("RABBITMQ_ENABLED_PLUGINS_FILE", NO_PLUGINS),
    ("RABBITMQ_ERLANG_COOKIE", NO_ERLANG),
    ("RABBITMQ_FEATURE_FLAGS", "every feature is always on"),
    ("RABBITMQ_LOGS", STDERR),
    ("RABBITMQ_LOG_BASE", STDERR),
    ("RABBITMQ_MNESIA_BASE", ELSEWHERE),
    ("RABBITMQ_MNESIA_DIR", ELSEWHERE),
    ("RABBITMQ_PLUGINS_DIR", NO_PLUGINS),
    ("RABBITMQ_PLUGINS_EXPAND_DIR", NO_PLUGINS),
    ("RABBITMQ_QUORUM_DIR", ELSEWHERE),
    ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", NO_ERLANG),
    ("RABBITMQ_SERVER_ERL_ARGS", NO_ERLANG),
    ("RABBITMQ_STREAM_DIR", ELSEWHERE),
    ("RABBITMQ_USE_LONGNAME", "this is a single node"),
    ("RABBITMQ_VM_MEMORY_HIGH_WATERMARK", "set vm_memory_high_watermark.relative in a configuration file"),
];

/// Variables of RabbitMQ's older images that ask for what must not be missing silently.
const REFUSED: &[(&str, &str)] = &[
    ("RABBITMQ_SSL_CACERTFILE", TLS),
    ("RABBITMQ_SSL_CERTFILE", TLS),
    ("RABBITMQ_SSL_KEYFILE", TLS),
    ("RABBITMQ_SSL_VERIFY", TLS),
    ("RABBITMQ_SSL_FAIL_IF_NO_PEER_CERT", TLS),
    ("RABBITMQ_MANAGEMENT_SSL_CACERTFILE", TLS),
    ("RABBITMQ_MANAGEMENT_SSL_CERTFILE", TLS),
    ("RABBITMQ_MANAGEMENT_SSL_KEYFILE", TLS),
    ("RABBITMQ_DEFAULT_USER_FILE", "users' names are not read from files; set RABBITMQ_DEFAULT_USER"),
    ("RABBITMQ_DEFAULT_PASS_FILE", "passwords are not read from files; set default_pass in a guarded file"),
];

impl Environment {
    /// Reads the variables of interest and leaves the rest.
    pub(crate) fn parse(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut known: Vec<(String, OsString)> = variables
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, value)| name.into_string().ok().map(|name| (name, value)))
            .filter(|(name, _)| name.starts_with("RABBITMQ_") || name.starts_with("HAREFOOT_"))
            .collect();
        known.sort();
        let mut environment = Self::default();
        for (name, value) in known {
            if let Err(fault) = environment.put(&name, &value) {
                environment.problems.push(Problem { origin: Origin::Variable(name), fault });
            }
        }
        environment
    }

    fn put(&mut self, name: &str, value: &OsStr) -> Result<(), Fault> {
        match name {
            "HAREFOOT_DATA_DIR" => self.data_dir = Some(value.into()),
            "RABBITMQ_CONFIG_FILE" => self.config_file = Some(value.into()),
            "RABBITMQ_DEFAULT_USER" => self.default_user = Some(name_of(value)?),
            "RABBITMQ_DEFAULT_VHOST" => self.default_vhost = Some(name_of(value)?),
            "RABBITMQ_DEFAULT_PASS" => self.default_pass = Some(Secret::new(text(value)?)),
            "RABBITMQ_NODE_PORT" => {
                let port = value::integer(text(value)?).and_then(|port| u16::try_from(port).ok());
                self.node_port = Some(port.ok_or(Fault::WrongVariable("a port from 0 to 65535"))?);
            }
            "RABBITMQ_NODE_IP_ADDRESS" => {
                let ip = text(value)?.trim_matches(['[', ']']).parse();
                self.node_ip_address = Some(ip.map_err(|_| Fault::WrongVariable("an IP address"))?);
            }
            "RABBITMQ_PID_FILE" => self.pid_file = Some(value.into()),
            "RABBITMQ_NODENAME" => self.node_name = Some(node_name(text(value)?)?),
            _ => {
                let row = |rows: &[(&str, &'static str)]| {
                    rows.iter().find(|(known, _)| *known == name).map(|(_, reason)| *reason)
                };
                if let Some(reason) = row(REFUSED) {
                    return Err(Fault::RefusedVariable(reason));
                }
                self.warnings.extend(row(IGNORED).map(|reason| variable_warning(name, reason)));
            }
        }
        Ok(())
    }
}

fn text(value: &OsStr) -> Result<&str, Fault> {
    value.to_str().ok_or(Fault::WrongVariable("UTF-8"))
}

fn name_of(value: &OsStr) -> Result<Name, Fault> {
    Name::parse(text(value)?).map_err(|_| Fault::WrongVariable("a name of 1 to 255 bytes"))
}

/// `name@host`, or a name alone, which RabbitMQ completes with the host; the same is done here.
fn node_name(text: &str) -> Result<String, Fault> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
    };
    let (name, host) = text.split_once('@').unwrap_or((text, "localhost"));
    if text.len() > 255 || !is_word(name) || !is_word(host) {
        return Err(Fault::WrongVariable("a node's name such as rabbit@host"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
