//! What there is: every path with its methods, who may call it, what it takes and what it gives.
//!
//! One table (`table`) for everything: what is called, what OPTIONS and 405 say is allowed, and what `/api/openapi.json`
//! describes (`openapi`). Invariant: a path without parameters stands before one with a parameter that would match it too.

use http::Method;

use super::Api;
use crate::{call::Call, login::Right, reply::Answer};

pub(super) type Action = fn(&Api, &Call) -> Answer;

/// What a field of a body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    Truth,
    Integer,
    Object,
    List,
    Any,
}

/// A field of a body or a query: its name, what it is, whether it has to be there.
pub(super) type Field = (&'static str, Kind, bool);

/// How objects are cut and what is counted of them.
const SHOWN: &[Field] = &[("columns", Kind::Text, false), ("disable_stats", Kind::Truth, false)];
const LISTED: &[Field] = &[
    ("columns", Kind::Text, false),
    ("disable_stats", Kind::Truth, false),
    ("enable_queue_totals", Kind::Truth, false),
    ("name", Kind::Text, false),
    ("page", Kind::Integer, false),
    ("page_size", Kind::Integer, false),
    ("sort", Kind::Text, false),
    ("sort_reverse", Kind::Truth, false),
    ("use_regex", Kind::Truth, false),
];

/// What a request brings along.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body {
    None,
    /// An object with these fields.
    Json(&'static [Field]),
    /// A form with `username` and `password`.
    Login,
}

/// What it is answered with when it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gives {
    /// 200 and an object.
    Object,
    /// 200 and an object, or 503 and one that says what is not well.
    Health,
    /// 200 and an array, or a page of it.
    List,
    /// 200 and a word.
    Word,
    /// 201 for what is new, 204 for what was there.
    Put,
    /// 201 and `location`.
    Created,
    /// 204.
    Nothing,
}

/// One method of a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) action: Action,
    /// What of the query is looked at.
    pub(super) query: &'static [Field],
    pub(super) body: Body,
    pub(super) gives: Gives,
}

/// One path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// Behind `/api/`; a part in braces matches any.
    pub(super) path: &'static str,
    operations: [Option<Operation>; 3],
    /// What whoever calls it is.
    pub(super) right: Right,
    /// Nobody needs to log in.
    pub(super) is_open: bool,
}

impl Route {
    pub(super) const fn new(path: &'static str, right: Right) -> Self {
        Self { path, operations: [None; 3], right, is_open: false }
    }

    const fn with(mut self, operation: Operation) -> Self {
        self.operations = match self.operations {
            [None, ..] => [Some(operation), None, None],
            [first, None, _] => [first, Some(operation), None],
            [first, second, _] => [first, second, Some(operation)],
        };
        self
    }

    pub(super) const fn object(self, action: Action) -> Self {
        self.object_by(action, SHOWN)
    }

    pub(super) const fn object_by(self, action: Action, query: &'static [Field]) -> Self {
        self.with(Operation { method: "GET", action, query, body: Body::None, gives: Gives::Object })
    }

    pub(super) const fn health(self, action: Action) -> Self {
        let (body, gives) = (Body::None, Gives::Health);
        self.with(Operation { method: "GET", action, query: &[], body, gives })
    }

    pub(super) const fn list(self, action: Action) -> Self {
        self.with(Operation { method: "GET", action, query: LISTED, body: Body::None, gives: Gives::List })
    }

    pub(super) const fn put(self, action: Action, fields: &'static [Field], gives: Gives) -> Self {
        self.with(Operation { method: "PUT", action, query: &[], body: Body::Json(fields), gives })
    }

    pub(super) const fn post(self, action: Action, body: Body, gives: Gives) -> Self {
        self.with(Operation { method: "POST", action, query: &[], body, gives })
    }

    pub(super) const fn delete(self, action: Action) -> Self {
        self.delete_by(action, &[], Gives::Nothing)
    }

    pub(super) const fn delete_by(self, action: Action, query: &'static [Field], gives: Gives) -> Self {
        self.with(Operation { method: "DELETE", action, query, body: Body::None, gives })
    }

    pub(super) const fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    pub(super) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().flatten()
    }

    pub(super) fn action(&self, method: &Method) -> Option<Action> {
        self.operations()
            .find(|operation| operation.method == method.as_str())
            .map(|operation| operation.action)
    }

    /// For the `allow` header.
    pub(super) fn allowed(&self) -> String {
        let mut allowed = Vec::new();
        for operation in self.operations() {
            if operation.method == "GET" {
                allowed.push("HEAD");
            }
            allowed.push(operation.method);
        }
        allowed.push("OPTIONS");
        allowed.join(", ")
    }

    /// The names of its parameters, in their order.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(parameter)
    }

    fn is_of(&self, path: &[String]) -> bool {
        let mut parts = path.iter();
        let each = self.path.split('/').all(|wanted| {
            parts.next().is_some_and(|part| parameter(wanted).is_some() || part.as_str() == wanted)
        });
        each && parts.next().is_none()
    }
}

/// The name of a part of a path that matches any.
fn parameter(part: &str) -> Option<&str> {
    part.strip_prefix('{').and_then(|name| name.strip_suffix('}'))
}

mod own;
mod table;

/// Every path, in the order in which they are looked at.
pub(super) fn all() -> impl Iterator<Item = &'static Route> {
    let parts: [&'static [Route]; 5] = [table::NODE, own::OWN, table::USERS, table::VHOSTS, table::POLICIES];
    parts.into_iter().flatten()
}

/// The route of a path behind `/api`.
pub(super) fn find(path: &[String]) -> Option<&'static Route> {
    all().find(|route| route.is_of(path))
}

#[cfg(test)]
mod tests;
