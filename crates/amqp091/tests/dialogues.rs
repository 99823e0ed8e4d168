//! Plays the dialogues in `tests/scripts`: what the client sends, what the broker tells, what must come of it.
//!
//! ```text
//! # a remark                                  -- running        handshake, nothing of it shown
//! C: 1 queue.declare queue="q" durable        -- running plain  the same without any capability
//! B: 1 queue-declared queue="q" messages=3    -- channel 1      channel.open and its answer, not shown
//! T: 30                                       -- set channel_max 3
//! E:                                          (end of input)
//! S: 1 queue.declare-ok queue="q" …           >: 1 DeclareQueue(…)           =: closed, ByPeer { … }
//! ```
//!
//! `C`, `B`, `T`, `E` and `--` lines are played; `S` (the server's frames), `>` (commands) and `=` (the connection's
//! end) are what must come of them. `UPDATE_SCRIPTS=1 cargo test` writes them anew. Every script is played four
//! times: lines as a whole, byte by byte, through `keep`, and all lines of the client up to the next event in one go.
//! With `FUZZ_CORPUS=DIR` what the clients say becomes inputs for the fuzz targets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where something is not as it should be"
)]

use std::{fs, path::Path, sync::Arc, time::Duration, time::Instant};

use amqp091::{
    Connection, Settings,
    codec::{
        FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD, Frame, frame::ContentHeader,
    },
};
use model::{Command, Event, Name, SessionCommand, SessionEvent, SessionId};

#[path = "dialogues/corpus.rs"]
mod corpus;
#[path = "dialogues/events.rs"]
mod events;
#[path = "dialogues/notation.rs"]
mod notation;

use notation::Words;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Feed {
    Lines,
    Bytes,
    Kept,
    Joined,
}

struct Stage {
    feed: Feed,
    settings: Settings,
    now: Instant,
    external_user: Option<Name>,
    connection: Option<Connection>,
    is_end_told: bool,
    shown: Vec<String>,
    /// What the client has sent and nobody has looked at, if lines are joined.
    unread: Vec<u8>,
    /// What the client has sent, line by line, but for its login.
    said: Vec<Vec<u8>>,
    is_logged_in: bool,
}

#[expect(clippy::disallowed_methods, reason = "a test has to begin at some moment")]
fn some_moment() -> Instant {
    Instant::now()
}

impl Stage {
    fn new(feed: Feed) -> Self {
        let settings = Settings { server_properties: model::Table::default(), ..Settings::default() };
        Self {
            feed,
            settings,
            now: some_moment(),
            external_user: None,
            connection: None,
            is_end_told: false,
            shown: Vec::new(),
            unread: Vec::new(),
            said: Vec::new(),
            is_logged_in: false,
        }
    }

    fn connection(&mut self) -> &mut Connection {
        let (settings, now, external) = (&self.settings, self.now, self.external_user.take());
        let connection =
            self.connection.get_or_insert_with(|| Connection::new(Arc::new(settings.clone()), now));
        external.into_iter().for_each(|user| connection.set_external_user(user));
        connection
    }

    fn client(&mut self, bytes: &[u8]) {
        let pieces: Vec<&[u8]> = match self.feed {
            Feed::Bytes => bytes.chunks(1).collect(),
            Feed::Lines | Feed::Kept => vec![bytes],
            Feed::Joined => {
                self.unread.extend_from_slice(bytes);
                return;
            }
        };
        for mut piece in pieces {
            if self.feed == Feed::Kept {
                self.connection().keep(piece);
                piece = &[];
            }
            self.poll(piece);
        }
    }

    /// Looks at what was joined.
    fn read(&mut self) {
        let unread = std::mem::take(&mut self.unread);
        if !unread.is_empty() {
            self.poll(&unread);
        }
    }

    fn poll(&mut self, mut input: &[u8]) {
        let now = self.now;
        while let Some(command) = self.connection().poll_command(now, &mut input) {
            self.frames();
            self.shown.push(show_command(&command));
        }
        assert!(input.is_empty(), "None means that everything was consumed");
        self.frames();
        let connection = self.connection();
        if connection.is_closed() && !std::mem::replace(&mut self.is_end_told, true) {
            let end = format!("=: closed, {:?}", self.connection().end());
            self.shown.push(end);
        }
        if let Some((SessionId(number), error)) = self.connection().take_channel_error() {
            self.shown.push(format!("=: channel {number}, {error:?}"));
        }
    }

