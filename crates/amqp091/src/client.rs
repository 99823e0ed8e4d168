//! The other end: a minimal client on the same codec, for tests, measurements and bridges.
//!
//! [`Client`] logs in by itself and then hands out frames as they come; it keeps no channels and assembles no
//! contents. Bytes go in by [`Client::receive`] and out by [`Client::output`]; there is no clock: whoever needs
//! heartbeats sends them with [`Client::heartbeat`].

use model::{Name, Secret, Table, Value};

use crate::{
    codec::{
        CLASS_BASIC, FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD,
        FRAME_OVERHEAD_BYTES, Frame, FrameHead, Long, Method, PROTOCOL_HEADER, RawTable, Short,
        frame::{ContentHeader, put_body, put_header, put_heartbeat, put_method},
    },
    connection::Tune,
};

/// A server's frame over this size is not waited for.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How to log in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user.
    pub user: Name,
    /// Its password.
    pub password: Secret,
    /// The vhost to enter.
    pub vhost: Name,
    /// What the server offers is taken, but not more than this.
    pub tune: Tune,
    /// What to say of oneself, capabilities included.
    pub properties: Table,
}

impl Login {
    /// A login with all capabilities, RabbitMQ's defaults and no heartbeats.
    pub fn new(user: Name, password: Secret, vhost: Name) -> Self {
        let mut capabilities = Table::default();
        for name in [
            "publisher_confirms",
            "exchange_exchange_bindings",
            "basic.nack",
            "consumer_cancel_notify",
            "connection.blocked",
            "authentication_failure_close",
        ] {
            capabilities.push(name, Value::Bool(true));
        }
        let mut properties = Table::default();
        properties.push("product", Value::text("Harefoot client"));
        properties.push("capabilities", Value::Table(capabilities));
        let tune = Tune { channel_max: 2047, frame_max: 131_072, heartbeat_seconds: 0 };
        Self { user, password, vhost, tune, properties }
    }
}

