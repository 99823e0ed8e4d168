//! Serving the consumers of a stream: from memory where they keep up, else from what a reader thread has read for them.

use std::sync::Arc;

use model::Message;
use storage::{Fault, Lsn, Staging};

use super::{
    Draft, Numbered, Stream,
    errand::{Catch, Errand, READ_BYTES_MAX},
    reader::{Reader, Standing, Step},
    seek::Wish,
};
use crate::{
    counts::Consumed,
    mailbox::{Delivery, Parcel, Pushed},
    queue::{
        Consumer, ConsumerKey, Consumers, Effects, Place, Queue, State, Ticket, Unfit,
        consumers::RUN_DELIVERIES_MAX,
    },
};

impl Queue {
    /// Appends messages to the stream. Returns when they are safe: once this position of the log is durable.
    pub(in crate::queue) fn publish_to_stream(
        self: &Arc<Self>,
        messages: &mut Vec<Arc<Message>>,
        out: &mut Effects,
    ) -> Lsn {
        let filter_bytes = self.state.lock().rules.retention.filter_bytes;
        let published = messages.len();
        let drafts = Draft::all_of(messages, filter_bytes);
        messages.clear();
        let mut state = self.state.lock();
        if self.is_deleted() {
            return Lsn(0);
        }
        state.books.count_publishes(published);
        let chunks = self.number(&mut state, drafts, out.now_ms);
        let mut staging = self.engine.stage();
        for chunk in &chunks {
            chunk.stage(&mut staging);
        }
        let lsn = staging.lsn();
        drop(staging);
        self.keep_in_tail(&mut state, chunks, lsn);
        self.serve_all(&mut state, out);
        self.account(&mut state);
        lsn
    }

    /// Appends a message as part of a group.
    pub(in crate::queue) fn append_to_stream(
        &self,
        state: &mut State,
        staging: &mut Staging<'_>,
        message: Arc<Message>,
        now_ms: u64,
    ) {
        let drafts = Draft::all_of(std::slice::from_ref(&message), state.rules.retention.filter_bytes);
        let chunks = self.number(state, drafts, now_ms);
        for chunk in &chunks {
            chunk.stage(staging);
        }
        self.keep_in_tail(state, chunks, staging.lsn());
    }

    fn number(&self, state: &mut State, drafts: Vec<Draft>, now_ms: u64) -> Vec<Numbered> {
        let State { stream, rules, .. } = state;
        let Some(stream) = stream else { return Vec::new() };
        drafts.into_iter().map(|draft| stream.number(draft, &rules.retention, now_ms)).collect()
    }

    fn keep_in_tail(&self, state: &mut State, chunks: Vec<Numbered>, lsn: Lsn) {
        let Some(stream) = &mut state.stream else { return };
        for Numbered { chunk, .. } in chunks {
            stream.keep_in_tail(chunk, lsn, self.memory.window() / 2);
        }
    }

    /// Admits a consumer of the stream.
    pub(crate) fn consume_stream(
        self: &Arc<Self>,
        consumer: Consumer,
        wish: Wish,
        out: &mut Effects,
    ) -> Result<ConsumerKey, Unfit> {
        let mut state = self.state.lock();
        if self.is_deleted() {
            return Err(Unfit::Deleted);
        }
        let key = state.consumers.add(consumer, false);
        if let Some(stream) = &mut state.stream {
            stream.attach(key, wish);
        }
        self.serve_all(&mut state, out);
        self.account(&mut state);
        Ok(key)
    }

    /// Gives every consumer that has room what there is for it, and asks for what must be read.
    pub(in crate::queue) fn serve_all(self: &Arc<Self>, state: &mut State, out: &mut Effects) {
        let State { stream, consumers, is_reading, books, .. } = state;
        let Some(stream) = stream else { return };
        let mut sent = 0;
        let flushed = self.engine.flushed();
        // The log may have been synced before anybody began to wait for it.
        let is_durable_at_once = std::mem::take(&mut stream.has_grown) && stream.last_lsn <= flushed;
        if is_durable_at_once || stream.awaited.is_some_and(|awaited| awaited <= flushed) {
            stream.awaited = None;
            stream.wake_all_at_end();
        }
        while let Some(key) = stream.due.pop_front() {
            sent += self.serve(stream, consumers, key, flushed, out);
        }
        if sent > 0 {
            books.count_consumed(Consumed { deliver: sent, ..Consumed::default() });
        }
        if !stream.at_end.is_empty() && stream.last_lsn > flushed {
            self.await_durable(stream, out);
        }
        stream.trim_tail();
        if !*is_reading && !stream.asking.is_empty() {
            *is_reading = true;
            out.reads.push(Arc::clone(self));
        }
    }

