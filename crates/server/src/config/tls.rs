//! What a listener with TLS is told: files, versions, ciphers, and what becomes of clients' certificates.
//!
//! RabbitMQ has the same keys in several families (`ssl_options`, `management.ssl`, …); here each is a [`Draft`] that
//! becomes a [`Tls`] when all of the file is read. Not here: the rows of the table (`tls_keys`), and what is in the files
//! (`crate::tls`). Invariant: that nobody looks at the certificates of clients is never silent.

use std::{collections::BTreeMap, path::PathBuf};

use model::Secret;

use super::{
    draft::Rank,
    problem::{Fault, Notice, Origin, Problem, Warning},
};

/// RabbitMQ (Erlang): so many certificates may stand between that of a client and the authority.
const DEPTH_DEFAULT: usize = 10;
/// The versions of TLS that exist here, the best first.
pub(crate) const VERSIONS: [(&str, Version); 2] = [("tlsv1.3", Version::Tls13), ("tlsv1.2", Version::Tls12)];
/// The cipher suites that exist here: OpenSSL's names, as RabbitMQ's files have them.
pub(crate) const CIPHERS: [&str; 9] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

/// TLS as a listener is to speak it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The family of keys, for texts.
    pub(crate) family: &'static str,
    pub(crate) certfile: PathBuf,
    pub(crate) keyfile: PathBuf,
    /// Of the private key, if that is encrypted.
    pub(crate) password: Option<Secret>,
    /// The authorities that vouch for clients, and what may be missing in the node's own chain.
    pub(crate) cacertfile: Option<PathBuf>,
    pub(crate) clients: ClientCertificates,
    /// Certificates that may stand between that of a client and the authority.
    pub(crate) depth: usize,
    /// Never empty.
    pub(crate) versions: Vec<Version>,
    /// Names of [`CIPHERS`], in the order of preference; empty for all of them.
    pub(crate) ciphers: Vec<&'static str>,
    /// Whether the node's order of ciphers counts, not the client's.
    pub(crate) own_order: bool,
}

/// What becomes of the certificates of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientCertificates {
    /// Nobody asks for them.
    Unasked,
    /// A client may come without; with one it has to be right.
    IfGiven,
    /// None comes in without.
    Required,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Tls12,
    Tls13,
}

/// Where the name of a user stands in a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoginFrom {
    pub(crate) part: CertificatePart,
    /// Which of the alternative names of the kind, from 0.
    pub(crate) san_index: usize,
    pub(crate) san_kind: SanKind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CertificatePart {
    #[default]
    Subject,
    CommonName,
    Alternative,
}

/// A kind of subject alternative name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SanKind {
    #[default]
    Dns,
    Ip,
    Email,
    Uri,
    Other,
}

/// What a file has said of one family of keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    /// Where it was spoken of first.
    pub(crate) at: Option<Origin>,
    pub(crate) certfile: Option<PathBuf>,
    pub(crate) keyfile: Option<PathBuf>,
    pub(crate) password: Option<Secret>,
    pub(crate) cacertfile: Option<PathBuf>,
    pub(crate) is_verified: Option<bool>,
    pub(crate) is_required: bool,
    pub(crate) depth: Option<u64>,
    pub(crate) versions: BTreeMap<Rank, String>,
    pub(crate) ciphers: BTreeMap<Rank, String>,
    pub(crate) own_order: bool,
}

impl Draft {
    /// What it adds up to, for the listener that was asked for at `origin`.
    pub(crate) fn decide(
        &self,
        family: &'static str,
        origin: &Origin,
        warnings: &mut Vec<Warning>,
    ) -> Result<Tls, Problem> {
        let wrong = |fault| Problem { origin: self.at.clone().unwrap_or_else(|| origin.clone()), fault };
        let missing = |key| wrong(Fault::TlsMissing { family, key });
        let certfile = self.certfile.clone().ok_or_else(|| missing("certfile"))?;
        let keyfile = self.keyfile.clone().ok_or_else(|| missing("keyfile"))?;
        let mut warn = |notice| {
            let origin = self.at.clone().unwrap_or_else(|| origin.clone());
            warnings.push(Warning { origin, notice });
        };
        let clients = match (self.is_verified, &self.cacertfile, self.is_required) {
            (Some(true), None, _) => return Err(missing("cacertfile")),
            (Some(true), Some(_), true) => ClientCertificates::Required,
            // Without a word RabbitMQ would look at nothing.
            (Some(true) | None, Some(_), false) => ClientCertificates::IfGiven,
            (Some(false) | None, _, true) => return Err(wrong(Fault::TlsRequiredUnverified { family })),
            (Some(false), _, false) => {
                warn(Notice::ClientsUnverified { family });
                ClientCertificates::Unasked
            }
            (None, None, false) => ClientCertificates::Unasked,
        };
        let versions = self.versions(&mut warn).ok_or_else(|| wrong(Fault::TlsNoVersion { family }))?;
        let ciphers =
            self.ciphers(&versions, &mut warn).ok_or_else(|| wrong(Fault::TlsNoCipher { family }))?;
        Ok(Tls {
            family,
            certfile,
            keyfile,
            password: self.password.clone(),
            cacertfile: self.cacertfile.clone(),
            clients,
            depth: self.depth.map_or(DEPTH_DEFAULT, |depth| usize::try_from(depth).unwrap_or(DEPTH_DEFAULT)),
            versions,
            ciphers,
            own_order: self.own_order,
        })
    }

    /// None if only versions were asked for that do not exist here.
    fn versions(&self, warn: &mut impl FnMut(Notice)) -> Option<Vec<Version>> {
        if self.versions.is_empty() {
            return Some(VERSIONS.iter().map(|(_, version)| *version).collect());
        }
        let mut found = Vec::new();
        for name in self.versions.values() {
            match VERSIONS.iter().find(|(known, _)| known == name) {
                Some((_, version)) if !found.contains(version) => found.push(*version),
                Some(_) => {}
                None => warn(Notice::TlsVersionLeftOut(name.clone())),
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// None if no cipher would be left for one of the versions.
    fn ciphers(&self, versions: &[Version], warn: &mut impl FnMut(Notice)) -> Option<Vec<&'static str>> {
        let mut found = Vec::new();
        for name in self.ciphers.values() {
            match CIPHERS.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                Some(known) if !found.contains(known) => found.push(*known),
                Some(_) => {}
                None => warn(Notice::CipherLeftOut(name.clone())),
            }
        }
        let is_served = |version: &Version| {
            found.iter().any(|name| name.starts_with("TLS_") == (*version == Version::Tls13))
        };
        (self.ciphers.is_empty() || versions.iter().any(is_served)).then_some(found)
    }
}
