//! Passwords, as RabbitMQ keeps them: a salt and the hash of salt and password.
//!
//! ```text
//! base64( salt:4 bytes | H(salt | password) )      H: SHA-256 unless said otherwise
//! ```

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use md5::Md5;
use model::Secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

const SALT_BYTES: usize = 4;

/// How a password was hashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HashAlgorithm {
    /// RabbitMQ's default.
    #[serde(rename = "rabbit_password_hashing_sha256")]
    Sha256,
    /// Longer.
    #[serde(rename = "rabbit_password_hashing_sha512")]
    Sha512,
    /// From old definitions; no password is hashed with it any more.
    #[serde(rename = "rabbit_password_hashing_md5")]
    Md5,
}

impl HashAlgorithm {
    fn hash_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
            Self::Md5 => 16,
        }
    }
}

/// Why a text is no hash of a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HashError {
    /// Not base64.
    #[error("the password hash is no base64")]
    Base64,
    /// Not as long as a salt and a hash are.
    #[error("the password hash has {0} bytes")]
    Length(usize),
}

/// A salted and hashed password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredHash", into = "StoredHash")]
pub struct PasswordHash {
    algorithm: HashAlgorithm,
    /// Salt and hash. Empty: nobody can log in with a password.
    salted: Vec<u8>,
}

/// As it stands in the log, and in RabbitMQ's definitions.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredHash {
    hashing_algorithm: HashAlgorithm,
    password_hash: String,
}

impl PasswordHash {
    /// Hashes a password. `salt` is random.
    pub fn of(password: &Secret, salt: [u8; 4]) -> Self {
        let mut salted = salt.to_vec();
        salted
            .extend_from_slice(&Sha256::new().chain_update(salt).chain_update(password.expose()).finalize());
        Self { algorithm: HashAlgorithm::Sha256, salted }
    }

    /// What no password fits.
    pub fn disabled() -> Self {
        Self { algorithm: HashAlgorithm::Sha256, salted: Vec::new() }
    }

    /// Whether no password fits.
    pub fn is_disabled(&self) -> bool {
        self.salted.is_empty()
    }

    /// Takes a hash in RabbitMQ's form. An empty one is [disabled](Self::disabled).
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(algorithm: HashAlgorithm, text: &str) -> Result<Self, HashError> {
        let salted = BASE64_STANDARD.decode(text).map_err(|_| HashError::Base64)?;
        if !salted.is_empty() && salted.len() != algorithm.hash_bytes().saturating_add(SALT_BYTES) {
            return Err(HashError::Length(salted.len()));
        }
        Ok(Self { algorithm, salted })
    }

    /// How it was hashed.
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Salt and hash in base64, for definitions.
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(&self.salted)
    }

    /// Whether this is the password. Takes the same time for every wrong one.
    pub fn verify(&self, password: &Secret) -> bool {
        let Some((salt, hash)) = self.salted.split_first_chunk::<SALT_BYTES>() else {
            return verify_nobody(password);
        };
        match self.algorithm {
            HashAlgorithm::Sha256 => is_hash::<Sha256>(salt, password, hash),
            HashAlgorithm::Sha512 => is_hash::<Sha512>(salt, password, hash),
            HashAlgorithm::Md5 => is_hash::<Md5>(salt, password, hash),
        }
    }
}

fn is_hash<D: Digest>(salt: &[u8], password: &Secret, hash: &[u8]) -> bool {
    D::new().chain_update(salt).chain_update(password.expose()).finalize().as_slice().ct_eq(hash).into()
}

/// Does what [`PasswordHash::verify`] does, for a user that does not exist: never right, and not faster.
pub(crate) fn verify_nobody(password: &Secret) -> bool {
    let nobody = PasswordHash { algorithm: HashAlgorithm::Sha256, salted: vec![0; 36] };
    std::hint::black_box(nobody.verify(password));
    false
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl TryFrom<StoredHash> for PasswordHash {
    type Error = HashError;

    fn try_from(stored: StoredHash) -> Result<Self, HashError> {
        Self::parse(stored.hashing_algorithm, &stored.password_hash)
    }
}

impl From<PasswordHash> for StoredHash {
    fn from(hash: PasswordHash) -> Self {
        Self { hashing_algorithm: hash.algorithm, password_hash: hash.to_base64() }
    }
}

#[cfg(test)]
mod tests;
