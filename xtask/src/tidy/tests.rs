//! Each rule on trees of a few lines: what breaks it is found, at its line, and what does not is left alone.

use super::*;

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::new(files.iter().map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() }))
}

/// Path and line of the findings of a rule.
fn places(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    rule(&tree(files)).iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
}

fn check_source(path: &str, text: &str, lines: &[usize]) {
    let expected: Vec<_> = lines.iter().map(|line| format!("{path}:{line}")).collect();
    assert_eq!(places(sources::check, &[(path, text)]), expected, "{text:?}");
}

#[test]
fn a_source_opens_with_what_lives_in_it() {
    check_source("crates/a/src/x.rs", "//! X.\n", &[]);
    check_source("crates/a/src/x.rs", "// X.\n", &[1]);
    check_source("crates/a/src/x.rs", "", &[1]);
    check_source("compat/x.py", "import os\n", &[]);
}

#[test]
fn a_source_is_of_moderate_length_unless_it_is_tests_or_generated() {
    let long = format!("//! X.\n{}", "//\n".repeat(800));
    check_source("crates/a/src/x.rs", &long, &[0]);
    check_source("crates/a/src/x/tests.rs", &long, &[]);
    check_source("crates/a/tests/x.rs", &long, &[]);
    check_source("crates/a/src/x.rs", &long.replacen("X.", concat!("@", "generated"), 1), &[]);
    check_source("crates/a/src/x.rs", &format!("//! X.\n{}", "//\n".repeat(799)), &[]);
}

#[test]
fn nothing_unfinished_or_set_aside_is_left() {
    let left = |line: &str| format!("//! X.\n\n{line}\n");
    for line in [
        concat!("    todo", "!()"),
        concat!("    unimplemented", "!(\"x\")"),
        concat!("#[", "ignore = \"slow\"]"),
        concat!("#[", "allow(dead_code)]"),
        concat!("#![", "allow(dead_code)]"),
        concat!("// TO", "DO: more"),
        concat!("// FIX", "ME(x)"),
        concat!("let x = 1; // XX", "X"),
    ] {
        check_source("crates/a/src/x.rs", &left(line), &[3]);
    }
    for line in
        ["#[expect(dead_code, reason = \"why\")]", "let todo = 1;", "const XXXL: u8 = 1;", "// allow(x)"]
    {
        check_source("crates/a/src/x.rs", &left(line), &[]);
    }
    check_source("compat/x.py", concat!("# TO", "DO"), &[1]);
    check_source("compat/x.py", concat!("re.compile(\"# (SKIP|TO", "DO)\")"), &[]);
    check_source("README.md", concat!("TO", "DO"), &[]);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let with = "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n";
    check_source("crates/a/Cargo.toml", with, &[]);
    check_source("crates/a/Cargo.toml", "[package]\nedition.workspace = true\n", &[0]);
    check_source("compat/rust/Cargo.toml", "[package]\n", &[]);
}

#[test]
fn names_have_a_noun_that_says_something() {
    let check = |path: &str, text: &str, expected: &[&str]| {
        assert_eq!(places(names::check, &[(path, text)]), expected, "{path} {text}");
    };
    check("crates/a/src/queue.rs", "", &[]);
    check("crates/a/src/data_folder.rs", "pub struct DataFolder;", &[]);
    check("crates/a/src/queue.rs", "impl Body for Parts {\n    type Data = Bytes;\n}", &[]);
    check("crates/a/src/base64.rs", "", &[]);
    check("crates/a/src/queue_utils.rs", "", &["crates/a/src/queue_utils.rs:0"]);
    check("crates/a/src/common/x.rs", "", &["crates/a/src/common/x.rs:0"]);
    check("crates/a/src/queue/mod.rs", "", &["crates/a/src/queue/mod.rs:0"]);
    check("crates/a/src/q.rs", "//! Q.\npub(crate) struct QueueInfo<T> {", &["crates/a/src/q.rs:2"]);
    check("crates/a/src/q.rs", "enum Handler {", &["crates/a/src/q.rs:1"]);
    check("crates/a/src/q.rs", "use tracing::Context;\nfn data() {}\nlet context = 1;", &[]);
}

