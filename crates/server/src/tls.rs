//! TLS before a listener: files in, [`Gate`] out, and the same again when the files change.
//!
//! A gate is made before anything else of the node, so that a wrong file stops the start. Later it looks now and then
//! whether its files have changed; what cannot be used then is told in the log, and the old certificate stays. Who is
//! connected is not touched either way. Not here: sockets (`listener`, `http`), the keys of the file (`config::tls`).

mod certificate;
mod files;
mod handshake;
mod subject;
mod suite;
mod verifier;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::RwLock;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use self::{
    certificate::Certificate,
    files::{Stamp, read_certificates, read_key},
    verifier::Bounded,
};
pub(crate) use self::{certificate::Expiry, handshake::protection, subject::user_name, suite::cipher_suites};
use crate::config::tls::{ClientCertificates, Tls, Version};

/// How often it is looked whether files have changed.
const LOOK: Duration = Duration::from_secs(5);

/// Why TLS cannot be spoken as asked. No sentence shows anything of a key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("cannot read {}, which `{key}` names: {source}", path.display())]
    Unreadable { key: String, path: PathBuf, source: std::io::Error },
    #[error("{}, which `{key}` names, is larger than any certificate or key", path.display())]
    TooLarge { key: String, path: PathBuf },
    #[error("{}, which `{key}` names, holds no certificate as PEM", path.display())]
    NoCertificate { key: String, path: PathBuf },
    #[error("{}, which `{key}` names, holds a certificate that cannot be read: {reason}", path.display())]
    Certificate { key: String, path: PathBuf, reason: String },
    #[error("the certificate `{subject}` in {} has expired on {since}: put a new one there, with its key", path.display())]
    Expired { path: PathBuf, subject: String, since: String },
    #[error("the certificate `{subject}` in {} is not valid before {from}: look at the clock of this machine", path.display())]
    NotYetValid { path: PathBuf, subject: String, from: String },
    #[error("{} holds no private key as PEM that can be used (PKCS#8, PKCS#1 or SEC1)", path.display())]
    NoKey { path: PathBuf },
    #[error("the private key in {} is encrypted: `{family}.password` has to say its password", path.display())]
    KeyEncrypted { path: PathBuf, family: &'static str },
    #[error("the private key in {} cannot be decrypted: `{family}.password` is wrong, or the form of encryption is unknown", path.display())]
    KeyPassword { path: PathBuf, family: &'static str },
    #[error("the private key in {} is encrypted in the old way: `openssl pkcs8 -topk8` makes one that can be used", path.display())]
    KeyOldEncryption { path: PathBuf },
    #[error("the private key in {} does not belong to the certificate in {}", keyfile.display(), certfile.display())]
    Mismatch { certfile: PathBuf, keyfile: PathBuf },
    #[error("the certificate in {} and the key in {} cannot be used: {reason}", certfile.display(), keyfile.display())]
    Unusable { certfile: PathBuf, keyfile: PathBuf, reason: String },
}

/// TLS as one kind of listener speaks it. The certificate in it may change.
#[derive(Debug)]
pub(crate) struct Gate {
    settings: Tls,
    timeout: Duration,
    now: RwLock<Held>,
}

/// What the files held when they were read.
#[derive(Debug)]
struct Held {
    config: Arc<ServerConfig>,
    stamp: Stamp,
    /// Of the node's own chain.
    chain: Vec<Expiry>,
    authorities: Vec<Expiry>,
}

impl Gate {
    /// Reads the files. Whoever knocks has `timeout` for the handshake.
    ///
    /// # Errors
    /// If a file cannot be used, or what is in them does not fit together.
    pub(crate) fn open(settings: &Tls, timeout: Duration) -> Result<Self, Fault> {
        let held = read(settings)?;
        Ok(Self { settings: settings.clone(), timeout, now: RwLock::new(held) })
    }

    /// What the next handshake is done with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.now.read().config))
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn certfile(&self) -> &Path {
        &self.settings.certfile
    }

    pub(crate) fn cacertfile(&self) -> Option<&Path> {
        self.settings.cacertfile.as_deref()
    }

    /// When the certificates of the node's chain expire, and those of the authorities.
    pub(crate) fn expiries(&self) -> (Vec<Expiry>, Vec<Expiry>) {
        let now = self.now.read();
        (now.chain.clone(), now.authorities.clone())
    }

    /// Reads changed files, for as long as the task is not aborted.
    pub(crate) async fn watch(self: Arc<Self>) {
        // What was found wanting once is not told again until it changes.
        let mut refused = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let gate = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || gate.look(refused.as_ref()));
            refused = looked.await.unwrap_or_default();
        }
    }

    /// Takes changed files in; the stamp of those that cannot be used.
    fn look(&self, refused: Option<&Stamp>) -> Option<Stamp> {
        let stamp = Stamp::take(&self.settings);
        if stamp == self.now.read().stamp {
            return None;
        }
        if refused == Some(&stamp) {
            return refused.cloned();
        }
        match read(&self.settings) {
            Ok(held) => {
                *self.now.write() = held;
                tracing::info!(certificate = %self.settings.certfile.display(), "certificate read anew");
                None
            }
            Err(fault) => {
                tracing::error!(%fault, "the changed files of TLS cannot be used: the old certificate stays");
                Some(stamp)
            }
        }
    }
}

