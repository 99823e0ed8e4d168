//! How the program ends when it does not end well: one sentence, and a code of its own for each kind of trouble.
//!
//! The codes are those of `sysexits.h` where it has one, as RabbitMQ's tools use them. `docs/operations/configuration.md`
//! lists them.

use std::{net::SocketAddr, path::PathBuf};

use crate::{config, data_folder, tls};

/// Why the node did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] config::Problems),
    #[error(transparent)]
    ConfigFile(#[from] config::source::Fault),
    #[error(transparent)]
    Tls(#[from] tls::Fault),
    #[error(transparent)]
    DataFolder(#[from] data_folder::Fault),
    #[error("{address} is in use by another program: stop it, or choose another address with --listen")]
    PortBusy { address: SocketAddr },
    #[error(
        "the data in {} has format {found}, and this version knows formats up to {known}: start a newer version",
        data_dir.display()
    )]
    NewerFormat { data_dir: PathBuf, found: u32, known: u32 },
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// What a wrong command line ends with (`EX_USAGE`).
pub(crate) const USAGE: u8 = 64;

/// What the node ends with when its log can no longer be written (`EX_IOERR`).
pub(crate) const STORAGE: u8 = 74;

impl Failure {
    /// The code that the program ends with.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::PortBusy { .. } => 69,
            Self::Other(_) => 70,
            Self::DataFolder(data_folder::Fault::Locked { .. }) => 75,
            Self::DataFolder(_) => 73,
            Self::NewerFormat { .. } => 76,
            Self::Config(_) | Self::ConfigFile(_) | Self::Tls(_) => 78,
        }
    }
}