#[test]
fn folders_of_a_machine_are_not_named() {
    let (work, root) = (concat!("/wo", "rk/x"), concat!("/ro", "ot/.m2"));
    let check = |line: String, count: usize| {
        assert_eq!(places(words::check, &[("a.md", &line)]).len(), count, "{line}");
    };
    check(format!("see {work}"), 1);
    check(format!("path=\"{root}\""), 1);
    check(format!("{work} and {root}"), 2);
    check(format!("compat{work}"), 0);
    check(format!("{{folder}}{root}"), 0);
}

#[test]
fn registries_are_public_ones() {
    // `@@` stands for what makes a URL, so that this file does not break the rule itself.
    let check = |line: &str, count: usize| {
        let line = line.replace("@@", "://");
        assert_eq!(places(words::check, &[("a.toml", &line)]).len(), count, "{line}");
    };
    check("source = \"registry+https@@github.com/rust-lang/crates.io-index\"", 0);
    check("\"resolved\": \"https@@registry.npmjs.org/x/-/x-1.0.0.tgz\"", 0);
    check("index-url = https@@packages.example.net/simple", 1);
    check("registry=http@@user:secret@10.0.0.1:4873/", 1);
    check("GOPROXY=https@@proxy.golang.org,https@@cache.example.net", 1);
    check("homepage = https@@example.net", 0);
}

#[test]
fn decisions_are_numbered_without_gap() {
    let check = |names: &[&str], expected: usize| {
        let files: Vec<_> = names.iter().map(|name| format!("docs/decisions/{name}")).collect();
        let files: Vec<_> = files.iter().map(|path| (path.as_str(), "")).collect();
        assert_eq!(places(decisions::check, &files).len(), expected, "{names:?}");
    };
    check(&["0001-sans-io.md", "0002-one-queue-machine.md", "README.md"], 0);
    check(&["0001-a.md", "0003-c.md"], 1);
    check(&["0001-a.md", "0001-b.md"], 1);
    check(&["0002-b.md"], 1);
    check(&["1-a.md"], 1);
    check(&["0001-a b.md"], 1);
}

#[test]
fn rows_of_compatibility_name_tests_that_exist() {
    let check = |test: &str, expected: &[&str]| {
        let table = format!(
            "text\n\n| behaviour | status | test |\n| --- | --- | --- |\n| a \\| b | same | {test} |\n"
        );
        let files = [
            ("COMPATIBILITY.md", table.as_str()),
            ("crates/amqp091/src/channel/tests.rs", "#[test]\nfn acks_many() {}\n"),
            ("crates/amqp091/tests/scripts/tune.txt", "C: hello\n"),
            ("compat/pika/checks.py", "def test_returns():\n"),
        ];
        assert_eq!(places(compatibility::check, &files), expected, "{test}");
    };
    let breach = ["COMPATIBILITY.md:5"];
    check("`amqp091::channel::tests::acks_many`", &[]);
    check("`amqp091::channel::tests::acks_man`", &breach);
    check("`broker::channel::tests::acks_many`", &breach);
    check("`acks_many`", &breach);
    check("`crates/amqp091/tests/scripts/tune.txt`", &[]);
    check("`crates/amqp091/tests/scripts/gone.txt`", &breach);
    check("`compat/pika/checks.py::test_returns`, `compat/pika`", &[]);
    check("`compat/pika::test_returns`", &[]);
    check("`compat/pika/checks.py::test_return`", &breach);
    check("not yet", &breach);
    check("", &breach);
}

#[test]
fn tables_without_a_column_of_tests_are_left_alone() {
    let text =
        "| what | when |\n|---|---|\n| streams | later |\n\n| Behaviour | Test |\n|---|---|\n| a | none |\n";
    assert_eq!(places(compatibility::check, &[("COMPATIBILITY.md", text)]), ["COMPATIBILITY.md:7"]);
}

#[test]
fn a_file_that_belongs_to_every_repository_is_missed() {
    let found = places(check_tree, &[("README.md", "")]);
    assert!(found.contains(&"LICENSE-MIT:0".to_owned()) && !found.contains(&"README.md:0".to_owned()));
    assert_eq!(found.len(), REQUIRED.len() - 1);
}

#[test]
fn the_files_of_this_repository_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tree = Tree::read(&root).unwrap();
    let this = tree.file("xtask/src/tidy/tests.rs").unwrap();
    assert!(this.text.contains("the_files_of_this_repository_are_read"));
    assert!(tree.files().all(|file| !file.path.starts_with("target/")));
}
