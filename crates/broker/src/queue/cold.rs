//! Reading messages back that have left memory. Everything here may block on the disk.

use std::sync::Arc;

use bytes::Bytes;
use model::{Message, message::MessageError};
use storage::{Damage, Fault, GivenUp, LogId, ReadLimit, Stored};

use super::{
    Effects, Queue, State,
    fifo::{Fetched, Read, Ticket},
    levels::{Due, Wanted},
    limits::GIVEN_UP_MAX,
    replica,
};
use crate::topology::QueueKind;

/// Bytes of one read of the log.
pub(super) const READ_BYTES_MAX: u64 = 1024 * 1024;
/// Messages of one read of the log.
const READ_ENTRIES_MAX: usize = 4096;
/// Messages that have expired and are fetched at once.
const FETCHED_MAX: usize = 256;

/// What a queue wants of its log.
enum Task {
    /// To know when the messages from this number on expire.
    List(u64),
    /// Messages that have expired.
    Fetch(Due<Vec<u64>>),
    /// What is wanted next.
    Ahead(Wanted),
}

enum Outcome {
    Listed(Listed),
    Fetched(Due<Fetched>),
    Read(u8, Read),
}

/// A part of the log, read to know when its messages expire.
struct Listed {
    /// Numbers and times.
    expiries: Vec<(u64, u64)>,
    /// Those of them whose time is over.
    due: Fetched,
    /// Where to go on; None if that was all.
    next: Option<u64>,
}

impl Queue {
    /// Reads the log ahead, or what has expired. For a reader thread.
    pub(crate) fn read(self: &Arc<Self>, out: &mut Effects) {
        if self.is_stream() {
            self.read_stream(out);
            return;
        }
        let task = {
            let mut state = self.state.lock();
            let task = state.next_task(out.now_ms);
            if task.is_some() {
                self.take_snapshot(&mut state);
            }
            state.is_reading = task.is_some();
            task
        };
        let outcome = task.map(|task| self.carry_out(task, out.now_ms));
        let mut state = self.state.lock();
        state.is_reading = false;
        let mut fetched = Due::default();
        match outcome.transpose() {
            // A purge was faster: whoever waits is told.
            Ok(None) => {}
            Ok(Some(Outcome::Listed(Listed { expiries, due, next }))) => {
                for (seq, expires_at_ms) in expiries {
                    state.levels.note_cold(seq, expires_at_ms);
                }
                state.unlisted_from = next;
                // They go before the rest of the log is read, and are read only once.
                self.expire_fetched(&mut state, out.now_ms, &mut Due { level: 0, messages: due }, out);
                if next.is_none() {
                    state.levels.be_strict();
                }
            }
            Ok(Some(Outcome::Fetched(due))) => {
                state.books.count_disk_reads(due.messages.len());
                let missing = due.messages.values().filter(|message| message.is_none()).count();
                self.tell_missing(missing as u64);
                fetched = due;
            }
            Ok(Some(Outcome::Read(level, read))) => {
                state.books.count_disk_reads(read.entries.len());
                self.tell_missing(state.levels.load(level, read));
            }
            Err(fault) => {
                tracing::error!(queue = %self.record.name, vhost = %self.record.vhost, %fault, "cannot read the queue's log: the queue stands still");
                return;
            }
        }
        self.expire_fetched(&mut state, out.now_ms, &mut fetched, out);
        self.serve_gets(&mut state, out);
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }

    fn tell_missing(&self, missing: u64) {
        if missing > 0 {
            tracing::error!(queue = %self.record.name, vhost = %self.record.vhost, missing, "messages are not in the log that should be");
        }
    }

    fn carry_out(&self, task: Task, now_ms: u64) -> Result<Outcome, Fault> {
        match task {
            Task::List(from) => self.list_from(from, now_ms).map(Outcome::Listed),
            Task::Fetch(due) => self.fetch_all(&due).map(Outcome::Fetched),
            Task::Ahead(wanted) => Ok(Outcome::Read(wanted.level, self.read_from(wanted)?)),
        }
    }

    fn list_from(&self, from: u64, now_ms: u64) -> Result<Listed, Fault> {
        let limit = ReadLimit { entries: READ_ENTRIES_MAX, bytes: READ_BYTES_MAX };
        let (stored, next) = self.read_some(LogId(self.record.id.level(0)), from, limit)?;
        let mut listed = Listed { expiries: Vec::with_capacity(stored.len()), due: Fetched::new(), next };
        for record in stored.into_iter().filter(|record| record.expires_at_ms != 0) {
            listed.expiries.push((record.index, record.expires_at_ms));
            if record.expires_at_ms > now_ms {
                continue;
            }
            if let Ok(message) = self.decode(record.payload) {
                listed.due.insert(record.index, Some(Arc::new(message)));
            }
            if listed.due.len() >= GIVEN_UP_MAX {
                listed.next = Some(record.index.saturating_add(1));
                break;
            }
        }
        Ok(listed)
    }

