//! Gates over files that a test makes: what stops the start, what a change of files does, and whole handshakes in memory.

use std::{
    fs,
    io::{Read, Write},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};
use rustls::{ClientConfig, ClientConnection, ServerConnection, pki_types::ServerName};

use super::*;
use crate::config::tls::{CertificatePart, LoginFrom, SanKind};

const ENCRYPTED_KEY: &str = include_str!("tests/encrypted-key.pem");

/// An authority with what it has signed.
struct Signed {
    pem: String,
    key: String,
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

impl Authority {
    fn below(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Acme");
        params.distinguished_name.push(DnType::CommonName, "shop");
        change(&mut params);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { pem, key: key.serialize_pem() }
    }
}

/// The files of a gate.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, signed: &Signed) -> &Self {
        fs::write(self.path("cert.pem"), &signed.pem).unwrap();
        fs::write(self.path("key.pem"), &signed.key).unwrap();
        self
    }

    fn settings(&self) -> Tls {
        Tls {
            family: "ssl_options",
            certfile: self.path("cert.pem"),
            keyfile: self.path("key.pem"),
            password: None,
            cacertfile: None,
            clients: ClientCertificates::Unasked,
            depth: 10,
            versions: vec![Version::Tls13, Version::Tls12],
            ciphers: Vec::new(),
            own_order: false,
        }
    }

    fn asking(&self, authority: &Authority, clients: ClientCertificates) -> Tls {
        fs::write(self.path("ca.pem"), &authority.pem).unwrap();
        Tls { cacertfile: Some(self.path("ca.pem")), clients, ..self.settings() }
    }
}

fn open(settings: &Tls) -> Gate {
    Gate::open(settings, Duration::from_secs(5)).unwrap()
}

fn fault(settings: &Tls) -> String {
    Gate::open(settings, Duration::from_secs(5)).unwrap_err().to_string()
}

fn ders(pem: &str) -> Vec<CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

/// A handshake in memory: the server's end, or why it came to nothing.
fn shake(gate: &Gate, trusted: &Authority, shown: Option<(&str, &str)>) -> Result<ServerConnection, String> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots.add(ders(&trusted.pem).remove(0)).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(ders(chain), key).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(&gate.now.read().config)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().map_err(|error| format!("server: {error}"))?;
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().map_err(|error| format!("client: {error}"))?;
    }
    client.writer().write_all(b"x").unwrap();
    let mut wire = Vec::new();
    client.write_tls(&mut wire).unwrap();
    server.read_tls(&mut wire.as_slice()).unwrap();
    server.process_new_packets().map_err(|error| format!("server: {error}"))?;
    let mut byte = [0];
    server.reader().read_exact(&mut byte).unwrap();
    Ok(server)
}

