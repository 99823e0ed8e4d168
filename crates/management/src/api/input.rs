//! Everything that reads what strangers send, in one call and without a node: what is fed with anything (`fuzz`).

use model::Name;
use serde_json::Value as Json;

use super::{bindings, exchanges, limits, permissions, policies, queues, routes, vhosts};
use crate::{
    arguments,
    call::{Object, Query, parts},
    list::{self, Row},
    multipart,
    problem::Problem,
    properties,
    samples::Ranges,
};

type Reader = fn(&Object) -> Result<(), Problem>;

/// What bodies are read as, each by whatever takes it.
const READERS: [Reader; 11] = [
    |body| queues::declaration(Name::default(), body, true).map(drop),
    |body| exchanges::declaration(Name::default(), body).map(drop),
    |body| bindings::of_definitions(body).map(drop),
    |body| policies::policy(Name::default(), body).map(drop),
    |body| permissions::patterns(body).map(drop),
    |body| permissions::topic_patterns(body).map(drop),
    |body| vhosts::settings(broker::topology::VhostSettings::new(Name::default()), body).map(drop),
    |body| limits::vhost_limits(&body.0).map(drop),
    |body| limits::user_limits(&body.0).map(drop),
    |body| arguments::from_json(&body.0).map(drop),
    |body| properties::encode(body).map(drop),
];

/// Reads a request with every parser that the API has, whether the path is theirs or not, and shapes the fields of its body as
/// a list. Returns the reason of each refusal.
pub fn read(path: &str, query: &str, content_type: &str, body: &[u8]) -> Vec<String> {
    let known = parts(path).map(|parts| routes::find(&parts).is_some());
    let query = Query::parse(query);
    let mut outcomes = vec![known.map(drop).ok_or(Problem::NotFound), Ranges::of(&query).map(drop)];
    let body = match multipart::boundary(content_type) {
        None => Some(body),
        Some(boundary) => multipart::field(body, boundary, "file"),
    };
    match Object::parse(body.unwrap_or_default()) {
        Err(problem) => outcomes.push(Err(problem)),
        Ok(body) => {
            outcomes.extend(READERS.iter().map(|read| read(&body)));
            let rows = body.0.into_iter().map(|(name, value)| Row::made(name, value)).collect();
            outcomes.push(list::shape(rows, &query).map(|list| {
                let text: Vec<u8> = list.flatten().collect();
                assert!(serde_json::from_slice::<Json>(&text).is_ok(), "what is shown is JSON");
            }));
        }
    }
    outcomes.into_iter().filter_map(|outcome| Some(outcome.err()?.reason())).collect()
}
