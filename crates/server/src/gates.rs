//! Which listeners speak TLS, and with what.

use std::{sync::Arc, time::Duration};

use management::{Certificates, Expires};
use tokio::task::JoinHandle;

use crate::{
    config::{Settings, tls::Tls},
    tls::{Expiry, Fault, Gate},
};

/// The longest handshake where no limit was set.
pub(crate) const HANDSHAKE_MS_MAX: u64 = 24 * 3600 * 1000;

/// What stands before the listeners that speak TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gates {
    pub(crate) amqp: Option<Arc<Gate>>,
    pub(crate) management: Option<Arc<Gate>>,
    pub(crate) metrics: Option<Arc<Gate>>,
}

impl Gates {
    /// Reads the files.
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Fault> {
        let limits = &settings.connection;
        let times = [limits.handshake_timeout_ms, limits.tls_handshake_timeout_ms];
        let timeout_ms = times.into_iter().flatten().min().unwrap_or(HANDSHAKE_MS_MAX);
        let open = |tls: &Option<Tls>| {
            let gate = tls.as_ref().map(|tls| Gate::open(tls, Duration::from_millis(timeout_ms)));
            gate.transpose().map(|gate| gate.map(Arc::new))
        };
        Ok(Self {
            amqp: open(&settings.tls.amqp)?,
            management: open(&settings.tls.management)?,
            metrics: open(&settings.tls.metrics)?,
        })
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, &Arc<Gate>)> {
        let named =
            [("amqp/ssl", &self.amqp), ("https", &self.management), ("https/prometheus", &self.metrics)];
        named.into_iter().filter_map(|(protocol, gate)| Some((protocol, gate.as_ref()?)))
    }

    /// Reads changed files from now on.
    pub(crate) fn watch(&self) -> Vec<JoinHandle<()>> {
        self.all().map(|(_, gate)| tokio::spawn(Arc::clone(gate).watch())).collect()
    }

    /// When the certificates expire with which a protocol is spoken; None if it needs none.
    pub(crate) fn certificates(&self, protocol: &str) -> Option<Certificates> {
        let (_, gate) = self.all().find(|(own, _)| *own == protocol)?;
        let shown = |path: &std::path::Path| path.display().to_string();
        let expire = |all: Vec<Expiry>| all.into_iter().map(|one| Expires { at_s: one.at_s, text: one.text });
        let (chain, authorities) = gate.expiries();
        Some(Certificates {
            certfile: shown(gate.certfile()),
            cacertfile: gate.cacertfile().map(shown),
            chain: expire(chain).collect(),
            authorities: expire(authorities).collect(),
        })
    }
}
