//! Pacing: a publisher that runs ahead of consumers who take as fast as their sockets let them waits a moment for them.
//!
//! What is delivered while it is still in the processor's caches costs a fraction of what has to come from memory, or from
//! a spill file. So a queue that has [`AHEAD_BYTES`] for consumers who take all they are given lets its publishers pause until
//! half of that is gone, and then go on in turn. Nobody waits for consumers that are slow, or hold what they have: a queue
//! none of whose consumers has taken anything for [`MOMENT_MS`] is *outrun* and takes what comes for [`OUTRUN_MS`], and so
//! does one with a long backlog.
//! RabbitMQ: credit flow between a connection and a queue.

use std::{collections::VecDeque, sync::Arc};

use super::{Effects, Queue, State};
use crate::mailbox::Mailbox;

/// Bytes of ready messages from which on publishers pause.
const AHEAD_BYTES: u64 = 1024 * 1024;
/// Bytes of ready messages beyond which there is a backlog, which takes longer than a moment.
const BACKLOG_BYTES: u64 = 256 * 1024 * 1024;
/// What a publisher brings at most when it goes on.
const BROUGHT_BYTES: u64 = 256 * 1024;
/// How long publishers wait without anything being delivered, in milliseconds.
const MOMENT_MS: u64 = 100;
/// How long they do not wait after that, in milliseconds.
const OUTRUN_MS: u64 = 5000;

/// Who pauses.
#[derive(Default, Debug)]
pub(super) struct Pacing {
    waiting: VecDeque<Arc<Mailbox>>,
    /// When they go on at the latest.
    until_ms: u64,
    /// The consumers did not keep up: nobody waits for them before that.
    outrun_until_ms: u64,
}

impl State {
    /// Whether publishers are to pause.
    pub(super) fn is_ahead(&self, now_ms: u64) -> bool {
        (AHEAD_BYTES..BACKLOG_BYTES).contains(&self.levels.ready().bytes)
            && self.is_anyone_eager()
            && self.pacing.as_ref().is_none_or(|pacing| pacing.outrun_until_ms <= now_ms)
    }

    /// Whether somebody takes as fast as a socket, or the disk, allows.
    fn is_anyone_eager(&self) -> bool {
        self.consumers.is_anyone_stalled() || self.consumers.is_anyone_free()
    }

    /// Lets publishers go on for whom there is room, or who have waited long enough. To be called when the queue has come
    /// to rest.
    pub(super) fn let_go_on(&mut self, out: &mut Effects) {
        if self.pacing.is_none() {
            return;
        }
        let (ready, is_eager) = (self.levels.ready().bytes, self.is_anyone_eager());
        let Some(pacing) = &mut self.pacing else { return };
        let (has_caught_up, is_late) = (ready <= AHEAD_BYTES / 2, pacing.until_ms <= out.now_ms);
        if is_late && !has_caught_up && !pacing.waiting.is_empty() {
            pacing.outrun_until_ms = out.now_ms.saturating_add(OUTRUN_MS);
        }
        let count = if is_late || !is_eager || ready >= BACKLOG_BYTES {
            pacing.waiting.len()
        } else if has_caught_up {
            usize::try_from(AHEAD_BYTES.saturating_sub(ready) / BROUGHT_BYTES).unwrap_or(0)
        } else {
            0
        };
        for mailbox in pacing.waiting.drain(..count.min(pacing.waiting.len())) {
            mailbox.release();
            out.ring(&mailbox);
            // Whoever still waits does so for others' turns.
            pacing.until_ms = out.now_ms.saturating_add(MOMENT_MS);
        }
        if pacing.waiting.is_empty() && pacing.outrun_until_ms <= out.now_ms {
            self.pacing = None;
        }
    }

    /// Somebody has been delivered to: the consumers are worth waiting for.
    pub(super) fn note_progress(&mut self, now_ms: u64) {
        if let Some(pacing) = &mut self.pacing {
            pacing.until_ms = now_ms.saturating_add(MOMENT_MS);
        }
    }

    /// When those who pause go on at the latest.
    pub(super) fn goes_on_ms(&self) -> Option<u64> {
        self.pacing.as_ref().filter(|pacing| !pacing.waiting.is_empty()).map(|pacing| pacing.until_ms)
    }
}

impl Queue {
    /// The publisher with this mailbox has just brought something: it pauses if it is ahead of the consumers.
    /// Who pauses already has its turn, here or at another queue.
    pub(crate) fn pace(self: &Arc<Self>, publisher: &Arc<Mailbox>, out: &mut Effects) {
        if publisher.is_held() {
            return;
        }
        let mut state = self.state.lock();
        if self.is_deleted() || !state.is_ahead(out.now_ms) {
            return;
        }
        publisher.hold();
        let pacing = state.pacing.get_or_insert_default();
        if pacing.waiting.is_empty() {
            pacing.until_ms = out.now_ms.saturating_add(MOMENT_MS);
        }
        pacing.waiting.push_back(Arc::clone(publisher));
        self.arm(&mut state, out);
    }
}
