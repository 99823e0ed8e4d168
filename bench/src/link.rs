//! A connection that asks and waits: for everything that is prepared before, and cleaned up after, a measurement.
//!
//! One channel, number 1, is opened with it; others can be. What has been read too much is handed over with the socket
//! when a load takes the connection.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    url::Login,
    wire::{
        frame::{self, Frame, MethodId},
        method::{self, Arguments, Declare},
    },
};

/// Longer than any broker takes for one answer, even while it pages to disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
const READ_BYTES: usize = 64 * 1024;
const CHANNELS_MAX: u16 = 2047;
const FRAME_BYTES_MAX: u32 = 131_072;
/// So many requests are sent before the first answer is waited for.
pub(crate) const PIPELINE: usize = 100;

/// How many messages and consumers a queue has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct QueueCounts {
    pub(crate) messages: u32,
    pub(crate) consumers: u32,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// How much of the inbox has been dealt with.
    taken: usize,
    outbox: Vec<u8>,
    /// What the broker calls itself, with its version.
    pub(crate) product: String,
}

impl Link {
    /// Connects, logs in and opens channel 1.
    pub(crate) fn open(address: SocketAddr, login: &Login) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let mut link =
            Self { stream, inbox: Vec::new(), taken: 0, outbox: Vec::new(), product: String::new() };
        link.log_in(login).with_context(|| format!("cannot log in at {address}"))?;
        link.open_channel(1)?;
        Ok(link)
    }

    fn log_in(&mut self, login: &Login) -> anyhow::Result<()> {
        self.outbox.extend_from_slice(method::PROTOCOL_HEADER);
        let start = self.call(method::CONNECTION_START)?;
        self.product = product(&start)?;
        method::start_ok(&mut self.outbox, &login.user, &login.password);
        let tune = self.call(method::CONNECTION_TUNE)?;
        let mut limits = frame::Reader(&tune);
        let (channels, frame_bytes) = (limits.u16()?, limits.u32()?);
        let channels = if channels == 0 { CHANNELS_MAX } else { channels.min(CHANNELS_MAX) };
        let frame_bytes = if frame_bytes == 0 { FRAME_BYTES_MAX } else { frame_bytes.min(FRAME_BYTES_MAX) };
        ensure!(frame_bytes == FRAME_BYTES_MAX, "a frame_max below {FRAME_BYTES_MAX} is not supported");
        method::tune_ok(&mut self.outbox, channels, frame_bytes);
        method::open(&mut self.outbox, &login.vhost);
        self.call(method::CONNECTION_OPEN_OK)?;
        Ok(())
    }

    /// Sends what is to be sent and waits for this method; gives its arguments.
    fn call(&mut self, expected: MethodId) -> anyhow::Result<Vec<u8>> {
        self.flush()?;
        self.answer(expected)
    }

    /// Sends what has been prepared.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.outbox).context("the broker takes nothing more")?;
        self.outbox.clear();
        Ok(())
    }

    /// Waits for this method, passing over frames of content and news about blocking; gives its arguments.
    pub(crate) fn answer(&mut self, expected: MethodId) -> anyhow::Result<Vec<u8>> {
        loop {
            let unread = self.inbox.get(self.taken..).unwrap_or_default();
            let Some((frame, length)) = Frame::first(unread)? else {
                self.read_more()?;
                continue;
            };
            let found = frame.method();
            if found == Some(expected) {
                let arguments = frame.arguments().0.to_vec();
                self.taken += length;
                return Ok(arguments);
            }
            match found {
                None | Some(method::CONNECTION_BLOCKED | method::CONNECTION_UNBLOCKED) => {
                    self.taken += length
                }
                Some(method::CONNECTION_CLOSE | method::CHANNEL_CLOSE) => {
                    bail!("refused: {}", frame::refusal(&frame)?)
                }
                Some(other) => bail!("expected method {expected:?}, got {other:?}"),
            }
        }
    }

    fn read_more(&mut self) -> anyhow::Result<()> {
        self.inbox.drain(..self.taken.min(self.inbox.len()));
        self.taken = 0;
        let filled = self.inbox.len();
        self.inbox.resize(filled + READ_BYTES, 0);
        let room = self.inbox.get_mut(filled..).unwrap_or_default();
        let read = self.stream.read(room);
        self.inbox.truncate(filled + read.as_ref().copied().unwrap_or(0));
        ensure!(read.context("no answer")? > 0, "the broker has closed the connection");
        Ok(())
    }

    pub(crate) fn open_channel(&mut self, channel: u16) -> anyhow::Result<()> {
        method::channel_open(&mut self.outbox, channel);
        self.call(method::CHANNEL_OPEN_OK).map(drop)
    }

    pub(crate) fn declare_exchange(&mut self, exchange: &str, kind: &str) -> anyhow::Result<()> {
        method::exchange_declare(&mut self.outbox, exchange, kind);
        self.call(method::EXCHANGE_DECLARE_OK).map(drop)
    }

    pub(crate) fn delete_exchange(&mut self, exchange: &str) -> anyhow::Result<()> {
        method::exchange_delete(&mut self.outbox, exchange);
        self.call(method::EXCHANGE_DELETE_OK).map(drop)
    }

    pub(crate) fn declare_queue(
        &mut self,
        queue: &str,
        how: Declare,
        arguments: Arguments<'_>,
    ) -> anyhow::Result<QueueCounts> {
        method::queue_declare(&mut self.outbox, queue, how, arguments);
        let answer = self.call(method::QUEUE_DECLARE_OK).with_context(|| format!("queue {queue}"))?;
        let mut answer = frame::Reader(&answer);
        answer.short_text()?;
        Ok(QueueCounts { messages: answer.u32()?, consumers: answer.u32()? })
    }

    pub(crate) fn qos(&mut self, channel: u16, prefetch: u16) -> anyhow::Result<()> {
        method::qos(&mut self.outbox, channel, prefetch);
        self.call(method::QOS_OK).map(drop)
    }

    pub(crate) fn consume(&mut self, channel: u16, queue: &str, has_acks: bool) -> anyhow::Result<()> {
        method::consume(&mut self.outbox, channel, queue, "bench", has_acks, &[]);
        self.call(method::CONSUME_OK).map(drop)
    }

    pub(crate) fn select_confirms(&mut self) -> anyhow::Result<()> {
        method::confirm_select(&mut self.outbox, 1);
        self.call(method::CONFIRM_SELECT_OK).map(drop)
    }

    pub(crate) fn delete_queue(&mut self, queue: &str) -> anyhow::Result<()> {
        method::queue_delete(&mut self.outbox, queue);
        self.call(method::QUEUE_DELETE_OK).map(drop)
    }

    /// Sends requests in groups, each group before the answers to it are waited for.
    pub(crate) fn pipeline<T>(
        &mut self,
        items: &[T],
        expected: MethodId,
        encode: impl Fn(&mut Vec<u8>, &T),
    ) -> anyhow::Result<()> {
        for group in items.chunks(PIPELINE) {
            group.iter().for_each(|item| encode(&mut self.outbox, item));
            self.flush()?;
            for _ in group {
                self.answer(expected)?;
            }
        }
        Ok(())
    }

    /// Takes leave; a broker that has nothing more to say is not waited for long.
    pub(crate) fn close(mut self) -> anyhow::Result<()> {
        method::close(&mut self.outbox, 200, "done");
        self.call(method::CONNECTION_CLOSE_OK).map(drop)
    }

    /// The socket, and what has been read from it and not been dealt with.
    pub(crate) fn into_parts(mut self) -> (TcpStream, Vec<u8>) {
        self.inbox.drain(..self.taken.min(self.inbox.len()));
        (self.stream, self.inbox)
    }
}

/// `RabbitMQ 4.0.5`, or the true name where a broker says that it only calls itself so for its clients.
fn product(start: &[u8]) -> anyhow::Result<String> {
    let mut arguments = frame::Reader(start);
    arguments.u16()?;
    let texts = arguments.texts_of_table()?;
    let text = |name: &str| texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str());
    let name = text("product_name").or_else(|| text("product")).unwrap_or("a broker");
    let version = text("product_version").or_else(|| text("version")).unwrap_or("without a version");
    Ok(format!("{name} {version}"))
}
