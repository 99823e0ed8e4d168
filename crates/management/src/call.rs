//! One request, as far as it is understood before anybody acts on it: who asks, the path's parts, the query, the body.

use bytes::Bytes;
use model::Name;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json};

use crate::{api::Peer, login::Caller, multipart, problem::Problem};

/// Parts of a path, and pairs of a query, that are looked at.
const PARTS_MAX: usize = 64;

/// The query of a request, decoded, in its order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// What cannot be decoded is kept as well as it goes; pairs beyond the first 64 are not looked at.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(PARTS_MAX);
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    let decode = |text: &str| {
                        let spaced = text.replace('+', " ");
                        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
                    };
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name that may be there several times.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}

/// Splits a path into its decoded parts; a slash at its end means nothing. None if a part is no text.
pub(crate) fn parts(path: &str) -> Option<Vec<String>> {
    let path = path.trim_matches('/');
    let parts = path.split('/').take(PARTS_MAX);
    parts.map(|part| percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned)).collect()
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    /// Decoded, behind `/api`.
    pub(crate) path: Vec<String>,
    pub(crate) query: Query,
    pub(crate) body: Bytes,
    /// Why, where somebody is told: `X-Reason`.
    pub(crate) reason: Option<String>,
    /// Of the body.
    pub(crate) content_type: Option<String>,
    pub(crate) peer: Peer,
    /// The session that its cookie names, whether there is one or not.
    pub(crate) session: Option<String>,
}

impl Call {
    /// A part of the path; empty beyond its end.
    pub(crate) fn part(&self, at: usize) -> &str {
        self.path.get(at).map_or("", String::as_str)
    }

    /// A part of the path as a name.
    pub(crate) fn name(&self, at: usize) -> Result<Name, Problem> {
        name(self.part(at))
    }

    /// The name of an exchange: the default one is called `amq.default` in paths.
    pub(crate) fn exchange(&self, at: usize) -> Result<Name, Problem> {
        match self.part(at) {
            "amq.default" => Ok(Name::default()),
            other => name(other),
        }
    }

    /// The same, also from the field `file` of a form.
    pub(crate) fn uploaded(&self) -> Result<Object, Problem> {
        match self.content_type.as_deref().and_then(multipart::boundary) {
            None => self.object(),
            Some(boundary) => match multipart::field(&self.body, boundary, "file") {
                Some(file) => Object::parse(file),
                None => Err(Problem::bad("the form has no field named file")),
            },
        }
    }

    /// The body as an object; an empty one is an object without fields.
    pub(crate) fn object(&self) -> Result<Object, Problem> {
        Object::parse(&self.body)
    }
}

pub(crate) fn name(text: &str) -> Result<Name, Problem> {
    Name::parse(text).map_err(|error| Problem::Bad(error.to_string()))
}

/// An object of a body, its fields read as what they are meant to be.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Object(pub(crate) Map<String, Json>);

impl Object {
    /// Reads an object; nothing at all is one without fields.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        // RabbitMQ's tools send files that begin with a byte order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(bytes) {
            Ok(Json::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(Problem::bad("not_json")),
            Err(error) => Err(Problem::Bad(format!("not_json: {error}"))),
        }
    }

    /// A field that is there and not null.
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Refuses what lacks one of these, naming all that are missing.
    pub(crate) fn require(&self, keys: &[&str]) -> Result<(), Problem> {
        let missing: Vec<&str> = keys.iter().copied().filter(|key| self.0.get(*key).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Problem::Bad(format!("missing key: {}", missing.join(", "))))
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, Problem> {
        match self.get(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => Err(Problem::Bad(format!("{key} should be a string, actually was {other}"))),
        }
    }

    /// A truth, which may be written as text; false if it is not there.
    pub(crate) fn truth(&self, key: &str) -> Result<bool, Problem> {
        match self.get(key) {
            None => Ok(false),
            Some(Json::Bool(truth)) => Ok(*truth),
            Some(Json::String(text)) if text == "true" => Ok(true),
            Some(Json::String(text)) if text == "false" => Ok(false),
            Some(other) => Err(Problem::Bad(format!("{key} should be true or false, actually was {other}"))),
        }
    }

    /// An integer, which may be written as text.
    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, Problem> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let parsed = match value {
            Json::Number(number) => number.as_i64(),
            Json::String(text) => text.parse().ok(),
            _ => None,
        };
        parsed
            .map(Some)
            .ok_or_else(|| Problem::Bad(format!("{key} should be an integer, actually was {value}")))
    }

    /// An object; one without fields if it is not there. RabbitMQ's own exports write it as a list of pairs, or as `[]`.
    pub(crate) fn map(&self, key: &str) -> Result<Map<String, Json>, Problem> {
        match self.get(key) {
            None => Ok(Map::new()),
            Some(value) => pairs(value)
                .ok_or_else(|| Problem::Bad(format!("{key} should be an object, actually was {value}"))),
        }
    }
}

/// An object, or what RabbitMQ's command line makes of one: `[["key", value], …]`.
pub(crate) fn pairs(value: &Json) -> Option<Map<String, Json>> {
    match value {
        Json::Object(map) => Some(map.clone()),
        Json::Array(items) => items
            .iter()
            .map(|item| match item.as_array().map(Vec::as_slice) {
                Some([Json::String(key), value]) => Some((key.clone(), value.clone())),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
