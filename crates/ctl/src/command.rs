//! What a command is: its name, whose it is, what it takes, what it shows, and what it does.

use crate::{call::Call, failure::Failure, tool::Tools};

/// Carries a command out.
pub(crate) type Run = fn(&mut Call) -> Result<(), Failure>;

/// One command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// The tools that have it.
    pub(crate) tools: Tools,
    pub(crate) group: Group,
    /// What stands behind the name in the usage.
    pub(crate) usage: &'static str,
    /// What it does, in a sentence.
    pub(crate) summary: &'static str,
    /// How many arguments it takes, at least and at most.
    pub(crate) words: (usize, usize),
    pub(crate) options: &'static [Opt],
    /// The columns that can be asked for; without `chosen`, the ones that are shown.
    pub(crate) columns: &'static [&'static str],
    /// The columns without a wish. Empty: the arguments are not columns.
    pub(crate) chosen: &'static [&'static str],
    pub(crate) run: Run,
}

/// An option of a command, beside those that all of them have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt {
    /// With its two dashes.
    pub(crate) long: &'static str,
    /// With its dash, if there is one.
    pub(crate) short: Option<&'static str>,
    /// What stands for its value; none: it takes none.
    pub(crate) value: Option<&'static str>,
    pub(crate) meaning: &'static str,
}

impl Opt {
    pub(crate) const fn flag(long: &'static str, meaning: &'static str) -> Self {
        Self { long, short: None, value: None, meaning }
    }

    pub(crate) const fn value(long: &'static str, value: &'static str, meaning: &'static str) -> Self {
        Self { long, short: None, value: Some(value), meaning }
    }

    pub(crate) const fn short(mut self, short: &'static str) -> Self {
        self.short = Some(short);
        self
    }
}

/// The heading under which a command is listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    Help,
    Harefoot,
    Nodes,
    Cluster,
    Replication,
    Users,
    AccessControl,
    Monitoring,
    Parameters,
    Policies,
    VirtualHosts,
    Queues,
    Operations,
    FeatureFlags,
    Configuration,
    Definitions,
    Plugins,
    Upgrade,
    Streams,
    OtherProtocols,
    Other,
    Deprecated,
}

impl Group {
    pub(crate) const ALL: [Self; 22] = [
        Self::Help,
        Self::Harefoot,
        Self::Nodes,
        Self::Cluster,
        Self::Replication,
        Self::Users,
        Self::AccessControl,
        Self::Monitoring,
        Self::Parameters,
        Self::Policies,
        Self::VirtualHosts,
        Self::Queues,
        Self::Operations,
        Self::FeatureFlags,
        Self::Configuration,
        Self::Definitions,
        Self::Plugins,
        Self::Upgrade,
        Self::Streams,
        Self::OtherProtocols,
        Self::Other,
        Self::Deprecated,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Help => "Help",
            Self::Harefoot => "Harefoot's own",
            Self::Nodes => "Nodes",
            Self::Cluster => "Cluster",
            Self::Replication => "Replication",
            Self::Users => "Users",
            Self::AccessControl => "Access Control",
            Self::Monitoring => "Monitoring, observability and health checks",
            Self::Parameters => "Parameters",
            Self::Policies => "Policies",
            Self::VirtualHosts => "Virtual hosts",
            Self::Queues => "Queues",
            Self::Operations => "Operations",
            Self::FeatureFlags => "Feature flags",
            Self::Configuration => "Configuration and Environment",
            Self::Definitions => "Definitions",
            Self::Plugins => "Plugin Management",
            Self::Upgrade => "Upgrade",
            Self::Streams => "Streams",
            Self::OtherProtocols => "MQTT and STOMP",
            Self::Other => "Other",
            Self::Deprecated => "Deprecated",
        }
    }
}

impl Command {
    pub(crate) const fn new(
        name: &'static str,
        tools: Tools,
        group: Group,
        usage: &'static str,
        summary: &'static str,
        run: Run,
    ) -> Self {
        let (words, options, columns, chosen) = ((0, 0), &[], &[], &[]);
        // `harefoot ctl` has every command.
        let tools = tools | crate::tool::HAREFOOT;
        Self { name, tools, group, usage, summary, words, options, columns, chosen, run }
    }

    pub(crate) const fn words(mut self, min: usize, max: usize) -> Self {
        self.words = (min, max);
        self
    }

    pub(crate) const fn options(mut self, options: &'static [Opt]) -> Self {
        self.options = options;
        self
    }

    /// It shows these columns, always.
    pub(crate) const fn shows(mut self, columns: &'static [&'static str]) -> Self {
        self.columns = columns;
        self
    }

    /// Its arguments are columns out of these; without any it shows the chosen ones.
    pub(crate) const fn lists(
        mut self,
        columns: &'static [&'static str],
        chosen: &'static [&'static str],
    ) -> Self {
        self.columns = columns;
        self.chosen = chosen;
        self.words = (0, usize::MAX);
        self
    }

    /// Whether a tool has it.
    pub(crate) const fn is_of(&self, tools: Tools) -> bool {
        self.tools & tools != 0
    }
}