    /// Sees to it that the queue is looked at when everything in it is durable.
    fn await_durable(self: &Arc<Self>, stream: &mut Stream, out: &mut Effects) {
        if stream.awaited.is_none() {
            stream.awaited = Some(stream.last_lsn);
            out.awaited.push((stream.last_lsn, Arc::clone(self)));
        }
    }

    /// Serves one consumer; says how many messages that were.
    fn serve(
        self: &Arc<Self>,
        stream: &mut Stream,
        consumers: &mut Consumers,
        key: ConsumerKey,
        flushed: Lsn,
        out: &mut Effects,
    ) -> u64 {
        let mut sent = 0;
        let Some(reader) = stream.readers.get_mut(&key) else { return sent };
        let before = reader.ahead_bytes();
        reader.standing = Standing::Idle;
        while let Some(consumer) = consumers.get_mut(key) {
            let mut step = None;
            while consumer.has_room() && out.run.len() < RUN_DELIVERIES_MAX {
                match reader.step(&stream.tail, stream.next_chunk, flushed) {
                    Step::Message(offset, message) => {
                        consumer.charge();
                        let parcel = parcel(offset, message);
                        out.run.push(Delivery { session: consumer.session, slot: consumer.slot, parcel });
                    }
                    other => {
                        step = Some(other);
                        break;
                    }
                }
            }
            let has_more = step.is_none() && consumer.has_room();
            let mailbox = Arc::clone(&consumer.mailbox);
            let run = out.run.len() as u64;
            let pushed = if run == 0 {
                Pushed::Room
            } else {
                out.ring(&mailbox);
                mailbox.push(&mut out.run, key, || Arc::clone(self))
            };
            if pushed != Pushed::Gone {
                sent += run;
            }
            if pushed != Pushed::Room {
                // What a connection that is ending does not take was told to nobody.
                out.run.clear();
                consumers.stall(key);
            }
            match step {
                Some(Step::AtEnd) => {
                    reader.standing = Standing::AtEnd;
                    stream.at_end.push(key);
                }
                Some(_) => reader.standing = Standing::Starved,
                None if has_more && pushed == Pushed::Room => continue,
                None => {}
            }
            break;
        }
        let ahead_bytes = reader.ahead_bytes();
        let wants = reader.standing == Standing::Starved
            || wants_ahead(reader, stream.tail.first(), stream.next_chunk);
        stream.ahead_bytes = stream.ahead_bytes.saturating_sub(before).saturating_add(ahead_bytes);
        if wants {
            stream.ask(key);
        }
        sent
    }

    /// Reads the log for one consumer of the stream, and serves those who wait for what is durable by now. For a reader
    /// thread.
    pub(in crate::queue) fn read_stream(self: &Arc<Self>, out: &mut Effects) {
        let mut state = self.state.lock();
        state.is_reading = true;
        self.serve_all(&mut state, out);
        let (flushed, window) = (self.engine.flushed(), self.memory.window());
        if let Some(errand) = state.stream.as_mut().and_then(|stream| stream.next_errand(window, flushed)) {
            drop(state);
            let catch = errand.run();
            state = self.state.lock();
            self.take_catch(&mut state, &errand, catch, out);
        }
        state.is_reading = false;
        self.serve_all(&mut state, out);
        self.account(&mut state);
    }

    fn take_catch(
        self: &Arc<Self>,
        state: &mut State,
        errand: &Errand,
        catch: Result<Catch, Fault>,
        out: &mut Effects,
    ) {
        let Some(stream) = &mut state.stream else { return };
        match catch {
            Ok(catch) => {
                if !stream.take(errand, catch) {
                    self.await_durable(stream, out);
                }
            }
            // It is asked for no more.
            Err(fault) => {
                tracing::error!(queue = %self.record.name, vhost = %self.record.vhost, %fault, "cannot read the stream's log: a consumer stands still");
            }
        }
    }
}

/// Whether the log should be read before the reader has come to the end of what is at hand: not for what the tail has.
fn wants_ahead(reader: &Reader, tail: Option<u64>, end: u64) -> bool {
    reader.search.is_none()
        && reader.ahead_bytes() < READ_BYTES_MAX / 2
        && reader.next_chunk < tail.unwrap_or(end)
}

fn parcel(offset: u64, message: Message) -> Parcel {
    let bytes = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let ticket = Ticket {
        seq: offset,
        expires_at_ms: 0,
        place: Place::Log(Lsn(0)),
        bytes: bytes(message.bytes()),
        body_bytes: bytes(message.body().len()),
        level: 0,
    };
    Parcel { ticket, redelivered: false, message: Arc::new(message) }
}
