//! The files of the repository: those that git has, and those that it would take.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};

/// Larger files are fixtures, and not written by hand.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Paths and texts.
#[derive(Clone, Default, Debug)]
pub struct Tree {
    files: Vec<File>,
}

/// A file; its text is empty if it is not UTF-8 or very large.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
}

impl File {
    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether the path ends with a dot and this word.
    pub fn has_extension(&self, extension: &str) -> bool {
        self.name().rsplit_once('.').is_some_and(|(_, end)| end == extension)
    }

    /// Lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

impl Tree {
    /// A tree of these files.
    pub fn new(files: impl IntoIterator<Item = File>) -> Self {
        Self { files: files.into_iter().collect() }
    }

    /// The files below `root` that git does not ignore.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("cannot run git, which knows the files of the repository")?;
        ensure!(listed.status.success(), "git: {}", String::from_utf8_lossy(&listed.stderr).trim());
        let names = String::from_utf8(listed.stdout).context("a file's name is not UTF-8")?;
        let mut files = Vec::new();
        for path in names.split('\0').filter(|name| !name.is_empty()) {
            let full = root.join(path);
            // A file that git still lists may be gone from the folder, and a submodule is a folder.
            let Ok(metadata) = std::fs::metadata(&full) else { continue };
            if metadata.is_dir() {
                continue;
            }
            let is_text = metadata.len() <= FILE_BYTES_MAX;
            let text =
                if is_text { std::fs::read_to_string(&full).unwrap_or_default() } else { String::new() };
            files.push(File { path: path.to_owned(), text });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// All of them, by path.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The one at this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}
