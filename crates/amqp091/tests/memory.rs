//! What a connection costs: an idle one almost nothing, a hostile one not more than it has sent.
//!
//! One test, because the counter counts for the whole program.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Arc,
        atomic::{AtomicIsize, Ordering},
    },
    time::Instant,
};

use amqp091::{
    Connection, Settings,
    codec::{
        Long, Method, PROTOCOL_HEADER, RawTable, Short,
        frame::{put_body, put_header, put_method},
    },
};
use model::{
    Command, DeliveryId, Event, Message, Name, SessionCommand, SessionEvent, SessionId, Table, Value,
};

struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

fn count(bytes: isize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator that counts has to be one")]
// SAFETY: every call is passed on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(clippy::disallowed_methods, reason = "a test has to begin at some moment")]
fn some_moment() -> Instant {
    Instant::now()
}

fn feed(connection: &mut Connection, now: Instant, mut bytes: &[u8]) -> usize {
    let mut commands = 0;
    while let Some(command) = connection.poll_command(now, &mut bytes) {
        commands += 1;
        let event = match command {
            Command::Authenticate { user, .. } => Event::Authenticated { user },
            Command::Open { .. } => Event::Opened,
            Command::Session(session, SessionCommand::Open) => Event::Session(session, SessionEvent::Opened),
            _ => continue,
        };
        connection.handle_event(now, event);
    }
    write(connection);
    commands
}

/// What a driver does with the output, with a buffer of the thread.
fn write(connection: &mut Connection) {
    let mut spare = Vec::new();
    connection.transmitted(connection.output_bytes());
    connection.take_buffer(&mut spare);
}

fn login(out: &mut Vec<u8>) {
    out.extend(PROTOCOL_HEADER);
    let mut properties = Table::default();
    for name in ["product", "version", "platform", "information", "connection_name"] {
        properties.push(name, Value::text("a few words about this client"));
    }
    let mut encoded = Vec::new();
    properties.encode(&mut encoded);
    let start_ok = Method::ConnectionStartOk {
        client_properties: RawTable(&encoded),
        mechanism: Short(b"PLAIN"),
        response: Long(b"\0guest\0guest"),
        locale: Short(b"en_US"),
    };
    put_method(out, 0, &start_ok);
    put_method(out, 0, &Method::ConnectionTuneOk { channel_max: 2047, frame_max: 131_072, heartbeat: 60 });
    let open = Method::ConnectionOpen { virtual_host: Short(b"/"), capabilities: Short(b""), insist: false };
    put_method(out, 0, &open);
    put_method(out, 1, &Method::ChannelOpen { out_of_band: Short(b"") });
}

fn publish(out: &mut Vec<u8>, body_bytes: u64, sent: usize) {
    let method = Method::BasicPublish {
        ticket: 0,
        exchange: Short(b"x"),
        routing_key: Short(b"key"),
        mandatory: false,
        immediate: false,
    };
    put_method(out, 1, &method);
    put_header(out, 1, 60, body_bytes, &[0, 0]);
    for chunk in vec![b'b'; sent].chunks(131_064) {
        put_body(out, 1, chunk);
    }
}

#[test]
fn memory_follows_what_was_received() {
    let now = some_moment();
    let settings = Arc::new(Settings::default());
    let (mut hello, mut burst, mut promise, mut stranger) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    login(&mut hello);
    for at in 0..2_000 {
        publish(&mut burst, at, usize::try_from(at).unwrap());
    }
    publish(&mut promise, 16 * 1024 * 1024, 5_000);
    stranger.extend(PROTOCOL_HEADER);
    stranger.extend([1, 0, 0, 0, 0, 0x10, 0]);
    let message = Arc::new(Message::new(b"x", b"k", &[0, 0], &[7; 1000]).unwrap());
    let consumer = Name::parse("c").unwrap();

    // An idle connection with a channel, after work: under 2 KB, itself included.
    let before = HELD.load(Ordering::Relaxed);
    let mut connection = Box::new(Connection::new(Arc::clone(&settings), now));
    feed(&mut connection, now, &hello);
    let fresh = HELD.load(Ordering::Relaxed) - before;
    assert!(fresh < 2048, "a fresh connection with a channel holds {fresh} bytes");
    for part in burst.chunks(4321) {
        feed(&mut connection, now, part);
    }
    for delivery in 0..1_000 {
        let event = SessionEvent::Delivered {
            consumer: consumer.clone(),
            delivery: DeliveryId(delivery),
            redelivered: false,
            message: Arc::clone(&message),
        };
        connection.handle_event(now, Event::Session(SessionId(1), event));
    }
    assert!(connection.output_bytes() > 1_000_000);
    write(&mut connection);
    let idle = HELD.load(Ordering::Relaxed) - before;
    assert!(idle < 2048, "an idle connection with a channel holds {idle} bytes");

    // A body of 16 MiB that was only announced: what has come, and as much again at most.
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    feed(&mut connection, now, &promise);
    let taken = PEAK.load(Ordering::Relaxed) - before;
    assert!(taken < 16_000, "5000 bytes of a large body take {taken} bytes");

    // A stranger that sends its one frame byte by byte.
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let mut connection = Box::new(Connection::new(settings, now));
    feed(&mut connection, now, &stranger);
    for _ in 0..4096 {
        feed(&mut connection, now, b"x");
    }
    feed(&mut connection, now, &[b'x'; 100_000]);
    let taken = PEAK.load(Ordering::Relaxed) - before;
    assert!(taken < 16_000, "a stranger takes {taken} bytes");
}
