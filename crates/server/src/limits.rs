//! What the machine allows: open files and memory.
//!
//! Texts of the kernel are parsed by pure functions; the public functions look at
//! the world. What cannot be found out is no error: the limit is then the next wider one.

use std::path::{Component, Path, PathBuf};

use rustix::process::{Resource, Rlimit};

const CGROUP_ROOT: &str = "/sys/fs/cgroup";
const OPEN_FILES: &str = "/proc/self/fd";
/// Where the kernel says how much memory the machine has.
pub(crate) const MACHINE_MEMORY: &str = "/proc/meminfo";

/// How many files and sockets the process may have open; `None` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    /// Before it was raised.
    pub(crate) was: Option<u64>,
    pub(crate) now: Option<u64>,
}

/// Raises the soft limit of open files to the hard one, which needs no privilege.
pub(crate) fn raise_open_files() -> OpenFiles {
    let Rlimit { current: was, maximum } = rustix::process::getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: maximum, maximum };
    match rustix::process::setrlimit(Resource::Nofile, wanted) {
        Ok(()) => OpenFiles { was, now: maximum },
        Err(_) => OpenFiles { was, now: was },
    }
}

/// How many files and sockets are open now, and how many may be.
pub(crate) fn open_files() -> (u64, u64) {
    (count_open_files(), rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// Linux tells it as the size of the directory since 6.2; before, the size is 0, and each is looked at.
fn count_open_files() -> u64 {
    match std::fs::metadata(OPEN_FILES).map(|files| files.len()) {
        Ok(count @ 1..) => count,
        _ => std::fs::read_dir(OPEN_FILES).map_or(0, |files| files.count() as u64),
    }
}

/// The memory that this process can have: what the machine has, or less if one of its cgroups allows less.
pub(crate) fn total_memory_bytes() -> Option<u64> {
    total_memory().map(|(bytes, _)| bytes)
}

/// The same, with the file that says so.
pub(crate) fn total_memory() -> Option<(u64, PathBuf)> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let machine = PathBuf::from(MACHINE_MEMORY);
    let of_machine = read(&machine).and_then(|text| parse_meminfo(&text)).map(|bytes| (bytes, machine));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let files = memory_limit_files(&groups).into_iter();
    let allowed = files.filter_map(|file| Some((parse_limit(&read(&file)?)?, file)));
    of_machine.into_iter().chain(allowed).min_by_key(|(bytes, _)| *bytes)
}

/// Memory of this process that is in use now.
pub(crate) fn resident_bytes() -> Option<u64> {
    let pages = parse_resident_pages(&std::fs::read_to_string("/proc/self/statm").ok()?)?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

/// The second number of `/proc/self/statm`.
fn parse_resident_pages(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Bytes that this process may still write to the file system of `path`.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(path).ok()?;
    status.f_bavail.checked_mul(status.f_frsize)
}

/// `MemTotal:       16384000 kB` → bytes.
fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The content of a file with a limit; `max` is none. Version 1 writes a huge number for none, which is above any memory.
fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit > 0)
}

/// Where the limits of the process's groups stand, from `/proc/self/cgroup`: its own group and all above it.
///
/// A line is `id:controllers:path`; version 2 has no controllers. In a container the path may be that of the host and
/// not exist here, and then the root stands for the container: so the whole way up is looked at.
fn memory_limit_files(text: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => (PathBuf::from(CGROUP_ROOT), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (Path::new(CGROUP_ROOT).join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let below: PathBuf =
            Path::new(path).components().filter(|part| matches!(part, Component::Normal(_))).collect();
        files.extend(below.ancestors().map(|group| root.join(group).join(file)));
    }
    files
}

#[cfg(test)]
mod tests;
