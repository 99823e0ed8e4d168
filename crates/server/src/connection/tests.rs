//! Real sockets against a broker on one runtime worker, where whoever does not give way stops everybody else.

use std::{
    io::{Read, Write},
    net,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use amqp091::{
    client::{Client as Peer, Incoming, Login},
    codec::{Method, MethodId, RawTable, Short},
};
use broker::{First, topology::PermissionPatterns};
use model::{Name, Secret};
use storage::{
    Disk, Engine,
    disk::{memory::MemoryDisk, os::OsDisk},
};

use super::*;
use crate::{
    config::Settings,
    listener::{Service, accept},
    switches::Switches,
    threads::Threads,
    watch::Watch,
};

/// Longer than anything takes here, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
const QUEUE: Short<'_> = Short(b"q");
const PUBLISH: Method<'_> = Method::BasicPublish {
    ticket: 0,
    exchange: Short(b""),
    routing_key: QUEUE,
    mandatory: false,
    immediate: false,
};
/// The property `delivery_mode`, set to 2.
const PERSISTENT: [u8; 3] = [0x10, 0, 2];

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A client with blocking reads.
struct Remote {
    stream: net::TcpStream,
    peer: Peer,
}

impl Remote {
    fn connect(address: SocketAddr) -> Self {
        let stream = net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let peer = Peer::new(Login::new(name("guest"), Secret::new(*b"guest"), name("/")));
        let mut remote = Self { stream, peer };
        while !remote.peer.is_open() {
            remote.send();
            remote.read();
            assert_eq!(remote.peer.next_frame().unwrap(), None);
        }
        remote.ask(&Method::ChannelOpen { out_of_band: Short(b"") });
        remote
    }

    fn send(&mut self) {
        self.stream.write_all(self.peer.output()).unwrap();
        self.peer.transmitted(self.peer.output().len());
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the broker has closed the connection");
        self.peer.receive(&buffer[..count]);
    }

    /// Reads until a method comes; content is passed over.
    fn next_method(&mut self) -> MethodId {
        loop {
            match self.peer.next_frame().unwrap() {
                Some(Incoming::Method(_, method)) => return method.id(),
                Some(_) => {}
                None => self.read(),
            }
        }
    }

    fn declare(&mut self, durable: bool) {
        let declared = self.ask(&Method::QueueDeclare {
            ticket: 0,
            queue: QUEUE,
            passive: false,
            durable,
            exclusive: false,
            auto_delete: !durable,
            nowait: false,
            arguments: RawTable(&[0; 4]),
        });
        assert_eq!(declared, MethodId::new(50, 11));
    }

    fn ask(&mut self, method: &Method<'_>) -> MethodId {
        self.peer.method(1, method);
        self.send();
        self.next_method()
    }
}

/// Ends the flood, also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `test` against a broker whose connections all share one worker.
fn with_broker(test: impl FnOnce(SocketAddr)) {
    with_memory(u64::MAX, |address, _broker| test(address));
}

/// Runs `test` against such a broker, which may have so much memory before it holds publishers back.
fn with_memory(limit_bytes: u64, test: impl FnOnce(SocketAddr, &Broker)) {
    let folder = tempfile::tempdir().unwrap();
    let disk = OsDisk::open(folder.path()).unwrap();
    let (broker, engine) = open(Arc::new(disk));
    let switches = Arc::new(Switches::new(&Settings::defaults("host")));
    let watch = Watch::new(&broker, &engine, &switches, limit_bytes, folder.path());
    let leader = Arc::new(Leader::new(&broker, &engine));
    let threads = Threads::start(&broker, &engine, &leader, &Arc::new(watch), None).unwrap();
    broker.set_up(first(), [0; 4], 0).unwrap();
    with_listener(1, &broker, &leader, |address| test(address, &broker));
    threads.stop();
}

fn open(disk: Arc<dyn Disk>) -> (Arc<Broker>, Arc<Engine>) {
    let (engine, recovered) = Engine::open(disk, storage::Options::default()).unwrap();
    let engine = Arc::new(engine);
    let settings = broker::Settings { resident_bytes_max: 1024 * 1024, ..broker::Settings::default() };
    (Arc::new(Broker::recover(Arc::clone(&engine), &recovered, settings).unwrap()), engine)
}

fn first() -> First {
    let any = || ".*".to_owned();
    First {
        user: name("guest"),
        password: Secret::new(*b"guest"),
        tags: Vec::new(),
        vhost: name("/"),
        permissions: PermissionPatterns { configure: any(), write: any(), read: any() },
    }
}

/// Serves connections on so many workers for as long as `test` takes.
fn with_listener(workers: usize, broker: &Arc<Broker>, leader: &Arc<Leader>, test: impl FnOnce(SocketAddr)) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(workers).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Arc::new(amqp091::Settings::default());
    let (_switch, open) = tokio::sync::watch::channel(true);
    let service = Service {
        broker: Arc::clone(broker),
        leader: Arc::clone(leader),
        settings,
        connections_max: None,
        gate: None,
        open,
    };
    runtime.spawn(accept(listener, service));
    test(address);
    runtime.shutdown_timeout(PATIENCE);
}

