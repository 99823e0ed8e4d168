//! From the protocol header to the open connection, and what else is said on channel 0.

use std::time::Instant;

use model::{Command, Name, Secret, Table, Value};

use super::{Capabilities, Connection, End, Failure, Pulse, State, Tune};
use crate::{
    codec::{Long, Method, MethodId, PROTOCOL_HEADER, RawTable, Short},
    error::{ProtocolError, Tunable},
    output::Output,
    reply::Reply,
    sasl::Credentials,
    settings::{CHANNELS_MIN, FRAME_BYTES_MIN, Settings},
    translate,
};

/// What the client said of itself, until the broker is told.
#[derive(Debug)]
pub(super) struct Client {
    properties: Table,
}

impl Connection {
    /// Looks at the first eight bytes.
    pub(super) fn protocol_header(&mut self, found: [u8; 8]) {
        let answer = match found {
            // AMQP 0-9 is near enough to 0-9-1 for the clients that still announce it.
            PROTOCOL_HEADER | [b'A', b'M', b'Q', b'P', 1, 1, 0, 9] => {
                self.start();
                return;
            }
            // AMQP 1.0, with or without SASL or TLS: not here.
            [b'A', b'M', b'Q', b'P', _, 1, 0, 0] => PROTOCOL_HEADER,
            [b'A', b'M', b'Q', b'P', 0, 0, minor, _] if minor >= 9 => PROTOCOL_HEADER,
            _ => *b"AMQP\x03\x01\x00\x00",
        };
        self.output.raw(&answer);
        self.finish(|| End::Protocol {
            error: ProtocolError::Header { found },
            channel: 0,
            method: MethodId::NONE,
        });
    }

    fn start(&mut self) {
        let mut properties = Vec::new();
        self.settings.server_properties.encode(&mut properties);
        self.output.method(
            0,
            &Method::ConnectionStart {
                version_major: 0,
                version_minor: 9,
                server_properties: RawTable(&properties),
                mechanisms: Long(self.settings.mechanisms(self.external_user.is_some()).as_bytes()),
                locales: Long(b"en_US"),
            },
        );
        self.state = State::Starting;
    }

    /// A method on channel 0.
    pub(super) fn connection_method(
        &mut self,
        now: Instant,
        method: &Method<'_>,
    ) -> Result<Option<Command>, Failure> {
        let failure = |error| Failure { error, channel: 0, method: method.id() };
        match (self.state, *method) {
            (_, Method::ConnectionClose { reply_code, reply_text, .. }) => {
                let text = translate::name(reply_text).map_err(failure)?;
                self.peer_closes(reply_code, &text);
            }
            (State::Closing { .. }, Method::ConnectionCloseOk {}) => {
                self.state = State::Closed;
                self.deadline = None;
                self.drop_input();
            }
            (State::Closing { .. }, _) => {}
            (State::Starting, Method::ConnectionStartOk { client_properties, mechanism, response, .. }) => {
                let command = self.start_ok(client_properties, mechanism, response).map_err(failure)?;
                return Ok(Some(command));
            }
            (State::Tuning, Method::ConnectionTuneOk { channel_max, frame_max, heartbeat }) => {
                let tune = Tune { channel_max, frame_max, heartbeat_seconds: heartbeat };
                // RabbitMQ: it is `connection.tune` that such an error names.
                let failure = |error| Failure { error, channel: 0, method: MethodId::TUNE };
                self.tune_ok(now, tune).map_err(failure)?;
            }
            (State::Opening, Method::ConnectionOpen { virtual_host, .. }) => {
                let vhost = translate::name(virtual_host).map_err(failure)?;
                return Ok(Some(self.enter(vhost)));
            }
            (State::Running, Method::ConnectionUpdateSecret { new_secret, reason }) => {
                translate::name(reason).map_err(failure)?;
                return Ok(Some(Command::UpdateSecret { secret: Secret::new(new_secret.0) }));
            }
            _ => return Err(failure(ProtocolError::UnexpectedMethod(self.stage()))),
        }
        Ok(None)
    }

    /// The peer says goodbye. Before the broker knows of it there is nothing to wait for.
    fn peer_closes(&mut self, code: u16, text: &str) {
        if !matches!(self.state, State::Closing { .. }) {
            self.end.get_or_insert_with(|| Box::new(End::ByPeer { code, text: text.to_owned() }));
            if self.is_entered {
                self.leave_broker();
                self.state = State::Leaving;
                self.drop_input();
                return;
            }
            self.state = State::Closed;
            self.deadline = None;
            self.drop_input();
        }
        self.output.method(0, &Method::ConnectionCloseOk {});
    }