/// A frame of the server after the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Incoming<'a> {
    /// A method; contents follow those that have one.
    Method(u16, Method<'a>),
    /// The header of a content.
    Header(u16, ContentHeader<'a>),
    /// A piece of a body.
    Body(u16, &'a [u8]),
    /// The server is still there.
    Heartbeat,
}

/// Why a server cannot be talked to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// It answered the protocol header with another one.
    #[error("the server wants protocol header {0:?}")]
    Header([u8; 8]),
    /// It sent something that is no frame of 0-9-1.
    #[error("the server sent a malformed frame of type {0}")]
    Malformed(u8),
    /// It closed the connection during the handshake.
    #[error("the server closed the connection: {code} {text}")]
    Closed {
        /// Its code.
        code: u16,
        /// Its text.
        text: String,
    },
}

/// The client's end of a connection.
#[derive(Debug)]
pub struct Client {
    login: Login,
    is_open: bool,
    tune: Tune,
    input: Vec<u8>,
    input_at: usize,
    output: Vec<u8>,
    output_at: usize,
}

impl Client {
    /// A client that has its first bytes ready to be sent.
    pub fn new(login: Login) -> Self {
        Self {
            tune: login.tune,
            login,
            is_open: false,
            input: Vec::new(),
            input_at: 0,
            output: PROTOCOL_HEADER.to_vec(),
            output_at: 0,
        }
    }

    /// Whether `connection.open-ok` has come.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// What was negotiated.
    pub fn tune(&self) -> Tune {
        self.tune
    }

    /// Takes bytes that were read.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.input_at == self.input.len() {
            self.input.clear();
        } else {
            self.input.drain(..self.input_at);
        }
        self.input_at = 0;
        self.input.extend_from_slice(bytes);
    }

    /// What is to be written.
    pub fn output(&self) -> &[u8] {
        self.output.get(self.output_at..).unwrap_or_default()
    }

    /// The first `bytes` of the output are written.
    pub fn transmitted(&mut self, bytes: usize) {
        self.output_at = self.output_at.saturating_add(bytes).min(self.output.len());
        if self.output_at == self.output.len() {
            self.output.clear();
            self.output_at = 0;
        }
    }

    /// Sends a method.
    pub fn method(&mut self, channel: u16, method: &Method<'_>) {
        put_method(&mut self.output, channel, method);
    }

    /// Sends a message, in as many frames as it takes. `properties` begin with the flag words.
    pub fn publish(&mut self, channel: u16, method: &Method<'_>, properties: &[u8], body: &[u8]) {
        put_method(&mut self.output, channel, method);
        put_header(&mut self.output, channel, CLASS_BASIC, body.len() as u64, properties);
        let frame_max = if self.tune.frame_max == 0 { 131_072 } else { self.tune.frame_max };
        let piece_bytes =
            usize::try_from(frame_max).unwrap_or(usize::MAX).saturating_sub(FRAME_OVERHEAD_BYTES);
        for piece in body.chunks(piece_bytes.max(1)) {
            put_body(&mut self.output, channel, piece);
        }
    }

    /// Sends a sign of life.
    pub fn heartbeat(&mut self) {
        put_heartbeat(&mut self.output);
    }

    /// The next frame after the handshake; the handshake's own are answered here.
    ///
    /// # Errors
    /// When the server cannot be talked to.
    pub fn next_frame(&mut self) -> Result<Option<Incoming<'_>>, ClientError> {
        while !self.is_open {
            if !self.handshake_frame()? {
                return Ok(None);
            }
        }
        let start = self.input_at;
        let mut rest = self.input.get(start..).unwrap_or_default();
        let incoming = next_incoming(&mut rest)?;
        self.input_at = self.input.len().saturating_sub(rest.len());
        Ok(incoming)
    }

    /// Answers one frame of the handshake; whether there was one.
    fn handshake_frame(&mut self) -> Result<bool, ClientError> {
        let input = self.input.get(self.input_at..).unwrap_or_default();
        if let Some(header) = input.first_chunk::<8>()
            && header.starts_with(b"AMQP")
        {
            return Err(ClientError::Header(*header));
        }
        let mut rest = input;
        let before = rest.len();
        let Some(incoming) = next_incoming(&mut rest)? else { return Ok(false) };
        let taken = before.saturating_sub(rest.len());
        match incoming {
            Incoming::Method(0, Method::ConnectionStart { .. }) => {
                let (mut properties, mut response) = (Vec::new(), vec![0]);
                self.login.properties.encode(&mut properties);
                response.extend_from_slice(self.login.user.as_bytes());
                response.push(0);
                response.extend_from_slice(self.login.password.expose());
                let start_ok = Method::ConnectionStartOk {
                    client_properties: RawTable(&properties),
                    mechanism: Short(b"PLAIN"),
                    response: Long(&response),
                    locale: Short(b"en_US"),
                };
                put_method(&mut self.output, 0, &start_ok);
            }
            Incoming::Method(0, Method::ConnectionTune { channel_max, frame_max, heartbeat }) => {
                self.tune = Tune {
                    channel_max: lower(channel_max.into(), self.login.tune.channel_max.into()),
                    frame_max: lower(frame_max, self.login.tune.frame_max),
                    heartbeat_seconds: heartbeat.min(self.login.tune.heartbeat_seconds),
                };
                let tune_ok = Method::ConnectionTuneOk {
                    channel_max: self.tune.channel_max,
                    frame_max: self.tune.frame_max,
                    heartbeat: self.tune.heartbeat_seconds,
                };
                put_method(&mut self.output, 0, &tune_ok);
                let vhost = Short(self.login.vhost.as_bytes());
                let open =
                    Method::ConnectionOpen { virtual_host: vhost, capabilities: Short(b""), insist: true };
                put_method(&mut self.output, 0, &open);
            }
            Incoming::Method(0, Method::ConnectionOpenOk { .. }) => self.is_open = true,
            Incoming::Method(0, Method::ConnectionClose { reply_code, reply_text, .. }) => {
                let text = String::from_utf8_lossy(reply_text.0).into_owned();
                return Err(ClientError::Closed { code: reply_code, text });
            }
            Incoming::Heartbeat => {}
            Incoming::Method(..) | Incoming::Header(..) | Incoming::Body(..) => {
                return Err(ClientError::Malformed(FRAME_METHOD));
            }
        }
        self.input_at = self.input_at.saturating_add(taken);
        Ok(true)
    }
}

/// The lower of two limits of which 0 is none.
fn lower<T: TryFrom<u32> + Default>(one: u32, other: u32) -> T {
    let limit = match (one, other) {
        (0, limit) | (limit, 0) => limit,
        _ => one.min(other),
    };
    T::try_from(limit).unwrap_or_default()
}

/// Takes the frame at the front of `input`, if it is all there.
fn next_incoming<'a>(input: &mut &'a [u8]) -> Result<Option<Incoming<'a>>, ClientError> {
    if let Some(head) = FrameHead::peek(input)
        && head.frame_bytes() > FRAME_BYTES_MAX
    {
        return Err(ClientError::Malformed(head.kind));
    }
    let Some(frame) = Frame::take(input) else { return Ok(None) };
    let malformed = ClientError::Malformed(frame.kind);
    if frame.end != FRAME_END {
        return Err(malformed);
    }
    Ok(Some(match frame.kind {
        FRAME_METHOD => {
            Incoming::Method(frame.channel, Method::decode(frame.payload).map_err(|_| malformed)?)
        }
        FRAME_HEADER => {
            Incoming::Header(frame.channel, ContentHeader::decode(frame.payload).ok_or(malformed)?)
        }
        FRAME_BODY => Incoming::Body(frame.channel, frame.payload),
        FRAME_HEARTBEAT => Incoming::Heartbeat,
        _ => return Err(malformed),
    }))
}

#[cfg(test)]
mod tests;
