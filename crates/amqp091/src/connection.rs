//! The server's end of a connection.
//!
//! The driver's loop: give what was read to [`Connection::poll_command`] until it returns `None`, give each answer of
//! the broker to [`Connection::handle_event`] before the next poll, write what [`Connection::io_slices`] shows, and
//! call [`Connection::handle_timeout`] when [`Connection::poll_timeout`] has passed. After every event and timeout
//! there may be a command to poll, even without input.
//!
//! Invariants: after an error event of a channel no command of that channel comes out but `Close`; `Command::Close`
//! comes out once, and only after `Command::Open`; nothing comes out after it.

use std::{collections::VecDeque, io::IoSlice, sync::Arc, time::Instant};

use model::{Command, Name, SessionCommand, SessionId};

use crate::{
    channel::{Ending, State as ChannelState},
    channels::Channels,
    codec::{Method, MethodId, Short},
    error::{ProtocolError, Stage},
    output::Output,
    reply::{Reply, Scope},
    settings::Settings,
};

mod events;
mod frames;
mod handshake;
mod input;
mod publish;
mod pulse;

use pulse::Pulse;

/// Where the connection is; see the diagram in the crate's documentation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The eight bytes of the protocol header are to come.
    Header,
    Starting,
    Securing,
    Tuning,
    Opening,
    /// `connection.open` is with the broker.
    Entering,
    Running,
    /// The peer has said goodbye; the broker has not finished.
    Leaving,
    /// We have said goodbye; `close-ok` is to come. Without `in_sync` nothing can be read any more.
    Closing {
        in_sync: bool,
    },
    /// Nothing is said and nothing is listened to until the deadline.
    Silent,
    Closed,
}

/// What was negotiated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tune {
    /// Most channels; 0: no limit.
    pub channel_max: u16,
    /// Largest frame, head and end included; 0: no limit.
    pub frame_max: u32,
    /// Seconds between signs of life; 0: none are sent or expected.
    pub heartbeat_seconds: u16,
}

/// Why a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The client closed it.
    ByPeer {
        /// Its code.
        code: u16,
        /// Its text.
        text: String,
    },
    /// The client broke a rule.
    Protocol {
        /// Which.
        error: ProtocolError,
        /// On which channel.
        channel: u16,
        /// With which method.
        method: MethodId,
    },
    /// The broker did not take the credentials.
    LoginRefused {
        /// The SASL mechanism used.
        mechanism: &'static str,
    },
    /// The broker refused something that costs the connection.
    Refused(Reply),
    /// The broker ended it.
    Forced {
        /// The reason in words.
        reason: String,
    },
    /// Nothing was heard for two intervals.
    HeartbeatMissed {
        /// The interval.
        seconds: u16,
    },
    /// It was not open in time.
    HandshakeTimeout,
    /// The socket ended without a goodbye.
    EndOfInput {
        /// Whether not even one byte had come: somebody looked whether the port is open.
        without_a_byte: bool,
    },
}

/// What the client can do, of what makes a difference here.
#[derive(Clone, Copy, Default, Debug)]
struct Capabilities {
    authentication_failure_close: bool,
    blocked: bool,
    consumer_cancel_notify: bool,
}

/// The server's end of a connection.
#[derive(Debug)]
pub struct Connection {
    settings: Arc<Settings>,
    state: State,
    /// When the handshake, a close or a silence is over.
    deadline: Option<Instant>,
    pulse: Option<Pulse>,
    capabilities: Capabilities,
    tune: Tune,
    /// Largest payload of a frame that comes in.
    payload_bytes_in_max: u32,
    /// Largest payload of a frame that goes out.
    payload_bytes_out_max: usize,
    channels: Channels,
    output: Output,
    /// Commands that no bytes stand for: the ends of sessions.
    pending: VecDeque<Command>,
    /// Bytes that could not be parsed yet, from `kept_at` on.
    kept: Vec<u8>,
    kept_at: usize,
    /// A body frame of which a part has come.
    partial: Option<frames::PartialBody>,
    /// Whether `Command::Open` has come out, and `Command::Close` has not.
    is_entered: bool,
    has_heard: bool,
    is_blocked_told: bool,
    client: Option<Box<handshake::Client>>,
    /// Whom the transport vouches for.
    external_user: Option<Name>,
    user: Option<Name>,
    vhost: Option<Name>,
    connection_name: Option<Name>,
    product: Option<Name>,
    channel_error: Option<Box<(SessionId, ProtocolError)>>,
    end: Option<Box<End>>,
}

