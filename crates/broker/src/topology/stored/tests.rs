//! Values survive the log exactly.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Holder(#[serde(with = "table")] Table);

proptest! {
    #[test]
    fn every_table_is_read_back_as_it_was(table in crate::topology::tests::arbitrary::table()) {
        let holder = Holder(table);
        let text = serde_json::to_string(&holder).unwrap();
        prop_assert_eq!(serde_json::from_str::<Holder>(&text).unwrap(), holder);
    }
}

#[test]
fn the_form_is_that_of_the_documentation() {
    let name = |text| Name::parse(text).unwrap();
    let holder = Holder(Table(vec![
        (name("x-max-length"), Value::I32(5)),
        (name("x-overflow"), Value::text("drop-head")),
        (name("x-odd"), Value::Array(Vec::new())),
    ]));
    let text = r#"[["x-max-length",{"signedint":5}],["x-overflow",{"longstr":"drop-head"}],["x-odd",{"encoded":"AEEAAAAA"}]]"#;
    assert_eq!(serde_json::to_string(&holder).unwrap(), text);
    assert_eq!(serde_json::from_str::<Holder>(text).unwrap(), holder);
}

#[test]
fn the_deepest_table_a_client_can_send_is_read_back() {
    let mut value = Value::Bytes(Bytes::from_static(&[0xff]));
    for _ in 0..60 {
        value = Value::Table(Table(vec![(Name::parse("t").unwrap(), value)]));
    }
    let holder = Holder(Table(vec![(Name::default(), value)]));
    let text = serde_json::to_string(&holder).unwrap();
    assert_eq!(serde_json::from_str::<Holder>(&text).unwrap(), holder);
}

#[test]
fn rubbish_is_an_error() {
    for text in [
        r#"[["a",{"encoded":"*"}]]"#,
        r#"[["a",{"encoded":""}]]"#,
        r#"[["a",{"encoded":"AGI="}]]"#,
        r#"[["a",{"encoded":"AFYAVg=="}]]"#,
        r#"[["a",{"float":1.0}]]"#,
        r#"[["a",{"byte":200}]]"#,
        r#"[["a"]]"#,
    ] {
        assert!(serde_json::from_str::<Holder>(text).is_err(), "{text}");
    }
}
