//! The connection fed with streams of bytes: however they are split, the same comes out; whatever they are, nothing
//! panics, no memory is taken on the word of a stranger, and nothing comes out after the end.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where something is not as it should be"
)]

use std::{sync::Arc, time::Instant};

use amqp091::{
    Connection, Settings,
    codec::{
        Method, PROTOCOL_HEADER, Short,
        frame::{put_body, put_header, put_heartbeat, put_method},
    },
};
use model::{Command, Event, Message, Name, Refusal, SessionCommand, SessionEvent, SessionId};
use proptest::prelude::*;

#[expect(clippy::disallowed_methods, reason = "a test has to begin at some moment")]
fn some_moment() -> Instant {
    Instant::now()
}

/// A connection with a broker behind it that answers everything at once.
struct Pair {
    connection: Connection,
    now: Instant,
    commands: Vec<String>,
    output: Vec<u8>,
    closes: usize,
}

impl Pair {
    fn new() -> Self {
        let settings = Settings { message_bytes_max: 100_000, ..Settings::default() };
        let now = some_moment();
        let connection = Connection::new(Arc::new(settings), now);
        Self { connection, now, commands: Vec::new(), output: Vec::new(), closes: 0 }
    }

    /// Feeds `bytes`; a piece that has been begun is kept aside if `keep` says so.
    fn feed(&mut self, mut bytes: &[u8], keep: bool) {
        while let Some(command) = self.connection.poll_command(self.now, &mut bytes) {
            assert_eq!(self.closes, 0, "{command:?} came out after the end");
            self.closes += usize::from(matches!(command, Command::Close));
            self.answer(&command);
            self.commands.push(show(&command));
            if keep {
                self.connection.keep(bytes);
                bytes = &[];
            }
            self.write();
        }
        assert!(bytes.is_empty());
        self.write();
    }

    fn write(&mut self) {
        let mut slices = Vec::new();
        self.connection.io_slices(&mut slices);
        let written: usize = slices.iter().map(|slice| slice.len()).sum();
        for slice in &slices {
            self.output.extend_from_slice(slice);
        }
        assert_eq!(written, self.connection.output_bytes());
        // In two steps, so that a write that is cut short is tried too.
        self.connection.transmitted(written / 3);
        self.connection.transmitted(written - written / 3);
        assert_eq!(self.connection.output_bytes(), 0);
    }

    fn answer(&mut self, command: &Command) {
        let event = match command {
            Command::Authenticate { user, .. } | Command::Vouched { user, .. } => {
                Event::Authenticated { user: user.clone() }
            }
            Command::Open { .. } => Event::Opened,
            Command::UpdateSecret { .. } => Event::SecretUpdated,
            Command::Close => Event::Closed,
            Command::Session(session, command) => match session_event(command) {
                Some(event) => Event::Session(*session, event),
                None => return,
            },
        };
        self.connection.handle_event(self.now, event);
    }
}

fn session_event(command: &SessionCommand) -> Option<SessionEvent> {
    Some(match command {
        SessionCommand::Open => SessionEvent::Opened,
        SessionCommand::Close => SessionEvent::Closed,
        SessionCommand::DeclareQueue(declare) if declare.passive => {
            SessionEvent::Refused(Refusal::NoPreviousQueue)
        }
        SessionCommand::DeclareQueue(declare) => {
            SessionEvent::QueueDeclared { queue: declare.queue.clone(), messages: 0, consumers: 0 }
        }
        SessionCommand::Get { .. } => SessionEvent::Got {
            delivery: model::DeliveryId(1),
            redelivered: false,
            message: Arc::new(Message::new(b"x", b"k", &[0, 0], &[7; 300_000]).unwrap()),
            messages: 5,
        },
        SessionCommand::Publish { message, mandatory: true } => {
            SessionEvent::Returned { message: Arc::clone(message) }
        }
        _ => return None,
    })
}

fn show(command: &Command) -> String {
    match command {
        Command::Session(SessionId(number), SessionCommand::Publish { message, mandatory }) => format!(
            "{number} publish {:?} {:?} {:?} {:?} {mandatory}",
            message.exchange(),
            message.routing_key(),
            message.raw_properties(),
            message.body(),
        ),
        other => format!("{other:?}"),
    }
}

/// What a client may send next.
#[derive(Clone, Debug)]
enum Piece {
    Publish { channel: u16, body: usize, frames: usize, mandatory: bool },
    Begin { channel: u16 },
    Declare { channel: u16, passive: bool },
    Get { channel: u16 },
    Open { channel: u16 },
    Close { channel: u16 },
    CloseOk { channel: u16 },
    Heartbeat,
    Rubbish(Vec<u8>),
    Goodbye,
}

fn piece() -> impl Strategy<Value = Piece> {
    let channel = || 1..4_u16;
    prop_oneof![
        10 => (channel(), prop_oneof![0..10_usize, 4_000..9_000_usize, Just(110_000)], 1..4_usize, any::<bool>())
            .prop_map(|(channel, body, frames, mandatory)| Piece::Publish { channel, body, frames, mandatory }),
        1 => channel().prop_map(|channel| Piece::Begin { channel }),
        4 => (channel(), prop::bool::weighted(0.2))
            .prop_map(|(channel, passive)| Piece::Declare { channel, passive }),
        1 => channel().prop_map(|channel| Piece::Get { channel }),
        6 => channel().prop_map(|channel| Piece::Open { channel }),
        3 => channel().prop_map(|channel| Piece::Close { channel }),
        3 => channel().prop_map(|channel| Piece::CloseOk { channel }),
        2 => Just(Piece::Heartbeat),
        1 => prop::collection::vec(any::<u8>(), 1..30).prop_map(Piece::Rubbish),
        1 => Just(Piece::Goodbye),
    ]
}

