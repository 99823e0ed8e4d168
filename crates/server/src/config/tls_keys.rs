//! The rows of the table of keys that belong to TLS: one set for each family, since RabbitMQ has the same keys in several.

use std::path::PathBuf;

use model::Secret;

use super::{
    draft::Draft,
    key::{Key, Kind, Range},
    tls,
};

/// Certificates in a chain: more than anybody has.
const DEPTH_MAX: u64 = 255;
/// Alternative names in a certificate.
const SAN_INDEX_MAX: u64 = 1023;
const VERSIONS: &[&str] = &["tlsv1.3", "tlsv1.2", "tlsv1.1", "tlsv1"];

/// Every key of TLS that has an effect.
pub(crate) static TABLES: &[&[Key]] =
    &[LISTENERS, AMQP, LOGIN, HTTP_LISTENER, HTTP, HTTP_OLDER, METRICS_LISTENER, METRICS];

const LISTENERS: &[Key] = &[
    Key {
        name: "listeners.ssl.$name",
        default: "(none; 5671 is customary)",
        help: "An address to listen on for AMQP over TLS; a port alone means every address of the machine. \
               The files of `ssl_options` are read again when they change, and connections stay as they are.",
        kind: Kind::Address {
            set: |draft, _, listen| {
                draft.amqps.get_or_insert_with(|| draft.at.clone());
                draft.tls_listeners.extend(listen);
            },
        },
    },
    Key {
        name: "listeners.ssl",
        default: "(not set)",
        help: "`none` switches AMQP over TLS off, whatever `listeners.ssl.$name` says.",
        kind: Kind::OneOf { words: &["none"], set: |draft, _, _| draft.is_tls_deaf = true },
    },
    Key {
        name: "ssl_handshake_timeout",
        default: "5000",
        help: "Milliseconds in which the handshake of TLS has to be done; never longer than `handshake_timeout`.",
        kind: Kind::Limit {
            range: Range::from(1, u32::MAX as u64),
            set: |draft, _, limit| draft.settings.connection.tls_handshake_timeout_ms = limit,
        },
    },
];

const LOGIN: &[Key] = &[
    Key {
        name: "ssl_cert_login_from",
        default: "distinguished_name",
        help: "Where the name of the user stands in the certificate of a client that logs in by EXTERNAL, which \
               `auth_mechanisms` must have: the whole subject as RabbitMQ writes it (`CN=shop,O=Acme`), its common name, or an \
               alternative name.",
        kind: Kind::OneOf {
            words: &["distinguished_name", "common_name", "subject_alternative_name", "subject_alt_name"],
            set: |draft, _, word| {
                draft.settings.login_from.part = match word {
                    "distinguished_name" => tls::CertificatePart::Subject,
                    "common_name" => tls::CertificatePart::CommonName,
                    _ => tls::CertificatePart::Alternative,
                };
            },
        },
    },
    Key {
        name: "ssl_cert_login_san_type",
        default: "dns",
        help: "The kind of the alternative name.",
        kind: Kind::OneOf {
            words: &["dns", "ip", "email", "uri", "other_name"],
            set: |draft, _, word| {
                draft.settings.login_from.san_kind = match word {
                    "ip" => tls::SanKind::Ip,
                    "email" => tls::SanKind::Email,
                    "uri" => tls::SanKind::Uri,
                    "other_name" => tls::SanKind::Other,
                    _ => tls::SanKind::Dns,
                };
            },
        },
    },
    Key {
        name: "ssl_cert_login_san_index",
        default: "0",
        help: "Which of the alternative names of that kind, from 0.",
        kind: Kind::Integer {
            range: Range::from(0, SAN_INDEX_MAX),
            set: |draft, _, index| {
                draft.settings.login_from.san_index = usize::try_from(index).unwrap_or_default();
            },
        },
    },
];

const HTTP_LISTENER: &[Key] = &[
    Key {
        name: "management.ssl.port",
        default: "(15671, if any key of `management.ssl` is set)",
        help: "The port of the HTTP API over TLS. With TLS there is no plain HTTP, unless `management.tcp` is set too.",
        kind: Kind::Integer {
            range: Range::from(1, u16::MAX as u64),
            set: |draft, _, port| {
                draft.management_tls.note(&draft.at);
                draft.https.port = u16::try_from(port).ok();
            },
        },
    },
    Key {
        name: "management.ssl.ip",
        default: "(every address)",
        help: "The address of the HTTP API over TLS.",
        kind: Kind::Ip {
            set: |draft, _, ip| {
                draft.management_tls.note(&draft.at);
                draft.https.ip = Some(ip);
            },
        },
    },
    Key {
        name: "management.listener.ssl",
        default: "false",
        help: "Whether `management.listener.port` speaks TLS; the older way.",
        kind: Kind::Boolean {
            set: |draft, _, is_on| draft.is_listener_tls = is_on.then(|| draft.at.clone()),
        },
    },
];