#[test]
fn files_that_cannot_be_used_stop_the_start_with_a_sentence() {
    let (ca, place) = (authority("ca"), Place::new());
    let settings = place.settings();
    assert!(fault(&settings).contains("cert.pem, which `ssl_options.certfile` names"));
    let (one, other) = (ca.sign(|_| {}), ca.sign(|_| {}));
    place.put(&Signed { pem: one.pem.clone(), key: other.key });
    assert!(fault(&settings).contains("does not belong to the certificate"), "{}", fault(&settings));
    place.put(&Signed { pem: one.key.clone(), key: one.key.clone() });
    assert!(fault(&settings).contains("holds no certificate as PEM"));
    place.put(&Signed { pem: one.pem.clone(), key: one.pem.clone() });
    assert!(fault(&settings).contains("holds no private key as PEM"));
    place.put(&Signed {
        pem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
        key: one.key,
    });
    assert!(fault(&settings).contains("a certificate that cannot be read"), "{}", fault(&settings));
    fs::write(place.path("cert.pem"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
    assert!(fault(&settings).contains("larger than any certificate"));
}

#[test]
fn a_certificate_that_is_not_valid_now_stops_the_start() {
    let (ca, place) = (authority("ca"), Place::new());
    place.put(&ca.sign(|params| params.not_after = date_time_ymd(2020, 1, 2)));
    assert!(fault(&place.settings()).contains("`CN=shop,O=Acme`"), "{}", fault(&place.settings()));
    assert!(fault(&place.settings()).contains("has expired on 2020-01-02T00:00:00Z"));
    place.put(&ca.sign(|params| params.not_before = date_time_ymd(2100, 1, 2)));
    assert!(fault(&place.settings()).contains("is not valid before 2100-01-02T00:00:00Z"));
}

#[test]
fn an_encrypted_key_needs_its_password() {
    let (ca, place) = (authority("ca"), Place::new());
    let mut settings = place.settings();
    place.put(&Signed { pem: ca.sign(|_| {}).pem, key: ENCRYPTED_KEY.to_owned() });
    assert!(fault(&settings).contains("`ssl_options.password` has to say its password"));
    settings.password = Some(model::Secret::new("hunter3"));
    assert!(fault(&settings).contains("`ssl_options.password` is wrong"));
    settings.password = Some(model::Secret::new("hunter2"));
    // Now it is read: that it is another certificate's is all that is left to say.
    assert!(fault(&settings).contains("does not belong to the certificate"), "{}", fault(&settings));
    let old = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    fs::write(place.path("key.pem"), old).unwrap();
    assert!(fault(&settings).contains("openssl pkcs8 -topk8"));
}

#[test]
fn changed_files_are_taken_in_and_wrong_ones_are_not() {
    let (ca, place) = (authority("ca"), Place::new());
    place.put(&ca.sign(|params| params.not_after = date_time_ymd(2090, 5, 6)));
    let gate = open(&place.settings());
    assert_eq!(gate.look(None), None);
    let first = Arc::clone(&gate.now.read().config);
    assert_eq!(gate.expiries().0[0].text, "2090-05-06 0:00:00");
    place.put(&ca.sign(|params| params.not_after = date_time_ymd(2091, 11, 16)));
    assert_eq!(gate.look(None), None);
    assert!(!Arc::ptr_eq(&first, &gate.now.read().config));
    assert_eq!(gate.expiries().0[0].text, "2091-11-16 0:00:00");
    let second = Arc::clone(&gate.now.read().config);
    fs::write(place.path("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let refused = gate.look(None).unwrap();
    assert_eq!(gate.look(Some(&refused)), Some(refused));
    fs::remove_file(place.path("cert.pem")).unwrap();
    assert!(gate.look(None).is_some());
    assert!(Arc::ptr_eq(&second, &gate.now.read().config));
    assert!(shake(&gate, &ca, None).is_ok());
}

#[test]
fn what_is_between_stands_in_either_file() {
    let (ca, place) = (authority("root"), Place::new());
    let middle = ca.below("middle");
    place.put(&middle.sign(|_| {}));
    let mut settings = place.settings();
    assert!(shake(&open(&settings), &ca, None).unwrap_err().contains("UnknownIssuer"));
    fs::write(place.path("ca.pem"), format!("{}{}", ca.pem, middle.pem)).unwrap();
    settings.cacertfile = Some(place.path("ca.pem"));
    let gate = open(&settings);
    shake(&gate, &ca, None).unwrap();
    // The root is known to whoever trusts it, and not sent.
    assert_eq!((gate.expiries().0.len(), gate.expiries().1.len()), (2, 2));
}

#[test]
fn certificates_of_clients_are_looked_at_as_asked() {
    let (ca, stranger, place) = (authority("ca"), authority("ca"), Place::new());
    place.put(&ca.sign(|_| {}));
    let client = ca.sign(|_| {});
    let shown = Some((client.pem.as_str(), client.key.as_str()));
    let foreign = stranger.sign(|_| {});
    let wrong = Some((foreign.pem.as_str(), foreign.key.as_str()));
    let late = ca.sign(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let expired = Some((late.pem.as_str(), late.key.as_str()));
    let required = open(&place.asking(&ca, ClientCertificates::Required));
    assert!(shake(&required, &ca, None).unwrap_err().contains("peer sent no certificates"));
    assert!(shake(&required, &ca, wrong).unwrap_err().contains("invalid peer certificate"));
    assert!(shake(&required, &ca, expired).unwrap_err().contains("expired"));
    let session = shake(&required, &ca, shown).unwrap();
    let protection = protection(&session);
    assert_eq!((protection.protocol, protection.key_exchange, protection.hash), ("tlsv1.3", "any", "aead"));
    let peer = protection.peer.unwrap();
    assert_eq!((peer.subject.as_str(), peer.issuer.as_str()), ("CN=shop,O=Acme", "CN=ca"));
    assert_eq!(peer.validity, "1975-01-01T00:00:00Z - 4096-01-01T00:00:00Z");
    let if_given = open(&place.asking(&ca, ClientCertificates::IfGiven));
    assert_eq!(super::protection(&shake(&if_given, &ca, None).unwrap()).peer, None);
    assert!(shake(&if_given, &ca, wrong).is_err());
    let unasked = open(&place.settings());
    assert_eq!(super::protection(&shake(&unasked, &ca, wrong).unwrap()).peer, None);
}

#[test]
fn a_chain_may_be_no_longer_than_allowed() {
    let (ca, place) = (authority("ca"), Place::new());
    place.put(&ca.sign(|_| {}));
    let middle = ca.below("middle");
    let client = middle.sign(|_| {});
    let chain = format!("{}{}", client.pem, middle.pem);
    let settings = place.asking(&ca, ClientCertificates::Required);
    let shown = Some((chain.as_str(), client.key.as_str()));
    assert!(shake(&open(&Tls { depth: 1, ..settings.clone() }), &ca, shown).is_ok());
    assert!(shake(&open(&Tls { depth: 0, ..settings.clone() }), &ca, shown).is_err());
    // The authority itself does not count.
    let direct = ca.sign(|_| {});
    let with_root = format!("{}{}", direct.pem, ca.pem);
    let shown = Some((with_root.as_str(), direct.key.as_str()));
    assert!(shake(&open(&Tls { depth: 0, ..settings }), &ca, shown).is_ok());
}

#[test]
fn versions_and_ciphers_are_those_asked_for() {
    let (ca, place) = (authority("ca"), Place::new());
    place.put(&ca.sign(|_| {}));
    let old = Tls {
        versions: vec![Version::Tls12],
        ciphers: vec!["ECDHE-ECDSA-AES128-GCM-SHA256"],
        ..place.settings()
    };
    let protection = protection(&shake(&open(&old), &ca, None).unwrap());
    assert_eq!(
        (protection.protocol, protection.key_exchange, protection.cipher),
        ("tlsv1.2", "ecdhe_ecdsa", "aes_128_gcm")
    );
}

#[test]
fn the_user_stands_where_it_is_said() {
    let ca = authority("ca");
    let signed = ca.sign(|params| {
        params.subject_alt_names = vec![
            SanType::DnsName("one.example".try_into().unwrap()),
            SanType::Rfc822Name("shop@example".try_into().unwrap()),
            SanType::DnsName("two.example".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 1].into()),
            SanType::URI("spiffe://example/shop".try_into().unwrap()),
        ];
    });
    let der = ders(&signed.pem).remove(0);
    let name = |part, san_kind, san_index| {
        user_name(&der, LoginFrom { part, san_kind, san_index }).map(|name| name.to_string())
    };
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(name(CertificatePart::Subject, SanKind::Dns, 0), is("CN=shop,O=Acme"));
    assert_eq!(name(CertificatePart::CommonName, SanKind::Dns, 0), is("shop"));
    let san = |kind, index| name(CertificatePart::Alternative, kind, index);
    assert_eq!(san(SanKind::Dns, 0), is("one.example"));
    assert_eq!(san(SanKind::Dns, 1), is("two.example"));
    assert_eq!(san(SanKind::Dns, 2), None);
    assert_eq!(san(SanKind::Email, 0), is("shop@example"));
    assert_eq!(san(SanKind::Ip, 0), is("192.0.2.1"));
    assert_eq!(san(SanKind::Uri, 0), is("spiffe://example/shop"));
    assert_eq!(san(SanKind::Other, 0), None);
}
