//! The folder on a real disk: modes, lock, PID file, refusals.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_is_made_with_its_parents_for_its_owner_only() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("a/b");
    let folder = DataFolder::open(&path).unwrap();
    assert_eq!(folder.path(), path);
    assert_eq!((mode(&path), mode(&outer.path().join("a"))), (0o700, 0o700));
    assert_eq!((mode(&path.join(LOCK)), mode(&path.join(PID))), (0o600, 0o600));
}

#[test]
fn a_second_instance_is_told_who_holds_it() {
    let outer = tempfile::tempdir().unwrap();
    let first = DataFolder::open(outer.path()).unwrap();
    let Err(Fault::Locked { path, pid }) = DataFolder::open(outer.path()) else { panic!("opened twice") };
    assert_eq!((path.as_path(), pid), (outer.path(), Some(std::process::id())));
    drop(first);
    assert!(!outer.path().join(PID).exists());
    DataFolder::open(outer.path()).unwrap();
}

#[test]
fn a_stale_pid_file_is_overwritten() {
    let outer = tempfile::tempdir().unwrap();
    std::fs::write(outer.path().join(PID), "99999999 or so").unwrap();
    let _folder = DataFolder::open(outer.path()).unwrap();
    assert_eq!(read_pid(outer.path()), Some(std::process::id()));
}

#[test]
fn an_existing_folder_keeps_its_mode() {
    let outer = tempfile::tempdir().unwrap();
    std::fs::set_permissions(outer.path(), std::fs::Permissions::from_mode(0o750)).unwrap();
    let _folder = DataFolder::open(outer.path()).unwrap();
    assert_eq!(mode(outer.path()), 0o750);
}

#[test]
fn what_cannot_be_a_folder_is_refused() {
    let outer = tempfile::tempdir().unwrap();
    let file = outer.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(DataFolder::open(&file), Err(Fault::NotAFolder { .. })));
    assert!(matches!(DataFolder::open(&file.join("below")), Err(Fault::NotMade { .. })));
    assert!(matches!(DataFolder::open(Path::new("")), Err(Fault::NotMade { .. })));
    // The superuser may write everywhere but here.
    assert!(matches!(DataFolder::open(Path::new("/proc/self/fdinfo")), Err(Fault::NotWritable { .. })));
}

#[test]
fn a_relative_path_is_made_absolute() {
    assert_eq!(absolute(Path::new("./x")).unwrap(), std::env::current_dir().unwrap().join("x"));
}
