//! `https`: whom to trust, and what to show of oneself.

use std::{
    env, fs,
    io::{self, Read},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use crate::{failure::Failure, line::Line, place::Stream};

/// Bytes of a file with certificates: a bundle of all public authorities has a quarter of this.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Where systems keep the authorities that they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Files that were named for an encrypted connection.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Trust {
    /// The authorities of which one has to vouch for the node; none: those of the system.
    cacert: Option<PathBuf>,
    /// What to show: the chain of a certificate, and its key.
    own: Option<(PathBuf, PathBuf)>,
}

impl Trust {
    pub(crate) fn of(line: &Line) -> Result<Self, Failure> {
        let file = |option| line.option(option).map(PathBuf::from);
        let own = match (file("--tls-cert-file"), file("--tls-key-file")) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert, key)),
            _ => return Err(Failure::arguments("--tls-cert-file and --tls-key-file go together")),
        };
        Ok(Self { cacert: file("--cacert"), own })
    }

    /// Speaks TLS over a connection, after whoever is there has shown to be this host.
    pub(crate) fn encrypt(&self, host: &str, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(self.config()?), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Box::new(stream))
    }

    fn config(&self) -> io::Result<ClientConfig> {
        let bundle = self.cacert.clone().map_or_else(bundle, Ok)?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&bundle)? {
            // A bundle may hold what is no authority by today's rules: the others count.
            roots.add(certificate).unwrap_or_default();
        }
        if roots.is_empty() {
            return Err(of_file(&bundle, "there is no certificate of an authority in it"));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots);
        match &self.own {
            None => Ok(builder.with_no_client_auth()),
            Some((cert, key)) => {
                let bytes = read(key)?;
                let private = PrivateKeyDer::from_pem_slice(&bytes)
                    .map_err(|_| of_file(key, "there is no private key in it that is not encrypted"))?;
                builder.with_client_auth_cert(certificates(cert)?, private).map_err(io::Error::other)
            }
        }
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.sock.set_patience(patience)
    }
}

/// The file of the authorities that this system trusts.
fn bundle() -> io::Result<PathBuf> {
    if let Some(file) = env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()) {
        return Ok(file.into());
    }
    let found = BUNDLES.iter().map(Path::new).find(|file| file.is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        io::Error::other("this system has no file of authorities that it trusts: name one with --cacert")
    })
}

fn of_file(file: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", file.display()))
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).map_err(|error| of_file(file, error))?;
    opened.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| of_file(file, error))?;
    Ok(bytes)
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let bytes = read(file)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let all = all.map_err(|error| of_file(file, error))?;
    if all.is_empty() { Err(of_file(file, "there is no certificate in it")) } else { Ok(all) }
}