fn put(out: &mut Vec<u8>, piece: &Piece) {
    match *piece {
        Piece::Publish { channel, body, frames, mandatory } => {
            let method = Method::BasicPublish {
                ticket: 0,
                exchange: Short(b"x"),
                routing_key: Short(b"key"),
                mandatory,
                immediate: false,
            };
            put_method(out, channel, &method);
            put_header(out, channel, 60, body as u64, &[0x10, 0, 2]);
            let bytes: Vec<u8> = (0..body).map(|at| at as u8).collect();
            for part in bytes.chunks(body.div_ceil(frames).max(1)) {
                put_body(out, channel, part);
            }
        }
        Piece::Begin { channel } => {
            let method = Method::BasicPublish {
                ticket: 0,
                exchange: Short(b""),
                routing_key: Short(b""),
                mandatory: false,
                immediate: false,
            };
            put_method(out, channel, &method);
        }
        Piece::Declare { channel, passive } => {
            let mut payload = vec![0, 50, 0, 10, 0, 0, 1, b'q', u8::from(passive)];
            payload.extend([0, 0, 0, 0]);
            put_method(out, channel, &Method::decode(&payload).unwrap());
        }
        Piece::Get { channel } => {
            put_method(out, channel, &Method::BasicGet { ticket: 0, queue: Short(b"q"), no_ack: true });
        }
        Piece::Open { channel } => put_method(out, channel, &Method::ChannelOpen { out_of_band: Short(b"") }),
        Piece::Close { channel } => put_method(
            out,
            channel,
            &Method::ChannelClose { reply_code: 200, reply_text: Short(b""), class_id: 0, method_id: 0 },
        ),
        Piece::CloseOk { channel } => put_method(out, channel, &Method::ChannelCloseOk {}),
        Piece::Heartbeat => put_heartbeat(out),
        Piece::Rubbish(ref bytes) => out.extend_from_slice(bytes),
        Piece::Goodbye => put_method(
            out,
            0,
            &Method::ConnectionClose {
                reply_code: 200,
                reply_text: Short(b"bye"),
                class_id: 0,
                method_id: 0,
            },
        ),
    }
}

fn login() -> Vec<u8> {
    let mut out = PROTOCOL_HEADER.to_vec();
    let start_ok = Method::ConnectionStartOk {
        client_properties: amqp091::codec::RawTable::default(),
        mechanism: Short(b"PLAIN"),
        response: amqp091::codec::Long(b"\0guest\0guest"),
        locale: Short(b"en_US"),
    };
    put_method(&mut out, 0, &start_ok);
    put_method(&mut out, 0, &Method::ConnectionTuneOk { channel_max: 9, frame_max: 131_072, heartbeat: 0 });
    let open = Method::ConnectionOpen { virtual_host: Short(b"/"), capabilities: Short(b""), insist: false };
    put_method(&mut out, 0, &open);
    put_method(&mut out, 1, &Method::ChannelOpen { out_of_band: Short(b"") });
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same(
        pieces in prop::collection::vec(piece(), 0..20),
        cuts in prop::collection::vec(prop_oneof![1..40_usize, 1..20_000_usize], 1..60),
        keep in any::<bool>(),
    ) {
        let mut stream = login();
        pieces.iter().for_each(|piece| put(&mut stream, piece));
        let mut whole = Pair::new();
        whole.feed(&stream, false);
        let mut split = Pair::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            let (part, later) = rest.split_at((*cut).min(rest.len()));
            split.feed(part, keep);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&split.commands, &whole.commands);
        prop_assert!(split.output == whole.output, "the output differs");
        prop_assert_eq!(split.connection.end(), whole.connection.end());
    }

    #[test]
    fn any_bytes_are_survived(
        is_in in any::<bool>(),
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
        frames in prop::collection::vec((0..10_u8, 0..3_u16, prop::collection::vec(any::<u8>(), 0..60)), 0..20),
    ) {
        let mut pair = Pair::new();
        if is_in {
            pair.feed(&login(), false);
        }
        for (kind, channel, payload) in &frames {
            let mut frame = vec![*kind];
            frame.extend(channel.to_be_bytes());
            frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
            frame.extend(payload);
            frame.push(0xCE);
            pair.feed(&frame, false);
        }
        for part in &parts {
            pair.feed(part, true);
        }
        pair.connection.handle_end_of_input(pair.now);
        pair.feed(b"more", false);
        prop_assert!(pair.connection.is_closed());
        prop_assert!(pair.connection.end().is_some());
        let was_entered = pair.commands.iter().any(|command| command.starts_with("Open"));
        prop_assert_eq!(pair.closes, usize::from(was_entered));
    }
}

#[test]
fn a_name_of_the_client_is_kept_for_the_log() {
    let mut pair = Pair::new();
    pair.feed(&login(), false);
    assert_eq!(pair.connection.user().map(Name::as_str), Some("guest"));
    assert_eq!(pair.connection.vhost().map(Name::as_str), Some("/"));
    assert_eq!(pair.connection.tune().channel_max, 9);
    assert_eq!(pair.connection.channels(), 1);
    assert!(pair.connection.is_open());
}
