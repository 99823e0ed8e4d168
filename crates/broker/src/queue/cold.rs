//! Reading messages back that have left memory. Everything here may block on the disk.

use std::sync::Arc;

use model::Message;
use storage::{Damage, Fault, GivenUp, LogId, ReadLimit};

use super::{
    Effects, Queue,
    fifo::{Read, Ticket},
    levels::Wanted,
};

/// Bytes of one read of the log.
const READ_BYTES_MAX: u64 = 1024 * 1024;
/// Messages of one read of the log.
const READ_ENTRIES_MAX: usize = 4096;

impl Queue {
    /// Reads the log ahead. For a reader thread.
    pub(crate) fn read(self: &Arc<Self>, out: &mut Effects) {
        let wanted = {
            let mut state = self.state.lock();
            let wanted = state.levels.wanted();
            state.is_reading = wanted.is_some();
            wanted
        };
        let read = wanted.map(|wanted| self.read_from(wanted).map(|read| (wanted.level, read)));
        let mut state = self.state.lock();
        state.is_reading = false;
        match read.transpose() {
            // A purge was faster: whoever waits is told.
            Ok(None) => {}
            Ok(Some((level, read))) => {
                let missing = state.levels.load(level, read);
                if missing > 0 {
                    tracing::error!(queue = %self.record.name, vhost = %self.record.vhost, missing, "messages are not in the log that should be");
                }
            }
            Err(fault) => {
                tracing::error!(queue = %self.record.name, vhost = %self.record.vhost, %fault, "cannot read the queue's log: the queue stands still");
                return;
            }
        }
        self.expire(&mut state, out.now_ms, out);
        self.serve_gets(&mut state, out);
        self.settle_down(&mut state, out);
        self.account(&mut state);
    }

    /// What cannot be read is given up, so that the rest comes out: whoever keeps the node finds the bytes aside.
    fn read_from(&self, wanted: Wanted) -> Result<Read, Fault> {
        let Wanted { level, from, cold_to } = wanted;
        let log = LogId(self.record.id.level(level));
        let mut stored = Vec::new();
        let bytes = READ_BYTES_MAX.min(self.memory.window() / 2);
        let limit = ReadLimit { entries: READ_ENTRIES_MAX, bytes };
        let outcome = self.engine.read(log, from, limit, &mut stored);
        let end = match (outcome, stored.last()) {
            (_, Some(last)) => last.index.saturating_add(1),
            (Ok(()), None) => cold_to,
            (Err(Fault::Corrupt { .. }), None) => self.pass_over(log, from)?.unwrap_or(from),
            (Err(fault), None) => return Err(fault),
        };
        let mut entries = Vec::with_capacity(stored.len());
        for record in stored {
            match Message::decode(record.payload) {
                Ok(message) => entries.push((record.index, record.expires_at_ms, Arc::new(message))),
                Err(error) => {
                    tracing::error!(queue = %self.record.name, index = record.index, %error, "an entry of the log is no message");
                }
            }
        }
        Ok(Read { from, entries, end })
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
        let mut stored = Vec::new();
        let limit = ReadLimit { entries: 1, bytes: 1 };
        let outcome = self.engine.read(self.log(ticket), ticket.seq, limit, &mut stored);
        let found = stored.pop().filter(|record| record.index == ticket.seq);
        let message = found.and_then(|record| Message::decode(record.payload).ok());
        if message.is_none() {
            tracing::error!(queue = %self.record.name, vhost = %self.record.vhost, index = ticket.seq, fault = ?outcome.err(), "a message to be dead-lettered cannot be read");
        }
        message.map(Arc::new)
    }
}
