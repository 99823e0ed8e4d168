//! Why a request is not answered as asked: status and body.

use http::StatusCode;
use model::Refusal;
use serde_json::{Value as Json, json};

/// See the module's documentation. Bodies are RabbitMQ's: `{"error": …, "reason": …}`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Problem {
    /// 401, and the browser may ask for a password.
    NoCredentials,
    /// 401, for a cookie that is worth nothing (any more): no browser is to ask for a password.
    SessionOver,
    /// 429: too many failed logins; how many seconds to wait.
    TooMany(u64),
    /// 413, with the most bytes that there may be.
    TooLarge(usize),
    /// 401, the same for an unknown user and a wrong password.
    LoginFailed,
    /// 401: this user may not.
    NotAuthorised(String),
    /// 400, empty: an `authorization` that cannot be read.
    MalformedLogin,
    /// 404.
    NotFound,
    /// 404, what a wish depends on.
    Missing(String),
    /// 400.
    Bad(String),
    /// 409: what is to be new is there already.
    Exists(String),
    /// 405, with the methods that there are.
    MethodNotAllowed(String),
    /// 406.
    NotAcceptable,
    /// 503 and this body: a check that failed.
    Failed(Json),
    /// 500; the log says what.
    Internal,
}

/// The core refuses nothing of what was checked: an entry could not be written down.
impl From<Refusal> for Problem {
    fn from(_: Refusal) -> Self {
        Self::Internal
    }
}

impl Problem {
    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        Self::Bad(reason.into())
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoCredentials | Self::LoginFailed | Self::NotAuthorised(_) | Self::SessionOver => {
                StatusCode::UNAUTHORIZED
            }
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MalformedLogin | Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::NotFound | Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Exists(_) => StatusCode::CONFLICT,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Why, in a sentence.
    pub(crate) fn reason(&self) -> String {
        let body = self.body().unwrap_or_default();
        body.get("reason").and_then(Json::as_str).unwrap_or("the request cannot be answered").to_owned()
    }

    /// The body, if there is one.
    pub(crate) fn body(&self) -> Option<Json> {
        let said = |error: &str, reason: &str| Some(json!({ "error": error, "reason": reason }));
        match self {
            Self::NoCredentials | Self::MalformedLogin | Self::MethodNotAllowed(_) | Self::NotAcceptable => {
                None
            }
            // RabbitMQ spells these two differently.
            Self::SessionOver => said("not_authorized", "The session is over: log in again"),
            Self::TooMany(seconds) => {
                let reason = format!("too many failed logins: the next is looked at in {seconds} s");
                said("too_many_requests", &reason)
            }
            Self::TooLarge(max) => said("payload_too_large", &format!("a body may have {max} bytes here")),
            Self::LoginFailed => said("not_authorized", "Login failed"),
            Self::NotAuthorised(reason) => said("not_authorised", reason),
            Self::NotFound => said("Object Not Found", "Not Found"),
            Self::Missing(reason) => said("not_found", reason),
            Self::Bad(reason) => said("bad_request", reason),
            Self::Exists(reason) => said("already_exists", reason),
            Self::Internal => said("internal_error", "see the broker's log"),
            Self::Failed(body) => Some(body.clone()),
        }
    }
}
