//! What a request is answered with when it is.

use serde_json::Value as Json;

use crate::{list::Row, problem::Problem};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) enum Reply {
    /// 200 and an object.
    Object(Json),
    /// 200 and an array or a page of it.
    List(Vec<Row>),
    /// 201, perhaps with where it is, relative to the request.
    Created(Option<String>),
    /// 204.
    Done,
    /// 200, and this cookie.
    LoggedIn(String),
    /// 204, and the cookie that takes the other away.
    LoggedOut(String),
}

pub(crate) type Answer = Result<Reply, Problem>;

impl Reply {
    /// The answer to a PUT.
    pub(crate) fn put(is_new: bool) -> Self {
        if is_new { Self::Created(None) } else { Self::Done }
    }

    /// An array of values that are made already, each with its name.
    pub(crate) fn values(rows: impl IntoIterator<Item = (String, Json)>) -> Self {
        Self::List(rows.into_iter().map(|(name, value)| Row::made(name, value)).collect())
    }
}
