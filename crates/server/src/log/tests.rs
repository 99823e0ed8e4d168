//! Events as lines.

use std::sync::{Arc, Mutex};

use super::*;

/// What is written while `run` runs.
fn lines(format: LogFormat, level: LogLevel, run: impl FnOnce()) -> String {
    let written = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&written);
    let write = move |_: Level, line: &str| sink.lock().unwrap().push_str(line);
    let lines = Lines { format, now_us: || 1_795_492_800_123_456, write };
    let subscriber = Registry::default().with(lines.with_filter(filter(level)));
    tracing::subscriber::with_default(subscriber, run);
    let text = written.lock().unwrap();
    text.clone()
}

#[test]
fn text_has_time_severity_message_and_fields() {
    let text = lines(LogFormat::Plaintext, LogLevel::Debug, || {
        tracing::info!(peer = "127.0.0.1:1", channels = 3, "connection {}", "opened");
        tracing::warn!(name = "a b", empty = "", "careful");
        tracing::error!("broken");
        tracing::debug!("detail");
    });
    let expected = "2026-11-24 04:00:00.123456+00:00 [info] connection opened peer=127.0.0.1:1 channels=3\n\
                    2026-11-24 04:00:00.123456+00:00 [warning] careful name=\"a b\" empty=\"\"\n\
                    2026-11-24 04:00:00.123456+00:00 [error] broken\n\
                    2026-11-24 04:00:00.123456+00:00 [debug] detail\n";
    assert_eq!(text, expected);
}

#[test]
fn json_is_one_object_a_line_whose_own_names_cannot_be_taken() {
    let text = lines(LogFormat::Json, LogLevel::Info, || {
        tracing::info!(peer = "a\"b", ok = true, level = "fatal", "two\nlines");
    });
    assert_eq!(text.lines().count(), 1);
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["time"], "2026-11-24 04:00:00.123456+00:00");
    assert_eq!(object["level"], "info");
    assert_eq!(object["msg"], "two\nlines");
    assert_eq!(object["peer"], "a\"b");
    assert_eq!(object["ok"], true);
}

#[test]
fn an_event_is_one_line_whatever_a_client_calls_itself() {
    let text = lines(LogFormat::Plaintext, LogLevel::Info, || {
        tracing::info!(name = "x\n2026 [error] forged\u{1b}[31m", "opened\r\nby");
    });
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains(r"opened\r\nby") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn spans_add_their_fields_also_those_that_come_late() {
    let text = lines(LogFormat::Plaintext, LogLevel::Info, || {
        let span = tracing::info_span!("connection", peer = "p", user = tracing::field::Empty);
        span.record("user", "guest");
        let _entered = span.enter();
        tracing::info!(channel = 1, "closed");
    });
    assert!(text.ends_with("closed peer=p user=guest channel=1\n"), "{text}");
}

#[test]
fn what_is_below_the_level_is_not_written() {
    let run = || {
        tracing::debug!("d");
        tracing::info!("i");
        tracing::warn!("w");
        tracing::error!("e");
    };
    let count = |level| lines(LogFormat::Plaintext, level, run).lines().count();
    let levels = [LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error, LogLevel::None];
    assert_eq!(levels.map(count), [4, 3, 2, 1, 0]);
}

#[test]
fn lines_for_the_exchange_are_dropped_rather_than_waited_for_and_not_taken_from_its_own_thread() {
    let (sender, receiver) = mpsc::sync_channel(2);
    for line in ["a", "b", "c"] {
        pass_on(&sender, Level::INFO, line);
    }
    let name = THREAD.to_owned();
    let publisher =
        thread::Builder::new().name(name).spawn(move || pass_on(&sender, Level::ERROR, "d")).unwrap();
    assert_eq!(receiver.recv().unwrap().text, "a");
    publisher.join().unwrap();
    let rest: Vec<_> = receiver.iter().map(|line| (line.severity, line.text)).collect();
    assert_eq!(rest, [("info", "b".to_owned())]);
}
