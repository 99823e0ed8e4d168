//! Lists: filtered by name, sorted, paged, cut to columns. Once for all resources.
//!
//! A row knows its name; the rest of it is made only if it is shown or sorted by: a page of 100 of 100,000 queues costs
//! 100 rows.

use std::{cmp::Ordering, fmt};

use regex::RegexBuilder;
use serde_json::{Map, Value as Json, json};

use crate::{call::Query, problem::Problem};

const PAGE_SIZE_DEFAULT: usize = 100;
const PAGE_SIZE_MAX: usize = 500;
/// Bytes of a compiled regular expression.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// One item of a list.
pub(crate) struct Row {
    name: String,
    make: Box<dyn FnOnce() -> Json>,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Row").field(&self.name).finish()
    }
}

impl Row {
    /// A row that is made when it is wanted.
    pub(crate) fn new(name: impl Into<String>, make: impl FnOnce() -> Json + 'static) -> Self {
        Self { name: name.into(), make: Box::new(make) }
    }

    pub(crate) fn made(name: impl Into<String>, value: Json) -> Self {
        Self::new(name, || value)
    }
}

/// Which page is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Page {
    number: usize,
    size: usize,
}

/// Makes of the rows what the query asks for: an array, or a page with its counts.
pub(crate) fn shape(mut rows: Vec<Row>, query: &Query) -> Result<Json, Problem> {
    let page = page(query)?;
    let total = rows.len();
    if page.is_some() {
        let is_wanted = name_filter(query)?;
        rows.retain(|row| is_wanted(&row.name));
    }
    let filtered = rows.len();
    let sort = query.get("sort").filter(|path| !path.is_empty());
    let is_reversed = query.is_true("sort_reverse");
    let window = match page {
        None => 0..filtered,
        Some(page) => extent(page, filtered)?,
    };
    let items: Vec<Json> = match sort {
        Some("name") => {
            rows.sort_by(|one, other| one.name.cmp(&other.name));
            if is_reversed {
                rows.reverse();
            }
            made(rows, window)
        }
        Some(path) => {
            let mut items = made(rows, 0..filtered);
            items.sort_by(|one, other| order(at(one, path), at(other, path)));
            if is_reversed {
                items.reverse();
            }
            items.into_iter().skip(window.start).take(window.len()).collect()
        }
        None => made(rows, window),
    };
    let items: Vec<Json> = match query.get("columns") {
        Some(columns) => items.iter().map(|item| cut(item, columns)).collect(),
        None => items,
    };
    let Some(page) = page else { return Ok(Json::Array(items)) };
    Ok(json!({
        "filtered_count": filtered,
        "item_count": items.len(),
        "items": items,
        "page": page.number,
        "page_count": filtered.div_ceil(page.size),
        "page_size": page.size,
        "total_count": total,
    }))
}

fn made(rows: Vec<Row>, window: std::ops::Range<usize>) -> Vec<Json> {
    rows.into_iter().skip(window.start).take(window.len()).map(|row| (row.make)()).collect()
}

fn page(query: &Query) -> Result<Option<Page>, Problem> {
    let Some(number) = query.get("page") else { return Ok(None) };
    let size = query.get("page_size");
    let parsed =
        |text: &str| text.parse::<usize>().map_err(|_| Problem::bad("Pagination parameters are invalid"));
    let page = Page { number: parsed(number)?, size: size.map_or(Ok(PAGE_SIZE_DEFAULT), parsed)? };
    if page.number == 0 || page.size == 0 || page.size > PAGE_SIZE_MAX {
        let size = size.map_or_else(|| "undefined".to_owned(), str::to_owned);
        return Err(Problem::bad(format!(
            "Invalid pagination parameters: page number {number}, page size: {size}"
        )));
    }
    Ok(Some(page))
}

fn extent(page: Page, filtered: usize) -> Result<std::ops::Range<usize>, Problem> {
    let start = page.number.saturating_sub(1).saturating_mul(page.size);
    // The first page of nothing is an empty one.
    if start >= filtered && page.number > 1 {
        let Page { number, size } = page;
        return Err(Problem::bad(format!(
            "Page out of range, page: {number} page size: {size}, len: {filtered}"
        )));
    }
    Ok(start..filtered.min(start.saturating_add(page.size)))
}

/// Whether a name is wanted.
type NameFilter = Box<dyn Fn(&str) -> bool>;

fn name_filter(query: &Query) -> Result<NameFilter, Problem> {
    let Some(name) = query.get("name").filter(|name| !name.is_empty()) else { return Ok(Box::new(|_| true)) };
    if query.is_true("use_regex") {
        let regex = RegexBuilder::new(name).case_insensitive(true).size_limit(REGEX_BYTES_MAX).build();
        let regex = regex.map_err(|_| Problem::bad("Pagination parameters are invalid"))?;
        return Ok(Box::new(move |text| regex.is_match(text)));
    }
    let wanted = name.to_lowercase();
    Ok(Box::new(move |text| text.to_lowercase().contains(&wanted)))
}

/// The value at a dotted path.
fn at<'a>(value: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.').try_fold(value, |value, key| value.get(key))
}

/// What is not there comes first; then numbers, then texts, then the rest as it is written.
fn order(one: Option<&Json>, other: Option<&Json>) -> Ordering {
    match (one, other) {
        (Some(Json::Number(one)), Some(Json::Number(other))) => {
            one.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default())
        }
        (Some(Json::String(one)), Some(Json::String(other))) => one.cmp(other),
        (one, other) => {
            let rank = |value: Option<&Json>| match value {
                None => 0,
                Some(Json::Number(_)) => 1,
                Some(Json::String(_)) => 2,
                Some(_) => 3,
            };
            rank(one).cmp(&rank(other)).then_with(|| {
                one.map(Json::to_string)
                    .unwrap_or_default()
                    .cmp(&other.map(Json::to_string).unwrap_or_default())
            })
        }
    }
}

/// An object with only those of its fields that are among the dotted paths of `columns`.
pub(crate) fn cut(value: &Json, columns: &str) -> Json {
    let mut kept = Map::new();
    for path in columns.split(',').map(str::trim) {
        if let Some(found) = at(value, path) {
            put(&mut kept, path, found.clone());
        }
    }
    Json::Object(kept)
}

fn put(into: &mut Map<String, Json>, path: &str, value: Json) {
    match path.split_once('.') {
        None => {
            into.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = into.entry(first).or_insert_with(|| json!({}));
            if let Json::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
