//! What running costs, as the kernel counts it: processor time and resident memory of a program with everything it has
//! started, processor time and bytes written of the machine as a whole.
//!
//! Texts of `/proc` are parsed by pure functions. A program that ends while it is looked at counts nothing.

use std::{collections::HashMap, fs, path::Path, time::Duration};

use anyhow::Context as _;

/// The unit of the kernel's statistics of disks, whatever the disk's own.
const SECTOR_BYTES: u64 = 512;
/// The kernel counts processor time for `/proc` in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Sums over a program and its descendants.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu: Duration,
    pub(crate) resident_bytes: u64,
}

/// Reads the usage of `pid` and of everything below it.
pub(crate) fn of_tree(pid: u32) -> anyhow::Result<Usage> {
    let mut sum = Usage::default();
    for member in tree(pid)? {
        let usage = of_one(member).unwrap_or_default();
        sum.cpu += usage.cpu;
        sum.resident_bytes += usage.resident_bytes;
    }
    Ok(sum)
}

/// Reads the usage of this program alone, without what it has started.
pub(crate) fn of_self() -> anyhow::Result<Usage> {
    of_one(std::process::id())
}

/// The time that all processors were busy, for anybody.
pub(crate) fn machine_busy() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    parse_busy(&text).context("/proc/stat is not understood")
}

fn of_one(pid: u32) -> anyhow::Result<Usage> {
    let folder = Path::new("/proc").join(pid.to_string());
    let stat = fs::read_to_string(folder.join("stat"))?;
    let status = fs::read_to_string(folder.join("status"))?;
    let (_, cpu) = parse_stat(&stat).context("a stat line is not understood")?;
    Ok(Usage { cpu, resident_bytes: field(&status, "VmRSS:").unwrap_or(0) * 1024 })
}

/// Bytes that the machine's disks were sent, by anybody. What the kernel counts for a program will not do: a byte that is
/// changed in a large piece of the page cache counts there as the whole piece.
pub(crate) fn disks_written_bytes() -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir("/sys/block").context("cannot list /sys/block")? {
        let block = entry?.path();
        // What is not made of others: neither partitions nor what is mapped onto them.
        if block.join("device").exists() {
            let text = fs::read_to_string(block.join("stat")).unwrap_or_default();
            sum += parse_written(&text).unwrap_or(0);
        }
    }
    Ok(sum)
}

/// `root` and all its descendants.
fn tree(root: u32) -> anyhow::Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").context("cannot list /proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some((parent, _)) = parse_stat(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut members = vec![root];
    let mut next = 0;
    while let Some(member) = members.get(next).copied() {
        next += 1;
        members.extend(children.remove(&member).unwrap_or_default());
    }
    Ok(members)
}

/// Parent and processor time. The name in brackets may contain anything, even brackets.
fn parse_stat(text: &str) -> Option<(u32, Duration)> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let user: u32 = fields.get(11)?.parse().ok()?;
    let system: u32 = fields.get(12)?.parse().ok()?;
    Some((parent, TICK.checked_mul(user.checked_add(system)?)?))
}

/// `name: 123 kB` → 123.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The first line: user, nice, system, idle, iowait, irq, softirq, steal.
fn parse_busy(text: &str) -> Option<Duration> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let busy: u64 = [0, 1, 2, 5, 6].iter().filter_map(|place| ticks.get(*place)).sum();
    Some(Duration::from_millis(busy.checked_mul(10)?))
}

/// The seventh number is sectors written.
fn parse_written(text: &str) -> Option<u64> {
    let sectors: u64 = text.split_whitespace().nth(6)?.parse().ok()?;
    sectors.checked_mul(SECTOR_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_an_odd_name_is_understood() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 0 0 0 150 50 9 9 20 0 3 0 1 2 3";
        assert_eq!(parse_stat(line), Some((7, Duration::from_secs(2))));
        assert_eq!(parse_stat("42 (a) S 7"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn fields_and_sums_are_found() {
        assert_eq!(field("VmPeak:\t 9 kB\nVmRSS:\t  123 kB\n", "VmRSS:"), Some(123));
        assert_eq!(
            parse_written(" 714160 106881 406469778 1645127 3379988 137202 100 453686 0"),
            Some(51_200)
        );
        assert_eq!(parse_written("1 2 3"), None);
        assert_eq!(field("", "VmRSS:"), None);
        let busy = parse_busy("cpu  1 2 3 1000 1000 4 5 100 0 0\ncpu0 1 1 1\n");
        assert_eq!(busy, Some(Duration::from_millis(150)));
    }

    #[test]
    fn this_program_has_memory_and_is_its_own_tree() {
        assert!(of_self().unwrap().resident_bytes > 100_000);
        assert!(tree(std::process::id()).unwrap().contains(&std::process::id()));
    }
}
