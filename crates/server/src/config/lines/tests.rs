//! The grammar by examples, and its promise never to stop early.

use proptest::prelude::*;

use super::*;

fn settings(text: &str) -> Vec<(u32, String, String)> {
    let parsed = parse(text);
    assert_eq!(parsed.problems, [], "{text:?}");
    parsed.lines.into_iter().map(|line| (line.number, line.words.join("|"), line.value)).collect()
}

fn check(text: &str, key: &str, value: &str) {
    assert_eq!(settings(text), [(1, key.to_owned(), value.to_owned())], "{text:?}");
}

fn check_fault(text: &str, fault: Fault) {
    let problem = Problem { origin: Origin::Line(1), fault };
    assert_eq!(parse(text).problems, [problem], "{text:?}");
}

#[test]
fn a_setting_is_key_and_value_with_any_blanks() {
    check("heartbeat = 30", "heartbeat", "30");
    check("heartbeat=30", "heartbeat", "30");
    check(" \theartbeat\t=\t 30 \t", "heartbeat", "30");
    check("heartbeat = 30\r\n", "heartbeat", "30");
    check("\u{feff}heartbeat = 30", "heartbeat", "30");
}

#[test]
fn the_words_of_a_key_are_apart_and_may_hold_an_escaped_dot() {
    check("listeners.tcp.local = 127.0.0.1:5672", "listeners|tcp|local", "127.0.0.1:5672");
    check(r"loopback_users.a\.b = true", "loopback_users|a.b", "true");
}

#[test]
fn comments_end_a_plain_value_only() {
    check("heartbeat = 30 # seconds", "heartbeat", "30");
    check("default_pass = 'a # b' # really", "default_pass", "a # b");
    assert_eq!(settings("# nothing\n\n   # nothing\n"), []);
}

#[test]
fn a_value_may_hold_an_equals_sign_and_inner_blanks() {
    check("default_pass = a = b", "default_pass", "a = b");
}

#[test]
fn quotes_keep_blanks_and_allow_an_empty_text() {
    check("default_pass = '  x '", "default_pass", "  x ");
    check("default_pass = ''", "default_pass", "");
}

#[test]
fn triple_quotes_span_lines_and_the_count_of_lines_goes_on() {
    let text = "a = '''\none\n'two'\n''' # end\nb = 1\n";
    let expected = [(1, "a".to_owned(), "one\n'two'".to_owned()), (5, "b".to_owned(), "1".to_owned())];
    assert_eq!(settings(text), expected);
}

#[test]
fn what_is_no_setting_is_told() {
    check_fault("heartbeat", Fault::NotASetting);
    check_fault("include conf.d/x.conf", Fault::Include);
    check_fault("heart beat = 3", Fault::KeySyntax("heart beat".to_owned()));
    check_fault(".a = 3", Fault::KeySyntax(".a".to_owned()));
    check_fault("a. = 3", Fault::KeySyntax("a.".to_owned()));
    check_fault("= 3", Fault::KeySyntax(String::new()));
    check_fault("a =", Fault::NoValue("a".to_owned()));
    check_fault("a = # b", Fault::NoValue("a".to_owned()));
    check_fault("a = 'b", Fault::Unclosed("a".to_owned()));
    check_fault("a = 'b' c", Fault::AfterQuote("a".to_owned()));
    check_fault("a = '''b\nc\n", Fault::Unclosed("a".to_owned()));
    check_fault(&"a".repeat(LINE_BYTES_MAX + 1), Fault::LineTooLong(LINE_BYTES_MAX));
}

#[test]
fn every_line_after_a_problem_is_still_read() {
    let parsed = parse("one\ntwo = 2\nthree\nfour = 4\n");
    let lines: Vec<_> = parsed.lines.iter().map(|line| line.number).collect();
    assert_eq!(lines, [2, 4]);
    let problems: Vec<_> = parsed.problems.iter().map(|problem| problem.origin.clone()).collect();
    assert_eq!(problems, [Origin::Line(1), Origin::Line(3)]);
}

#[test]
fn likely_slips_are_warned_of() {
    let notices = |text| parse(text).warnings.into_iter().map(|w| w.notice).collect::<Vec<_>>();
    assert_eq!(notices("default_pass = ab#c"), [Notice::HashInValue("default_pass".to_owned())]);
    assert_eq!(notices("default_pass = ab #c"), []);
    assert_eq!(notices("default_pass = \"abc\""), [Notice::DoubleQuotes("default_pass".to_owned())]);
    assert_eq!(notices("default_pass = '\"abc\"'"), []);
}

proptest! {
    /// Whatever the text: no panic, and every line that says something is heard or reported.
    #[test]
    fn no_line_is_lost(lines in proptest::collection::vec("[a-z.=# \t'\\\\]{0,12}", 0..20)) {
        let text = lines.join("\n");
        let parsed = parse(&text);
        if !text.contains(TRIPLE) {
            let told = parsed.lines.len() + parsed.problems.len();
            let silent = |line: &&String| line.trim().is_empty() || line.trim().starts_with('#');
            prop_assert_eq!(told, lines.iter().filter(|line| !silent(line)).count());
        }
    }

    /// Any text can be written as a value between quotes and comes back unchanged.
    #[test]
    fn a_quoted_value_is_taken_literally(value in "[^'\r\n]{0,40}") {
        let parsed = parse(&format!("key = '{value}'"));
        prop_assert_eq!(&parsed.lines[0].value, &value);
    }
}
