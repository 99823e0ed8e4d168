//! A connection with a hostile client and a broker that says anything at any time.
//!
//! The input is a list of steps, one byte each with what it needs behind it: bytes as they are, bytes made into a
//! frame, an event, time, a write. Half of the inputs begin logged in.

#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use amqp091::{
    Connection, Settings,
    codec::{
        FRAME_END, FRAME_METHOD, Frame, Long, Method, PROTOCOL_HEADER, RawTable, Short, frame::put_method,
    },
};
use libfuzzer_sys::fuzz_target;
use model::{
    Command, DeliveryId, Event, Message, Name, Refusal, SessionCommand, SessionEvent, SessionId,
    refusal::{Named, Resource},
};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

struct Play {
    connection: Connection,
    now: Instant,
    is_entered: bool,
    has_left: bool,
    /// What the server has written and nobody has looked at.
    written: Vec<u8>,
    /// Whether the first bytes of the server have been looked at.
    has_begun: bool,
}

fuzz_target!(|input: &[u8]| {
    let settings = Settings { message_bytes_max: 20_000, ..Settings::default() };
    let mut play = Play {
        connection: Connection::new(Arc::new(settings), *START),
        now: *START,
        is_entered: false,
        has_left: false,
        written: Vec::new(),
        has_begun: false,
    };
    let Some((&first, mut steps)) = input.split_first() else { return };
    if first & 1 == 1 {
        play.log_in(first & 2 == 2);
    }
    while let Some((&step, rest)) = steps.split_first() {
        steps = rest;
        play.step(step, &mut steps);
        play.look();
    }
    play.connection.handle_end_of_input(play.now);
    play.feed(b"nobody listens");
    play.write(usize::MAX);
    play.look();
    assert!(play.written.is_empty(), "the output ends in the middle of a frame");
    assert!(play.connection.is_closed() && play.connection.end().is_some());
    assert_eq!(play.connection.poll_timeout(), None);
    assert_eq!(play.is_entered, play.has_left, "the broker is told of the end of what it knows of");
});

fn take<'a>(steps: &mut &'a [u8], bytes: usize) -> &'a [u8] {
    let (taken, rest) = steps.split_at(bytes.min(steps.len()));
    *steps = rest;
    taken
}

fn byte(steps: &mut &[u8]) -> u8 {
    take(steps, 1).first().copied().unwrap_or(0)
}

impl Play {
    fn step(&mut self, step: u8, steps: &mut &[u8]) {
        match step {
            0..=99 => {
                let bytes = take(steps, step.into());
                self.feed(bytes);
            }
            // A frame of a type that exists, on one of few channels.
            100..=179 => {
                let kind = [1, 1, 1, 1, 2, 2, 3, 3, 3, 8][usize::from(step % 10)];
                let channel = byte(steps) % 4;
                let length = byte(steps);
                let payload = take(steps, length.into());
                let mut frame = vec![kind, 0, channel, 0, 0, 0, payload.len() as u8];
                frame.extend_from_slice(payload);
                frame.push(FRAME_END);
                self.feed(&frame);
            }
            180..=189 => {
                let length = byte(steps);
                let bytes = take(steps, length.into());
                self.connection.keep(bytes);
                self.feed(&[]);
            }
            190..=239 => {
                let event = event(step - 190, (byte(steps) % 4).into());
                self.connection.handle_event(self.now, event);
                self.feed(&[]);
            }
            240..=244 => {
                self.now += Duration::from_millis(u64::from(byte(steps)) * 200);
                let due = self.connection.poll_timeout();
                if due.is_some_and(|due| due <= self.now) {
                    self.connection.handle_timeout(self.now);
                    self.feed(&[]);
                }
            }
            245..=247 => self.connection.set_reading(self.now, step == 245),
            _ => self.write(usize::from(byte(steps)) * 8),
        }
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(command) = self.connection.poll_command(self.now, &mut bytes) {
            assert!(!self.has_left, "{command:?} came out after the end");
            match command {
                Command::Open { .. } => self.is_entered = true,
                Command::Close => {
                    assert!(self.is_entered, "the broker is told of the end of what it does not know");
                    self.has_left = true;
                }
                Command::Session(_, SessionCommand::Publish { message, .. }) => {
                    assert!(message.body().len() <= 20_000);
                    assert!(Message::new(b"", b"", message.raw_properties(), b"").is_ok());
                }
                Command::Session(..) => assert!(self.is_entered),
                Command::Vouched { .. } => panic!("there is no certificate"),
                Command::Authenticate { .. } | Command::UpdateSecret { .. } => {}
            }
        }
        assert!(bytes.is_empty(), "None means that everything was consumed");
    }

