//! SASL: from the response of `connection.start-ok` to a user and a password.
//!
//! Every mechanism here has one step. Whether the password is right is the broker's business.

use model::{Name, Secret, Table, Value};

use crate::{error::ProtocolError, settings::Settings};

/// Who somebody says they are.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) mechanism: &'static str,
    pub(crate) user: Name,
    /// None: the transport vouches for the user.
    pub(crate) password: Option<Secret>,
}

impl Credentials {
    /// Reads `response` as `mechanism` asks for. The transport vouches for `external`, whatever EXTERNAL's response says.
    pub(crate) fn parse(
        settings: &Settings,
        external: Option<&Name>,
        mechanism: &[u8],
        response: &[u8],
    ) -> Result<Self, ProtocolError> {
        match (mechanism, &settings.anonymous, external) {
            (b"PLAIN", ..) if settings.plain => plain(response),
            (b"AMQPLAIN", ..) if settings.amqplain => amqplain(response),
            (b"ANONYMOUS", Some((user, password)), _) => {
                Ok(Self { mechanism: "ANONYMOUS", user: user.clone(), password: Some(password.clone()) })
            }
            (b"EXTERNAL", _, Some(user)) => {
                Ok(Self { mechanism: "EXTERNAL", user: user.clone(), password: None })
            }
            _ => Err(ProtocolError::UnknownMechanism {
                mechanism: String::from_utf8_lossy(mechanism).into_owned(),
            }),
        }
    }
}

/// `authorization NUL user NUL password`; the first is not looked at.
fn plain(response: &[u8]) -> Result<Credentials, ProtocolError> {
    let mut parts = response.split(|byte| *byte == 0);
    let (Some(_), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(ProtocolError::PlainResponse);
    };
    Ok(Credentials { mechanism: "PLAIN", user: user_name(user)?, password: Some(Secret::new(password)) })
}

/// A table without its length, with the fields LOGIN and PASSWORD.
fn amqplain(response: &[u8]) -> Result<Credentials, ProtocolError> {
    let table = Table::decode_fields(response).map_err(ProtocolError::AmqplainResponse)?;
    let user = user_name(text(&table, "LOGIN")?)?;
    let password = Some(Secret::new(text(&table, "PASSWORD")?));
    Ok(Credentials { mechanism: "AMQPLAIN", user, password })
}

fn text<'a>(table: &'a Table, field: &str) -> Result<&'a [u8], ProtocolError> {
    match table.get(field) {
        Some(Value::Text(bytes)) => Ok(bytes),
        Some(other) => Err(ProtocolError::AmqplainType { kind: other.type_word() }),
        None => Err(ProtocolError::AmqplainMissing),
    }
}

fn user_name(bytes: &[u8]) -> Result<Name, ProtocolError> {
    Name::from_bytes(bytes).map_err(|_| ProtocolError::UserName)
}
