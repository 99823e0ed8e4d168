//! Which tool the program is called as.

use std::{ffi::OsStr, path::Path};

/// One of the names of the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tool {
    /// `harefoot ctl`: every command of all of them.
    Harefoot,
    /// `rabbitmqctl`
    Ctl,
    /// `rabbitmq-diagnostics`
    Diagnostics,
    /// `rabbitmq-queues`
    Queues,
    /// `rabbitmq-streams`
    Streams,
    /// `rabbitmq-plugins`
    Plugins,
    /// `rabbitmq-upgrade`
    Upgrade,
}

/// A set of tools.
pub(crate) type Tools = u8;

pub(crate) const HAREFOOT: Tools = 1;
pub(crate) const CTL: Tools = 1 << 1;
pub(crate) const DIAGNOSTICS: Tools = 1 << 2;
pub(crate) const QUEUES: Tools = 1 << 3;
pub(crate) const STREAMS: Tools = 1 << 4;
pub(crate) const PLUGINS: Tools = 1 << 5;
pub(crate) const UPGRADE: Tools = 1 << 6;

impl Tool {
    /// All of RabbitMQ's.
    pub(crate) const OF_RABBITMQ: [Self; 6] =
        [Self::Ctl, Self::Diagnostics, Self::Queues, Self::Streams, Self::Plugins, Self::Upgrade];

    /// The tool whose name the program was called by, if it is one of RabbitMQ's.
    pub fn from_program(program: &OsStr) -> Option<Self> {
        let name = Path::new(program).file_name()?.to_str()?;
        Self::OF_RABBITMQ.into_iter().find(|tool| tool.name() == name)
    }

    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Harefoot => "harefoot ctl",
            Self::Ctl => "rabbitmqctl",
            Self::Diagnostics => "rabbitmq-diagnostics",
            Self::Queues => "rabbitmq-queues",
            Self::Streams => "rabbitmq-streams",
            Self::Plugins => "rabbitmq-plugins",
            Self::Upgrade => "rabbitmq-upgrade",
        }
    }

    pub(crate) fn bit(self) -> Tools {
        match self {
            Self::Harefoot => HAREFOOT,
            Self::Ctl => CTL,
            Self::Diagnostics => DIAGNOSTICS,
            Self::Queues => QUEUES,
            Self::Streams => STREAMS,
            Self::Plugins => PLUGINS,
            Self::Upgrade => UPGRADE,
        }
    }
}