    fn write(&mut self, bytes_max: usize) {
        loop {
            let mut slices = Vec::new();
            self.connection.io_slices(&mut slices);
            let mut waiting = Vec::new();
            for slice in &slices {
                waiting.extend_from_slice(slice);
            }
            assert!(waiting.len() <= self.connection.output_bytes());
            assert_eq!(waiting.is_empty(), self.connection.output_bytes() == 0);
            let sent = waiting.len().min(bytes_max);
            self.written.extend_from_slice(&waiting[..sent]);
            self.connection.transmitted(sent);
            if sent == 0 || bytes_max != usize::MAX {
                break;
            }
        }
    }

    /// What was written is whole frames, with methods that exist.
    fn look(&mut self) {
        let mut rest = &self.written[..];
        if !self.has_begun && rest.len() >= 8 {
            self.has_begun = true;
            if rest.starts_with(b"AMQP") {
                rest = &rest[8..];
            }
        }
        while self.has_begun
            && let Some(frame) = Frame::take(&mut rest)
        {
            assert_eq!(frame.end, FRAME_END);
            assert!(frame.kind != FRAME_METHOD || Method::decode(frame.payload).is_ok());
        }
        let left = rest.len();
        self.written.drain(..self.written.len() - left);
    }

    fn log_in(&mut self, has_small_frames: bool) {
        let mut hello = PROTOCOL_HEADER.to_vec();
        let start_ok = Method::ConnectionStartOk {
            client_properties: RawTable::default(),
            mechanism: Short(b"PLAIN"),
            response: Long(b"\0guest\0guest"),
            locale: Short(b"en_US"),
        };
        put_method(&mut hello, 0, &start_ok);
        let frame_max = if has_small_frames { 4096 } else { 131_072 };
        put_method(&mut hello, 0, &Method::ConnectionTuneOk { channel_max: 3, frame_max, heartbeat: 10 });
        let open =
            Method::ConnectionOpen { virtual_host: Short(b"/"), capabilities: Short(b""), insist: false };
        put_method(&mut hello, 0, &open);
        put_method(&mut hello, 1, &Method::ChannelOpen { out_of_band: Short(b"") });
        self.feed(&hello);
        self.connection.handle_event(self.now, event(0, 0));
        self.feed(&[]);
        self.connection.handle_event(self.now, event(1, 0));
        self.feed(&[]);
        assert!(self.connection.is_open());
    }
}

fn event(which: u8, channel: u16) -> Event {
    let name = || Name::parse("name").expect("it is short");
    let session = |event| Event::Session(SessionId(channel), event);
    let message = |body: usize| {
        let message = Message::new(b"x", b"k", &[0, 0], &vec![7; body]).expect("it has no properties");
        Arc::new(message)
    };
    match which {
        0 => Event::Authenticated { user: name() },
        1 => Event::Opened,
        2 => Event::AuthenticationRefused { mechanism: "PLAIN" },
        3 => Event::SecretUpdated,
        4 => Event::Refused(Refusal::VhostNotFound { vhost: name() }),
        5 => Event::Closed,
        6 => Event::Forced { reason: "shutdown".repeat(40) },
        7 => Event::Blocked { reason: "low on disk" },
        8 => Event::Unblocked,
        9..=11 => session(SessionEvent::Opened),
        12..=16 => session(SessionEvent::Closed),
        17..=19 => {
            let named = Named { resource: Resource::Queue, name: name(), vhost: name() };
            session(SessionEvent::Refused(Refusal::NotFound(named)))
        }
        20 => session(SessionEvent::Refused(Refusal::ConsumerTagInUse { consumer: name() })),
        21 => session(SessionEvent::QueueDeclared { queue: name(), messages: u64::MAX, consumers: 1 }),
        22 => session(SessionEvent::ConsumerLost { consumer: name() }),
        23 => session(SessionEvent::Confirmed { publish: 1, multiple: true }),
        24 => session(SessionEvent::Returned { message: message(10) }),
        25 => session(SessionEvent::GotNothing),
        26..=28 => session(SessionEvent::Got {
            delivery: DeliveryId(1),
            redelivered: true,
            message: message(5_000),
            messages: 3,
        }),
        _ => session(SessionEvent::Delivered {
            consumer: name(),
            delivery: DeliveryId(u64::from(which)),
            redelivered: false,
            message: message(usize::from(which) * 300),
        }),
    }
}
