//! Names that the broker makes up: `amq.gen-…` for queues, `amq.ctag-…` for consumers.
//!
//! Unguessable because seeded by the server from the system's randomness, deterministic given the seed.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use model::Name;
use sha2::{Digest, Sha256};

/// A source of names for one connection.
#[derive(Debug)]
pub(crate) struct NameMaker {
    seed: [u8; 16],
    made: u64,
}

impl NameMaker {
    pub(crate) fn new(seed: [u8; 16]) -> Self {
        Self { seed, made: 0 }
    }

    /// `prefix` and 22 characters of base64url, as RabbitMQ makes them.
    pub(crate) fn make(&mut self, prefix: &str) -> Name {
        self.made = self.made.wrapping_add(1);
        let digest = Sha256::new().chain_update(self.seed).chain_update(self.made.to_be_bytes()).finalize();
        let tail = BASE64_URL_SAFE_NO_PAD.encode(digest.get(..16).unwrap_or(&digest));
        Name::parse(&format!("{prefix}{tail}")).unwrap_or_default()
    }
}
