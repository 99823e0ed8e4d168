//! A stream: a queue from which nothing is taken. Its log is all there is to it; consumers read it, each at its own place.
//!
//! ```text
//!   segment          segment                    segment (being written)
//!   [chunk][chunk]…  [chunk][chunk][chunk]…     [chunk]…[chunk][chunk] ← append
//!    ↑ reader: from the log, read ahead               ↑ reader: from the tail, in memory
//! ```
//! What one publish brings becomes a chunk ([`chunk`], made by [`draft`]), which is one entry of the log. Messages have
//! offsets, counted up without end and never used twice: consumers are told nothing that is not durable. Segments are runs
//! of chunks that retention removes as a whole ([`segments`]). A consumer's place is a [`reader`]; where it begins may have
//! to be looked for ([`seek`]).
//!
//! Here is what a stream is and how it grows; serving its consumers is in [`serving`]. It lives in the state of its queue,
//! behind the queue's lock. Invariants: chunk numbers and offsets ascend; whoever waits for something stands in exactly
//! one line (`due`, `at_end`), and in `asking` if the log is to be read for it.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
    sync::Arc,
};

use storage::{Engine, Entry, LogId, Lsn, Staging};

use self::{
    chunk::{Chunk, Head},
    log::{Found, Log},
    reader::{Reader, Standing},
    seek::{Search, Start, Wish},
    segments::Segments,
    tail::Tail,
};
use super::{Amount, ConsumerKey, Recovered, rules::Retention};

mod chunk;
mod draft;
mod errand;
mod filter;
mod inspection;
mod log;
mod reader;
pub(crate) mod seek;
mod segments;
mod serving;
mod tail;

use draft::Draft;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Stream {
    log: Log,
    segments: Segments,
    next_chunk: u64,
    next_offset: u64,
    /// Everything is durable once this is.
    last_lsn: Lsn,
    tail: Tail,
    readers: BTreeMap<ConsumerKey, Reader>,
    /// Bytes read ahead for all of them.
    ahead_bytes: u64,
    /// Those that are to be served.
    due: VecDeque<ConsumerKey>,
    /// Those that have got all there is.
    at_end: Vec<ConsumerKey>,
    /// Those for whom the log is to be read.
    asking: VecDeque<ConsumerKey>,
    /// The position of the log that those at the end will be told of.
    awaited: Option<Lsn>,
    /// Something was appended that those at the end have not looked at.
    has_grown: bool,
}

/// A chunk on its way into the log.
#[derive(Debug)]
struct Numbered {
    log: LogId,
    chunk: Chunk,
    /// Chunks that go with it.
    gone: Option<RangeInclusive<u64>>,
}

impl Numbered {
    fn stage(&self, staging: &mut Staging<'_>) {
        let (index, body) = (self.chunk.number, self.chunk.payload());
        staging.append(self.log, Entry { index, expires_at_ms: 0, priority: 0, head: &[], body });
        if let Some(gone) = &self.gone {
            staging.settle(self.log, std::slice::from_ref(gone));
        }
    }
}

impl Stream {
    /// The stream whose log holds this. Reads the last chunk of each segment.
    pub(super) fn new(engine: Arc<Engine>, id: LogId, recovered: &Recovered) -> Self {
        let log = Log { engine, id, is_untouched: false };
        let Found { segments, next_chunk, next_offset } = log.survey(recovered);
        Self {
            log,
            segments,
            next_chunk,
            next_offset,
            last_lsn: Lsn(0),
            tail: Tail::default(),
            readers: BTreeMap::new(),
            ahead_bytes: 0,
            due: VecDeque::new(),
            at_end: Vec::new(),
            asking: VecDeque::new(),
            awaited: None,
            has_grown: false,
        }
    }

    /// The messages in it, and the bytes of its chunks.
    pub(super) fn amount(&self) -> Amount {
        let first = self.segments.first().map_or(self.next_offset, |segment| segment.first_offset);
        Amount { messages: self.next_offset.saturating_sub(first), bytes: self.segments.bytes() }
    }

    /// Bytes in memory.
    pub(super) fn resident(&self) -> u64 {
        self.tail.bytes().saturating_add(self.ahead_bytes)
    }

