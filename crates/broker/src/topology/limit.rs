//! Limits of vhosts and users, as numbers; None means no limit.

use serde::{Deserialize, Serialize};

/// What a vhost may hold.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VhostLimits {
    /// Connections at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u64>,
    /// Queues at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_queues: Option<u64>,
}

/// What a user may hold.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserLimits {
    /// Connections at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u64>,
    /// Channels at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_channels: Option<u64>,
}
