//! Looks at the certificates of clients: rustls' checks, and a limit of how many may stand between a client and its authority.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use x509_cert::der::Decode;

/// A verifier that lets no longer chain through than `depth`.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) inner: Arc<dyn ClientCertVerifier>,
    pub(super) depth: usize,
}

impl ClientCertVerifier for Bounded {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // A path consists of what was sent and of an authority: it is never longer than this.
        if intermediates.iter().filter(|der| !is_own_issuer(der)).count() > self.depth {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        self.inner.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Erlang: certificates that name themselves as their issuer do not count.
fn is_own_issuer(der: &CertificateDer<'_>) -> bool {
    x509_cert::Certificate::from_der(der).is_ok_and(|certificate| {
        certificate.tbs_certificate().subject() == certificate.tbs_certificate().issuer()
    })
}