    /// Gives a chunk its number and its messages their offsets, and lets go of segments when a new one begins.
    fn number(&mut self, draft: Draft, retention: &Retention, now_ms: u64) -> Numbered {
        let (number, first_offset) = (self.next_chunk, self.next_offset);
        let last_ms = self.segments.last().map_or(0, |last| last.last_ms);
        let head = Head {
            messages: draft.count(),
            first_offset,
            appended_ms: now_ms.max(last_ms),
            segment: self.segments.next_membership(number, first_offset, retention.segment_bytes_max),
        };
        let chunk = draft.finish(number, head);
        self.next_chunk = number.saturating_add(1);
        self.next_offset = head.end_offset();
        let begins = self.segments.append(&head, chunk.bytes());
        let gone = if begins { self.segments.retain(retention, now_ms) } else { None };
        Numbered { log: self.log.id, chunk, gone }
    }

    /// The chunk was staged and is durable with `lsn`: those who wait for it find it in memory.
    fn keep_in_tail(&mut self, mut chunk: Chunk, lsn: Lsn, bytes_max: u64) {
        self.last_lsn = lsn;
        self.has_grown = true;
        if self.readers.is_empty() {
            return;
        }
        if chunk.bytes() > bytes_max {
            self.tail.clear();
            return;
        }
        chunk.lsn = lsn;
        self.tail.push(chunk, bytes_max);
    }

    /// Lets go of what all consumers have passed: memory that is used again soon is still in the processor's caches. The
    /// log need not keep it in memory either.
    fn trim_tail(&mut self) {
        if self.tail.is_to_be_trimmed()
            && let Some(passed) = self.readers.values().map(|reader| reader.next_chunk).min()
        {
            self.tail.trim(passed);
            self.log.engine.pass(self.log.id, passed);
        }
    }

    /// Lets go of segments under other rules. Returns the chunks that go.
    pub(super) fn retain(&mut self, retention: &Retention, now_ms: u64) -> Option<RangeInclusive<u64>> {
        self.segments.retain(retention, now_ms)
    }

    /// Makes a place for a consumer.
    pub(super) fn attach(&mut self, key: ConsumerKey, wish: Wish) {
        let Wish { start, filter } = wish;
        let end = self.next_chunk;
        let first = self.segments.first().map_or(end, |segment| segment.first_chunk);
        let (among, from_offset) = match start {
            Start::First => (first..first, 0),
            Start::Last if first < end => (end.saturating_sub(1)..end, 0),
            Start::Last | Start::Next => (end..end, 0),
            Start::Offset(offset) if offset >= self.next_offset => (end..end, offset),
            Start::Offset(offset) => (self.segments.around_offset(offset, end), offset),
            Start::Time(at_ms) => (self.segments.around_time(at_ms, end), 0),
        };
        let mut reader = Reader::new(filter, among.start, from_offset);
        if among.end.saturating_sub(among.start) > 1 {
            reader.search = Some(Search { wanted: start, among });
        }
        self.readers.insert(key, reader);
        self.wake(key);
    }

    /// Forgets a consumer.
    pub(super) fn detach(&mut self, key: ConsumerKey) {
        if let Some(reader) = self.readers.remove(&key) {
            self.ahead_bytes = self.ahead_bytes.saturating_sub(reader.ahead_bytes());
        }
        self.due.retain(|other| *other != key);
        self.at_end.retain(|other| *other != key);
        self.asking.retain(|other| *other != key);
        if self.readers.is_empty() {
            self.tail.clear();
        }
    }

    /// Forgets all consumers.
    pub(super) fn detach_all(&mut self) {
        self.readers.clear();
        self.due.clear();
        self.at_end.clear();
        self.asking.clear();
        self.ahead_bytes = 0;
        self.tail.clear();
    }

    /// The consumer may have room again.
    pub(super) fn wake(&mut self, key: ConsumerKey) {
        if let Some(reader) = self.readers.get_mut(&key)
            && reader.standing == Standing::Idle
        {
            reader.standing = Standing::Due;
            self.due.push_back(key);
        }
    }

    /// Somebody who has got all there is may get more.
    fn wake_all_at_end(&mut self) {
        for key in std::mem::take(&mut self.at_end) {
            if let Some(reader) = self.readers.get_mut(&key) {
                reader.standing = Standing::Due;
                self.due.push_back(key);
            }
        }
    }

    fn ask(&mut self, key: ConsumerKey) {
        if let Some(reader) = self.readers.get_mut(&key)
            && !reader.is_asking
        {
            reader.is_asking = true;
            self.asking.push_back(key);
        }
    }
}
