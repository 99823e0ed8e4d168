//! Hashes that RabbitMQ made are understood, and those made here are RabbitMQ's.

use super::*;

#[test]
fn a_password_fits_its_hash_only() {
    let hash = PasswordHash::of(&Secret::new("pässword"), [1, 2, 3, 4]);
    assert!(hash.verify(&Secret::new("pässword")));
    for wrong in ["", "password", "pässword ", "PÄSSWORD"] {
        assert!(!hash.verify(&Secret::new(wrong)), "{wrong}");
    }
    assert_ne!(hash, PasswordHash::of(&Secret::new("pässword"), [1, 2, 3, 5]), "salted");
}

/// The example of RabbitMQ's documentation of its password hashes: salt 908D C60A, password `test12`.
#[test]
fn the_documented_example_is_reproduced() {
    let text = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
    let made = PasswordHash::of(&Secret::new("test12"), [0x90, 0x8d, 0xc6, 0x0a]);
    assert_eq!(made.to_base64(), text);
    assert_eq!(PasswordHash::parse(HashAlgorithm::Sha256, text), Ok(made));
}

#[test]
fn sha512_is_understood() {
    let mut salted = vec![5, 6, 7, 8];
    salted.extend_from_slice(&Sha512::new().chain_update([5, 6, 7, 8]).chain_update(b"p").finalize());
    let hash = PasswordHash::parse(HashAlgorithm::Sha512, &BASE64_STANDARD.encode(salted)).unwrap();
    assert!(hash.verify(&Secret::new("p")) && !hash.verify(&Secret::new("q")));
}

#[test]
fn md5_is_understood() {
    // RabbitMQ 3.5: the salt ac8f1a00, and MD5 of it and of the password.
    let salt = [0xac, 0x8f, 0x1a, 0x00];
    let mut salted = salt.to_vec();
    salted.extend_from_slice(&Md5::new().chain_update(salt).chain_update(b"p").finalize());
    let hash = PasswordHash::parse(HashAlgorithm::Md5, &BASE64_STANDARD.encode(salted)).unwrap();
    assert!(hash.verify(&Secret::new("p")) && !hash.verify(&Secret::new("q")));
}

#[test]
fn some_hashes_fit_nothing() {
    let empty = PasswordHash::parse(HashAlgorithm::Sha256, "").unwrap();
    assert_eq!(empty, PasswordHash::disabled());
    assert!(!empty.verify(&Secret::new("")) && !empty.verify(&Secret::new("p")));
    assert!(!verify_nobody(&Secret::new("")));
}

#[test]
fn what_is_no_hash_is_refused() {
    for (text, error) in [("*", HashError::Base64), ("AAAA", HashError::Length(3))] {
        assert_eq!(PasswordHash::parse(HashAlgorithm::Sha256, text), Err(error));
    }
    let sha256 = BASE64_STANDARD.encode([0; 36]);
    assert_eq!(PasswordHash::parse(HashAlgorithm::Sha512, &sha256), Err(HashError::Length(36)));
}

#[test]
fn nothing_secret_is_printed() {
    let hash = PasswordHash::of(&Secret::new("p"), [0; 4]);
    assert_eq!(format!("{hash:?}"), "PasswordHash { algorithm: Sha256, .. }");
}