    fn event(&mut self, event: Event) {
        self.read();
        let now = self.now;
        self.connection().handle_event(now, event);
        self.frames();
        self.poll(&[]);
    }

    /// Takes what waits in the output and shows it frame by frame.
    fn frames(&mut self) {
        let mut bytes = Vec::new();
        {
            let connection = self.connection();
            let waiting = connection.output_bytes();
            let mut slices = Vec::new();
            connection.io_slices(&mut slices);
            for slice in &slices {
                bytes.extend_from_slice(slice);
            }
            assert_eq!(bytes.len(), waiting);
            connection.transmitted(waiting);
            assert_eq!(connection.output_bytes(), 0);
        }
        let mut rest = &bytes[..];
        if let Some((header, behind)) = rest.split_first_chunk::<8>()
            && header.starts_with(b"AMQP")
        {
            self.shown.push(format!("S: header {}", notation::quote(header)));
            rest = behind;
        }
        while !rest.is_empty() {
            let frame = Frame::take(&mut rest).expect("the output is made of whole frames");
            assert_eq!(frame.end, FRAME_END);
            self.shown.push(show_frame(&frame));
        }
    }

    fn line(&mut self, line: &str) {
        let (tag, text) = line.split_once(' ').unwrap_or((line, ""));
        if tag != "C:" {
            self.read();
        }
        let mut words = Words::new(text);
        match tag {
            "C:" => {
                let bytes = notation::client_bytes(&mut words);
                self.client(&bytes);
                self.said.push(bytes);
            }
            "B:" => {
                let event = events::parse(&mut words);
                self.event(event);
            }
            "T:" => {
                self.connection();
                let millis = words.next().map_or(0.0, |word| word.parse::<f64>().expect("seconds"));
                self.now += Duration::from_secs_f64(millis);
                let now = self.now;
                let due = self.connection().poll_timeout();
                if due.is_some_and(|due| due <= now) {
                    self.connection().handle_timeout(now);
                }
                self.poll(&[]);
            }
            "E:" => {
                let now = self.now;
                self.connection().handle_end_of_input(now);
                self.poll(&[]);
            }
            "--" => self.directive(&mut words),
            other => panic!("no such line: {other}"),
        }
        words.finish();
    }

    fn directive(&mut self, words: &mut Words<'_>) {
        match words.next().expect("a directive") {
            "running" => {
                let is_plain = words.next() == Some("plain");
                self.login(is_plain);
            }
            "channel" => {
                let number: u16 = words.next().expect("a number").parse().expect("a number");
                self.line(&format!("C: {number} channel.open"));
                self.event(Event::Session(SessionId(number), SessionEvent::Opened));
            }
            "set" => {
                let (field, value) = (words.next().expect("a field"), words.next().expect("a value"));
                self.set(field, value.parse().expect("a number"));
            }
            other => panic!("no such directive: {other}"),
        }
        self.read();
        self.shown.clear();
    }

    fn login(&mut self, is_plain: bool) {
        let capabilities = if is_plain {
            ""
        } else {
            " client_properties={capabilities={authentication_failure_close=true,consumer_cancel_notify=true,\
             connection.blocked=true}}"
        };
        let tune = (self.settings.channel_max, self.settings.frame_max, self.settings.heartbeat_seconds);
        self.line("C: header");
        self.line(&format!(
            "C: connection.start-ok mechanism=PLAIN response=\"\\0guest\\0guest\"{capabilities}"
        ));
        self.event(Event::Authenticated { user: Name::parse("guest").unwrap() });
        self.line(&format!(
            "C: connection.tune-ok channel_max={} frame_max={} heartbeat={}",
            tune.0, tune.1, tune.2
        ));
        self.line("C: connection.open virtual_host=\"/\"");
        self.event(Event::Opened);
        self.said.clear();
        self.is_logged_in = true;
    }

