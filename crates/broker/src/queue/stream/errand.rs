//! Errands to the log: what a reader thread looks up or reads for one consumer, without the queue's lock.

use storage::{Fault, Lsn};

use super::{Stream, chunk::Chunk, filter::Filter, log::Log, reader::Standing, seek::Search};
use crate::queue::ConsumerKey;

/// Bytes read for one consumer at once, while the node has plenty of memory.
pub(super) const READ_BYTES_MAX: u64 = 512 * 1024;

/// What is to be read for a consumer.
#[derive(Debug)]
pub(super) struct Errand {
    key: ConsumerKey,
    log: Log,
    task: Task,
    /// What was durable when it began.
    flushed: Lsn,
}

#[derive(Debug)]
enum Task {
    Search(Search),
    Read { from: u64, bytes: u64, filter: Option<Filter> },
}

/// What it brought.
#[derive(Debug)]
pub(super) enum Catch {
    /// Where the consumer begins.
    Place(u64),
    /// Chunks, and the number behind the last that was looked at; None if there was none.
    Chunks(Vec<Chunk>, Option<u64>),
}

impl Errand {
    /// Waits for the disk.
    pub(super) fn run(&self) -> Result<Catch, Fault> {
        match &self.task {
            Task::Search(search) => search.run(&self.log).map(Catch::Place),
            Task::Read { from, bytes, filter } => {
                let (mut chunks, next) = self.log.read(*from, *bytes)?;
                if let Some(filter) = filter {
                    chunks.retain(|chunk| filter.may_match(chunk.filter()));
                }
                Ok(Catch::Chunks(chunks, next))
            }
        }
    }
}

impl Stream {
    /// What is to be read next.
    pub(super) fn next_errand(&mut self, window: u64, flushed: Lsn) -> Option<Errand> {
        let key = self.asking.pop_front()?;
        let reader = self.readers.get(&key)?;
        let task = match &reader.search {
            Some(search) => Task::Search(search.clone()),
            None => Task::Read {
                from: reader.next_chunk,
                bytes: READ_BYTES_MAX.min(window / 4),
                filter: reader.filter.clone(),
            },
        };
        Some(Errand { key, log: self.log.clone(), task, flushed })
    }

    /// Takes what an errand brought. False if its consumer must wait until more is durable.
    pub(super) fn take(&mut self, errand: &Errand, catch: Catch) -> bool {
        let Some(reader) = self.readers.get_mut(&errand.key) else { return true };
        reader.is_asking = false;
        match catch {
            Catch::Place(chunk) => {
                reader.search = None;
                reader.next_chunk = chunk;
            }
            Catch::Chunks(chunks, Some(next)) => {
                let before = reader.ahead_bytes();
                reader.take(chunks, next);
                self.ahead_bytes =
                    self.ahead_bytes.saturating_sub(before).saturating_add(reader.ahead_bytes());
            }
            Catch::Chunks(_, None) if self.last_lsn <= errand.flushed => {
                // All is durable, and it is not there: it is lost.
                reader.next_chunk = self.next_chunk;
            }
            Catch::Chunks(_, None) => {
                if reader.standing == Standing::Starved {
                    reader.standing = Standing::AtEnd;
                    self.at_end.push(errand.key);
                }
                return false;
            }
        }
        if reader.standing == Standing::Starved {
            reader.standing = Standing::Due;
            self.due.push_back(errand.key);
        }
        true
    }
}