    fn start_ok(
        &mut self,
        properties: RawTable<'_>,
        mechanism: Short<'_>,
        response: Long<'_>,
    ) -> Result<Command, ProtocolError> {
        let properties = translate::table(properties)?;
        self.capabilities = capabilities(&properties);
        self.connection_name = named(&properties, "connection_name");
        self.product = named(&properties, "product");
        let Credentials { mechanism, user, password } =
            Credentials::parse(&self.settings, self.external_user.as_ref(), mechanism.0, response.0)?;
        self.client = Some(Box::new(Client { properties }));
        self.state = State::Securing;
        Ok(match password {
            Some(password) => Command::Authenticate { mechanism, user, password },
            None => Command::Vouched { mechanism, user },
        })
    }

    /// The broker knows the user.
    pub(super) fn authenticated(&mut self, user: Name) {
        if self.state != State::Securing {
            return;
        }
        self.user = Some(user);
        let settings = &self.settings;
        self.output.method(
            0,
            &Method::ConnectionTune {
                channel_max: settings.channel_max,
                frame_max: settings.frame_max,
                heartbeat: settings.heartbeat_seconds,
            },
        );
        self.state = State::Tuning;
    }

    /// The broker does not know the user, or not from there.
    pub(super) fn login_refused(&mut self, now: Instant, mechanism: &'static str) {
        if self.state != State::Securing {
            return;
        }
        let end = End::LoginRefused { mechanism };
        if self.capabilities.authentication_failure_close {
            self.close(now, end, &Reply::login_refused(mechanism), MethodId::NONE, true);
            self.deadline = now.checked_add(self.settings.silent_close_delay);
        } else {
            self.go_silent(now, end);
        }
    }

    fn tune_ok(&mut self, now: Instant, tune: Tune) -> Result<(), ProtocolError> {
        let limit = self.settings.frame_max;
        check_tunable(Tunable::FrameMax, tune.frame_max, FRAME_BYTES_MIN, limit)?;
        let limit = self.settings.channel_max.into();
        check_tunable(Tunable::ChannelMax, tune.channel_max.into(), CHANNELS_MIN.into(), limit)?;
        self.tune = tune;
        self.payload_bytes_in_max = Settings::frame_bytes_max(tune.frame_max);
        self.payload_bytes_out_max = Output::payload_bytes(self.payload_bytes_in_max);
        if tune.heartbeat_seconds > 0 {
            self.pulse = Some(Pulse::new(now, tune.heartbeat_seconds));
        }
        self.state = State::Opening;
        Ok(())
    }

    fn enter(&mut self, vhost: Name) -> Command {
        self.state = State::Entering;
        self.is_entered = true;
        self.vhost = Some(vhost.clone());
        let client_properties = self.client.take().map(|client| client.properties).unwrap_or_default();
        Command::Open { vhost, client_properties }
    }

    /// The broker has opened the vhost.
    pub(super) fn entered(&mut self) {
        if self.state != State::Entering {
            return;
        }
        self.output.method(0, &Method::ConnectionOpenOk { known_hosts: Short(b"") });
        self.state = State::Running;
        self.deadline = None;
    }
}

fn check_tunable(tunable: Tunable, value: u32, min: u32, max: u32) -> Result<(), ProtocolError> {
    if value != 0 && value < min {
        return Err(ProtocolError::NegotiatedTooLow { tunable, value, limit: min });
    }
    // 0 is "no limit": too high where there is one.
    if max != 0 && (value == 0 || value > max) {
        return Err(ProtocolError::NegotiatedTooHigh { tunable, value, limit: max });
    }
    Ok(())
}

fn capabilities(properties: &Table) -> Capabilities {
    let Some(Value::Table(table)) = properties.get("capabilities") else {
        return Capabilities::default();
    };
    let has = |name| table.get(name) == Some(&Value::Bool(true));
    Capabilities {
        authentication_failure_close: has("authentication_failure_close"),
        blocked: has("connection.blocked"),
        consumer_cancel_notify: has("consumer_cancel_notify"),
    }
}

fn named(properties: &Table, field: &str) -> Option<Name> {
    properties.get(field).and_then(Value::as_text).and_then(|text| Name::parse(text).ok())
}
