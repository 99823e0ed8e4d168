//! The families of keys that belong to TLS.

use super::*;
use crate::config::tls::{CertificatePart, ClientCertificates, LoginFrom, SanKind, Tls, Version};

const FILES: &str = "ssl_options.certfile = c.pem\nssl_options.keyfile = k.pem\n";

fn amqp_tls(more: &str) -> Tls {
    read(&format!("listeners.ssl.default = 5671\n{FILES}{more}")).tls.amqp.unwrap()
}

fn clients(more: &str) -> ClientCertificates {
    amqp_tls(more).clients
}

fn wrong(more: &str) -> String {
    refusal(&format!("listeners.ssl.default = 5671\n{FILES}{more}"))
}

#[test]
fn a_listener_with_tls_needs_a_certificate_and_a_key() {
    let settings = read(&format!("listeners.ssl.1 = 127.0.0.1:5671\n{FILES}"));
    let amqps: Vec<_> = settings.listeners.amqps.iter().map(|one| one.address.to_string()).collect();
    assert_eq!(amqps, ["127.0.0.1:5671"]);
    assert_eq!(amqp(&settings), ["127.0.0.1:5672", "[::1]:5672"]);
    let tls = settings.tls.amqp.unwrap();
    assert_eq!((tls.certfile, tls.keyfile), (PathBuf::from("c.pem"), PathBuf::from("k.pem")));
    assert_eq!(tls.versions, [Version::Tls13, Version::Tls12]);
    check_refusal("listeners.ssl.default = 5671", "a listener with TLS needs `ssl_options.certfile`");
    assert!(
        refusal("ssl_options.certfile = c\nlisteners.ssl.default = 5671").contains("`ssl_options.keyfile`")
    );
    let deaf = read(&format!("listeners.ssl.default = 5671\nlisteners.ssl = none\n{FILES}"));
    assert_eq!((deaf.listeners.amqps, deaf.tls.amqp), (Vec::new(), None));
    assert!(warnings(FILES)[0].contains("nothing listens with TLS"));
}

#[test]
fn that_nobody_looks_at_certificates_is_said() {
    let authority = "ssl_options.cacertfile = ca.pem\n";
    assert_eq!(clients(""), ClientCertificates::Unasked);
    assert_eq!(clients(authority), ClientCertificates::IfGiven);
    let peer = format!("{authority}ssl_options.verify = verify_peer\n");
    assert_eq!(clients(&peer), ClientCertificates::IfGiven);
    assert_eq!(
        clients(&format!("{peer}ssl_options.fail_if_no_peer_cert = true")),
        ClientCertificates::Required
    );
    let none = format!("listeners.ssl.default = 5671\n{FILES}{authority}ssl_options.verify = verify_none");
    let settings = resolve_all("", &[], &none).unwrap();
    assert_eq!(settings.tls.amqp.unwrap().clients, ClientCertificates::Unasked);
    assert!(warnings(&none)[0].contains("nobody looks at the certificates of clients"));
    assert!(wrong("ssl_options.verify = verify_peer").contains("needs `ssl_options.cacertfile`"));
    let contradictory = format!("{authority}ssl_options.fail_if_no_peer_cert = true");
    assert!(wrong(&contradictory).contains("it needs `ssl_options.verify = verify_peer`"));
}

