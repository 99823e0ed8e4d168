//! Lists: filtered by name, sorted, paged, cut to columns. Once for all resources.
//!
//! A row knows its name; the rest of it is made only if it is shown or sorted by, and is written out at once: a page of 100 of
//! 100,000 queues costs 100 rows. What is written comes in parts, as they are taken: all of 100,000 queues need no more memory
//! than one part.

use std::{cmp::Ordering, fmt, vec};

use bytes::Bytes;
use regex::RegexBuilder;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::{call::Query, problem::Problem};

const PAGE_SIZE_DEFAULT: usize = 100;
const PAGE_SIZE_MAX: usize = 500;
const COLUMNS_MAX: usize = 256;
/// Bytes of a compiled regular expression.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a part of a list that are written before it is handed out: a row more may be in it. Every page is one part.
const PART_BYTES: usize = 1024 * 1024;

/// What a row is of. It may be written on another thread than it was found on.
pub(crate) trait Item: Send {
    fn name(&self) -> &str;

    /// All of it, as it is now.
    fn value(&self) -> Json;

    /// The same, as text.
    fn write(&self, out: &mut Vec<u8>) {
        put_text(out, &self.value());
    }

    /// What it is sorted by.
    fn key(&self, path: &str) -> Option<Json> {
        at(&self.value(), path).cloned()
    }
}

/// One item of a list.
pub(crate) struct Row(Box<dyn Item>);

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Row").field(&self.0.name()).finish()
    }
}

struct Made(String, Json);

impl Item for Made {
    fn name(&self) -> &str {
        &self.0
    }

    fn value(&self) -> Json {
        self.1.clone()
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_text(out, &self.1);
    }

    fn key(&self, path: &str) -> Option<Json> {
        at(&self.1, path).cloned()
    }
}

struct Making<F>(String, F);

impl<T: Serialize, F: Fn() -> T + Send> Item for Making<F> {
    fn name(&self) -> &str {
        &self.0
    }

    fn value(&self) -> Json {
        to_value(&(self.1)())
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_text(out, &(self.1)());
    }
}

/// Puts the fields of an object into another.
pub(crate) fn put_fields(into: &mut Map<String, Json>, shown: &impl Serialize) {
    if let Json::Object(fields) = to_value(shown) {
        into.extend(fields);
    }
}

/// What we make ourselves has texts for keys, and can be written.
pub(crate) fn to_value(shown: &impl Serialize) -> Json {
    serde_json::to_value(shown).unwrap_or_default()
}

pub(crate) fn put_text(out: &mut Vec<u8>, shown: &impl Serialize) {
    let before = out.len();
    if serde_json::to_writer(&mut *out, shown).is_err() {
        out.truncate(before);
        out.extend_from_slice(b"null");
    }
}

impl Row {
    /// A row that is made when it is wanted.
    pub(crate) fn new<T: Serialize>(name: impl Into<String>, make: impl Fn() -> T + Send + 'static) -> Self {
        Self(Box::new(Making(name.into(), make)))
    }

    pub(crate) fn made(name: impl Into<String>, value: Json) -> Self {
        Self(Box::new(Made(name.into(), value)))
    }

    pub(crate) fn of(item: impl Item + 'static) -> Self {
        Self(Box::new(item))
    }
}

/// Which page is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Page {
    number: usize,
    size: usize,
}

/// The rows that are shown, as text that comes part by part, each row as it is when it is written.
pub struct Listing {
    rows: vec::IntoIter<Row>,
    columns: Option<String>,
    /// What is written and not handed out yet.
    part: Vec<u8>,
    /// What comes behind the last row; None once it has been written.
    end: Option<Vec<u8>>,
    has_begun: bool,
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Listing {
    /// Whether all of it has been handed out.
    pub fn is_over(&self) -> bool {
        self.end.is_none()
    }

    fn write_row(&mut self, Row(item): &Row) {
        if std::mem::replace(&mut self.has_begun, true) {
            self.part.push(b',');
        }
        match &self.columns {
            Some(columns) => put_text(&mut self.part, &cut(&item.value(), columns)),
            None => item.write(&mut self.part),
        }
    }
}

impl Iterator for Listing {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.end.as_ref()?;
        while self.part.len() < PART_BYTES {
            let Some(row) = self.rows.next() else {
                self.part.extend(self.end.take().into_iter().flatten());
                break;
            };
            self.write_row(&row);
        }
        Some(std::mem::take(&mut self.part).into())
    }
}

/// Makes of the rows what the query asks for: an array, or a page with its counts.
pub(crate) fn shape(mut rows: Vec<Row>, query: &Query) -> Result<Listing, Problem> {
    let (page, columns) = (page(query)?, columns(query)?);
    let total = rows.len();
    if page.is_some() {
        let is_wanted = name_filter(query)?;
        rows.retain(|row| is_wanted(row.0.name()));
    }
    let filtered = rows.len();
    let sort = query.get("sort").filter(|path| !path.is_empty());
    let is_reversed = query.is_true("sort_reverse");
    let window = match page {
        None => 0..filtered,
        Some(page) => extent(page, filtered)?,
    };
    match sort {
        Some("name") => rows.sort_by(|one, other| one.0.name().cmp(other.0.name())),
        Some(path) => {
            let mut keyed: Vec<(Option<Json>, Row)> =
                rows.into_iter().map(|row| (row.0.key(path), row)).collect();
            keyed.sort_by(|(one, _), (other, _)| order(one.as_ref(), other.as_ref()));
            rows = keyed.into_iter().map(|(_, row)| row).collect();
        }
        None => {}
    }
    if is_reversed && sort.is_some() {
        rows.reverse();
    }
    let count = window.len();
    rows.truncate(window.end);
    rows.drain(..window.start.min(rows.len()));
    let (begin, end) = match page {
        None => ("[", "]".to_owned()),
        Some(page) => {
            let counts = json!({
                "filtered_count": filtered,
                "item_count": count,
                "page": page.number,
                "page_count": filtered.div_ceil(page.size),
                "page_size": page.size,
                "total_count": total,
            });
            // Its fields stand behind the items.
            ("{\"items\":[", format!("],{}", counts.to_string().trim_start_matches('{')))
        }
    };
    Ok(Listing {
        rows: rows.into_iter(),
        columns: columns.map(str::to_owned),
        part: begin.into(),
        end: Some(end.into()),
        has_begun: false,
    })
}

/// The columns that are wanted, of which there may be so many: each costs a look for every row.
pub(crate) fn columns(query: &Query) -> Result<Option<&str>, Problem> {
    let columns = query.get("columns");
    if columns.is_some_and(|columns| columns.split(',').count() > COLUMNS_MAX) {
        return Err(Problem::Bad(format!("columns may name {COLUMNS_MAX} fields")));
    }
    Ok(columns)
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
pub(crate) fn at<'a>(value: &'a Json, path: &str) -> Option<&'a Json> {
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
