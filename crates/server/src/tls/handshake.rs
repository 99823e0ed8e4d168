//! What a handshake came to, as operators see it.

use broker::{PeerCertificate, Protection};
use rustls::{ProtocolVersion, ServerConnection};
use x509_cert::der::Decode;

use super::{certificate::iso, subject, suite};

/// How the connection is encrypted.
pub(crate) fn protection(session: &ServerConnection) -> Protection {
    let suite = session.negotiated_cipher_suite().map(|suite| suite.suite());
    let (key_exchange, cipher) = suite.map_or(("unknown", "unknown"), suite::in_words);
    let protocol = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "tlsv1.3",
        Some(ProtocolVersion::TLSv1_2) => "tlsv1.2",
        _ => "unknown",
    };
    let peer = session.peer_certificates().and_then(|chain| peer(chain.first()?));
    Protection { protocol, key_exchange, cipher, hash: "aead", peer }
}

fn peer(der: &[u8]) -> Option<PeerCertificate> {
    let certificate = x509_cert::Certificate::from_der(der).ok()?;
    let certificate = certificate.tbs_certificate();
    let validity = certificate.validity();
    Some(PeerCertificate {
        subject: subject::format(certificate.subject()),
        issuer: subject::format(certificate.issuer()),
        validity: format!("{} - {}", iso(&validity.not_before), iso(&validity.not_after)),
    })
}