/// Something that ends a channel or the connection.
#[derive(Debug)]
struct Failure {
    error: ProtocolError,
    channel: u16,
    method: MethodId,
}

impl Connection {
    /// A connection that was accepted at `now`.
    pub fn new(settings: Arc<Settings>, now: Instant) -> Self {
        let deadline = now.checked_add(settings.handshake_timeout);
        Self {
            state: State::Header,
            deadline,
            pulse: None,
            capabilities: Capabilities::default(),
            tune: Tune { channel_max: 0, frame_max: settings.initial_frame_max, heartbeat_seconds: 0 },
            // RabbitMQ lets a payload be as large as a whole frame: some clients count wrong.
            payload_bytes_in_max: settings.initial_frame_max,
            payload_bytes_out_max: Output::payload_bytes(settings.initial_frame_max),
            channels: Channels::default(),
            output: Output::default(),
            pending: VecDeque::new(),
            kept: Vec::new(),
            kept_at: 0,
            partial: None,
            is_entered: false,
            has_heard: false,
            is_blocked_told: false,
            client: None,
            external_user: None,
            user: None,
            vhost: None,
            connection_name: None,
            product: None,
            channel_error: None,
            end: None,
            settings,
        }
    }

    /// Offers EXTERNAL, which logs in as this user, for whom the transport vouches (by a certificate that it has checked).
    /// To be called before any byte is handed in.
    pub fn set_external_user(&mut self, user: Name) {
        self.external_user = Some(user);
    }

    /// Lends a buffer for the output that comes next, so that an idle connection needs none of its own.
    pub fn lend_buffer(&mut self, spare: &mut Vec<u8>) {
        self.output.borrow(spare);
    }

    /// Takes the buffer back, unless much of it still waits to be written.
    pub fn take_buffer(&mut self, spare: &mut Vec<u8>) {
        self.output.give_back(spare);
    }

    /// Bytes that wait to be written.
    pub fn output_bytes(&self) -> usize {
        self.output.bytes()
    }

