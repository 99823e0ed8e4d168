//! Texts of the kernel, and one look at this machine.

use super::*;

#[test]
fn the_memory_of_the_machine() {
    assert_eq!(parse_meminfo("MemFree: 1 kB\nMemTotal:       16384 kB\n"), Some(16384 * 1024));
    assert_eq!(parse_meminfo("MemTotal: x kB"), None);
    assert_eq!(parse_meminfo(""), None);
    assert_eq!(parse_meminfo("MemTotal: 18446744073709551615 kB"), None);
}

#[test]
fn the_limit_of_a_group() {
    assert_eq!(parse_limit("536870912\n"), Some(536_870_912));
    assert_eq!(parse_limit("max\n"), None);
    assert_eq!(parse_limit("0\n"), None);
    assert_eq!(parse_limit("9223372036854771712\n"), Some(9_223_372_036_854_771_712));
}

#[test]
fn the_groups_of_version_2_and_those_above() {
    let files = memory_limit_files("0::/system.slice/x.service\n");
    let expected = [
        "/sys/fs/cgroup/system.slice/x.service/memory.max",
        "/sys/fs/cgroup/system.slice/memory.max",
        "/sys/fs/cgroup/memory.max",
    ];
    assert_eq!(files, expected.map(PathBuf::from));
    assert_eq!(memory_limit_files("0::/"), [PathBuf::from("/sys/fs/cgroup/memory.max")]);
}

#[test]
fn the_group_of_version_1_is_that_of_memory() {
    let files = memory_limit_files("5:cpu,cpuacct:/a\n4:hugetlb,memory:/docker/b\n1:name=systemd:/c\n");
    let expected = [
        "/sys/fs/cgroup/memory/docker/b/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    assert_eq!(files, expected.map(PathBuf::from));
}

#[test]
fn a_path_cannot_lead_out_of_the_groups() {
    let files = memory_limit_files("0::/../../etc\nnonsense\n");
    assert!(files.iter().all(|file| file.starts_with(CGROUP_ROOT) && !file.to_string_lossy().contains("..")));
    assert!(!files.is_empty());
}

#[test]
fn this_machine_has_memory_and_lets_files_be_opened() {
    assert!(total_memory_bytes().unwrap() > 64 << 20);
    let limit = raise_open_files();
    assert_eq!(raise_open_files().was, limit.now);
    assert!(limit.now.is_none() || limit.now >= limit.was);
}
