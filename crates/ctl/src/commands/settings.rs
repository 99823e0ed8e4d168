//! What can be changed while the node runs, and the words for what cannot.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    password,
    tool::CTL,
};

pub(super) const COMMANDS: &[Command] = &[
    Command::new("trace_on", CTL, Group::VirtualHosts, "[--vhost <vhost>]", "Has what is published and delivered in a virtual host copied to amq.rabbitmq.trace", trace_on),
    Command::new("trace_off", CTL, Group::VirtualHosts, "[--vhost <vhost>]", "Ends the copying", trace_off),
    Command::new("hash_password", CTL, Group::Other, "[<password>]", "Hashes a password as definitions and --pre-hashed-password want it; without one it is asked for, or read from the standard input", hash_password)
        .words(0, 1)
        .options(&[Opt::value("--password-file", "<file>", "the first line of this file is the password")]),
    Command::new("rotate_logs", CTL, Group::Nodes, "", "Nothing: the log goes to the standard error output", rotate_logs),
];

fn trace(call: &mut Call, is_on: bool) -> Result<(), Failure> {
    let vhost = call.vhost();
    call.announce(&format!(
        "{} tracing for vhost \"{vhost}\" ...",
        if is_on { "Starting" } else { "Stopping" }
    ))?;
    call.node()?.require_vhost(&vhost)?;
    call.put(&path(&["vhosts", &vhost]), &json!({ "tracing": is_on }))?.checked()?;
    call.out.say(&format!("Trace {} for vhost {vhost}", if is_on { "enabled" } else { "disabled" }))
}

fn trace_on(call: &mut Call) -> Result<(), Failure> {
    trace(call, true)
}

fn trace_off(call: &mut Call) -> Result<(), Failure> {
    trace(call, false)
}

/// Base64 of a salt of four bytes and SHA-256 over salt and password, as RabbitMQ has it.
fn hash_password(call: &mut Call) -> Result<(), Failure> {
    let secret = password::of_user(call, 0, true)?;
    let secret = secret.ok_or_else(|| Failure::software("Password is not provided via argument or stdin"))?;
    let mut salt = [0; 4];
    getrandom(&mut salt, GetRandomFlags::empty())
        .map_err(|error| Failure::software(format!("the system has no randomness: {error}")))?;
    call.out.say(&hashed(salt, &secret))
}

fn hashed(salt: [u8; 4], secret: &str) -> String {
    let hash = Sha256::new().chain_update(salt).chain_update(secret).finalize();
    BASE64_STANDARD.encode([&salt[..], &hash[..]].concat())
}

fn rotate_logs(_: &mut Call) -> Result<(), Failure> {
    Err(Failure::unavailable("This command does not rotate logs anymore [deprecated]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RabbitMQ's guide to passwords.
    #[test]
    fn the_hash_is_rabbitmqs() {
        assert_eq!(
            hashed([0x90, 0x8d, 0xc6, 0x0a], "test12"),
            "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
        );
    }
}