    /// Appends what waits to be written, in order, for one vectored write.
    pub fn io_slices<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>) {
        self.output.io_slices(slices);
    }

    /// The first `bytes` of what waits are written.
    pub fn transmitted(&mut self, bytes: usize) {
        self.output.transmitted(bytes);
    }

    /// Whether there is nothing more to read: once the output is written the socket can be closed.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether a vhost is entered and nobody has said goodbye.
    pub fn is_open(&self) -> bool {
        self.state == State::Running
    }

    /// Why it ended, or is ending.
    pub fn end(&self) -> Option<&End> {
        self.end.as_deref()
    }

    /// The last error that cost a channel and that the broker does not know of, once.
    pub fn take_channel_error(&mut self) -> Option<(SessionId, ProtocolError)> {
        self.channel_error.take().map(|error| *error)
    }

    /// The user, once authenticated.
    pub fn user(&self) -> Option<&Name> {
        self.user.as_ref()
    }

    /// The vhost, once asked for.
    pub fn vhost(&self) -> Option<&Name> {
        self.vhost.as_ref()
    }

    /// What the client calls this connection.
    pub fn connection_name(&self) -> Option<&Name> {
        self.connection_name.as_ref()
    }

    /// What the client calls itself.
    pub fn product(&self) -> Option<&Name> {
        self.product.as_ref()
    }

    /// What was negotiated; before that, what holds for strangers.
    pub fn tune(&self) -> Tune {
        self.tune
    }

    /// Channels that are open or on their way out.
    pub fn channels(&self) -> u32 {
        self.channels.in_use()
    }

    /// The socket has nothing more to say.
    pub fn handle_end_of_input(&mut self, _now: Instant) {
        if self.state == State::Closed {
            return;
        }
        let without_a_byte = !self.has_heard;
        self.finish(|| End::EndOfInput { without_a_byte });
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            self.finish(|| End::HandshakeTimeout);
            return;
        }
        let (output, pulse) = (&mut self.output, &mut self.pulse);
        match pulse.as_mut().map(|pulse| pulse.beat(now, output)) {
            Some(pulse::Beat::Send) => self.output.heartbeat(),
            Some(pulse::Beat::Missed) if !matches!(self.state, State::Closing { .. }) => {
                let seconds = self.tune.heartbeat_seconds;
                self.finish(|| End::HeartbeatMissed { seconds });
            }
            Some(pulse::Beat::Missed | pulse::Beat::Nothing) | None => {}
        }
    }

    /// When [`Connection::handle_timeout`] wants to be called. It does not move with every message.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        let beat = self.pulse.as_ref().map(Pulse::next);
        [self.deadline, beat].into_iter().flatten().min()
    }

    /// The driver stops or starts reading the socket. While it does not read, the peer cannot be heard.
    pub fn set_reading(&mut self, now: Instant, is_reading: bool) {
        if let Some(pulse) = &mut self.pulse {
            pulse.set_listening(now, is_reading);
        }
    }

    /// Ends at once, without a word. The first reason is kept.
    fn finish(&mut self, end: impl FnOnce() -> End) {
        self.end.get_or_insert_with(|| Box::new(end()));
        self.leave_broker();
        self.state = State::Closed;
        self.deadline = None;
        self.drop_input();
    }

    /// Tells the broker, once, that it is over.
    fn leave_broker(&mut self) {
        self.channels.clear();
        if self.is_entered {
            self.is_entered = false;
            self.pending.clear();
            self.pending.push_back(Command::Close);
        }
    }

    fn drop_input(&mut self) {
        self.kept = Vec::new();
        self.kept_at = 0;
        self.partial = None;
        self.client = None;
    }

    /// The stage that texts speak of.
    fn stage(&self) -> Stage {
        match self.state {
            State::Header | State::Starting => Stage::Starting,
            State::Securing => Stage::Securing,
            State::Tuning => Stage::Tuning,
            State::Opening | State::Entering => Stage::Opening,
            State::Running | State::Leaving | State::Closing { .. } | State::Silent | State::Closed => {
                Stage::Running
            }
        }
    }

    /// The peer broke a rule.
    fn fail(&mut self, now: Instant, failure: Failure) {
        let reply = Reply::from_protocol_error(&failure.error);
        if reply.scope == Scope::Channel {
            let session = SessionId(failure.channel);
            self.channel_error = Some(Box::new((session, failure.error)));
            self.close_channel(failure.channel, &reply, failure.method);
            return;
        }
        let in_sync = !matches!(
            failure.error,
            ProtocolError::FrameTooLarge { .. }
                | ProtocolError::FrameEnd { .. }
                | ProtocolError::TooMuchUnauthenticated { .. }
        );
        if let State::Closing { in_sync: was_in_sync } = &mut self.state {
            *was_in_sync &= in_sync;
            return;
        }
        let is_stranger = matches!(self.state, State::Header | State::Starting | State::Securing);
        let Failure { error, channel, method } = failure;
        let end = End::Protocol { error, channel, method };
        if is_stranger {
            self.go_silent(now, end);
        } else {
            self.close(now, end, &reply, method, in_sync);
        }
    }

    /// RabbitMQ: who is not authenticated gets no answer, and no new try at once.
    fn go_silent(&mut self, now: Instant, end: End) {
        self.end.get_or_insert_with(|| Box::new(end));
        self.state = State::Silent;
        self.deadline = now.checked_add(self.settings.silent_close_delay);
        self.drop_input();
    }

    /// Says goodbye and why.
    fn close(&mut self, now: Instant, end: End, reply: &Reply, method: MethodId, in_sync: bool) {
        self.end.get_or_insert_with(|| Box::new(end));
        self.leave_broker();
        self.output.method(
            0,
            &Method::ConnectionClose {
                reply_code: reply.code.number(),
                reply_text: Short(reply.text.as_bytes()),
                class_id: method.class,
                method_id: method.method,
            },
        );
        self.state = State::Closing { in_sync };
        let patience = if in_sync { self.settings.close_timeout } else { self.settings.silent_close_delay };
        self.deadline = now.checked_add(patience);
        self.partial = None;
        self.client = None;
    }

    /// Ends a channel and says why. The broker is told at once, the number is free after `close-ok`.
    fn close_channel(&mut self, number: u16, reply: &Reply, method: MethodId) {
        self.output.method(
            number,
            &Method::ChannelClose {
                reply_code: reply.code.number(),
                reply_text: Short(reply.text.as_bytes()),
                class_id: method.class,
                method_id: method.method,
            },
        );
        self.channels.set_state(number, ChannelState::Refused);
        self.end_session(number, Ending::ByUs);
    }

    /// Asks the broker to end a session, and remembers whom its answer is for.
    fn end_session(&mut self, number: u16, ending: Ending) {
        if let Some(channel) = self.channels.find(number) {
            channel.endings.push_back(ending);
            self.pending.push_back(Command::Session(SessionId(number), SessionCommand::Close));
        }
    }
}
