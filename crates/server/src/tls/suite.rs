//! Cipher suites: names in configurations, and the words in which RabbitMQ shows them.

use management::CipherSuite;
use rustls::{CipherSuite as CipherSuiteId, SupportedCipherSuite, crypto::aws_lc_rs::DEFAULT_CIPHER_SUITES};

/// A suite: OpenSSL's name, how keys are agreed on, the cipher.
const SUITES: [(CipherSuiteId, &str, &str, &str); 9] = [
    (CipherSuiteId::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384", "any", "aes_256_gcm"),
    (CipherSuiteId::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", "any", "aes_128_gcm"),
    (
        CipherSuiteId::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_CHACHA20_POLY1305_SHA256",
        "any",
        "chacha20_poly1305",
    ),
    (
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ecdhe_ecdsa",
        "aes_256_gcm",
    ),
    (
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ecdhe_ecdsa",
        "aes_128_gcm",
    ),
    (
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ecdhe_ecdsa",
        "chacha20_poly1305",
    ),
    (
        CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ecdhe_rsa",
        "aes_256_gcm",
    ),
    (
        CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ecdhe_rsa",
        "aes_128_gcm",
    ),
    (
        CipherSuiteId::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ecdhe_rsa",
        "chacha20_poly1305",
    ),
];

/// The suites with these names, in their order; all of them for no name.
pub(super) fn chosen(names: &[&str]) -> Vec<SupportedCipherSuite> {
    if names.is_empty() {
        return DEFAULT_CIPHER_SUITES.to_vec();
    }
    let known = |name: &&str| SUITES.iter().find(|row| row.1 == *name).map(|row| row.0);
    let find = |suite| DEFAULT_CIPHER_SUITES.iter().find(|one| one.suite() == suite).copied();
    names.iter().filter_map(known).filter_map(find).collect()
}

/// How keys are agreed on, and the cipher, in RabbitMQ's words.
pub(super) fn in_words(suite: CipherSuiteId) -> (&'static str, &'static str) {
    SUITES.iter().find(|row| row.0 == suite).map_or(("unknown", "unknown"), |row| (row.2, row.3))
}

/// All that there are, the preferred ones first, in RabbitMQ's words.
pub(crate) fn cipher_suites() -> Vec<CipherSuite> {
    let known = |suite: &SupportedCipherSuite| SUITES.iter().find(|row| row.0 == suite.suite());
    let show =
        |(_, name, key_exchange, cipher): &(CipherSuiteId, &'static str, &'static str, &'static str)| {
            let prf = if *cipher == "aes_256_gcm" { "sha384" } else { "sha256" };
            CipherSuite { name, key_exchange, cipher, mac: "aead", prf }
        };
    DEFAULT_CIPHER_SUITES.iter().filter_map(known).map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tls::CIPHERS;

    #[test]
    fn every_name_of_the_configuration_is_a_suite_and_every_suite_has_a_name() {
        assert_eq!(chosen(&CIPHERS).len(), CIPHERS.len());
        assert_eq!(chosen(&[]).len(), CIPHERS.len());
        for suite in DEFAULT_CIPHER_SUITES {
            assert_ne!(in_words(suite.suite()).0, "unknown", "{suite:?}");
        }
        assert_eq!(cipher_suites().len(), DEFAULT_CIPHER_SUITES.len());
        assert!(
            cipher_suites().iter().all(|one| one.prf.ends_with("384") == one.name.ends_with("384")
                || one.cipher == "chacha20_poly1305")
        );
        let one = chosen(&["ECDHE-RSA-AES256-GCM-SHA384"]);
        assert_eq!(one[0].suite(), CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384);
    }
}
