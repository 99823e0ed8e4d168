//! Whatever comes as path, query or body is read, or refused in a sentence.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::{arguments, list, list::Row, properties};

/// Values of every kind, nested.
fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

/// An object with a field of each of these names, of any kind.
fn object(names: &'static [&'static str]) -> impl Strategy<Value = Object> {
    let field = (prop::sample::select(names), json());
    prop::collection::vec(field, 0..8)
        .prop_map(|fields| Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

fn quoted(text: &str) -> String {
    text.bytes().fold(String::new(), |mut quoted, byte| {
        let _ = write!(quoted, "%{byte:02X}");
        quoted
    })
}

const PROPERTIES: &[&str] = &[
    "content_type",
    "content_encoding",
    "headers",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
];
const QUERY: &[&str] = &["page", "page_size", "name", "use_regex", "sort", "sort_reverse", "columns"];

fn is_said(problem: &Problem) -> bool {
    problem.status().is_client_error() && !problem.reason().is_empty()
}

fn is_well<T>(outcome: &Result<T, Problem>) -> bool {
    outcome.as_ref().err().is_none_or(is_said)
}

proptest! {
    #[test]
    fn what_is_quoted_comes_back(one: String, other: String) {
        let query = Query::parse(&format!("{}={}", quoted(&one), quoted(&other)));
        prop_assert_eq!(query.get(&one), Some(other.as_str()));
        let path = parts(&format!("/api/{}/{}/", quoted(&one), quoted(&other)));
        // What is empty at the end means nothing.
        prop_assume!(!other.is_empty());
        let wanted = ["api".to_owned(), one, other];
        prop_assert_eq!(path.as_deref(), Some(&wanted[..]));
    }

    #[test]
    fn any_path_and_query_is_read_in_part_at_most(text: String) {
        prop_assert!(parts(&text).is_none_or(|parts| parts.len() <= PARTS_MAX));
        prop_assert!(Query::parse(&text).0.len() <= PARTS_MAX);
    }

    #[test]
    fn bodies_are_objects_or_refused(body: Vec<u8>) {
        prop_assert!(is_well(&Object::parse(&body)));
    }

    #[test]
    fn fields_are_what_they_should_be_or_refused(value in json()) {
        let body = Object(Map::from_iter([("field".to_owned(), value)]));
        let refused = [
            body.text("field").err(), body.truth("field").err(), body.integer("field").err(), body.map("field").err(),
        ];
        prop_assert!(refused.iter().flatten().all(is_said));
    }

    #[test]
    fn arguments_are_tables_or_refused(value in json()) {
        let map = Map::from_iter([("field".to_owned(), value)]);
        match arguments::from_json(&map) {
            Ok(table) => prop_assert_eq!(arguments::from_json(arguments::to_json(&table).as_object().expect("an object")), Ok(table)),
            Err(problem) => prop_assert!(is_said(&problem)),
        }
    }

    #[test]
    fn properties_are_encoded_or_refused(body in object(PROPERTIES)) {
        prop_assert!(is_well(&properties::encode(&body)));
    }

    #[test]
    fn lists_are_shaped_or_refused(
        pairs in prop::collection::vec((prop::sample::select(QUERY), any::<String>()), 0..7), rows in prop::collection::vec(json(), 0..20),
    ) {
        let text: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        let rows = rows.into_iter().map(|row| Row::made(row.to_string(), row)).collect();
        match list::shape(rows, &Query::parse(&text.join("&"))) {
            Ok(list) => prop_assert!(serde_json::from_slice::<Json>(&list.flatten().collect::<Vec<u8>>()).is_ok()),
            Err(problem) => prop_assert!(is_said(&problem)),
        }
    }
}
