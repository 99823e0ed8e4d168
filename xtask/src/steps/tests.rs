//! The order of steps, and what a failing one does to the others.

use super::*;

fn shell(name: &'static str, line: &str, needs: Option<&'static str>) -> Step {
    let words = ["sh", "-c", line].map(str::to_owned);
    Step { name, work: Work::Run(words.to_vec()), needs }
}

#[test]
fn a_failing_step_fails_the_run_but_the_rest_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let steps = [
        shell("one", "false", None),
        shell("two", "touch two", None),
        shell("three", "touch three", Some("one")),
    ];
    assert!(!run(folder.path(), &steps).unwrap());
    assert!(folder.path().join("two").exists());
    assert!(!folder.path().join("three").exists());
}

#[test]
fn a_program_that_does_not_exist_is_a_failure() {
    let step = Step { name: "x", work: Work::Run(vec!["no-such-program-here".to_owned()]), needs: None };
    assert!(!run(Path::new("."), &[step]).unwrap());
}

#[test]
fn all_fine_is_fine() {
    let folder = tempfile::tempdir().unwrap();
    let steps = [shell("one", "true", None), shell("two", "true", Some("one"))];
    assert!(run(folder.path(), &steps).unwrap());
}

#[test]
fn what_is_not_there_yet_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let step =
        Step { name: "x", work: Work::RunIf("fuzz/Cargo.toml", vec!["false".to_owned()]), needs: None };
    assert!(run(folder.path(), std::slice::from_ref(&step)).unwrap());
    std::fs::create_dir(folder.path().join("fuzz")).unwrap();
    std::fs::write(folder.path().join("fuzz/Cargo.toml"), "").unwrap();
    assert!(!run(folder.path(), &[step]).unwrap());
}

#[test]
fn the_test_run_is_complete_and_what_a_step_needs_stands_before_it() {
    let steps = of_test();
    let names: Vec<_> = steps.iter().map(|step| step.name).collect();
    assert_eq!(names, ["formatting", "tidy", "lints", "tests", "build", "fuzz targets", "clients"]);
    for (position, step) in steps.iter().enumerate() {
        let Some(needed) = step.needs else { continue };
        assert!(names[..position].contains(&needed), "{needed}");
    }
}

#[test]
fn arguments_of_compat_are_handed_on() {
    let steps = of_compat(&["--only", "pika"]);
    let words = ["python3", "compat/run.py", "--all", "--only", "pika"].map(str::to_owned);
    assert_eq!(steps[1].work, Work::Run(words.to_vec()));
}
