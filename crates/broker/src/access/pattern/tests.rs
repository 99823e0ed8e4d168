//! Patterns as RabbitMQ's permissions use them.

use super::*;

fn check(pattern: &str, name: &str, expected: bool) {
    assert_eq!(Pattern::parse(pattern).unwrap().is_match(name), expected, "{pattern} on {name}");
}

#[test]
fn a_pattern_is_looked_for_anywhere() {
    check("a", "xax", true);
    check("^a", "xax", false);
    check("^a$", "a", true);
    check(".*", "", true);
    check("", "", true);
    check("", "a", false);
    check("^$", "a", false);
    check("^(a|b)-", "b-1", true);
    // Perl's: look-around and references back.
    check("^(?!amq\\.).*", "amq.topic", false);
    check("^(?!amq\\.).*", "mine", true);
    check("^(.)\\1$", "aa", true);
    check("^(.)\\1$", "ab", false);
}

#[test]
fn what_is_no_pattern_is_refused_and_matches_nothing() {
    for text in ["*", "(", ")", "["] {
        assert!(matches!(Pattern::parse(text), Err(InvalidPattern::Syntax { .. })), "{text}");
        let pattern = Pattern::lenient(text);
        assert!(!pattern.is_match("") && !pattern.is_match(text));
    }
    let long = "a".repeat(PATTERN_BYTES_MAX + 1);
    assert_eq!(Pattern::parse(&long).unwrap_err(), InvalidPattern::TooLong(4097));
    assert_eq!(Pattern::expanded(&long, "u", "v").unwrap_err(), InvalidPattern::TooLong(4097));
}

#[test]
fn a_pattern_that_backtracks_too_long_does_not_match() {
    // With look-ahead the backtracking engine is used: 2^n ways.
    let name = "a".repeat(200);
    check("^(?=(a+)+$)(a+)+b", &name, false);
    let runaway = Pattern::parse("^(?:(a|a)(?=a|$))*c").unwrap();
    assert!(!runaway.is_match(&name));
}

#[test]
fn names_stand_for_themselves_in_expanded_patterns() {
    let check = |pattern: &str, user: &str, key: &str, expected: bool| {
        let compiled = Pattern::expanded(pattern, user, "v.1").unwrap();
        assert_eq!(compiled.is_match(key), expected, "{pattern} for {user} on {key}");
    };
    check("^{username}\\.", "joe", "joe.x", true);
    check("^{username}\\.", "joe", "jim.x", false);
    check("^{vhost}-{username}$", "joe", "v.1-joe", true);
    check("^{vhost}-{username}$", "joe", "vx1-joe", false);
    // A user cannot widen its permission with its name.
    check("^{username}$", ".*", "anything", false);
    check("^{username}$", ".*", ".*", true);
    check("^{username}$", "{vhost}", "v.1", false);
    check("^{username}$", "{vhost}", "{vhost}", true);
    check("^a{2}{username}", "joe", "aajoe", true);
    check("^[{]x", "joe", "{x", true);
}

#[test]
fn the_same_text_is_compiled_once_and_forgotten_when_unused() {
    let mut patterns = Patterns::default();
    let kept = patterns.intern(".*");
    assert!(Arc::ptr_eq(&kept, &patterns.intern(".*")));
    for at in 0..1000 {
        patterns.intern(&format!("^{at}$"));
    }
    assert!(patterns.known.len() <= 65, "{}", patterns.known.len());
    assert!(Arc::ptr_eq(&kept, &patterns.intern(".*")));
}
