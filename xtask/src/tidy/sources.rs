//! What a source file looks like: how it opens, how long it is, and what must not be left in it.

use super::{File, Finding, Tree};

const LINES_MAX: usize = 800;
/// A file that a program has written says so near its top.
const GENERATED: &str = concat!("@", "generated");
const SOURCES: &[&str] =
    &["rs", "py", "sh", "toml", "js", "mjs", "ts", "rb", "go", "java", "php", "pl", "yml", "yaml"];

/// Leftovers in Rust: (what, why). Put together here, so that this file does not contain them.
const LEFT_IN_RUST: &[(&str, &str)] = &[
    (concat!("todo", "!("), "unfinished code does not go in"),
    (concat!("unimplemented", "!("), "unfinished code does not go in"),
    (concat!("#[", "ignore"), "a test that is not run is none; slow ones belong to `cargo xtask compat`"),
    (
        concat!("#[", "allow"),
        "a lint is set aside by `#[expect(…, reason = …)]`, which says why and notices its end",
    ),
    (
        concat!("#![", "allow"),
        "a lint is set aside by `#![expect(…, reason = …)]`, which says why and notices its end",
    ),
];

/// Words that put work off, in any source.
const PUT_OFF: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        if file.has_extension("rs") {
            findings.extend(rust(file));
        }
        if SOURCES.iter().any(|extension| file.has_extension(extension)) {
            findings.extend(put_off(file));
        }
        if file.name() == "Cargo.toml" && is_of_workspace(&file.path) && !has_lints(&file.text) {
            findings.push(Finding::new(&file.path, 0, "lacks `[lints] workspace = true`"));
        }
    }
    findings
}

fn rust(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !file.text.starts_with("//!") {
        findings.push(Finding::new(
            &file.path,
            1,
            "does not open with `//!`: what lives here, and what does not",
        ));
    }
    let length = file.text.lines().count();
    if length > LINES_MAX && !is_test(&file.path) && !is_generated(file) {
        findings.push(Finding::new(
            &file.path,
            0,
            format!("has {length} lines, more than {LINES_MAX}: split it"),
        ));
    }
    for (number, line) in file.lines() {
        for (what, why) in LEFT_IN_RUST {
            if line.contains(what) {
                findings.push(Finding::new(&file.path, number, format!("`{what}`: {why}")));
            }
        }
    }
    findings
}

fn put_off(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for word in PUT_OFF.iter().filter(|word| stands_alone(line, word)) {
            findings.push(Finding::new(&file.path, number, format!("`{word}`: do it now, or file it")));
        }
    }
    findings
}

/// Whether the word stands in the line as one, and is not merely spoken of: between quotes, or in a pattern.
fn stands_alone(line: &str, word: &str) -> bool {
    let belongs = |letter: char| letter.is_alphanumeric() || "_|\"'`".contains(letter);
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|before| before.chars().next_back());
        let after = line.get(start + word.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(belongs) && !after.is_some_and(belongs)
    })
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests" || part == "compat")
}

fn is_generated(file: &File) -> bool {
    file.text.lines().take(10).any(|line| line.contains(GENERATED))
}

fn is_of_workspace(path: &str) -> bool {
    path == "xtask/Cargo.toml" || path.starts_with("crates/")
}

fn has_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().skip_while(|line| line.trim() != "[lints]").skip(1);
    lines.any(|line| line.replace(' ', "") == "workspace=true")
}
