//! Values by examples: what RabbitMQ takes is taken, everything else refused whole.

use super::*;

#[test]
fn units_of_limits() {
    let check = |text: &str, expected: Option<u64>| assert_eq!(bytes(text), expected, "{text:?}");
    check("1000", Some(1000));
    check("50MB", Some(50_000_000));
    check("50M", Some(50_000_000));
    check("2GiB", Some(2 << 30));
    check("2Gi", Some(2 << 30));
    check("1kB", Some(1000));
    check("1kib", Some(1024));
    check("3TB", Some(3_000_000_000_000));
    check("1PIB", Some(1 << 50));
    check("0", Some(0));
    for wrong in
        ["", "MB", "1.5GB", "5 MB", "5Q", "5B", "5iB", "5i", "5MBs", "-5", "+5", "99999999999999999999"]
    {
        check(wrong, None);
    }
    check("18446744073709551615P", None);
}

#[test]
fn units_of_frames_are_binary() {
    let check = |text: &str, expected: Option<u64>| assert_eq!(frame_bytes(text), expected, "{text:?}");
    check("131072", Some(131_072));
    check("128kb", Some(131_072));
    check("1MB", Some(1 << 20));
    check("1GB", Some(1 << 30));
    check("1MiB", None);
    check("kb", None);
    check("18446744073709551615kb", None);
}

#[test]
fn durations_are_sums() {
    let check = |text: &str, expected: Option<u64>| assert_eq!(duration_ms(text), expected, "{text:?}");
    check("5000", Some(5000));
    check("0", Some(0));
    check("250ms", Some(250));
    check("1h30m", Some(5_400_000));
    check("1f1w1d1h1m1s1ms", Some((14 + 7 + 1) * 86_400_000 + 3_600_000 + 60_000 + 1001));
    for wrong in
        ["", "h", "1h30", "1.5h", "-1s", "1 h", "1H", "1y", "18446744073709551615s", "99999999999999999999ms"]
    {
        check(wrong, None);
    }
}

#[test]
fn shares_are_plain_decimals() {
    let check = |text: &str, expected: Option<f64>| assert_eq!(share(text), expected, "{text:?}");
    check("0.6", Some(0.6));
    check("2", Some(2.0));
    check(".5", Some(0.5));
    for wrong in ["", ".", "-0.5", "1e3", "inf", "NaN", "60%", "0,6"] {
        check(wrong, None);
    }
}

#[test]
fn an_address_is_expanded_to_the_sockets_it_means() {
    let check = |text: &str, expected: &[(&str, bool)]| {
        let found: Vec<_> =
            listen(text).unwrap().iter().map(|l| (l.address.to_string(), l.optional)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(text, optional)| ((*text).to_owned(), *optional)).collect();
        assert_eq!(found, expected, "{text:?}");
    };
    check("5672", &[("0.0.0.0:5672", false), ("[::]:5672", true)]);
    check("127.0.0.1:5673", &[("127.0.0.1:5673", false)]);
    check("0.0.0.0:5672", &[("0.0.0.0:5672", false)]);
    check("::1:5672", &[("[::1]:5672", false)]);
    check("[::1]:5672", &[("[::1]:5672", false)]);
    check(":::5672", &[("0.0.0.0:5672", false), ("[::]:5672", true)]);
    check("localhost:0", &[("127.0.0.1:0", false), ("[::1]:0", true)]);
    for wrong in [
        "",
        "none",
        "65536",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:99999",
        "[127.0.0.1]:1",
        "host:5672",
        "[::1:5672",
    ] {
        assert_eq!(listen(wrong), None, "{wrong:?}");
    }
    assert_eq!(address_and_port("5672"), None);
}
