//! The house rules that no compiler and no linter knows.
//!
//! Every rule is a function of a [`Tree`] (paths and texts), so that it can be tested on a tree of three lines. Only
//! [`check`] looks at the real one. Files that git ignores are none of its business.

mod compatibility;
mod decisions;
mod dependencies;
mod names;
mod sources;
mod tree;
mod words;

use std::{fmt, path::Path};

pub use tree::{File, Tree};

/// One breach of a rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Finding {
    /// From the root of the repository.
    pub path: String,
    /// Counted from 1; 0 if the whole file is meant.
    pub line: usize,
    pub sentence: String,
}

impl Finding {
    fn new(path: &str, line: usize, sentence: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, sentence: sentence.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.sentence),
            line => write!(f, "{}:{line}: {}", self.path, self.sentence),
        }
    }
}

/// Files that a repository of ours is not without.
const REQUIRED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "COMPATIBILITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
    ".ci/run",
];

/// All breaches in the repository at `root`, by path and line.
pub fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let tree = Tree::read(root)?;
    let packages = dependencies::read(root)?;
    let mut findings = check_tree(&tree);
    findings.extend(dependencies::check(&packages));
    findings.sort();
    Ok(findings)
}

/// The breaches that the files alone show.
fn check_tree(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in REQUIRED {
        if tree.file(path).is_none() {
            findings.push(Finding::new(path, 0, "is missing"));
        }
    }
    findings.extend(names::check(tree));
    findings.extend(sources::check(tree));
    findings.extend(words::check(tree));
    findings.extend(compatibility::check(tree));
    findings.extend(decisions::check(tree));
    findings
}

#[cfg(test)]
mod tests;
