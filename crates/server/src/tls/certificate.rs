//! An X.509 certificate as far as the node looks into it itself: whose it is, who signed it, from when to when.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::CertificateDer;
use x509_cert::{
    der::{DateTime, Decode},
    time::Time,
};

use super::{Fault, subject};

/// Certificates that a chain may be completed by.
const COMPLETED_MAX: usize = 8;

/// A certificate and what was read in it.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) der: CertificateDer<'static>,
    parsed: x509_cert::Certificate,
    pub(super) expiry: Expiry,
}

/// When a certificate can no longer be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Expiry {
    /// Seconds since 1970.
    pub(crate) at_s: u64,
    /// The same as RabbitMQ writes it: `2027-01-31 9:05:00`.
    pub(crate) text: String,
}

impl Certificate {
    pub(super) fn parse(der: CertificateDer<'static>) -> Result<Self, x509_cert::der::Error> {
        let parsed = x509_cert::Certificate::from_der(&der)?;
        let end = parsed.tbs_certificate().validity().not_after;
        let date = end.to_date_time();
        let text = format!(
            "{}-{:02}-{:02} {}:{:02}:{:02}",
            date.year(),
            date.month(),
            date.day(),
            date.hour(),
            date.minutes(),
            date.seconds()
        );
        let expiry = Expiry { at_s: end.to_unix_duration().as_secs(), text };
        Ok(Self { der, parsed, expiry })
    }

    fn subject(&self) -> &x509_cert::name::Name {
        self.parsed.tbs_certificate().subject()
    }

    fn issuer(&self) -> &x509_cert::name::Name {
        self.parsed.tbs_certificate().issuer()
    }

    /// Whether it can be used now.
    pub(super) fn check(&self, path: &Path, now: SystemTime) -> Result<(), Fault> {
        let now: Duration = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let validity = self.parsed.tbs_certificate().validity();
        let named = || (path.to_owned(), subject::format(self.subject()));
        if validity.not_after.to_unix_duration() < now {
            let (path, subject) = named();
            return Err(Fault::Expired { path, subject, since: iso(&validity.not_after) });
        }
        if validity.not_before.to_unix_duration() > now {
            let (path, subject) = named();
            return Err(Fault::NotYetValid { path, subject, from: iso(&validity.not_before) });
        }
        Ok(())
    }
}

/// Adds what is missing in `chain` and stands among `authorities`, up to one that has signed itself.
///
/// RabbitMQ (Erlang) sends its chain like this: those between stand in `cacertfile` in many configurations.
pub(super) fn complete(chain: &mut Vec<Certificate>, authorities: &[Certificate]) {
    for _ in 0..COMPLETED_MAX {
        let Some(last) = chain.last() else { return };
        let next = authorities.iter().find(|authority| {
            authority.subject() == last.issuer() && authority.subject() != authority.issuer()
        });
        let Some(next) = next.filter(|next| !chain.iter().any(|one| one.der == next.der)) else { return };
        chain.push(next.clone());
    }
}

/// `2026-01-31T09:05:00Z`.
pub(super) fn iso(time: &Time) -> String {
    let date: DateTime = time.to_date_time();
    date.to_string()
}
