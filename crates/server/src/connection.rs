//! The driver of one connection: reads, hands down, polls, writes. Protocol and core are machines without a socket;
//! this is where they meet one.
//!
//! ```text
//! socket → poll_command → Client::handle_command     (down)
//! socket ← handle_event ← Client::poll               (up, as far as the socket can take it)
//! ```
//! An idle connection holds no buffer: reads and writes go through buffers of the thread. Only an incomplete frame is
//! kept, and what the socket did not take.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use amqp091::{Connection, End};
use broker::{Bell, Broker, Client, Ends, Polled, Tuned};
use model::Event;
use rustix::net::RecvFlags;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

use crate::leader::{Leader, Waiter};

mod encrypted;
mod portions;

pub(crate) use encrypted::serve_encrypted;
use portions::{Portions, READ_BYTES_MAX, READ_BYTES_MIN};

/// How long a worker looks for what a lone publisher sends next.
const EXPECTED_WITHIN: Duration = Duration::from_micros(60);
/// How long a peer that has had its `close-ok` may leave the socket open.
const GOODBYE: Duration = Duration::from_secs(30);
/// How often it is looked whether a peer that is held back is still there.
const LOOK_AFTER: Duration = Duration::from_secs(1);
/// How long a closed connection's peer may take to close its side, so that our last words reach it.
const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into_boxed_slice());
    static WRITE_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Wakes the task of a connection.
struct TaskBell(Waker);

impl Bell for TaskBell {
    fn ring(&self) {
        self.0.wake_by_ref();
    }
}

/// What a connection is served with.
pub(crate) struct Node {
    pub(crate) broker: Arc<Broker>,
    pub(crate) leader: Arc<Leader>,
    pub(crate) settings: Arc<amqp091::Settings>,
}

/// Serves one accepted connection to its end. To be a task of its own: its bell wakes the task as a whole.
pub(crate) async fn serve(stream: TcpStream, peer: SocketAddr, node: Node, seed: [u8; 16]) {
    let client = introduce(&stream, peer, &node.broker, seed).await;
    let machine = Connection::new(node.settings, Instant::now().into_std());
    Driver::new(machine, client, node.leader, stream, peer).run().await;
}

/// Makes the connection known to the core, which counts it from now on.
async fn introduce(stream: &TcpStream, peer: SocketAddr, broker: &Arc<Broker>, seed: [u8; 16]) -> Client {
    let bell = poll_fn(|cx| Poll::Ready(Arc::new(TaskBell(cx.waker().clone())))).await;
    let mut client = broker.connect(bell, peer.ip().to_canonical().is_loopback(), seed);
    if let Ok(local) = stream.local_addr() {
        client.set_ends(Ends { peer, local });
    }
    tracing::debug!(%peer, "accepting AMQP connection");
    client
}