fn read(settings: &Tls) -> Result<Held, Fault> {
    // Before the files: what changes while they are read is seen the next time.
    let stamp = Stamp::take(settings);
    let family = settings.family;
    let mut chain = read_certificates(&settings.certfile, format!("{family}.certfile"))?;
    let authorities = match &settings.cacertfile {
        Some(path) => read_certificates(path, format!("{family}.cacertfile"))?,
        None => Vec::new(),
    };
    let key = read_key(settings)?;
    let now = SystemTime::now();
    for certificate in &chain {
        certificate.check(&settings.certfile, now)?;
    }
    certificate::complete(&mut chain, &authorities);
    let expiries = |certificates: &[Certificate]| certificates.iter().map(|one| one.expiry.clone()).collect();
    let (chain_expiries, authority_expiries) = (expiries(&chain), expiries(&authorities));
    let config = config(settings, chain, authorities, key)?;
    Ok(Held { config: Arc::new(config), stamp, chain: chain_expiries, authorities: authority_expiries })
}

fn config(
    settings: &Tls,
    chain: Vec<Certificate>,
    authorities: Vec<Certificate>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Fault> {
    let unusable = |reason: String| Fault::Unusable {
        certfile: settings.certfile.clone(),
        keyfile: settings.keyfile.clone(),
        reason,
    };
    let provider = Arc::new(CryptoProvider {
        cipher_suites: suite::chosen(&settings.ciphers),
        ..aws_lc_rs::default_provider()
    });
    let versions: Vec<_> = settings.versions.iter().map(|version| supported(*version)).collect();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| unusable(error.to_string()))?;
    let builder = match settings.clients {
        ClientCertificates::Unasked => builder.with_no_client_auth(),
        ClientCertificates::IfGiven | ClientCertificates::Required => {
            builder.with_client_cert_verifier(verifier(settings, authorities, provider)?)
        }
    };
    let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(|certificate| certificate.der).collect();
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            Fault::Mismatch { certfile: settings.certfile.clone(), keyfile: settings.keyfile.clone() }
        }
        other => unusable(other.to_string()),
    })?;
    config.ignore_client_order = settings.own_order;
    Ok(config)
}

fn supported(version: Version) -> &'static rustls::SupportedProtocolVersion {
    match version {
        Version::Tls12 => &rustls::version::TLS12,
        Version::Tls13 => &rustls::version::TLS13,
    }
}

fn verifier(
    settings: &Tls,
    authorities: Vec<Certificate>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<Bounded>, Fault> {
    let path = settings.cacertfile.clone().unwrap_or_default();
    let key = format!("{}.cacertfile", settings.family);
    let wrong = |reason: String| Fault::Certificate { key: key.clone(), path: path.clone(), reason };
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.der).map_err(|error| wrong(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match settings.clients {
        ClientCertificates::Required => builder,
        ClientCertificates::Unasked | ClientCertificates::IfGiven => builder.allow_unauthenticated(),
    };
    let inner = builder.build().map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(Bounded { inner, depth: settings.depth }))
}

#[cfg(test)]
mod tests;