    /// Those that come first, at least one, as many as may be in memory at once.
    fn fetch_all(&self, due: &Due<Vec<u64>>) -> Result<Due<Fetched>, Fault> {
        let log = LogId(self.record.id.level(due.level));
        let mut messages = Fetched::new();
        let mut bytes = 0u64;
        for seq in &due.messages {
            if bytes >= READ_BYTES_MAX {
                break;
            }
            let message = match self.fetch_one(log, *seq) {
                Err(Fault::Corrupt { .. }) => self.pass_over(log, *seq)?.and(None),
                outcome => outcome?,
            };
            let read = message.as_ref().map_or(0, |message| message.bytes() as u64);
            bytes = bytes.saturating_add(read);
            messages.insert(*seq, message);
        }
        Ok(Due { level: due.level, messages })
    }

    fn read_from(&self, wanted: Wanted) -> Result<Read, Fault> {
        let Wanted { level, from, cold_to } = wanted;
        let bytes = READ_BYTES_MAX.min(self.memory.window() / 2);
        let limit = ReadLimit { entries: READ_ENTRIES_MAX, bytes };
        let (stored, next) = self.read_some(LogId(self.record.id.level(level)), from, limit)?;
        let mut entries = Vec::with_capacity(stored.len());
        for record in stored {
            match self.decode(record.payload) {
                Ok(message) => entries.push((record.index, record.expires_at_ms, Arc::new(message))),
                Err(error) => {
                    tracing::error!(queue = %self.record.name, index = record.index, %error, "an entry of the log is no message");
                }
            }
        }
        Ok(Read { from, cold_to, entries, end: next.unwrap_or(cold_to) })
    }

    /// The message of a record of its logs.
    pub(super) fn decode(&self, payload: Bytes) -> Result<Message, MessageError> {
        if self.record.kind == QueueKind::Quorum {
            return replica::decode_enqueue(payload);
        }
        Message::decode(payload)
    }

    /// Entries of a log, and where reading goes on; None if that was all. What cannot be read is given up, so that the rest
    /// comes out: whoever keeps the node finds the bytes aside.
    pub(super) fn read_some(
        &self,
        log: LogId,
        from: u64,
        limit: ReadLimit,
    ) -> Result<(Vec<Stored>, Option<u64>), Fault> {
        let mut stored = Vec::new();
        let outcome = self.engine.read(log, from, limit, &mut stored);
        let next = match (outcome, stored.last()) {
            (_, Some(last)) => Some(last.index.saturating_add(1)),
            (Ok(()), None) => None,
            (Err(Fault::Corrupt { .. }), None) => Some(self.pass_over(log, from)?.unwrap_or(from)),
            (Err(fault), None) => return Err(fault),
        };
        Ok((stored, next))
    }

    /// Gives up what stands at that place and cannot be read; returns where reading goes on.
    fn pass_over(&self, log: LogId, from: u64) -> Result<Option<u64>, Fault> {
        let Some(GivenUp { damage, indexes }) = self.engine.give_up(log, from)? else { return Ok(None) };
        let Damage { file, offset, reason, kept, .. } = damage;
        let (first, last) = indexes.into_inner();
        tracing::error!(
            queue = %self.record.name, vhost = %self.record.vhost, %file, offset, %reason, ?kept, first, last,
            "messages are damaged and lost: their bytes are kept aside, the queue goes on behind them"
        );
        Ok(Some(last.saturating_add(1)))
    }

    /// Reads one message that its session let leave memory. None if it cannot be read, which is told.
    pub(super) fn fetch(&self, ticket: &Ticket) -> Option<Arc<Message>> {
        let outcome = self.fetch_one(self.log(ticket), ticket.seq);
        if !matches!(outcome, Ok(Some(_))) {
            tracing::error!(queue = %self.record.name, vhost = %self.record.vhost, index = ticket.seq, fault = ?outcome.as_ref().err(), "a message to be dead-lettered cannot be read");
        }
        outcome.ok().flatten()
    }

    fn fetch_one(&self, log: LogId, seq: u64) -> Result<Option<Arc<Message>>, Fault> {
        Ok(self.fetch_stored(log, seq)?.map(|(_, message)| message))
    }

    /// When a message expires, and itself.
    pub(super) fn fetch_stored(&self, log: LogId, seq: u64) -> Result<Option<(u64, Arc<Message>)>, Fault> {
        let mut stored = Vec::new();
        self.engine.read(log, seq, ReadLimit { entries: 1, bytes: 1 }, &mut stored)?;
        let found = stored.pop().filter(|record| record.index == seq);
        Ok(found.and_then(|record| Some((record.expires_at_ms, Arc::new(self.decode(record.payload).ok()?)))))
    }
}

impl State {
    fn next_task(&self, now_ms: u64) -> Option<Task> {
        let fetch = self.levels.due_on_disk(now_ms, FETCHED_MAX).map(Task::Fetch);
        let list = || self.unlisted_from.map(Task::List);
        fetch.or_else(list).or_else(|| self.levels.wanted().map(Task::Ahead))
    }
}
