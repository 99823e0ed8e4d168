//! Lists, as RabbitMQ shapes them.

#![expect(clippy::indexing_slicing, reason = "a test may stop where something is wrong")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

fn rows() -> Vec<Row> {
    let row = |name: &str, messages: u64, rate: f64| {
        Row::made(
            name,
            json!({"name": name, "messages": messages, "stats": {"publish_details": {"rate": rate}}}),
        )
    };
    vec![row("b", 2, 0.5), row("Alpha", 30, 2.0), row("c", 1, 1.0), row("beta", 30, 0.0)]
}

fn names(list: &Json) -> Vec<&str> {
    let items = list.as_array().or_else(|| list["items"].as_array()).unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap()).collect()
}

/// All parts of a list.
fn text(list: Listing) -> Vec<u8> {
    list.flatten().collect()
}

fn shaped(query: &str) -> Json {
    serde_json::from_slice(&text(shape(rows(), &Query::parse(query)).unwrap())).unwrap()
}

fn problem(query: &str) -> Problem {
    shape(rows(), &Query::parse(query)).unwrap_err()
}

#[test]
fn without_a_query_everything_in_its_order() {
    assert_eq!(names(&shaped("")), ["b", "Alpha", "c", "beta"]);
    assert_eq!(
        names(&shaped("name=b&sort_reverse=true")),
        ["b", "Alpha", "c", "beta"],
        "names filter pages only"
    );
}

#[test]
fn sorted_by_any_path() {
    assert_eq!(names(&shaped("sort=name")), ["Alpha", "b", "beta", "c"]);
    assert_eq!(names(&shaped("sort=messages&sort_reverse=true")), ["beta", "Alpha", "b", "c"]);
    assert_eq!(names(&shaped("sort=stats.publish_details.rate")), ["beta", "b", "c", "Alpha"]);
    assert_eq!(names(&shaped("sort=nothing.such")), ["b", "Alpha", "c", "beta"]);
}

#[test]
fn pages_tell_their_counts() {
    let page = shaped("page=2&page_size=3&sort=name");
    assert_eq!(names(&page), ["c"]);
    assert_eq!(page["total_count"], 4);
    assert_eq!((&page["item_count"], &page["page_count"], &page["page"]), (&json!(1), &json!(2), &json!(2)));
    let page = shaped("page=1&name=B");
    assert_eq!(names(&page), ["b", "beta"]);
    assert_eq!((&page["filtered_count"], &page["page_size"]), (&json!(2), &json!(100)));
    assert_eq!(names(&shaped("page=1&name=^(b|c)$&use_regex=true")), ["b", "c"]);
    assert_eq!(names(&shaped("page=1&name=zzz")), [""; 0], "the first page of nothing");
}

#[test]
fn wrong_pages_are_refused_with_the_reason() {
    for (query, reason) in [
        ("page=0", "Invalid pagination parameters: page number 0, page size: undefined"),
        ("page=1&page_size=501", "Invalid pagination parameters: page number 1, page size: 501"),
        ("page=x", "Pagination parameters are invalid"),
        ("page=1&name=(&use_regex=true", "Pagination parameters are invalid"),
        ("page=99&page_size=10", "Page out of range, page: 99 page size: 10, len: 4"),
    ] {
        assert_eq!(problem(query), Problem::bad(reason), "{query}");
    }
}

#[test]
fn columns_are_paths_too() {
    let list = shaped("columns=name,stats.publish_details.rate,nothing&sort=name");
    assert_eq!(list[0], json!({"name": "Alpha", "stats": {"publish_details": {"rate": 2.0}}}));
}

#[test]
fn only_what_is_shown_is_made() {
    let made = Arc::new(AtomicUsize::new(0));
    let shown = text(shape(many(&made), &Query::parse("page=3&page_size=10&sort=name")).unwrap());
    assert_eq!(names(&serde_json::from_slice(&shown).unwrap()).len(), 10);
    assert_eq!(made.load(Ordering::Relaxed), 10);
}

fn many(made: &Arc<AtomicUsize>) -> Vec<Row> {
    let row = |number: usize| {
        let (made, name) = (Arc::clone(made), format!("q{number}"));
        Row::new(name.clone(), move || {
            made.fetch_add(1, Ordering::Relaxed);
            json!({ "name": name, "filling": "x".repeat(100) })
        })
    };
    (0..10_000).map(row).collect()
}

#[test]
fn a_long_list_is_made_part_by_part() {
    let made = Arc::new(AtomicUsize::new(0));
    let mut list = shape(many(&made), &Query::parse("sort=name")).unwrap();
    let first = list.next().unwrap();
    assert!((PART_BYTES..PART_BYTES + 200).contains(&first.len()), "{} bytes", first.len());
    assert!(made.load(Ordering::Relaxed) < 10_000 && !list.is_over());
    let whole = [first.to_vec(), text(list)].concat();
    assert_eq!(names(&serde_json::from_slice(&whole).unwrap()).len(), 10_000);
    assert_eq!(made.load(Ordering::Relaxed), 10_000);
}

#[test]
fn columns_are_so_many_at_most() {
    let columns = vec!["name"; COLUMNS_MAX].join(",");
    assert_eq!(names(&shaped(&format!("columns={columns}"))).len(), 4);
    let said = problem(&format!("columns={columns},name"));
    assert_eq!(said, Problem::bad("columns may name 256 fields"));
}
