//! Who may import whom: ARCHITECTURE.md's rule, against what cargo says the crates do.
//!
//! ```text
//! server ─► everything     sim ─► everything but server     management, bridge ─► broker
//! broker ─► replication ─► storage      protocols ─► model      storage, model, ctl ─► nothing of ours
//! ```
//!
//! An edge that is not in the list is a breach, a crate that is not in the list too: the list is where a new edge is
//! argued for. Edges for tests count like the others.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::Finding;

/// A crate of the workspace, and the crates of ours that it may name.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("storage", &[]),
    ("replication", &["model", "storage"]),
    ("broker", &["model", "replication", "storage"]),
    ("amqp091", &["model"]),
    ("amqp10", &["model"]),
    ("mqtt", &["model"]),
    ("stomp", &["model"]),
    ("stream", &["model"]),
    ("management", &["broker", "model"]),
    ("bridge", &["amqp091", "amqp10", "broker", "model", "mqtt", "stomp", "stream"]),
    ("ctl", &[]),
    ("server", SERVER),
    ("sim", SIM),
    ("bench", &["amqp091", "amqp10", "model", "mqtt", "stomp", "stream"]),
    ("xtask", &[]),
];

const SERVER: &[&str] = &[
    "amqp091",
    "amqp10",
    "bridge",
    "broker",
    "ctl",
    "management",
    "model",
    "mqtt",
    "replication",
    "stomp",
    "storage",
    "stream",
];

const SIM: &[&str] = &[
    "amqp091",
    "amqp10",
    "bridge",
    "broker",
    "management",
    "model",
    "mqtt",
    "replication",
    "stomp",
    "storage",
    "stream",
];

/// Crates of others that touch the world, and the crates of ours that may name them.
const OF_THE_WORLD: &[(&str, &[&str])] = &[
    ("tokio", &["bench", "ctl", "server"]),
    ("mio", &["server"]),
    ("socket2", &["bench", "server"]),
    ("hyper", &["server"]),
    ("axum", &["server"]),
    ("reqwest", &["ctl", "server"]),
    ("rustix", &["bench", "ctl", "server", "storage"]),
    ("libc", &["server", "storage"]),
];

/// The part of cargo's description that the rule needs.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A crate of the workspace.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

/// What a crate names in its manifest.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Dependency {
    name: String,
    /// Set for what lies in the same repository.
    path: Option<String>,
}

/// Asks cargo for the crates of the workspace.
pub(super) fn read(root: &Path) -> anyhow::Result<Vec<Package>> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo metadata is not understood")?;
    Ok(metadata.packages)
}

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let name = package.name.as_str();
    let manifest =
        if name == "xtask" { "xtask/Cargo.toml".to_owned() } else { format!("crates/{name}/Cargo.toml") };
    let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
        return vec![Finding::new(&manifest, 0, format!("the crate `{name}` is not in the dependency rule"))];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let other = dependency.name.as_str();
        let is_breach = match dependency.path {
            Some(_) => !allowed.contains(&other),
            None => OF_THE_WORLD.iter().any(|(world, users)| *world == other && !users.contains(&name)),
        };
        if is_breach {
            findings.push(Finding::new(&manifest, 0, format!("`{name}` may not depend on `{other}`")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(name: &str, dependencies: &[(&str, bool)]) -> Vec<String> {
        let dependencies = dependencies
            .iter()
            .map(|(name, is_ours)| Dependency { name: (*name).to_owned(), path: is_ours.then(String::new) })
            .collect();
        let package = Package { name: name.to_owned(), dependencies };
        check(&[package]).into_iter().map(|finding| finding.sentence).collect()
    }

    #[test]
    fn edges_of_the_rule_are_allowed_and_others_are_not() {
        assert_eq!(sentences("broker", &[("model", true), ("storage", true), ("sha2", false)]), [""; 0]);
        assert_eq!(sentences("broker", &[("amqp091", true)]), ["`broker` may not depend on `amqp091`"]);
        assert_eq!(sentences("storage", &[("model", true)]), ["`storage` may not depend on `model`"]);
        assert_eq!(sentences("amqp091", &[("broker", true)]).len(), 1);
        assert_eq!(sentences("sim", &[("server", true)]).len(), 1);
    }

    #[test]
    fn the_world_is_for_the_server() {
        assert_eq!(sentences("server", &[("tokio", false), ("rustix", false)]), [""; 0]);
        assert_eq!(sentences("broker", &[("tokio", false)]), ["`broker` may not depend on `tokio`"]);
        assert_eq!(sentences("storage", &[("rustix", false)]), [""; 0]);
    }

    #[test]
    fn a_new_crate_has_to_be_put_on_the_list() {
        assert_eq!(sentences("extra", &[]), ["the crate `extra` is not in the dependency rule"]);
    }

    #[test]
    fn the_list_has_no_circle_and_no_stranger() {
        for (name, allowed) in ALLOWED {
            for other in *allowed {
                let back = ALLOWED.iter().find(|(known, _)| known == other).map(|(_, list)| *list);
                assert!(back.is_some_and(|list| !list.contains(name)), "{name} and {other}");
            }
        }
    }

    #[test]
    fn cargo_is_understood() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let packages = read(&root).unwrap();
        let broker = packages.iter().find(|package| package.name == "broker").unwrap();
        let model = broker.dependencies.iter().find(|dependency| dependency.name == "model").unwrap();
        assert!(model.path.is_some());
    }
}
