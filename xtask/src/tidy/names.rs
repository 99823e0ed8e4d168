//! Names of files and types: one noun of the domain each, and none that fits everything.

use super::{File, Finding, Tree};

/// Words which say nothing as the noun of a name.
const EMPTY_WORDS: &[&str] =
    &["manager", "handler", "helper", "util", "common", "misc", "base", "context", "info", "data", "process"];

/// What introduces the name of a type.
const KINDS: &[&str] = &["struct", "enum", "trait", "type", "union"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| file.has_extension("rs")) {
        if file.name() == "mod.rs" {
            findings.push(Finding::new(
                &file.path,
                0,
                "is named mod.rs: `foo.rs` stands beside its folder `foo/`",
            ));
        }
        let parts = file.path.trim_end_matches(".rs").split('/');
        for part in parts {
            if let Some(word) = empty_noun(part.split(['_', '-'])) {
                let sentence = format!("`{part}` has the noun `{word}`, which fits everything");
                findings.push(Finding::new(&file.path, 0, sentence));
            }
        }
        findings.extend(types(file));
    }
    findings
}

fn types(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        let Some(name) = defined_type(line) else { continue };
        let words = camel_words(name);
        if let Some(word) = empty_noun(words.iter().map(String::as_str)) {
            let sentence = format!("the type `{name}` has the noun `{word}`, which fits everything");
            findings.push(Finding::new(&file.path, number, sentence));
        }
    }
    findings
}

/// The noun of a name is its last word: `data_folder` is a folder, `folder_data` is anything.
fn empty_noun<'a>(words: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let noun = words.last()?.to_ascii_lowercase();
    let singular = noun.strip_suffix('s').unwrap_or(&noun);
    EMPTY_WORDS.iter().copied().find(|word| *word == noun || *word == singular)
}

/// `pub(crate) struct Name<T> {` → `Name`.
fn defined_type(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let code = match code.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
        None => code,
    };
    let (kind, rest) = code.split_once(' ')?;
    // What a trait of somebody else's wants is named by them.
    let is_theirs = kind == "type" && line.starts_with(' ') && rest.contains('=');
    if is_theirs || !KINDS.contains(&kind) {
        return None;
    }
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
    rest.get(..end).filter(|name| name.starts_with(|letter: char| letter.is_ascii_uppercase()))
}

/// `QueueInfo` → `Queue`, `Info`.
fn camel_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_ascii_uppercase() => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    words
}
