//! `docs/decisions/NNNN-title.md`: numbered from 0001, without gap and without double.

use super::{Finding, Tree};

const FOLDER: &str = "docs/decisions/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut expected = 1u32;
    for file in tree.files() {
        let Some(name) = file.path.strip_prefix(FOLDER) else { continue };
        if name == "README.md" {
            continue;
        }
        let Some(number) = number(name) else {
            findings.push(Finding::new(&file.path, 0, "is not named NNNN-title.md"));
            continue;
        };
        if number != expected {
            findings.push(Finding::new(
                &file.path,
                0,
                format!("has a number other than {expected:04}, the next one"),
            ));
        }
        expected = number.saturating_add(1);
    }
    findings
}

fn number(name: &str) -> Option<u32> {
    let (digits, title) = name.strip_suffix(".md")?.split_once('-')?;
    let is_title =
        !title.is_empty() && title.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    (digits.len() == 4 && is_title).then(|| digits.parse().ok()).flatten()
}
