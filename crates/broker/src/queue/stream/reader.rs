//! A consumer's place in a stream: the chunk it is in, what was read ahead for it, and what it waits for.

use std::collections::VecDeque;

use bytes::Bytes;
use model::Message;
use storage::Lsn;

use super::{chunk::Chunk, filter::Filter, seek::Search, tail::Tail};

/// What is to be done about a reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Nothing: its consumer has no room.
    Idle,
    /// It stands in the line of those that are served.
    Due,
    /// It waits for more to be appended and to become durable.
    AtEnd,
    /// It waits for the log to be read.
    Starved,
}

/// What a reader comes to next.
#[derive(Debug)]
pub(super) enum Step {
    /// A message and its offset.
    Message(u64, Message),
    /// There is nothing durable left.
    AtEnd,
    /// The log must be read first.
    Starved,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) filter: Option<Filter>,
    /// Messages before are passed over.
    pub(super) from_offset: u64,
    /// The chunk behind those at hand.
    pub(super) next_chunk: u64,
    /// Where it begins is yet to be found.
    pub(super) search: Option<Search>,
    pub(super) standing: Standing,
    /// The log is being read for it, or will be.
    pub(super) is_asking: bool,
    /// The chunk it is in, the place in it, and the offset of what is there.
    current: Option<(Chunk, usize, u64)>,
    ahead: VecDeque<Chunk>,
    ahead_bytes: u64,
}

impl Reader {
    pub(super) fn new(filter: Option<Filter>, next_chunk: u64, from_offset: u64) -> Self {
        Self {
            filter,
            from_offset,
            next_chunk,
            search: None,
            standing: Standing::Idle,
            is_asking: false,
            current: None,
            ahead: VecDeque::new(),
            ahead_bytes: 0,
        }
    }

    /// Bytes read ahead.
    pub(super) fn ahead_bytes(&self) -> u64 {
        self.ahead_bytes
    }

    /// Takes what was read for it, from `next_chunk` on; `next` is the chunk behind.
    pub(super) fn take(&mut self, chunks: Vec<Chunk>, next: u64) {
        self.next_chunk = next;
        for chunk in chunks {
            self.ahead_bytes = self.ahead_bytes.saturating_add(chunk.bytes());
            self.ahead.push_back(chunk);
        }
    }

    /// The next message that is wanted. `end` is the number behind the last chunk.
    pub(super) fn step(&mut self, tail: &Tail, end: u64, flushed: Lsn) -> Step {
        loop {
            if let Some((offset, message)) = self.next_of_current() {
                return Step::Message(offset, message);
            }
            let chunk = match self.next_chunk(tail, end, flushed) {
                Ok(chunk) => chunk,
                Err(step) => return step,
            };
            if self.filter.as_ref().is_none_or(|filter| filter.may_match(chunk.filter())) {
                let (at, offset) = (chunk.messages_at(), chunk.head.first_offset);
                self.current = Some((chunk, at, offset));
            }
        }
    }

    fn next_of_current(&mut self) -> Option<(u64, Message)> {
        let (chunk, at, next_offset) = self.current.as_mut()?;
        while let Some((bytes, next)) = chunk.message_at(*at) {
            let offset = *next_offset;
            *at = next;
            *next_offset = next_offset.saturating_add(1);
            if offset < self.from_offset {
                continue;
            }
            let decoded = match &self.filter {
                None => Message::decode(bytes).map(Some),
                // One of few messages is not to keep its whole chunk in memory.
                Some(filter) => Message::decode(bytes.clone()).and_then(|message| {
                    let is_wanted = filter.matches(&message);
                    is_wanted.then(|| Message::decode(Bytes::copy_from_slice(&bytes))).transpose()
                }),
            };
            match decoded {
                Ok(None) => {}
                Ok(Some(message)) => return Some((offset, message)),
                Err(error) => {
                    let number = chunk.number;
                    tracing::error!(number, offset, %error, "what is in a chunk is no message");
                }
            }
        }
        self.current = None;
        None
    }

    fn next_chunk(&mut self, tail: &Tail, end: u64, flushed: Lsn) -> Result<Chunk, Step> {
        if let Some(chunk) = self.ahead.pop_front() {
            self.ahead_bytes = self.ahead_bytes.saturating_sub(chunk.bytes());
            return Ok(chunk);
        }
        // What is being read for it comes before what is in memory.
        if self.is_asking || self.search.is_some() {
            return Err(Step::Starved);
        }
        if self.next_chunk >= end {
            return Err(Step::AtEnd);
        }
        let chunk = tail.chunk(self.next_chunk).ok_or(Step::Starved)?;
        if chunk.lsn > flushed {
            return Err(Step::AtEnd);
        }
        self.next_chunk = self.next_chunk.saturating_add(1);
        Ok(chunk.clone())
    }
}
