//! The client end against the server end.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test may stop where something is not as it should be")]

use std::{sync::Arc, time::Instant};

use model::{Command, Event, SessionCommand, SessionEvent};

use super::*;
use crate::{Connection, Settings};

#[expect(clippy::disallowed_methods, reason = "a test has to begin at some moment")]
fn some_moment() -> Instant {
    Instant::now()
}

fn login() -> Login {
    let guest = || Name::parse("guest").unwrap();
    let mut login = Login::new(guest(), Secret::new(*b"guest"), Name::parse("/").unwrap());
    login.tune.heartbeat_seconds = 7;
    login.tune.frame_max = 5000;
    login
}

/// The two ends with a broker in between that knows nobody but guest and gives back what is published.
struct Wire {
    client: Client,
    server: Connection,
    now: Instant,
}

impl Wire {
    fn new(login: Login) -> Self {
        let now = some_moment();
        Self { client: Client::new(login), server: Connection::new(Arc::new(Settings::default()), now), now }
    }

    fn carry(&mut self) {
        let sent = self.client.output().to_vec();
        self.client.transmitted(sent.len());
        let mut rest = &sent[..];
        while let Some(command) = self.server.poll_command(self.now, &mut rest) {
            let event = match command {
                Command::Authenticate { password, .. } if password.expose() != b"guest" => {
                    Event::AuthenticationRefused { mechanism: "PLAIN" }
                }
                Command::Authenticate { user, .. } => Event::Authenticated { user },
                Command::Open { .. } => Event::Opened,
                Command::Session(session, SessionCommand::Open) => {
                    Event::Session(session, SessionEvent::Opened)
                }
                Command::Session(session, SessionCommand::Publish { message, .. }) => {
                    Event::Session(session, SessionEvent::Returned { message })
                }
                other => panic!("{other:?} was not expected"),
            };
            self.server.handle_event(self.now, event);
        }
        let mut slices = Vec::new();
        self.server.io_slices(&mut slices);
        for slice in &slices {
            for byte in slice.iter() {
                self.client.receive(std::slice::from_ref(byte));
                if !self.client.is_open() {
                    let _ = self.client.next_frame();
                }
            }
        }
        let bytes = self.server.output_bytes();
        self.server.transmitted(bytes);
    }
}

#[test]
fn it_logs_in_and_gets_back_what_it_publishes() {
    let mut wire = Wire::new(login());
    for _ in 0..3 {
        assert_eq!(wire.client.next_frame(), Ok(None));
        wire.carry();
    }
    assert!(wire.client.is_open());
    let tune = Tune { channel_max: 2047, frame_max: 5000, heartbeat_seconds: 7 };
    assert_eq!((wire.client.tune(), wire.server.tune()), (tune, tune));

    wire.client.method(3, &Method::ChannelOpen { out_of_band: Short(b"") });
    wire.carry();
    let opened = Incoming::Method(3, Method::ChannelOpenOk { channel_id: Long(b"") });
    assert_eq!(wire.client.next_frame(), Ok(Some(opened)));

    let publish = Method::BasicPublish {
        ticket: 0,
        exchange: Short(b"x"),
        routing_key: Short(b"k"),
        mandatory: true,
        immediate: false,
    };
    wire.client.publish(3, &publish, &[0x08, 0, 9], &[5; 12_000]);
    wire.client.heartbeat();
    wire.carry();
    let Ok(Some(Incoming::Method(3, Method::BasicReturn { reply_code: 312, .. }))) = wire.client.next_frame()
    else {
        panic!("no return");
    };
    let header = ContentHeader { class: 60, weight: 0, body_bytes: 12_000, properties: &[0x08, 0, 9] };
    assert_eq!(wire.client.next_frame(), Ok(Some(Incoming::Header(3, header))));
    let mut body = Vec::new();
    while let Some(Incoming::Body(3, piece)) = wire.client.next_frame().unwrap() {
        assert!(piece.len() <= 4992);
        body.extend_from_slice(piece);
    }
    assert_eq!(body, [5; 12_000]);
}

#[test]
fn it_says_why_it_cannot_log_in() {
    let mut wire = Wire::new(Login { password: Secret::new(*b"wrong"), ..login() });
    let mut failure = None;
    for _ in 0..3 {
        let sent = wire.client.output().to_vec();
        wire.client.transmitted(sent.len());
        let mut rest = &sent[..];
        while wire.server.poll_command(wire.now, &mut rest).is_some() {
            wire.server.handle_event(wire.now, Event::AuthenticationRefused { mechanism: "PLAIN" });
        }
        let mut slices = Vec::new();
        wire.server.io_slices(&mut slices);
        slices.iter().for_each(|slice| wire.client.receive(slice));
        let bytes = wire.server.output_bytes();
        wire.server.transmitted(bytes);
        failure = wire.client.next_frame().err();
    }
    assert!(matches!(failure, Some(ClientError::Closed { code: 403, .. })), "{failure:?}");
    let mut client = Client::new(login());
    client.receive(b"AMQP\x03\x01\0\0");
    assert_eq!(client.next_frame(), Err(ClientError::Header(*b"AMQP\x03\x01\0\0")));
}
