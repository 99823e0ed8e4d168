//! The files of TLS: bounded reads, PEM, and whether they have changed.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::Path,
};

use pkcs8::{EncryptedPrivateKeyInfoRef, der::SecretDocument};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};

use super::{Fault, certificate::Certificate};
use crate::config::tls::Tls;

/// A bundle of all public authorities has a quarter of this.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
/// RFC 1421: how OpenSSL before 1.0 encrypted keys, with a hash that anybody can guess through.
const OLD_ENCRYPTION: &str = "Proc-Type: 4,ENCRYPTED";

/// What changes with a file: device, inode, size, and its time in seconds and nanoseconds.
type Trace = Option<(u64, u64, u64, i64, i64)>;

/// What the files look like from outside. A file that is not there has a stamp too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stamp([Trace; 3]);

impl Stamp {
    pub(super) fn take(settings: &Tls) -> Self {
        let cacertfile = settings.cacertfile.as_deref().unwrap_or_else(|| Path::new(""));
        Self([settings.certfile.as_path(), settings.keyfile.as_path(), cacertfile].map(|path| {
            let seen = fs::metadata(path).ok()?;
            Some((seen.dev(), seen.ino(), seen.size(), seen.ctime(), seen.ctime_nsec()))
        }))
    }
}

fn read(path: &Path, key: &str) -> Result<Vec<u8>, Fault> {
    let unreadable = |source| Fault::Unreadable { key: key.to_owned(), path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Fault::TooLarge { key: key.to_owned(), path: path.to_owned() });
    }
    Ok(bytes)
}

/// The certificates of a file, in their order; at least one.
pub(super) fn read_certificates(path: &Path, key: String) -> Result<Vec<Certificate>, Fault> {
    let bytes = read(path, &key)?;
    let wrong = |reason: String| Fault::Certificate { key: key.clone(), path: path.to_owned(), reason };
    let mut certificates = Vec::new();
    for der in CertificateDer::pem_slice_iter(&bytes) {
        let der = der.map_err(|error| wrong(error.to_string()))?;
        certificates.push(Certificate::parse(der).map_err(|error| wrong(error.to_string()))?);
    }
    if certificates.is_empty() {
        return Err(Fault::NoCertificate { key, path: path.to_owned() });
    }
    Ok(certificates)
}

/// The private key.
pub(super) fn read_key(settings: &Tls) -> Result<PrivateKeyDer<'static>, Fault> {
    let (path, family) = (&settings.keyfile, settings.family);
    let bytes = read(path, &format!("{family}.keyfile"))?;
    let text = String::from_utf8_lossy(&bytes);
    if text.contains(OLD_ENCRYPTION) {
        return Err(Fault::KeyOldEncryption { path: path.clone() });
    }
    if let Some(pem) = between(&text, ENCRYPTED_BEGIN, ENCRYPTED_END) {
        let Some(password) = &settings.password else {
            return Err(Fault::KeyEncrypted { path: path.clone(), family });
        };
        return decrypt(pem, password.expose())
            .ok_or_else(|| Fault::KeyPassword { path: path.clone(), family });
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| Fault::NoKey { path: path.clone() })
}

/// From the beginning of `begin` to the end of `end`.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let from = text.find(begin)?;
    let rest = text.get(from..)?;
    let to = rest.find(end)?.checked_add(end.len())?;
    rest.get(..to)
}

fn decrypt(pem: &str, password: &[u8]) -> Option<PrivateKeyDer<'static>> {
    let (_, document) = SecretDocument::from_pem(pem).ok()?;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).ok()?;
    let key = encrypted.decrypt(password).ok()?;
    Some(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec())))
}
