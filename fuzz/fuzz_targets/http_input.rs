//! Requests of the HTTP API as strangers write them: path, query, type of the body and body, each read by everything that reads
//! it. What is refused says why, and nothing takes longer than it is long.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The first three lines, as far as they are text; the rest is the body.
    let mut parts = input.splitn(4, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (path, query, content_type) = (line(), line(), line());
    let refusals = management::read(&path, &query, &content_type, parts.next().unwrap_or_default());
    assert!(refusals.iter().all(|reason| !reason.is_empty()), "{refusals:?}");
});