#[test]
fn a_flood_of_publishes_leaves_the_worker_to_its_consumers() {
    with_broker(|address| {
        let mut consumer = Remote::connect(address);
        consumer.declare(false);
        let consuming = consumer.ask(&Method::BasicConsume {
            ticket: 0,
            queue: QUEUE,
            consumer_tag: Short(b"c"),
            no_local: false,
            no_ack: true,
            exclusive: false,
            nowait: false,
            arguments: RawTable(&[0; 4]),
        });
        assert_eq!(consuming, MethodId::new(60, 21));
        let mut publisher = Remote::connect(address);
        let is_enough = AtomicBool::new(false);
        thread::scope(|scope| {
            let _stop = Stop(&is_enough);
            scope.spawn(|| {
                for _ in 0..1000 {
                    publisher.peer.publish(1, &PUBLISH, &[0, 0], &[b'x'; 100]);
                }
                let flood = publisher.peer.output().to_vec();
                while !is_enough.load(Ordering::Relaxed) {
                    publisher.stream.write_all(&flood).unwrap();
                }
            });
            for _ in 0..100_000 {
                assert_eq!(consumer.next_method(), MethodId::new(60, 60));
            }
        });
    });
}

#[test]
fn a_get_that_waited_for_the_disk_is_not_the_last_one_to_be_heard() {
    with_broker(|address| {
        let mut remote = Remote::connect(address);
        remote.declare(true);
        // More than the queue keeps in memory.
        for _ in 0..200 {
            remote.peer.publish(1, &PUBLISH, &PERSISTENT, &[b'x'; 50_000]);
        }
        for _ in 0..200 {
            let got = remote.ask(&Method::BasicGet { ticket: 0, queue: QUEUE, no_ack: true });
            assert_eq!(got, MethodId::new(60, 71));
        }
    });
}

#[test]
fn a_publisher_that_goes_away_while_it_is_held_back_is_let_go() {
    with_memory(0, |address, broker| {
        let mut publisher = Remote::connect(address);
        broker.alarms().set_memory(true);
        // The first one meets the alarm; what comes after it stays in the socket, half a message at its end.
        publisher.peer.publish(1, &PUBLISH, &[0, 0], &[b'x'; 100]);
        publisher.send();
        publisher.peer.publish(1, &PUBLISH, &[0, 0], &[b'x'; 100]);
        let rest = publisher.peer.output().to_vec();
        assert_eq!(publisher.next_method(), MethodId::new(10, 60));
        publisher.stream.write_all(&rest[..rest.len() - 50]).unwrap();
        drop(publisher);
        let patience = Instant::now() + PATIENCE;
        while broker.client_count() > 0 {
            assert!(Instant::now() < patience, "the broker waits for who has gone");
            thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn the_confirms_of_a_lone_publisher_need_no_other_thread() {
    confirm_to_a_lone_publisher(1);
}

#[test]
fn a_lone_publisher_is_expected_where_another_worker_looks_after_the_rest() {
    confirm_to_a_lone_publisher(2);
}

fn confirm_to_a_lone_publisher(workers: usize) {
    let (broker, engine) = open(Arc::new(MemoryDisk::new()));
    let leader = Arc::new(Leader::bold(&broker, &engine));
    let flush_until = |is_over: &AtomicBool| {
        while !is_over.load(Ordering::Relaxed) {
            leader.follow(Duration::from_millis(1)).unwrap();
        }
    };
    // No thread is there to flush but this one, and this only until the worker does it.
    let is_set_up = AtomicBool::new(false);
    let set_up = |steps: &mut dyn FnMut()| {
        is_set_up.store(false, Ordering::Relaxed);
        thread::scope(|scope| {
            let _stop = Stop(&is_set_up);
            scope.spawn(|| flush_until(&is_set_up));
            steps();
        });
    };
    set_up(&mut || broker.set_up(first(), [0; 4], 0).unwrap());
    with_listener(workers, &broker, &leader, |address| {
        let mut publisher = Remote::connect(address);
        set_up(&mut || publisher.declare(true));
        publisher.ask(&Method::ConfirmSelect { nowait: false });
        let patience = Instant::now() + PATIENCE;
        let mut unaided = 0;
        while unaided < 100 {
            assert!(Instant::now() < patience, "the worker leaves it to others");
            publisher.peer.publish(1, &PUBLISH, &PERSISTENT, b"x");
            publisher.send();
            publisher.stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            let mut is_aided = false;
            while publisher.stream.peek(&mut [0]).is_err() {
                leader.follow(Duration::ZERO).unwrap();
                is_aided = true;
            }
            unaided += u32::from(!is_aided);
            publisher.stream.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_eq!(publisher.next_method(), MethodId::new(60, 80));
        }
    });
}