/// Of plain TCP and of TLS alike: each has a driver of its own, and no byte of either is passed through a table.
struct Driver<S> {
    machine: Connection,
    client: Client,
    leader: Arc<Leader>,
    waiter: Waiter,
    stream: S,
    peer: SocketAddr,
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` ends; None while nothing is to be woken for.
    armed: Option<Instant>,
    portions: Portions,
    /// When it is to be looked whether a peer that is held back is still there.
    look_at: Option<Instant>,
    /// A peer that was held back has gone: what it has left behind is read, to its end.
    is_deserted: bool,
}

/// What came of a look at the socket.
#[derive(PartialEq, Eq)]
enum Heard {
    Nothing,
    Something,
    /// As much as was asked for: there may be more.
    Full,
}

/// What a driver is for: TCP, or TLS over it.
trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Whether [`Socket::read_now`] can tell.
    const TELLS_NOW: bool = false;

    /// Whether the peer will send no more than what has arrived. Says so over bytes that nobody has read.
    fn has_ended(&self) -> bool;

    /// Reads what is there by now, and does not wake the task later. None if there is nothing, or it cannot be told.
    fn read_now(&self, _into: &mut [u8]) -> Option<usize> {
        None
    }
}

impl Socket for TcpStream {
    const TELLS_NOW: bool = true;

    fn has_ended(&self) -> bool {
        let ready = pin!(self.ready(Interest::READABLE));
        let ready = ready.poll(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    fn read_now(&self, into: &mut [u8]) -> Option<usize> {
        // A connection that broke is told so once: whoever polls next hears that it has ended.
        rustix::net::recv(self, into, RecvFlags::DONTWAIT).ok().map(|(bytes, _)| bytes)
    }
}

/// What a turn of the driver came to when it does not wait for anything.
enum Turn {
    /// There is more to do, after whoever else waits for this thread.
    Again,
    /// The connection is over.
    Ended,
}

impl<S: Socket> Driver<S> {
    // In a box: each step of a task that takes it by value would have room for it of its own.
    fn new(
        machine: Connection,
        client: Client,
        leader: Arc<Leader>,
        stream: S,
        peer: SocketAddr,
    ) -> Box<Self> {
        let sleep = Box::pin(tokio::time::sleep_until(far_from(Instant::now())));
        Box::new(Self {
            machine,
            client,
            waiter: leader.waiter(),
            leader,
            stream,
            peer,
            sleep,
            armed: None,
            portions: Portions::default(),
            look_at: None,
            is_deserted: false,
        })
    }

    async fn run(mut self: Box<Self>) {
        let ended = loop {
            match poll_fn(|cx| self.poll_turn(cx)).await {
                Ok(Turn::Again) => tokio::task::yield_now().await,
                Ok(Turn::Ended) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.finish(ended).await;
    }

    /// Does a turn with the thread's buffer for what is said in it.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        WRITE_BUFFER.with_borrow_mut(|buffer| {
            self.machine.lend_buffer(buffer);
            let turn = self.turn(cx);
            self.machine.take_buffer(buffer);
            turn
        })
    }

    /// Hears and says what there is, as far as it goes at once. Pending: the socket, the clock or the bell will wake the
    /// task.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        loop {
            let has_listened = self.may_read();
            let heard = if has_listened { self.listen(cx)? } else { Heard::Nothing };
            let has_more = self.speak(cx)?;
            let may_read = self.may_read();
            self.machine.set_reading(std::time::Instant::now(), may_read);
            if self.machine.is_closed() && self.machine.output_bytes() == 0 {
                return Poll::Ready(Ok(Turn::Ended));
            }
            if has_more || heard == Heard::Full {
                return Poll::Ready(Ok(Turn::Again));
            }
            let is_late = self.look_at_the_clock(cx);
            // A socket that was not asked does not wake the task: it is asked once reading is allowed again.
            let is_to_be_asked = may_read && !has_listened;
            if heard == Heard::Nothing && !is_late && !is_to_be_asked {
                return Poll::Pending;
            }
        }
    }

    /// Whether what arrives can be dealt with now. If not, it waits in the kernel, and then with the peer.
    fn may_read(&self) -> bool {
        !self.machine.is_closed()
            && !self.client.is_waiting()
            && (!self.client.is_held_back() || self.is_deserted)
            && self.machine.output_bytes() < self.portions.output_bytes()
    }

    /// Lets the machine act if its time has come, and looks after a peer that is held back.
    fn look_at_the_clock(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.client.is_held_back() || self.is_deserted {
            self.look_at = None;
        } else if self.look_at.is_none() {
            self.look_at = Some(Instant::now() + LOOK_AFTER);
        }
        let next = self.next_time();
        // A time that has moved away is found out when the old one comes, unless none has taken its place.
        if next.is_none() != self.armed.is_none() || next < self.armed {
            self.arm(next);
        }
        if self.armed.is_none() || self.sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        let now = Instant::now();
        self.machine.handle_timeout(now.into_std());
        if self.look_at.take_if(|at| *at <= now).is_some() {
            // The end of what a peer has sent is heard by reading, which is just what it is kept from: a message it had
            // half sent would stay in memory, and may be what holds everybody back.
            self.is_deserted = self.stream.has_ended();
        }
        self.arm(self.next_time());
        true
    }

    fn next_time(&self) -> Option<Instant> {
        let machines = self.machine.poll_timeout().map(Instant::from_std);
        [machines, self.look_at].into_iter().flatten().min()
    }

    fn arm(&mut self, next: Option<Instant>) {
        self.armed = next;
        self.sleep.as_mut().reset(next.unwrap_or_else(|| far_from(Instant::now())));
    }

    /// Takes what has arrived and acts on it.
    fn listen(&mut self, cx: &mut Context<'_>) -> io::Result<Heard> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer.get_mut(..self.portions.read_bytes()).unwrap_or_default());
            if !self.expect(&mut read) {
                let Poll::Ready(done) = Pin::new(&mut self.stream).poll_read(cx, &mut read) else {
                    return Ok(Heard::Nothing);
                };
                done?;
            }
            let input = read.filled();
            self.client.traffic().received(input.len());
            if input.is_empty() {
                self.machine.handle_end_of_input(Instant::now().into_std());
                return Ok(Heard::Something);
            }
            let is_full = input.len() == self.portions.read_bytes();
            let leader = Arc::clone(&self.leader);
            let lead = leader.lead(&self.waiter);
            let begun = Instant::now();
            self.obey(input);
            self.portions.note_read(input.len(), begun.elapsed());
            leader.finish(&mut self.waiter, &self.client, lead);
            Ok(if is_full { Heard::Full } else { Heard::Something })
        })
    }

    /// Looks for what a peer sends next that was just told what it had waited for: that comes sooner than a thread that
    /// sleeps is woken. Gives way with each look, to the peer first of all.
    fn expect(&mut self, read: &mut ReadBuf<'_>) -> bool {
        if !S::TELLS_NOW || !self.waiter.is_expected() {
            return false;
        }
        let until = std::time::Instant::now() + EXPECTED_WITHIN;
        let has_come = loop {
            if let Some(bytes) = self.stream.read_now(read.initialize_unfilled()) {
                read.advance(bytes);
                break true;
            }
            if std::time::Instant::now() >= until {
                break false;
            }
            thread::yield_now();
        };
        self.waiter.note_expected(has_come);
        has_come
    }

    fn obey(&mut self, mut input: &[u8]) {
        let now = std::time::Instant::now();
        let now_ms = wall_clock_ms();
        while !self.client.is_waiting() {
            let Some(command) = self.machine.poll_command(now, &mut input) else { break };
            self.client.handle_command(now_ms, command);
            // An answer may change what the next bytes mean: it is told before they are looked at.
            while let Some(event) = self.client.pop_event() {
                self.tell(now, event);
            }
        }
        self.machine.keep(input);
        self.client.hand_over();
        self.log_channel_error();
    }

    /// Says what there is to say, as far as the socket takes it; true if there is more, and room for it.
    fn speak(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let begun = Instant::now();
        let is_silent = self.collect();
        let is_stuck = self.write(cx)?;
        if !is_silent || is_stuck {
            self.portions.note_written(is_stuck, begun.elapsed());
        }
        Ok(!is_silent && !is_stuck)
    }

    /// Moves events into the output; true if there are no more for now.
    fn collect(&mut self) -> bool {
        let now = std::time::Instant::now();
        self.client.handle_time(wall_clock_ms());
        let output_bytes = self.portions.output_bytes();
        while self.machine.output_bytes() < output_bytes {
            let machine = &mut self.machine;
            let polled = self.client.poll(|session, delivered| {
                machine.handle_delivery(session, delivered);
                machine.output_bytes() < output_bytes
            });
            match polled {
                Polled::Event(event) => self.tell(now, event),
                Polled::Delivered => {}
                Polled::Nothing => {
                    // An event may have ended a session or freed input that was kept: both come out as commands.
                    self.obey(&[]);
                    return !self.client.has_events();
                }
            }
        }
        false
    }

    fn tell(&mut self, now: std::time::Instant, event: Event) {
        if matches!(event, Event::Opened) {
            self.log_opened();
            let tune = self.machine.tune();
            self.client.set_tuned(Tuned {
                frame_max: tune.frame_max,
                sessions_max: tune.channel_max,
                heartbeat_s: tune.heartbeat_seconds,
            });
        }
        self.machine.handle_event(now, event);
    }

    /// Writes what the socket takes; true if it takes no more.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        while self.machine.output_bytes() > 0 {
            let written = {
                let mut slices: Vec<IoSlice<'_>> = Vec::new();
                self.machine.io_slices(&mut slices);
                Pin::new(&mut self.stream).poll_write_vectored(cx, &slices)
            };
            match written {
                Poll::Ready(count) => {
                    let count = count?;
                    self.client.traffic().sent(count);
                    self.machine.transmitted(count);
                }
                Poll::Pending => return Ok(true),
            }
        }
        // TLS may have taken it all and not have passed it on; for TCP this is nothing.
        Ok(Pin::new(&mut self.stream).poll_flush(cx)?.is_pending())
    }

    fn log_opened(&self) {
        tracing::info!(
            peer = %self.peer,
            user = %self.client.user(),
            vhost = %self.client.vhost(),
            name = self.machine.connection_name().map_or("", model::Name::as_str),
            product = self.machine.product().map_or("", model::Name::as_str),
            "user authenticated and granted access to vhost"
        );
    }

    fn log_channel_error(&mut self) {
        if let Some((session, error)) = self.machine.take_channel_error() {
            tracing::info!(peer = %self.peer, channel = session.0, %error, "channel closed for an error");
        }
    }

    async fn finish(self: Box<Self>, ended: io::Result<()>) {
        match (&ended, self.machine.end()) {
            (Err(error), _) => tracing::info!(peer = %self.peer, %error, "closing AMQP connection: it broke"),
            (Ok(()), Some(End::EndOfInput { without_a_byte: true })) => {
                tracing::debug!(peer = %self.peer, "a peer looked whether the port is open");
            }
            (Ok(()), Some(end)) => {
                tracing::info!(peer = %self.peer, because = ending(end), "closing AMQP connection");
            }
            (Ok(()), None) => tracing::info!(peer = %self.peer, "closing AMQP connection"),
        }
        let is_peers_turn = matches!(self.machine.end(), Some(End::ByPeer { .. }));
        let Self { client, mut stream, .. } = *self;
        // What the connection held goes back at once, however long its socket takes to close.
        drop(client);
        if ended.is_ok() && is_peers_turn {
            // RabbitMQ: who has said goodbye first closes first. Clients that say it from several threads at once would
            // take the end of the stream for an error.
            let _ = tokio::time::timeout(GOODBYE, read_out(&mut stream)).await;
        }
        if ended.is_ok() && stream.shutdown().await.is_ok() {
            let _ = tokio::time::timeout(LINGER, read_out(&mut stream)).await;
        }
    }
}

/// Why a connection ended, in words.
fn ending(end: &End) -> String {
    match end {
        End::ByPeer { code: 200, .. } => "the client closed it".to_owned(),
        End::ByPeer { code, text } => format!("the client closed it: {code} {text}"),
        End::Protocol { error, channel, .. } => format!("protocol error on channel {channel}: {error}"),
        End::LoginRefused { mechanism } => format!("login refused ({mechanism})"),
        End::Refused(reply) => reply.text.clone(),
        End::Forced { reason } => reason.clone(),
        End::HeartbeatMissed { seconds } => format!("no heartbeat for two intervals of {seconds} s"),
        End::HandshakeTimeout => "the handshake took too long".to_owned(),
        End::EndOfInput { .. } => "the client went away without a goodbye".to_owned(),
    }
}

/// Reads and forgets until the peer closes: a socket closed over unread bytes takes our last words with it.
async fn read_out(stream: &mut (impl AsyncRead + Unpin)) {
    // Into the thread's buffer: one of its own would be a part of the task from the beginning.
    poll_fn(|cx| {
        READ_BUFFER.with_borrow_mut(|buffer| {
            loop {
                let mut read = ReadBuf::new(buffer.get_mut(..READ_BYTES_MIN).unwrap_or_default());
                let done = ready!(Pin::new(&mut *stream).poll_read(cx, &mut read));
                if done.is_err() || read.filled().is_empty() {
                    return Poll::Ready(());
                }
            }
        })
    })
    .await;
}

fn far_from(now: Instant) -> Instant {
    now + Duration::from_secs(24 * 3600)
}

/// Milliseconds since 1970.
pub(crate) fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