    fn set(&mut self, field: &str, value: u64) {
        let settings = &mut self.settings;
        match field {
            "channel_max" => settings.channel_max = value.try_into().unwrap(),
            "frame_max" => settings.frame_max = value.try_into().unwrap(),
            "heartbeat_seconds" => settings.heartbeat_seconds = value.try_into().unwrap(),
            "message_bytes_max" => settings.message_bytes_max = value,
            "unauthenticated_bytes_max" => settings.unauthenticated_bytes_max = value.try_into().unwrap(),
            "anonymous" => {
                let guest = Name::parse("guest").unwrap();
                settings.anonymous = (value != 0).then(|| (guest, model::Secret::new(*b"guest")));
            }
            "external" => self.external_user = (value != 0).then(|| Name::parse("CN=shop").unwrap()),
            other => panic!("no such setting: {other}"),
        }
    }
}

fn show_frame(frame: &Frame<'_>) -> String {
    let Frame { kind, channel, payload, .. } = *frame;
    match kind {
        FRAME_METHOD => format!("S: {channel} {}", notation::show_method(payload)),
        FRAME_HEADER => {
            let header = ContentHeader::decode(payload).expect("a header");
            let properties = notation::quote(header.properties);
            format!("S: {channel} content class={} size={} {properties}", header.class, header.body_bytes)
        }
        FRAME_BODY => format!("S: {channel} body {}", notation::show_bytes(payload)),
        FRAME_HEARTBEAT => format!("S: {channel} heartbeat"),
        other => panic!("the server sent a frame of type {other}"),
    }
}

fn show_command(command: &Command) -> String {
    match command {
        Command::Session(SessionId(number), SessionCommand::Publish { message, mandatory }) => format!(
            ">: {number} Publish exchange={} routing_key={} mandatory={mandatory} properties={} body={}",
            notation::quote(message.exchange()),
            notation::quote(message.routing_key()),
            notation::quote(message.raw_properties()),
            notation::show_bytes(message.body()),
        ),
        Command::Session(SessionId(number), command) => format!(">: {number} {command:?}"),
        other => format!(">: {other:?}"),
    }
}

/// The script with what came of it in place of what it expected.
fn play(script: &str, feed: Feed) -> String {
    play_on(&mut Stage::new(feed), script)
}

fn play_on(stage: &mut Stage, script: &str) -> String {
    let mut played = String::new();
    for line in script.lines() {
        if line.is_empty() || line.starts_with('#') {
            played.push_str(line);
            played.push('\n');
        } else if !line.starts_with(['S', '>', '=']) {
            played.push_str(line);
            played.push('\n');
            stage.line(line);
            for shown in stage.shown.drain(..) {
                played.push_str(&shown);
                played.push('\n');
            }
        }
    }
    stage.read();
    for shown in stage.shown.drain(..) {
        played.push_str(&shown);
        played.push('\n');
    }
    played
}

/// What came of a script, without what was played.
fn outcome(played: &str) -> Vec<&str> {
    played.lines().filter(|line| line.starts_with(['S', '>', '='])).collect()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the scripts are updated by the test itself")]
fn the_scripts_come_out_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let is_update = std::env::var_os("UPDATE_SCRIPTS").is_some();
    let fuzz_corpus = std::env::var_os("FUZZ_CORPUS");
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 40, "there were more dialogues than {}", paths.len());
    let mut failures = Vec::new();
    for path in paths {
        let script = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut stage = Stage::new(Feed::Lines);
        let whole = play_on(&mut stage, &script);
        if let Some(folder) = &fuzz_corpus {
            corpus::write(Path::new(folder), &name, stage.is_logged_in, &stage.said);
        }
        for feed in [Feed::Bytes, Feed::Kept] {
            assert_eq!(play(&script, feed), whole, "{name}: fed as {feed:?}, something else came of it");
        }
        let joined = play(&script, Feed::Joined);
        assert_eq!(outcome(&joined), outcome(&whole), "{name}: fed in one go, something else came of it");
        if whole != script {
            if is_update {
                fs::write(&path, &whole).unwrap();
            } else {
                failures.push(first_difference(&name, &script, &whole));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn first_difference(name: &str, script: &str, played: &str) -> String {
    let (mut wanted, mut got) = (script.lines(), played.lines());
    for number in 1.. {
        match (wanted.next(), got.next()) {
            (None, None) => break,
            (wanted, got) if wanted == got => {}
            (wanted, got) => {
                let (wanted, got) = (wanted.unwrap_or("(end)"), got.unwrap_or("(end)"));
                return format!("{name}:{number}\n  wanted {wanted}\n  got    {got}");
            }
        }
    }
    format!("{name}: differs in its last line end")
}
