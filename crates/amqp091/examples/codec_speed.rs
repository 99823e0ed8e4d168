//! How long a small publish and a small delivery take in the state machine, without socket and broker.
//!
//! `cargo run --release -p amqp091 --example codec_speed [BODY_BYTES]`

#![expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::{hint::black_box, sync::Arc, time::Instant};

use amqp091::{
    Connection, Settings,
    codec::{
        Long, Method, PROTOCOL_HEADER, RawTable, Short,
        frame::{put_body, put_header, put_method},
    },
};
use model::{Command, DeliveryId, Event, Message, Name, SessionCommand, SessionEvent, SessionId};

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: u32 = 2_000;
const BATCH: u32 = 1_000;

fn main() {
    let body_bytes = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(16);
    let now = Instant::now();
    let mut connection = Connection::new(Arc::new(Settings::default()), now);
    log_in(&mut connection, now);
    // content-type, delivery-mode: what most clients send.
    let properties = b"\x90\x00\x18application/octet-stream\x02";
    let body = vec![b'b'; body_bytes];

    let mut stream = Vec::new();
    let publish = Method::BasicPublish {
        ticket: 0,
        exchange: Short(b""),
        routing_key: Short(b"a-queue-name"),
        mandatory: false,
        immediate: false,
    };
    for _ in 0..BATCH {
        put_method(&mut stream, 1, &publish);
        put_header(&mut stream, 1, 60, body.len() as u64, properties);
        put_body(&mut stream, 1, &body);
    }
    let parsed = fastest(|| {
        let mut input = &stream[..];
        while let Some(command) = connection.poll_command(now, &mut input) {
            black_box(&command);
        }
    });
    let made = fastest(|| {
        for _ in 0..BATCH {
            black_box(Arc::new(Message::new(b"", b"a-queue-name", properties, black_box(&body)).ok()));
        }
    });
    let (Ok(message), Ok(consumer)) = (
        Message::new(b"", b"a-queue-name", properties, &body).map(Arc::new),
        Name::parse("ctag1.0123456789abcdef"),
    ) else {
        return;
    };
    let delivered = fastest(|| {
        for at in 0..BATCH {
            let event = SessionEvent::Delivered {
                consumer: consumer.clone(),
                delivery: DeliveryId(at.into()),
                redelivered: false,
                message: Arc::clone(&message),
            };
            connection.handle_event(now, Event::Session(SessionId(1), event));
        }
        let mut slices = Vec::new();
        connection.io_slices(&mut slices);
        black_box(&slices);
        connection.transmitted(connection.output_bytes());
    });
    println!(
        "body of {body_bytes} bytes: publish parsed {parsed:.0} ns (of which the message {made:.0} ns), delivery encoded {delivered:.0} ns"
    );
}

/// Nanoseconds of one of a batch, in the round that was disturbed least.
fn fastest(mut batch: impl FnMut()) -> f64 {
    let round = |_| {
        let start = Instant::now();
        batch();
        start.elapsed()
    };
    let best = (0..ROUNDS).map(round).min().unwrap_or_default();
    best.as_nanos() as f64 / f64::from(BATCH)
}

fn log_in(connection: &mut Connection, now: Instant) {
    let mut hello = PROTOCOL_HEADER.to_vec();
    let start_ok = Method::ConnectionStartOk {
        client_properties: RawTable::default(),
        mechanism: Short(b"PLAIN"),
        response: Long(b"\0guest\0guest"),
        locale: Short(b"en_US"),
    };
    put_method(&mut hello, 0, &start_ok);
    put_method(
        &mut hello,
        0,
        &Method::ConnectionTuneOk { channel_max: 10, frame_max: 131_072, heartbeat: 60 },
    );
    let open = Method::ConnectionOpen { virtual_host: Short(b"/"), capabilities: Short(b""), insist: false };
    put_method(&mut hello, 0, &open);
    put_method(&mut hello, 1, &Method::ChannelOpen { out_of_band: Short(b"") });
    let mut input = &hello[..];
    while let Some(command) = connection.poll_command(now, &mut input) {
        let event = match command {
            Command::Authenticate { user, .. } | Command::Vouched { user, .. } => {
                Event::Authenticated { user }
            }
            Command::Open { .. } => Event::Opened,
            Command::Session(session, SessionCommand::Open) => Event::Session(session, SessionEvent::Opened),
            Command::Session(..) | Command::UpdateSecret { .. } | Command::Close => continue,
        };
        connection.handle_event(now, event);
    }
    connection.transmitted(connection.output_bytes());
}
