//! The rows of `COMPATIBILITY.md`: each names, in the column `test`, a test that exists.
//!
//! A name between backticks is either a path into the tree (`compat/pika/checks.py`, perhaps with `::name` behind it: the
//! name then occurs in that file, or in a file of that folder) or the path of a Rust function (`amqp091::channel::tests::name`:
//! a function of that name is then in the crate). Tables without such a column are left alone.

use super::{File, Finding, Tree};

const DOCUMENT: &str = "COMPATIBILITY.md";
const COLUMN: &str = "test";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(document) = tree.file(DOCUMENT) else { return Vec::new() };
    let mut findings = Vec::new();
    let mut column = None;
    let mut is_head_past = false;
    for (number, line) in document.lines() {
        let Some(cells) = cells(line) else {
            (column, is_head_past) = (None, false);
            continue;
        };
        if !is_head_past {
            column = cells.iter().position(|cell| cell.eq_ignore_ascii_case(COLUMN));
            is_head_past = true;
            continue;
        }
        let is_rule = cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|c| "-: ".contains(c)));
        let Some(position) = column.filter(|_| !is_rule) else { continue };
        let cell = cells.get(position).copied().unwrap_or_default();
        let names = quoted(cell);
        if names.is_empty() {
            findings.push(Finding::new(DOCUMENT, number, "the row names no test"));
        }
        for name in names {
            if !exists(tree, name) {
                findings.push(Finding::new(DOCUMENT, number, format!("there is no test `{name}`")));
            }
        }
    }
    findings
}

/// The cells of a table's row; a `\|` belongs to its cell. `None` if the line is no row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let mut inside = line.trim().strip_prefix('|')?;
    inside = inside.strip_suffix('|').unwrap_or(inside);
    let mut cells = Vec::new();
    let mut start = 0;
    let mut before = ' ';
    for (position, letter) in inside.char_indices() {
        if letter == '|' && before != '\\' {
            cells.push(inside.get(start..position)?.trim());
            start = position + 1;
        }
        before = letter;
    }
    cells.push(inside.get(start..)?.trim());
    Some(cells)
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn exists(tree: &Tree, name: &str) -> bool {
    if name.contains('/') {
        let (path, inside) =
            name.split_once("::").map_or((name, None), |(path, inside)| (path, Some(inside)));
        let last = inside.and_then(|inside| inside.rsplit("::").next());
        return files_at(tree, path).any(|file| last.is_none_or(|word| has_word(&file.text, word)));
    }
    let Some((place, function)) = name.rsplit_once("::") else { return false };
    let folder = place.split("::").next().unwrap_or_default();
    let folder = if folder == "xtask" { "xtask/".to_owned() } else { format!("crates/{folder}/") };
    let mut files = tree.files().filter(|file| file.path.starts_with(&folder) && file.has_extension("rs"));
    files.any(|file| defines(&file.text, function))
}

/// The file at the path, or all in the folder.
fn files_at<'a>(tree: &'a Tree, path: &'a str) -> impl Iterator<Item = &'a File> {
    let folder = format!("{}/", path.trim_end_matches('/'));
    tree.files().filter(move |file| file.path == path || file.path.starts_with(&folder))
}

fn defines(text: &str, function: &str) -> bool {
    text.match_indices("fn ").any(|(start, introduction)| {
        let rest = text.get(start + introduction.len()..).unwrap_or_default();
        rest.strip_prefix(function).is_some_and(|after| after.starts_with(['(', '<']))
    })
}

fn has_word(text: &str, word: &str) -> bool {
    let mut words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.any(|found| found == word)
        || (!word.chars().all(|c| c.is_alphanumeric() || c == '_') && text.contains(word))
}
