//! Stamps on messages with and without headers, that have been stamped or not.

use super::*;
use crate::route::headers_of;

const NOW_MS: u64 = 1_700_000_000_123;

fn message(headers: Option<&Table>, timestamp: Option<u64>) -> Arc<Message> {
    let raw = headers.map(|headers| {
        let mut raw = Vec::new();
        headers.encode(&mut raw);
        raw
    });
    let properties = Properties {
        raw_headers: raw.as_deref(),
        timestamp,
        delivery_mode: Some(2),
        app_id: Some(b"shop"),
        ..Properties::default()
    };
    let mut list = Vec::new();
    properties.encode(&mut list);
    Arc::new(Message::new(b"x", b"k", &list, b"body").unwrap())
}

fn table(fields: &[(&str, Value)]) -> Table {
    let mut table = Table::default();
    for (name, value) in fields {
        table.push(name, value.clone());
    }
    table
}

fn check(stamps: Stamps, before: &Arc<Message>, headers: &[(&str, Value)], timestamp: Option<u64>) {
    let node = Name::parse("rabbit@host").unwrap();
    let after = stamps.put_on(Arc::clone(before), &node, NOW_MS);
    assert_eq!(headers_of(&after), table(headers), "{stamps:?}");
    let properties = after.properties();
    assert_eq!((properties.timestamp, properties.app_id), (timestamp, Some(&b"shop"[..])), "{stamps:?}");
    assert_eq!((after.is_persistent(), after.body()), (true, &b"body"[..]));
}

#[test]
fn a_message_is_stamped_with_what_is_wanted() {
    let time = |stamp| Stamps { time: Some(stamp), ..Stamps::default() };
    let node = |stamp| Stamps { node: Some(stamp), ..Stamps::default() };
    let now = (TIME, Value::I64(NOW_MS as i64));
    let here = (NODE, Value::text("rabbit@host"));
    let now_s = Some(NOW_MS / 1000);
    let own = [("a", Value::text("b")), (TIME, Value::I32(7)), (NODE, Value::text("me")), ("c", Value::Void)];
    let (none, stamped) = (message(None, None), message(Some(&table(&own)), Some(5)));
    for stamp in [Stamp::Keep, Stamp::Overwrite] {
        check(time(stamp), &none, std::slice::from_ref(&now), now_s);
        check(node(stamp), &none, std::slice::from_ref(&here), None);
        check(
            Stamps { time: Some(stamp), node: Some(stamp), sent: false },
            &none,
            &[now.clone(), here.clone()],
            now_s,
        );
    }
    check(time(Stamp::Keep), &stamped, &own, Some(5));
    check(node(Stamp::Keep), &stamped, &own, Some(5));
    let [a, time_of_own, node_of_own, c] = own.clone();
    check(time(Stamp::Overwrite), &stamped, &[a.clone(), node_of_own, c.clone(), now], now_s);
    check(node(Stamp::Overwrite), &stamped, &[a, time_of_own, c, here], Some(5));
}

/// Header and property are stamped each for itself.
#[test]
fn a_property_alone_is_no_header() {
    let stamps = Stamps { time: Some(Stamp::Keep), ..Stamps::default() };
    check(stamps, &message(None, Some(5)), &[(TIME, Value::I64(NOW_MS as i64))], Some(5));
    check(
        stamps,
        &message(Some(&table(&[(TIME, Value::I32(7))])), None),
        &[(TIME, Value::I32(7))],
        Some(NOW_MS / 1000),
    );
}

#[test]
fn a_delivery_tells_when_it_was_sent_and_keeps_the_rest() {
    let before = message(Some(&table(&[("a", Value::text("b")), (SENT, Value::I32(7))])), Some(5));
    let after = sent(&before, NOW_MS);
    let now = (SENT, Value::I64(NOW_MS as i64));
    assert_eq!(headers_of(&after), table(&[("a", Value::text("b")), now]));
    assert_eq!((after.properties().timestamp, after.body()), (Some(5), before.body()));
}