const METRICS_LISTENER: &[Key] = &[
    Key {
        name: "prometheus.ssl.port",
        default: "(15691, if any key of `prometheus.ssl` is set)",
        help: "The port of the metrics endpoint over TLS. With TLS there is none without, unless `prometheus.tcp` is set too.",
        kind: Kind::Integer {
            range: Range::from(1, u16::MAX as u64),
            set: |draft, _, port| {
                draft.metrics_tls.note(&draft.at);
                draft.metrics_https.port = u16::try_from(port).ok();
            },
        },
    },
    Key {
        name: "prometheus.ssl.ip",
        default: "(every address)",
        help: "The address of the metrics endpoint over TLS.",
        kind: Kind::Ip {
            set: |draft, _, ip| {
                draft.metrics_tls.note(&draft.at);
                draft.metrics_https.ip = Some(ip);
            },
        },
    },
];

type Family = fn(&mut Draft) -> &mut tls::Draft;

fn amqp(draft: &mut Draft) -> &mut tls::Draft {
    draft.amqp_tls.note(&draft.at);
    &mut draft.amqp_tls
}

fn http(draft: &mut Draft) -> &mut tls::Draft {
    draft.management_tls.note(&draft.at);
    &mut draft.management_tls
}

fn metrics(draft: &mut Draft) -> &mut tls::Draft {
    draft.metrics_tls.note(&draft.at);
    &mut draft.metrics_tls
}

fn http_older(draft: &mut Draft) -> &mut tls::Draft {
    draft.listener_tls.note(&draft.at);
    &mut draft.listener_tls
}

impl tls::Draft {
    fn note(&mut self, at: &super::problem::Origin) {
        self.at.get_or_insert_with(|| at.clone());
    }
}

/// The rows of one family.
macro_rules! family {
    ($prefix:literal, $of:expr, $whose:literal) => {{
        const OF: Family = $of;
        &[
            Key {
                name: concat!($prefix, ".certfile"),
                default: "(none)",
                help: concat!("The certificate of ", $whose, ", as PEM; those that lead to the authority follow it in the file, or stand in `cacertfile`."),
                kind: Kind::Text { set: |draft, _, path| OF(draft).certfile = Some(PathBuf::from(path)) },
            },
            Key {
                name: concat!($prefix, ".keyfile"),
                default: "(none)",
                help: "Its private key, as PEM: PKCS#8, PKCS#1 or SEC1.",
                kind: Kind::Text { set: |draft, _, path| OF(draft).keyfile = Some(PathBuf::from(path)) },
            },
            Key {
                name: concat!($prefix, ".password"),
                default: "(none)",
                help: "The password of the private key, if that is encrypted (PKCS#8).",
                kind: Kind::Secret { set: |draft, _, secret: Secret| OF(draft).password = Some(secret) },
            },
            Key {
                name: concat!($prefix, ".cacertfile"),
                default: "(none)",
                help: "The authorities that vouch for clients, as PEM.",
                kind: Kind::Text { set: |draft, _, path| OF(draft).cacertfile = Some(PathBuf::from(path)) },
            },
            Key {
                name: concat!($prefix, ".verify"),
                default: "(verify_peer if there is a `cacertfile`)",
                help: "Whether certificates of clients are looked at. `verify_none` is warned of at every start.",
                kind: Kind::OneOf {
                    words: &["verify_peer", "verify_none"],
                    set: |draft, _, word| OF(draft).is_verified = Some(word == "verify_peer"),
                },
            },
            Key {
                name: concat!($prefix, ".fail_if_no_peer_cert"),
                default: "(false)",
                help: "Whether a client without a certificate is turned away; needs `verify_peer`.",
                kind: Kind::Boolean { set: |draft, _, is_on| OF(draft).is_required = is_on },
            },
            Key {
                name: concat!($prefix, ".depth"),
                default: "(10)",
                help: "How many certificates a client may send between its own and the authority.",
                kind: Kind::Integer {
                    range: Range::from(0, DEPTH_MAX),
                    set: |draft, _, depth| OF(draft).depth = Some(depth),
                },
            },
            Key {
                name: concat!($prefix, ".versions.$n"),
                default: "(tlsv1.3, tlsv1.2)",
                help: "The versions of TLS, by number; those before 1.2 do not exist here and are left out with a warning.",
                kind: Kind::OneOf {
                    words: VERSIONS,
                    set: |draft, n, word| {
                        OF(draft).versions.insert(super::draft::rank(n), word.to_owned());
                    },
                },
            },
            Key {
                name: concat!($prefix, ".ciphers.$n"),
                default: "(all that exist here)",
                help: "Cipher suites by number, in OpenSSL's names (`ECDHE-RSA-AES256-GCM-SHA384`); one that does not exist here \
                       is left out with a warning, and a list of only such ones is refused.",
                kind: Kind::Text {
                    set: |draft, n, word| {
                        OF(draft).ciphers.insert(super::draft::rank(n), word.to_owned());
                    },
                },
            },
            Key {
                name: concat!($prefix, ".honor_cipher_order"),
                default: "(false)",
                help: "Whether the node's order of ciphers counts, not the client's.",
                kind: Kind::Boolean { set: |draft, _, is_on| OF(draft).own_order = is_on },
            },
        ]
    }};
}

const AMQP: &[Key] = family!("ssl_options", amqp, "the node");
const HTTP: &[Key] = family!("management.ssl", http, "the HTTP API (that of `ssl_options` if not set)");
const METRICS: &[Key] =
    family!("prometheus.ssl", metrics, "the metrics endpoint (that of `ssl_options` if not set)");
const HTTP_OLDER: &[Key] =
    family!("management.listener.ssl_opts", http_older, "the HTTP API, in the older way");
