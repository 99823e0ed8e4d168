//! What must not be in a repository that others clone: paths of the machine it was written on, and package registries
//! other than the public ones.

use super::{File, Finding, Tree};

/// Folders of one machine. Put together here, so that this file does not contain them.
const MACHINE_FOLDERS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/bash", "_jobs")];

/// What a line speaks of that names a registry.
const REGISTRY_WORDS: &[&str] =
    &["index-url", "index_url", "find-links", "registry", "goproxy", "mirror", "resolved"];

/// Hosts that everyone reaches.
const PUBLIC_HOSTS: &[&str] = &[
    "crates.io",
    "deb.debian.org",
    "docs.rs",
    "files.pythonhosted.org",
    "github.com",
    "index.crates.io",
    "proxy.golang.org",
    "pypi.org",
    "registry.npmjs.org",
    "repo.maven.apache.org",
    "repo.packagist.org",
    "repo1.maven.org",
    "rubygems.org",
    "static.crates.io",
    "sum.golang.org",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for folder in MACHINE_FOLDERS {
            if names_folder(line, folder) {
                let sentence = format!("names `{folder}`, a folder of one machine");
                findings.push(Finding::new(&file.path, number, sentence));
            }
        }
        let lower = line.to_ascii_lowercase();
        if REGISTRY_WORDS.iter().any(|word| lower.contains(word)) {
            for host in hosts(&lower).filter(|host| !PUBLIC_HOSTS.contains(host)) {
                let sentence = format!("names `{host}`, a registry that others may not reach");
                findings.push(Finding::new(&file.path, number, sentence));
            }
        }
    }
    findings
}

/// Whether the folder stands in the line from the root on, and not as the end of a longer path.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(start, _)| {
        let before = line.get(..start).and_then(|before| before.chars().next_back());
        !before.is_some_and(|letter| letter.is_alphanumeric() || "_-.}/)$*".contains(letter))
    })
}

/// The hosts of the line's URLs.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    line.split("://").skip(1).filter_map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !"-._@:".contains(letter));
        let authority = rest.get(..end.unwrap_or(rest.len()))?;
        let host = authority.rsplit('@').next()?.split(':').next()?;
        (!host.is_empty()).then_some(host)
    })
}