#[test]
fn old_versions_and_unknown_ciphers_are_left_out_with_a_word() {
    assert_eq!(amqp_tls("ssl_options.versions.1 = tlsv1.2").versions, [Version::Tls12]);
    let text = format!(
        "listeners.ssl.default = 5671\n{FILES}ssl_options.versions.1 = tlsv1.3\nssl_options.versions.2 = tlsv1.1"
    );
    assert!(warnings(&text)[0].contains("TLS tlsv1.1 does not exist here"));
    assert!(wrong("ssl_options.versions.1 = tlsv1").contains("none of `ssl_options.versions`"));
    let ciphers = "ssl_options.ciphers.10 = ECDHE-RSA-AES128-GCM-SHA256\nssl_options.ciphers.2 = TLS_AES_256_GCM_SHA384";
    assert_eq!(amqp_tls(ciphers).ciphers, ["TLS_AES_256_GCM_SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]);
    assert!(wrong("ssl_options.ciphers.1 = AES256-SHA").contains("none of `ssl_options.ciphers`"));
    let split = "ssl_options.versions.1 = tlsv1.3\nssl_options.ciphers.1 = ECDHE-RSA-AES128-GCM-SHA256";
    assert!(wrong(split).contains("none of `ssl_options.ciphers`"));
}

#[test]
fn external_is_offered_where_a_certificate_can_be_shown() {
    let offers = |text: &str| read(text).connection.mechanisms.contains(&Mechanism::External);
    let base = format!("listeners.ssl.default = 5671\n{FILES}ssl_options.cacertfile = ca.pem\n");
    assert!(!offers(&base));
    assert!(offers(&format!("{base}auth_mechanisms.1 = EXTERNAL\n")));
    assert!(refusal("auth_mechanisms.1 = EXTERNAL").contains("no other mechanism is offered"));
    let from = read("ssl_cert_login_from = common_name").login_from;
    assert_eq!(from.part, CertificatePart::CommonName);
    let text = "ssl_cert_login_from = subject_alternative_name\nssl_cert_login_san_type = email\nssl_cert_login_san_index = 2";
    let expected = LoginFrom { part: CertificatePart::Alternative, san_kind: SanKind::Email, san_index: 2 };
    assert_eq!(read(text).login_from, expected);
}

#[test]
fn the_http_api_has_its_own_certificate_or_that_of_amqp() {
    let addresses = |settings: &Settings| {
        let of = |all: &[Listen]| all.iter().map(|one| one.address.to_string()).collect::<Vec<_>>();
        (of(&settings.listeners.management), of(&settings.listeners.https))
    };
    let own = "management.ssl.port = 15671\nmanagement.ssl.ip = 127.0.0.1\nmanagement.ssl.certfile = m.pem\nmanagement.ssl.keyfile = mk.pem\n";
    let settings = read(own);
    assert_eq!(addresses(&settings), (Vec::new(), vec!["127.0.0.1:15671".to_owned()]));
    assert_eq!(settings.tls.management.unwrap().family, "management.ssl");
    let both = read(&format!("{own}management.tcp.port = 15672\nmanagement.tcp.ip = 127.0.0.1"));
    assert_eq!(addresses(&both).0, ["127.0.0.1:15672"]);
    let shared = read(&format!("listeners.ssl.default = 5671\n{FILES}management.ssl.port = 15671\n"));
    assert_eq!(shared.tls.management.unwrap().certfile, PathBuf::from("c.pem"));
    let older = read(
        "management.listener.port = 1\nmanagement.listener.ip = 127.0.0.1\nmanagement.listener.ssl = true\n\
         management.listener.ssl_opts.certfile = c\nmanagement.listener.ssl_opts.keyfile = k\n",
    );
    assert_eq!(addresses(&older), (Vec::new(), vec!["127.0.0.1:1".to_owned()]));
    assert!(refusal("management.ssl.port = 15671").contains("`management.ssl.certfile`"));
}

#[test]
fn metrics_have_their_own_certificate_or_that_of_amqp() {
    let addresses = |settings: &Settings| {
        let of = |all: &[Listen]| all.iter().map(|one| one.address.to_string()).collect::<Vec<_>>();
        (of(&settings.listeners.metrics), of(&settings.listeners.metrics_tls))
    };
    let own =
        "prometheus.ssl.ip = 127.0.0.1\nprometheus.ssl.certfile = m.pem\nprometheus.ssl.keyfile = mk.pem\n";
    let settings = read(own);
    assert_eq!(addresses(&settings), (Vec::new(), vec!["127.0.0.1:15691".to_owned()]));
    assert_eq!(settings.tls.metrics.unwrap().family, "prometheus.ssl");
    let both = read(&format!("{own}prometheus.tcp.port = 15692\nprometheus.tcp.ip = 127.0.0.1"));
    assert_eq!(addresses(&both).0, ["127.0.0.1:15692"]);
    let shared = read(&format!("{FILES}prometheus.ssl.port = 99\n"));
    assert_eq!(addresses(&shared).1, ["0.0.0.0:99", "[::]:99"]);
    assert_eq!(shared.tls.metrics.unwrap().certfile, PathBuf::from("c.pem"));
    assert!(shared.warnings.is_empty(), "{:?}", shared.warnings);
    assert!(refusal("prometheus.ssl.port = 15691").contains("`prometheus.ssl.certfile`"));
}

#[test]
fn no_sentence_shows_the_password_of_a_key() {
    let tls = amqp_tls("ssl_options.password = hunter2");
    assert_eq!(tls.password, Some(Secret::new("hunter2")));
    assert!(!format!("{tls:?}").contains("hunter2"));
}
