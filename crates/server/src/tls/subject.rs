//! Names in certificates, written as RabbitMQ writes them, since users have such names: `CN=shop,O=Acme`.

use std::{fmt::Write, net::IpAddr};

use model::Name;
use x509_cert::{
    attr::AttributeTypeAndValue,
    der::{
        Decode, Tag, Tagged,
        asn1::{Any, ObjectIdentifier},
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use crate::config::tls::{CertificatePart, LoginFrom, SanKind};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// RabbitMQ's words for what a name consists of.
const WORDS: [(ObjectIdentifier, &str); 17] = [
    (ObjectIdentifier::new_unwrap("2.5.4.4"), "SN"),
    (ObjectIdentifier::new_unwrap("2.5.4.42"), "GIVENNAME"),
    (ObjectIdentifier::new_unwrap("2.5.4.43"), "INITIALS"),
    (ObjectIdentifier::new_unwrap("2.5.4.44"), "GENERATIONQUALIFIER"),
    (COMMON_NAME, "CN"),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), "L"),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), "ST"),
    (ObjectIdentifier::new_unwrap("2.5.4.9"), "STREET"),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), "O"),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), "OU"),
    (ObjectIdentifier::new_unwrap("2.5.4.12"), "TITLE"),
    (ObjectIdentifier::new_unwrap("2.5.4.6"), "C"),
    (ObjectIdentifier::new_unwrap("2.5.4.5"), "SERIALNUMBER"),
    (ObjectIdentifier::new_unwrap("2.5.4.65"), "PSEUDONYM"),
    (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"), "DC"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"), "EMAILADDRESS"),
    (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1"), "UID"),
];

/// The user that a certificate stands for; None if it has no such part.
pub(crate) fn user_name(der: &[u8], from: LoginFrom) -> Option<Name> {
    let certificate = x509_cert::Certificate::from_der(der).ok()?;
    let certificate = certificate.tbs_certificate();
    let text = match from.part {
        CertificatePart::Subject => format(certificate.subject()),
        CertificatePart::CommonName => {
            let names = certificate.subject().iter().filter(|part| part.oid == COMMON_NAME);
            // RabbitMQ: several are joined, so that none of them alone is the user.
            names.filter_map(|part| text(&part.value)).collect::<Vec<_>>().join(",")
        }
        CertificatePart::Alternative => {
            let (_, names) = certificate.get_extension::<SubjectAltName>().ok()??;
            let mut of_kind = names.0.iter().filter_map(|name| alternative(name, from.san_kind));
            of_kind.nth(from.san_index)?
        }
    };
    Name::parse(&text).ok().filter(|name| !name.as_str().is_empty())
}

fn alternative(name: &GeneralName, kind: SanKind) -> Option<String> {
    match (name, kind) {
        (GeneralName::DnsName(name), SanKind::Dns) => Some(name.to_string()),
        (GeneralName::Rfc822Name(name), SanKind::Email) => Some(name.to_string()),
        (GeneralName::UniformResourceIdentifier(name), SanKind::Uri) => Some(name.to_string()),
        (GeneralName::IpAddress(bytes), SanKind::Ip) => {
            let bytes = bytes.as_bytes();
            let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        (GeneralName::OtherName(other), SanKind::Other) => text(&other.value),
        _ => None,
    }
}

/// A distinguished name, the last part first.
pub(super) fn format(name: &x509_cert::name::Name) -> String {
    let mut parts: Vec<String> =
        name.iter_rdn().map(|part| part.iter().map(format_part).collect::<Vec<_>>().join("+")).collect();
    parts.reverse();
    parts.join(",")
}

fn format_part(part: &AttributeTypeAndValue) -> String {
    let value = escape(&text(&part.value).unwrap_or_default());
    match WORDS.iter().find(|(oid, _)| *oid == part.oid) {
        Some((_, word)) => format!("{word}={value}"),
        None => format!("{}={value}", part.oid),
    }
}

/// The text of a string, whichever of the kinds of strings it is.
fn text(value: &Any) -> Option<String> {
    let bytes = value.value();
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        }
        // T.61 is written as Latin-1 by everybody who still writes it.
        Tag::TeletexString => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let units = bytes.chunks_exact(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
            char::decode_utf16(units.map(u16::from_be_bytes)).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

/// RabbitMQ: as in RFC 4514, and every byte that is no printable ASCII as `\XX`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let is_marked = match byte {
            b' ' => at == 0 || at == last,
            b'#' => at == 0,
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => true,
            _ => false,
        };
        if is_marked {
            escaped.push('\\');
        }
        if (32..126).contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(escaped, "\\{byte:02X}").unwrap_or_default();
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_names_is_escaped() {
        assert_eq!(escape("Acme"), "Acme");
        assert_eq!(escape(" a#b "), "\\ a#b\\ ");
        assert_eq!(escape("#1, \"x\"+<y>;\\"), "\\#1\\, \\\"x\\\"\\+\\<y\\>\\;\\\\");
        assert_eq!(escape("é~\n"), "\\C3\\A9\\7E\\0A");
    }
}
